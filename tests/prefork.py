"""Servers without the second that Python takes to import one: a process that has done so forks each of them.

Invariant: a server has the environment, folder and outputs that were asked for, and of the process that it
was forked from only what importing made, of the same code as the installed command.

That process runs this file: `python -P prefork.py DESCRIPTOR`.
"""

import atexit
import contextlib
import importlib
import os
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import IO, Any

import orjson

IMPORTED = ("gateway.serving", "gateway.stores.sqlite", "rich.console", "typer.main")
"""By every server. Not gateway.cli: that is what they run."""
REQUEST_BYTES_MAX = 128 * 1024
REPLY_SECONDS = 60.0


class Forked:
    """A server's process, with what tests use of subprocess.Popen."""

    def __init__(self, pid: int, stdout: IO[str], ended: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout: IO[str] | None = stdout
        self._ended = ended
        self._lock = threading.Lock()
        weakref.finalize(self, os.close, ended)

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal, or None while it runs."""
        try:
            return self.wait(0.0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status as soon as there is one. Raises subprocess.TimeoutExpired."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.returncode) is None:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            said = _readable(self._ended, left)
            with self._lock:
                if self.returncode is None and said:
                    self.returncode = int(os.read(self._ended, 16) or -signal.SIGKILL)
            if not said:
                raise subprocess.TimeoutExpired(["serve"], timeout or 0.0)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def _readable(descriptor: int, within_seconds: float | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if within_seconds is None else within_seconds * 1000))


class Nursery:
    """The process that forks, started with the first server; it ends with this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._door: socket.socket | None = None

    def fork(self, program: str, environment: dict[str, str], folder: Path, errors: IO[str]) -> Forked:
        """Run `python -m program serve` with this environment, in this folder."""
        request = orjson.dumps({"program": program, "environment": environment, "folder": str(folder)})
        (said, stdout), (ended, ending) = os.pipe(), os.pipe()
        try:
            with self._lock:
                door = self._door = self._door or self._opened()
                socket.send_fds(door, [request], [stdout, errors.fileno(), ending])
                pid = int(door.recv(16))
        finally:
            os.close(stdout)
            os.close(ending)
        return Forked(pid, os.fdopen(said), ended)

    def _opened(self) -> socket.socket:
        door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()],
                env=environment | {"PYTHONWARNINGS": "error"}, stdin=subprocess.DEVNULL, cwd="/",
            )  # fmt: skip
        door.settimeout(REPLY_SECONDS)

        def close() -> None:
            door.close()
            process.wait()

        atexit.register(close)
        return door


def _serve(door: socket.socket) -> dict[str, Any] | None:
    """Fork for every request; return it in what was forked, and None when nobody asks any more."""
    running: dict[int, int] = {}
    woken, waking = os.pipe()
    for descriptor in (woken, waking):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking)
    with selectors.DefaultSelector() as selector:
        selector.register(door, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if woken in ready:
                os.read(woken, 1024)
                _report(running)
            if door not in ready:
                continue
            data, descriptors, *_ = socket.recv_fds(door, REQUEST_BYTES_MAX, 3)
            if not data:
                return None
            stdout, errors, ending = descriptors
            if not (pid := os.fork()):
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os.dup2(stdout, 1)
                os.dup2(errors, 2)
                for descriptor in (*descriptors, *running.values(), woken, waking):
                    os.close(descriptor)
                request: dict[str, Any] = orjson.loads(data)
                return request
            os.close(stdout)
            os.close(errors)
            os.set_inheritable(ending, False)
            running[pid] = ending
            door.send(str(pid).encode())


def _report(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        ending = running.pop(pid)
        with contextlib.suppress(BrokenPipeError):  # nobody wants to know
            os.write(ending, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(ending)


def main(descriptor: int) -> None:
    """Fork servers until the other side of the socket is closed."""
    for name in IMPORTED:
        importlib.import_module(name)
    assert threading.active_count() == 1, "a thread would be missing in whatever is forked"
    with socket.socket(fileno=descriptor) as door:
        request = _serve(door)
    if request is None:
        return
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = [request["program"], "serve"]
    runpy.run_module(request["program"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
