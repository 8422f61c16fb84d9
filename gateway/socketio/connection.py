"""One Engine.IO connection, whatever carries it: who it is, how long that holds, and what it may say.

| state | CONNECT comes | an event comes | deadline | transport ends |
|---|---|---|---|---|
| unknown | is checked | closed | closed: not authenticated | over |
| checking | closed | closed | closed: not authenticated | over |
| known | closed | is handled | warned, then token expired | client gone, over |

Invariant: it is counted among those without a token from its first byte until it is known or over.
"""

import logging
from typing import Any, Final, assert_never

from auth.crowd import TooManyAtOnce
from auth.principal import Principal
from auth.rate_limits import MICRO, RateLimited, Window, admit
from auth.tokens import TokenRefused, verify
from gateway import clock
from gateway.http.errors import Refused, failure, refusal_of, shape_of
from gateway.ids import new_id
from gateway.limits import user_key
from gateway.metrics import AUTHENTICATIONS, REFUSALS, SOCKETIO_CLOSES, SOCKETIO_PACKETS
from gateway.socketio import conversation as said
from gateway.socketio import packets
from gateway.socketio.carrier import Carrier
from gateway.socketio.client import SocketClient
from gateway.socketio.conversation import Conversation
from gateway.socketio.hall import Hall
from gateway.socketio.interface import Ack
from gateway.socketio.packets import BadPacket
from gateway.socketio.turns import Turn
from sessions import endings
from sessions.endings import Ending

log = logging.getLogger(__name__)

REFUSALS_MAX: Final = 8
"""Tries to connect on one connection that lead nowhere; then it ends."""
WARNING_SECONDS: Final = 60.0
"""Before a token expires."""
FLOOD_FACTOR: Final = 10
"""So many times the burst of events, refused one after the other: then it ends."""

ORDINARY_CODES = frozenset({1000, 1001, 1005})
"""Clients that went as they should: counted, and in the log at `debug` only."""

_ACCEPTED = AUTHENTICATIONS.labels("accepted")
_REFUSED = AUTHENTICATIONS.labels("refused")
_RECEIVED = SOCKETIO_PACKETS.labels("received")
_CLOSED = {ending.code: SOCKETIO_CLOSES.labels(ending.label) for ending in endings.ENDINGS.values()}
_CLOSED[1001] = _CLOSED[1005] = _CLOSED[1000]
_CLOSED[1006] = SOCKETIO_CLOSES.labels("lost")
_CLOSED_OTHERWISE = SOCKETIO_CLOSES.labels("other")


class Connection:
    """A connection of one client, in and out of the namespace."""

    __slots__ = (
        "_address", "_checking", "_hall", "_over", "_refusals", "_refused_in_row", "_said", "_waiting",
        "_warned", "_window", "carrier", "client",
    )  # fmt: skip

    def __init__(self, hall: Hall, carrier: Carrier) -> None:
        """Begin; the door has counted an arrival from the carrier's address."""
        self._hall = hall
        self.carrier = carrier
        # Under this the door has counted it, also once another address carries it.
        self._address = carrier.address
        self.client: SocketClient | None = None
        self._said = Conversation(hall.limits.message_bytes_max)
        self._checking = self._over = self._warned = False
        self._waiting = True
        self._refusals = 0
        self._window: Window | None = None
        self._refused_in_row = 0
        self._expect_token()

    def _expect_token(self) -> None:
        seconds = self._hall.limits.authenticate_seconds
        if seconds:
            self._hall.alarms.set(self, self._hall.loop.time() + seconds)

    # --- what the carrier brings ----------------------------------------------------------------------

    def receive_text(self, text: str) -> None:
        """Take an Engine.IO packet that is a text."""
        if self._listening:
            try:
                self._perform(self._said.receive_text(text))
            except BadPacket as error:
                self._break(error)

    def receive_binary(self, payload: bytes) -> None:
        """Take an Engine.IO packet that is bytes."""
        if self._listening:
            try:
                self._perform(self._said.receive_binary(payload))
            except BadPacket as error:
                self._break(error)

    def moved(self, carrier: Carrier) -> None:
        """Be carried by `carrier` from now on; everything before has been sent."""
        self.carrier = carrier
        if self.client is not None and self.client.connected:
            self.client.move(carrier)

    def lost(self, code: int) -> None:
        """The carrier has ended, with the close code of a WebSocket."""
        self._over = True
        self._hall.alarms.clear(self)
        self._depart()
        _CLOSED.get(code, _CLOSED_OTHERWISE).inc()
        client, self.client = self.client, None
        if client is not None:
            level = logging.DEBUG if code in ORDINARY_CODES else logging.INFO
            log.log(level, "WebSocket closed", extra={"sessionId": client.sid, "code": code})
            client.leave()

    @property
    def _listening(self) -> bool:
        # A client that was put out may still post until its carrier ends.
        return not self._over and (self.client is None or self.client.connected)

    @property
    def over(self) -> bool:
        """Whether nothing more is taken."""
        return self._over

    def close(self, ending: Ending) -> None:
        """End the connection; the client may come back."""
        self._over = True
        self.carrier.close(ending)

    def _break(self, error: BadPacket) -> None:
        log.debug("A client broke the protocol: %s", error)
        self.close(endings.POLICY)

    # --- what it says ---------------------------------------------------------------------------------

    def _perform(self, what: said.Said | None) -> None:
        _RECEIVED.inc()
        match what:
            case None:
                pass
            case said.EventSent():
                self._take_event(self._in(what.namespace), what)
            case said.AnswerSent():
                self._in(what.namespace).answered(what.ack_id, what.payloads)
            case said.ConnectAsked():
                self._connect(what)
            case said.NamespaceLeft():
                self._leave(self._in(what.namespace))
            case said.Ended():
                self._over = True
                self.carrier.ended()
            case _:
                assert_never(what)

    def _in(self, namespace: str) -> SocketClient:
        """Return the client that is in a namespace. Raises BadPacket."""
        if self.client is None or namespace != packets.ROOT:
            raise BadPacket("the client is not connected to this namespace")
        return self.client

    def _take_event(self, client: SocketClient, event: said.EventSent) -> None:
        try:
            self._count_event()
            payload = _only(event.payloads)
            if event.name == "authenticate":
                client.answer(event.ack_id, self._renew(client, payload))
            else:
                client.take(Turn(self._hall.receiver_of(event.name), event.name, payload, event.ack_id))
        except RateLimited as refusal:
            self._refuse_fast(client, event, refusal)
        except Refused as refusal:
            client.refuse(event.name, event.ack_id, refusal)

    def _count_event(self) -> None:
        """Count an event towards what one connection may send. Raises RateLimited."""
        rate = self._hall.limits.events
        if rate.count_max:
            if self._window is None:
                self._window = Window()
            admit([(rate, self._window)], int(self._hall.loop.time() * MICRO))
            self._refused_in_row = 0

    def _refuse_fast(self, client: SocketClient, event: said.EventSent, refusal: RateLimited) -> None:
        self._refused_in_row += 1
        if self._refused_in_row > FLOOD_FACTOR * refusal.rate.count_max:
            self.close(endings.TOO_MANY)
        elif event.ack_id is not None or self._refused_in_row == 1:
            client.refuse(event.name, event.ack_id, limited(refusal))

    def _leave(self, client: SocketClient) -> None:
        """The client is out; its connection may bring it, or somebody else, back."""
        client.leave()
        self.client = None
        try:
            self._hall.door.arrive(self._address)
        except TooManyAtOnce:
            self.close(endings.TOO_MANY)
        else:
            self._waiting = True
            self._expect_token()

    # --- who it is ------------------------------------------------------------------------------------

    def _connect(self, asked: said.ConnectAsked) -> None:
        if asked.namespace != packets.ROOT:
            sentence = f"There is no namespace {asked.namespace} here; connect to {packets.ROOT}"
            self._refuse(Refused(404, "UNKNOWN_NAMESPACE", sentence), asked.namespace)
        elif self._checking or self.client is not None:
            raise BadPacket("the client is connected to this namespace already")
        else:
            self._checking = True
            self._hall.tasks.start(self._admit(asked.auth.get("token")), name="admission")

    async def _admit(self, token: Any) -> None:
        """Find out who it is, then let them in."""
        try:
            principal = self._principal_of(token)
            await self._hall.door.count_participant(principal)
        except RateLimited as refusal:
            log.info("Rate limited", extra={"user": user_key(principal), "status_code": 429})
            self._refuse(limited(refusal))
        except Refused as refusal:
            self._refuse(refusal)
        except Exception:
            # Broad, for who waits for an answer must not wait for the deadline instead.
            log.exception("An admission failed")
            self._refuse(failure())
        else:
            if not self._over:
                self._welcome(principal)
        finally:
            self._checking = False

    def _principal_of(self, token: Any) -> Principal:
        """Return whom a token names. Raises Refused."""
        if not isinstance(token, str) or not token:
            _REFUSED.inc()
            raise Refused(401, "NOT_AUTHENTICATED", 'Connect with a token, as in io({auth: {token: "..."}})')
        try:
            principal = verify(self._hall.keys, token, now=clock.wall())
        except TokenRefused as refusal:
            _REFUSED.inc()
            details = {"reason": refusal.reason, "status_code": 401, "address": self.carrier.address}
            log.info("Authentication failed", extra=details)
            raise Refused(401, "INVALID_TOKEN", "Invalid or expired token") from refusal
        _ACCEPTED.inc()
        return principal

    def _refuse(self, refused: Refused, namespace: str = packets.ROOT) -> None:
        REFUSALS.labels(refused.code).inc()
        self._refusals += 1
        if self._over:
            return
        self.carrier.send(packets.refusal(namespace, str(refused), shape_of(refused)))
        if self._refusals >= REFUSALS_MAX:
            self.close(endings.NOT_AUTHENTICATED)

    def _welcome(self, principal: Principal) -> None:
        self._depart()
        client = self.client = SocketClient(new_id("sid"), principal, self.carrier, self._hall)
        self.carrier.send(packets.connected(client.sid))
        client.emit("room:authenticated", {"userId": principal.user})
        log.info("WebSocket connected", extra={"sessionId": client.sid, "kind": "socketio"})
        self._expect_expiry(client)
        client.begin()

    # --- how long that holds --------------------------------------------------------------------------

    def alarm(self, now: float) -> None:
        """Nobody has authenticated in time, or a token is about to expire, or has."""
        client = self.client
        if client is None:
            self.close(endings.NOT_AUTHENTICATED)
        elif clock.wall() < client.principal.expires_at:
            expires_at = clock.rfc3339(client.principal.expires_at)
            client.emit("warning", {"code": "token_expiring", "expiresAt": expires_at})
            self._warned = True
            self._expect_expiry(client)
        else:
            expired = Refused(401, "TOKEN_EXPIRED", "The token has expired; connect again with a fresh one")
            client.disconnect("error", shape_of(expired))

    def _expect_expiry(self, client: SocketClient) -> None:
        left_seconds = client.principal.expires_at - clock.wall() - (0 if self._warned else WARNING_SECONDS)
        self._hall.alarms.set(self, self._hall.loop.time() + max(left_seconds, 0))

    def _renew(self, client: SocketClient, payload: Any) -> Ack:
        """Take a fresh token of the same user. Raises Refused."""
        principal = self._principal_of(payload.get("token") if isinstance(payload, dict) else None)
        if user_key(principal) != user_key(client.principal):
            raise Refused(403, "NOT_ALLOWED", "This token is another user's; connect again to be them")
        client.principal = principal
        self._warned = False
        self._expect_expiry(client)
        return {"ok": True, "userId": principal.user, "expiresAt": clock.rfc3339(principal.expires_at)}

    def _depart(self) -> None:
        if self._waiting:
            self._waiting = False
            self._hall.door.depart(self._address)


def _only(payloads: list[Any]) -> Any:
    """Return an event's payload, None if it has none. Raises Refused for several."""
    if len(payloads) > 1:
        raise Refused(422, "INVALID", "Send one payload with an event at most", param="payload")
    return payloads[0] if payloads else None


def limited(refusal: RateLimited) -> Refused:
    """Return a limit's refusal as clients see it."""
    refused = refusal_of(refusal)
    assert refused is not None
    return refused
