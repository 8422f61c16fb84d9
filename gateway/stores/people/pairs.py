"""Users and what they are to one another, as one transaction sees and changes them.

Invariant: the users' rows are locked first, in the order of their keys, before anything of them is read; so
two transactions that are about one pair follow each other, and the second sees what the first did.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, Select, func, select

from gateway.stores.people.rows import (
    Person,
    UserKey,
    make_users,
    person_of,
    relationship_of,
    user_key,
)
from gateway.stores.people.schema import blocks, relationships, users
from gateway.stores.prepared import Listed, Places
from gateway.stores.statements import insert_new, insert_or_update
from sessions.privacy import Kind, Relationship, Standing

BLOCKS_MAX = 5000
"""Of one user: the list must end somewhere."""

PairKey = tuple[UserKey, UserKey]
"""A creator and a fan of one tenant."""

_USER, _KNOWS, _BLOCK = users.c, relationships.c, blocks.c
_USER_NAMES = [column.name for column in users.c]
_KNOWS_NAMES = [column.name for column in relationships.c]


def _locked(tenants: Places, ids: Places) -> Select[Any]:
    return (
        select(users)
        .where(_USER.tenant_id.in_(tenants), _USER.id.in_(ids))
        .order_by(_USER.tenant_id, _USER.id)
        # As weak as an update that leaves the key alone: rows that refer to a user can be written meanwhile.
        .with_for_update(key_share=True)
    )


def _known(tenants: Places, creators: Places, fans: Places) -> Select[Any]:
    return select(relationships).where(
        _KNOWS.tenant_id.in_(tenants), _KNOWS.creator_id.in_(creators), _KNOWS.fan_id.in_(fans)
    )


def _blocked(tenants: Places, blockers: Places, blocked: Places) -> Select[Any]:
    return select(_BLOCK.tenant_id, _BLOCK.creator_id, _BLOCK.blocked_user_id, _BLOCK.created_at).where(
        _BLOCK.tenant_id.in_(tenants), _BLOCK.creator_id.in_(blockers), _BLOCK.blocked_user_id.in_(blocked)
    )


_LOCK = Listed(_locked, tenants=_USER.tenant_id.type, ids=_USER.id.type)
_KNOWN = Listed(
    _known, tenants=_KNOWS.tenant_id.type, creators=_KNOWS.creator_id.type, fans=_KNOWS.fan_id.type
)
_BLOCKED = Listed(
    _blocked, tenants=_BLOCK.tenant_id.type, blockers=_BLOCK.creator_id.type,
    blocked=_BLOCK.blocked_user_id.type,
)  # fmt: skip


class TooManyBlocks(Exception):
    """Somebody has blocked as many as one may."""

    def __init__(self) -> None:
        super().__init__(f"You have blocked {BLOCKS_MAX} users: unblock some of them first")
        self.blocks_max = BLOCKS_MAX


class Pairs:
    """The users of one group of operations, locked, with what is between them."""

    def __init__(self, connection: Connection, now_ms: int) -> None:
        self._connection = connection
        self._now_ms = now_ms
        self._people: dict[UserKey, Person] = {}
        self._known: dict[PairKey, dict[Kind, Relationship]] = {}
        self._blocks: dict[PairKey, int] = {}
        self._recorded: set[tuple[PairKey, Kind]] = set()
        self._placed: list[PairKey] = []

    def lock(self, keys: Collection[UserKey]) -> None:
        """Load users, and keep other writers from them until the end of the transaction."""
        tenants, ids = map(set, zip(*keys, strict=True)) if keys else (set(), set())
        for values in _LOCK.rows(self._connection, tenants=tenants, ids=ids):
            row = dict(zip(_USER_NAMES, values, strict=True))
            self._people[row["tenant_id"], row["id"]] = person_of(row)

    def make(self, subjects: Mapping[UserKey, str]) -> None:
        """Make the users that are not there yet, and lock them."""
        missing = {key: subjects[key] for key in subjects if key not in self._people}
        if missing:
            make_users(self._connection, missing, self._now_ms)
            self.lock(missing)

    def load(self, pairs: Collection[PairKey]) -> None:
        """Load relationships and blocks, those of pairs that have none as well as of those that have."""
        tenants = {creator[0] for creator, _ in pairs}
        creators, fans = {creator[1] for creator, _ in pairs}, {fan[1] for _, fan in pairs}
        found = _KNOWN.rows(self._connection, tenants=tenants, creators=creators, fans=fans)
        for values in found:
            row = dict(zip(_KNOWS_NAMES, values, strict=True))
            tenant_id, known = row["tenant_id"], relationship_of(row)
            pair = (tenant_id, row["creator_id"]), (tenant_id, row["fan_id"])
            self._known.setdefault(pair, {})[known.kind] = known
        either = creators | fans
        for tenant_id, by, user, at_ms in _BLOCKED.rows(
            self._connection, tenants=tenants, blockers=either, blocked=either
        ):
            self._blocks[(tenant_id, by), (tenant_id, user)] = at_ms

    def person(self, tenant_id: str, subject: str) -> Person:
        """Return a user; one that was never seen has the defaults."""
        return self._people.get(user_key(tenant_id, subject)) or Person(tenant_id, subject)

    def standing(self, creator: Person, fan: Person) -> Standing:
        """Return how a creator stands with a fan."""
        pair = creator.key, fan.key
        blocked = pair in self._blocks or pair[::-1] in self._blocks
        return Standing(fan.settings, self._known.get(pair, {}), blocked)

    def relationship(self, pair: PairKey, kind: Kind) -> Relationship | None:
        """Return what is known of a kind."""
        return self._known.get(pair, {}).get(kind)

    def record(self, pair: PairKey, relationship: Relationship) -> None:
        """Have a relationship be as a rule says."""
        self._known.setdefault(pair, {})[relationship.kind] = relationship
        self._recorded.add((pair, relationship.kind))

    def block(self, by: UserKey, user: UserKey) -> int:
        """Have one of two block the other; return since when that is so. Raises TooManyBlocks."""
        if (by, user) not in self._blocks:
            query = select(func.count()).where(_BLOCK.tenant_id == by[0], _BLOCK.creator_id == by[1])
            placed = sum(own == by for own, _ in self._placed)
            if self._connection.execute(query).scalar_one() + placed >= BLOCKS_MAX:
                raise TooManyBlocks
            self._blocks[by, user] = self._now_ms
            self._placed.append((by, user))
        return self._blocks[by, user]

    def save(self) -> None:
        """Write what changed."""
        if self._recorded:
            saved = insert_or_update(self._connection, relationships, ("first_at", "last_at", "ended_at"))
            self._connection.execute(saved, [self._row(pair, kind) for pair, kind in sorted(self._recorded)])
        if self._placed:
            rows = [
                {
                    "tenant_id": by[0], "creator_id": by[1], "blocked_user_id": user[1],
                    "created_at": self._now_ms,
                }
                for by, user in self._placed
            ]  # fmt: skip
            self._connection.execute(insert_new(self._connection, blocks), rows)

    def _row(self, pair: PairKey, kind: Kind) -> dict[str, Any]:
        (tenant_id, creator_id), (_, fan_id) = pair
        known = self._known[pair][kind]
        return {
            "tenant_id": tenant_id, "creator_id": creator_id, "fan_id": fan_id, "kind": kind.value,
            "first_at": known.first_at_ms, "last_at": known.last_at_ms, "ended_at": known.ended_at_ms,
        }  # fmt: skip
