"""The windows that one transaction touches: locked in the order of their keys, changed in memory, saved once.

Invariant: no two transactions wait for one another, and none sees a window that another is changing.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, select, update

from gateway.stores.prepared import ForEach, Listed, Places
from gateway.stores.schema import quota_slices, usage_quotas
from gateway.stores.statements import insert_new
from sessions.periods import period_of
from sessions.slices import Quota

QuotaKey = tuple[str, UUID, str, str]
"""Tenant, user, kind, window: the primary key of `usage_quotas`."""

_OWN = usage_quotas.c
_KEY = (_OWN.tenant_id, _OWN.user_id, _OWN.kind, _OWN.period_key)
_READ = select(*_KEY, _OWN.used_ms, _OWN.held_ms, _OWN.extra_ms)


def _locked(tenants: Places, users: Places, kinds: Places, keys: Places) -> Select[Any]:
    # Each part of the key has its list, so some rows may come that nobody asked for: a user's of both kinds.
    return (
        _READ.where(
            _OWN.tenant_id.in_(tenants), _OWN.user_id.in_(users), _OWN.kind.in_(kinds),
            _OWN.period_key.in_(keys),
        )
        .order_by(*_KEY)
        .with_for_update()
    )  # fmt: skip


def _locked_of_slices(ids: Places) -> Select[Any]:
    held = quota_slices.c
    return (
        _READ.join(
            quota_slices,
            (held.tenant_id == _OWN.tenant_id) & (held.user_id == _OWN.user_id) & (held.kind == _OWN.kind)
            & _OWN.period_key.in_([held.hour_key, held.day_key, held.month_key]),
        )
        .where(held.id.in_(ids))
        .order_by(*_KEY)
        .with_for_update(of=usage_quotas)
    )  # fmt: skip


_LOCK = Listed(
    _locked, tenants=_OWN.tenant_id.type, users=_OWN.user_id.type, kinds=_OWN.kind.type,
    keys=_OWN.period_key.type,
)  # fmt: skip
_LOCK_OF_SLICES = Listed(_locked_of_slices, ids=quota_slices.c.id.type)
SAVE = ForEach(
    update(usage_quotas)
    .where(
        usage_quotas.c.tenant_id == bindparam("of_tenant"),
        usage_quotas.c.user_id == bindparam("of_user"),
        usage_quotas.c.kind == bindparam("of_kind"),
        usage_quotas.c.period_key == bindparam("of_key"),
    )
    .values(used_ms=bindparam("used"), held_ms=bindparam("held"), extra_ms=bindparam("extra"))
)
"""For what `changes` returns."""


class Quotas:
    """The windows that one group touches: locked, changed in memory, saved once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: dict[QuotaKey, Quota] = {}
        self._changed: set[QuotaKey] = set()

    def lock(self, keys: Collection[QuotaKey]) -> None:
        """Load windows, and keep other writers from them until the end of the transaction."""
        tenants, users, kinds, windows = map(set, zip(*keys, strict=True)) if keys else ((),) * 4
        self._take(_LOCK.rows(self._connection, tenants=tenants, users=users, kinds=kinds, keys=windows))

    def lock_of_slices(self, ids: Collection[str]) -> None:
        """Do the same with the windows that these slices draw on; which those are never changes."""
        self._take(_LOCK_OF_SLICES.rows(self._connection, ids=ids))

    def _take(self, rows: Iterable[tuple[Any, ...]]) -> None:
        for tenant_id, user_id, kind, key, used_ms, held_ms, extra_ms in rows:
            self._rows[tenant_id, user_id, kind, key] = Quota(used_ms, held_ms, extra_ms)

    def make(self, subjects: Mapping[QuotaKey, str]) -> None:
        """Make the windows, by key with their user's subject, that are not there yet."""
        missing = sorted(key for key in subjects if key not in self._rows)
        if not missing:
            return
        self._connection.execute(
            insert_new(self._connection, usage_quotas),
            [
                {
                    "tenant_id": tenant_id, "user_id": user_id, "kind": kind, "period_key": key,
                    "period": period_of(key).value, "subject": subjects[tenant_id, user_id, kind, key],
                    "used_ms": 0, "held_ms": 0, "extra_ms": 0,
                }
                for tenant_id, user_id, kind, key in missing
            ],
        )  # fmt: skip
        # Another process may have made one meanwhile, and used it: what it says now counts.
        self.lock(missing)

    def __getitem__(self, key: QuotaKey) -> Quota:
        return self._rows[key]

    def change(self, key: QuotaKey, *, used_ms: int = 0, held_ms: int = 0, extra_ms: int = 0) -> None:
        """Add to a window."""
        quota = self._rows[key]
        self._rows[key] = Quota(quota.used_ms + used_ms, quota.held_ms + held_ms, quota.extra_ms + extra_ms)
        self._changed.add(key)

    def changes(self) -> list[dict[str, Any]]:
        """Return the rows of what changed, for whoever writes them with others: see SAVE."""
        return [self._parameters(key) for key in sorted(self._changed)]

    def save(self) -> None:
        """Write what changed."""
        SAVE.run(self._connection, self.changes())

    def _parameters(self, key: QuotaKey) -> dict[str, Any]:
        quota = self._rows[key]
        return {
            "of_tenant": key[0], "of_user": key[1], "of_kind": key[2], "of_key": key[3],
            "used": quota.used_ms, "held": quota.held_ms, "extra": quota.extra_ms,
        }  # fmt: skip
