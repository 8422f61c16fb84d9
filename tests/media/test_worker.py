import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from media import link
from media.captions import Caption
from media.engines.base import EngineSettings
from media.link_format import Decoder, encode
from media.places import Emit, Engines, ForStream, Places
from media.worker import main
from tests.gateway.workers.fakes import EN, FakeEngines, FakePipeline, speech


class Wild(FakePipeline):
    """Does what a text says, which is never right."""

    def __init__(self, opened: link.Open, emit: Emit) -> None:
        super().__init__(opened, emit)
        if opened.source_lang == "xx":
            raise ValueError("no recognizer for xx")

    def receive(self, message: ForStream) -> None:
        if isinstance(message, link.Text) and message.text == "at once":
            raise KeyError("at once")
        super().receive(message)

    def take(self, message: ForStream) -> bool:
        if isinstance(message, link.Text):
            match message.text:
                case "raise":
                    raise RuntimeError("x" * 1000)
                case "return":
                    return True
                case "cancel":
                    raise asyncio.CancelledError
                case "nonsense":
                    self.emit(link.Final(self.stream, 0, "en", (Caption("x", float("nan"), 1.0),)))
                case "group":
                    raise ExceptionGroup("several", [RuntimeError("one"), RuntimeError("two")])
        return super().take(message)


class Bench:
    """The places of a worker, and what they sent."""

    def __init__(self, engines: Engines, tasks: asyncio.TaskGroup, streams_max: int = 2) -> None:
        self.sent: list[link.FromWorker] = []
        self._changed = asyncio.Event()
        self.places = Places(engines, self.send, tasks, streams_max)

    def send(self, message: link.FromWorker) -> None:
        self.sent.append(message)
        self._changed.set()

    async def until(self, reached: Callable[[link.FromWorker], bool]) -> link.FromWorker:
        async with asyncio.timeout(10):
            while not (found := [message for message in self.sent if reached(message)]):
                self._changed.clear()
                await self._changed.wait()
        return found[0]


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    async with asyncio.TaskGroup() as tasks:
        made = Bench(FakeEngines(Wild), tasks)
        yield made
        made.places.close()


def opened(stream: int = 1, source_lang: str = "en") -> link.Open:
    return link.Open(stream, source_lang, EN)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise", "RuntimeError: xxx"),
        ("return", "the pipeline came to an end before its stream"),
        ("cancel", "the pipeline was cancelled from within"),
        ("nonsense", "LinkError: Final cannot be read"),
        ("group", "ExceptionGroup: several"),
        ("at once", "KeyError: 'at once'"),
    ],
)
async def test_whatever_a_pipeline_does_ends_its_own_stream_alone(text: str, reason: str) -> None:
    async with bench() as made:
        made.places.receive(opened(1))
        made.places.receive(opened(2))
        made.places.receive(link.Text(1, 0, text, 0.0, 1.0))
        failed = await made.until(lambda message: isinstance(message, link.Failed))
        made.places.receive(link.Audio(2, 0, speech(1)))
        made.places.receive(link.Close(2))
        await made.until(lambda message: message == link.Ended(2))

        assert isinstance(failed, link.Failed)
        assert failed.stream == 1
        assert reason in failed.reason
        assert len(failed.reason) <= 500
        assert len(made.places) == 0


async def test_a_stream_that_cannot_begin_fails() -> None:
    async with bench() as made:
        made.places.receive(opened(source_lang="xx"))

        assert made.sent == [link.Failed(1, "ValueError: no recognizer for xx")]


async def test_more_streams_than_there_are_places_are_refused() -> None:
    async with bench() as made:
        for stream in (1, 2, 3):
            made.places.receive(opened(stream))

        assert made.sent == [link.Failed(3, "this worker takes only 2 streams")]
        assert len(made.places) == 2


async def test_a_dropped_stream_says_nothing_and_makes_room() -> None:
    async with bench() as made:
        made.places.receive(opened(1))
        made.places.receive(link.Audio(1, 0, speech(1)))
        made.places.receive(link.Drop(1))
        made.places.receive(link.Audio(1, 32_000, speech(1)))
        made.places.receive(link.Drop(1))
        made.places.receive(opened(2))
        made.places.receive(link.Close(2))
        await made.until(lambda message: message == link.Ended(2))

        assert made.sent == [link.Ended(2)]


async def test_a_stream_that_is_opened_again_begins_where_it_is_told() -> None:
    async with bench() as made:
        made.places.receive(opened(1))
        made.places.receive(link.Open(1, "en", EN, offset_bytes=64_000, utterance=5))
        made.places.receive(link.Audio(1, 64_000, speech(1)))
        final = await made.until(lambda message: isinstance(message, link.Final))

        assert isinstance(final, link.Final)
        assert final.utterance == 5


async def test_a_heartbeat_repeats_how_far_each_stream_was_heard() -> None:
    async with bench() as made:
        made.places.receive(opened(1))
        made.places.receive(link.Open(2, "en", EN, offset_bytes=640))
        made.places.receive(link.Audio(1, 0, bytes(4000)))
        await made.until(lambda message: message == link.Progress(1, 4000))
        made.places.receive(link.Audio(1, 4000, bytes(320)))
        made.places.receive(link.Finalize(1, 1))
        await made.until(lambda message: message == link.Finalized(1, 1))
        made.sent.clear()
        made.places.heartbeat()

        assert made.sent == [link.Progress(1, 4320), link.Progress(2, 640)]


async def test_small_steps_are_told_together() -> None:
    async with bench() as made:
        made.places.receive(opened(1))
        for offset in range(0, 6400, 320):
            made.places.receive(link.Audio(1, offset, bytes(320)))
        await made.until(lambda message: message == link.Progress(1, 6400))

        assert made.sent == [link.Progress(1, 3200), link.Progress(1, 6400)]


class Gateway:
    """The other end of the socket, played by a test, and a process that connects to it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(str(data_dir / link.SOCKET_NAME))
        self._listening.listen(1)
        self._listening.setblocking(False)
        self._decoder: Decoder[link.FromWorker] = Decoder(link.FromWorker)

    async def start(self, *arguments: str) -> link.FromWorker:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(30):
            self.connection, _ = await asyncio.get_running_loop().sock_accept(self._listening)
            self.connection.setblocking(False)
            return await self.next()

    async def next(self) -> link.FromWorker:
        async with asyncio.timeout(30):
            while True:
                data = await asyncio.get_running_loop().sock_recv(self.connection, 65_536)
                if not data:
                    raise EOFError
                if messages := self._decoder.feed(data):
                    return messages[0]

    async def send(self, *messages: link.ToWorker) -> None:
        await asyncio.get_running_loop().sock_sendall(self.connection, b"".join(map(encode, messages)))

    async def left(self) -> tuple[int, str]:
        """Wait for the end of the process: its status, and what it said on the standard error."""
        async with asyncio.timeout(10):
            _, errors = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, errors.decode()

    def close(self) -> None:
        self._listening.close()
        if hasattr(self, "connection"):
            self.connection.close()
        if hasattr(self, "process") and self.process.returncode is None:
            self.process.kill()


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    made = Gateway(tmp_path)
    yield made
    made.close()
    if hasattr(made, "process"):
        await made.process.wait()


CHILD = ("-m", "tests.gateway.workers.child")


async def test_a_worker_ends_when_the_gateway_does(gateway: Gateway) -> None:
    hello = await gateway.start(*CHILD, str(gateway.data_dir))
    gateway.connection.close()

    assert await gateway.left() == (0, "")
    assert hello == link.Hello(gateway.process.pid, 4)


async def test_a_worker_ends_with_the_gateway_also_while_an_engine_computes(gateway: Gateway) -> None:
    await gateway.start(*CHILD, str(gateway.data_dir), "stuck")
    await gateway.send(opened(), link.Audio(1, 0, speech(1)))
    assert await gateway.next() == link.Progress(1, 6400)  # it will not come back from here
    gateway.connection.close()

    assert await gateway.left() == (0, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_a_worker_at_once_and_quietly(gateway: Gateway, number: int) -> None:
    script = (
        "import sys; from pathlib import Path; from media.engines.base import EngineSettings; "
        "from media.worker import main; "
        "sys.exit(main(Path(sys.argv[1]), EngineSettings(recognizers=('silent',)), 4, warm=()))"
    )
    await gateway.start("-c", script, str(gateway.data_dir))
    await gateway.send(opened(), link.Audio(1, 0, speech(2)))
    await gateway.next()
    os.kill(gateway.process.pid, number)

    assert await gateway.left() == (0, "")


async def test_a_worker_that_is_sent_rubbish_ends(gateway: Gateway) -> None:
    await gateway.start(*CHILD, str(gateway.data_dir))
    await asyncio.get_running_loop().sock_sendall(gateway.connection, b"GET / HTTP/1.1\r\n\r\n")
    status, errors = await gateway.left()

    assert status == 0
    assert "The gateway broke the contract of the link" in errors


def test_without_a_server_a_sentence_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tmp_path, EngineSettings(), 4) == 1
    assert "start `stagedoor serve` with this data directory first" in capsys.readouterr().err
