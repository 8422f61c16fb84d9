"""What is measured, as processes: the server with a data directory of its own, and the raw loop beside it.

Invariant: what is measured runs on a core of its own where there are two; its media workers run elsewhere.
"""

import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

from auth.principal import Plan, Principal, Role
from auth.tokens import KeyRing, issue
from bench.crowd import LoadFailed
from bench.processes import descendants, pin, two_sides

SECRET = "the secret of a server that lives as long as one benchmark"  # noqa: S105 - of this server only
NO_LIMITS = {
    "LIVE_QUOTA_WEBSOCKET_RATE_LIMIT": "0",
    "LIVE_QUOTA_API_RATE_LIMIT": "0",
    "LIVE_QUOTA_CONCURRENT_SESSIONS": "0",
    "ADDRESS_UPGRADE_LIMIT": "0",
    "ADDRESS_UNAUTHENTICATED_MAX": "0",
    "UNAUTHENTICATED_MAX": "0",
}
START_SECONDS = 30.0
ROOT = Path(__file__).parent.parent


def token(user: str = "bench") -> str:
    """Return a token that the server accepts for an hour: a creator's on the plan enterprise."""
    now = time.time()
    principal = Principal(
        user=user,
        tenant="default",
        roles=frozenset({Role.CREATOR}),
        plan=Plan.ENTERPRISE,
        expires_at=now + 3600,
        token_id=f"jti_{user}",
    )
    return issue(KeyRing.of(SECRET.encode()), principal, now=now)


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

    def announced(self, pattern: str) -> int:
        """Return the port that the process prints. Raises LoadFailed when it does not in time."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + START_SECONDS
        pipe, said = self._process.stdout.fileno(), b""
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while selector.select(max(0.0, deadline - time.monotonic())) and (data := os.read(pipe, 4096)):
                said += data
                if found := re.search(pattern, said.decode()):
                    return int(found[1])
        raise LoadFailed("a process to be measured did not start")

    def end(self) -> None:
        """End it, kindly at first."""
        process = self._process
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class EchoWorker(Process):
    """`bench.echo`, which takes streams of the server with this data directory."""

    def __init__(self, data_dir: Path) -> None:
        command = ["bench.echo", str(data_dir)]
        super().__init__(command, data_dir, subprocess.DEVNULL, two_sides()[1])
        self.announced(r"(\d+) streams")

    def __enter__(self) -> "EchoWorker":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class RawLoop(Process):
    """`bench.reference`."""

    def __init__(self) -> None:
        super().__init__(["bench.reference"], ROOT, subprocess.DEVNULL, two_sides()[0])
        self.port = self.announced(r"(\d+)\s")

    def __enter__(self) -> "RawLoop":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class Server(Process):
    """`stagedoor serve` on a free port with every limit off; `settings` are environment variables."""

    def __init__(self, **settings: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="stagedoor-bench-")
        self.data_dir = Path(self._folder.name)
        own = {"JWT_SECRET": SECRET, "DATA_DIR": str(self.data_dir), "PORT": "0", "HOST": "127.0.0.1"}
        command, given = ["gateway.cli", "serve"], own | NO_LIMITS | settings
        log = self.data_dir / "server.log"
        with log.open("wb") as errors:
            super().__init__(command, self.data_dir, errors, two_sides()[0], **given)
        try:
            self.port = self.announced(r"http://\S+?:(\d+)\s")
            self._wait_until_ready()
        except LoadFailed as error:
            said = log.read_text()
            self.end()
            raise LoadFailed(f"{error}:\n{said}") from error

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End it, and forget its data."""
        super().end()
        self._folder.cleanup()

    @property
    def processes(self) -> list[int]:
        """The server and everything that it has started."""
        return [self.pid, *descendants(self.pid)]

    def make_room(self) -> None:
        """Send the workers to the other core; they inherit ours when they are started."""
        for worker in descendants(self.pid):
            pin(worker, two_sides()[1])

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.make_room()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise LoadFailed("the server did not become ready")
