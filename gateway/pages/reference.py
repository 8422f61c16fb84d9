"""The interface of this server, to read: made from the same tables as its documents for programs."""

from collections.abc import Iterable
from typing import get_args

from gateway.http.documents import CLIENT_MESSAGES, QUERY, SERVER_MESSAGES, SOCKETS
from gateway.http.events import CLIENT_EVENTS, SERVER_EVENTS
from gateway.http.operation import Operation
from gateway.http.operations import OPERATIONS
from gateway.pages.markup import Markup, element, fill, join
from sessions.endings import ENDINGS, Ending
from sessions.messages import Message
from sessions.payloads import ClientEvent, ServerEvent


def reference() -> Markup:
    """Return the body of the page."""
    return fill(
        "reference.html",
        sockets=join(_row(f"/ws/live/{{channel_id}}/{kind}", text) for kind, text in SOCKETS.items()),
        query=join(_row(name, text) for name, text in QUERY.items()),
        said=_messages(CLIENT_MESSAGES),
        heard=_messages(SERVER_MESSAGES),
        emitted=join(_event(model) for model in CLIENT_EVENTS),
        told=join(_event(model) for model in SERVER_EVENTS),
        codes=join(_code(ending) for ending in ENDINGS.values()),
        operations=join(_operation(operation) for operation in OPERATIONS),
    )


def _row(name: str, *cells: object) -> Markup:
    return element("tr", element("td", element("code", name)), *(element("td", cell) for cell in cells))


def _messages(models: Iterable[type[Message]]) -> Markup:
    return join(_message(model) for model in models)


def _message(model: type[Message]) -> Markup:
    name = get_args(model.model_fields["type"].annotation)[0]
    fields = [field.alias or name for name, field in model.model_fields.items() if name != "type"]
    return _row(name, " ".join((model.__doc__ or "").split()), element("code", " ".join(fields)))


def _event(model: type[ClientEvent] | type[ServerEvent]) -> Markup:
    fields = [field.alias or name for name, field in model.model_fields.items()]
    return _row(model.event, " ".join((model.__doc__ or "").split()), element("code", " ".join(fields)))


def _code(ending: Ending) -> Markup:
    return _row(str(ending.code), ending.reason, "yes" if ending.retry else "no")


def _operation(operation: Operation) -> Markup:
    credential = "with a token" if operation.authenticated else ""
    return _row(f"{operation.method} {operation.path}", operation.summary, credential)
