"""TURN passwords, and the servers that browsers are told."""

import pytest

from auth.turn import URLS_MAX, Relays, TurnMisconfigured, credentials, ice_servers
from tests.auth.test_agora import SCRIPT
from tests.node import answer_of

SECRET = "north-south-east-west"
ENDS_AT = 1_795_900_600
STUN = "stun:stun.example.org:3478"
TURN = "turn:turn.example.org:3478?transport=udp"
TURNS = "turns:turn.example.org:5349?transport=tcp"


def test_a_password_is_the_hmac_of_the_user_name_which_is_when_it_ends() -> None:
    username, password = credentials(SECRET, "2882341273", ENDS_AT)

    assert username == "1795900600:2882341273"
    assert password == answer_of(SCRIPT, [["hmac", {"secret": SECRET, "text": username}]])[0]


def test_another_secret_name_or_moment_has_another_password() -> None:
    passwords = {
        credentials(*of)[1]
        for of in [(SECRET, "1", 1), (SECRET + "!", "1", 1), (SECRET, "2", 1), (SECRET, "1", 2)]
    }
    assert len(passwords) == 4


def test_a_browser_is_told_a_password_for_turn_and_none_for_stun() -> None:
    username, password = credentials(SECRET, "7", ENDS_AT)

    assert ice_servers(Relays((TURN, STUN, TURNS), SECRET), "7", ENDS_AT) == [
        {"urls": [STUN]},
        {"urls": [TURN, TURNS], "username": username, "credential": password},
    ]


def test_without_servers_there_are_none_and_stun_needs_no_secret() -> None:
    assert ice_servers(Relays(), "7", ENDS_AT) == []
    assert ice_servers(Relays((STUN,)), "7", ENDS_AT) == [{"urls": [STUN]}]


def test_the_secret_shows_nowhere() -> None:
    relays = Relays((TURN,), SECRET)
    assert SECRET not in repr(relays)
    assert SECRET not in str(ice_servers(relays, "7", ENDS_AT))


@pytest.mark.parametrize(
    "url",
    [
        STUN, TURN, TURNS, "turn:turn.example.org", "stun:192.0.2.7:3478", "turn:[2001:db8::7]:3478",
        "stuns:stun.example.org:65535",
    ],
)  # fmt: skip
def test_servers_that_can_be_named(url: str) -> None:
    assert Relays((url,), SECRET).urls == (url,)


@pytest.mark.parametrize(
    "url",
    [
        "", "turn.example.org:3478", "https://turn.example.org", "turn://turn.example.org", "turn:",
        "turn:a b",
        "turn:user@turn.example.org", "turn:turn.example.org:0", "turn:turn.example.org:65536",
        "turn:turn.example.org?transport=sctp", "stun:stun.example.org?transport=udp", "turn:t.example.org\n",
        "turn:turn.example.org:", "turn:turn.example.org:\u0663",
    ],
)  # fmt: skip
def test_servers_that_cannot_be_named(url: str) -> None:
    with pytest.raises(TurnMisconfigured) as refusal:
        Relays((url,), SECRET)
    assert refusal.value.setting == "urls"
    assert repr(url) in str(refusal.value)


@pytest.mark.parametrize("secret", ["", "x" * 15])
def test_a_turn_server_needs_a_secret_that_nobody_guesses(secret: str) -> None:
    with pytest.raises(TurnMisconfigured, match="static-auth-secret"):
        Relays((STUN, TURN), secret)


def test_so_many_servers_slow_browsers_down() -> None:
    assert len(Relays((STUN,) * URLS_MAX).urls) == URLS_MAX
    with pytest.raises(TurnMisconfigured):
        Relays((STUN,) * (URLS_MAX + 1))
