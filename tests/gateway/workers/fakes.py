"""A pipeline whose text follows from the audio and the carried state alone, and listeners to wait on.

An utterance is one second of audio, or what a `Finalize` or `Close` cuts off; its text is a digest over the
state and the samples, and the state is that digest: whoever takes over at the wrong byte, or with the wrong
state, says something else.
"""

import asyncio
import hashlib
import os
import signal
from collections.abc import Callable, Collection

from gateway.workers.relay import Event, Gap
from media import link
from media.captions import Caption
from media.link import BYTES_PER_SECOND
from media.places import Emit, ForStream, StreamPipeline

UTTERANCE_BYTES = BYTES_PER_SECOND
FRAME_BYTES = 640
INTERIM_BYTES = 12 * FRAME_BYTES
EN: link.Wanted = {"en": ()}
EN_ES: link.Wanted = {"en": (), "es": ("pcm_s16le",)}


def speech(seconds: float, seed: int = 1) -> bytes:
    """Return audio of which every part is unlike every other, in whole samples."""
    wanted = int(seconds * BYTES_PER_SECOND) & ~1
    blocks = (hashlib.sha256(f"{seed}/{number}".encode()).digest() for number in range(wanted // 32 + 1))
    return b"".join(blocks)[:wanted]


def digest(state: bytes, pcm: bytes) -> str:
    return hashlib.sha256(state + pcm).hexdigest()[:16]


def texts_of(pcm: bytes, cuts: Collection[int] = (), utterance_bytes: int = UTTERANCE_BYTES) -> list[str]:
    """Return what an undisturbed run says of the audio; `cuts` are positions of a `Finalize`."""
    texts, state, start = [], b"", 0
    while start < len(pcm):
        end = min([start + utterance_bytes, len(pcm), *[cut for cut in cuts if cut > start]])
        texts.append(digest(state, pcm[start:end]))
        state, start = texts[-1].encode(), end
    return texts


class FakePipeline:
    """Says what it hears in every wanted language, with a voice where one is wanted."""

    utterance_bytes = UTTERANCE_BYTES
    interim_bytes = INTERIM_BYTES

    def __init__(self, opened: link.Open, emit: Emit) -> None:
        self.emit = emit
        self.stream = opened.stream
        self.targets = opened.targets
        self.state = opened.state
        self.utterance = opened.utterance
        self.start = opened.offset_bytes
        self.heard = bytearray()
        self.rev = 0
        self.inbox: asyncio.Queue[ForStream] = asyncio.Queue()

    def receive(self, message: ForStream) -> None:
        self.inbox.put_nowait(message)

    async def run(self) -> None:
        while True:
            message = await self.inbox.get()
            if self.take(message):
                return

    def take(self, message: ForStream) -> bool:
        """Do what a message asks for; whether it was the last."""
        match message:
            case link.Audio():
                if message.offset_bytes != self.start + len(self.heard):
                    raise ValueError(
                        f"expected byte {self.start + len(self.heard)}, got {message.offset_bytes}"
                    )
                self.hear(message.pcm)
                self.emit(link.Progress(self.stream, self.start + len(self.heard)))
            case link.Targets():
                self.targets = message.targets
            case link.Text():
                for lang in self.targets:
                    captions = (Caption(f"{lang}:{message.text}", message.start, message.end),)
                    self.emit(link.Final(self.stream, message.number, lang, captions, "text"))
                self.emit(link.TextDone(self.stream, message.number))
            case link.Finalize():
                self.cut()
                self.emit(link.Finalized(self.stream, message.mark))
            case link.Close():
                self.cut()
                self.emit(link.Ended(self.stream))
                return True
        return False

    def hear(self, pcm: bytes) -> None:
        while pcm:
            known = len(self.heard)
            room = min(self.utterance_bytes, (known // self.interim_bytes + 1) * self.interim_bytes) - known
            self.heard += pcm[:room]
            pcm = pcm[room:]
            if len(self.heard) == self.utterance_bytes:
                self.cut()
            elif len(self.heard) % self.interim_bytes == 0:
                self.rev += 1
                for lang in self.targets:
                    self.emit(link.Interim(self.stream, self.utterance, self.rev, lang, self.caption(lang)))

    def caption(self, lang: str) -> Caption:
        end = self.start + len(self.heard)
        text = f"{lang}:{digest(self.state, bytes(self.heard))}"
        return Caption(text, self.start / BYTES_PER_SECOND, end / BYTES_PER_SECOND)

    def cut(self) -> None:
        if not self.heard:
            return
        for lang, voices in self.targets.items():
            caption = self.caption(lang)
            self.emit(link.Final(self.stream, self.utterance, lang, (caption,)))
            for encoding in voices:
                seconds = caption.end - caption.start
                voice = link.Voice(
                    self.stream, self.utterance, 0, lang, caption.start, seconds, 24_000, True, encoding,
                    caption.text.encode(),
                )  # fmt: skip
                self.emit(voice)
        self.state = digest(self.state, bytes(self.heard)).encode()
        self.start += len(self.heard)
        self.heard.clear()
        self.utterance += 1
        self.rev = 0
        self.emit(link.Committed(self.stream, self.start, self.utterance, self.state))


class Poisoned(FakePipeline):
    """Fails, or takes its whole process along, when a text says so."""

    def take(self, message: ForStream) -> bool:
        if isinstance(message, link.Text):
            if message.text == "fail":
                raise RuntimeError("told to fail")
            if message.text == "die":
                os.kill(os.getpid(), signal.SIGKILL)
        return super().take(message)


class Deaf(FakePipeline):
    """Takes everything and never answers."""

    def take(self, message: ForStream) -> bool:
        return False


class Stuck(FakePipeline):
    """Computes for ever once it has said that it begins; the event loop does not turn any more."""

    async def run(self) -> None:
        message = await self.inbox.get()
        self.emit(link.Progress(message.stream, 6400))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        while True:
            hashlib.sha256(bytes(1000)).digest()


class FakeEngines:
    """Makes pipelines of one kind."""

    def __init__(self, kind: type[FakePipeline] = Poisoned) -> None:
        self.kind = kind
        self.closed = False

    def pipeline(self, opened: link.Open, emit: Emit) -> StreamPipeline:
        return self.kind(opened, emit)

    async def aclose(self) -> None:
        self.closed = True


class Listener:
    """A session that remembers what it is told and can be waited on."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.writable_count = 0
        self._changed = asyncio.Event()

    def receive(self, event: Event) -> None:
        self.events.append(event)
        self._changed.set()

    def writable(self) -> None:
        self.writable_count += 1
        self._changed.set()

    async def until(self, reached: Callable[["Listener"], object], seconds: float = 20.0) -> None:
        """Wait until `reached` is true of this listener. Raises TimeoutError with what came instead."""
        try:
            async with asyncio.timeout(seconds):
                while not reached(self):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            raise TimeoutError(f"instead came: {self.events[-5:]}") from error

    async def ended(self) -> None:
        await self.until(lambda listener: listener.over)

    @property
    def over(self) -> bool:
        return any(isinstance(event, link.Ended | link.Failed) for event in self.events)

    @property
    def gaps(self) -> list[Gap]:
        return [event for event in self.events if isinstance(event, Gap)]

    def finals(self, lang: str, origin: link.Origin = "speech") -> list[link.Final]:
        return [
            event
            for event in self.events
            if isinstance(event, link.Final) and (event.lang, event.origin) == (lang, origin)
        ]

    def texts(self, lang: str, origin: link.Origin = "speech") -> list[str]:
        """Return the finals' texts without the language before them."""
        found = [caption.text for final in self.finals(lang, origin) for caption in final.captions]
        return [text.removeprefix(f"{lang}:") for text in found]

    def voices(self, lang: str) -> list[link.Voice]:
        return [event for event in self.events if isinstance(event, link.Voice) and event.lang == lang]

    def interims(self, lang: str) -> list[link.Interim]:
        return [event for event in self.events if isinstance(event, link.Interim) and event.lang == lang]
