"""How many at once: exact bounds per key and in all."""

import pytest

from auth.crowd import Crowd, CrowdLimits, TooManyAtOnce


def test_one_more_than_a_key_may_have_is_refused_and_not_counted() -> None:
    crowd = Crowd("sockets", CrowdLimits(2))
    crowd.enter("a")
    crowd.enter("a")

    with pytest.raises(TooManyAtOnce, match="at most 2"):
        crowd.enter("a")
    crowd.enter("b")
    crowd.leave("a")
    crowd.enter("a")

    assert (crowd["a"], crowd["b"], crowd.total) == (2, 1, 3)


def test_one_more_than_all_may_have_is_refused_whatever_the_key() -> None:
    crowd = Crowd("sockets", CrowdLimits(0, all_max=2))
    crowd.enter("a")
    crowd.enter("b")

    with pytest.raises(TooManyAtOnce):
        crowd.enter("c")


def test_keys_that_left_are_forgotten() -> None:
    crowd = Crowd("sockets", CrowdLimits(0))
    for i in range(100):
        crowd.enter(str(i))
        crowd.leave(str(i))

    assert crowd.total == 0
    assert crowd["5"] == 0


def test_leaving_twice_is_our_mistake() -> None:
    crowd = Crowd("sockets", CrowdLimits(1))

    with pytest.raises(AssertionError):
        crowd.leave("a")
