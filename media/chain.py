"""Which of several engines does the next piece of work: the preferred one, unless it failed lately.

Counted in pieces of work, not in time, so that the same events always lead to the same choice.
"""

from collections.abc import Sequence
from typing import Generic, TypeVar

from media.engines.base import Engine

E = TypeVar("E", bound=Engine)

REST_WORKS = 8
"""For so many pieces of work an engine that failed is only asked after the others."""


class Chain(Generic[E]):
    """Engines of one kind for one language or pair, in order of preference."""

    def __init__(self, engines: Sequence[E]) -> None:
        self._engines = tuple(engines)
        self._rest: dict[str, int] = {}
        self._used = engines[0].name if engines else ""

    def order(self) -> list[E]:
        """List the engines to try for the next piece of work, one after the other."""
        rested = {name: left - 1 for name, left in self._rest.items() if left > 1}
        self._rest = rested
        return sorted(self._engines, key=lambda engine: engine.name in rested)

    def failed(self, engine: E) -> None:
        """Remember that an engine could not do its work."""
        self._rest[engine.name] = REST_WORKS

    def worked(self, engine: E) -> bool:
        """Note which engine did the work; say whether that is another one than before."""
        switched = self._used != engine.name
        self._used = engine.name
        return switched
