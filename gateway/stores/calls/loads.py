"""What a group of operations on calls needs to know, read under the locks that keep it so.

Invariant: users are locked before calls, and calls before accounts, each in the order of their keys.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, func, select

from gateway.stores.calls.rows import call_of
from gateway.stores.calls.schema import calls
from gateway.stores.people.pairs import PairKey
from gateway.stores.people.rows import UserKey
from gateway.stores.prepared import Listed, Places
from sessions.call_records import Call, EndReason

_CALL = calls.c
_NAMES = [column.name for column in _CALL]
_OPEN = _CALL.ended_at.is_(None)


def _parties(ids: Places) -> Select[Any]:
    return select(_CALL.id, _CALL.tenant_id, _CALL.creator, _CALL.fan).where(_CALL.id.in_(ids))


def _locked(ids: Places) -> Select[Any]:
    return select(calls).where(_CALL.id.in_(ids)).order_by(_CALL.id).with_for_update()


def _open_ids(tenants: Places, users: Places) -> Select[Any]:
    either = _CALL.creator_id.in_(users) | _CALL.fan_id.in_(users)
    return select(_CALL.id).where(_OPEN, _CALL.tenant_id.in_(tenants), either)


_PARTIES = Listed(_parties, ids=_CALL.id.type)
_LOCK = Listed(_locked, ids=_CALL.id.type)
_OPEN_IDS = Listed(_open_ids, tenants=_CALL.tenant_id.type, users=_CALL.creator_id.type)
_BUSY = _CALL.end_reason.is_not_distinct_from(EndReason.BUSY.value)
_LATELY = (
    select(_CALL.tenant_id, _CALL.creator_id, _CALL.fan_id, _BUSY, func.max(_CALL.created_at))
    .where(
        _CALL.tenant_id.in_(bindparam("tenants", expanding=True)),
        _CALL.creator_id.in_(bindparam("creators", expanding=True)),
        _CALL.fan_id.in_(bindparam("fans", expanding=True)),
        _CALL.created_at > bindparam("since", type_=_CALL.created_at.type),
    )
    .group_by(_CALL.tenant_id, _CALL.creator_id, _CALL.fan_id, _BUSY)
)


def parties(connection: Connection, ids: Collection[str]) -> dict[str, tuple[str, str, str]]:
    """Return tenant, creator and fan of each call: what never changes of it, and needs no lock."""
    return {row[0]: (row[1], row[2], row[3]) for row in _PARTIES.rows(connection, ids=ids)}


def lock_calls(
    connection: Connection, ids: Collection[str], of_users: Collection[UserKey]
) -> dict[str, tuple[Call, str | None]]:
    """Return the calls of these ids, and those that are open of users who are locked, with the id of the
    operation that accepted each; nobody else changes them until the end of the transaction."""
    found = set(ids)
    if of_users:
        # Nobody begins one of these users' calls while their rows are locked, so none is missing.
        tenants, users = map(set, zip(*of_users, strict=True))
        found |= {row[0] for row in _OPEN_IDS.rows(connection, tenants=tenants, users=users)}
    locked = {}
    for values in _LOCK.rows(connection, ids=found):
        row = dict(zip(_NAMES, values, strict=True))
        locked[row["id"]] = call_of(row), row["accepted_by"]
    return locked


def rung_lately(
    connection: Connection, pairs: Collection[PairKey], since_ms: int
) -> dict[tuple[PairKey, bool], int]:
    """Return when each creator last rang a fan since then, and, with True, when a missed call of the two was
    last noted because the fan was busy."""
    if not pairs:
        return {}
    given: dict[str, set[Any]] = {
        "tenants": {creator[0] for creator, _ in pairs},
        "creators": {creator[1] for creator, _ in pairs},
        "fans": {fan[1] for _, fan in pairs},
    }
    found: dict[tuple[PairKey, bool], int] = {}
    rows = connection.execute(
        _LATELY, {name: sorted(values) for name, values in given.items()} | {"since": since_ms}
    )
    for tenant_id, creator_id, fan_id, busy, at_ms in rows:
        found[_pair(tenant_id, creator_id, fan_id), bool(busy)] = at_ms
    return found


def _pair(tenant_id: str, creator_id: UUID, fan_id: UUID) -> PairKey:
    return (tenant_id, creator_id), (tenant_id, fan_id)
