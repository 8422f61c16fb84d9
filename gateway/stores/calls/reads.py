"""What is asked of calls: each is a function of a connection, for `Database.read`.

Invariant: a call of another tenant, or of other users, is as one that is not there.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, select, union_all

from auth.principal import user_uuid
from gateway.stores.calls.rows import call_of
from gateway.stores.calls.schema import call_events, calls
from gateway.stores.columns import is_uuid
from gateway.stores.cursors import BadCursor, cursor_of, place_of
from gateway.stores.prepared import Listed, Places
from sessions.call_effects import Notice, Notify
from sessions.call_records import Call, State

_CALL, _EVENT = calls.c, call_events.c
_NAMES = [column.name for column in _CALL]


@dataclass(frozen=True, slots=True)
class Told:
    """A notice of the outbox; the call had come to `version` then."""

    sequence: int
    tenant_id: str
    call_id: str
    version: int
    notify: Notify


def call(connection: Connection, tenant_id: str, call_id: str) -> Call | None:
    """Return a tenant's call."""
    if not is_uuid(call_id):
        return None
    query = select(calls).where(_CALL.id == call_id, _CALL.tenant_id == tenant_id)
    row = connection.execute(query).mappings().first()
    return None if row is None else call_of(row)


def _open_of(tenants: Places, users: Places) -> Select[Any]:
    either = _CALL.creator_id.in_(users) | _CALL.fan_id.in_(users)
    return select(calls).where(_CALL.ended_at.is_(None), _CALL.tenant_id.in_(tenants), either)


_OPEN_OF = Listed(_open_of, tenants=_CALL.tenant_id.type, users=_CALL.creator_id.type)


def open_calls(connection: Connection, users: Collection[tuple[str, str]]) -> dict[tuple[str, str], Call]:
    """Return the call that is not over of each (tenant, subject) that has one."""
    asked = {(tenant_id, subject): user_uuid(tenant_id, subject) for tenant_id, subject in users}
    rows = _OPEN_OF.rows(connection, tenants={tenant_id for tenant_id, _ in asked}, users=set(asked.values()))
    found: dict[tuple[str, str], Call] = {}
    for values in rows:
        one = call_of(dict(zip(_NAMES, values, strict=True)))
        found |= {(one.tenant_id, user): one for user in one.parties if (one.tenant_id, user) in asked}
    return found


def page(
    connection: Connection, tenant_id: str, subject: str, limit: int, cursor: str | None = None
) -> tuple[list[Call], str | None]:
    """Return a user's calls, the newest first, at most `limit`, and the cursor of those that follow (None:
    there are none). Raises BadCursor."""
    user_id = user_uuid(tenant_id, subject)
    sides = []
    for side in (_CALL.creator_id, _CALL.fan_id):
        query = select(_CALL.id, _CALL.created_at).where(_CALL.tenant_id == tenant_id, side == user_id)
        if cursor is not None:
            at_ms, call_id = _place(cursor)
            earlier = (_CALL.created_at < at_ms) | ((_CALL.created_at == at_ms) & (_CALL.id < call_id))
            query = query.where(_CALL.created_at <= at_ms, earlier)
        newest = query.order_by(_CALL.created_at.desc(), _CALL.id.desc()).limit(limit + 1).subquery()
        sides.append(select(newest.c.id))
    ids = union_all(*sides).subquery().c.id
    wanted = select(calls).where(_CALL.id.in_(select(ids)))
    rows = connection.execute(wanted.order_by(_CALL.created_at.desc(), _CALL.id.desc()).limit(limit + 1))
    found = [call_of(row) for row in rows.mappings()]
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    return found[:limit], cursor_of(last.created_at_ms, last.id)


def _place(cursor: str) -> tuple[int, str]:
    at_ms, call_id = place_of(cursor, int, str)
    if not is_uuid(str(call_id)):
        raise BadCursor
    return int(at_ms), str(call_id)


def due(connection: Connection, now_ms: int, most: int) -> list[tuple[str, str]]:
    """Return tenant and id of calls whose deadline is over, the oldest first."""
    query = (
        select(_CALL.tenant_id, _CALL.id)
        .where(_CALL.ended_at.is_(None), _CALL.deadline_at <= now_ms)
        .order_by(_CALL.deadline_at)
        .limit(most)
    )
    return [(tenant_id, call_id) for tenant_id, call_id in connection.execute(query)]


def lost_callers(connection: Connection, most: int) -> list[Call]:
    """Return calls that ring while nobody knows of a connection of their caller."""
    query = select(calls).where(
        _CALL.ended_at.is_(None), _CALL.state == State.RINGING.value, _CALL.caller_lost_at.is_not(None)
    )
    return [call_of(row) for row in connection.execute(query.limit(most)).mappings()]


def told_lately(connection: Connection, since_ms: int, most: int) -> list[Told]:
    """Return the newest notices that were written since a moment, at most `most`, in order."""
    query = (
        select(_EVENT.sequence, _EVENT.tenant_id, _EVENT.call_id, _EVENT.version, _EVENT.subject,
               _EVENT.notice, _EVENT.except_device)
        .where(_EVENT.occurred_at >= since_ms)
        .order_by(_EVENT.sequence.desc())
        .limit(most)
    )  # fmt: skip
    return [
        Told(sequence, tenant_id, call_id, version, Notify(subject, Notice(notice), except_device))
        for sequence, tenant_id, call_id, version, subject, notice, except_device in connection.execute(query)
    ][::-1]


def _of_ids(ids: Places) -> Select[Any]:
    return select(calls).where(_CALL.id.in_(ids))


_OF_IDS = Listed(_of_ids, ids=_CALL.id.type)


def calls_of(connection: Connection, ids: Collection[str]) -> dict[str, Call]:
    """Return calls by their ids, whoever's they are."""
    found = (dict(zip(_NAMES, values, strict=True)) for values in _OF_IDS.rows(connection, ids=ids))
    return {row["id"]: call_of(row) for row in found}


def forget_events(connection: Connection, before_ms: int, most: int) -> int:
    """Remove notices that were written before a moment; return how many."""
    oldest = select(_EVENT.sequence).where(_EVENT.occurred_at < before_ms).limit(most)
    return connection.execute(delete(call_events).where(_EVENT.sequence.in_(oldest))).rowcount
