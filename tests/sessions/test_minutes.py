"""Minutes add up whatever happens: the machine of `tests.sessions.minutes` on a plain store."""

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.sessions.minutes import Minutes


@pytest.mark.timeout(300)
def test_everything_adds_up_whatever_happens() -> None:
    few = settings(max_examples=250, stateful_step_count=50, deadline=None)
    run_state_machine_as_test(Minutes, settings=few)


@pytest.mark.chaos
def test_everything_adds_up_whatever_happens_for_long() -> None:
    many = settings(max_examples=3000, stateful_step_count=80, deadline=None)
    run_state_machine_as_test(Minutes, settings=many)
