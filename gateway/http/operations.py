"""What each HTTP route takes and answers: the table from which `/openapi.json` and `/docs` are made.

A test holds it to the routes that exist, in both directions.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from gateway.http.development import SignedIn, SignIn
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


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: `answers` maps a status to a model or a media type; `authenticated` wants a token."""

    method: str
    path: str
    summary: str
    answers: dict[int, type[BaseModel] | str]
    authenticated: bool = False
    body: type[BaseModel] | None = None
    query: dict[str, str] = field(default_factory=dict)
    errors: tuple[int, ...] = ()

    @property
    def path_parameters(self) -> list[str]:
        """Names in braces in the path."""
        return [part.partition("}")[0].partition(":")[0] for part in self.path.split("{")[1:]]


OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/health", "Whether the server answers, and its version", {200: Health}),
    Operation("GET", "/healthz", "Liveness, for orchestrators", {200: Status}),
    Operation("GET", "/readyz", "Readiness: whether new sessions are welcome", {200: Status}, errors=(503,)),
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
    Operation(
        "POST", "/api/dev/token", "Sign in without a credential; in development, from this machine only",
        {200: SignedIn}, body=SignIn, errors=(403, 413, 415, 422),
    ),
    Operation("GET", "/openapi.json", "This interface, as OpenAPI 3.1", {200: "application/json"}),
    Operation("GET", "/asyncapi.json", "The live sockets, as AsyncAPI 3.0", {200: "application/json"}),
    Operation("GET", "/docs", "This interface, to read", {200: "text/html"}),
)  # fmt: skip


def schema_name(model: Any) -> str:
    """Return the name under which a model stands in a document."""
    return str(model.__name__)
