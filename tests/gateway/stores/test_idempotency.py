"""Keys of requests: of all who claim one, one has it; on both databases."""

import asyncio

from sqlalchemy import func, select, update

from gateway.stores.idempotency import (
    KEPT_MS,
    LEASE_MS,
    Answered,
    Claimed,
    IdempotencyBook,
    Key,
    Reused,
    Running,
)
from gateway.stores.interface import Database
from gateway.stores.schema import idempotency_keys

KEY = Key("default", "ada", "grant:k", "f1")


async def start_earlier(database: Database, by_ms: int) -> None:
    started_at = idempotency_keys.c.started_at

    def change(connection: object) -> None:
        moment = connection.execute(select(started_at)).scalar_one()  # type: ignore[attr-defined]
        connection.execute(update(idempotency_keys).values(started_at=moment - by_ms))  # type: ignore[attr-defined]

    await database.write(change)


async def rows(database: Database) -> int:
    query = select(func.count()).select_from(idempotency_keys)
    return await database.read(lambda connection: connection.execute(query).scalar_one())


async def taken(book: IdempotencyBook, key: Key = KEY) -> Claimed:
    claimed = await book.claim(key)
    assert isinstance(claimed, Claimed)
    return claimed


async def test_of_forty_who_claim_one_key_one_has_it(database: Database) -> None:
    book = IdempotencyBook(database)
    claims = await asyncio.gather(*(book.claim(KEY) for _ in range(40)))
    assert sum(isinstance(claim, Claimed) for claim in claims) == 1
    assert sum(isinstance(claim, Running) for claim in claims) == 39


async def test_of_forty_who_take_over_a_lost_one_one_has_it(database: Database) -> None:
    book = IdempotencyBook(database)
    await taken(book)
    await start_earlier(database, LEASE_MS + 1000)
    claims = await asyncio.gather(*(book.claim(KEY) for _ in range(40)))
    assert sum(isinstance(claim, Claimed) for claim in claims) == 1


async def test_the_answer_is_kept_and_another_question_refused(database: Database) -> None:
    book = IdempotencyBook(database)
    claimed = await taken(book)
    assert await book.claim(KEY) == Running()
    await book.finish(KEY, claimed, Answered(200, '{"ok":true}'))
    assert await book.claim(KEY) == Answered(200, '{"ok":true}')
    assert await book.claim(Key("default", "ada", "grant:k", "f2")) == Reused()


async def test_a_key_given_back_is_free(database: Database) -> None:
    book = IdempotencyBook(database)
    await book.release(KEY, await taken(book))
    await taken(book, Key("default", "ada", "grant:k", "f2"))


async def test_users_and_tenants_have_keys_of_their_own(database: Database) -> None:
    book = IdempotencyBook(database)
    for tenant, subject in (("default", "ada"), ("default", "abe"), ("other", "ada")):
        await taken(book, Key(tenant, subject, "grant:k", "f1"))


async def test_who_was_taken_for_lost_neither_answers_nor_gives_back_what_another_has(
    database: Database,
) -> None:
    book = IdempotencyBook(database)
    slow = await taken(book)
    await start_earlier(database, LEASE_MS + 1000)
    slow = Claimed(slow.started_ms - LEASE_MS - 1000)
    quick = await taken(book)
    await book.release(KEY, slow)
    await book.finish(KEY, slow, Answered(200, "slow"))
    assert await book.claim(KEY) == Running()
    await book.finish(KEY, quick, Answered(200, "quick"))
    await book.finish(KEY, quick, Answered(200, "again"))
    await book.release(KEY, quick)
    assert await book.claim(KEY) == Answered(200, "quick")


async def test_an_answer_is_forgotten_after_a_day(database: Database) -> None:
    book = IdempotencyBook(database)
    await book.finish(KEY, await taken(book), Answered(200, "first"))
    await start_earlier(database, KEPT_MS - 60_000)
    assert await book.purge() == 0
    assert await book.claim(KEY) == Answered(200, "first")
    await start_earlier(database, 120_000)
    await taken(book, Key("default", "ada", "grant:k", "f2"))
    await start_earlier(database, KEPT_MS + 60_000)
    assert await book.purge() == 1
    assert await rows(database) == 0
