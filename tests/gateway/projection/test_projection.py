"""The projection of the outbox: an event once in the log, whatever breaks off; CloudEvents at least once."""

import asyncio
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.condition import Condition
from gateway.projection import projection, usage_log
from gateway.projection.cloudevents import EventPost, NotTaken
from gateway.projection.projection import LogTelling, PostTelling, Projection, Waits, back_off_seconds
from gateway.projection.usage_log import UsageLog
from gateway.stores.auditor import audit_books
from gateway.stores.interface import Database, StoreDown
from gateway.stores.memory.leases import MemoryLeases
from gateway.stores.outbox import Sink, untold
from sessions.slices import MediaKind
from tests.gateway.rehearsal import settings
from tests.gateway.stores.books import NOW_MS, Books

DECEMBER_MS = NOW_MS + 20 * 24 * 3600 * 1000


@pytest.fixture
def books(database: Database) -> Books:
    return Books(database)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "usage"


def telling(books: Books, folder: Path, condition: Condition | None = None) -> LogTelling:
    return LogTelling(books.database, UsageLog(folder), condition or Condition(), lambda: NOW_MS / 1000 + 5)


def logged(folder: Path) -> list[dict[str, Any]]:
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def by_file(folder: Path) -> dict[str, list[str]]:
    return {
        path.name: [json.loads(line)["event_id"] for line in path.read_text().splitlines()]
        for path in sorted(folder.glob("*.jsonl"))
    }


def mode(folder: Path) -> int:
    return folder.stat().st_mode


def ids(folder: Path) -> list[str]:
    return [line["event_id"] for line in logged(folder)]


async def waiting(books: Books, sink: Sink = Sink.USAGE_LOG) -> list[str]:
    rows = await books.database.read(lambda c: untold(c, sink, 10_000))
    return [row.event_id for row in rows]


async def test_a_line_says_who_used_what(books: Books, folder: Path) -> None:
    first = await books.spend(12_345, session="live_a")
    second = await books.spend(500, "dan", kind=MediaKind.DUBBING, session="live_b")
    assert await telling(books, folder).step(1) == 2
    one, two = logged(folder)
    assert list(one)[:4] == ["timestamp", "tenant_id", "metric", "amount"]
    assert one == {
        "timestamp": "2026-11-20T14:30:00.250Z", "tenant_id": "acme", "metric": "live_subtitle_seconds",
        "amount": 12.345, "user": "noa", "session_id": "live_a", "channel_id": "main", "event_id": first,
        "sequence": 1, "late": False, "cost_micro": 2058,
    }  # fmt: skip
    assert (two["metric"], two["amount"], two["event_id"]) == ("live_dubbing_seconds", 0.5, second)
    assert list(by_file(folder)) == ["usage-202611.jsonl"]
    assert await waiting(books) == []
    assert (await books.database.read(audit_books)).findings == []


async def test_each_month_has_its_file_and_nobody_else_may_read_it(books: Books, folder: Path) -> None:
    november = await books.spend(1000)
    books.now_ms = DECEMBER_MS
    december = await books.spend(2000)
    await telling(books, folder).step(1)
    assert by_file(folder) == {"usage-202611.jsonl": [november], "usage-202612.jsonl": [december]}
    assert mode(folder) & 0o077 == 0


class Torn(Exception):
    """The process is gone, here."""


class Breaking(LogTelling):
    """Is killed between writing and marking."""

    async def _mark(self, event_ids: list[str]) -> None:
        if event_ids:
            raise Torn


@pytest.mark.parametrize("torn", [b"", b"{", b'{"timestamp":"2026', b'{"event_id":"slice_00002"'])
async def test_killed_between_writing_and_marking_each_event_is_there_once(
    books: Books, folder: Path, torn: bytes
) -> None:
    spent = [await books.spend(1000 + n) for n in range(3)]
    broken = Breaking(books.database, UsageLog(folder), Condition())
    with pytest.raises(Torn):
        await broken.step(1)
    assert await waiting(books) == spent
    with (folder / "usage-202611.jsonl").open("ab") as file:
        file.write(torn)
    more = await books.spend(5000)
    again = telling(books, folder)
    assert await again.step(2) == 1
    assert ids(folder) == [*spent, more]
    assert await again.step(2) == 0


async def test_killed_in_the_middle_of_writing_what_is_missing_is_written(books: Books, folder: Path) -> None:
    spent = [await books.spend(1000 + n) for n in range(4)]
    with pytest.raises(Torn):
        await Breaking(books.database, UsageLog(folder), Condition()).step(1)
    path = folder / "usage-202611.jsonl"
    whole = path.read_bytes()
    for kept in (0, 1, whole.index(b"\n"), whole.index(b"\n") + 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        usage = UsageLog(folder)
        found = usage.mend(500)
        assert found == spent[: whole[:kept].count(b"\n")]
    await telling(books, folder).step(1)
    assert ids(folder) == spent


async def test_a_batch_of_an_unmarked_end_is_looked_for_in_every_month(books: Books, folder: Path) -> None:
    first = await books.spend(1000)
    books.now_ms = DECEMBER_MS
    second = await books.spend(1000)
    with pytest.raises(Torn):
        await Breaking(books.database, UsageLog(folder), Condition()).step(1)
    assert await telling(books, folder).step(1) == 0
    assert ids(folder) == [first, second]


async def test_killed_processes_at_any_moment_leave_each_event_once(books: Books, folder: Path) -> None:
    """Real processes, real SIGKILL; the database's marks are made by who comes next."""
    spent = [await books.spend(1000 + n) for n in range(60)]
    rows = await books.database.read(lambda c: untold(c, Sink.USAGE_LOG, 100))
    program = (
        "import sys, os, signal, json\n"
        "from pathlib import Path\n"
        "from gateway.projection.usage_log import UsageLog\n"
        "from gateway.stores.outbox import Usage\n"
        "rows = [Usage(*row) for row in json.load(sys.stdin)]\n"
        "log = UsageLog(Path(sys.argv[1]))\n"
        "with log.locked():\n"
        "    log.append(rows)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    given = json.dumps(
        [[r.sequence, r.event_id, r.tenant_id, r.occurred_at_ms, r.payload] for r in rows[:30]]
    )
    root = Path(__file__).parent.parent.parent.parent
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program, str(folder)], input=given.encode(), cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)}, check=False,
    )  # fmt: skip
    assert killed.returncode == -9
    step = telling(books, folder)
    while await step.step(1):
        pass
    assert ids(folder) == spent


async def test_a_database_that_is_lost_while_marking_doubles_nothing(
    books: Books, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = await books.spend(1000)
    step = telling(books, folder)
    assert await step.step(1) == 1

    second = await books.spend(2000)

    async def lost(_change: object) -> None:
        raise StoreDown("gone")

    with monkeypatch.context() as patch:
        patch.setattr(books.database, "write", lost)
        with pytest.raises(StoreDown):
            await step.step(1)
    assert await step.step(1) == 0
    assert ids(folder) == [spent, second]


async def test_a_full_disk_shows_and_loses_nothing(
    books: Books, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = [await books.spend(1000 + n) for n in range(3)]
    condition = Condition()
    step = telling(books, folder, condition)

    def full(path: Path, lines: bytes) -> None:
        with path.open("ab") as file:
            file.write(lines[: len(lines) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(UsageLog, "_append", lambda _self, path, lines: full(path, lines))
        with pytest.raises(Waits, match="No space left"):
            await step.step(1)
    assert list(condition.degraded) == ["disk"]
    assert "No space left" in condition.degraded["disk"]
    assert str(folder) not in condition.degraded["disk"]
    while await step.step(1):
        pass
    assert condition.degraded == {}
    assert ids(folder) == spent


async def test_only_one_process_writes_a_folder_at_a_time(books: Books, folder: Path) -> None:
    spent = await books.spend(1000)
    with UsageLog(folder).locked(), pytest.raises(Waits, match="Another process"):
        await telling(books, folder).step(1)
    await telling(books, folder).step(1)
    assert ids(folder) == [spent]


async def test_leaders_that_change_in_one_folder_write_each_event_once(books: Books, folder: Path) -> None:
    spent = []
    first, second = telling(books, folder), telling(books, folder)
    for fence, step in enumerate([first, second, first, second, second, first], start=1):
        spent.append(await books.spend(1000))
        await step.step(fence)
    assert ids(folder) == spent


async def test_full_batches_follow_at_once(
    books: Books, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "LOG_BATCH_MAX", 2)
    monkeypatch.setattr(LogTelling, "batch_max", 2)
    spent = [await books.spend(1000) for _ in range(3)]
    leads = Projection(telling(books, folder), MemoryLeases(lambda: 0.0), "boot_1")
    assert [await leads.turn() for _ in range(2)] == [0.0, projection.POLL_SECONDS]
    assert ids(folder) == spent


def test_the_tail_is_found_across_blocks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_log, "CHUNK_BYTES", 7)
    folder.mkdir()
    path = folder / "usage-202611.jsonl"
    path.write_bytes(b"".join(b'{"event_id":"e%d"}\n' % n for n in range(9)) + b"by hand\n" + b'{"event')
    log = UsageLog(folder)
    assert log.mend(3) == ["e7", "e8"]
    assert path.read_bytes().endswith(b"by hand\n")
    assert log.mend(100) == [f"e{n}" for n in range(9)]


# --- CloudEvents ----------------------------------------------------------------------------------------


class Receiver:
    """Takes CloudEvents, or does not."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.status = 204
        self.down = False

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.down:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(self.status)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for request in self.requests for event in json.loads(request.content)]


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


def posting(books: Books, receiver: Receiver, token: str = "") -> PostTelling:
    post = EventPost("https://events.test/usage", token, httpx.MockTransport(receiver.answer))
    return PostTelling(books.database, post, lambda: NOW_MS / 1000 + 60)


async def test_an_event_is_posted_as_the_standard_has_it(books: Books, receiver: Receiver) -> None:
    spent = await books.spend(12_345, "nøa", session="live_a")
    step = posting(books, receiver, "s3cret")
    assert await step.step(1) == 1
    assert await step.step(1) == 0
    (request,) = receiver.requests
    assert request.headers["content-type"] == "application/cloudevents-batch+json; charset=utf-8"
    assert request.headers["authorization"] == "Bearer s3cret"
    (event,) = receiver.events
    assert event == {
        "specversion": "1.0", "type": "stagedoor.usage.settled", "source": "/stagedoor/tenants/acme",
        "id": spent, "time": "2026-11-20T14:30:00.250Z", "subject": "nøa",
        "datacontenttype": "application/json", "dataschema": "urn:stagedoor:usage.settled:1",
        "tenantid": "acme", "sequence": "00000000000000000001",
        "data": {
            "metric": "live_subtitle_seconds", "amount": 12.345, "kind": "subtitles", "quantity_ms": 12_345,
            "user": "nøa", "session_id": "live_a", "channel_id": "main", "late": False,
            "rate_micro_per_minute": 10_000, "cost_micro": 2058,
        },
    }  # fmt: skip
    await step.aclose()


@pytest.mark.parametrize("status", [301, 400, 401, 429, 500, 503])
async def test_what_is_not_taken_is_sent_again_under_the_same_id(
    books: Books, receiver: Receiver, status: int
) -> None:
    spent = await books.spend(1000)
    step = posting(books, receiver)
    receiver.status = status
    with pytest.raises(Waits, match=str(status)):
        await step.step(1)
    receiver.status, receiver.down = 204, True
    with pytest.raises(Waits, match="ConnectError"):
        await step.step(1)
    assert await waiting(books, Sink.CLOUDEVENTS) == [spent]
    receiver.down = False
    assert await step.step(1) == 1
    assert [event["id"] for event in receiver.events] == [spent] * 3
    assert await waiting(books, Sink.CLOUDEVENTS) == []
    await step.aclose()


async def test_a_receiver_that_is_down_holds_up_neither_the_log_nor_anybody(
    books: Books, receiver: Receiver, folder: Path
) -> None:
    receiver.down = True
    spent = await books.spend(1000)
    leases = MemoryLeases(lambda: 0.0)
    posts = Projection(posting(books, receiver), leases, "boot_1")
    logs = Projection(telling(books, folder), leases, "boot_1")
    assert [await posts.turn() for _ in range(3)] == [1.0, 2.0, 4.0]
    assert await logs.turn() == projection.POLL_SECONDS
    assert ids(folder) == [spent]
    receiver.down = False
    assert await posts.turn() == projection.POLL_SECONDS
    receiver.down = True
    await books.spend(1000)
    assert await posts.turn() == 1.0
    await posts.aclose()


async def test_who_does_not_lead_tells_nothing(books: Books, receiver: Receiver) -> None:
    await books.spend(1000)
    leases = MemoryLeases(lambda: 0.0)
    await leases.acquire("projection:cloudevents", "another", 30)
    posts = Projection(posting(books, receiver), leases, "boot_1")
    assert await posts.turn() > 0
    assert receiver.requests == []
    await leases.release("projection:cloudevents", "another")
    await posts.aclose()
    assert len(receiver.events) == 1
    assert await leases.acquire("projection:cloudevents", "another", 30) is not None


def test_the_wait_grows_to_a_minute() -> None:
    assert [back_off_seconds(n) for n in (1, 2, 3, 6, 7, 8, 5000)] == [1, 2, 4, 32, 60, 60, 60]


async def test_an_address_that_is_none_is_said_so() -> None:
    post = EventPost("http://[::1", "")
    with pytest.raises(NotTaken):
        await post.send([])
    await post.aclose()


@pytest.mark.parametrize(
    "url", ["events.example.com", "ftp://events.example.com", "https://", "file:///tmp/x"]
)
def test_an_address_that_cannot_be_posted_to_stops_the_server(url: str) -> None:
    with pytest.raises(ValueError, match="CLOUDEVENTS_URL must be like"):
        settings(cloudevents_url=url)
