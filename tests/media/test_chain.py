"""Which engine does the next piece of work."""

from media.chain import REST_WORKS, Chain
from tests.media.engines import UpperEngine

FIRST, SECOND = UpperEngine("first"), UpperEngine("second")


def test_the_preferred_engine_is_asked_first() -> None:
    assert Chain([FIRST, SECOND]).order() == [FIRST, SECOND]


def test_one_that_failed_is_asked_last_for_a_while_and_then_first_again() -> None:
    chain = Chain([FIRST, SECOND])
    chain.failed(FIRST)
    orders = [chain.order() for _ in range(REST_WORKS + 1)]
    assert orders[:-2] == [[SECOND, FIRST]] * (REST_WORKS - 1)
    assert orders[-1] == [FIRST, SECOND]


def test_a_switch_is_told_once() -> None:
    chain = Chain([FIRST, SECOND])
    assert not chain.worked(FIRST)
    assert chain.worked(SECOND)
    assert not chain.worked(SECOND)


def test_no_engine_is_no_order() -> None:
    empty: Chain[UpperEngine] = Chain([])
    assert empty.order() == []
