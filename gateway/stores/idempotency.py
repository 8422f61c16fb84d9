"""Requests that must not happen twice: who is at work on one, and what was answered.

    (none) --claim--> RUNNING --finish--> ANSWERED --24 h--> (none)
                      RUNNING --release--> (none)
                      RUNNING --claim, its lease ran out--> RUNNING

Invariant: of all who claim one key at once, one gets it. Times are those of the database's clock, because
the claims of one key may come to different machines. The rules are those of
draft-ietf-httpapi-idempotency-key-header.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, select, update

from gateway.stores.interface import Database
from gateway.stores.schema import idempotency_keys
from gateway.stores.statements import insert_new, now_ms

KEPT_MS = 24 * 3600 * 1000
LEASE_MS = 30_000
"""Past this a request that never finished is taken to be lost with its process, and may be tried again."""
TRIES_MAX = 5
"""Of a claim whose row vanishes between being in the way and being looked at."""


@dataclass(frozen=True, slots=True)
class Key:
    """A client's key, within its tenant, user and route; `fingerprint` is of what was asked."""

    tenant_id: str
    subject: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """The key is the caller's: it acts, then finishes or releases. `started_ms` tells claims apart."""

    started_ms: int


@dataclass(frozen=True, slots=True)
class Answered:
    """It happened already, and this was answered."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class Running:
    """Another request with this key is at work."""


@dataclass(frozen=True, slots=True)
class Reused:
    """The key was used for something else."""


_rows = idempotency_keys.c


def _at(key: Key) -> list[ColumnElement[bool]]:
    return [_rows.tenant_id == key.tenant_id, _rows.subject == key.subject, _rows.key == key.key]


def claim(connection: Connection, key: Key) -> Claimed | Answered | Running | Reused:
    """Take a key, or say why it cannot be had."""
    for _ in range(TRIES_MAX):
        started_ms = now_ms(connection)
        fresh = {"fingerprint": key.fingerprint, "status": None, "body": None, "started_at": started_ms}
        named = {"tenant_id": key.tenant_id, "subject": key.subject, "key": key.key}
        inserted = insert_new(connection, idempotency_keys).returning(_rows.key)
        if connection.execute(inserted, named | fresh).first() is not None:
            return Claimed(started_ms)
        query = select(idempotency_keys).where(*_at(key)).with_for_update()
        row = connection.execute(query).mappings().first()
        if row is None:
            continue
        age_ms = started_ms - row["started_at"]
        if age_ms <= KEPT_MS:
            if row["fingerprint"] != key.fingerprint:
                return Reused()
            if row["status"] is not None:
                return Answered(row["status"], row["body"])
            if age_ms <= LEASE_MS:
                return Running()
        connection.execute(update(idempotency_keys).where(*_at(key)).values(**fresh))
        return Claimed(started_ms)
    return Running()


def finish(connection: Connection, key: Key, claimed: Claimed, answer: Answered) -> None:
    """Keep what was answered, unless another has taken the key over."""
    connection.execute(
        update(idempotency_keys)
        .where(*_at(key), _rows.started_at == claimed.started_ms, _rows.status.is_(None))
        .values(status=answer.status, body=answer.body)
    )


def release(connection: Connection, key: Key, claimed: Claimed) -> None:
    """Give a key back: nothing was done under it."""
    connection.execute(
        delete(idempotency_keys).where(
            *_at(key),
            _rows.started_at == claimed.started_ms,
            _rows.status.is_(None),
        )
    )


def purge(connection: Connection) -> int:
    """Remove the rows of keys that are kept no longer; return how many."""
    before_ms = now_ms(connection) - KEPT_MS
    return connection.execute(delete(idempotency_keys).where(_rows.started_at < before_ms)).rowcount


class IdempotencyBook:
    """The keys of every tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, key: Key) -> Claimed | Answered | Running | Reused:
        """Take a key, or say why it cannot be had. Raises StoreDown."""
        return await self._database.write(lambda connection: claim(connection, key))

    async def finish(self, key: Key, claimed: Claimed, answer: Answered) -> None:
        """Keep what was answered. Raises StoreDown."""
        await self._database.write(lambda connection: finish(connection, key, claimed, answer))

    async def release(self, key: Key, claimed: Claimed) -> None:
        """Give a key back. Raises StoreDown."""
        await self._database.write(lambda connection: release(connection, key, claimed))

    async def purge(self) -> int:
        """Remove what is kept no longer; return how many. Raises StoreDown."""
        return await self._database.write(purge)
