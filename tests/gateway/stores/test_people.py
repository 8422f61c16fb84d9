"""People in SQL: what they choose, whom they know and whom they block; each in its tenant."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, text

from auth.principal import user_uuid
from gateway.ids import new_id
from gateway.stores.cursors import BadCursor
from gateway.stores.database import open_database
from gateway.stores.interface import Database
from gateway.stores.people import reads
from gateway.stores.people.changes import (
    UsernameTaken,
    change_person,
    draw_media_uid,
    record_relationship,
    unblock,
)
from gateway.stores.people.pairs import BLOCKS_MAX, Pairs, TooManyBlocks
from gateway.stores.people.rows import Person, user_key
from gateway.stores.people.schema import blocks, media_uids, users
from sessions.call_records import CallType
from sessions.privacy import FanSettings, Kind, NotLasting, Policy, Relationship, Visibility
from tests.databases import Postgres
from tests.gateway.stores.callbook import NOW_MS, CallBook


@pytest.fixture
async def book(shared_database: Database) -> CallBook:
    return CallBook(shared_database, tenant=new_id("acme"))


async def person(book: CallBook, user: str) -> Person:
    return await book.database.read(lambda c: reads.person(c, book.tenant, user))


async def change(book: CallBook, user: str, **columns: Any) -> Person:
    return await book.database.write(lambda c: change_person(c, book.tenant, user, columns))


async def record(
    book: CallBook, kind: Kind, at_ms: int | None, *, ended: bool = False, fan: str = "noa"
) -> Relationship | None:
    return await book.database.write(
        lambda c: record_relationship(c, book.tenant, "cleo", fan, kind, at_ms=at_ms, ended=ended)
    )


class TestWhatOneChooses:
    async def test_who_was_never_seen_has_the_defaults(self, book: CallBook) -> None:
        assert await person(book, "noa") == Person(book.tenant, "noa")
        assert FanSettings() == FanSettings(Visibility.PRIVATE, Policy.INTERACTED, Policy.INTERACTED)

    async def test_to_be_seen_is_to_have_the_defaults_stored(self, book: CallBook) -> None:
        seen = await change(book, "noa")
        assert seen.settings == FanSettings()
        assert seen.created_at_ms is not None
        assert await person(book, "noa") == seen
        assert await change(book, "noa") == seen

    async def test_what_is_changed_stays_and_the_rest_too(self, book: CallBook) -> None:
        await change(book, "noa", fan_allow_calls="anyone", display_name="Noa")
        after = await change(book, "noa", fan_privacy_visibility="public", voice_rate_micro=5)
        assert (after.settings.allow_calls, after.settings.visibility) == (Policy.ANYONE, Visibility.PUBLIC)
        assert (after.display_name, after.rate_micro(CallType.VOICE)) == ("Noa", 5)
        assert after.rate_micro(CallType.VIDEO) == 0
        assert await person(book, "noa") == after

    async def test_a_name_is_one_users_in_the_tenant(self, book: CallBook) -> None:
        named = await change(book, "cleo", username="cleo.live")
        assert await change(book, "cleo", username="cleo.live") == named
        with pytest.raises(UsernameTaken):
            await change(book, "mia", username="cleo.live")
        found = await book.database.read(lambda c: reads.named(c, book.tenant, "cleo.live"))
        assert found == named
        assert await book.database.read(lambda c: reads.named(c, "other", "cleo.live")) is None

    async def test_a_name_that_two_want_at_once_is_ones(self, book: CallBook) -> None:
        wanted = [change(book, f"creator_{number}", username="wanted") for number in range(4)]
        results = await asyncio.gather(*wanted, return_exceptions=True)
        assert sum(isinstance(result, Person) for result in results) == 1
        assert sum(isinstance(result, UsernameTaken) for result in results) == 3

    async def test_a_uuid_in_two_tenants_is_two_users(self, book: CallBook) -> None:
        same = "0e4d2c6e-6f5b-4f0e-9c39-5a3c8f1d2b7a"
        await change(book, same, display_name="ours")
        await book.database.write(lambda c: change_person(c, new_id("other"), same, {"display_name": "x"}))
        assert (await person(book, same)).display_name == "ours"


class TestRelationships:
    async def test_first_and_last_are_kept_whatever_the_order(self, book: CallBook) -> None:
        for at_ms in (NOW_MS, NOW_MS - 5_000, NOW_MS - 1_000):
            await record(book, Kind.MESSAGE, at_ms)
        met = await book.database.read(lambda c: reads.met(c, book.tenant, "cleo", "noa"))
        assert met.standing.relationships == {
            Kind.MESSAGE: Relationship(Kind.MESSAGE, NOW_MS - 5_000, NOW_MS)
        }

    async def test_a_follow_can_be_taken_back(self, book: CallBook) -> None:
        await record(book, Kind.FOLLOW, NOW_MS)
        gone = await record(book, Kind.FOLLOW, NOW_MS + 1, ended=True)
        assert gone == Relationship(Kind.FOLLOW, NOW_MS, NOW_MS, NOW_MS + 1)
        back = await record(book, Kind.FOLLOW, NOW_MS + 2)
        assert back == Relationship(Kind.FOLLOW, NOW_MS, NOW_MS + 2)

    async def test_what_never_was_cannot_be_taken_back(self, book: CallBook) -> None:
        assert await record(book, Kind.SUBSCRIBE, NOW_MS, ended=True) is None
        for kind in (Kind.TIP, Kind.MESSAGE):
            with pytest.raises(NotLasting):
                await record(book, kind, NOW_MS, ended=True)
        assert await book.count(users) == 0

    async def test_nothing_happened_in_the_future(self, book: CallBook) -> None:
        known = await record(book, Kind.TIP, 4_000_000_000_000)
        assert known is not None
        assert known.last_at_ms < 4_000_000_000_000

    async def test_known_fans_come_in_pages_the_latest_first(self, book: CallBook) -> None:
        for number, fan in enumerate(("noa", "dan", "lea")):
            await record(book, Kind.FOLLOW, NOW_MS + number, fan=fan)
        await record(book, Kind.TIP, NOW_MS + 10, fan="noa")
        read = reads.known_fans
        first, cursor = await book.database.read(lambda c: read(c, book.tenant, "cleo", 2, None))
        assert [met.fan.subject for met in first] == ["noa", "lea"]
        assert set(first[0].standing.relationships) == {Kind.FOLLOW, Kind.TIP}
        rest, end = await book.database.read(lambda c: read(c, book.tenant, "cleo", 2, cursor))
        assert ([met.fan.subject for met in rest], end) == (["dan"], None)
        assert await book.database.read(lambda c: read(c, "other", "cleo", 2, None)) == ([], None)
        with pytest.raises(BadCursor):
            await book.database.read(lambda c: read(c, book.tenant, "cleo", 2, "x"))


class TestBlocks:
    async def test_either_side_blocks_and_it_is_the_same(self, book: CallBook) -> None:
        await book.block("noa", "cleo")
        await book.block("cleo", "dan")
        for fan in ("noa", "dan"):
            asked = partial(reads.met, tenant_id=book.tenant, creator="cleo", fan=fan)
            met = await book.database.read(asked)
            assert met.standing.blocked
        met = await book.database.read(lambda c: reads.met(c, book.tenant, "cleo", "lea"))
        assert not met.standing.blocked
        assert not (await book.database.read(lambda c: reads.met(c, "other", "cleo", "noa"))).standing.blocked

    async def test_ones_own_can_be_taken_back(self, book: CallBook) -> None:
        await book.block("noa", "cleo")
        await book.block("cleo", "noa")
        take_back = unblock
        assert await book.database.write(lambda c: take_back(c, book.tenant, "noa", "cleo"))
        assert not await book.database.write(lambda c: take_back(c, book.tenant, "noa", "cleo"))
        met = await book.database.read(lambda c: reads.met(c, book.tenant, "cleo", "noa"))
        assert met.standing.blocked

    async def test_they_are_listed_the_latest_first(self, book: CallBook) -> None:
        for user in ("cleo", "mia", "zoe"):
            await book.block("noa", user)
            book.pass_time(1000)
        read = reads.blocks_of
        first, cursor = await book.database.read(lambda c: read(c, book.tenant, "noa", 2, None))
        assert [(one.user, one.created_at_ms) for one in first] == [
            ("zoe", NOW_MS + 2000), ("mia", NOW_MS + 1000),
        ]  # fmt: skip
        rest, end = await book.database.read(lambda c: read(c, book.tenant, "noa", 2, cursor))
        assert ([one.user for one in rest], end) == (["cleo"], None)
        assert await book.database.read(lambda c: read(c, book.tenant, "cleo", 2, None)) == ([], None)

    async def test_the_list_ends_somewhere(self, book: CallBook, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gateway.stores.people.pairs.BLOCKS_MAX", 2)
        for user in ("cleo", "mia", "cleo"):
            await book.block("noa", user)
        assert isinstance((await book.block("noa", "zoe")).error, TooManyBlocks)
        assert await book.count(blocks) == 2
        assert BLOCKS_MAX >= 1000

    async def test_two_in_one_transaction_are_counted_too(
        self, book: CallBook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gateway.stores.people.pairs.BLOCKS_MAX", 1)

        def twice(connection: Any) -> None:
            pairs = Pairs(connection, NOW_MS)
            keys = {user_key(book.tenant, user): user for user in ("noa", "cleo", "mia")}
            pairs.make(keys)
            noa, cleo, mia = keys
            pairs.block(noa, cleo)
            pairs.block(noa, mia)

        with pytest.raises(TooManyBlocks):
            await book.database.write(twice)

    async def test_who_is_gone_takes_relationships_and_blocks_along(self, book: CallBook) -> None:
        await book.met()
        await book.block("noa", "cleo")
        gone = delete(users).where(users.c.id == user_uuid(book.tenant, "noa"))
        await book.database.write(lambda c: c.execute(gone).close())
        met = await book.database.read(lambda c: reads.met(c, book.tenant, "cleo", "noa"))
        assert (met.standing.relationships, met.standing.blocked) == ({}, False)


class TestMediaNumbers:
    async def test_drawn_once_and_for_good(self, book: CallBook) -> None:
        drawn = await asyncio.gather(
            *(book.database.write(lambda c: draw_media_uid(c, book.tenant, "noa")) for _ in range(5))
        )
        assert len(set(drawn)) == 1
        assert 1 <= drawn[0] < 2**32
        assert await book.database.read(lambda c: reads.media_uid(c, book.tenant, "noa")) == drawn[0]
        other = await book.database.write(lambda c: draw_media_uid(c, book.tenant, "dan"))
        assert other != drawn[0]
        assert await book.count(media_uids) == 2


@pytest.fixture
async def at_psql(postgres: Postgres, tmp_path: Path) -> AsyncIterator[CallBook]:
    """A book on PostgreSQL, where operators have their own ways."""
    async with postgres.fresh_database() as url:
        database = await open_database(url, tmp_path)
        yield CallBook(database)
        await database.aclose()


async def test_what_operators_ask_is_there_by_these_names(at_psql: CallBook) -> None:
    """The checks of the operators' guide: columns, the function and the index."""
    book = at_psql
    await book.met()
    await change(book, "noa")
    await book.rung()
    creator, fan = user_uuid(book.tenant, "cleo"), user_uuid(book.tenant, "noa")

    def asked(connection: Any) -> list[Any]:
        statements = [
            "SELECT fan_privacy_visibility, fan_allow_dm, fan_allow_calls FROM users "
            f"WHERE tenant_id = '{book.tenant}' AND subject = 'noa' LIMIT 5",
            f"SELECT creator_has_relationship('{creator}', '{fan}')",
            "SELECT creator_has_relationship("
            "'00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002')",
            "SELECT count(*) FROM creator_fan_relationships "
            f"WHERE creator_id = '{creator}' AND fan_id = '{fan}'",
            "SELECT count(*) FROM creator_blocked_users "
            f"WHERE creator_id = '{creator}' AND blocked_user_id = '{fan}'",
            f"SELECT state FROM calls WHERE creator_id = '{creator}'",
            "SELECT count(*) FROM pg_indexes WHERE indexname = 'idx_calls_state'",
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public' AND table_name IN "
            "('creator_fan_relationships', 'calls', 'call_invitations')",
            "SELECT count(*) FROM information_schema.columns WHERE table_name = 'users' "
            "AND column_name LIKE 'fan_%'",
            "SELECT count(*) FROM pg_indexes WHERE indexname ~ '^idx_(user_credits|credit_transactions)'",
        ]
        return [tuple(connection.execute(text(statement)).first()) for statement in statements]

    assert await book.database.read(asked) == [
        ("private", "interacted", "interacted"), (True,), (False,), (1,), (0,), ("RINGING",), (1,), (3,),
        (3,), (4,),
    ]  # fmt: skip


async def test_an_operator_may_expire_invitations_by_hand(at_psql: CallBook) -> None:
    """It changes what is told of the ring, and no call: that one ends by its own time."""
    await at_psql.met()
    call = await at_psql.rung()
    by_hand = "UPDATE call_invitations SET state = 'expired' WHERE state = 'pending' AND expires_at < NOW()"
    await at_psql.database.write(lambda c: c.execute(text(by_hand)).close())
    assert await at_psql.invitation(call) == "expired"
    assert (await at_psql.accept(call)).call.accepted_at_ms == at_psql.now_ms
    assert await at_psql.invitation(call) == "accepted"
