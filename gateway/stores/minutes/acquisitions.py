"""Slices granted: what is left is read under a lock, shared out by the rule, and held."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Connection,
    String,
    insert,
    literal_column,
    null,
    select,
    union_all,
)

from auth.principal import user_uuid
from gateway.stores.interface import Refusal
from gateway.stores.minutes.operations import Acquire, Spent
from gateway.stores.minutes.quotas import SAVE, QuotaKey, Quotas
from gateway.stores.prepared import ForEach, Listed, Places, Together
from gateway.stores.schema import live_sessions, quota_overrides, quota_slices
from sessions import slices
from sessions.periods import Period, window_keys
from sessions.plans import Override, Plans
from sessions.slices import UNLIMITED, Grant, MediaKind, QuotaSpent

User = tuple[str, UUID]


def _known(ids: Places, tenants: Places, users: Places, subjects: Places) -> CompoundSelect[Any]:
    """Return the query for everything that grants go by besides the windows: one, for each has its price."""
    held, own, live = quota_slices.c, quota_overrides.c, live_sessions.c
    nothing = literal_column("0", BigInteger), null()
    return union_all(
        select(
            _part("slice"), held.id, held.hour_key, held.day_key, held.month_key, held.granted_ms,
            held.expires_at,
        ).where(held.id.in_(ids)),
        select(
            _part("override"), own.tenant_id, own.subject, own.kind, own.period, own.limit_ms, null()
        ).where(own.tenant_id.in_(tenants), own.subject.in_(subjects)),
        *(
            select(
                _part("session"), of.tenant_id, of.subject, of.kind, session_id, *nothing
            ).where(of.tenant_id.in_(tenants), of.user_id.in_(users), of.state == state)
            for of, session_id, state in ((live, live.id, "ACTIVE"), (held, held.session_id, "open"))
        ),
    )  # fmt: skip


def _part(name: str) -> ColumnElement[str]:
    return literal_column(f"'{name}'", String).label("part")


_KNOWN = Listed(
    _known, ids=quota_slices.c.id.type, tenants=quota_slices.c.tenant_id.type,
    users=quota_slices.c.user_id.type, subjects=quota_slices.c.subject.type,
)  # fmt: skip
_INSERT = ForEach(
    insert(quota_slices).inline(), "id", "tenant_id", "user_id", "subject", "kind", "session_id",
    "channel_id", "boot_id", "hour_key", "day_key", "month_key", "granted_ms", "cumulative_ms", "state",
    "opened_at", "expires_at",
)  # fmt: skip
_WRITE = Together(SAVE, _INSERT)


class Acquisitions:
    """Grants slices; a slice that is there already is answered as it was granted."""

    name = "acquire"

    def __init__(self, plans: Plans) -> None:
        self._plans = plans

    def apply(self, connection: Connection, operations: Sequence[Acquire]) -> list[Grant | Refusal]:
        """Grant each operation its slice, or say what is spent."""
        asked = [Asked(operation) for operation in operations]
        subjects = {key: one.operation.subject for one in asked for key in one.keys.values()}
        quotas = Quotas(connection)
        quotas.lock(subjects)
        quotas.make(subjects)
        # After the locks: what another run of the same operations has written is seen.
        known = Known(connection, asked)
        answers: dict[str, Grant | Refusal] = dict(known.granted)
        rows = []
        for one in asked:
            slice_id = one.operation.slice_id
            if slice_id in answers:
                continue
            try:
                grant = answers[slice_id] = self._grant(one, quotas, known)
            except QuotaSpent as spent:
                answers[slice_id] = Spent(spent)
                continue
            for key in one.keys.values():
                quotas.change(key, held_ms=grant.granted_ms)
            known.add(one)
            rows.append(slice_row(one, grant))
        _WRITE.run(connection, quotas.changes(), rows)
        return [answers[operation.slice_id] for operation in operations]

    def _grant(self, one: "Asked", quotas: Quotas, known: "Known") -> Grant:
        operation = one.operation
        overrides = tuple(known.overrides.get(operation.tenant_id, ()))
        terms = self._plans.terms(operation.plan, operation.kind, operation.subject, overrides)
        limited = any(limit != UNLIMITED for limit in terms.limits_ms.values())
        return slices.grant(
            operation.kind,
            {period: quotas[key] for period, key in one.keys.items()},
            terms,
            owed_ms=operation.owed_ms,
            live=known.sessions(one) if limited else 1,
            now_ms=operation.now_ms,
        )


class Asked:
    """An operation, with whose windows it draws on."""

    __slots__ = ("keys", "operation", "user")

    def __init__(self, operation: Acquire) -> None:
        self.operation = operation
        user_id = user_uuid(operation.tenant_id, operation.subject)
        self.user: User = operation.tenant_id, user_id
        self.keys: dict[Period, QuotaKey] = {
            period: (operation.tenant_id, user_id, operation.kind.value, key)
            for period, key in window_keys(slices.charged_at_ms(operation.now_ms)).items()
        }


class Known:
    """What is stored already of slices by their ids, of tenants' overrides, and which sessions of a user draw
    on the same windows: those that are live, and those that hold slices."""

    def __init__(self, connection: Connection, asked: Sequence[Asked]) -> None:
        self.granted: dict[str, Grant] = {}
        self.overrides: dict[str, list[Override]] = {}
        self._sessions: dict[tuple[User, str], set[str]] = {}
        self._users = {(one.user[0], one.operation.subject): one.user for one in asked}
        found = _KNOWN.rows(
            connection,
            ids=[one.operation.slice_id for one in asked],
            tenants={one.user[0] for one in asked},
            users={one.user[1] for one in asked},
            subjects={"", *(one.operation.subject for one in asked)},
        )
        self._take(found)

    def _take(self, rows: Iterable[tuple[Any, ...]]) -> None:
        for part, first, second, third, fourth, amount_ms, at_ms in rows:
            if part == "slice":
                self.granted[first] = granted_before((second, third, fourth), amount_ms, at_ms)
            elif part == "override":
                override = Override(second, MediaKind(third), Period(fourth), amount_ms)
                self.overrides.setdefault(first, []).append(override)
            else:
                # A subject that is a UUID is the same user in capitals.
                user = self._users.get((first, second)) or (first, user_uuid(first, second))
                self._sessions.setdefault((user, third), set()).add(fourth)

    def sessions(self, one: Asked) -> int:
        """Return how many sessions draw on the windows of an operation, its own included."""
        known = self._sessions.get((one.user, one.operation.kind.value), set())
        return len(known | {one.operation.session_id})

    def add(self, one: Asked) -> None:
        """Count the session of an operation from now on."""
        own = one.user, one.operation.kind.value
        self._sessions.setdefault(own, set()).add(one.operation.session_id)


def granted_before(keys: tuple[str, str, str], granted_ms: int, expires_at_ms: int) -> Grant:
    """Return what a stored slice was granted; that it was the last is found out at its renewal."""
    windows = dict(zip((Period.HOUR, Period.DAY, Period.MONTH), keys, strict=True))
    return Grant(granted_ms, windows, expires_at_ms, final=False)


def slice_row(one: Asked, grant: Grant) -> dict[str, Any]:
    """Return the row of a slice that was granted."""
    operation = one.operation
    return {
        "id": operation.slice_id,
        "tenant_id": operation.tenant_id,
        "user_id": one.user[1],
        "subject": operation.subject,
        "kind": operation.kind.value,
        "session_id": operation.session_id,
        "channel_id": operation.channel_id,
        "boot_id": operation.boot_id,
        "hour_key": grant.keys[Period.HOUR],
        "day_key": grant.keys[Period.DAY],
        "month_key": grant.keys[Period.MONTH],
        "granted_ms": grant.granted_ms,
        "cumulative_ms": 0,
        "state": "open",
        "opened_at": operation.now_ms,
        "expires_at": grant.expires_at_ms,
    }
