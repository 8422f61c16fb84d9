"""What waits to be written, and in which groups it goes: by journal, oldest first.

Invariant: operations of one journal leave in the order in which they came, also after a group came back
unwritten; nothing is dropped but what the writer gives up by name.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.stores.interface import Journal, Refusal, StoreDown

GROUP_MAX = {"postgresql": 50, "sqlite": 200}
"""Operations in one transaction, by database. On PostgreSQL their statements are built on the event loop: 200
acquires held it for 10 to 14 ms, 50 for 3 to 5, and a transaction's own cost is spread thin enough by then.
SQLite writes in a thread of its own, and a crowd waits for the disk: with 50, ten thousand votes waited for
240 commits."""
WAITING_MAX = 20_000
"""Operations that wait, in all: about 20 MB."""


@dataclass(eq=False, slots=True)
class Entry:
    """One operation that is not written yet, and whoever waits for it.

    `until`, by the loop's clock, is when its submitter stops waiting for a database that is down.
    """

    number: int
    journal: Journal[Any, Any]
    operation: Any
    future: asyncio.Future[Any]
    until: float
    weight: int = 1
    timer: asyncio.TimerHandle | None = None
    given_up: bool = False

    def answer(self, result: Any) -> None:
        """Tell whoever still waits what came of it."""
        if self.timer is not None:
            self.timer.cancel()
        if self.future.done():
            return
        if isinstance(result, Refusal):
            self.fail(result)
        else:
            self.future.set_result(result)

    def fail(self, error: Exception) -> None:
        """Tell whoever still waits that it was not written, as far as we know."""
        if self.timer is not None:
            self.timer.cancel()
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # Seen: not everybody who submits waits, and the writer logs what counts.

    def give_up(self, down: StoreDown) -> None:
        """Write it no more, unless it is on its way already: its submitter's patience is over."""
        self.given_up = True
        self.fail(down)


@dataclass(slots=True)
class Queue:
    """Operations that wait, one line for each journal; a group has a weight of `group_max` at most, or is one
    operation."""

    group_max: int
    _lines: dict[Journal[Any, Any], deque[Entry]] = field(default_factory=dict)
    _count: int = 0

    def __len__(self) -> int:
        return self._count

    @property
    def is_full(self) -> bool:
        """Whether no more may wait."""
        return self._count >= WAITING_MAX

    def __iter__(self) -> Iterator[Entry]:
        for line in self._lines.values():
            yield from line

    @property
    def has_group(self) -> bool:
        """Whether a whole group waits."""
        return any(len(line) >= self.group_max for line in self._lines.values())

    def add(self, entry: Entry) -> None:
        """Have an entry wait behind the others of its journal."""
        self._lines.setdefault(entry.journal, deque()).append(entry)
        self._count += 1

    def take(self) -> list[Entry]:
        """Return the next group, of the journal whose first entry has waited longest: one operation, and as
        many more as have a weight of `group_max` together.

        One journal to a transaction: each takes its locks in the same order, and two in one transaction would
        not, so that two servers could wait for each other.
        """
        while self._lines:
            line = min(self._lines.values(), key=lambda line: line[0].number)
            group: list[Entry] = []
            weight = 0
            while line and (not group or weight + line[0].weight <= self.group_max):
                entry = line.popleft()
                self._count -= 1
                if not entry.given_up:
                    group.append(entry)
                    weight += entry.weight
            if not line:
                self._lines = {journal: line for journal, line in self._lines.items() if line}
            if group:
                return group
        return []

    def put_back(self, entries: Sequence[Entry]) -> None:
        """Have entries of one journal wait again, in front, in the order in which they were taken."""
        self._lines.setdefault(entries[0].journal, deque()).extendleft(reversed(entries))
        self._count += len(entries)
