"""Privacy: whom a fan lets in, what counts as having to do with one another, and what a block does."""

from dataclasses import replace
from itertools import chain, combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.privacy import (
    FanSettings,
    Kind,
    NotAllowed,
    NotLasting,
    Policy,
    Relationship,
    Standing,
    Visibility,
    ended,
    may_call,
    may_message,
    recorded,
)

SUBSETS = list(chain.from_iterable(combinations(Kind, size) for size in range(len(Kind) + 1)))


def standing(*kinds: Kind, blocked: bool = False, dm: Policy = Policy.NOBODY, calls: Policy) -> Standing:
    relationships = {kind: Relationship(kind, 1, 2) for kind in kinds}
    return Standing(FanSettings(Visibility.PRIVATE, dm, calls), relationships, blocked)


def test_who_has_chosen_nothing_is_private_and_reached_by_those_they_have_to_do_with() -> None:
    assert FanSettings() == FanSettings(Visibility.PRIVATE, Policy.INTERACTED, Policy.INTERACTED)


@pytest.mark.parametrize("kinds", SUBSETS, ids=lambda kinds: "+".join(kinds) or "strangers")
@pytest.mark.parametrize(
    ("policy", "needed"),
    [
        (Policy.NOBODY, None),
        (Policy.INTERACTED, set(Kind)),
        (Policy.SUBSCRIBED, {Kind.SUBSCRIBE}),
        (Policy.ANYONE, set()),
    ],
)
def test_every_policy_with_every_relationship(
    policy: Policy, needed: set[Kind] | None, kinds: tuple[Kind, ...]
) -> None:
    allowed = needed is not None and (not needed or not needed.isdisjoint(kinds))
    assert may_call(standing(*kinds, calls=policy)) == allowed
    assert may_message(standing(*kinds, dm=policy, calls=Policy.NOBODY)) == allowed
    assert not may_call(standing(*kinds, calls=policy, blocked=True))
    assert not may_message(standing(*kinds, dm=policy, calls=policy, blocked=True))


def test_messages_and_calls_are_chosen_apart() -> None:
    only_dm = standing(dm=Policy.ANYONE, calls=Policy.NOBODY)
    assert (may_message(only_dm), may_call(only_dm)) == (True, False)


def test_who_was_subscribed_once_is_not_now_and_still_has_had_to_do_with_them() -> None:
    lapsed = {Kind.SUBSCRIBE: Relationship(Kind.SUBSCRIBE, 1, 2, ended_at_ms=3)}
    assert not may_call(Standing(FanSettings(allow_calls=Policy.SUBSCRIBED), lapsed))
    assert may_call(Standing(FanSettings(allow_calls=Policy.INTERACTED), lapsed))


def test_a_refusal_has_nothing_in_it() -> None:
    assert vars(NotAllowed()) == {}
    assert NotAllowed().args == NotAllowed().args


class TestRelationships:
    def test_the_first_and_the_last_time_are_kept(self) -> None:
        tip = recorded(None, Kind.TIP, 50)
        assert tip == Relationship(Kind.TIP, 50, 50)
        assert recorded(recorded(tip, Kind.TIP, 70), Kind.TIP, 20) == Relationship(Kind.TIP, 20, 70)

    @given(st.lists(st.integers(0, 1000), min_size=1), st.randoms(use_true_random=False))
    def test_the_order_of_reports_does_not_matter_nor_whether_they_come_twice(
        self,
        moments: list[int],
        random: Random,
    ) -> None:
        shuffled = moments * 2
        random.shuffle(shuffled)
        found: Relationship | None = None
        for at_ms in shuffled:
            found = recorded(found, Kind.MESSAGE, at_ms)
        assert found == Relationship(Kind.MESSAGE, min(moments), max(moments))

    def test_what_was_taken_back_is_so_until_it_is_done_again(self) -> None:
        followed = recorded(None, Kind.FOLLOW, 10)
        gone = ended(followed, 20)
        assert gone.ended_at_ms == 20
        assert ended(gone, 30) == gone
        assert recorded(gone, Kind.FOLLOW, 15).ended_at_ms == 20
        assert recorded(gone, Kind.FOLLOW, 25) == Relationship(Kind.FOLLOW, 10, 25)

    def test_a_taking_back_that_comes_late_does_not_undo_what_came_after(self) -> None:
        followed = recorded(recorded(None, Kind.FOLLOW, 10), Kind.FOLLOW, 30)
        assert ended(followed, 20) == followed

    @pytest.mark.parametrize("kind", [Kind.MESSAGE, Kind.TIP, Kind.CALL])
    def test_what_has_happened_cannot_be_taken_back(self, kind: Kind) -> None:
        with pytest.raises(NotLasting) as refusal:
            ended(recorded(None, kind, 10), 20)
        assert refusal.value.kind is kind


def test_a_block_is_the_same_whichever_side_has_placed_it() -> None:
    """There is one flag for both, so that nothing can be told from the side that it has."""
    friends = standing(Kind.FOLLOW, calls=Policy.ANYONE)
    assert may_call(friends)
    assert not may_call(replace(friends, blocked=True))
