"""A process of the bench's own: what is measured, or what makes load.

Invariant: it runs on the cores it is given, sees nothing of our environment but what it is given, and is
ended.
"""

import os
import re
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

import orjson

from bench.crowd import LoadFailed
from bench.processes import pin

START_SECONDS = 30.0
END_SECONDS = 15.0
ROOT = Path(__file__).parent.parent
LINE_BYTES_MAX = 64 * 1024 * 1024


class Process:
    """A process that runs on `cores` only, in `folder`, with nothing of our environment but `settings`.

    `command` is a module and its arguments, or with `program` the arguments of that.
    """

    def __init__(
        self,
        command: list[str],
        folder: Path,
        errors: IO[bytes] | int,
        cores: frozenset[int],
        program: str = "",
        **settings: str,
    ) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        own = [sys.executable, "-m", *command]
        self._process = subprocess.Popen(  # noqa: S603 - our own modules, or a program that is measured
            [program, *command] if program else own,
            env=kept | {"PYTHONPATH": str(ROOT)} | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=folder,  # not ours: a .env there would change what is measured
        )
        self.pid = self._process.pid
        pin(self.pid, cores)
        self.port = 0
        self._said = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def output(self) -> int:
        """The file descriptor of what it writes."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def announced(self, pattern: str) -> int:
        """Return the port that the process prints. Raises LoadFailed when it does not in time."""
        deadline = time.monotonic() + START_SECONDS
        said = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.output, selectors.EVENT_READ)
            while selector.select(max(0.0, deadline - time.monotonic())) and (
                data := os.read(self.output, 4096)
            ):
                said += data
                if found := re.search(pattern, said.decode()):
                    return int(found[1])
        raise LoadFailed("a process to be measured did not start")

    def tell(self, what: dict[str, Any]) -> None:
        """Write it a line of JSON. Raises LoadFailed if it is gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(orjson.dumps(what) + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise LoadFailed(f"a process of the bench has ended: {error}") from error

    def lines(self) -> list[bytes]:
        """Return the whole lines it has written since, waiting for some. Raises LoadFailed at its end."""
        data = os.read(self.output, 1 << 20)
        if not data or len(self._said) > LINE_BYTES_MAX:
            raise LoadFailed(f"a process of the bench ended without a word ({self._process.poll()})")
        self._said += data
        *whole, rest = bytes(self._said).split(b"\n")
        self._said = bytearray(rest)
        return whole

    def end(self) -> None:
        """End it, kindly at first."""
        process = self._process
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # what was still to be told
                    pipe.close()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
