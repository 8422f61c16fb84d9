"""Where load goes, and that no credential shows."""

import time

import pytest

from auth.principal import Role
from auth.tokens import KeyRing, verify
from bench.target import NoTarget, Target

SECRET = "a secret that only these tests know, long enough"


def test_an_address_says_host_port_and_whether_it_is_secret() -> None:
    target = Target.at("wss://live.example.com/stage/", token="t")

    assert (target.host, target.port, target.tls, target.path) == ("live.example.com", 443, True, "/stage")
    assert Target.at("http://127.0.0.1:8000", token="t").address == "ws://127.0.0.1:8000"
    assert SECRET not in Target.at("http://127.0.0.1:8000", secret=SECRET).address


@pytest.mark.parametrize(
    "url", ["live.example.com", "ftp://live.example.com", "http://", "http://[::1", "http://a:b"]
)
def test_what_is_no_address_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(NoTarget, match="is no address"):
        Target.at(url, token="t")


def test_a_credential_is_asked_for_and_a_short_secret_refused() -> None:
    with pytest.raises(NoTarget, match="--token"):
        Target.at("http://127.0.0.1:8000")
    with pytest.raises(NoTarget, match="32"):
        Target.at("http://127.0.0.1:8000", secret="short")


def test_with_the_secret_everybody_is_somebody_else() -> None:
    target = Target.at("http://127.0.0.1:8000", secret=SECRET)
    keys = KeyRing.of(SECRET.encode())

    users = [verify(keys, target.bearer(user), now=time.time()).user for user in ("ada", "ben")]
    assert users == ["ada", "ben"]
    roles = [
        verify(keys, target.bearer("ada", role), now=time.time()).roles for role in (Role.FAN, Role.ADMIN)
    ]
    assert roles == [{Role.FAN}, {Role.ADMIN}]
    assert target.many_users


def test_with_a_token_everybody_is_its_owner() -> None:
    target = Target.at("http://127.0.0.1:8000", token="theirs")
    assert target.bearer("ada") == target.bearer("ben") == "theirs"
