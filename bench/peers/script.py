"""What every server that is measured beside ours says, so that only the servers differ."""

import socket
import sys
from typing import Any

import jwt
import orjson

from bench.reference import CONNECTED_TEXT
from bench.servers import SECRET

HOST = "127.0.0.1"
BACKLOG = 2048


class NotWelcome(Exception):
    """The first message has no token that holds."""


def welcome(message: str | bytes) -> str:
    """Return the answer to a first message whose token holds. Raises NotWelcome."""
    try:
        token = orjson.loads(message)["token"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise NotWelcome from error
    verify(token)
    return CONNECTED_TEXT


def verify(token: str) -> dict[str, Any]:
    """Return the claims of a token, as PyJWT checks them. Raises NotWelcome."""
    try:
        claims: dict[str, Any] = jwt.decode(token, SECRET, algorithms=["HS256"], audience="stagedoor")
    except jwt.InvalidTokenError as error:
        raise NotWelcome from error
    return claims


def listen() -> socket.socket:
    """Listen on a free port and print it."""
    listener = socket.create_server((HOST, 0), backlog=BACKLOG)
    print(listener.getsockname()[1], flush=True)
    return listener


def until_the_input_ends() -> None:
    """Wait for the end of the standard input: whoever started us has gone."""
    sys.stdin.buffer.read()
