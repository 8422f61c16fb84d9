"""What the page says that a call costs so far is what the rules say."""

import json
import random
from typing import Any

import pytest
from playwright.async_api import Page

from gateway import clock
from sessions.call_billing import cost_so_far
from sessions.call_records import Call, CallType, State, Terms

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

START_MS = 1_764_410_400_000
AMOUNTS = """
async (text) => {
  const { amount } = await import("/static/call.js");
  return JSON.parse(text).map(({ call, now }) => amount(call, now));
}
"""


def life(draw: random.Random) -> tuple[dict[str, Any], int]:
    """A call that goes on at some moment, as a page knows it, and what it costs then."""
    increment_s = draw.choice([1, 5, 6, 10, 15, 30, 60])
    terms = Terms(
        draw.choice([0, 1, 250_000, 333_333, 2_000_000]), increment_s * 1000, draw.choice([0, 5000, 90_000])
    )
    lasted_ms = draw.choice([0, 1, 999, 1000, 60_000, 60_001, draw.randrange(600_000)])
    call = Call(
        id="c1", tenant_id="default", creator="alice", fan="bob", call_type=CallType.VOICE, terms=terms,
        created_at_ms=START_MS, expires_at_ms=START_MS + 45_000, state=State.CONNECTED, version=3,
        accepted_at_ms=START_MS, connected_at_ms=START_MS, minutes_held=draw.randrange(1, 10),
    )  # fmt: skip
    now_ms = START_MS + lasted_ms
    body = {
        "state": "CONNECTED", "connectedAt": clock.rfc3339_ms(START_MS), "amount": 0,
        "fundedUntil": None if call.funded_until_ms is None else clock.rfc3339_ms(call.funded_until_ms),
        "ratePerMinute": terms.rate_micro_per_minute / 1_000_000,
        "incrementSeconds": increment_s, "freeSeconds": terms.free_ms / 1000,
    }  # fmt: skip
    return {"call": body, "now": now_ms}, cost_so_far(call, now_ms)


async def test_what_a_call_costs_so_far_is_what_the_rules_say(blank: Page) -> None:
    draw = random.Random(20261129)
    lives = [life(draw) for _ in range(2000)]
    shown = await blank.evaluate(AMOUNTS, json.dumps([view for view, _ in lives]))
    assert any(micro for _, micro in lives)
    for (view, micro), cost in zip(lives, shown, strict=True):
        assert cost * 1_000_000 == pytest.approx(micro, abs=1), view
