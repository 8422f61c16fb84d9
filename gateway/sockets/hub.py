"""The hub: every channel and every live session of this process, and what becomes of them with time.

Invariant: a session is found by its id only by the user it belongs to, and only within its grace time.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from gateway.fanout.archive import Archive
from gateway.fanout.broadcast import Broadcast
from gateway.fanout.channel import Channel, Key
from gateway.ids import new_id
from gateway.metering.consumption import Spender
from gateway.metering.purse import Purse
from gateway.metrics import CHANNELS
from gateway.settings import Settings
from gateway.workers.pool import WorkerPool
from media.engines.base import primary
from sessions import publishing
from sessions.history import HistoryLimits
from sessions.lifetimes import BY_ADMIN, IDLE, State
from sessions.live import Kind

SWEEP_SECONDS = 5.0
SETTLE_SECONDS = 3.0
"""For who brings a stream to come back before what was heard becomes final: a sentence is cut only then."""


class Connection(Protocol):
    """The socket that a session has now."""

    @property
    def spender(self) -> Spender | None:
        """What its user's minutes talk to."""

    @property
    def active_at(self) -> float:
        """When something was last sent or received, in seconds of the event loop's clock."""

    def supersede(self) -> None:
        """Give way to the next connection of this session, or of this publisher."""

    def stream_started(self, source_lang: str) -> None:
        """The channel's stream has started: refuse if nothing translates from its language, else pay."""

    def end_by_admin(self) -> None:
        """Close: an admin has ended the session."""

    def end_as_idle(self) -> None:
        """Close: the session was taken for idle."""


class Diary(Protocol):
    """Where it is written down what becomes of sessions."""

    def began(self, session: "Session") -> None:
        """A session has begun."""

    def spends(self, session: "Session") -> None:
        """A session is about to ask for its first minutes, of which its user's live sessions have shares."""

    def resumed(self, session: "Session") -> None:
        """A session goes on in another connection."""

    def ended(self, session: "Session", state: State, reason: str) -> None:
        """A session is over."""


@dataclass(slots=True, eq=False)
class Session:
    """A live session, which outlasts its connection by the grace time. `own` is the broadcast that it
    brings itself: a publisher's, or a personal stream's; `purse` what it pays with, None until it pays;
    `outcome` what it comes to if its connection does not come back; `joined` the epoch and offset from which
    on it has followed its topic."""

    session_id: str
    user: str
    tenant: str
    plan: str
    kind: Kind
    channel: Channel
    started_at: float
    socket: Connection | None = None
    lost_at: float = 0.0
    outcome: tuple[State, str] = (State.INTERRUPTED, "lost")
    settled: bool = False
    own: Broadcast | None = None
    payload_bytes: int = 0
    ended: bool = False
    purse: Purse | None = None
    joined: tuple[str, int] | None = None

    def seconds(self) -> tuple[float, float]:
        """Return seconds of media that it was sent or has brought, and of those that were charged."""
        spent = self.purse.spent if self.purse is not None else None
        brought = self.own.received_seconds if self.own is not None else 0.0
        if spent is None:
            return brought, 0.0
        return max(brought, spent.media_ms / 1000), spent.billed_ms / 1000

    @property
    def media_ms(self) -> int:
        """Media that it was sent or has brought."""
        return round(self.seconds()[0] * 1000)


@dataclass(slots=True)
class Hub:
    """Channels by key, broadcasts by channel, sessions by id."""

    settings: Settings
    pool: WorkerPool
    loop: asyncio.AbstractEventLoop
    diary: Diary
    archive: Archive | None = None
    channels: dict[Key, Channel] = field(default_factory=dict)
    broadcasts: dict[Key, Broadcast] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)

    @property
    def default_source_lang(self) -> str:
        """What is spoken where nobody said."""
        return primary(self.settings.default_source_lang)

    def channel(self, key: Key) -> Channel:
        """Return a channel, made at its first use."""
        channel = self.channels.get(key)
        if channel is None:
            channel = self.channels[key] = self._new_channel(key, personal=False)
        channel.used_at = self.loop.time()
        return channel

    def personal_channel(self, key: Key) -> Channel:
        """Return a channel that only its session knows."""
        return self._new_channel(key, personal=True)

    def session_of(self, session_id: str, user: str, tenant: str, kind: Kind, key: Key) -> Session | None:
        """Return a session that may be resumed: this user's, of this kind and channel, not one whose own
        stream has failed."""
        session = self.sessions.get(session_id)
        if session is None or session.ended:
            return None
        if (session.user, session.tenant, session.kind, session.channel.key) != (user, tenant, kind, key):
            return None
        if session.channel.personal and session.own is not None and session.own.failed:
            return None
        return session

    def publisher_of(self, key: Key, user: str) -> Session | None:
        """Return the session with which this user publishes on a channel now."""
        channel = self.channels.get(key)
        if channel is None or channel.publishing.state != "live" or channel.publishing.user != user:
            return None
        return self.sessions.get(channel.publishing.session_id)

    def publish(self, session: Session, source_lang: str) -> None:
        """Let a session's user bring the channel's stream: a new one, or the one it had.

        Raises ChannelBusy. A connection that held it is told that it was superseded.
        """
        channel = session.channel
        channel.publishing, claimed = publishing.claim(
            channel.publishing, session.user, session.session_id, self.loop.time()
        )
        old = self.broadcasts.get(channel.key)
        if old is not None and not claimed.new_stream and not old.closing and old.source_lang == source_lang:
            session.own = old
            self._supersede(claimed.superseded, session)
            channel.announce()
            return
        self._supersede(claimed.superseded, session)
        if old is not None and not old.ended:
            old.source = None
            old.end()
        session.payload_bytes = 0
        session.own = self.broadcasts[channel.key] = self._new_broadcast(channel, source_lang)
        channel.start(session.own.stream_id, source_lang)
        for follower in list(self.sessions.values()):
            if (
                follower.channel is channel
                and follower.socket is not None
                and follower.kind is not Kind.PUBLISH
            ):
                follower.socket.stream_started(source_lang)
        CHANNELS.set(len(self.broadcasts))

    def start_personal(self, session: Session, source_lang: str) -> Broadcast:
        """Give a session a stream, and a channel, of its own."""
        channel = self.personal_channel(session.channel.key)
        channel.publishing = publishing.Publishing("live", session.user, session.session_id)
        session.channel = channel
        session.own = self._new_broadcast(channel, source_lang)
        channel.stream_id, channel.source_lang = session.own.stream_id, source_lang
        return session.own

    def retarget(self, channel: Channel) -> None:
        """Have a channel's broadcast make what its followers want now."""
        broadcast = self.broadcasts.get(channel.key)
        if broadcast is not None and broadcast.channel is channel:
            broadcast.retarget(self.loop.time())

    def enter(self, session: Session, socket: Connection) -> None:
        """Give a session its connection: its first, or its next."""
        session.socket = socket
        if session.purse is not None:
            session.purse.hold(socket.spender)
        if session.session_id in self.sessions:
            self.diary.resumed(session)
        else:
            self.sessions[session.session_id] = session
            self.diary.began(session)

    def lost(self, session: Session) -> None:
        """A session's connection broke: keep it for the grace time."""
        now = self.loop.time()
        if session.purse is not None:
            session.purse.pause()
        session.socket, session.lost_at, session.settled = None, now, False
        channel = session.channel
        channel.used_at = now
        if session.own is None:
            return
        session.own.source = None
        if session.kind is Kind.PUBLISH:
            before = channel.publishing
            channel.publishing = publishing.lost(
                before, session.session_id, self.settings.resume_grace_seconds, now
            )
            if channel.publishing is not before:
                channel.announce()

    def end_by_admin(self, session_id: str) -> None:
        """End a session, and tell its connection, if it is one of this process."""
        session = self.sessions.get(session_id)
        if session is None:
            return
        if session.socket is not None:
            session.socket.end_by_admin()
        self.end(session, State.ENDED_BY_ADMIN, BY_ADMIN)

    def end_as_idle(self, session_id: str) -> None:
        """Tell a session that was taken for idle, if it is one of this process, to begin anew."""
        session = self.sessions.get(session_id)
        if session is None:
            return
        if session.socket is not None:
            session.socket.end_as_idle()
        self.end(session, State.INTERRUPTED, IDLE)

    def end(self, session: Session, state: State, reason: str) -> None:
        """A session is over for good."""
        if session.ended:
            return
        self._close(session, state, reason)
        channel = session.channel
        channel.used_at = self.loop.time()
        if session.own is None:
            return
        if session.kind is Kind.PUBLISH:
            if channel.publishing.session_id != session.session_id:
                return
            channel.publishing = publishing.ended(channel.publishing, session.session_id)
            channel.announce()
            self.broadcasts.pop(channel.key, None)
            CHANNELS.set(len(self.broadcasts))
        if not session.own.ended:
            session.own.source = None
            session.own.end()

    def sweep(self) -> None:
        """Finish what lost sessions said, end those whose grace is over, and forget channels that nobody has
        used for long."""
        now = self.loop.time()
        for session in list(self.sessions.values()):
            if session.socket is not None:
                continue
            if now - session.lost_at >= self.settings.resume_grace_seconds:
                self.end(session, *session.outcome)
            elif now - session.lost_at >= SETTLE_SECONDS and not session.settled:
                session.settled = True
                if session.own is not None and not session.own.ended:
                    session.own.finalize()
        held = {session.channel for session in self.sessions.values()}
        for key, channel in list(self.channels.items()):
            if key in self.broadcasts:
                self.retarget(channel)
            elif channel not in held and now - channel.used_at >= self.settings.channel_idle_seconds:
                del self.channels[key]

    def _supersede(self, session_id: str | None, successor: Session) -> None:
        old = self.sessions.get(session_id or "")
        if old is not None and old is not successor:
            self._close(old, State.COMPLETED, "superseded")
            if old.socket is not None:
                old.socket.supersede()

    def _close(self, session: Session, state: State, reason: str) -> None:
        """Settle a session, and forget it."""
        session.ended = True
        self.sessions.pop(session.session_id, None)
        if session.purse is not None:
            session.purse.close()
        self.diary.ended(session, state, reason)

    def _new_channel(self, key: Key, *, personal: bool) -> Channel:
        limits = HistoryLimits(self.settings.history_finals_max, self.settings.history_bytes_max)
        return Channel(key, self.default_source_lang, limits, self.loop, personal, archive=self.archive)

    def _new_broadcast(self, channel: Channel, source_lang: str) -> Broadcast:
        return Broadcast(channel, new_id("s")[:10], source_lang, self.pool, self.loop.time())
