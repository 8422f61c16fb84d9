"""A real server for tests: `stagedoor serve` in a process of its own, on a free port, with its own data."""

import asyncio
import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import orjson
from websockets.asyncio.client import ClientConnection, connect

from auth.principal import Plan, Principal, Role
from auth.tokens import KeyRing, issue
from gateway.stores.database import SQLITE_FILE
from tests.databases import migrated_sqlite
from tests.prefork import Forked, Nursery

SECRET = "a secret that only tests know, of enough bytes"
KEYS = KeyRing.of(SECRET.encode())
Process = Forked | subprocess.Popen[str]
NURSERY = Nursery()
READY_SECONDS = 30.0
LOG_CHARACTERS_MAX = 4000
"""Of a server's log in the message that it did not start."""
NO_LIMITS = {
    "LIVE_QUOTA_WEBSOCKET_RATE_LIMIT": "0",
    "LIVE_QUOTA_API_RATE_LIMIT": "0",
    "LIVE_QUOTA_CHECK_RATE_LIMIT": "0",
    "LIVE_QUOTA_CONCURRENT_SESSIONS": "0",
    "USER_RATE_LIMIT": "0",
    "ADDRESS_RATE_LIMIT": "0",
    "ADDRESS_UPGRADE_LIMIT": "0",
    "ADDRESS_UNAUTHENTICATED_MAX": "0",
    "UNAUTHENTICATED_MAX": "0",
    "SOCKETIO_CONNECTION_RATE_LIMIT": "0",
    "SOCKETIO_EVENT_RATE_LIMIT": "0",
    "ROOM_USER_MESSAGE_LIMIT": "0",
    "ROOM_MESSAGE_LIMIT": "0",
    "ROOM_CODE_USER_LIMIT": "0",
    "ROOM_CODE_ADDRESS_LIMIT": "0",
    "CALL_USER_RATE_LIMIT": "0",
    "CALL_ADDRESS_RATE_LIMIT": "0",
}
"""Settings that turn every limit at the door off, for tests of something else."""


def token(user: str = "dana", role: Role = Role.CREATOR, plan: Plan = Plan.ENTERPRISE, **changes: Any) -> str:
    """Return a token that a House accepts."""
    now = time.time()
    claims: dict[str, Any] = {
        "tenant": "default",
        "expires_at": now + 3600,
        "token_id": f"jti_{user}",
    } | changes
    return issue(KEYS, Principal(user=user, roles=frozenset({role}), plan=plan, **claims), now=now)


@dataclass
class House:
    """A server that runs; `port` is where."""

    process: Process
    port: int
    data_dir: Path
    log: Path

    def url(self, path: str) -> str:
        """Return the HTTP address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def get(self, path: str, bearer: str | None = None) -> Any:
        """Return the JSON that a GET answers."""
        request = urllib.request.Request(self.url(path))
        if bearer:
            request.add_header("Authorization", f"Bearer {bearer}")
        with urllib.request.urlopen(request, timeout=10) as response:
            return orjson.loads(response.read())

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples, of those with these labels."""
        with urllib.request.urlopen(self.url("/metrics"), timeout=10) as response:
            text = response.read().decode()
        samples = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", text, re.MULTILINE)
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(float(value) for given, value in samples if all(label in given for label in wanted))

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Let the server sleep meanwhile, as on a machine that is too busy."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    @property
    def memory_bytes(self) -> int:
        """Return what the server's own process has resident, of anonymous memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"^RssAnon:\s+(\d+) kB$", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    @property
    def workers(self) -> list[int]:
        """Return the process ids of the media workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children]

    def live(self, path: str, **options: Any) -> connect:
        """Return a connection to a live path, before authentication."""
        return connect(
            f"ws://127.0.0.1:{self.port}/ws/live/{path}", max_size=None, max_queue=None, proxy=None, **options
        )

    @contextlib.asynccontextmanager
    async def joined(self, path: str, bearer: str | None = None, resume: Any = None) -> Any:
        """Connect and authenticate; yield a Client."""
        async with self.live(path) as socket:
            client = Client(socket)
            await client.authenticate(bearer or token(), resume)
            yield client


class Client:
    """A client of a live socket: sends and takes JSON messages; audio comes as bytes."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.connected: dict[str, Any] = {}

    async def authenticate(self, bearer: str, resume: Any = None) -> dict[str, Any]:
        """Send the first message; return the answer, which is `connected` or `error`."""
        message = {"type": "authenticate", "token": bearer} | ({"resume": resume} if resume else {})
        await self.send(**message)
        self.connected = await self.take()
        return self.connected

    async def send(self, **message: Any) -> None:
        """Send a message."""
        await self.socket.send(orjson.dumps(message).decode())

    async def take(self, *types: str, within_seconds: float = 20.0) -> Any:
        """Return the next message, or the next of the given types, leaving out others."""
        async with asyncio.timeout(within_seconds):
            while True:
                data = await self.socket.recv()
                message = data if isinstance(data, bytes) else orjson.loads(data)
                if not types or (isinstance(message, dict) and message["type"] in types):
                    return message

    async def finals(self, count: int, within_seconds: float = 30.0) -> list[dict[str, Any]]:
        """Return the next `count` final subtitles."""
        taken: list[dict[str, Any]] = []
        async with asyncio.timeout(within_seconds):
            while len(taken) < count:
                message = await self.take("subtitle", within_seconds=within_seconds)
                if message["is_final"]:
                    taken.append(message)
        return taken


class Opened:
    """Context manager of a House; `program` is the module that serves."""

    def __init__(self, data_dir: Path, program: str = "gateway.cli", **settings: str) -> None:
        self._data_dir = data_dir
        self._program = program
        self._settings = settings
        self._house: House | None = None

    def __enter__(self) -> House:
        self._house = self._open()
        return self._house

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._house is not None
        close_house(self._house)

    def _open(self) -> House:
        return open_house(self._data_dir, self._program, **self._settings)


class OpenedCold(Opened):
    """One that is started as everywhere: Python imports it, and it makes its database."""

    def _open(self) -> House:
        return _open(_started, self._data_dir, self._program, self._settings)


def open_house(data_dir: Path, program: str = "gateway.cli", **settings: str) -> House:
    """Start a server and return when it is ready, with a warm worker.

    It is forked from a process that has imported it (`prefork.py`), and finds a new SQLite file.
    """
    if not (settings.get("DATABASE_URL") or (data_dir / SQLITE_FILE).exists()):
        migrated_sqlite(data_dir)
    return _open(NURSERY.fork, data_dir, program, settings)


def _started(program: str, environment: dict[str, str], folder: Path, errors: IO[str]) -> Process:
    return subprocess.Popen(
        [sys.executable, "-m", program, "serve"], env=environment, stdout=subprocess.PIPE, stderr=errors,
        text=True, cwd=folder,
    )  # fmt: skip


def _open(
    start: Callable[[str, dict[str, str], Path, IO[str]], Process],
    data_dir: Path,
    program: str,
    settings: dict[str, str],
) -> House:
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "server.log"
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if name in {"PATH", "HOME", "LANG", "VIRTUAL_ENV"}
        },
        "JWT_SECRET": SECRET,
        "DATA_DIR": str(data_dir),
        "PORT": "0",
        "LOG_FORMAT": "json",
        "PYTHONWARNINGS": "error",
        **settings,
    }
    with log.open("a") as errors:
        process = start(program, environment, data_dir, errors)  # in a folder without a developer's .env
    assert process.stdout is not None
    try:
        port = _announced_port(process.stdout, log)
        house = House(process, port, data_dir, log)
        _wait_until_ready(house)
    except BaseException:
        process.kill()
        process.wait()
        process.stdout.close()
        raise
    return house


def close_house(house: House) -> None:
    """End a server, kindly at first."""
    if house.process.poll() is None:
        house.process.send_signal(signal.SIGTERM)
        try:
            house.process.wait(15)
        except subprocess.TimeoutExpired:
            house.process.kill()
            house.process.wait()
    if house.process.stdout is not None:
        house.process.stdout.close()


def _announced_port(stdout: IO[str], log: Path) -> int:
    # Past the buffer of the stream: what that has taken, no selector sees.
    descriptor, said = stdout.fileno(), ""
    deadline = time.monotonic() + READY_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            data = os.read(descriptor, 4096)
            if not data:
                break
            said += data.decode()
            if found := re.search(r"http://\S+?:(\d+)\s", said):
                return int(found[1])
    raise AssertionError(f"The server did not start:\n{log.read_text()[-LOG_CHARACTERS_MAX:]}")


def _wait_until_ready(house: House) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and house.process.poll() is None:
        with contextlib.suppress(OSError):
            house.get("/readyz")
            return
        time.sleep(0.05)
    raise AssertionError(f"The server did not become ready:\n{house.log.read_text()[-LOG_CHARACTERS_MAX:]}")


def lines(log: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON lines of a log."""
    for line in log.read_text().splitlines():
        if line.startswith("{"):
            yield orjson.loads(line)
