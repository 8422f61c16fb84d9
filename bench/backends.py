"""Databases and a Redis to measure with: those that are given, else servers started for the run.

Invariant: what was started is ended with the run, and its data with it.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.crowd import LoadFailed

READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Backends:
    """URLs of a PostgreSQL database with nothing in it and of a Redis, both of which are written to. Without
    one a server is started where its program is installed, and left out elsewhere."""

    database_url: str = ""
    redis_url: str = ""

    @contextmanager
    def postgres(self) -> Iterator[str]:
        """Yield the URL of an empty database; an empty string: there is none to be had. Raises LoadFailed."""
        if self.database_url or not (binaries := _postgres_binaries()):
            yield self.database_url
            return
        user = _other_user()
        with tempfile.TemporaryDirectory(prefix="stagedoor-bench-pg-", ignore_cleanup_errors=True) as name:
            if user:
                shutil.chown(name, user)
            data, port = f"{name}/data", free_port()
            initdb = [str(binaries / "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"]
            _run([*initdb, "-E", "UTF8", "--locale=C"], name, user)
            server = [str(binaries / "postgres"), "-D", data, "-p", str(port), "-k", name]
            with _running([*server, "-c", "listen_addresses=127.0.0.1"], name, user) as process:
                _wait(process, lambda: (Path(data) / "postmaster.pid").read_text().split()[-1] == "ready")
                yield f"postgresql://postgres@127.0.0.1:{port}/postgres"

    @contextmanager
    def redis(self) -> Iterator[str]:
        """Yield the URL of a Redis; an empty string: there is none to be had. Raises LoadFailed."""
        program = shutil.which("redis-server") or shutil.which("redis-check-rdb")
        if self.redis_url or not program:
            yield self.redis_url
            return
        with tempfile.TemporaryDirectory(prefix="stagedoor-bench-redis-") as name:
            port = free_port()
            command = [
                "redis-server",
                "--port",
                str(port),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--dir",
                name,
            ]
            with _running(command, name, None, program) as process:
                _wait(process, lambda: _answers(port))
                yield f"redis://127.0.0.1:{port}/0"


def _postgres_binaries() -> Path | None:
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True
    )
    if found := shutil.which("initdb"):
        folders.append(Path(found).resolve().parent)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


def _other_user() -> str | None:
    """Return whom PostgreSQL runs as: it refuses root."""
    if os.geteuid() != 0:
        return None
    return "postgres" if "postgres" in {entry.pw_name for entry in pwd.getpwall()} else "nobody"


def free_port() -> int:
    """Return a port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith(b"+PONG")


def _run(command: list[str], folder: str, user: str | None) -> None:
    groups: list[int] | None = [] if user else None
    done = subprocess.run(  # noqa: S603 - a program that this machine has installed
        command, cwd=folder, user=user, extra_groups=groups, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LoadFailed(f"{command[0]} does not work: {done.stderr[-1000:]}")


@contextmanager
def _running(
    command: list[str], folder: str, user: str | None, program: str | None = None
) -> "Iterator[subprocess.Popen[bytes]]":
    groups: list[int] | None = [] if user else None
    if (setpriv := shutil.which("setpriv")) and program is None:
        command = [setpriv, "--pdeathsig", "INT", *command]
    process = subprocess.Popen(  # noqa: S603 - a program that this machine has installed
        command, executable=program, cwd=folder, user=user, extra_groups=groups, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if ready():
                return
        except (OSError, IndexError):
            pass
        time.sleep(0.02)
    raise LoadFailed(f"{process.args!r} does not start")
