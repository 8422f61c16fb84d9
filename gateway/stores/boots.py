"""Boots in SQL: which lives of server processes are going on, and what those that ended left open.

Invariant: a boot whose lease ran out by the database's clock is fenced before anything of it is settled;
every slice, session and seat it left is settled once, whoever does it, and however often that is broken off.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, insert, or_, select, true, update

from gateway.stores.interface import Refusal
from gateway.stores.minutes import Settle
from gateway.stores.rooms.deadlines import has_seats
from gateway.stores.rooms.schema import room_seats
from gateway.stores.schema import boots, live_sessions, quota_slices
from gateway.stores.sessions import save, session_of
from gateway.stores.statements import now_ms
from sessions import lifetimes
from sessions.lifetimes import Bounds, OwnerGone, State
from sessions.slices import Settled


class Settling(Protocol):
    """What closes slices within a transaction: the journal of settlements."""

    def apply(self, connection: Connection, operations: Sequence[Settle]) -> Sequence[Settled | Refusal]:
        """Close each."""


class GivingBack(Protocol):
    """What gives back the seats that a boot has in rooms."""

    def __call__(self, connection: Connection, /, *, boot_id: str, most: int) -> int:
        """Give back at most `most`; return how many there were."""


def no_seats(_connection: Connection, /, *, boot_id: str, most: int) -> int:
    """Give back nothing, where there are no rooms."""
    return 0


@dataclass(frozen=True, slots=True)
class Left:
    """What was taken over: whole boots, slices settled, the milliseconds they came to, sessions ended, seats
    in rooms given back."""

    boots: int = 0
    slices: int = 0
    settled_ms: int = 0
    sessions: int = 0
    seats: int = 0

    def __add__(self, other: "Left") -> "Left":
        return Left(
            self.boots + other.boots,
            self.slices + other.slices,
            self.settled_ms + other.settled_ms,
            self.sessions + other.sessions,
            self.seats + other.seats,
        )

    def __bool__(self) -> bool:
        return bool(self.boots or self.slices or self.sessions or self.seats)


# --- one's own boot -------------------------------------------------------------------------------------


def register(connection: Connection, boot_id: str, host: str, lease_ms: int) -> None:
    """Begin a boot, with a lease of this length."""
    now = now_ms(connection)
    row = {"id": boot_id, "host": host[:255], "started_at": now, "lease_until": now + lease_ms}
    connection.execute(insert(boots), row)


def renew(connection: Connection, boot_id: str, lease_ms: int) -> bool:
    """Lengthen a lease; False if the boot has been fenced: others may have settled what it holds."""
    renewed = connection.execute(
        update(boots)
        .where(boots.c.id == boot_id, boots.c.fenced_at.is_(None), boots.c.ended_at.is_(None))
        .values(lease_until=now_ms(connection) + lease_ms)
    )
    return renewed.rowcount == 1


def end(connection: Connection, boot_id: str) -> bool:
    """End a boot in order. With something of it still open its lease runs out at once instead, so that it is
    taken over; then the answer is False."""
    now = now_ms(connection)
    own = update(boots).where(boots.c.id == boot_id, boots.c.ended_at.is_(None))
    left = (
        _open_slices(connection, boot_id, 1)
        or _live_sessions(connection, boot_id, 1)
        or has_seats(connection, boot_id)
    )
    connection.execute(own.values(lease_until=now) if left else own.values(ended_at=now))
    return not left


# --- what others left -----------------------------------------------------------------------------------


def abandoned(connection: Connection, own_id: str, *, alone: bool) -> list[str]:
    """Return the boots that may have left something open, oldest first.

    `alone` (SQLite) says that no other process can be running: every other boot is gone. Otherwise those
    are, whose lease is over, or that were fenced and not taken over whole; and those that ended, or were
    taken over, and yet have slices open or seats, acquired before their process knew.
    """
    ours = boots.c.id != own_id
    lapsed = or_(boots.c.fenced_at.is_not(None), boots.c.lease_until <= now_ms(connection))
    unfinished = select(boots.c.id).where(ours, boots.c.ended_at.is_(None))
    if not alone:
        unfinished = unfinished.where(lapsed)
    found = list(connection.execute(unfinished.order_by(boots.c.started_at)).scalars())
    for held, column in (
        (quota_slices.c.state == "open", quota_slices.c.boot_id),
        (true(), room_seats.c.boot_id),
    ):
        strays = (
            select(column)
            .join(boots, boots.c.id == column, isouter=True)
            .where(held, column != own_id)
            .distinct()
        )
        if not alone:
            strays = strays.where(or_(boots.c.id.is_(None), boots.c.ended_at.is_not(None)))
        found += [boot_id for boot_id in connection.execute(strays).scalars() if boot_id not in found]
    if alone:
        unowned = select(live_sessions.c.boot_id).where(
            live_sessions.c.state == State.ACTIVE.value, live_sessions.c.boot_id != own_id
        )
        owners = connection.execute(unowned.distinct()).scalars()
        found += [boot_id for boot_id in owners if boot_id not in found]
    return found


def take_over(
    connection: Connection, settling: Settling, boot_id: str, most: int, bounds: Bounds, *, alone: bool,
    giving_back: GivingBack = no_seats,
) -> tuple[Left, bool]:  # fmt: skip
    """Fence a boot and settle at most `most` slices, sessions and seats of it, in one transaction; return
    what was done, and whether anything may be left. A boot that has renewed its lease is left alone.

    Slices are closed at their last checkpoint. A late word of a process that was only slow is counted by the
    rule of settlements.
    """
    now = now_ms(connection)
    # The row of the boot is locked first, by everybody who takes over: two never work on one boot at once.
    row = connection.execute(select(boots).where(boots.c.id == boot_id).with_for_update()).mappings().first()
    if row is not None and row["fenced_at"] is None and row["ended_at"] is None:
        if not alone and row["lease_until"] > now:
            return Left(), False
        connection.execute(update(boots).where(boots.c.id == boot_id).values(fenced_at=now))
    slice_ids = _open_slices(connection, boot_id, most)
    answers = settling.apply(connection, [Settle(key, None, "recovery", now) for key in slice_ids])
    settled_ms = sum(answer.used_ms for answer in answers if isinstance(answer, Settled))
    ended = _interrupt(connection, boot_id, most, now, bounds)
    seats = giving_back(connection, boot_id=boot_id, most=most)
    left = Left(slices=len(slice_ids), settled_ms=settled_ms, sessions=ended, seats=seats)
    if most in (len(slice_ids), ended, seats):
        return left, True
    if row is not None and row["ended_at"] is None:
        connection.execute(update(boots).where(boots.c.id == boot_id).values(ended_at=now))
        left += Left(boots=1)
    return left, False


def _interrupt(connection: Connection, boot_id: str, most: int, now: int, bounds: Bounds) -> int:
    rows = _live_sessions(connection, boot_id, most)
    gone = OwnerGone(now)
    save(connection, [lifetimes.step(session, gone, bounds) for session in rows], bounds)
    return len(rows)


def _open_slices(connection: Connection, boot_id: str, most: int) -> list[str]:
    query = (
        select(quota_slices.c.id)
        .where(quota_slices.c.state == "open", quota_slices.c.boot_id == boot_id)
        .order_by(quota_slices.c.id)
        .limit(most)
    )
    return list(connection.execute(query).scalars())


def _live_sessions(connection: Connection, boot_id: str, most: int) -> list[lifetimes.LiveSession]:
    query = (
        select(live_sessions)
        .where(live_sessions.c.boot_id == boot_id, live_sessions.c.state == State.ACTIVE.value)
        .order_by(live_sessions.c.id)
        .limit(most)
        .with_for_update()
    )
    return [session_of(row) for row in connection.execute(query).mappings()]
