"""Errors of HTTP routes and of Socket.IO events: one JSON shape, from one table of refusals.

Invariant: whatever a client does, the answer has this shape and never status 500 for it.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Scope

from auth.crowd import TooManyAtOnce
from auth.rate_limits import RateLimited
from gateway import clock
from gateway.http.limited import limited_headers
from gateway.http.refusals import RULES
from gateway.metrics import REFUSALS
from gateway.stores.interface import StoreDown

log = logging.getLogger(__name__)

SOCKETS = "/ws/"
"""Where the paths of sockets begin."""
STORE_RETRY_SECONDS = 5


class Refused(Exception):
    """A request is refused: HTTP `status`, error `code`, a sentence a person can act on, more fields."""

    def __init__(self, status: int, code: str, error: str, **fields: Any) -> None:
        super().__init__(error)
        self.status = status
        self.code = code
        self.fields = fields
        self.headers: Mapping[str, str] = {}


def refused_by(refusal: RateLimited | TooManyAtOnce, scope: Scope) -> Refused:
    """Return a limit's refusal of the request or upgrade in `scope` as an HTTP one, and log it."""
    limit = refusal.rate.name if isinstance(refusal, RateLimited) else "at once"
    address = client[0] if (client := scope.get("client")) else ""
    details = {"limit": limit, "path": scope["path"], "address": address, "status_code": 429}
    log.info("Rate limited", extra=details)
    return _limited(refusal)


def refusal_of(error: Exception) -> Refused | None:
    """Return what a client is told of an exception, by HTTP or on a socket; None for a fault of ours."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, RateLimited | TooManyAtOnce):
        return _limited(error)
    if isinstance(error, StoreDown):
        return _store_down(error)
    told = RULES.get(type(error))
    return None if told is None else Refused(told.status, told.code, str(error), **told.of(error))


def failure() -> Refused:
    """Return what a client is told of a fault of ours."""
    return Refused(500, "INTERNAL_ERROR", "Something failed on our side; try again")


def _limited(refusal: RateLimited | TooManyAtOnce) -> Refused:
    if isinstance(refusal, RateLimited):
        wait_seconds = refusal.retry_after_seconds
        refused = Refused(429, "RATE_LIMITED", str(refusal), retry_after_seconds=wait_seconds)
        refused.headers = limited_headers(refusal)
        return refused
    return Refused(429, "TOO_MANY_CONNECTIONS", str(refusal), retry_after_seconds=1)


def _store_down(error: StoreDown) -> Refused:
    wait_seconds = STORE_RETRY_SECONDS
    if error.disk_full:
        sentence = "The server has no room left to write to; its operator must make some"
        return Refused(507, "DISK_FULL", sentence, retry_after_seconds=wait_seconds)
    sentence = "The database does not answer; try again shortly"
    return Refused(503, "STORE_UNAVAILABLE", sentence, retry_after_seconds=wait_seconds)


def error_shape(code: str, error: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return an error as clients see it everywhere."""
    shape = {"ok": False, "code": code, "error": error, "timestamp": clock.rfc3339(clock.wall())}
    return shape | dict(fields)


def shape_of(refusal: Refused) -> dict[str, Any]:
    """Return a refusal as clients see it everywhere."""
    return error_shape(refusal.code, str(refusal), refusal.fields)


def error_body(code: str, error: str, fields: Mapping[str, Any]) -> bytes:
    """Return the JSON body of an error."""
    return orjson.dumps(error_shape(code, error, fields))


def error_headers(status: int, fields: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that go with an error."""
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if "retry_after_seconds" in fields:
        headers["Retry-After"] = str(fields["retry_after_seconds"])
    return headers


def respond(refusal: Refused) -> Response:
    """Return the response of a refusal."""
    REFUSALS.labels(refusal.code).inc()
    body = error_body(refusal.code, str(refusal), refusal.fields)
    headers = {**error_headers(refusal.status, refusal.fields), **refusal.headers}
    return Response(body, refusal.status, headers)


async def on_refused(_request: Request, error: Exception) -> Response:
    """Answer a `Refused`."""
    assert isinstance(error, Refused)
    return respond(error)


async def on_rule(_request: Request, error: Exception) -> Response:
    """Answer what a rule refuses."""
    refused = refusal_of(error)
    assert refused is not None
    return respond(refused)


async def on_limited(request: Request, error: Exception) -> Response:
    """Answer a refusal of a limit."""
    assert isinstance(error, RateLimited | TooManyAtOnce)
    return respond(refused_by(error, request.scope))


async def on_store_down(request: Request, error: Exception) -> Response:
    """Answer when the database is not there, or full; only the log says which and why."""
    assert isinstance(error, StoreDown)
    refused = _store_down(error)
    log.warning("%s", error, extra={"path": request.url.path, "status_code": refused.status})
    return respond(refused)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the router refuses: no such path, or not with this method."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND and request.url.path.startswith(SOCKETS):
        sentence = "Sockets are here: connect with a WebSocket client"
        response = respond(Refused(426, "UPGRADE_REQUIRED", sentence))
        response.headers["Upgrade"] = "websocket"
        return response
    if error.status_code == HTTPStatus.NOT_FOUND:
        return respond(Refused(404, "NOT_FOUND", f"There is nothing at {request.url.path}"))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "another method")
        response = respond(
            Refused(405, "METHOD_NOT_ALLOWED", f"{request.method} is not possible here; use {allowed}")
        )
        response.headers["Allow"] = allowed
        return response
    return respond(Refused(error.status_code, f"HTTP_{error.status_code}", error.detail))


async def on_disconnect(_request: Request, _error: Exception) -> Response:
    """Answer one who has gone in the middle of a request: nobody reads this, and it is nobody's fault."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


async def on_failure(request: Request, error: Exception) -> Response:
    """Answer a fault of ours; the log has the details, the body none."""
    log.error("Request failed", exc_info=error, extra={"path": request.url.path, "status_code": 500})
    return respond(failure())


ANSWERS: dict[Any, Any] = {
    Refused: on_refused,
    RateLimited: on_limited,
    TooManyAtOnce: on_limited,
    StoreDown: on_store_down,
    **dict.fromkeys(RULES, on_rule),
    HTTPException: on_http_exception,
    ClientDisconnect: on_disconnect,
    Exception: on_failure,
}
"""For `Starlette(exception_handlers=...)`."""
