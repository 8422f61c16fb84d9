"""The condition of a server: which of its parts are lost while it goes on without them.

Invariant: what is degraded is told once when it begins and once when it ends, and shows in between.
"""

import logging
from typing import Literal, get_args

from gateway.metrics import DEGRADED

log = logging.getLogger(__name__)

Part = Literal["redis", "database", "disk"]


class Condition:
    """The degraded parts, each with a reason that a person can act on (and a stranger may read)."""

    def __init__(self) -> None:
        self._degraded: dict[str, dict[str, str]] = {}
        for part in get_args(Part):
            DEGRADED.labels(part).set(0)

    @property
    def degraded(self) -> dict[str, str]:
        """Part and reason of everything that is lost now; empty when all is well."""
        return {part: next(iter(reasons.values())) for part, reasons in self._degraded.items()}

    def degrade(self, part: Part, reason: str, source: str = "") -> None:
        """Note that `part` is lost, as `source` finds; its reason may change while it is."""
        if part not in self._degraded:
            log.warning("Degraded: %s: %s", part, reason, extra={"part": part, "reason": reason})
            DEGRADED.labels(part).set(1)
        self._degraded.setdefault(part, {})[source] = reason

    def recover(self, part: Part, source: str = "") -> None:
        """Note that `part` is back for `source`; it is back when it is for each that had lost it."""
        reasons = self._degraded.get(part, {})
        if reasons.pop(source, None) is not None and not reasons:
            del self._degraded[part]
            log.info("Recovered: %s", part, extra={"part": part})
            DEGRADED.labels(part).set(0)
