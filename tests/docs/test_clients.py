"""The programs in the documentation do what it says: they are taken out of the pages and run."""

import asyncio
import contextlib
import random
import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import orjson
import pytest
from websockets.asyncio.server import ServerConnection, serve

from auth.principal import Role
from gateway.tasks import Tasks
from sessions.endings import ENDINGS
from tests.docs.markdown import DOCS, README, blocks
from tests.house import NO_LIMITS, Client, House, Opened, token
from tests.speech import noise, said

SENTENCE = "please open the window and turn on the light"
Message = dict[str, Any]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with Opened(tmp_path_factory.mktemp("docs"), **NO_LIMITS) as running:
        yield running


# --- the speaker of the README -----------------------------------------------------------------------


@pytest.fixture
def speaker(tmp_path: Path) -> Path:
    """The README's program, and a WAV file for it to play."""
    (block,) = blocks(README, "python client")
    program = tmp_path / "speak.py"
    program.write_text(block.text, encoding="utf-8")
    return program


def play(speaker: Path, house: House, bearer: str, pcm: bytes) -> subprocess.CompletedProcess[str]:
    recording = speaker.with_name("hello.wav")
    with wave.open(str(recording), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
        file.writeframes(pcm)
    channel = f"ws://127.0.0.1:{house.port}/ws/live/main"
    command = [sys.executable, str(speaker), channel, bearer, str(recording)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.speech
def test_the_speaker_prints_what_was_understood(speaker: Path, house: House) -> None:
    played = play(speaker, house, token(), said(SENTENCE) + noise(0.8))

    assert played.stderr == ""
    assert played.returncode == 0
    assert played.stdout.split() == SENTENCE.split()


def test_the_speaker_says_why_it_was_refused(speaker: Path, house: House) -> None:
    played = play(speaker, house, "no token", noise(0.1))

    assert played.returncode == 1
    assert played.stderr.splitlines() == ["Invalid or expired token"]


# --- the client of the protocol ----------------------------------------------------------------------


@pytest.fixture
def follow() -> FunctionType:
    (block,) = blocks(DOCS / "protocol.md", "python client")
    names: dict[str, Any] = {}
    exec(compile(block.text, "docs/protocol.md", "exec"), names)
    function = names["follow"]
    assert isinstance(function, FunctionType)
    return function


class Line:
    """A network between a client and a server, which can be cut. `welcomed` once a `connected` has passed."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks = Tasks()
        self.welcomed = asyncio.Event()
        self.calls = 0
        self.port = 0

    @contextlib.asynccontextmanager
    async def laid(self) -> AsyncIterator["Line"]:
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            await self._tasks.aclose()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls += 1
        there, back = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._writers += [writer, back]
        self._tasks.start(self._carry(reader, back), name="to the server")
        self._tasks.start(self._carry(there, writer), name="to the client")

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
                if b'"type":"connected"' in data:
                    self.welcomed.set()
        writer.close()


async def publish(publisher: Client, *texts: str) -> None:
    for text in texts:
        await publisher.send(type="caption", text=text, start=0, end=1, is_final=True)


async def test_the_client_misses_nothing_when_the_network_is_cut(house: House, follow: FunctionType) -> None:
    shown: asyncio.Queue[Message] = asyncio.Queue()
    resynced: list[Message] = []
    tasks = Tasks()
    async with Line(house.port).laid() as line, house.joined("cut/publish") as publisher:
        url = f"ws://127.0.0.1:{line.port}/ws/live/cut/subtitles?target_lang=en"
        bearer = token("vera", Role.FAN)
        tasks.start(follow(url, bearer, shown.put_nowait, resynced.append), name="client")
        await asyncio.wait_for(line.welcomed.wait(), 10)
        await publish(publisher, "one", "two")
        heard = [await next_text(shown), await next_text(shown)]
        line.cut()
        await publish(publisher, "three", "four")
        heard += [await next_text(shown), await next_text(shown)]
        await publish(publisher, "five")
        heard.append(await next_text(shown))

        assert heard == ["one", "two", "three", "four", "five"]
        assert shown.empty()
        assert resynced == []
        assert line.calls == 2
        await tasks.aclose()


async def next_text(shown: "asyncio.Queue[Message]") -> str:
    async with asyncio.timeout(10):
        return str((await shown.get())["text"])


def connected(*, resumed: bool, epoch: str, offset: int) -> Message:
    return {"type": "connected", "session_id": "s", "resumed": resumed, "epoch": epoch, "offset": offset}


def final(offset: int) -> Message:
    return {"type": "subtitle", "is_final": True, "offset": offset}


PLAY: list[tuple[list[Message], int]] = [
    ([connected(resumed=False, epoch="a", offset=0), final(1)], 1012),
    (
        [
            connected(resumed=False, epoch="b", offset=7),
            {"type": "resync", "reason": "epoch_changed", "epoch": "b", "offset": 7},
            {"type": "subtitle", "is_final": False, "offset": 7},
            final(8),
        ],
        4008,
    ),
    ([connected(resumed=True, epoch="b", offset=10), final(9)], 1011),
    ([connected(resumed=True, epoch="b", offset=10)], 1012),
    ([{"type": "error", "code": "RATE_LIMITED", "retry_after_seconds": 0}], 4029),
    (
        [
            connected(resumed=True, epoch="b", offset=10),
            final(10),
            {"type": "target", "epoch": "c", "offset": 3},
        ],
        1012,
    ),
    ([connected(resumed=True, epoch="c", offset=3)], 4003),
]
"""What a server says on each connection, and how it closes."""


async def test_the_client_sends_what_the_table_says(
    follow: FunctionType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", lambda _least, _most: 0.0)
    asked: list[Any] = []
    shown: list[int] = []
    resynced: list[Message] = []

    async def answer(socket: ServerConnection) -> None:
        asked.append(orjson.loads(await socket.recv())["resume"])
        said_now, code = PLAY[len(asked) - 1]
        for message in said_now:
            await socket.send(orjson.dumps(message).decode())
        await socket.close(code)

    async with serve(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(10):
            code = await follow(
                f"ws://127.0.0.1:{port}/", "t", lambda m: shown.append(m["offset"]), resynced.append
            )

    places = [None if at is None else (at["epoch"], at["offset"]) for at in asked]
    assert places == [None, ("a", 1), ("b", 8), ("b", 9), ("b", 9), ("b", 9), ("c", 3)]
    assert shown == [1, 8, 9, 10]
    assert [message["reason"] for message in resynced] == ["epoch_changed"]
    assert code == 4003


def test_the_client_comes_back_after_the_codes_that_allow_it(follow: FunctionType) -> None:
    reconnect = follow.__globals__["RECONNECT"]

    assert {ending.code for ending in ENDINGS.values() if ending.retry} == reconnect - {1001, 1006}
