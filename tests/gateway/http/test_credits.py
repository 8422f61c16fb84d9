"""Credits over HTTP: what one has, given once by an admin, to a millionth."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from auth.principal import Plan
from gateway.stores.interface import Database
from tests.gateway.http.parlour import Json, Parlour, parlour_on

ALLOCATE = "/api/v1/admin/credits/allocate"


@pytest.fixture
async def parlour(shared_database: Database) -> AsyncIterator[Parlour]:
    async with parlour_on(shared_database) as parlour:
        yield parlour


async def balance(parlour: Parlour, user: str = "noa") -> Any:
    return (await parlour.get("/api/v1/credits/balance", user)).json()


async def test_the_operators_check(parlour: Parlour) -> None:
    """Shapes and types to the letter: a client may compare them as text."""
    answer = await parlour.get("/api/v1/credits/balance", "test@example.com")
    assert answer.text == '{"balance":0.0,"tier":"free","monthly_cap":null}'
    body = {"user_id": "test@example.com", "amount": 100.0, "reason": "bonus"}
    given = (await parlour.post(ALLOCATE, "ada", json=body)).json()
    assert given.keys() == {"new_balance", "transaction_id"}
    assert given["new_balance"] == 100.0
    assert (await balance(parlour, "test@example.com"))["balance"] == 100.0


async def test_the_tier_is_that_of_the_token(parlour: Parlour) -> None:
    headers = {"Authorization": f"Bearer {parlour.bearer('noa', plan=Plan.PRO)}"}
    answer = await parlour.client.get("/api/v1/credits/balance", headers=headers)
    assert answer.json()["tier"] == "pro"


async def test_millionths_add_up(parlour: Parlour) -> None:
    for amount in (0.1, 0.2, "0.000001", 1e-6, 9_007_199_253):
        await parlour.give("noa", amount)
    assert (await balance(parlour))["balance"] == 9_007_199_253.300002


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": 0.0000001}, "amount"),
        ({"amount": 1e16}, "amount"),
        ({"amount": "1e999999"}, "amount"),
        ({"amount": "Infinity"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": None}, "amount"),
        ({"amount": True}, "amount"),
        ({"user_id": ""}, "user_id"),
        ({"user_id": "a\0"}, "user_id"),
        ({"reason": "x" * 501}, "reason"),
        ({"balance": 5}, "balance"),
    ],
)
async def test_what_is_no_amount_is_refused(parlour: Parlour, body: Json, param: str) -> None:
    answer = await parlour.post(ALLOCATE, "ada", json={"user_id": "noa", "amount": 1} | body)
    assert (answer.status_code, answer.json()["param"]) == (422, param)
    assert (await balance(parlour))["balance"] == 0.0


async def test_nobody_has_more_than_can_be_counted(parlour: Parlour) -> None:
    await parlour.give("noa", 9_007_199_254)
    answer = await parlour.post(ALLOCATE, "ada", json={"user_id": "noa", "amount": 1})
    assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (422, "INVALID", "amount")


async def test_only_admins_give(parlour: Parlour) -> None:
    body = {"user_id": "noa", "amount": 1}
    for user in ("noa", "cleo"):
        answer = await parlour.post(ALLOCATE, user, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "NOT_ALLOWED")
    assert (await parlour.client.post(ALLOCATE, json=body)).status_code == 401


async def test_an_admin_gives_in_their_own_tenant(parlour: Parlour) -> None:
    body = {"user_id": "noa", "amount": 5}
    assert (await parlour.post(ALLOCATE, "ada", json=body, tenant="other")).status_code == 200
    assert (await balance(parlour))["balance"] == 0.0


async def test_sent_again_with_its_key_it_is_given_once(parlour: Parlour) -> None:
    body, headers = {"user_id": "noa", "amount": 5}, {"Idempotency-Key": '"gift-1"'}
    first = await parlour.post(ALLOCATE, "ada", json=body, headers=headers)
    again = await parlour.post(ALLOCATE, "ada", json=body, headers=headers)
    assert again.json() == first.json()
    other = await parlour.post(ALLOCATE, "ada", json=body | {"amount": 6}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert (await balance(parlour))["balance"] == 5.0


async def test_a_call_in_its_last_minute_goes_on(parlour: Parlour) -> None:
    await parlour.met()
    await parlour.rate("cleo", 1)
    await parlour.give("noa", 1)
    fan = await parlour.device("noa")
    call = await parlour.connected()
    assert call["lastMinute"] is True
    assert fan.heard("call:balance_low")
    await parlour.give("noa", 1)
    after = (await parlour.get(f"/api/calls/{call['id']}")).json()["call"]
    assert after["lastMinute"] is False
    assert after["fundedUntil"] > call["fundedUntil"]
