"""One stream in a worker: audio and texts in, captions and voices out; without socket and without clock.

Promises: what is sent as final depends on the audio, its place in the stream and the carried state only,
not on how it was divided or on when it came. Finals of a language come in order of utterances, and
`Committed` comes after everything before it has been sent in every language.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import assert_never

from media import link
from media.delivery import Delivery
from media.engines.stock import EngineSet
from media.hearing import Heard, Hearing, Rest, Utterance
from media.interims import Interims

__all__ = ["EngineSet", "Pipeline"]

UNSETTLED_MAX = 8
"""Utterances and marks that may wait for their translations and voices before hearing waits for them."""

Received = link.Audio | link.Targets | link.Text | link.Finalize | link.Close
Settlement = tuple[list[asyncio.Task[None]], list[link.FromWorker]]


class Pipeline:
    """One stream: give it messages with `receive`, run it until it ends or is cancelled (`Drop`)."""

    def __init__(
        self, opened: link.Open, engines: EngineSet, emit: Callable[[link.FromWorker], None]
    ) -> None:
        self.backlog_bytes = 0
        self._opened = opened
        self._stream = opened.stream
        self._engines = engines
        self._emit = emit
        self._inbox: deque[Received] = deque()
        self._arrived = asyncio.Event()
        self._received_bytes = opened.offset_bytes
        self._settling: asyncio.Queue[Settlement] = asyncio.Queue(UNSETTLED_MAX)

    def receive(self, message: Received) -> None:
        """Take a message, at once; `backlog_bytes` counts what waits, and the sender's credit bounds it."""
        self.backlog_bytes += _size(message)
        self._inbox.append(message)
        self._arrived.set()

    async def run(self) -> None:
        """Work until `Close` has been answered with `Ended`. An engine's failure never ends it."""
        hearing = Hearing(
            self._engines,
            self._opened.source_lang,
            offset_bytes=self._opened.offset_bytes,
            number=self._opened.utterance,
            state=self._opened.state,
            guess=self._guessed,
            warn=lambda code, detail: self._emit(link.Warned(self._stream, code, detail)),
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                self._delivery = Delivery(self._opened, self._engines, self._emit, tasks)
                self._interims = Interims(self._opened, self._engines, self._emit, tasks)
                tasks.create_task(self._settle(), name=f"stream {self._stream} settles")
                await self._work(hearing)
        finally:
            await hearing.aclose()

    async def _work(self, hearing: Hearing) -> None:
        opened = False
        while True:
            while not self._inbox:
                self._arrived.clear()
                await self._arrived.wait()
            message = self._inbox.popleft()
            if isinstance(message, link.Audio) and not opened:
                opened = True
                await hearing.open()
            await self._take(message, hearing)
            self.backlog_bytes -= _size(message)
            if isinstance(message, link.Close):
                return

    async def _take(self, message: Received, hearing: Hearing) -> None:
        match message:
            case link.Audio():
                await self._hear(message, hearing)
            case link.Targets(targets=targets):
                self._delivery.targets = dict(targets)
            case link.Text():
                done: list[link.FromWorker] = [link.TextDone(self._stream, message.number)]
                await self._settling.put((self._delivery.text(message), done))
            case link.Finalize(mark=mark):
                await self._heard(await hearing.cut())
                await self._settling.put(([], [link.Finalized(self._stream, mark)]))
            case link.Close():
                async for heard in hearing.end():
                    await self._heard(heard)
                await self._settling.put(([], [link.Ended(self._stream)]))
            case _:
                assert_never(message)

    async def _hear(self, audio: link.Audio, hearing: Hearing) -> None:
        """Hear what is new in the message; where audio is missing before it, the utterance ends."""
        pcm, end = audio.pcm, audio.offset_bytes + len(audio.pcm)
        if audio.offset_bytes > self._received_bytes:
            await self._heard(await hearing.cut())
            hearing.jump(audio.offset_bytes)
            lost = (audio.offset_bytes - self._received_bytes) / link.BYTES_PER_SECOND
            self._delivery.warn("audio_missing", f"{lost:.2f} s of audio did not arrive.")
        elif audio.offset_bytes < self._received_bytes:
            pcm = pcm[self._received_bytes - audio.offset_bytes :]
        if pcm:
            self._received_bytes = end
            async for heard in hearing.hear(pcm):
                await self._heard(heard)
        self._emit(link.Progress(self._stream, self._received_bytes))

    def _guessed(self, heard: Heard) -> None:
        self._interims.heard(heard, self._delivery.targets)

    async def _heard(self, heard: Utterance | Rest) -> None:
        tasks: list[asyncio.Task[None]] = []
        number = heard.number
        if isinstance(heard, Utterance):
            self._interims.over()
            tasks = self._delivery.utterance(heard)
            number += 1
        # At the end of a stream the last frame is filled with silence that nobody sent.
        offset_bytes = min(heard.offset_bytes, self._received_bytes)
        committed = link.Committed(self._stream, offset_bytes, number, heard.state)
        await self._settling.put((tasks, [committed]))

    async def _settle(self) -> None:
        """Send what comes after work in the order of the work, when all of it is done."""
        while True:
            tasks, messages = await self._settling.get()
            if tasks:
                await asyncio.wait(tasks)
            for message in messages:
                self._emit(message)
                if isinstance(message, link.Ended):
                    return


def _size(message: Received) -> int:
    match message:
        case link.Audio(pcm=pcm):
            return len(pcm)
        case link.Text(text=text):
            return len(text)
        case _:
            return 0
