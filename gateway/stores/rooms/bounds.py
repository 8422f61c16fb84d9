"""The bounds of rooms and polls that the store needs: those of their rules, and how long history is kept."""

from dataclasses import dataclass, field

from sessions import polls, room_records


@dataclass(frozen=True, slots=True)
class RoomBounds:
    """`history_ms`: how long what was said in a room is kept after its end (0: for ever)."""

    room: room_records.Bounds = field(default_factory=room_records.Bounds)
    poll: polls.Bounds = field(default_factory=polls.Bounds)
    history_ms: int = 90 * 24 * 3_600_000
