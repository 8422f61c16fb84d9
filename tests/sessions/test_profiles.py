"""Profiles: what others see of a fan, and that nothing tells a block from a fan who keeps to themselves."""

from dataclasses import fields, replace
from itertools import product

import pytest

from sessions.privacy import FanSettings, Kind, Policy, Relationship, Standing, Visibility
from sessions.profiles import FanProfile, NotShared, mini_profile, share_card

FINN = FanProfile("finn", "Finn the Fan", "https://example.org/finn.png", 1_700_000_000_000)
FOLLOW = Relationship(Kind.FOLLOW, 20, 40)
TIP = Relationship(Kind.TIP, 10, 30)
KNOWN = Standing(relationships={Kind.FOLLOW: FOLLOW, Kind.TIP: TIP})


@pytest.mark.parametrize("visibility", Visibility)
def test_a_creator_sees_name_and_picture_unless_they_are_private(visibility: Visibility) -> None:
    seen = mini_profile(FINN, replace(KNOWN, settings=FanSettings(visibility=visibility)))
    assert seen.profile == (None if visibility is Visibility.PRIVATE else FINN)


def test_what_is_private_is_nowhere_in_what_is_seen() -> None:
    seen = str(mini_profile(FINN, KNOWN))
    assert "Finn the Fan" not in seen
    assert "example.org" not in seen
    assert "1700000000000" not in seen


def test_a_creator_sees_what_the_fan_has_done_with_them_the_first_first() -> None:
    seen = mini_profile(FINN, KNOWN)
    assert seen.relationships == (TIP, FOLLOW)
    assert (seen.can_message, seen.can_call) == (True, True)


@pytest.mark.parametrize(("dm", "calls"), list(product(Policy, repeat=2)))
def test_under_a_block_every_fan_is_seen_like_one_whom_nobody_reaches(dm: Policy, calls: Policy) -> None:
    for visibility in Visibility:
        # To hide what is on the card that everybody may ask for would say that there is a block.
        seen = visibility if visibility is Visibility.PUBLIC else Visibility.PRIVATE
        alone = replace(KNOWN, settings=FanSettings(seen, Policy.NOBODY, Policy.NOBODY))
        blocked = replace(KNOWN, settings=FanSettings(visibility, dm, calls), blocked=True)
        assert mini_profile(FINN, blocked) == mini_profile(FINN, alone)


def test_a_stranger_whom_a_fan_lets_call_may_call_and_still_sees_no_name() -> None:
    seen = mini_profile(FINN, Standing(FanSettings(allow_calls=Policy.ANYONE)))
    assert (seen.profile, seen.can_message, seen.can_call, seen.relationships) == (None, False, True, ())


def test_there_is_a_card_to_share_of_who_is_public_and_of_nobody_else() -> None:
    assert share_card(FINN, FanSettings(Visibility.PUBLIC)) == FINN
    for visibility in (Visibility.PRIVATE, Visibility.CREATORS):
        with pytest.raises(NotShared):
            share_card(FINN, FanSettings(visibility))


def test_a_card_has_no_setting_on_it() -> None:
    assert {field.name for field in fields(FanProfile)}.isdisjoint(
        {field.name for field in fields(FanSettings)}
    )
