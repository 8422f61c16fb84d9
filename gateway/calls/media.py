"""The media of calls: what a device joins with, from whichever provider the settings name.

Invariant: credentials are made for whoever may join now, until their lease ends, and are kept nowhere; they
are in no event and no log.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from auth import agora, agora_legacy, turn
from auth.agora import Lease, Project, Role, Seat
from auth.turn import Relays
from gateway import clock
from gateway.ids import draw
from gateway.settings import Settings
from sessions.call_messages import IceServer, Media
from sessions.call_records import Call

RELAY_SECONDS_MAX = 24 * 3600
TokenVersion = Literal["006", "007"]


@dataclass(frozen=True, slots=True)
class Ticket:
    """A token that opens a channel until a moment, in milliseconds since the epoch."""

    token: str
    app_id: str
    ends_at_ms: int


class Provider(Protocol):
    """Where the media of calls are."""

    @property
    def name(self) -> Literal["agora", "peer"]:
        """What clients know it by."""

    def media(self, call: Call, user: str, uid: int, until_ms: int, now_ms: int) -> Media:
        """Return what a device of a user joins a call with, until a moment. The user may join it now."""

    def ticket(self, seat: Seat, until_ms: int, now_ms: int) -> Ticket | None:
        """Return a token for a seat in any channel; None from a provider that has none."""

    async def close(self, call: Call) -> None:
        """Put out whoever is still in the channel of a call that is over. What fails is logged."""


class AgoraProvider:
    """Channels of an Agora project, opened by tokens of version 007 or 006."""

    name: Literal["agora", "peer"] = "agora"

    def __init__(
        self, project: Project, version: TokenVersion = "007", salt: Callable[[int], int] = draw
    ) -> None:
        self._project = project
        self._version = version
        self._draw = salt

    def media(self, call: Call, user: str, uid: int, until_ms: int, now_ms: int) -> Media:
        """Return the channel of a call, and a token for it."""
        del user
        ticket = self.ticket(Seat(call.channel, uid, Role.HOST), until_ms, now_ms)
        return Media(
            provider=self.name,
            channel=call.channel,
            uid=uid,
            token=ticket.token,
            app_id=ticket.app_id,
            expires_at=clock.rfc3339_ms(ticket.ends_at_ms),
        )

    def ticket(self, seat: Seat, until_ms: int, now_ms: int) -> Ticket:
        """Return a token for a seat."""
        issued_at = now_ms // 1000
        # In whole seconds, and never later than the lease.
        lifetime = min(agora.LEASE_SECONDS_MAX, max(1, until_ms // 1000 - issued_at))
        lease = Lease(issued_at, lifetime)
        salt = 1 + self._draw(agora.SALT_MAX)
        issue = agora_legacy.issue if self._version == "006" else agora.issue
        token = issue(self._project, seat, lease, salt=salt)
        return Ticket(token, self._project.app_id, lease.ends_at_seconds * 1000)

    async def close(self, call: Call) -> None:
        """Leave it to the leases, which end by themselves."""


class PeerProvider:
    """The two browsers by themselves, through STUN and TURN servers where there are any."""

    name: Literal["agora", "peer"] = "peer"

    def __init__(self, relays: Relays, call_ms_max: int) -> None:
        self._relays = relays
        self._call_ms_max = call_ms_max or RELAY_SECONDS_MAX * 1000

    def media(self, call: Call, user: str, uid: int, until_ms: int, now_ms: int) -> Media:
        """Return the servers through which a browser finds the other one. Their passwords hold for as long as
        the longest call, because a relay that is refreshed later may be refused."""
        relay_ms = min(self._call_ms_max, RELAY_SECONDS_MAX * 1000)
        servers = turn.ice_servers(self._relays, call.channel, (now_ms + relay_ms) // 1000 + 1)
        return Media(
            provider=self.name,
            channel=call.channel,
            uid=uid,
            expires_at=clock.rfc3339_ms(until_ms),
            ice_servers=[IceServer.model_validate(server) for server in servers],
            polite=user == call.fan,
        )

    def ticket(self, seat: Seat, until_ms: int, now_ms: int) -> None:
        """Return nothing: who speaks without a channel needs no token."""

    async def close(self, call: Call) -> None:
        """Leave it to the clients: nothing that passes between them passes here."""


def provider_of(settings: Settings) -> Provider:
    """Return the provider that the settings name. Raises ValueError for what cannot be right."""
    if settings.media_provider == "agora":
        project = Project(settings.agora_app_id, settings.agora_certificate)
        return AgoraProvider(project, settings.agora_token_version)
    relays = Relays(settings.turn_urls, settings.turn_secret.get_secret_value())
    return PeerProvider(relays, settings.call_bounds.length_ms_max)
