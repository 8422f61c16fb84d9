"""What becomes of one connection as its user's minutes run: go on, warn, go on without the voice, or end.

Invariant: what was paid for is delivered: a stream of one's own is finished before the connection closes.
"""

from collections.abc import Callable
from typing import Protocol

from auth.principal import Principal
from gateway.sockets import quotas
from gateway.sockets.contribution import Contribution
from gateway.sockets.following import Following
from gateway.sockets.hub import Session
from gateway.sockets.stage import Stage
from gateway.sockets.telling import tell
from gateway.stores.interface import StoreDown
from gateway.wire.interface import Wire
from sessions import endings, live, messages
from sessions.live import LiveSession
from sessions.periods import Period
from sessions.slices import QuotaSpent
from sessions.usage import Usage


class Halves(Protocol):
    """The socket whose halves go on or end."""

    following: Following | None
    contribution: Contribution | None

    def perform(self) -> None:
        """Carry out what the rules have decided."""


class Paying:
    """The spender of one connection."""

    __slots__ = ("_principal", "_rules", "_session", "_socket", "_stage", "_wire")

    def __init__(
        self, stage: Stage, rules: LiveSession, session: Session, principal: Principal, wire: Wire,
        socket: Halves,
    ) -> None:  # fmt: skip
        self._stage = stage
        self._rules = rules
        self._session = session
        self._principal = principal
        self._wire = wire
        self._socket = socket

    def minutes_allowed(self) -> None:
        """There are minutes for the audio that was held back."""
        if self._socket.contribution is not None:
            self._socket.contribution.allowed()
            self._socket.perform()

    def minutes_warned(self, period: Period) -> None:
        """Most of a window is used: say so, with what is left."""
        assert self._session.purse is not None
        kind = self._session.purse.kind
        self._stage.tasks.start(
            self._tell_usage(lambda usage: quotas.nearly_spent(usage, kind, period)), name="quota warning"
        )

    def minutes_spent(self, spent: QuotaSpent) -> None:
        """Nothing more may pass: go on without the voice if the plan says so, else come to an end."""
        contribution = self._socket.contribution
        assert self._session.purse is not None
        if self._session.purse.turn_to_subtitles():
            self._stage.tasks.start(
                self._tell_usage(lambda usage: quotas.voice_spent(usage, spent)), name="voice spent"
            )
            assert self._socket.following is not None
            self._socket.following.turn_to_subtitles()
            if contribution is not None:
                contribution.allowed()
        elif self._stage.pays_for_own(self._session):
            # It may be the answer to what a former connection of the session had brought.
            if contribution is not None:
                contribution.stop()
            self._rules.finish("QUOTA_EXCEEDED", str(spent), endings.SPENT, self._stage.now(),
                               **quotas.spent_fields(spent))  # fmt: skip
        else:
            self._rules.refuse("QUOTA_EXCEEDED", str(spent), endings.SPENT, **quotas.spent_fields(spent))
        self._socket.perform()

    def minutes_unavailable(self) -> None:
        """Minutes can be counted no further."""
        if self._socket.contribution is not None:
            self._socket.contribution.stop()
        self._rules.refuse("STORE_UNAVAILABLE", "Minutes cannot be counted just now; try again shortly",
                           endings.TRY_LATER, status=503, retry_after_seconds=5)  # fmt: skip
        if self._session.purse is not None:
            # Not only once the socket is gone: until then the stream moves on, and is not sent.
            self._session.purse.pause()
        self._socket.perform()

    async def _tell_usage(self, words: Callable[[Usage], list[messages.ServerMessage]]) -> None:
        """Tell the client what `words` makes of its usage now."""
        assert self._session.purse is not None
        try:
            await self._session.purse.noted()
            usage = await self._stage.usage_of(self._principal)
        except StoreDown:
            return
        for message in words(usage):
            if self._rules.state in (live.State.OPEN, live.State.ENDING):
                tell(self._wire, message)
