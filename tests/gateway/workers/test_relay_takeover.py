"""Proof by simulation: whatever happens when, nothing is lost and nothing is said twice."""

from collections import deque
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.workers.relay import Event, Gap, Relay, RelayLimits
from media import link
from media.link import BYTES_PER_SECOND
from media.places import ForStream
from tests.gateway.workers.fakes import EN, EN_ES, FakePipeline, speech, texts_of

UTTERANCE_BYTES = 40
SPEECH = speech(0.5)
LIMITS = RelayLimits(credit_bytes=100, full_bytes=300, texts_max=6, marks_max=4, wait_seconds_max=10.0)
BOTH: link.Wanted = {"en": ("pcm_s16le",), "es": ("pcm_s16le", "ogg_opus")}


def bytes_of(start: float, end: float) -> range:
    return range(round(start * BYTES_PER_SECOND), round(end * BYTES_PER_SECOND))


class LaggingPipeline(FakePipeline):
    """Commits when told to, or at the end; hears only so much at a time."""

    utterance_bytes = UTTERANCE_BYTES

    def __init__(self, opened: link.Open, interim_bytes: int) -> None:
        self.interim_bytes = interim_bytes
        self.said: deque[link.FromWorker] = deque()
        self.inbox_now: deque[ForStream] = deque()
        self.commits: deque[link.FromWorker] = deque()
        super().__init__(opened, self.put)

    def put(self, message: link.FromWorker) -> None:
        if isinstance(message, link.Committed | link.TextDone):
            self.commits.append(message)
            return
        if isinstance(message, link.Ended):
            self.commit(len(self.commits))
        self.said.append(message)

    def commit(self, count: int) -> None:
        for _ in range(min(count, len(self.commits))):
            self.said.append(self.commits.popleft())


class TakeOvers(RuleBasedStateMachine):
    """A relay, a client, and workers that come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.relay = Relay(1, "en", LIMITS)
        self.relay.set_targets(BOTH)
        self.worker: LaggingPipeline | None = None
        self.hired = 0
        self.now = 0.0
        self.sent = 0
        self.marks: dict[int, int] = {}
        self.texts: list[int] = []
        self.closed = False
        self.told: list[Event] = []

    # --- the client

    @precondition(lambda self: not self.closed)
    @rule(count=st.integers(1, 150))
    def speak(self, count: int) -> None:
        pcm = SPEECH[self.sent : self.sent + count]
        self.sent += len(pcm)
        self.relay.receive_audio(pcm, self.now)

    @precondition(lambda self: not self.closed)
    @rule()
    def finalize(self) -> None:
        self.marks[self.relay.finalize()] = self.sent & ~1

    @precondition(lambda self: not self.closed and self.worker is not None)
    @rule(count=st.integers(1, 30))
    def lose_after_the_answer_to_a_mark(self, count: int) -> None:
        """The cut was made and answered, but not committed."""
        self.finalize()
        self.work(100, 0, 1000)
        self.lose()
        self.speak(count)
        self.assign()

    @precondition(lambda self: not self.closed)
    @rule(count=st.integers(1, 500))
    def speak_to_nobody(self, count: int) -> None:
        """No worker comes for longer than the relay waits."""
        if self.worker is not None:
            self.lose()
        self.speak(count)
        self.wait()
        self.assign()

    @precondition(lambda self: not self.closed)
    @rule()
    def write(self) -> None:
        self.texts.append(self.relay.send_text("words", 0.0, 1.0))

    @rule(wanted=st.sampled_from([EN, EN_ES, BOTH]))
    def choose_languages(self, wanted: link.Wanted) -> None:
        self.relay.set_targets(wanted)

    @precondition(lambda self: len(self.told) > 20)
    @rule()
    def close(self) -> None:
        self.closed = True
        self.relay.close()

    # --- the workers

    @precondition(lambda self: self.worker is None)
    @rule()
    def assign(self) -> None:
        self.relay.assigned()
        self.move()

    @rule()
    def move(self) -> None:
        for message in self.relay.outgoing():
            if isinstance(message, link.Open):
                self.hired += 1
                self.worker = LaggingPipeline(message, interim_bytes=(12, 7)[self.hired % 2])
            elif self.worker is not None and not isinstance(message, link.Drop):
                self.worker.inbox_now.append(message)

    @precondition(lambda self: self.worker is not None)
    @rule(takes=st.integers(1, 4), commits=st.sampled_from([0, 0, 0, 4]), delivered=st.integers(0, 30))
    def work(self, takes: int, commits: int, delivered: int) -> None:
        """Let the worker do something, commit some of it, and have some of what it said arrive."""
        self.move()
        assert self.worker is not None
        for _ in range(min(takes, len(self.worker.inbox_now))):
            self.worker.take(self.worker.inbox_now.popleft())
        self.worker.commit(commits)
        for _ in range(min(delivered, len(self.worker.said))):
            self.relay.receive(self.worker.said.popleft())
        self.told += self.relay.events()

    @precondition(lambda self: self.worker is not None)
    @rule()
    def lose(self) -> None:
        """What it had said and was not delivered is gone with it."""
        self.worker = None
        self.relay.worker_lost()

    def wait(self) -> None:
        for _ in range(2):
            self.now += LIMITS.wait_seconds_max
            self.relay.handle_time(self.now)
        self.told += self.relay.events()

    # --- what must hold

    def finals(self, lang: str, origin: link.Origin) -> list[link.Final]:
        return [e for e in self.told if isinstance(e, link.Final) and e.lang == lang and e.origin == origin]

    @invariant()
    def nothing_is_said_twice_or_out_of_order(self) -> None:
        for lang in ("en", "es"):
            for origin in ("speech", "text"):
                numbers = [final.utterance for final in self.finals(lang, origin)]
                assert numbers == sorted(set(numbers))
        voices: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
        for event in self.told:
            if isinstance(event, link.Voice):
                key = event.origin, event.lang, event.encoding
                voices.setdefault(key, []).append((event.utterance, event.block))
        assert all(spoken == sorted(set(spoken)) for spoken in voices.values())

    @invariant()
    def interims_only_grow_until_the_final(self) -> None:
        shown: dict[tuple[str, int], tuple[int, float]] = {}
        for event in self.told:
            if isinstance(event, link.Interim):
                key, now = (event.lang, event.utterance), (event.rev, event.caption.end)
                before = shown.get(key, (-1, 0.0))
                assert before[0] < now[0]
                assert before[1] < now[1]
                shown[key] = now
            elif isinstance(event, link.Final) and event.origin == "speech":
                shown[event.lang, event.utterance] = (10**9, 0.0)

    @invariant()
    def memory_is_bounded(self) -> None:
        if not self.relay.over:
            kept = self.relay.received_bytes - self.relay.committed_bytes
            assert self.relay.buffered_bytes == kept
        if self.worker is not None:
            waiting = sum(len(m.pcm) for m in self.worker.inbox_now if isinstance(m, link.Audio))
            assert waiting <= LIMITS.credit_bytes

    def teardown(self) -> None:
        """Let it all come to its end, and compare with an undisturbed run."""
        self.close()
        while not self.relay.over:
            if self.worker is None:
                self.assign()
            self.work(100, 100, 1000)
        self.told += self.relay.events()

        assert isinstance(self.told[-1], link.Ended)
        said = [caption for final in self.finals("en", "speech") for caption in final.captions]
        spans = [bytes_of(caption.start, caption.end) for caption in said]
        assert all(before.stop <= after.start for before, after in pairwise(spans))
        gaps = [bytes_of(gap.from_seconds, gap.to_seconds) for gap in self.told if isinstance(gap, Gap)]
        assert not set(range(self.sent & ~1)).difference(*spans, *gaps)
        if not gaps:
            wanted = texts_of(SPEECH[: self.sent & ~1], self.marks.values(), UTTERANCE_BYTES)
            assert [caption.text for caption in said] == [f"en:{text}" for text in wanted]
            assert [final.utterance for final in self.finals("en", "text")] == self.texts
        marks = [e.mark for e in self.told if isinstance(e, link.Finalized)]
        assert marks == list(self.marks)


TestTakeOvers = TakeOvers.TestCase
TestTakeOvers.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
