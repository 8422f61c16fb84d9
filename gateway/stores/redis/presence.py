"""Presence of all processes on one Redis, by its clock; while it is lost, of this process alone.

Invariant: what is in Redis of this process is what its roster says, at the latest after the next heartbeat.
"""

import logging
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

from redis.exceptions import ResponseError

from gateway.stores.presence import (
    CONNECTIONS_MAX,
    LISTED_MAX,
    TTL_SECONDS,
    Entry,
    Member,
    Place,
    Roster,
    checked,
    grouped,
    place_name,
)
from gateway.stores.redis.batches import Batch, Run
from gateway.stores.redis.link import RedisLink, RedisLost, Word

log = logging.getLogger(__name__)

SOURCE = files("gateway.stores.redis").joinpath("presence.lua").read_text("utf-8")
PER_RUN_MAX = 200
"""Connections of one place in one run of the script: Redis serves nobody else meanwhile."""
PER_WRITE_MAX = 1000
"""Connections in one round trip: our loop serves nobody else while it is put together."""
PLACES_PER_WRITE_MAX = 100
FOREVER = float("inf")


class RedisPresence:
    """Who is where. The roster has the connections of this process, which only leaving ends."""

    def __init__(self, link: RedisLink, ttl_seconds: float = TTL_SECONDS) -> None:
        self._link = link
        self._ttl_ms = int(ttl_seconds * 1000)
        self._batch = Batch(link, SOURCE)
        self._own = Roster()

    async def enter(self, place: Place, member: str, connection: str, facts: bytes = b"") -> bool:
        """Let a member be at a place through a connection."""
        return await self._enter(place, connection, Entry(member, checked(facts), FOREVER), None)

    async def enter_bounded(
        self, place: Place, member: str, connection: str, count_max: int, facts: bytes = b""
    ) -> bool:
        """The same, unless the place has `count_max` other members."""
        return await self._enter(place, connection, Entry(member, checked(facts), FOREVER), count_max)

    async def leave(self, place: Place, connection: str) -> None:
        """Let a connection be there no more."""
        self._own.leave(place, connection)
        await self._ask([_run(place, "leave", _bytes(connection))])

    async def refresh(self) -> None:
        """Say that every connection of this process is still there, and enter what Redis has lost."""
        for runs in self._refreshing():
            answers = await self._ask([run for _, run in runs])
            if answers is None:
                return
            for (place, _), missing in zip(runs, answers, strict=True):
                await self._enter_again(place, missing)

    async def members(self, place: Place) -> Sequence[Member]:
        """Return who is there."""
        answers = await self._ask([_run(place, "members", LISTED_MAX)])
        if answers is None:
            return self._own.members(place, 0.0)
        names, facts = answers[0][::2], answers[0][1::2]
        return grouped(list(zip(map(_text, names), facts, strict=True)))

    async def count(self, place: Place) -> int:
        """Return how many members are there."""
        (count,) = await self.counts([place])
        return count

    async def counts(self, places: Sequence[Place]) -> Sequence[int]:
        """Return how many members are at each place."""
        counted: list[int] = []
        for start in range(0, len(places), PLACES_PER_WRITE_MAX):
            some = places[start : start + PLACES_PER_WRITE_MAX]
            answers = await self._ask([_run(place, "count") for place in some])
            counted += answers or [self._own.count(place, 0.0) for place in some]
        return counted

    async def _enter(self, place: Place, connection: str, entry: Entry, count_max: int | None) -> bool:
        answers = await self._ask([self._entering(place, [(connection, entry)], count_max)])
        if answers is None:
            return self._own.enter(place, connection, entry, 0.0, count_max)
        entered = bool(answers[0][0])
        if entered:
            self._own.enter(place, connection, entry, 0.0)
        return entered

    async def _enter_again(self, place: Place, missing: Sequence[bytes]) -> None:
        if not missing:
            return
        entries = [
            (connection, entry)
            for connection in map(_text, missing)
            if (entry := self._own.get(place, connection)) is not None
        ]
        if entries:
            await self._ask([self._entering(place, entries, None)])
        # Who left while that was under way may have been entered after it left.
        gone = [connection for connection, _ in entries if self._own.get(place, connection) is None]
        if gone:
            await self._ask([_run(place, "leave", *map(_bytes, gone))])

    def _entering(self, place: Place, entries: Sequence[tuple[str, Entry]], count_max: int | None) -> Run:
        words: list[Word] = []
        for connection, entry in entries:
            words += [_bytes(connection), _bytes(entry.member), entry.facts]
        bound = -1 if count_max is None else count_max
        return _run(place, "enter", self._ttl_ms, CONNECTIONS_MAX, bound, *words)

    def _refreshing(self) -> Iterator[list[tuple[Place, Run]]]:
        """Yield the runs of one round trip at a time."""
        runs: list[tuple[Place, Run]] = []
        size = 0
        for place in self._own.places():
            connections = self._own.connections(place)
            for start in range(0, len(connections), PER_RUN_MAX):
                some = connections[start : start + PER_RUN_MAX]
                runs.append((place, _run(place, "refresh", self._ttl_ms, *map(_bytes, some))))
                size += len(some)
                if size >= PER_WRITE_MAX or len(runs) >= PLACES_PER_WRITE_MAX:
                    yield runs
                    runs, size = [], 0
        if runs:
            yield runs

    async def _ask(self, runs: Sequence[Run]) -> list[Any] | None:
        """Return the answers; None when Redis is lost, or has had what is not ours, which is gone then."""
        try:
            answers = await self._batch(runs)
            for (keys, _), answer in zip(runs, answers, strict=True):
                if isinstance(answer, ResponseError):
                    log.warning("What Redis has of a place is not ours and goes: %s", answer)
                    await self._link.call("DEL", *keys)
        except RedisLost:
            return None
        return None if any(isinstance(answer, ResponseError) for answer in answers) else answers


def keys_of(place: Place) -> list[str]:
    """Return where Redis has a place. The braces keep its keys on one node of a cluster."""
    tag = f"stagedoor:presence:{{{place_name(place)}}}"
    return [f"{tag}:until", f"{tag}:members", f"{tag}:facts", f"{tag}:counts"]


def _run(place: Place, *words: Word) -> Run:
    return keys_of(place), words


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # not written by us
        return data.decode("utf-8", "replace")
