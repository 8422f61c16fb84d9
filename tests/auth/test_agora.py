"""Agora tokens of version 007: Agora's own vector, its own reader, and what is never made into a token."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.agora import (
    CHANNEL_BYTES_MAX,
    LEASE_SECONDS_MAX,
    SALT_MAX,
    UID_MAX,
    AgoraMisconfigured,
    BadLease,
    BadSeat,
    Lease,
    Project,
    Role,
    Seat,
    issue,
)
from tests.auth.agora_tokens import payload, read
from tests.node import answer_of

SCRIPT = Path(__file__).with_name("agora.cjs")
NOW = 1_795_900_000
PROJECT = Project("970CA35de60c44645bbae8a215061b33", "5CFd2fd1755d40ecb72977518be15d3b")
SEAT = Seat("7d72365eb983485397e3e3f9d460bdda", 2_882_341_273)
CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 !#$%&()+-:;<=.>?@[]^_{}|~,"
"""The 89 that Agora lists for channels."""
VECTOR = (
    "007eJxTYBBbsMMnKq7p9Hf/HcIX5kce9b518kCiQgSr5Zrp4X1Tu6UUGCzNDZwdjU1TUs0Mkk1MzExMk5ISUy0SjQxNDcwMk4yN3b8IMEQw"
    "MTAwMoAwBIL4CgzmKeZGxmamqUmWFsYmFqbGluapxqnGaZYpJmYGSSkpiVwMRhYWRsYmhkbmxgDCaiTj"
)
"""AgoraIO/Tools, python3/test/AccessToken2Test.py, test_service_rtc; the same in its other languages."""

PROJECTS = st.builds(
    Project, st.text("0123456789abcdefABCDEF", min_size=32, max_size=32), st.just(PROJECT.certificate)
)
SEATS = st.builds(
    Seat,
    st.text(CHARACTERS, min_size=1, max_size=CHANNEL_BYTES_MAX),
    st.integers(1, UID_MAX),
    st.sampled_from(Role),
)
LEASES = st.builds(Lease, st.integers(NOW, NOW + 10**8), st.integers(1, LEASE_SECONDS_MAX))
SALTS = st.integers(1, SALT_MAX)


def of_role(role: Role) -> Seat:
    return Seat(SEAT.channel, SEAT.uid, role)


def test_it_has_the_payload_of_agoras_vector() -> None:
    token = issue(PROJECT, of_role(Role.AUDIENCE), Lease(1_111_111, 600), salt=1)

    assert payload(token) == payload(VECTOR)
    assert len(payload(token)) == 138


@pytest.mark.parametrize(
    ("seat", "lease", "salt"),
    [
        (Seat(SEAT.channel + "0", SEAT.uid, Role.AUDIENCE), Lease(1_111_111, 600), 1),
        (Seat(SEAT.channel, SEAT.uid - 1, Role.AUDIENCE), Lease(1_111_111, 600), 1),
        (SEAT, Lease(1_111_111, 600), 1),
        (of_role(Role.AUDIENCE), Lease(1_111_112, 600), 1),
        (of_role(Role.AUDIENCE), Lease(1_111_111, 601), 1),
        (of_role(Role.AUDIENCE), Lease(1_111_111, 600), 2),
    ],
)
def test_whatever_is_another_gives_another_payload(seat: Seat, lease: Lease, salt: int) -> None:
    assert payload(issue(PROJECT, seat, lease, salt=salt)) != payload(VECTOR)


@given(PROJECTS, SEATS, LEASES, SALTS)
def test_it_says_what_it_was_given_and_holds_for_that_certificate_alone(
    project: Project, seat: Seat, lease: Lease, salt: int
) -> None:
    token = issue(project, seat, lease, salt=salt)

    got = read(token, project.certificate)
    assert (got.app_id, got.channel, got.uid) == (project.app_id, seat.channel, str(seat.uid))
    assert (got.issued_at_seconds, got.lifetime_seconds) == (lease.issued_at_seconds, lease.lifetime_seconds)
    assert got.privileges == dict.fromkeys(seat.role.privileges, lease.lifetime_seconds)
    assert (got.salt, got.verified) == (salt, True)
    assert not read(token, "0" * 32).verified


def test_an_audience_can_join_and_a_host_can_send_as_well() -> None:
    privileges = [
        sorted(read(issue(PROJECT, of_role(role), Lease(NOW, 60), salt=5), PROJECT.certificate).privileges)
        for role in (Role.AUDIENCE, Role.HOST)
    ]
    assert privileges == [[1], [1, 2, 3, 4]]


def test_agoras_own_package_accepts_it_and_would_have_made_the_same() -> None:
    cases = [
        (seat, lease, salt)
        for seat in (
            SEAT,
            of_role(Role.AUDIENCE),
            Seat("call_" + "4" * 36, 1),
            Seat(CHARACTERS[26:], UID_MAX),
        )
        for lease, salt in ((Lease(NOW, 300), 1), (Lease(NOW + 7, LEASE_SECONDS_MAX), SALT_MAX))
    ]
    tokens = [issue(PROJECT, seat, lease, salt=salt) for seat, lease, salt in cases]
    questions: list[Any] = [["read007", {"token": t, "certificate": PROJECT.certificate}] for t in tokens]
    questions.append(["read007", {"token": tokens[0], "certificate": "0" * 32}])
    questions += [["make007", asked(*case)] for case in cases]

    answers = answer_of(SCRIPT, questions)
    for (seat, lease, salt), got in zip(cases, answers, strict=False):
        assert got == {
            "verified": True,
            "app_id": PROJECT.app_id,
            "issued_at_seconds": lease.issued_at_seconds,
            "lifetime_seconds": lease.lifetime_seconds,
            "salt": salt,
            "channel": seat.channel,
            "uid": str(seat.uid),
            "privileges": {str(one): lease.lifetime_seconds for one in seat.role.privileges},
        }
    assert answers[len(cases)]["verified"] is False
    assert [payload(made) for made in answers[len(cases) + 1 :]] == [payload(token) for token in tokens]


def asked(seat: Seat, lease: Lease, salt: int) -> dict[str, Any]:
    return {
        "app_id": PROJECT.app_id,
        "certificate": PROJECT.certificate,
        "channel": seat.channel,
        "uid": seat.uid,
        "privileges": seat.role.privileges,
        "issued_at_seconds": lease.issued_at_seconds,
        "lifetime_seconds": lease.lifetime_seconds,
        "ends_at_seconds": lease.ends_at_seconds,
        "stamp_seconds": lease.issued_at_seconds + LEASE_SECONDS_MAX,
        "salt": salt,
    }


class TestRefusals:
    @pytest.mark.parametrize("key", ["", "x", "0" * 31, "0" * 33, "g" * 32, "0" * 32 + "\n", "\u0660" * 32])
    def test_keys_that_cannot_be_a_projects(self, key: str) -> None:
        with pytest.raises(AgoraMisconfigured, match="AGORA_APP_ID has to be 32 hexadecimal digits"):
            Project(key, PROJECT.certificate)
        with pytest.raises(AgoraMisconfigured) as refusal:
            Project(PROJECT.app_id, key)
        assert refusal.value.setting == "AGORA_APP_CERTIFICATE"

    def test_a_wrong_certificate_is_not_repeated(self) -> None:
        with pytest.raises(AgoraMisconfigured) as refusal:
            Project(PROJECT.app_id, "not-so-secret")
        assert "not-so-secret" not in str(refusal.value)

    def test_a_project_does_not_show_its_certificate(self) -> None:
        assert PROJECT.certificate not in repr(PROJECT)

    @pytest.mark.parametrize("uid", [0, -1, -5, UID_MAX + 1, True, 1.0, "1", None])
    def test_a_uid_that_is_nobodys_number(self, uid: Any) -> None:
        with pytest.raises(BadSeat, match="uid has to be a whole number from 1 to 4294967295"):
            Seat(SEAT.channel, uid)

    @pytest.mark.parametrize(
        "channel", ["", "x" * 64, "é" * 8, "a/b", 'a"b', "a'b", "a\\b", "a*b", "a\n", "a`b", "a\0"]
    )
    def test_a_channel_that_agora_does_not_take(self, channel: str) -> None:
        with pytest.raises(BadSeat) as refusal:
            Seat(channel, 1)
        assert refusal.value.param == "channel"

    def test_every_character_that_agora_lists_is_taken_and_no_other_of_ascii(self) -> None:
        def taken(character: str) -> bool:
            try:
                return Seat(character, 1).channel == character
            except BadSeat:
                return False

        assert len(CHARACTERS) == 89
        assert {chr(code) for code in range(256) if taken(chr(code))} == set(CHARACTERS)

    @pytest.mark.parametrize(
        ("issued_at", "lifetime"),
        [
            (NOW, 0), (NOW, -1), (NOW, LEASE_SECONDS_MAX + 1), (NOW, NOW + 600), (600, NOW), (600, 600),
            (2**32 - 1, 600), (NOW, 60.0), (float(NOW), 60), (NOW, True), (True, 60), (NOW * 1000, 60),
        ],
    )  # fmt: skip
    def test_a_moment_is_no_duration_and_a_duration_no_moment(self, issued_at: Any, lifetime: Any) -> None:
        with pytest.raises(BadLease):
            Lease(issued_at, lifetime)

    @given(st.integers(), st.integers())
    def test_of_two_numbers_at_most_one_order_is_a_lease(self, one: int, other: int) -> None:
        def holds(issued_at: int, lifetime: int) -> bool:
            try:
                return Lease(issued_at, lifetime) is not None
            except BadLease:
                return False

        assert not (holds(one, other) and holds(other, one))
