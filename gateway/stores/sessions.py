"""Live sessions in SQL: how each of them lives and ends, and the lists that admins and processes ask for.

Invariant: a row changes only as `sessions.lifetimes` says, under its lock; what is in order in one process
is written in that order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select, update
from sqlalchemy.dialects import postgresql

from auth.principal import user_uuid
from gateway.stores.audit_rows import AuditRow, write_audit
from gateway.stores.cursors import BadCursor, cursor_of, place_of
from gateway.stores.interface import Refusal
from gateway.stores.prepared import ForEach, Listed
from gateway.stores.schema import live_sessions
from sessions import lifetimes
from sessions.lifetimes import Bounds, DeadlinePassed, EndRequested, LiveSession, SessionOver, State

__all__ = [
    "BadCursor", "Change", "Open", "Over", "SessionChanges", "UnknownSession", "Wanted", "asked_to_end",
    "counts", "one", "page", "reap", "request_end", "row_of", "save", "session_of",
]  # fmt: skip

TABLE = live_sessions.c
_KNOWN = select(live_sessions).where(TABLE.id.in_(bindparam("ids", expanding=True)))
_NAMES = live_sessions.columns.keys()
_CHANGING = (
    "boot_id", "active_at", "deadline_at", "state", "ended_at", "end_reason", "end_requested_by", "media_ms",
)  # fmt: skip
_LOCK = Listed(
    lambda ids: select(live_sessions).where(TABLE.id.in_(ids)).order_by(TABLE.id).with_for_update(),
    ids=TABLE.id.type,
)
# In PostgreSQL's words, which SQLite understands.
_BEGIN = ForEach(
    postgresql.insert(live_sessions).on_conflict_do_nothing(index_elements=["id"]).inline(),
    *_NAMES,
)
_SAVE = ForEach(
    update(live_sessions)
    .where(TABLE.id == bindparam("of_session"))
    .values({name: bindparam(f"new_{name}", type_=TABLE[name].type) for name in _CHANGING})
)
# A row that somebody else is changing is left for the next batch: a sweep waits for nobody.
_DUE = (
    select(live_sessions)
    .where(
        TABLE.state == State.ACTIVE.value, TABLE.deadline_at <= bindparam("now", type_=TABLE.deadline_at.type)
    )
    .order_by(TABLE.deadline_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)


@dataclass(frozen=True, slots=True)
class Open:
    """A session begins, or goes on in another process after it was lost."""

    session: LiveSession

    @property
    def session_id(self) -> str:
        """Which one."""
        return self.session.id


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened to a session."""

    session_id: str
    event: lifetimes.Event


class UnknownSession(Refusal):
    """There is no session of this id."""


class Over(Refusal):
    """The session is over for good; `session` is how it ended."""

    def __init__(self, session: LiveSession) -> None:
        super().__init__(f"Session {session.id} is over: {session.state.value}")
        self.session = session


def _locked(connection: Connection, ids: Sequence[str]) -> dict[str, LiveSession]:
    found = (session_of(dict(zip(_NAMES, row, strict=True))) for row in _LOCK.rows(connection, ids=ids))
    return {session.id: session for session in found}


class SessionChanges:
    """Journal of beginnings, changes and ends, in one so that their order holds. It answers the session as
    it is then."""

    name = "sessions"

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds

    def apply(
        self, connection: Connection, operations: Sequence[Open | Change]
    ) -> list[LiveSession | Refusal]:
        """Apply each in order. One that was applied before changes nothing. What begins and ends in one group
        is written once."""
        ids = sorted({operation.session_id for operation in operations})
        before = _locked(connection, ids)
        known = dict(before)
        answers = [self._one(known, operation) for operation in operations]
        begun = [known[key] for key in ids if key in known and key not in before]
        if theirs := self._begin(connection, begun):
            known |= theirs
            before |= theirs
            for number, operation in enumerate(operations):
                if operation.session_id in theirs:
                    answers[number] = self._one(known, operation)
        save(connection, [known[key] for key in before if known[key] != before[key]], self._bounds)
        return answers

    def _begin(self, connection: Connection, begun: Sequence[LiveSession]) -> dict[str, LiveSession]:
        """Write sessions that were not there; return those that another process has begun meanwhile, as they
        are: what it says counts."""
        _BEGIN.run(connection, [row_of(session, self._bounds) for session in begun])
        if not begun or connection.dialect.name == "sqlite":  # where nobody else writes meanwhile
            return {}
        ours = {session.id: session for session in begun}
        there = _locked(connection, list(ours))
        return {key: session for key, session in there.items() if session != ours[key]}

    def _one(self, known: dict[str, LiveSession], operation: Open | Change) -> LiveSession | Refusal:
        session = known.get(operation.session_id)
        if session is None:
            if isinstance(operation, Change):
                return UnknownSession(operation.session_id)
            known[operation.session_id] = operation.session
            return operation.session
        if isinstance(operation, Change):
            event = operation.event
        else:
            own = operation.session
            if (own.tenant_id, own.subject) != (session.tenant_id, session.subject):
                return UnknownSession(operation.session_id)
            event = lifetimes.Resumed(own.boot_id, own.active_at_ms)
        try:
            changed = lifetimes.step(session, event, self._bounds)
        except SessionOver:
            return Over(session)
        known[operation.session_id] = changed
        return changed


def save(connection: Connection, changed: Sequence[LiveSession], bounds: Bounds) -> None:
    """Write sessions whose rows this transaction has locked."""
    _SAVE.run(connection, [_parameters(session, bounds) for session in changed])


def reap(connection: Connection, now_ms: int, most: int, bounds: Bounds) -> int:
    """End at most `most` sessions whose deadline is over, oldest first; return how many."""
    rows = connection.execute(_DUE, {"now": now_ms, "most": most}).mappings().all()
    event = DeadlinePassed(now_ms)
    # Also those that the rule leaves active, because the settings have changed: their deadline is set anew.
    save(connection, [lifetimes.step(session_of(row), event, bounds) for row in rows], bounds)
    return len(rows)


def request_end(
    connection: Connection, tenant_id: str, session_id: str, request: EndRequested, bounds: Bounds, *,
    reason: str, audit_id: str,
) -> LiveSession:  # fmt: skip
    """Have an admin end a session, with the row in the audit log; return it as it is then.

    One that is live goes on until the process that has it sees the request (`asked_to_end`). Raises
    UnknownSession and Over.
    """
    session = _locked(connection, [session_id]).get(session_id)
    if session is None or session.tenant_id != tenant_id:
        raise UnknownSession(session_id)
    try:
        changed = lifetimes.step(session, request, bounds)
    except SessionOver as over:
        raise Over(session) from over
    save(connection, [changed], bounds)
    detail = {"user": session.subject, "channel_id": session.channel_id, "reason": reason}
    write_audit(
        connection,
        AuditRow(
            audit_id, tenant_id, request.actor, "end_session", f"session:{session_id}", detail, request.at_ms
        ),
    )
    return changed


# --- what is asked --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sessions to list: of this state, of this user, or all."""

    state: State | None = None
    subject: str | None = None


def one(connection: Connection, tenant_id: str, session_id: str) -> LiveSession | None:
    """Return a tenant's session."""
    query = _KNOWN.where(TABLE.tenant_id == tenant_id)
    row = connection.execute(query, {"ids": [session_id]}).mappings().first()
    return None if row is None else session_of(row)


def page(
    connection: Connection, tenant_id: str, wanted: Wanted, limit: int, cursor: str | None = None
) -> tuple[list[LiveSession], str | None]:
    """Return a tenant's sessions, newest first, at most `limit`, and the cursor of those that follow (None:
    there are none). Raises BadCursor."""
    query: Select[Any] = select(live_sessions).where(TABLE.tenant_id == tenant_id)
    if wanted.state is not None:
        query = query.where(TABLE.state == wanted.state.value)
    if wanted.subject is not None:
        query = query.where(TABLE.user_id == user_uuid(tenant_id, wanted.subject))
    if cursor is not None:
        at_ms, session_id = place_of(cursor, int, str)
        earlier = (TABLE.started_at < at_ms) | ((TABLE.started_at == at_ms) & (TABLE.id < session_id))
        query = query.where(TABLE.started_at <= at_ms, earlier)
    query = query.order_by(TABLE.started_at.desc(), TABLE.id.desc()).limit(limit + 1)
    found = [session_of(row) for row in connection.execute(query).mappings()]
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    return found[:limit], cursor_of(last.started_at_ms, last.id)


def counts(connection: Connection, tenant_id: str, since_ms: int) -> dict[State, int]:
    """Return how many of a tenant's sessions that began since then are in each state."""
    query = (
        select(TABLE.state, func.count())
        .where(TABLE.tenant_id == tenant_id, TABLE.started_at >= since_ms)
        .group_by(TABLE.state)
    )
    found = {row[0]: row[1] for row in connection.execute(query)}
    return {state: found.get(state.value, 0) for state in State}


def asked_to_end(connection: Connection, boot_id: str) -> list[tuple[str, str]]:
    """Return id and admin of each live session of a process that an admin wants to end."""
    query = select(TABLE.id, TABLE.end_requested_by).where(
        TABLE.boot_id == boot_id,
        TABLE.state == State.ACTIVE.value,
        TABLE.end_requested_by.is_not(None),
    )
    return [(session_id, actor) for session_id, actor in connection.execute(query)]


# --- rows -----------------------------------------------------------------------------------------------


def session_of(row: Mapping[Any, Any]) -> LiveSession:
    """Return the session that a row stands for."""
    return LiveSession(
        row["id"], row["tenant_id"], row["subject"], row["channel_id"], row["kind"], row["plan"],
        row["boot_id"], row["started_at"], row["active_at"], State(row["state"]), row["ended_at"],
        row["end_reason"], row["end_requested_by"], row["media_ms"],
    )  # fmt: skip


def row_of(session: LiveSession, bounds: Bounds) -> dict[str, Any]:
    """Return the row of a session."""
    return {
        "id": session.id,
        "tenant_id": session.tenant_id,
        "user_id": user_uuid(session.tenant_id, session.subject),
        "subject": session.subject,
        "channel_id": session.channel_id,
        "kind": session.kind,
        "plan": session.plan,
        "started_at": session.started_at_ms,
        **_changing(session, bounds),
    }


def _changing(session: LiveSession, bounds: Bounds) -> dict[str, Any]:
    return {
        "boot_id": session.boot_id,
        "active_at": session.active_at_ms,
        "deadline_at": lifetimes.deadline_ms(session, bounds),
        "state": session.state.value,
        "ended_at": session.ended_at_ms,
        "end_reason": session.end_reason,
        "end_requested_by": session.end_requested_by,
        "media_ms": session.media_ms,
    }


def _parameters(session: LiveSession, bounds: Bounds) -> dict[str, Any]:
    return {"of_session": session.id} | {
        f"new_{name}": value for name, value in _changing(session, bounds).items()
    }
