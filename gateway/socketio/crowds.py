"""Audiences: who hears what, and one write per member and turn of the loop.

Invariant: a member gets every event from when it was added to when it is taken out, in the order of the calls
and once. Events of one turn to one audience are joined, so that a burst costs one write each; whatever else
is emitted to a member waits for its place behind them.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol, cast

from gateway.metrics import SOCKETIO_PACKETS
from gateway.socketio import packets
from gateway.socketio.carrier import Carrier
from gateway.socketio.interface import Client
from gateway.socketio.packets import Encoded
from gateway.wire.interface import Wire

JOINED_BYTES_MAX: Final = 64 << 10
"""Of events that are joined for one write."""

_SENT = SOCKETIO_PACKETS.labels("sent")


class Member(Client, Protocol):
    """A client as its audiences need it."""

    @property
    def carrier(self) -> Carrier:
        """What carries it now."""

    @property
    def crowds(self) -> "set[Crowd]":
        """What it is in: leaving costs as much as there is of these, however many there are in all."""


class Crowd:
    """The members of one audience, and what waits to be written to them; gone once nobody is in it."""

    __slots__ = ("_polling", "_waiting", "_waiting_bytes", "_wires", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._wires: dict[Member, Wire] = {}
        self._polling: dict[Member, Carrier] = {}
        self._waiting: list[tuple[Encoded, Client | None]] = []
        self._waiting_bytes = 0

    def __len__(self) -> int:
        return len(self._wires) + len(self._polling)

    @property
    def members(self) -> list[Member]:
        """Who is in it."""
        return [*self._wires, *self._polling]

    def enter(self, member: Member) -> None:
        """Take in a member, or take over one that is carried otherwise now."""
        wire = member.carrier.wire
        if wire is None:
            self._polling[member] = member.carrier
        else:
            self._polling.pop(member, None)
            self._wires[member] = wire
        member.crowds.add(self)

    def leave(self, member: Member) -> None:
        """Take a member out."""
        member.crowds.discard(self)
        self._wires.pop(member, None)
        self._polling.pop(member, None)

    def wait(self, sent: Encoded, skip: Client | None) -> bool:
        """Keep packets for the next `flush`; False when that should be now."""
        self._waiting.append((sent, skip))
        self._waiting_bytes += len(sent.frames)
        return self._waiting_bytes < JOINED_BYTES_MAX

    def flush(self) -> None:
        """Write what waits to everyone."""
        waiting, self._waiting = self._waiting, []
        self._waiting_bytes = 0
        skipped = {skip for _, skip in waiting if skip is not None}
        everything = _joined(waiting)
        if not skipped:
            for wire in list(self._wires.values()):
                wire.write(everything)
        else:
            for member, wire in list(self._wires.items()):
                if member not in skipped:
                    wire.write(everything)
                elif others := [entry for entry in waiting if entry[1] is not member]:
                    wire.write(_joined(others))
        for member, carrier in list(self._polling.items()):
            for sent, skip in waiting:
                if skip is not member:
                    carrier.send(sent)
        _SENT.inc(sum(sent.count for sent, _ in waiting) * len(self))


def _joined(waiting: Sequence[tuple[Encoded, Client | None]]) -> bytes:
    return waiting[0][0].frames if len(waiting) == 1 else b"".join(sent.frames for sent, _ in waiting)


class Crowds:
    """Every audience that somebody is in."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._crowds: dict[str, Crowd] = {}
        self._unwritten: Crowd | None = None
        """The one for which something waits for the end of this turn."""
        self._scheduled = False

    def __len__(self) -> int:
        return len(self._crowds)

    def find(self, name: str) -> Crowd | None:
        """Return who is in the audience of that name; None when nobody is."""
        return self._crowds.get(name)

    def add(self, name: str, member: Member) -> None:
        """Take a member in, who gets what is emitted from now on."""
        crowd = self._crowds.get(name)
        if crowd is None:
            crowd = self._crowds[name] = Crowd(name)
        elif crowd is self._unwritten:
            self.flush()
        crowd.enter(member)

    def discard(self, name: str, member: Member) -> None:
        """Take a member out, who has got every event up to now."""
        crowd = self._crowds.get(name)
        if crowd is not None and crowd in member.crowds:
            self.settle(member)
            self._leave(crowd, member)

    def leave_all(self, member: Member) -> None:
        """Take a member out that is gone: it gets nothing any more."""
        for crowd in list(member.crowds):
            self._leave(crowd, member)

    def _leave(self, crowd: Crowd, member: Member) -> None:
        crowd.leave(member)
        if not crowd:
            del self._crowds[crowd.name]

    def move(self, member: Member) -> None:
        """Go on writing to a member where it is carried now; nothing waits for it."""
        for crowd in member.crowds:
            crowd.enter(member)

    def emit(self, name: str, event: str, payload: Any, skip: Client | None) -> None:
        """Send an event to everyone in the audience of that name but `skip`, at the end of this turn."""
        crowd = self._crowds.get(name)
        if crowd is None:
            return
        sent = packets.event(event, (payload,))
        if crowd is not self._unwritten:
            # One audience at a time, or a member of two would get its events in another order.
            self.flush()
            self._unwritten = crowd
            self._schedule()
        if not crowd.wait(sent, skip):
            self.flush()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        self._scheduled = False
        self.flush()

    def settle(self, member: Member) -> None:
        """Write what a member is to get before anything else."""
        if self._unwritten is not None and self._unwritten in member.crowds:
            self.flush()

    def flush(self) -> None:
        """Write what waits for the end of this turn."""
        crowd, self._unwritten = self._unwritten, None
        if crowd is not None:
            crowd.flush()


class NamedAudience:
    """An `Audience`: a name, and whoever is under it."""

    __slots__ = ("_crowds", "name")

    def __init__(self, name: str, crowds: Crowds) -> None:
        self.name = name
        self._crowds = crowds

    @property
    def clients(self) -> Sequence[Client]:
        """Who is in it."""
        crowd = self._crowds.find(self.name)
        return crowd.members if crowd is not None else ()

    def __len__(self) -> int:
        crowd = self._crowds.find(self.name)
        return len(crowd) if crowd is not None else 0

    def add(self, client: Client) -> None:
        """Let `client` hear what is emitted from now on; nothing happens if it is in, or gone."""
        if client.connected:
            self._crowds.add(self.name, cast("Member", client))

    def discard(self, client: Client) -> None:
        """Let it hear nothing that is emitted from now on."""
        self._crowds.discard(self.name, cast("Member", client))

    def emit(self, event: str, payload: Any, skip: Client | None = None) -> None:
        """Send an event to everyone but `skip`; see `Audience`."""
        self._crowds.emit(self.name, event, payload, skip)
