"""What users ask about their minutes and are told.

Invariant: no shape here has a cost; those in `admin_shapes` do.

Durations are seconds to the millisecond, -1 where there is no limit; moments are RFC 3339 in UTC.
"""

from typing import Annotated

from pydantic import BaseModel, WithJsonSchema

from sessions.periods import Period
from sessions.slices import MediaKind

Number = Annotated[int | float, WithJsonSchema({"type": "number"})]


class WindowLeft(BaseModel):
    """One window: `limit_seconds` includes minutes given besides; used is what was settled and what live
    sessions have used so far."""

    used_seconds: Number
    limit_seconds: Number
    remaining_seconds: Number
    resets_at: str


class Windows(BaseModel):
    """This hour, today and this month (UTC)."""

    hour: WindowLeft
    day: WindowLeft
    month: WindowLeft


class MyUsage(BaseModel):
    """What a user has used and has left."""

    plan: str
    subtitles: Windows
    dubbing: Windows


class CheckQuery(BaseModel):
    """Which minutes to check."""

    kind: MediaKind = MediaKind.SUBTITLES


class Check(BaseModel):
    """Whether a session could start now, and the window that would end it first; without any limit there is
    none, and `remaining_seconds` is -1. What live sessions hold is not counted as remaining."""

    allowed: bool
    kind: MediaKind
    plan: str
    remaining_seconds: Number
    window: Period | None
    resets_at: str | None
