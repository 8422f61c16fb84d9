"""Which voices still miss for which finals of one dubbing topic, so that each goes out whole.

Invariant: finals leave in the order they came, each once, together with its voices; one whose voice will
never come leaves without it as soon as that is known. So a client's position counts whole dubs.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, TypeVar

C = TypeVar("C")
V = TypeVar("V")


@dataclass(slots=True)
class _Pending(Generic[C, V]):
    captions: list[C]
    voices: dict[int, V] = field(default_factory=dict)
    complete: bool = False


class Dubbing(Generic[C, V]):
    """Finals (any key, each with captions `C`) that wait for their voices `V`, by index of the caption."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[object, _Pending[C, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def waiting(self) -> list[object]:
        """Return the keys of the finals that wait, oldest first."""
        return list(self._waiting)

    def final(self, key: object, captions: list[C]) -> None:
        """Note a final; its voices may come now."""
        if captions:
            self._waiting[key] = _Pending(captions)

    def voice(self, key: object, block: int, voice: V, *, last: bool) -> None:
        """Note the voice of caption `block`; `last` says that no other comes for this final."""
        pending = self._waiting.get(key)
        if pending is not None:
            pending.voices[block] = voice
            pending.complete = pending.complete or last

    def settle(self, key: object) -> None:
        """Note that no more voices come for this final."""
        pending = self._waiting.get(key)
        if pending is not None:
            pending.complete = True

    def settle_all(self) -> None:
        """Note that no more voices come at all."""
        for pending in self._waiting.values():
            pending.complete = True

    def ready(self) -> list[list[tuple[C, V | None]]]:
        """Drain the finals that can leave, oldest first: each caption with its voice, or None."""
        ready = []
        while self._waiting and next(iter(self._waiting.values())).complete:
            _, pending = self._waiting.popitem(last=False)
            ready.append([(caption, pending.voices.get(i)) for i, caption in enumerate(pending.captions)])
        return ready
