"""What is changed of people, each a function of a connection, for `Database.write`.

Invariant: a change is made under the lock of the user's row, or of both rows of a pair.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from auth.principal import user_uuid
from gateway.stores.people.pairs import Pairs
from gateway.stores.people.reads import media_uid
from gateway.stores.people.rows import Person, make_users, person_of, user_key
from gateway.stores.people.schema import blocks, media_uids, users
from gateway.stores.statements import now_ms
from sessions import privacy
from sessions.privacy import Kind, Relationship

_USER, _BLOCK = users.c, blocks.c


class UsernameTaken(Exception):
    """Somebody in this tenant has the name."""

    def __init__(self, username: str) -> None:
        super().__init__(f"The name {username} is taken: choose another")
        self.param = "username"


def change_person(connection: Connection, tenant_id: str, subject: str, changes: Mapping[str, Any]) -> Person:
    """Return a user with these columns changed, and seen now if never before. Raises UsernameTaken."""
    key = user_key(tenant_id, subject)
    make_users(connection, {key: subject}, now_ms(connection))
    own = (_USER.tenant_id == key[0]) & (_USER.id == key[1])
    row = connection.execute(select(users).where(own).with_for_update(key_share=True)).mappings().one()
    if not changes:
        return person_of(row)
    try:
        with connection.begin_nested():
            connection.execute(update(users).where(own).values(**changes))
    except IntegrityError as error:
        if "username" not in changes:
            raise
        raise UsernameTaken(changes["username"]) from error
    return person_of(dict(row) | dict(changes))


def record_relationship(
    connection: Connection, tenant_id: str, creator: str, fan: str, kind: Kind, *, at_ms: int | None,
    ended: bool,
) -> Relationship | None:  # fmt: skip
    """Return a relationship after it was seen, or taken back, at a moment (None: now); None if there is none
    to take back. Raises NotLasting."""
    now = now_ms(connection)
    pairs = Pairs(connection, now)
    pair = user_key(tenant_id, creator), user_key(tenant_id, fan)
    if not ended:
        make_users(connection, {pair[0]: creator, pair[1]: fan}, now)
    pairs.lock(pair)
    pairs.load([pair])
    known = pairs.relationship(pair, kind)
    moment_ms = now if at_ms is None else min(at_ms, now)
    if not ended:
        after = privacy.recorded(known, kind, moment_ms)
    elif known is not None:
        after = privacy.ended(known, moment_ms)
    elif not kind.lasting:
        raise privacy.NotLasting(kind)
    else:
        return None
    if after != known:
        pairs.record(pair, after)
        pairs.save()
    return after


def unblock(connection: Connection, tenant_id: str, by: str, user: str) -> bool:
    """Take a block back; return whether there was one."""
    found = delete(blocks).where(
        _BLOCK.tenant_id == tenant_id,
        _BLOCK.creator_id == user_uuid(tenant_id, by),
        _BLOCK.blocked_user_id == user_uuid(tenant_id, user),
    )
    return connection.execute(found).rowcount > 0


def draw_media_uid(connection: Connection, tenant_id: str, subject: str) -> int:
    """Return the number that stands for a user in media channels: drawn now, if it was not before."""
    key = user_key(tenant_id, subject)
    make_users(connection, {key: subject}, now_ms(connection))
    # Under the lock of the user, so that two who draw at once draw one.
    own = (_USER.tenant_id == key[0]) & (_USER.id == key[1])
    connection.execute(select(_USER.id).where(own).with_for_update(key_share=True)).close()
    drawn = media_uid(connection, tenant_id, subject)
    if drawn is not None:
        return drawn
    made = insert(media_uids).values(tenant_id=key[0], user_id=key[1]).returning(media_uids.c.uid)
    return int(connection.execute(made).scalar_one())
