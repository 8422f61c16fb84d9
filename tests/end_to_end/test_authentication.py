"""Each way of not being let in has its error and its close code, and leaves nothing behind."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
import orjson
import pytest

from auth.principal import Role
from gateway.wire.frames import BINARY, CLOSE
from tests.end_to_end.peers import Crowd, Peer, frame, none_are_left, upgrade
from tests.house import KEYS, SECRET, House, token

PATH = "ded/subtitles?target_lang=en"


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"AUTHENTICATE_SECONDS": "2", "RECOGNIZERS": "silent", "LOG_LEVEL": "warning"}


def forged(secret: str = SECRET, algorithm: str = "HS256", without: str = "", **changes: Any) -> str:
    """Return a token that looks right but for what is changed."""
    now = int(time.time())
    claims = {
        "exp": now + 600, "iat": now, "jti": "jti_1", "aud": "stagedoor", "sub": "dana", "tenant": "default",
        "roles": ["creator"], "plan": "enterprise",
    } | changes  # fmt: skip
    claims.pop(without, None)
    return jwt.encode(claims, secret, algorithm, headers={"kid": KEYS.signing})


def altered() -> str:
    """Return a good token whose payload says admin."""
    head, _, signature = token(role=Role.FAN).split(".")
    payload = forged(roles=["admin"]).split(".")[1]
    return f"{head}.{payload}.{signature}"


BAD_TOKENS = {
    "nonsense": "invalid_token",
    "empty": "",
    "expired": token(expires_at=time.time() - 1),
    "altered": altered(),
    "of another secret": forged("another secret that is long enough, too"),
    "alg none": forged("", "none"),
    "another algorithm": forged("x" * 64, "HS512"),
    "for another audience": forged(aud="another"),
    "for several audiences": forged(aud=["stagedoor"]),
    "without an audience": forged(without="aud"),
    "without an end": forged(without="exp"),
    "of the future": forged(iat=int(time.time()) + 3600),
    "with roles that are none": forged(roles="admin"),
    "with a time that is none": forged(nbf="x"),
    "too long": "e" * 5000,
}


async def refused(peer: Peer) -> tuple[str, int]:
    """Return the code of the error and of the close that follows."""
    error = await peer.take("error")
    assert error["recoverable"] is False
    return error["code"], await peer.closed()


@pytest.mark.parametrize("bad", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
async def test_a_bad_token_is_refused_to_the_letter(crowd: Crowd, bad: str) -> None:
    peer = await crowd.arrives(PATH)
    assert await peer.authenticate(bad or " ") == {
        "type": "error", "code": "INVALID_TOKEN", "message": "Invalid or expired token", "recoverable": False,
    }  # fmt: skip
    assert await peer.closed() == 4001


async def test_a_good_one_like_them_is_let_in(crowd: Crowd) -> None:
    assert (await (await crowd.arrives(PATH)).authenticate(forged()))["type"] == "connected"


async def silence(peer: Peer) -> None:
    """Say nothing."""


async def audio_first(peer: Peer) -> None:
    peer.send(frame(BINARY, bytes(640)))


async def another_message_first(peer: Peer) -> None:
    peer.say(type="ping")


async def nonsense_first(peer: Peer) -> None:
    peer.say(type="authenticate", token=7)


async def twice(peer: Peer) -> None:
    assert (await peer.authenticate())["type"] == "connected"
    peer.say(type="authenticate", token=token())


async def bad_token(peer: Peer) -> None:
    peer.say(type="authenticate", token="invalid_token")


WAYS: dict[str, tuple[Callable[[Peer], Awaitable[None]], str]] = {
    "no message in time": (silence, "AUTHENTICATE_TIMEOUT"),
    "audio first": (audio_first, "AUTHENTICATE_FIRST"),
    "another message first": (another_message_first, "AUTHENTICATE_FIRST"),
    "nonsense first": (nonsense_first, "AUTHENTICATE_FIRST"),
    "a second authenticate": (twice, "ALREADY_AUTHENTICATED"),
    "a bad token": (bad_token, "INVALID_TOKEN"),
}


@pytest.mark.parametrize(("way", "code"), WAYS.values(), ids=WAYS.keys())
async def test_each_wrong_beginning_has_its_error_and_4001(
    crowd: Crowd, house: House, way: Callable[[Peer], Awaitable[None]], code: str
) -> None:
    peer = await crowd.arrives(PATH)
    await way(peer)
    assert await refused(peer) == (code, 4001)
    await none_are_left(house)


async def test_the_deadline_is_kept_and_not_kept_early(crowd: Crowd) -> None:
    began = time.monotonic()
    peer = await crowd.arrives(PATH)
    await peer.closed()
    assert 1.99 < time.monotonic() - began < 10


async def test_a_token_in_the_url_is_refused_before_the_upgrade(crowd: Crowd, house: House) -> None:
    for name in ("token", "access_token", "TOKEN"):
        peer = await crowd.dials()
        secret = token()
        peer.send(upgrade(f"/ws/live/{PATH}&{name}={secret}"))
        assert await peer.answered() == 401
        assert orjson.loads(peer.body)["code"] == "TOKEN_IN_URL"
        assert secret.split(".")[2] not in house.log.read_text()


async def test_a_fan_who_publishes_is_refused(crowd: Crowd) -> None:
    peer = await crowd.arrives("ded/publish")
    peer.say(type="authenticate", token=token("fan", Role.FAN))
    assert await refused(peer) == ("NOT_ALLOWED", 4003)


async def test_hundreds_of_each_leave_nothing_behind(crowd: Crowd, house: House) -> None:
    ways = [way for way, _ in WAYS.values() if way is not silence]

    async def attempts(count: int) -> None:
        for number in range(count):
            peer = await crowd.arrives(PATH)
            await ways[number % len(ways)](peer)
            await peer.closed()
        crowd.peers.clear()
        await none_are_left(house)

    await attempts(500)
    before = house.memory_bytes
    await attempts(1000)
    assert house.memory_bytes - before < 1_000_000


@pytest.mark.parametrize("last", [b"", frame(BINARY, bytes(640)), frame(CLOSE, b"\x03\xe8")])
async def test_so_do_hundreds_that_have_gone_before_they_are_accepted(
    crowd: Crowd, house: House, last: bytes
) -> None:
    with house.stopped():
        for number in range(300):
            peer = await crowd.dials()
            peer.send(upgrade(f"/ws/live/{PATH}") + last)
            if number % 2:
                peer.cut()
            else:
                peer.transport.write_eof()
    await crowd.gone()
    await none_are_left(house)


async def test_what_was_refused_is_counted_and_logged_without_the_token(crowd: Crowd, house: House) -> None:
    before = house.metric("stagedoor_refusals_total")
    peer = await crowd.arrives(PATH)
    await peer.authenticate(altered())
    await peer.closed()
    assert house.metric("stagedoor_refusals_total") == before + 1
    text = house.log.read_text()
    assert "eyJ" not in text
    assert "Traceback" not in text
