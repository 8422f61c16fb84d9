"""Topics: what processes tell each other, one topic for each thing that several of them may have people of.

Invariant: whatever is sent here may be lost. Whoever listens has another way to what it must not miss.
"""

from collections.abc import Callable
from typing import Protocol

Heard = Callable[[str, bytes], None]
"""Is told the topic, and what was said there."""
Missed = Callable[[str], None]
"""Is told of a topic on which something may have been missed: it is listened to only from now on."""


class Topics(Protocol):
    """Said and heard by this process. What a process says it may hear itself."""

    @property
    def up(self) -> bool:
        """Whether what others say is heard now."""

    def listen(self, heard: Heard, missed: Missed) -> None:
        """Say who hears. Called once, before anything else."""

    def publish(self, topic: str, said: bytes) -> None:
        """Say something, soon; when too much waits it is left out."""

    def subscribe(self, topic: str) -> None:
        """Hear a topic; `missed` is called once it is heard."""

    def unsubscribe(self, topic: str) -> None:
        """Hear it no more."""
