"""The auditor of credits: books that were kept are clean, and each way to spoil them is named."""

from typing import Any

import pytest
from sqlalchemy import delete, insert, text, update

from gateway.stores.auditor import audit_books
from gateway.stores.calls.schema import calls
from gateway.stores.credits.auditor import findings
from gateway.stores.credits.schema import credit_transactions, user_credits
from gateway.stores.interface import Database
from gateway.stores.schema import ledger_entries
from sessions.call_events import CancelRequested, EndRequested
from tests.gateway.stores.callbook import CREDIT, CallBook

OWN, MOVED, ENTRY, CALL = user_credits.c, credit_transactions.c, ledger_entries.c, calls.c


@pytest.fixture
async def book(database: Database) -> CallBook:
    """Books with a bit of everything: calls that go on, were paid, cost nothing, and only rang."""
    book = CallBook(database)
    await book.choose("cleo", voice_rate_micro=CREDIT)
    for fan in ("noa", "dan"):
        await book.met("cleo", fan)
        await book.met("mia", fan)
        await book.give(fan, 10)
    paid = await book.connected()
    book.pass_time(5_000)
    await book.act(paid, EndRequested("noa"))
    free = await book.connected("mia", "noa")
    await book.act(free, EndRequested("mia"))
    await book.act(await book.rung("mia", "dan"), CancelRequested("mia"))
    await book.connected("cleo", "dan")
    return book


async def rules(book: CallBook) -> set[str]:
    found = await book.database.read(audit_books)
    return {finding.rule for finding in found.findings}


async def test_books_that_were_kept_are_clean(book: CallBook) -> None:
    found = await book.database.read(audit_books)
    assert found.findings == []
    # Two given, two and two minutes held, two calls settled.
    assert (found.transactions, found.calls) == (8, 4)


PLANTED: dict[str, tuple[list[Any], set[str]]] = {
    "credits out of nowhere": (
        [update(user_credits).where(OWN.subject == "noa").values(available_micro=OWN.available_micro + 1)],
        {"credits_available"},
    ),
    "held for no call": (
        [update(user_credits).where(OWN.subject == "dan").values(held_micro=OWN.held_micro + 1)],
        {"credits_held", "call_holds"},
    ),
    "an account that is gone": ([delete(user_credits).where(OWN.subject == "noa")], {"account"}),
    "below zero": (
        [update(user_credits).where(OWN.subject == "noa").values(available_micro=-1)],
        {"credits_available", "negative"},
    ),
    "an entry that is gone": (
        [delete(ledger_entries).where(ENTRY.account == "earned:acme/cleo")],
        {"ledger_balance", "earned"},
    ),
    "a transaction that says something else": (
        [update(credit_transactions).where(MOVED.kind == "hold").values(amount_micro=-7)],
        {"change", "minutes_held"},
    ),
    "a settlement that is gone": (
        [delete(credit_transactions).where(MOVED.kind == "settlement")],
        {"settlements", "earned"},
    ),
    "a call that goes on and was settled": (
        [
            update(calls).where(CALL.ended_at.is_(None)).values(ended_at=0, state="ENDED"),
            update(calls).where(CALL.cost_micro > 0).values(ended_at=None, state="CONNECTED"),
        ],
        {"settlements", "call_holds", "cost"},
    ),
    "a call that costs more than its time": (
        [update(calls).where(CALL.cost_micro > 0).values(cost_micro=CALL.cost_micro + 1)],
        {"cost", "earned"},
    ),
    "a minute held that nobody holds": (
        [update(calls).where(CALL.ended_at.is_(None)).values(minutes_held=5)],
        {"minutes_held", "call_holds"},
    ),
    "a call that cost more than was held": (
        [update(calls).where(CALL.cost_micro > 0).values(minutes_held=1)],
        {"minutes_held"},
    ),
}


class NotKept(Exception):
    """Undoes what was spoilt."""


async def test_what_was_spoilt_is_found(book: CallBook) -> None:
    for planted, (statements, expected) in PLANTED.items():
        found: set[str] = set()

        def spoil(connection: Any, statements: Any = statements, found: set[str] = found) -> None:
            if connection.dialect.name == "sqlite":
                connection.execute(text("PRAGMA ignore_check_constraints = ON"))
            else:
                for name in ("available", "held"):
                    connection.execute(
                        text(f"ALTER TABLE user_credits DROP CONSTRAINT ck_user_credits_{name}")
                    )
            for statement in statements:
                connection.execute(statement)
            found.update(finding.rule for finding in findings(connection))
            raise NotKept

        with pytest.raises(NotKept):
            await book.database.write(spoil)
        assert found == expected, planted
    assert await rules(book) == set()


async def test_an_entry_of_no_transaction_is_found(book: CallBook) -> None:
    entry = insert(ledger_entries).values(
        event_id="x", account="spent:acme", tenant_id="acme", amount_micro=5, occurred_at=0
    )
    await book.database.write(lambda c: c.execute(entry).close())
    assert await rules(book) == {"ledger_without_event"}
