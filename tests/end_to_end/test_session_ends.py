"""How sessions end, and what becomes of what they held: as the store says it, and as the client is told."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from auth.principal import Role
from gateway.stores.schema import live_sessions, quota_slices
from tests.end_to_end.minutes import LOOK_SECONDS, Books, Speaker, fan, opened
from tests.end_to_end.peers import Crowd, Peer, caption, crowd_of
from tests.house import House, token

SLICE_SECONDS = 2
STILL_SECONDS = 5
"""A stream that has stood still for less may hold one more slice."""
GRACE_SECONDS = 0.2
LENGTH_SECONDS = 8.0
IDLE_SECONDS = 2.5
LOST_WITHIN_SECONDS = 12.0
"""Lost sessions are looked at every few seconds."""


def admin(house: House) -> httpx.AsyncClient:
    """Return a client of the admin's API."""
    headers = {"Authorization": f"Bearer {token('ada', Role.ADMIN)}"}
    return httpx.AsyncClient(base_url=house.url("/api/v1/admin/live-quotas"), headers=headers)


async def speaker(crowd: Crowd, name: str, ms: int = 0) -> Speaker:
    """Let somebody come and say so much."""
    comes = Speaker(crowd, f"{name}/subtitles?target_lang=en", fan(name))
    await comes.joins()
    if ms:
        comes.says_ms(ms)
        await comes.heard()
    return comes


async def ended(crowd: Crowd, books: Books) -> None:
    one = await speaker(crowd, "ended", 1230)
    await one.ends()
    await books.become(one.session_id, "COMPLETED", "done")


async def lost(crowd: Crowd, books: Books) -> None:
    one = await speaker(crowd, "lost", 1230)
    one.peer.cut()
    await books.become(one.session_id, "INTERRUPTED", "lost", LOST_WITHIN_SECONDS)
    assert (await books.billed())[one.session_id] == 1230
    again = await crowd.joins(one.path, one.bearer, resume={"session_id": one.session_id})
    assert again.connected["session_id"] != one.session_id


async def too_long(crowd: Crowd, books: Books) -> None:
    one = await speaker(crowd, "long")
    one.speaks()
    assert await one.peer.closed(LENGTH_SECONDS + 5) == 4408
    await books.become(one.session_id, "EXPIRED", "session_too_long")
    assert 0 < (await books.billed())[one.session_id] <= one.sent_ms


async def idle(crowd: Crowd, books: Books) -> None:
    began = time.monotonic()
    one = await speaker(crowd, "idle", 500)
    error = await one.peer.take("error", within_seconds=IDLE_SECONDS + 5)
    assert error["code"] == "SESSION_IDLE"
    assert await one.peer.closed() == 1013
    assert time.monotonic() - began >= IDLE_SECONDS
    rows = await books.rows(select(live_sessions).where(live_sessions.c.id == one.session_id))
    while [row["state"] for row in rows] != ["INTERRUPTED"]:
        assert time.monotonic() - began < IDLE_SECONDS + LOST_WITHIN_SECONDS
        await asyncio.sleep(LOOK_SECONDS)
        rows = await books.rows(select(live_sessions).where(live_sessions.c.id == one.session_id))


async def nothing_is_held_before_the_first_frame_nor_for_long_after_the_last(
    crowd: Crowd, books: Books
) -> None:
    silent = await speaker(crowd, "silent")
    audience = await crowd.joins("nobody/subtitles?target_lang=en", fan("audience"))
    stalled = await speaker(crowd, "stalled", 700)
    await holds(books, stalled, within_seconds=5)
    await holds(books, stalled, nothing=True, within_seconds=2 * SLICE_SECONDS + STILL_SECONDS + 5)
    assert (await books.billed())[stalled.session_id] == 700
    # It has stood still, and goes on as if it had not.
    stalled.says_ms(1300)
    assert (await stalled.ends())["billed_seconds"] == 2.0
    assert (await silent.ends())["billed_seconds"] == 0
    audience.say(type="end")
    assert (await audience.take("ended"))["billed_seconds"] == 0
    await holds(books, stalled, nothing=True, within_seconds=5)
    assert (await books.billed())[stalled.session_id] == 2000
    slices = await books.rows(select(quota_slices.c.session_id))
    assert {silent.session_id, audience.connected["session_id"]}.isdisjoint(
        row["session_id"] for row in slices
    )


async def holds(books: Books, one: Speaker, *, within_seconds: float, nothing: bool = False) -> None:
    """Wait until somebody holds a slice, or nothing."""
    deadline = time.monotonic() + within_seconds
    while (one.session_id in {row["session_id"] for row in await books.open_slices()}) is nothing:
        assert time.monotonic() < deadline
        await asyncio.sleep(LOOK_SECONDS)


async def test_by_themselves_when_their_time_is_up(tmp_path: Path) -> None:
    changes = {
        "RESUME_GRACE_SECONDS": str(GRACE_SECONDS),
        "SESSION_MINUTES_MAX": str(LENGTH_SECONDS / 60),
        "SESSION_IDLE_MINUTES": str(IDLE_SECONDS / 60),
        "REAPER_INTERVAL_SECONDS": "1",
    }
    books = Books(tmp_path)
    with opened(tmp_path, **changes) as house:
        # All of these wait, so they wait together.
        async with crowd_of(house) as crowd, asyncio.TaskGroup() as tasks:
            for ends in (lost, too_long, idle):
                tasks.create_task(ends(crowd, books))
        await books.add_up()


async def test_by_an_admin_at_once_and_not_because_they_stand_still(tmp_path: Path) -> None:
    books = Books(tmp_path)
    with opened(tmp_path, LIVE_QUOTA_SLICE_SECONDS=str(SLICE_SECONDS)) as house:
        async with crowd_of(house) as crowd, asyncio.TaskGroup() as tasks:
            tasks.create_task(ended(crowd, books))
            tasks.create_task(an_admin_ends_them_at_once(crowd, books))
            tasks.create_task(
                nothing_is_held_before_the_first_frame_nor_for_long_after_the_last(crowd, books)
            )
        await books.add_up()


async def an_admin_ends_them_at_once(crowd: Crowd, books: Books) -> None:
    async with admin(crowd.house) as client:
        own = await speaker(crowd, "own", 900)
        publisher = await crowd.joins("stage/publish")
        viewer = await crowd.joins("stage/subtitles?target_lang=en", fan("viewer"))
        publisher.say(**caption("hello"))
        await viewer.finals(1)
        peers = (own.peer, viewer, publisher)
        await asyncio.gather(*(ended_by(client, books, peer) for peer in peers))
        back = await crowd.joins(own.path, own.bearer, resume={"session_id": own.session_id})
        assert back.connected["session_id"] != own.session_id
        assert (await books.billed())[own.session_id] == 900


async def ended_by(client: httpx.AsyncClient, books: Books, peer: Peer) -> None:
    """Have an admin end a session, and assert that all are told."""
    session_id = peer.connected["session_id"]
    await listed(client, session_id)
    began = time.monotonic()
    answer = await client.post(f"/sessions/{session_id}/end", json={"reason": "a test"})
    assert answer.status_code == 200, answer.text
    error = await peer.take("error")
    assert error["code"] == "ENDED_BY_ADMIN"
    assert await peer.closed() == 4003
    assert time.monotonic() - began < 3
    await books.become(session_id, "ENDED_BY_ADMIN", "ended_by_admin")
    again = await client.post(f"/sessions/{session_id}/end", json={})
    assert (again.status_code, again.json()["code"]) == (409, "ALREADY_ENDED")


async def listed(client: httpx.AsyncClient, session_id: str) -> dict[str, Any]:
    """Wait until the list of sessions has one."""
    while True:
        sessions = (await client.get("/sessions", params={"limit": 100})).json()["sessions"]
        for session in sessions:
            if session["session_id"] == session_id:
                found: dict[str, Any] = session
                return found


async def test_with_their_server_when_it_is_told_to_stop(tmp_path: Path) -> None:
    books = Books(tmp_path)
    with opened(tmp_path) as house:
        async with crowd_of(house) as crowd:
            publisher = Speaker(crowd, "stage/publish", token("creator"))
            viewer = await crowd.joins("stage/subtitles?target_lang=en", fan("viewer"))
            await publisher.joins()
            publisher.says_ms(1340)
            await publisher.heard()
            speakers = [await speaker(crowd, f"own-{number}", 730 + number) for number in range(5)]
            house.process.send_signal(signal.SIGTERM)
            for peer in (publisher.peer, viewer, *(each.peer for each in speakers)):
                assert await peer.closed() == 1012
            assert await asyncio.to_thread(house.process.wait, 20) == 0
    due = {each.session_id: each.sent_ms for each in speakers} | {viewer.connected["session_id"]: 1340}
    assert await books.billed() == due
    assert set((await books.states()).values()) == {("INTERRUPTED", "restart")}
    await books.add_up()
