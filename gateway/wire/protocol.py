"""One WebSocket connection on its transport: handshake, messages to their owner, keepalive, end.

Every state has its deadline in the house's wheel: whatever the peer does or leaves out, the connection ends.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from gateway.wire import answers, frames, handshake
from gateway.wire.conversation import Application, Conversation
from gateway.wire.handshake import HandshakeRefused, Place, Request
from gateway.wire.head import read_upgrade
from gateway.wire.house import House
from gateway.wire.interface import Receiver
from gateway.wire.outlet import CLOSED, CLOSING, CONNECTING, ENDING, INTERNAL_ERROR, OPEN, Outlet

RESTARTING: Final = 1012


class WireProtocol(Outlet):
    """uvicorn's `ws=` class (with `house=` given by functools.partial) and the `Wire` of its connection."""

    __slots__ = (
        "_address",
        "_code",
        "_connections",
        "_conversation",
        "_door_address",
        "_parser",
        "_pinged",
        "_reading_paused",
        "_receiver",
        "_stock",
        "due_tick",
    )

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        house: House,
    ) -> None:
        super().__init__(house)
        self.due_tick = 0
        self._stock: tuple[Config, ServerState, dict[str, Any]] | None = (config, server_state, app_state)
        self._connections: set[Any] = server_state.connections
        self._code = 0
        self._parser: frames.Parser | None = None
        self._conversation: Conversation | None = None
        self._receiver: Receiver | None = None
        self._address = self._door_address = ""
        self._pinged = False
        self._reading_paused = False

    # The opening

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over the transport; the upgrade request follows."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=0)
        self._connections.add(self)

    def begin(
        self, request: Request, early: bytes, place_of: Callable[[], Place], door_address: str = ""
    ) -> None:
        """Check the upgrade `request`, and let it be answered; `early` came in the same packet. `place_of` is
        asked for what only an application needs: a transport keeps what it was asked."""
        transport, stock = self.transport, self._stock
        assert transport is not None
        assert stock is not None
        config, server_state, app_state = stock
        self._stock = None
        self._door_address = door_address
        try:
            key, subprotocols = handshake.check(request)
            self._know_socket(transport)
            if self._received_at_once(request, key):
                if early:
                    self.data_received(early)
                return
            scope = handshake.scope(request, subprotocols, place_of(), app_state)
        except HandshakeRefused as refused:
            self.refuse(self._refusal(refused))
            return
        conversation = Conversation(self, scope, key, self.house.limits.queue_messages_max)
        self._conversation = conversation
        if early:
            self._take_early(early)
        self.house.set_deadline(self, self.house.limits.accept_timeout_seconds)
        application = cast("Application", config.loaded_app)
        task = asyncio.get_running_loop().create_task(conversation.run(application))
        server_state.tasks.add(task)
        task.add_done_callback(server_state.tasks.discard)

    def _know_socket(self, transport: asyncio.Transport) -> None:
        if not is_ssl(transport):
            self._socket_fd = transport.get_extra_info("socket").fileno()

    def _received_at_once(self, request: Request, key: bytes) -> bool:
        """Whether the reception has taken the connection: then it is open, and no application runs for it."""
        reception, address = self.house.reception, self._door_address
        if reception is None or not address:
            return False
        receiver_of = reception.receiver_of(request.url, request.headers, address)
        if receiver_of is None:
            return False
        self._open(handshake.accepting(key, None), address)
        self._receiver = receiver_of(self)
        return True

    def _place(self) -> Place:
        assert self.transport is not None
        assert self._stock is not None
        scheme = "wss" if is_ssl(self.transport) else "ws"
        config = self._stock[0]
        client, server = get_remote_addr(self.transport), get_local_addr(self.transport)
        return Place(client, server, scheme, config.root_path, config.asgi_version)

    def _refusal(self, refused: HandshakeRefused) -> bytes:
        code = "UPGRADE_REQUIRED" if refused.status == 426 else "BAD_HANDSHAKE"
        now = self.house.wall()
        return answers.error(refused.status, code, refused.reason, now, headers=refused.headers)

    def _take_early(self, data: bytes) -> None:
        """Keep what came before the answer: one packet at most, for reading pauses after it."""
        assert self._conversation is not None
        self._conversation.early += data
        self.pause_reading()

    def accepted(self, response: bytes) -> None:
        """Answer the upgrade request with 101; messages may come at once."""
        if self._state != CONNECTING or self._conversation is None:
            return
        conversation = self._conversation
        client = conversation.scope.get("client")
        self._open(response, client[0] if client else "")
        early, conversation.early = conversation.early, b""
        if early:
            self.resume_reading()
            self.data_received(early)

    def _open(self, response: bytes, address: str) -> None:
        self._address = address
        self._parser = frames.Parser(self.house.limits)
        self._state = OPEN
        if self._behind is None:
            self._fd = self._socket_fd
        interval = self.house.limits.ping_interval_seconds
        self.house.set_deadline(self, interval - self.house.wheel.spread(interval / 2))
        self.write(response)

    def refuse(self, response: bytes) -> None:
        """Answer the upgrade request otherwise and end."""
        if self._state != CONNECTING or self.transport is None:
            return
        self.transport.write(response)
        self._end(lingering=True)

    # Reading

    def data_received(self, data: bytes) -> None:
        """Take the bytes of one read; whole messages go to the receiver at once."""
        self._heard = True
        parser = self._parser
        if parser is None:
            self._take_unparsed(data)
            return
        for event in parser.feed(data):
            if self._state != OPEN and not isinstance(event, frames.Close | frames.Failure):
                continue
            if isinstance(event, list):
                if self._receiver is not None:
                    self._receiver.receive_binary(event)
                elif self._conversation is not None:
                    self._conversation.take(event)
            elif isinstance(event, str):
                if self._receiver is not None:
                    self._receiver.receive_text(event)
                elif self._conversation is not None:
                    self._conversation.take(event)
            elif isinstance(event, frames.Ping):
                self._pong(event.payload)
            elif isinstance(event, frames.Close):
                self._peer_closes(event)
            else:
                self._fail(event)

    def _take_unparsed(self, data: bytes) -> None:
        if self._state >= ENDING:
            return
        if self._conversation is not None:
            self._take_early(data)
        elif self._stock is not None:
            upgrade = read_upgrade(data)
            if upgrade is not None:
                place = self._place()
                self.begin(*upgrade, lambda: place)
            else:
                self.abort()

    def pause_reading(self) -> None:
        """Stop taking from the peer; what one read brought is still delivered."""
        if not self._reading_paused and self.transport is not None and self._state <= OPEN:
            self._reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Take from the peer again."""
        if self._reading_paused and self.transport is not None:
            self._reading_paused = False
            self._heard = True
            if not self.transport.is_closing():
                self.transport.resume_reading()

    def eof_received(self) -> None:
        """The peer has ended; without a close frame that is an abnormal end. The transport closes itself."""
        self._fd = -1
        if self._state in (CONNECTING, OPEN):
            self._code = frames.ABNORMAL
            self._let_go()
            self.house.set_deadline(self, self.house.close_timeout_seconds)

    def _drained(self) -> None:
        if self._receiver is not None:
            self._receiver.writable()
        elif self._conversation is not None:
            self._conversation.drained()

    # Keeping alive and ending

    def expire(self, now: float) -> None:
        """Act on the deadline of the state: unanswered upgrade, ping, or an end that took too long."""
        if self._state == CONNECTING:
            message = "The server took too long to answer."
            self.refuse(answers.error(503, "UNAVAILABLE", message, self.house.wall()))
        elif self._state == OPEN:
            self._keep_alive()
        else:
            self.abort()

    def _keep_alive(self) -> None:
        if self._pinged and not self._heard and not self._reading_paused:
            self.close(INTERNAL_ERROR, "no answer to a ping")
            return
        self._heard = False
        self._pinged = True
        self.house.set_deadline(self, self.house.limits.ping_interval_seconds)
        self._ping()

    def close(self, code: int, reason: str = "") -> None:
        """Start the closing handshake after what was written; see `Wire`."""
        if self._state != OPEN:
            return
        frame = frames.close_frame(code, reason)
        if self._behind is None:
            self.write(frame)
        else:
            self._behind.append(frame)
        if self._state != OPEN:
            return
        self._state = CLOSING
        self._fd = -1
        self._code = code
        self.resume_reading()
        self.house.set_deadline(self, self.house.close_timeout_seconds)

    def shutdown(self) -> None:
        """The server goes down: say so."""
        if self._state == CONNECTING:
            message = "The server is restarting; try again."
            self.refuse(answers.error(503, "RESTARTING", message, self.house.wall()))
        elif self._state == OPEN:
            self.close(RESTARTING, "restarting")
        elif self._state != CLOSED:
            self.house.set_deadline(self, self.house.close_timeout_seconds)

    def _peer_closes(self, event: frames.Close) -> None:
        self._code = event.code
        if self._state == OPEN:
            self._say_last(frames.close_frame(event.code))
        self._end(lingering=False)

    def _fail(self, event: frames.Failure) -> None:
        if self._state == OPEN:
            self._code = event.code
            self._say_last(frames.close_frame(event.code, event.reason))
        self._end(lingering=True)

    def _end(self, *, lingering: bool) -> None:
        """Let the transport send what it holds and end. Lingering, read (and forget) until the peer ends:
        closing a socket with unread bytes would reset it and lose our last words."""
        transport = self.transport
        if transport is None or self._state >= ENDING:
            return
        self._let_go()
        if lingering and transport.can_write_eof() and not transport.is_closing():
            self.resume_reading()
            transport.write_eof()
            self.house.set_deadline(self, self.house.limits.linger_seconds)
        else:
            transport.close()
            self.house.set_deadline(self, self.house.close_timeout_seconds)

    def _let_go(self) -> None:
        self._state = ENDING
        self._fd = -1
        self._parser = None
        if self._behind is not None:
            self._behind.drop()

    def abort(self) -> None:
        """End at once, without a word; `closed` follows from the event loop."""
        if self.transport is not None:
            self._let_go()
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone: tell the owner, exactly once."""
        self._let_go()
        self._state = CLOSED
        self.transport = self._behind = None
        self._connections.discard(self)
        self.house.clear_deadline(self)
        if self._door_address:
            self.house.door.closed(self._door_address)
        receiver, self._receiver = self._receiver, None
        code = self._code or frames.ABNORMAL
        if receiver is not None:
            receiver.closed(code)
        elif self._conversation is not None:
            self._conversation.lost(code)

    # What the owner sees

    def attach(self, receiver: Receiver) -> None:
        """Hand every later message to `receiver` and let the ASGI coroutine end; see `Wire`."""
        conversation = self._conversation
        if conversation is None or self._state == CONNECTING:
            raise RuntimeError("attach once, after accepting")
        self._conversation = None
        if self._state == CLOSED:
            conversation.hand_over(receiver)
            asyncio.get_running_loop().call_soon(receiver.closed, self._code or frames.ABNORMAL)
            return
        self._receiver = receiver
        conversation.hand_over(receiver)

    @property
    def address(self) -> str:
        """The peer's IP address, as the scope had it when the application accepted."""
        return self._address

    @property
    def connecting(self) -> bool:
        """Whether the upgrade request has not been answered."""
        return self._state == CONNECTING
