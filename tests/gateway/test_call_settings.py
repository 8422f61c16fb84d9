"""The settings of calls: their bounds; a provider that cannot work stops the server with a sentence."""

from typing import Any

import pytest

from auth.turn import Relays
from gateway.call_settings import CallSettings
from sessions.call_records import Bounds, Terms
from tests.gateway.rehearsal import settings
from tests.gateway.test_settings import complaint

APP_ID, CERTIFICATE = "970CA35de60c44645bbae8a215061b33", "5CFd2fd1755d40ecb72977518be15d3b"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("call_provider", "twilio"),
        ("agora_token_version", "005"),
        ("call_ring_seconds", 0.5),
        ("call_join_seconds", 0),
        ("call_caller_grace_seconds", 0),
        ("call_heartbeat_seconds", 0.9),
        ("call_lost_seconds", "inf"),
        ("call_lease_seconds", 29),
        ("call_cooldown_seconds", -1),
        ("call_minutes_max", 1441),
        ("call_increment_seconds", 61),
        ("call_free_seconds", -0.1),
        ("call_user_rate_limit", -1),
        ("call_address_rate_limit", 1.5),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(name: str, value: Any) -> None:
    blamed, sentence = complaint(**{name: value})
    assert blamed == name
    assert sentence


def test_every_number_and_choice_has_a_bound_that_is_tested() -> None:
    (mark,) = test_a_value_that_makes_no_sense_is_refused_by_name.pytestmark
    numbers = {
        name
        for name, field in CallSettings.model_fields.items()
        if any(kind in str(field.annotation) for kind in ("int", "float", "Literal"))
    }
    assert {name for name, _ in mark.args[1]} == numbers


def test_the_defaults_are_those_of_the_rules() -> None:
    assert settings().call_bounds == Bounds()
    assert settings().call_terms == Terms()
    assert settings(call_free_seconds=1.5, call_increment_seconds=6).call_terms == Terms(0, 6_000, 1_500)
    assert settings(call_minutes_max=0.5).call_bounds.length_ms_max == 30_000


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"call_provider": "agora"}, "AGORA_APP_ID is missing"),
        ({"agora_app_id": APP_ID}, "AGORA_APP_CERTIFICATE is missing"),
        ({"agora_app_certificate": CERTIFICATE}, "AGORA_APP_ID is missing"),
        (
            {"agora_app_id": "x", "agora_app_certificate": CERTIFICATE},
            "AGORA_APP_ID has to be 32 hexadecimal",
        ),
        (
            {"agora_app_id": APP_ID, "agora_app_certificate": "secret!", "call_provider": "peer"},
            "AGORA_APP_CERTIFICATE has to be 32 hexadecimal",
        ),
        ({"turn_urls": "turn.example.com"}, "TURN_URLS: 'turn.example.com' is no STUN or TURN server"),
        ({"turn_urls": "turn:turn.example.com"}, "TURN_SECRET: A TURN server needs"),
        ({"call_increment_seconds": 45}, "CALL_INCREMENT_SECONDS has to divide a minute"),
        ({"call_lost_seconds": 20}, "CALL_LOST_SECONDS has to be longer"),
    ],
)
def test_what_cannot_work_together_is_found_at_the_start(given: dict[str, Any], sentence: str) -> None:
    _, told = complaint(**given)
    assert sentence in told
    assert "secret!" not in told


@pytest.mark.parametrize(
    ("given", "provider"),
    [
        ({}, "peer"),
        ({"agora_app_id": APP_ID, "agora_app_certificate": CERTIFICATE}, "agora"),
        ({"agora_app_id": APP_ID, "agora_app_certificate": CERTIFICATE, "call_provider": "peer"}, "peer"),
        ({"agora_app_id": APP_ID, "agora_app_certificate": CERTIFICATE, "call_provider": "agora"}, "agora"),
    ],
)
def test_keys_alone_choose_the_provider(given: dict[str, Any], provider: str) -> None:
    assert settings(**given).media_provider == provider


def test_relays_are_a_list() -> None:
    given = settings(turn_urls=" stun:a.example , turn:b.example:3478 ", turn_secret="a secret of many bytes")
    assert given.turn_urls == ("stun:a.example", "turn:b.example:3478")
    assert Relays(given.turn_urls, given.turn_secret.get_secret_value()).turn_urls == ["turn:b.example:3478"]


def test_secrets_are_not_shown() -> None:
    given = settings(
        agora_app_id=APP_ID, agora_app_certificate=CERTIFICATE, turn_urls="turn:b.example",
        turn_secret="a secret of many bytes",
    )  # fmt: skip
    for secret in (CERTIFICATE, "a secret of many bytes"):
        assert secret not in repr(given)
        assert secret not in str(given.model_dump())
