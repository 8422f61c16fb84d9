"""One stream as the gateway sees it, whichever link carries it; knows no socket and no clock.

Invariant: whatever worker is lost, every byte of audio is committed once or reported in a `Gap`, and each
final, voice and mark of the stream is an event exactly once, in order. What a worker has not yet committed
stays here and goes to the next worker; what that worker then says again is recognised and left out.
"""

from collections import deque
from dataclasses import dataclass

from gateway.workers.said import Said
from gateway.workers.tape import Tape
from media import link
from media.link import BYTES_PER_SECOND
from media.link_format import check

AUDIO_BYTES_MAX = 1024 * 1024
"""Of one `Audio`: far under the link's frame limit."""
OWED_BYTES = BYTES_PER_SECOND // 2
"""Sent audio that a worker may hold without a word (less than a frame, or one hypothesis) before it owes."""


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """Bounds of one stream; an utterance is at most 6 s, so normally less than 10 s wait for their commit."""

    credit_bytes: int = 4 * BYTES_PER_SECOND  # how far audio may be sent ahead of what the worker has heard
    full_bytes: int = 30 * BYTES_PER_SECOND  # from here on the client should not be read
    texts_max: int = 64  # texts that are not done, from here on likewise
    marks_max: int = 64
    wait_seconds_max: float = 10.0  # full and without a worker for so long: the older half is given up


@dataclass(frozen=True, slots=True)
class Gap:
    """Audio (or a caption) of this part of the stream was given up: nobody will caption it."""

    stream: int
    from_seconds: float
    to_seconds: float
    reason: str


Event = (
    link.Interim | link.Final | link.Voice | link.Committed | link.TextDone | link.Finalized | link.Warned
    | link.Ended | link.Failed | Gap
)  # fmt: skip
"""What a session sees of its stream. `Ended` and `Failed` are the last event of a stream. `TextDone`, and
`Committed` (only those that finish an utterance pass), say that no more voices come for what is before."""


@dataclass(slots=True)
class _Mark:
    """A `Finalize`: after which byte it belongs, and how far it has come."""

    number: int
    position: int
    sent: bool = False  # to the present worker
    tried: bool = False  # sent to some worker, which may have cut there
    answered: bool = False


class Relay:
    """Takes what a client and the workers say about one stream; drained by `outgoing` and `events`.

    After each call that changes something the owner drains both. Messages of a worker that break the
    contract raise `link.LinkError`: the owner ends that worker.
    """

    def __init__(self, stream: int, source_lang: str, limits: RelayLimits) -> None:
        self.stream = stream
        self.source_lang = source_lang
        self._limits = limits
        self._targets: link.Wanted = {}
        self._events: list[Event] = []
        self._tape = Tape()  # starts where all is committed; what was given out is sent to the present worker
        self._processed = 0
        self._state = b""
        self._said = Said()
        self._texts: dict[int, link.Text] = {}
        self._texts_sent: set[int] = set()
        self._text_number = 0
        self._marks: deque[_Mark] = deque()
        self._mark_number = 0
        self._closing = False
        self._over = False
        self._waiting_since: float | None = None
        # of the present worker:
        self._attached = False
        self._open_due = False
        self._targets_due = False
        self._close_sent = False
        self._heard = 0
        check(self._opening())

    # --- what can be asked -------------------------------------------------------------------------

    @property
    def received_bytes(self) -> int:
        """Audio that came from the client."""
        return self._tape.end

    @property
    def processed_bytes(self) -> int:
        """Audio that some worker has heard; never goes back, also while a successor hears it again."""
        return self._processed

    @property
    def heard_bytes(self) -> int:
        """Audio that the present worker has heard."""
        return self._heard

    @property
    def committed_bytes(self) -> int:
        """Where a successor would start."""
        return self._tape.start

    @property
    def buffered_bytes(self) -> int:
        """Audio kept because it is not committed."""
        return len(self._tape)

    @property
    def attached(self) -> bool:
        """A worker has the stream."""
        return self._attached

    @property
    def over(self) -> bool:
        """`Ended` or `Failed` has come; nothing follows."""
        return self._over

    @property
    def full(self) -> bool:
        """The client should not be read until this is false again; what was already read is still taken."""
        return not self._over and (
            len(self._tape) >= self._limits.full_bytes or len(self._texts) >= self._limits.texts_max
        )

    @property
    def unfinished(self) -> bool:
        """A loss of the worker now would cost work: something sent to it is not committed."""
        return self._attached and (
            self._tape.next > self._tape.start or bool(self._texts_sent) or self._close_sent or self.owing
        )

    @property
    def owing(self) -> bool:
        """The worker has something of this stream that it must answer without hearing more."""
        return self._attached and (
            self._tape.next - self._heard >= OWED_BYTES
            or bool(self._texts_sent)
            or any(mark.sent and not mark.answered for mark in self._marks)
            or self._close_sent
        )

    # --- from the client ---------------------------------------------------------------------------

    def receive_audio(self, pcm: bytes, now: float) -> None:
        """Take s16le 16 kHz mono of any length (also half a sample); ignored once the stream is closed."""
        if self._closing or self._over:
            return
        self._tape.append(pcm)
        self.handle_time(now)

    def set_targets(self, targets: link.Wanted) -> None:
        """Replace the languages and voices that somebody wants. Raises LinkError for an impossible one."""
        check(link.Targets(self.stream, targets))
        if targets != self._targets:
            self._targets = dict(targets)
            self._targets_due = True

    def send_text(self, text: str, start: float, end: float) -> int:
        """Have a caption translated and spoken; its number is the `utterance` of the finals it gives.

        Raises LinkError for an impossible one (times not from 0, far too long, not text).
        """
        message = link.Text(self.stream, self._text_number, text, start, end)
        check(message)
        if not (self._closing or self._over):
            self._text_number += 1
            self._texts[message.number] = message
            self._said.text_sent(message.number)
        return message.number

    def finalize(self) -> int:
        """Ask for everything up to the audio received so far; gives the mark that `Finalized` will bear.

        Asked again before more audio came and before the answer, it is the same mark; and where too many
        wait already, the last of them moves to here.
        """
        position = self._tape.end & ~1
        last = self._marks[-1] if self._marks else None
        if last is not None and last.position == position and not (last.answered or self._texts):
            return last.number
        if self._closing or self._over:
            return self._mark_number
        if last is not None and len(self._marks) >= self._limits.marks_max and not last.tried:
            last.position = position
            return last.number
        self._mark_number += 1
        self._marks.append(_Mark(self._mark_number, position))
        return self._mark_number

    def close(self) -> None:
        """No more audio or text; `Ended` comes when everything has been said."""
        self._closing = True

    def handle_time(self, now: float) -> None:
        """Give up the older half of what waits once the stream is full and no worker came in time.

        To be called now and then while the stream has no worker (`now`: monotonic seconds).
        """
        if self._attached or self._over:
            self._waiting_since = None
            return
        if self._waiting_since is None:
            self._waiting_since = now
        if self.full and now - self._waiting_since >= self._limits.wait_seconds_max:
            self._give_up_oldest()

    # --- from the pool -----------------------------------------------------------------------------

    def assigned(self) -> None:
        """A worker takes the stream: `outgoing` opens it there and repeats what is not committed."""
        self._attached = True
        self._waiting_since = None
        self._open_due = True
        self._close_sent = False
        self._tape.rewind()
        self._heard = self._tape.start
        self._texts_sent.clear()
        for mark in self._marks:
            mark.sent = False
        self._said.worker_changed()

    def worker_lost(self) -> None:
        """The worker is gone; everything that it did not commit stays here."""
        self._attached = False

    def fail(self, reason: str) -> None:
        """Give the stream up: `Failed` is its last event."""
        if not self._over:
            self._events.append(link.Failed(self.stream, reason))
            self._finish()

    # --- from the worker ---------------------------------------------------------------------------

    def receive(self, message: link.FromWorker) -> None:
        """Take a message of the present worker. `Failed` is for the pool to judge, not for here."""
        if self._over or not self._attached:
            return
        match message:
            case link.Interim():
                if (interim := self._said.interim(message)) is not None:
                    self._events.append(interim)
            case link.Final():
                if self._said.final(message):
                    self._events.append(message)
            case link.Voice():
                if self._said.voice(message):
                    self._events.append(message)
            case link.Progress():
                self._hear(message.offset_bytes)
            case link.Committed():
                self._commit(message)
            case link.Finalized():
                self._receive_finalized(message)
            case _:
                self._receive_rest(message)

    def outgoing(self) -> list[link.ToWorker]:
        """Drain what the worker should be sent now, within its credit."""
        out: list[link.ToWorker] = []
        if not self._attached or self._over:
            return out
        if self._open_due:
            out.append(self._opening())
        elif self._targets_due:
            out.append(link.Targets(self.stream, dict(self._targets)))
        self._open_due = self._targets_due = False
        if len(self._texts_sent) < len(self._texts):
            out += [text for number, text in self._texts.items() if number not in self._texts_sent]
            self._texts_sent.update(self._texts)
        for mark in self._marks:
            if not mark.sent:
                if not self._send_audio(mark.position, out):
                    return out
                out.append(link.Finalize(self.stream, mark.number))
                mark.sent = mark.tried = True
        if self._send_audio(self._tape.end & ~1, out) and self._closing and not self._close_sent:
            out.append(link.Close(self.stream))
            self._close_sent = True
        return out

    def events(self) -> list[Event]:
        """Drain what the session should see, in order."""
        events, self._events = self._events, []
        return events

    # --- inside ------------------------------------------------------------------------------------

    def _opening(self) -> link.Open:
        targets = dict(self._targets)
        return link.Open(
            self.stream, self.source_lang, targets, self._tape.start, self._said.utterance, self._state
        )

    def _send_audio(self, position: int, out: list[link.ToWorker]) -> bool:
        """Send whole samples up to `position` as far as the credit goes; whether it went so far."""
        end = min(position, (self._heard + self._limits.credit_bytes) & ~1)
        while (sent := self._tape.next) < end:
            out.append(link.Audio(self.stream, sent, self._tape.take(min(end - sent, AUDIO_BYTES_MAX))))
        return self._tape.next >= position

    def _hear(self, offset: int) -> None:
        if offset > self._tape.next:
            raise link.LinkError(
                f"stream {self.stream} was heard up to byte {offset}, but sent only up to {self._tape.next}"
            )
        self._heard = max(self._heard, offset)
        self._processed = max(self._processed, offset)

    def _commit(self, message: link.Committed) -> None:
        if message.offset_bytes < self._tape.start or message.utterance < self._said.utterance:
            raise link.LinkError(f"stream {self.stream} was committed backwards")
        if message.offset_bytes % 2:
            raise link.LinkError(f"stream {self.stream} was committed within a sample")
        self._hear(message.offset_bytes)
        self._tape.forget(message.offset_bytes)
        self._state = message.state
        if message.utterance > self._said.utterance:
            self._events.append(message)
        self._said.committed(message.utterance)
        self._forget_marks()

    def _receive_finalized(self, message: link.Finalized) -> None:
        for mark in self._marks:
            if mark.number == message.mark and mark.sent:
                if not mark.answered:
                    mark.answered = True
                    self._events.append(message)
                break
        self._forget_marks()

    def _forget_marks(self) -> None:
        # An answered mark also cut an utterance: until that is committed, a successor must cut there too.
        while self._marks and self._marks[0].answered and self._marks[0].position <= self._tape.start:
            self._marks.popleft()

    def _receive_rest(self, message: link.FromWorker) -> None:
        match message:
            case link.TextDone(number=number):
                if self._texts.pop(number, None) is not None:
                    self._events.append(message)
                self._said.text_done(number)
                self._texts_sent.discard(number)
            case link.Warned():
                self._events.append(message)
            case link.Ended():
                if not self._close_sent:
                    raise link.LinkError(f"stream {self.stream} ended, but was not closed")
                self._events.append(message)
                self._finish()
            case _:
                raise link.LinkError(f"{type(message).__name__} is not about the course of a stream")

    def _give_up_oldest(self) -> None:
        """Make room by half: audio, and texts, as gaps."""
        start = self._tape.start
        # What was heard may have been said: heard again, by other bounds, it would be said twice.
        upto = max(self._processed, (self._tape.end - self._limits.full_bytes // 2) & ~1)
        if len(self._tape) >= self._limits.full_bytes:
            self._tape.forget(upto)
            # Numbers that viewers have seen belong to audio that is gone; what comes is another utterance.
            self._said.skip()
            self._forget_marks()
            self._events.append(
                Gap(self.stream, start / BYTES_PER_SECOND, upto / BYTES_PER_SECOND, "no_worker")
            )
        while len(self._texts) > self._limits.texts_max // 2:
            number = next(iter(self._texts))
            text = self._texts.pop(number)
            self._said.text_done(number)
            self._events.append(Gap(self.stream, text.start, text.end, "no_worker"))

    def _finish(self) -> None:
        self._over = True
        self._attached = False
        self._tape.forget(self._tape.end)
        self._texts.clear()
        self._marks.clear()
