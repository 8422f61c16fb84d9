import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.workers.relay import RelayLimits
from gateway.workers.stream import Stream, StreamListener
from media import link
from media.link_format import Decoder, encode
from media.places import Places
from tests.gateway.workers.contract import LinkContract
from tests.gateway.workers.fakes import FakeEngines


class Loopback:
    """Relays joined to the places of a worker in the same process: the contract without any transport."""

    FAILURES_MAX = 2

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self._streams: dict[int, Stream] = {}
        self._failures: dict[int, int] = {}
        self._places = self._hire()

    def _hire(self) -> Places:
        places: list[Places] = []

        def send(message: link.FromWorker) -> None:
            asyncio.get_running_loop().call_soon(self._receive, places[0], encode(message))

        places.append(Places(FakeEngines(), send, self._tasks, streams_max=8))
        return places[0]

    def _receive(self, places: Places, frame: bytes) -> None:
        for message in Decoder[link.FromWorker](link.FromWorker).feed(frame):
            if places is not self._places or isinstance(message, link.Hello):
                continue  # said by one that is lost
            stream = self._streams[message.stream]
            if isinstance(message, link.Failed):
                self._failures[stream.number] = self._failures.get(stream.number, 0) + 1
                stream.relay.worker_lost()
                if self._failures[stream.number] > self.FAILURES_MAX:
                    stream.relay.fail(message.reason)
                else:
                    stream.relay.assigned()
            else:
                stream.relay.receive(message)
            self.touch(stream)

    def touch_soon(self, stream: Stream) -> None:
        self.touch(stream)

    def touch(self, stream: Stream) -> None:
        messages = [link.Drop(stream.number)] if stream.dropped else stream.relay.outgoing()
        for message in messages:
            for carried in Decoder[link.ToWorker](link.ToWorker).feed(encode(message)):
                self._places.receive(carried)
        stream.tell()

    def open_stream(self, source_lang: str, targets: link.Wanted, listener: StreamListener) -> Stream:
        stream = Stream(len(self._streams) + 1, source_lang, RelayLimits(), listener, self)
        self._streams[stream.number] = stream
        stream.set_targets(targets)
        stream.relay.assigned()
        self.touch(stream)
        return stream

    async def lose_worker(self, stream: Stream) -> None:
        self._places.close()
        self._places = self._hire()
        for other in self._streams.values():
            other.relay.worker_lost()
            if not other.over:
                other.relay.assigned()
                self.touch(other)

    def close(self) -> None:
        self._places.close()


class TestLoopback(LinkContract):
    @pytest.fixture
    async def crew(self) -> AsyncIterator[Loopback]:
        async with asyncio.TaskGroup() as tasks:
            loopback = Loopback(tasks)
            yield loopback
            loopback.close()
