"""A call as it is stored: terms that can be charged, and names that providers take."""

import pytest

from sessions.call_records import RATE_MICRO_MAX, BadTerms, State, Terms
from tests.sessions.call_cases import CONNECTED, RATE, RINGING, START


@pytest.mark.parametrize("increment_ms", [1, 1000, 6000, 15_000, 20_000, 30_000, 60_000])
def test_terms_whose_increment_divides_a_minute_can_be_charged(increment_ms: int) -> None:
    assert Terms(RATE_MICRO_MAX, increment_ms).increment_ms == increment_ms


@pytest.mark.parametrize(
    ("rate", "increment_ms", "free_ms", "name"),
    [
        (-1, 60_000, 0, "rate"), (RATE_MICRO_MAX + 1, 60_000, 0, "rate"), (1, 0, 0, "increment"),
        (1, -60_000, 0, "increment"), (1, 45_000, 0, "increment"), (1, 120_000, 0, "increment"),
        (1, 60_000, -1, "free"),
    ],
)  # fmt: skip
def test_others_cannot(rate: int, increment_ms: int, free_ms: int, name: str) -> None:
    with pytest.raises(BadTerms) as refusal:
        Terms(rate, increment_ms, free_ms)
    assert refusal.value.name == name


def test_the_channel_is_short_enough_for_every_provider() -> None:
    assert RINGING.channel == "call_call_1"
    assert len(f"call_{'0' * 36}") < 64


def test_what_is_held_pays_until_a_moment_once_it_is_connected() -> None:
    assert (RINGING.funded_until_ms, CONNECTED.funded_until_ms) == (None, START + 120_000)
    assert CONNECTED.held_micro == 2 * RATE


def test_three_states_are_not_over() -> None:
    assert {state for state in State if not state.over} == {State.RINGING, State.ACCEPTED, State.CONNECTED}
