"""What all Socket.IO connections of a server share: who speaks with clients, audiences, limits, tasks.

Invariant: each beginning of event names belongs to one receiver; nobody is let in while the server goes down.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from auth.rate_limits import Rate
from auth.tokens import KeyRing
from gateway.alarms import Alarms
from gateway.http.errors import Refused
from gateway.limits import DoorLimits
from gateway.settings import Settings
from gateway.socketio.crowds import Crowds, NamedAudience
from gateway.socketio.interface import Audience, Receiver
from gateway.tasks import Tasks

NAME_CHARACTERS_MAX: Final = 64
"""Of a name that a client made up, in the answer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one connection; sizes in bytes, times in seconds, 0 of a rate or of `authenticate_seconds` is
    off."""

    events: Rate
    authenticate_seconds: float
    message_bytes_max: int
    buffer_bytes_max: int
    ping_interval_seconds: float


def limits_of(settings: Settings) -> Limits:
    """Return the bounds that the settings ask for."""
    return Limits(
        events=Rate.steady(
            "events", "events of this connection", settings.socketio_event_rate_limit,
            settings.socketio_event_burst,
        ),
        authenticate_seconds=settings.authenticate_seconds,
        message_bytes_max=settings.message_bytes_max,
        buffer_bytes_max=settings.viewer_buffer_bytes_max,
        ping_interval_seconds=settings.ping_interval_seconds,
    )  # fmt: skip


class Hall:
    """One per server."""

    def __init__(
        self, limits: Limits, keys: KeyRing, door: DoorLimits, alarms: Alarms, tasks: Tasks,
        loop: asyncio.AbstractEventLoop,
    ) -> None:  # fmt: skip
        self.limits = limits
        self.keys = keys
        self.door = door
        self.alarms = alarms
        self.tasks = tasks
        self.loop = loop
        self.crowds = Crowds(loop)
        self.receivers: list[Receiver] = []
        """Who learns of every client, each once."""
        self._receivers: dict[str, Receiver] = {}

    def register(self, receiver: Receiver, *beginnings: str) -> None:
        """Give the events that begin with one of `beginnings`, each a word and a colon, to `receiver`."""
        for beginning in beginnings:
            assert beginning.endswith(":"), beginning
            assert beginning not in self._receivers, beginning
            self._receivers[beginning] = receiver
        if receiver not in self.receivers:
            self.receivers.append(receiver)

    def receiver_of(self, event: str) -> Receiver:
        """Return whose an event is. Raises Refused."""
        word, colon, _ = event.partition(":")
        receiver = self._receivers.get(word + colon)
        if receiver is None:
            names = ", ".join(f"{beginning}..." for beginning in sorted(self._receivers))
            sentence = f"There is no event {event[:NAME_CHARACTERS_MAX]} here; there are: authenticate"
            raise Refused(404, "UNKNOWN_EVENT", f"{sentence}, {names}" if names else sentence)
        return receiver

    def audience(self, name: str) -> Audience:
        """Return the audience of that name."""
        return NamedAudience(name, self.crowds)
