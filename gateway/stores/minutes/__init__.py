"""Minutes in SQL: what `sessions.slices` decides, written whole or not at all, many operations at a time."""

from gateway.stores.minutes.acquisitions import Acquisitions
from gateway.stores.minutes.adjustments import Adjustments
from gateway.stores.minutes.checkpoints import Checkpoints
from gateway.stores.minutes.operations import (
    Acquire,
    Adjust,
    Checkpoint,
    ClosedBy,
    Settle,
    Spent,
    UnknownSlice,
)
from gateway.stores.minutes.settlements import Settlements

__all__ = [
    "Acquire",
    "Acquisitions",
    "Adjust",
    "Adjustments",
    "Checkpoint",
    "Checkpoints",
    "ClosedBy",
    "Settle",
    "Settlements",
    "Spent",
    "UnknownSlice",
]
