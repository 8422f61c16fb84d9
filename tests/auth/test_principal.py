"""The UUID of a user: one for each, whatever a `sub` looks like."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from auth.principal import user_uuid

OWN = str(UUID("7b1f3c52-5a0e-4f0e-9d3c-7a3f1f1c2d61"))


def test_a_sub_that_is_a_uuid_is_taken_as_it_is() -> None:
    assert str(user_uuid("default", OWN)) == OWN


@given(st.text(min_size=1, max_size=20))
def test_nobody_can_name_themselves_after_another(sub: str) -> None:
    theirs = user_uuid("default", sub)
    assert user_uuid("default", str(theirs)) != theirs or str(theirs) == sub


def test_another_spelling_is_another_user() -> None:
    spellings = {OWN, OWN.upper(), OWN.replace("-", ""), f"{{{OWN}}}", f"urn:uuid:{OWN}"}
    assert len({user_uuid("default", sub) for sub in spellings}) == len(spellings)


def test_users_of_two_tenants_are_two() -> None:
    assert user_uuid("a", "dana") != user_uuid("b", "dana")
    assert user_uuid("a", OWN) == user_uuid("b", OWN), "it is unique by itself"
