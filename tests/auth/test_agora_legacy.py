"""Agora tokens of version 006: Agora's own vector, and what the package behind them would take unasked."""

import time

import pytest
from agora_token_builder.AccessToken import AccessToken
from agora_token_builder.RtcTokenBuilder import RtcTokenBuilder

from auth import agora_legacy
from auth.agora import LEASE_SECONDS_MAX, Lease, Role, Seat
from tests.auth.test_agora import NOW, PROJECT, SCRIPT, SEAT, asked, of_role
from tests.node import answer_of

VECTOR = (
    "006970CA35de60c44645bbae8a215061b33IACV0fZUBw+72cVoL9eyGGh3Q6Poi8bgjwVLnyKSJyOXR7dIfRBXoFHlEAABAAAAR/QQAAEAAQCv"
    "KDdW"
)
"""AgoraIO/Tools, python3/test/AccessTokenTest.py, for the join privilege alone."""


def test_it_is_agoras_vector_to_the_letter() -> None:
    assert agora_legacy.packed(PROJECT, SEAT, {1: 1_446_455_471}, 1_111_111, 1) == VECTOR


def test_its_privileges_end_at_the_moment_at_which_the_lease_does() -> None:
    token = AccessToken()
    lease = Lease(NOW, 300)
    assert token.fromString(agora_legacy.issue(PROJECT, SEAT, lease, salt=7))
    assert token.messages == dict.fromkeys(Role.HOST.privileges, NOW + 300)
    assert (token.salt, token.ts) == (7, NOW + LEASE_SECONDS_MAX)


def test_it_follows_from_its_arguments_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    first = agora_legacy.issue(PROJECT, SEAT, Lease(NOW, 300), salt=7)
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    assert agora_legacy.issue(PROJECT, SEAT, Lease(NOW, 300), salt=7) == first
    assert agora_legacy.issue(PROJECT, SEAT, Lease(NOW, 300), salt=8) != first


def test_agoras_own_package_for_javascript_would_have_made_the_same() -> None:
    cases = [
        (SEAT, Lease(NOW, 300), 1),
        (of_role(Role.AUDIENCE), Lease(NOW, 9), 9),
        (Seat("a b", 1), Lease(NOW, 60), 2),
    ]
    tokens = [agora_legacy.issue(PROJECT, seat, lease, salt=salt) for seat, lease, salt in cases]
    assert answer_of(SCRIPT, [["make006", asked(*case)] for case in cases]) == tokens


def test_the_package_by_itself_makes_tokens_of_what_is_refused_here() -> None:
    """Why there is a validation before it: all of this is a token to the package."""
    token = RtcTokenBuilder.buildTokenWithUid("x", "", "é" * 100, -5, 1, NOW)
    assert token.startswith("006x")
