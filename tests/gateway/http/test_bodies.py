"""Bodies are bounded in bytes and in time."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from gateway.http.bodies import BodyLimit
from gateway.http.errors import Refused


async def read(
    parts: list[bytes], *, bytes_max: int = 10, seconds_max: float = 60.0, ends: bool = True
) -> bytes:
    """Return the body that an application behind the limit reads from a client sending `parts`."""
    taken = b""

    async def application(_scope: Scope, receive: Receive, _send: Send) -> None:
        nonlocal taken
        while True:
            message = await receive()
            taken += message["body"]
            if not message["more_body"]:
                return

    coming = list(parts)

    async def receive() -> Message:
        if not coming:
            await asyncio.Event().wait()
        part = coming.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(coming) or not ends}

    async def send(_message: Message) -> None:
        raise AssertionError("nothing is sent")

    await BodyLimit(application, bytes_max, seconds_max)({"type": "http"}, receive, send)
    return taken


async def test_a_body_within_the_bound_arrives_whole() -> None:
    assert await read([b"12345", b"67890"]) == b"1234567890"


async def test_one_byte_more_is_refused_whatever_came_before() -> None:
    with pytest.raises(Refused) as refusal:
        await read([b"12345", b"67890", b"1"])

    assert refusal.value.status == 413


async def test_a_body_that_never_ends_is_refused_in_time() -> None:
    with pytest.raises(Refused) as refusal:
        await read([b"1"], seconds_max=0.01, ends=False)

    assert refusal.value.status == 408
