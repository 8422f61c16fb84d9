"""The gateway's inner rooms without sockets, workers or time: wires of paper, a clock that is turned by hand.

A `Rehearsal` has a real hub, real rules and real relays of streams; a test plays the clients and the worker.
"""

import asyncio
import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, cast

import orjson
from sqlalchemy import Connection, StaticPool, Table, create_engine, select

from auth.principal import Plan, Role
from gateway.alarms import Alarms
from gateway.fanout.channel import Channel, Key
from gateway.limits import DoorLimits
from gateway.metering.till import Till
from gateway.plans import load_plans
from gateway.settings import Settings
from gateway.sockets.endpoint import parse_request
from gateway.sockets.hub import Hub, Session
from gateway.sockets.live import LiveSocket
from gateway.sockets.stage import Stage
from gateway.stores.interface import Journal, Refusal, StoreDown
from gateway.stores.memory.rates import MemoryRates
from gateway.stores.schema import metadata
from gateway.stores.usage import UsageBook
from gateway.wire import frames
from gateway.wire.interface import Receiver
from gateway.workers.pool import WorkerPool
from gateway.workers.relay import Relay, RelayLimits
from gateway.workers.stream import StreamListener
from media import link
from media.captions import Caption
from media.engines.base import EngineSettings
from media.engines.catalogue import Catalogue
from media.link import BYTES_PER_SECOND
from sessions import live
from sessions.lifetimes import State
from sessions.live import Kind
from tests.house import KEYS, token
from tests.media.engines import CountingEngine, HumEngine, UpperEngine

MIDDAY_MS = 1_795_262_400_000
"""2026-11-21T12:00:00Z."""


class Clockwork:
    """An event loop's clock and queue, turned by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._soon: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()

    @property
    def loop(self) -> Any:
        return self

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[..., object], *args: Any, context: object = None) -> None:
        self._soon.append((callback, args))

    def call_at(self, when: float, callback: Callable[[], object]) -> "Timer":
        timer = Timer(when, callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def call_later(self, seconds: float, callback: Callable[[], object]) -> "Timer":
        return self.call_at(self.now + seconds, callback)

    def get_debug(self) -> bool:
        return False

    def now_ms(self) -> int:
        """Return the wall clock, which stands at the middle of a day when the other begins."""
        return MIDDAY_MS + round((self.now - 1000.0) * 1000)

    def steady(self) -> float:
        return self.now

    @property
    def ticking(self) -> bool:
        """Whether any timer is set."""
        return any(not timer.cancelled for _, _, timer in self._timers)

    def turn(self) -> None:
        """Run what was called for soon, and what that calls for."""
        while self._soon:
            callback, args = self._soon.popleft()
            callback(*args)

    def advance(self, seconds: float) -> None:
        """Let time pass, with every timer at its time."""
        until = self.now + seconds
        self.turn()
        while self._timers and self._timers[0][0] <= until:
            when, _, timer = heapq.heappop(self._timers)
            self.now = max(self.now, when)
            if not timer.cancelled:
                timer.callback()
            self.turn()
        self.now = until


class Timer:
    """What `call_at` returns."""

    def __init__(self, when: float, callback: Callable[[], object]) -> None:
        self._when = when
        self.callback = callback
        self.cancelled = False

    def when(self) -> float:
        return self._when

    def cancel(self) -> None:
        self.cancelled = True


class PaperWire:
    """A wire that keeps what is written to it."""

    def __init__(self, address: str = "192.0.2.1") -> None:
        self.address = address
        self.buffered_bytes = 0
        self.writes: list[bytes] = []
        self.latest: list[bytes] = []
        self.close_code = 0
        self.reading = True

    def attach(self, receiver: Receiver) -> None:
        raise AssertionError("a rehearsal attaches by itself")

    def write(self, data: bytes) -> None:
        if not self.close_code:
            self.writes.append(data)

    def write_latest(self, data: bytes) -> None:
        self.latest.append(data)
        self.write(data)

    def close(self, code: int, reason: str = "") -> None:
        self.close_code = self.close_code or code

    def keep_alive(self, ping: bytes) -> None:
        raise AssertionError("live sockets are pinged by the protocol")

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def taken(self) -> list[Any]:
        """Return the messages written since the last call: JSON as objects, binary ones as bytes."""
        taken = read(b"".join(self.writes))
        self.writes.clear()
        self.latest.clear()
        return taken


def read(data: bytes) -> list[Any]:
    """Return the messages in frames."""
    return [
        orjson.loads(payload) if opcode == frames.TEXT else bytes(payload)
        for opcode, payload in frames.split_frames(data)
    ]


class PaperStream:
    """A stream with a real relay, whose worker is the test: `said` is what the worker was sent."""

    def __init__(self, number: int, source_lang: str, listener: StreamListener) -> None:
        self.relay = Relay(number, source_lang, RelayLimits())
        self.listener = listener
        self.relay.assigned()
        self.dropped = False

    @property
    def received_seconds(self) -> float:
        return self.relay.received_bytes / BYTES_PER_SECOND

    @property
    def processed_seconds(self) -> float:
        return self.relay.processed_bytes / BYTES_PER_SECOND

    @property
    def full(self) -> bool:
        return self.relay.full

    @property
    def over(self) -> bool:
        return self.dropped or self.relay.over

    def receive_audio(self, pcm: bytes) -> None:
        self.relay.receive_audio(pcm, 0.0)

    def set_targets(self, targets: link.Wanted) -> None:
        self.relay.set_targets(targets)

    def send_text(self, text: str, start: float, end: float) -> int:
        return self.relay.send_text(text, start, end)

    def finalize(self) -> int:
        return self.relay.finalize()

    def close(self) -> None:
        self.relay.close()

    def drop(self) -> None:
        self.dropped = True

    def sent(self) -> list[link.ToWorker]:
        """Drain what the worker was sent."""
        return self.relay.outgoing()

    def wanted(self) -> link.Wanted:
        """Drain what the worker was sent; return the languages that it was told last."""
        told = [m for m in self.sent() if isinstance(m, link.Open | link.Targets)]
        return dict(told[-1].targets)

    def says(self, *messages: link.FromWorker) -> None:
        """Let the worker say something."""
        for message in messages:
            self.relay.receive(message)
        self.tell()

    def lost(self, reason: str) -> None:
        """Let no worker be able to go on."""
        self.relay.fail(reason)
        self.tell()

    def tell(self) -> None:
        for event in self.relay.events():
            self.listener.receive(event)


class PaperPool:
    """Opens paper streams and remembers them."""

    workers = streams = waiting = losses = 0
    room = 4
    ready = True

    def __init__(self) -> None:
        self.opened: list[PaperStream] = []

    def open_stream(self, source_lang: str, targets: link.Wanted, listener: StreamListener) -> PaperStream:
        stream = PaperStream(len(self.opened) + 1, source_lang, listener)
        stream.set_targets(targets)
        self.opened.append(stream)
        return stream


class PaperTasks:
    """Runs coroutines as far as they go, and on when what they wait for is there."""

    def start(self, work: Coroutine[Any, Any, Any], *, name: str) -> None:
        try:
            waits_for = work.send(None)
        except StopIteration:
            return
        waits_for._asyncio_future_blocking = False
        waits_for.add_done_callback(lambda _done: self.start(work, name=name))


class PaperStore:
    """A database in memory, and a writer that writes at once, both answering without a thread or a loop.

    `broken` is what the writer fails with; with `held` set, it writes when the test says so.
    """

    def __init__(self, clockwork: Clockwork) -> None:
        self._clock = clockwork
        self._engine = create_engine("sqlite://", poolclass=StaticPool)
        metadata.create_all(self._engine)
        self.broken: StoreDown | None = None
        self.held = False
        self._waiting: list[Callable[[], None]] = []

    @property
    def dialect(self) -> str:
        return "sqlite"

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def down(self) -> bool:
        return self.broken is not None

    async def read(self, query: Callable[[Connection], Any]) -> Any:
        return self.ask(query)

    async def write(self, change: Callable[[Connection], Any]) -> Any:
        return self.ask(change)

    def ask(self, query: Callable[[Connection], Any]) -> Any:
        """Run a query at once."""
        with self._engine.begin() as connection:
            return query(connection)

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """Return everything in a table."""
        return [dict(row) for row in self.ask(lambda c: c.execute(select(table)).mappings().all())]

    def submit(
        self, journal: Journal[Any, Any], operation: Any, *, patience_seconds: float
    ) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.Future(loop=cast("asyncio.AbstractEventLoop", self._clock))
        self._waiting.append(lambda: self._write(journal, operation, patience_seconds, future))
        if not self.held:
            self.write_all()
        return future

    def write_all(self) -> None:
        """Write what waits."""
        waiting, self._waiting = self._waiting, []
        for write in waiting:
            write()

    def _write(
        self, journal: Journal[Any, Any], operation: Any, patience_seconds: float, future: Any
    ) -> None:
        if self.broken is not None and patience_seconds == math.inf:
            self._waiting.append(lambda: self._write(journal, operation, patience_seconds, future))
            return
        if self.broken is not None:
            future.set_exception(self.broken)
            return
        answer = self.ask(lambda connection: journal.apply(connection, [operation]))[0]
        if isinstance(answer, Refusal):
            future.set_exception(answer)
        else:
            future.set_result(answer)

    async def aclose(self, deadline_seconds: float = 0.0) -> None:
        self._engine.dispose()


async def nothing(_settling: object) -> None:
    """Wait for nothing: on paper no time passes meanwhile."""


class PaperDiary:
    """What became of sessions: (what, session id, how)."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, str]] = []

    def began(self, session: Session) -> None:
        self.entries.append(("began", session.session_id, ""))

    def spends(self, session: Session) -> None:
        """Nobody is told how minutes are shared."""

    def resumed(self, session: Session) -> None:
        self.entries.append(("resumed", session.session_id, ""))

    def ended(self, session: Session, state: State, reason: str) -> None:
        self.entries.append(("ended", session.session_id, f"{state.value} {reason}"))


def caption(text: str, start: float = 0.0, end: float = 1.0) -> Caption:
    return Caption(text, start, end, (), text)


def settings(**changes: Any) -> Settings:
    """Return settings that depend on no environment file."""
    return Settings(_env_file=None, **{"data_dir": Path("unused"), **changes})


class Scribe(UpperEngine):
    """Writes Italian too, which nobody speaks here."""

    def pairs(self, settings: EngineSettings) -> list[tuple[str, str]]:
        return [*super().pairs(settings), ("en", "it")]


def catalogue() -> Catalogue:
    """English is heard, put into Spanish, French and Italian, and spoken as all but the last."""
    chosen = EngineSettings(("counting",), ("upper",), ("hum",))
    return Catalogue(chosen, [CountingEngine(), Scribe(), HumEngine()])


class Guest:
    """One client of a rehearsal."""

    def __init__(self, rehearsal: "Rehearsal", request: live.Request, address: str) -> None:
        self._rehearsal = rehearsal
        self.wire = PaperWire(address)
        rehearsal.stage.door.arrive(address)
        self.socket = LiveSocket(rehearsal.stage, request, self.wire)
        self.gone = False
        self.connected: dict[str, Any] = {}

    def says(self, **message: Any) -> None:
        self.socket.receive_text(orjson.dumps(message).decode())
        self._rehearsal.settle()

    def sends(self, *payloads: bytes) -> None:
        self.socket.receive_binary(list(payloads))
        self._rehearsal.settle()

    def hears(self, *types: str) -> list[Any]:
        """Return what came since the last call, of the given types if any are given."""
        self._rehearsal.settle()
        return [m for m in self.wire.taken() if not types or (isinstance(m, dict) and m["type"] in types)]

    def finals(self) -> list[tuple[int, str]]:
        """Return (offset, text) of the finals that came since the last call."""
        return [(m["offset"], m["text"]) for m in self.hears("subtitle") if m["is_final"]]

    def authenticates(self, bearer: str, resume: Any = None) -> dict[str, Any]:
        """Send the first message; return the first answer. What else came stays to be heard."""
        message = {"type": "authenticate", "token": bearer} | ({"resume": resume} if resume else {})
        self.says(**message)
        answers = read(b"".join(self.wire.writes))
        self.connected = answers[0]
        self.wire.writes = self.wire.writes[1:]
        return self.connected

    def leaves(self, code: int = 1006) -> None:
        """Let the connection end."""
        assert not self.gone
        self.gone = True
        self.socket.closed(self.wire.close_code or code)
        self._rehearsal.settle()

    @property
    def position(self) -> dict[str, Any]:
        """Return where this client would resume if nothing had come since it connected."""
        return {name: self.connected[name] for name in ("session_id", "epoch", "offset")}


class Rehearsal:
    """A hub with its door and its alarms, and guests that come to it."""

    def __init__(self, **changes: Any) -> None:
        self.clock = Clockwork()
        self.pool = PaperPool()
        self.settings = settings(**changes)
        self.diary = PaperDiary()
        self.hub = Hub(self.settings, cast("WorkerPool", self.pool), self.clock.loop, self.diary)
        self.guests: list[Guest] = []
        self.store = PaperStore(self.clock)
        plans, alarms = load_plans(self.settings), Alarms(self.clock.loop)
        self.slices = (f"slice_{number}" for number in itertools.count())
        self.till = Till(
            self.store, plans, "boot_paper", alarms, self.clock, lambda _prefix: next(self.slices), nothing
        )
        self.stage = Stage(
            hub=self.hub,
            keys=KEYS,
            door=DoorLimits(self.settings, MemoryRates(self.clock.time)),
            limits=live.Limits(
                authenticate_seconds=self.settings.authenticate_seconds,
                session_seconds_max=self.settings.session_minutes_max * 60,
                idle_seconds_max=self.settings.session_idle_minutes * 60,
            ),
            alarms=alarms,
            catalogue=catalogue(),
            till=self.till,
            usage=UsageBook(self.store, plans, apart_seconds=0.0),
            tasks=PaperTasks(),
            metering=self.settings.channel_metering,
        )

    def arrives(
        self, kind: str = "subtitles", channel: str = "main", address: str = "192.0.2.1", **query: str
    ) -> Guest:
        """Let a client connect, without a token yet."""
        if kind != "publish":
            query.setdefault("target_lang", "en")
        guest = Guest(self, parse_request(Kind(kind), channel, query), address)
        self.guests.append(guest)
        return guest

    def joins(
        self,
        kind: str = "subtitles",
        channel: str = "main",
        user: str = "dana",
        role: Role = Role.CREATOR,
        plan: Plan = Plan.ENTERPRISE,
        tenant: str = "default",
        resume: Any = None,
        **query: str,
    ) -> Guest:
        """Let a client connect and authenticate, and assert that it is welcome."""
        guest = self.arrives(kind, channel, **query)
        answer = guest.authenticates(token(user, role, plan, tenant=tenant), resume)
        assert answer["type"] == "connected", answer
        return guest

    def settle(self) -> None:
        """Run what was called for, and tell sockets that were closed."""
        self.clock.turn()
        for guest in self.guests:
            if guest.wire.close_code and not guest.gone:
                guest.leaves()

    def passes(self, seconds: float, sweep: bool = True) -> None:
        """Let time pass, with the hub's sweep at its end."""
        self.clock.advance(seconds)
        if sweep:
            self.hub.sweep()
        self.settle()

    def channel(self, channel_id: str = "main", tenant: str = "default") -> Channel:
        return self.hub.channels[Key(tenant, channel_id)]

    def session(self, guest: Guest) -> Session:
        return self.hub.sessions[guest.connected["session_id"]]
