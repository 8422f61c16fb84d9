"""Two servers on one PostgreSQL and one Redis: minutes are exact across both, whichever of them goes."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.stores.schema import boots, quota_slices, usage_events
from tests.databases import Postgres, apart
from tests.databases import redis_server as run_redis
from tests.end_to_end.minutes import CHEAP, LOOK_SECONDS, Books, Speaker, fan, until
from tests.end_to_end.peers import Crowd, crowd_of
from tests.end_to_end.test_session_ends import admin, listed
from tests.house import House, close_house, open_house

LEASE_SECONDS = 3
REAPER_LEASE_SECONDS = 30
SPEAKERS = 6
LEFT_MS = 60_000
CHECKPOINT_MS = 1000
COMMIT_MS = 1000
SETTINGS = {
    "BOOT_LEASE_SECONDS": str(LEASE_SECONDS),
    "LIVE_QUOTA_FREE_SUBTITLE_MINUTES_PER_HOUR": "-1",
    "LIVE_QUOTA_FREE_SUBTITLE_MINUTES_PER_DAY": "-1",
    "LIVE_QUOTA_FREE_SUBTITLE_MINUTES_PER_MONTH": "1",
}


@dataclass(frozen=True)
class Servers:
    """One that leads the reaper, and another that does not."""

    leader: House
    other: House
    books: Books


@dataclass(frozen=True)
class Cluster(Servers):
    """With people at each."""

    at_leader: Crowd
    at_other: Crowd


@contextmanager
def two_servers(postgres: Postgres, folder: Path) -> Iterator[Servers]:
    """Start two servers on a database and a Redis of their own."""
    url = apart(postgres.migrated_database())
    with ExitStack() as stack:
        stack.callback(lambda: apart(postgres.drop(url)))
        # A leader that is killed leaves its lease behind: no other test is to wait for that.
        redis = stack.enter_context(run_redis())
        settings = CHEAP | SETTINGS | {"DATABASE_URL": url, "REDIS_URL": redis.url}
        with ThreadPoolExecutor(2) as threads:
            starting = [threads.submit(open_house, folder / name, **settings) for name in ("a", "b")]
        houses = [started.result() for started in starting]
        for house in houses:
            stack.callback(close_house, house)
        deadline = time.monotonic() + 20
        while leading(*houses) != 1:
            assert time.monotonic() < deadline
        leader, other = sorted(houses, key=leading, reverse=True)
        yield Servers(leader, other, Books(leader.data_dir, url))
        assert leading(*(house for house in houses if house.process.poll() is None)) <= 1


@pytest.fixture(scope="module")
def servers(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers that all tests share, the last of which kills one."""
    with two_servers(postgres, tmp_path_factory.mktemp("cluster")) as two:
        yield two


@asynccontextmanager
async def peopled(servers: Servers) -> AsyncIterator[Cluster]:
    async with crowd_of(servers.leader) as at_leader, crowd_of(servers.other) as at_other:
        yield Cluster(servers.leader, servers.other, servers.books, at_leader, at_other)


@pytest.fixture
async def cluster(servers: Servers) -> AsyncIterator[Cluster]:
    async with peopled(servers) as cluster:
        yield cluster


def leading(*houses: House) -> float:
    return sum(house.metric("stagedoor_reaper_leader") for house in houses)


async def people(crowd: Crowd, name: str, *, count: int = SPEAKERS) -> list[Speaker]:
    """Let so many users come."""
    made = [
        Speaker(crowd, f"{name}-{number}/subtitles?target_lang=en", fan(f"{name}-{number}"))
        for number in range(count)
    ]
    await asyncio.gather(*(speaker.joins() for speaker in made))
    return made


async def add_up(cluster: Cluster, *, within_seconds: float = 20) -> None:
    """Assert that all is settled and adds up, with each event in the log of one server, once."""
    await cluster.books.settled(within_seconds)
    await cluster.books.audited()
    events = sorted(row["id"] for row in await cluster.books.rows(select(usage_events.c.id)))
    logs = [Books(house.data_dir) for house in (cluster.leader, cluster.other)]

    def logged() -> list[str]:
        return sorted(event_id for log in logs for event_id in log.logged())

    await until(lambda: len(logged()) >= len(events), "the usage log", REAPER_LEASE_SECONDS + 20)
    assert logged() == events


async def test_one_users_minutes_on_both_and_an_admin_of_both(cluster: Cluster) -> None:
    await an_admin_at_one_ends_a_session_at_the_other(cluster)
    path = "rush-{}/subtitles?target_lang=en"
    rush = [
        Speaker(crowd, path.format(number), fan("rush"))
        for crowd in (cluster.at_leader, cluster.at_other)
        for number in range(10)
    ]
    await asyncio.gather(*(speaker.joins() for speaker in rush))
    for speaker in rush:
        speaker.says_ms(20_000)
    billed = Counter({speaker.session_id: await is_stopped(speaker) for speaker in rush})
    await cluster.books.settled()
    assert LEFT_MS * 0.9 < billed.total() <= LEFT_MS
    written = await cluster.books.billed()
    assert {speaker.session_id: written[speaker.session_id] for speaker in rush} == billed
    await add_up(cluster)


async def is_stopped(speaker: Speaker) -> int:
    assert (await speaker.peer.take("error"))["code"] == "QUOTA_EXCEEDED"
    ended = await speaker.peer.take("ended")
    assert await speaker.peer.closed() == 4402
    billed_ms: int = round(ended["billed_seconds"] * 1000)
    return billed_ms


async def an_admin_at_one_ends_a_session_at_the_other(cluster: Cluster) -> None:
    (here,), (there,) = (
        await people(cluster.at_leader, "here", count=1),
        await people(cluster.at_other, "there", count=1),
    )
    for one in (here, there):
        one.says_ms(700)
        await one.heard()
    async with admin(cluster.leader) as client:
        for one in (here, there):
            assert (await listed(client, one.session_id))["state"] == "ACTIVE"
            began = time.monotonic()
            answer = await client.post(f"/sessions/{one.session_id}/end", json={"reason": "a test"})
            assert answer.status_code == 200
            assert (await one.peer.take("error"))["code"] == "ENDED_BY_ADMIN"
            assert await one.peer.closed() == 4003
            assert time.monotonic() - began < 3
            await cluster.books.become(one.session_id, "ENDED_BY_ADMIN", "ended_by_admin")
    await cluster.books.settled()
    billed = await cluster.books.billed()
    assert billed[here.session_id] == billed[there.session_id] == 700


async def killed(cluster: Cluster, victim: House, at_victim: Crowd, at_survivor: Crowd, wait: float) -> None:
    """Kill one of two under load: the other takes over what it held once its lease is over."""
    stay, go = await people(at_survivor, "stay"), await people(at_victim, "go")
    for speaker in (*stay, *go):
        speaker.speaks(keep=True)
    for speaker in (*stay, *go):
        await speaker.peer.take("audio_ack")
        await speaker.peer.take("audio_ack")
    victim.process.kill()
    sent_ms = {speaker.session_id: speaker.sent_ms for speaker in go}
    held = {row["session_id"] for row in await cluster.books.open_slices()}
    assert held >= set(sent_ms)
    began = time.monotonic()
    for speaker in go:
        await cluster.books.become(speaker.session_id, "INTERRUPTED", "process_lost", wait)
    assert time.monotonic() - began < wait
    # What the one that is gone did not come to write is at most a checkpoint's time, and never too much.
    billed = await cluster.books.billed()
    lost_ms = [sent_ms[session_id] - billed[session_id] for session_id in sent_ms]
    assert min(lost_ms) >= 0
    assert sum(lost_ms) <= len(go) * (CHECKPOINT_MS + COMMIT_MS)
    closed_by = {
        row["closed_by"]
        for row in await cluster.books.rows(select(quota_slices))
        if row["session_id"] in sent_ms
    }
    assert closed_by <= {"owner", "recovery"}
    assert "recovery" in closed_by
    for speaker in stay:
        speaker.stops()
        assert round((await speaker.ends())["billed_seconds"] * 1000) == speaker.sent_ms
    # Those who were cut off are not kept out by what was held for them.
    again = Speaker(at_survivor, go[0].path, go[0].bearer)
    await again.joins()
    again.says_ms(500)
    assert (await again.ends())["billed_seconds"] == 0.5
    await add_up(cluster, within_seconds=wait)
    billed = await cluster.books.billed()
    assert {speaker.session_id: billed[speaker.session_id] for speaker in stay} == {
        speaker.session_id: speaker.sent_ms for speaker in stay
    }


async def test_one_that_was_taken_for_gone_goes_on_and_nothing_counts_twice(cluster: Cluster) -> None:
    slow = await people(cluster.at_other, "slow")
    for speaker in slow:
        speaker.speaks(keep=True)
    for speaker in slow:
        await speaker.peer.take("audio_ack")
    cluster.other.process.send_signal(signal.SIGSTOP)
    try:
        for speaker in slow:
            await cluster.books.become(
                speaker.session_id, "INTERRUPTED", "process_lost", 2 * LEASE_SECONDS + 6
            )
        assert await cluster.books.open_slices() == []
        fenced = await lives(cluster)
        before = await cluster.books.billed()
        assert all(before[speaker.session_id] < speaker.sent_ms for speaker in slow)
    finally:
        cluster.other.process.send_signal(signal.SIGCONT)
    for speaker in slow:
        await goes_on_under_a_new_boot(cluster, speaker, fenced)
    for speaker in slow:
        speaker.stops()
        ended = await speaker.ends()
        assert round(ended["audio_seconds"] * 1000) == speaker.sent_ms
        assert round(ended["billed_seconds"] * 1000) == speaker.sent_ms
    await add_up(cluster)
    billed = await cluster.books.billed()
    due = {speaker.session_id: speaker.sent_ms for speaker in slow}
    assert {session_id: billed[session_id] for session_id in due} == due
    late = [row for row in await cluster.books.rows(select(usage_events)) if row["late"]]
    assert late
    assert len({row["id"] for row in late}) == len(late)
    for speaker in slow:
        await cluster.books.become(speaker.session_id, "COMPLETED", "done")


async def lives(cluster: Cluster) -> set[str]:
    """Return the boots that were taken over."""
    return {row["id"] for row in await cluster.books.rows(select(boots)) if row["fenced_at"] is not None}


async def goes_on_under_a_new_boot(cluster: Cluster, speaker: Speaker, fenced: set[str]) -> None:
    deadline = time.monotonic() + 15
    while True:
        rows = await cluster.books.rows(
            select(quota_slices).where(
                quota_slices.c.session_id == speaker.session_id, quota_slices.c.state == "open"
            )
        )
        states = await cluster.books.states()
        if rows and rows[-1]["boot_id"] not in fenced and states[speaker.session_id][0] == "ACTIVE":
            return
        assert time.monotonic() < deadline, (rows, states[speaker.session_id])
        await asyncio.sleep(LOOK_SECONDS)


@pytest.mark.chaos
async def test_the_one_that_leads_is_killed_and_the_other_takes_over(
    postgres: Postgres, tmp_path: Path
) -> None:
    wait = REAPER_LEASE_SECONDS + 2 * LEASE_SECONDS + 10
    with two_servers(postgres, tmp_path) as servers:
        async with peopled(servers) as cluster:
            await killed(cluster, servers.leader, cluster.at_leader, cluster.at_other, wait)


async def test_one_is_killed_and_the_other_takes_over(cluster: Cluster) -> None:
    await killed(cluster, cluster.other, cluster.at_other, cluster.at_leader, wait=2 * LEASE_SECONDS + 6)
