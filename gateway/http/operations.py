"""What each HTTP route takes and answers: the table from which `/openapi.json` and `/docs` are made.

A test holds it to the routes that exist, in both directions.
"""

from typing import Any, Literal

from pydantic import BaseModel

from gateway.http.call_operations import CALL_OPERATIONS, CREDIT_OPERATIONS, PEOPLE_OPERATIONS
from gateway.http.development import SignedIn, SignIn
from gateway.http.operation import Operation
from gateway.http.quota_operations import QUOTA_OPERATIONS
from gateway.http.room_operations import HOUSEKEEPING, ROOM_OPERATIONS
from sessions.messages import ChannelState


class ErrorBody(BaseModel):
    """Every error of every route; some codes add fields of their own (`param`, `retry_after_seconds`)."""

    ok: Literal[False]
    code: str
    error: str
    timestamp: str


class Health(BaseModel):
    """The server answers."""

    status: Literal["healthy"]
    version: str
    timestamp: str


class Status(BaseModel):
    """One word."""

    status: str


class Readiness(BaseModel):
    """New sessions are welcome; `degraded` has the parts that are lost meanwhile, each with a reason."""

    status: Literal["ready"]
    degraded: dict[str, str]


class ChannelRow(BaseModel):
    """A channel that is on now."""

    channel_id: str
    state: ChannelState
    source_lang: str
    stream_id: str
    viewers: int
    languages: list[str]


class Channels(BaseModel):
    """The channels of the caller's tenant that are on now."""

    channels: list[ChannelRow]


OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/health", "Whether the server answers, and its version", {200: Health}),
    Operation("GET", "/healthz", "Liveness, for orchestrators", {200: Status}),
    Operation(
        "GET", "/readyz", "Readiness: whether new sessions are welcome", {200: Readiness}, errors=(503,)
    ),
    Operation("GET", "/metrics", "Metrics in the Prometheus text format", {200: "text/plain"}),
    Operation(
        "GET", "/api/v1/live/channels", "Channels of your tenant that are on now", {200: Channels},
        authenticated=True, errors=(401, 429),
    ),
    Operation(
        "GET", "/api/v1/live/{channel}/transcript.{form}",
        "What was said in the channel's present or last stream, as vtt, srt or json", {200: "text/vtt"},
        authenticated=True, query={"lang": "Language; the spoken one if not given"}, errors=(401, 404, 429),
    ),
    *QUOTA_OPERATIONS,
    *ROOM_OPERATIONS,
    *HOUSEKEEPING,
    *CALL_OPERATIONS,
    *PEOPLE_OPERATIONS,
    *CREDIT_OPERATIONS,
    Operation(
        "POST", "/api/dev/token", "Sign in without a credential; in development, from this machine only",
        {200: SignedIn}, body=SignIn, errors=(403, 413, 415, 422),
    ),
    Operation("GET", "/openapi.json", "This interface, as OpenAPI 3.1", {200: "application/json"}),
    Operation("GET", "/asyncapi.json", "The sockets, as AsyncAPI 3.0", {200: "application/json"}),
    Operation("GET", "/docs", "This interface, to read", {200: "text/html"}),
)  # fmt: skip


def schema_name(model: Any) -> str:
    """Return the name under which a model stands in a document."""
    return str(model.__name__)
