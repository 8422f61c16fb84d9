"""Settled usage as CloudEvents 1.0, in the JSON batch format, posted to one address.

Invariant: an event keeps its `source` and `id` however often it is sent, so that a receiver can drop what
it has. The form is that of CloudEvents JSON Event Format 1.0.2 (section 4) and HTTP Protocol Binding 1.0.2
(section 3.3); `sequence` is the extension of that name.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from gateway.projection.usage_log import metric_of, timestamp
from gateway.stores.outbox import Usage

TYPE = "stagedoor.usage.settled"
DATA_SCHEMA = "urn:stagedoor:usage.settled:1"
CONTENT_TYPE = "application/cloudevents-batch+json; charset=utf-8"
SEND_SECONDS = 10.0
SEQUENCE_DIGITS = 20
"""So that sequences sort as texts, which the extension asks for; 64 bits have no more digits."""


class NotTaken(Exception):
    """The receiver did not take a batch; the message says why."""


class EventPost:
    """Where events are posted."""

    def __init__(self, url: str, token: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.url = url
        headers = {"content-type": CONTENT_TYPE}
        if token:
            headers["authorization"] = f"Bearer {token}"
        self._client = httpx.AsyncClient(headers=headers, timeout=SEND_SECONDS, transport=transport)

    async def send(self, events: Sequence[Usage]) -> None:
        """Post events. Raises NotTaken."""
        body = orjson.dumps([event_of(event) for event in events])
        try:
            answer = await self._client.post(self.url, content=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotTaken(f"{type(error).__name__}: {error}") from error
        if not answer.is_success:
            raise NotTaken(f"It answered {answer.status_code}")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def event_of(event: Usage) -> dict[str, Any]:
    """Return the CloudEvent of a settled event."""
    payload = event.payload
    return {
        "specversion": "1.0",
        "type": TYPE,
        "source": f"/stagedoor/tenants/{quote(event.tenant_id, safe='')}",
        "id": event.event_id,
        "time": timestamp(event.occurred_at_ms),
        "subject": payload["user"],
        "datacontenttype": "application/json",
        "dataschema": DATA_SCHEMA,
        "tenantid": event.tenant_id,
        "sequence": f"{event.sequence:0{SEQUENCE_DIGITS}d}",
        "data": {
            "metric": metric_of(payload["kind"]),
            "amount": payload["quantity_ms"] / 1000,
            "kind": payload["kind"],
            "quantity_ms": payload["quantity_ms"],
            "user": payload["user"],
            "session_id": payload["session_id"],
            "channel_id": payload["channel_id"],
            "late": payload["late"],
            "rate_micro_per_minute": payload["rate_micro_per_minute"],
            "cost_micro": payload["cost_micro"],
        },
    }
