"""Credits in SQL: given once, never below zero, and always what the ledger says."""

import asyncio
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, select, update
from sqlalchemy.exc import IntegrityError

from gateway.ids import new_id
from gateway.stores.credits.accounts import Accounts
from gateway.stores.credits.allocations import Allocations, account_key
from gateway.stores.credits.operations import Allocate, Allocated, CreditRefused
from gateway.stores.credits.schema import credit_transactions, user_credits
from gateway.stores.interface import Database
from gateway.stores.schema import audit_log, ledger_entries
from sessions.call_events import EndRequested
from sessions.credits import BALANCE_MICRO_MAX, BadAmount, InsufficientBalance, deduct, hold
from tests.gateway.stores.callbook import CREDIT, NOW_MS, CallBook


@pytest.fixture
async def book(shared_database: Database) -> CallBook:
    return CallBook(shared_database, tenant=new_id("acme"))


def giving(book: CallBook, amount_micro: int = CREDIT, **changes: Any) -> Allocate:
    facts: dict[str, Any] = {
        "id": new_id("allocate"), "tenant_id": book.tenant, "subject": "noa", "amount_micro": amount_micro,
        "actor": "ada", "reason": "a welcome", "now_ms": NOW_MS,
    }  # fmt: skip
    return Allocate(**facts | changes)


async def test_given_with_both_entries_and_a_row_for_the_audit(book: CallBook) -> None:
    operation = giving(book, 2 * CREDIT)
    (given,) = await book.apply(Allocations(), operation)
    assert given == Allocated(operation.id, 2 * CREDIT)
    assert (await book.account("noa")).available_micro == 2 * CREDIT
    assert await book.balances() == {"credits:acme/noa": 2 * CREDIT, "granted:acme": -2 * CREDIT}
    query = select(audit_log.c.action, audit_log.c.target, audit_log.c.detail).where(
        audit_log.c.tenant_id == book.tenant
    )
    assert (await book.database.read(lambda c: c.execute(query).all())) == [
        ("allocate_credits", "user:noa", {"amount_micro": 2 * CREDIT, "reason": "a welcome"})
    ]


async def test_given_twice_it_is_given_once(book: CallBook) -> None:
    operation = giving(book)
    first, again = await book.apply(Allocations(), operation, operation)
    (later,) = await book.apply(Allocations(), operation)
    assert first == again == later
    assert (await book.count(credit_transactions), await book.count(audit_log)) == (1, 1)


async def test_nobody_has_more_than_can_be_counted(book: CallBook) -> None:
    await book.apply(Allocations(), giving(book, BALANCE_MICRO_MAX - 1))
    refused, given = await book.apply(Allocations(), giving(book, 2), giving(book, 1))
    assert isinstance(refused, CreditRefused)
    assert isinstance(refused.error, BadAmount)
    assert given.available_micro == BALANCE_MICRO_MAX
    assert await book.count(audit_log) == 2


async def test_many_at_once_for_one_who_had_none(book: CallBook) -> None:
    operations = [giving(book) for _ in range(12)]
    done = await asyncio.gather(*(book.apply(Allocations(), operation) for operation in operations))
    assert sorted(given.available_micro for (given,) in done) == [n * CREDIT for n in range(1, 13)]
    assert (await book.account("noa")).available_micro == 12 * CREDIT


async def test_many_spend_at_once_and_nothing_goes_below_zero(book: CallBook) -> None:
    await book.apply(Allocations(), giving(book, 10 * CREDIT))
    key = account_key(book.tenant, "noa")

    def spend(connection: Any, number: int) -> bool:
        accounts = Accounts(connection, NOW_MS)
        accounts.lock([key])
        rule = hold if number % 2 else deduct
        try:
            step = rule(accounts.account(key, "noa"), CREDIT, f"{book.tenant}:{number}", NOW_MS)
        except InsufficientBalance:
            return False
        accounts.carry_out(key, step, "noa", {})
        accounts.save()
        return True

    spent = await asyncio.gather(
        *(book.database.write(partial(spend, number=number)) for number in range(30))
    )
    assert sum(spent) == 10
    account = await book.account("noa")
    assert (account.available_micro, account.held_micro + account.spent_micro) == (0, 10 * CREDIT)
    assert sum((await book.balances()).values()) == 0


async def test_the_database_itself_refuses_what_is_below_zero(book: CallBook) -> None:
    await book.apply(Allocations(), giving(book))
    own = user_credits.c
    for column in (own.available_micro, own.held_micro):
        below = update(user_credits).where(own.tenant_id == book.tenant).values({column: -1})
        with pytest.raises(IntegrityError, match=r"(?i)check"):
            await book.database.write(partial(Connection.execute, statement=below))


async def test_an_account_of_another_tenant_is_another(book: CallBook) -> None:
    other = new_id("other")
    await book.apply(Allocations(), giving(book), giving(book, 5 * CREDIT, tenant_id=other))
    assert (await book.account("noa")).available_micro == CREDIT


async def test_what_moves_nothing_makes_no_account(book: CallBook) -> None:
    """A call that costs nothing is settled for a fan who never had credits."""
    await book.met()
    call = await book.connected()
    await book.act(call, EndRequested("noa"))
    assert (await book.count(user_credits), await book.count(credit_transactions)) == (0, 1)
    assert await book.count(ledger_entries) == 0
