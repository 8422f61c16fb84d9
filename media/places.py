"""The streams of one worker, whichever link carries them.

Invariant: what one stream's pipeline does wrong ends that stream alone, with `Failed`; and of a stream that
has ended, failed or been dropped nothing more is sent.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from media import link
from media.link_format import check

log = logging.getLogger(__name__)

REASON_CHARS_MAX = 500
PROGRESS_BYTES = link.BYTES_PER_SECOND // 10
"""Less than this is not worth a `Progress` of its own: the next heartbeat tells it."""

Emit = Callable[[link.FromWorker], None]
ForStream = link.Audio | link.Targets | link.Text | link.Finalize | link.Close


class StreamPipeline(Protocol):
    """One stream: see `media.pipeline.Pipeline`."""

    async def run(self) -> None:
        """Work until `Ended` is emitted."""

    def receive(self, message: ForStream) -> None:
        """Take a message, at once."""


class Engines(Protocol):
    """What a worker is warm with."""

    def pipeline(self, opened: link.Open, emit: Emit) -> StreamPipeline:
        """Make the pipeline of a stream."""

    async def aclose(self) -> None:
        """End what the engines started."""


class _Place:
    """What is known of one stream here; once it is forgotten nothing of it is sent any more."""

    def __init__(self, opened: link.Open) -> None:
        self.stream = opened.stream
        self.heard = self.told = opened.offset_bytes
        self.pipeline: StreamPipeline | None = None
        self.task: asyncio.Task[None] | None = None


class Places:
    """The streams of one worker, whichever link carries them: give it messages, it sends its own.

    `tasks` runs the pipelines; `send` takes each message at once, and raises LinkError for an impossible one.
    """

    def __init__(self, engines: Engines, send: Emit, tasks: asyncio.TaskGroup, streams_max: int) -> None:
        self._engines = engines
        self._send = send
        self._tasks = tasks
        self._streams_max = streams_max
        self._places: dict[int, _Place] = {}

    def __len__(self) -> int:
        return len(self._places)

    def receive(self, message: link.ToWorker) -> None:
        """Take a message; one for a stream that has ended here meanwhile is for nobody."""
        match message:
            case link.Open():
                self._open(message)
            case link.Drop():
                self._drop(message.stream)
            case _:
                place = self._places.get(message.stream)
                if place is None or place.pipeline is None:
                    return
                try:
                    place.pipeline.receive(message)
                except Exception as error:  # noqa: BLE001 - engines are made elsewhere: whatever they raise ends one stream only
                    self._fail(place, error)

    def heartbeat(self) -> None:
        """Repeat how far each stream was heard, so that slow work is not taken for a hang."""
        for place in self._places.values():
            self._send(link.Progress(place.stream, place.heard))

    def close(self) -> None:
        """Forget all streams."""
        for stream in list(self._places):
            self._drop(stream)

    def _open(self, opened: link.Open) -> None:
        self._drop(opened.stream)
        if len(self._places) >= self._streams_max:
            self._send(link.Failed(opened.stream, f"this worker takes only {self._streams_max} streams"))
            return
        place = self._places[opened.stream] = _Place(opened)
        try:
            place.pipeline = self._engines.pipeline(opened, lambda message: self._emit(place, message))
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(place, error)
            return
        place.task = self._tasks.create_task(self._run(place, place.pipeline), name=f"stream {opened.stream}")

    async def _run(self, place: _Place, pipeline: StreamPipeline) -> None:
        try:
            await pipeline.run()
        except asyncio.CancelledError:
            self._fail(place, RuntimeError("the pipeline was cancelled from within"))
            raise
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(place, error)
        else:
            self._fail(place, RuntimeError("the pipeline came to an end before its stream"))

    def _emit(self, place: _Place, message: link.FromWorker) -> None:
        if self._places.get(place.stream) is not place:
            return
        if isinstance(message, link.Progress):
            place.heard = message.offset_bytes
            if place.heard - place.told < PROGRESS_BYTES:
                return
            place.told = place.heard
        else:
            check(message)
        if isinstance(message, link.Ended):
            del self._places[place.stream]
        self._send(message)

    def _fail(self, place: _Place, error: Exception) -> None:
        if self._places.get(place.stream) is not place:
            return
        log.error("Stream %d failed", place.stream, exc_info=error)
        reason = f"{type(error).__name__}: {error}"[:REASON_CHARS_MAX]
        self._drop(place.stream)
        self._send(link.Failed(place.stream, reason.encode(errors="replace").decode()))

    def _drop(self, stream: int) -> None:
        place = self._places.pop(stream, None)
        if place is not None and place.task is not None:
            place.task.cancel()
