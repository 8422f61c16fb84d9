"""What is measured: a server of our own, the raw loop beside it, or a server elsewhere.

Invariant: what is measured runs on a core of its own where there are two; its media workers run elsewhere.
"""

import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.backends import Backends
from bench.child import ROOT, START_SECONDS, Process
from bench.crowd import LoadFailed
from bench.processes import descendants, pin, two_sides
from bench.target import Target, signed

SECRET = "the secret of a server that lives as long as one benchmark"  # noqa: S105 - of this server only
NO_LIMITS = {
    "LIVE_QUOTA_WEBSOCKET_RATE_LIMIT": "0",
    "LIVE_QUOTA_API_RATE_LIMIT": "0",
    "LIVE_QUOTA_CONCURRENT_SESSIONS": "0",
    "USER_RATE_LIMIT": "0",
    "ADDRESS_RATE_LIMIT": "0",
    "ADDRESS_UPGRADE_LIMIT": "0",
    "ADDRESS_UNAUTHENTICATED_MAX": "0",
    "UNAUTHENTICATED_MAX": "0",
}


def token(user: str = "bench") -> str:
    """Return a token that the server accepts: a creator's on the plan enterprise."""
    return signed(SECRET, user)


class EchoWorker(Process):
    """`bench.echo`, which takes streams of the server with this data directory."""

    def __init__(self, data_dir: Path) -> None:
        command = ["bench.echo", str(data_dir)]
        super().__init__(command, data_dir, subprocess.DEVNULL, two_sides()[1])
        self.announced(r"(\d+) streams")


class RawLoop(Process):
    """`bench.reference`."""

    def __init__(self) -> None:
        super().__init__(["bench.reference"], ROOT, subprocess.DEVNULL, two_sides()[0])
        self.port = self.announced(r"(\d+)\s")


class Site(Protocol):
    """A server under load."""

    @property
    def target(self) -> Target:
        """Where it is."""

    @property
    def pid(self) -> int | None:
        """Its process, if that is one of this machine."""

    def make_room(self) -> None:
        """Keep its workers off its core."""


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

    def end(self) -> None:
        """End it, and forget its data."""
        super().end()
        self._folder.cleanup()

    @property
    def target(self) -> Target:
        """Where it is."""
        return Target.here(self.port, SECRET)

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


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A server that somebody else runs, as it is set up; `pid` if it runs on this machine."""

    target: Target
    pid: int | None = None

    def make_room(self) -> None:
        """Leave it as it is."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What scenarios run in: which server they load, with how many processes, beside which databases."""

    backends: Backends = field(default_factory=Backends)
    elsewhere: Elsewhere | None = None
    """The server to load; None: one of our own for each scenario."""
    processes: int = 2
    warm_up_seconds: float = 1.0
    """Load by the clock that does not count yet."""
    say: Callable[[str], None] = lambda _text: None
    """Is told how far a scenario is within a step."""

    @contextmanager
    def server(self, **settings: str) -> Iterator[Site]:
        """Yield the server to load: ours is started with these settings. Raises LoadFailed."""
        if self.elsewhere is not None:
            yield self.elsewhere
            return
        with Server(**settings) as server:
            yield server
