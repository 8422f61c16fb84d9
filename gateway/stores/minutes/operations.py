"""What can be done to minutes in the store: each operation with its own id, so that it may come twice."""

from dataclasses import dataclass
from typing import Literal

from gateway.stores.interface import Refusal
from sessions.periods import Period
from sessions.slices import MediaKind, QuotaSpent

ClosedBy = Literal["owner", "recovery", "reaper"]


@dataclass(frozen=True, slots=True)
class Acquire:
    """Hold a slice for a session; `owed_ms` of it was sent already."""

    slice_id: str
    tenant_id: str
    subject: str
    kind: MediaKind
    session_id: str
    channel_id: str
    boot_id: str
    plan: str
    owed_ms: int
    now_ms: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Note how much of many slices was used: (slice, milliseconds)."""

    marks: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Settle:
    """Close a slice at what was used of it; None: at its last checkpoint."""

    slice_id: str
    cumulative_ms: int | None
    closed_by: ClosedBy
    now_ms: int


@dataclass(frozen=True, slots=True)
class Adjust:
    """Add `extra_ms` to each of `windows` (period and key), and `used_ms`, negative, to what was used there:
    never below zero, so that a very negative one sets the window back."""

    id: str
    tenant_id: str
    subject: str
    kind: MediaKind
    windows: tuple[tuple[Period, str], ...]
    extra_ms: int
    used_ms: int
    actor: str
    reason: str
    now_ms: int


class Spent(Refusal):
    """Nothing is left to hold; `spent` says of what and until when."""

    def __init__(self, spent: QuotaSpent) -> None:
        super().__init__(str(spent))
        self.spent = spent


class UnknownSlice(Refusal):
    """There is no slice of this id."""
