"""What happened in rooms, as rows: messages, and every other event.

Invariant: each offset of a room has one row, here or there; a room keeps its newest EVENTS_KEPT, and at most
TRIMMED_EVERY more.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert

from gateway.stores.prepared import ForEach
from gateway.stores.rooms.rows import event_row, message_row
from gateway.stores.rooms.schema import room_events, room_messages
from sessions.room_effects import Effect, MessagePosted, Publish
from sessions.room_events import Event, MessageSent
from sessions.room_records import Room

EVENTS_KEPT = 10_000
"""Events of a room, messages included, that are kept while it is open."""
TRIMMED_EVERY = 100

_POST = ForEach(
    insert(room_messages).inline(), "room_id", "event_offset", "id", "tenant_id", "user_id", "subject",
    "client_id", "text", "created_at",
)  # fmt: skip
_NOTE = ForEach(
    insert(room_events).inline(), "room_id", "event_offset", "kind", "subject", "why", "occurred_at"
)
_TRIM = [
    ForEach(
        delete(table).where(
            table.c.room_id == bindparam("of_room"), table.c.event_offset <= bindparam("until")
        )
    )
    for table in (room_events, room_messages)
]


class History:
    """What one group adds to it."""

    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []
        self._events: list[dict[str, Any]] = []
        self._trimmed: dict[str, int] = {}

    def add(self, room: Room, event: Event, effects: Sequence[Effect], now_ms: int) -> None:
        """Note what a step published."""
        for effect in effects:
            if not isinstance(effect, Publish):
                continue
            if isinstance(effect.event, MessagePosted):
                assert isinstance(event, MessageSent)
                self._messages.append(message_row(room, effect.event.message, event.client_id))
            else:
                self._events.append(event_row(room.id, effect.offset, effect.event, now_ms))
            if effect.offset % TRIMMED_EVERY == 0 and effect.offset > EVENTS_KEPT:
                self._trimmed[room.id] = effect.offset - EVENTS_KEPT

    def save(self, connection: Connection) -> None:
        """Write it, and forget what is too old."""
        if self._messages:
            _POST.run(connection, self._messages)
        if self._events:
            _NOTE.run(connection, self._events)
        if self._trimmed:
            rows = [{"of_room": room_id, "until": until} for room_id, until in self._trimmed.items()]
            for statement in _TRIM:
                statement.run(connection, rows)
