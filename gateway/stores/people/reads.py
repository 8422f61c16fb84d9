"""What is asked of people: each is a function of a connection, for `Database.read`."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from auth.principal import user_uuid
from gateway.stores.cursors import cursor_of, place_of
from gateway.stores.people.rows import Person, person_of, relationship_of
from gateway.stores.people.schema import blocks, media_uids, relationships, users
from sessions.privacy import Standing

_USER, _KNOWS, _BLOCK = users.c, relationships.c, blocks.c


@dataclass(frozen=True, slots=True)
class Met:
    """A user, and how somebody stands with them."""

    fan: Person
    standing: Standing


@dataclass(frozen=True, slots=True)
class Blocking:
    """Whom somebody has blocked, and since when."""

    user: str
    created_at_ms: int


def person(connection: Connection, tenant_id: str, subject: str) -> Person:
    """Return a user; one that was never seen has the defaults."""
    query = select(users).where(_USER.tenant_id == tenant_id, _USER.id == user_uuid(tenant_id, subject))
    row = connection.execute(query).mappings().first()
    return Person(tenant_id, subject) if row is None else person_of(row)


def named(connection: Connection, tenant_id: str, username: str) -> Person | None:
    """Return the user of that name."""
    query = select(users).where(_USER.tenant_id == tenant_id, _USER.username == username)
    row = connection.execute(query).mappings().first()
    return None if row is None else person_of(row)


def met(connection: Connection, tenant_id: str, creator: str, fan: str) -> Met:
    """Return a fan, and how a creator stands with them: the same work for every pair."""
    creator_id, fan_id = user_uuid(tenant_id, creator), user_uuid(tenant_id, fan)
    known = connection.execute(
        select(relationships).where(
            _KNOWS.tenant_id == tenant_id, _KNOWS.creator_id == creator_id, _KNOWS.fan_id == fan_id
        )
    ).mappings()
    kinds = {one.kind: one for one in map(relationship_of, known)}
    blocked = connection.execute(
        select(func.count()).where(
            _BLOCK.tenant_id == tenant_id,
            _BLOCK.creator_id.in_([creator_id, fan_id]),
            _BLOCK.blocked_user_id.in_([creator_id, fan_id]),
        )
    ).scalar_one()
    found = person(connection, tenant_id, fan)
    return Met(found, Standing(found.settings, kinds, bool(blocked)))


def known_fans(
    connection: Connection, tenant_id: str, of: str, limit: int, cursor: str | None
) -> tuple[list[Met], str | None]:
    """Return the fans with whom a creator has a relationship, the latest first, and the cursor of those that
    follow (None: there are none). Raises BadCursor."""
    creator_id = user_uuid(tenant_id, of)
    latest = func.max(_KNOWS.last_at)
    query = (
        select(_USER.subject, latest.label("latest"))
        .join(users, (_USER.tenant_id == _KNOWS.tenant_id) & (_USER.id == _KNOWS.fan_id))
        .where(_KNOWS.tenant_id == tenant_id, _KNOWS.creator_id == creator_id)
        .group_by(_USER.subject)
    )
    if cursor is not None:
        at_ms, subject = place_of(cursor, int, str)
        query = query.having((latest < at_ms) | ((latest == at_ms) & (_USER.subject > subject)))
    rows = connection.execute(query.order_by(latest.desc(), _USER.subject).limit(limit + 1)).all()
    shown = [met(connection, tenant_id, of, subject) for subject, _ in rows[:limit]]
    if len(rows) <= limit:
        return shown, None
    subject, at_ms = rows[limit - 1]
    return shown, cursor_of(at_ms, subject)


def blocks_of(
    connection: Connection, tenant_id: str, of: str, limit: int, cursor: str | None
) -> tuple[list[Blocking], str | None]:
    """Return whom somebody has blocked, the latest first, and the cursor of those that follow (None: there
    are none). Raises BadCursor."""
    query = (
        select(_USER.subject, _BLOCK.created_at)
        .join(users, (_USER.tenant_id == _BLOCK.tenant_id) & (_USER.id == _BLOCK.blocked_user_id))
        .where(_BLOCK.tenant_id == tenant_id, _BLOCK.creator_id == user_uuid(tenant_id, of))
    )
    at = _BLOCK.created_at
    if cursor is not None:
        at_ms, subject = place_of(cursor, int, str)
        query = query.where((at < at_ms) | ((at == at_ms) & (_USER.subject > subject)))
    rows = connection.execute(query.order_by(at.desc(), _USER.subject).limit(limit + 1)).all()
    shown = [Blocking(subject, at_ms) for subject, at_ms in rows[:limit]]
    return shown, None if len(rows) <= limit else cursor_of(shown[-1].created_at_ms, shown[-1].user)


def media_uid(connection: Connection, tenant_id: str, subject: str) -> int | None:
    """Return the number that stands for a user in media channels, if it was drawn."""
    own = media_uids.c
    query = select(own.uid).where(own.tenant_id == tenant_id, own.user_id == user_uuid(tenant_id, subject))
    return connection.execute(query).scalar()
