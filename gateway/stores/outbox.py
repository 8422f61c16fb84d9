"""The outbox in SQL: settled usage that is still to be told, by whom it has been, in order.

Invariant: a row is read until it is marked, so that it is told at least once; marking it again changes
nothing. Rows are never removed: the auditor holds each event to its row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from gateway.stores.schema import outbox

EVENTS_PER_UPDATE = 500


class Sink(StrEnum):
    """Who is told; the value is the label in metrics."""

    USAGE_LOG = "usage_log"
    CLOUDEVENTS = "cloudevents"


_MARK = {Sink.USAGE_LOG: outbox.c.logged_at, Sink.CLOUDEVENTS: outbox.c.sent_at}


@dataclass(frozen=True, slots=True)
class Usage:
    """One settled event. `sequence` grows with the order of settlements; on PostgreSQL two transactions that
    overlap may show the higher one first, and a rolled back one leaves a gap."""

    sequence: int
    event_id: str
    tenant_id: str
    occurred_at_ms: int
    payload: dict[str, Any]


def untold(connection: Connection, sink: Sink, most: int) -> list[Usage]:
    """Return at most `most` rows of which `sink` has not been told, in order."""
    mark = _MARK[sink]
    query = (
        select(*(outbox.c[name] for name in ("sequence", "event_id", "tenant_id", "occurred_at", "payload")))
        .where(mark.is_(None))
        # The mark comes first, equal as it is, so that PostgreSQL walks the index in its order.
        .order_by(mark, outbox.c.sequence)
        .limit(most)
    )  # fmt: skip
    return [Usage(*row) for row in connection.execute(query)]


def mark_told(connection: Connection, sink: Sink, event_ids: Sequence[str], at_ms: int) -> None:
    """Note that `sink` has been told of events; those that it was told of before keep their time."""
    mark = _MARK[sink]
    statement = (
        update(outbox)
        .where(outbox.c.event_id.in_(bindparam("ids", expanding=True)), mark.is_(None))
        .values({mark: at_ms})
    )
    for start in range(0, len(event_ids), EVENTS_PER_UPDATE):
        connection.execute(statement, {"ids": list(event_ids[start : start + EVENTS_PER_UPDATE])})
