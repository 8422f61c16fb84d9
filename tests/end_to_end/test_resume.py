"""A connection that breaks loses nothing and doubles nothing, for readers and for those who bring audio."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from gateway.wire.frames import BINARY
from tests.end_to_end.peers import Crowd, Peer, caption, crowd_of, frame
from tests.house import NO_LIMITS, Opened, token
from tests.speech import SENTENCES, needs_apertium, speech

CHUNK_BYTES = 3200


class Reader:
    """Somebody with a bad line: reads finals, is cut off at random moments, comes back with its position."""

    def __init__(self, crowd: Crowd, path: str, seed: int) -> None:
        self._crowd = crowd
        self._path = path
        self._chance = random.Random(seed)
        self.position: dict[str, Any] | None = None
        self.read: list[tuple[int, str]] = []
        self.cuts = 0

    async def reads(self, count: int) -> None:
        """Read until so many finals have come."""
        while len(self.read) < count:
            peer = await self._crowd.joins(self._path, resume=self.position)
            if self.position is None:
                self.position = {name: peer.connected[name] for name in ("session_id", "epoch", "offset")}
            else:
                assert peer.connected["resumed"] is True
                assert peer.connected["session_id"] == self.position["session_id"]
            for _ in range(self._chance.randrange(1, 60)):
                message = await peer.take()
                assert isinstance(message, bytes) or message["type"] not in ("resync", "error"), message
                if isinstance(message, dict) and message.get("is_final"):
                    self.read.append((message["offset"], message["text"]))
                    self.position["offset"] = message["offset"]
                if len(self.read) == count:
                    break
            peer.cut()
            self.cuts += 1


async def read_with_cuts(crowd: Crowd, channel: str, count: int, readers: list[Reader]) -> None:
    """Publish so many captions while the readers are cut off again and again."""
    publisher = await crowd.joins(f"{channel}/publish?source_lang=en")
    async with asyncio.TaskGroup() as tasks:
        for reader in readers:
            tasks.create_task(reader.reads(count))
        for number in range(1, count + 1):
            publisher.say(**caption(f"house {number}", number, is_final=False))
            publisher.say(**caption(f"house {number}", number))
            if number % 4 == 0:
                publisher.say(type="ping")
                await publisher.take("pong")


async def readers(crowd: Crowd, path: str, seeds: range) -> list[Reader]:
    """Return readers who were there before the first caption."""
    made = [Reader(crowd, path, seed) for seed in seeds]
    for reader in made:
        peer = await crowd.joins(path)
        reader.position = {name: peer.connected[name] for name in ("session_id", "epoch", "offset")}
        peer.cut()
    return made


async def test_finals_come_once_and_in_order_over_many_reconnects(crowd: Crowd) -> None:
    many = await readers(crowd, "cuts/subtitles?target_lang=en", range(4))
    many += await readers(crowd, "cuts/subtitles?target_lang=en&interim=0", range(4, 6))
    await read_with_cuts(crowd, "cuts", 400, many)
    for reader in many:
        assert reader.read == [(number, f"house {number}") for number in range(1, 401)]
    assert sum(reader.cuts for reader in many) > 50


@needs_apertium
async def test_so_do_translations(crowd: Crowd) -> None:
    many = await readers(crowd, "translated/subtitles?target_lang=es", range(3))
    await read_with_cuts(crowd, "translated", 200, many)
    for reader in many:
        assert reader.read == [(number, f"Casa {number}") for number in range(1, 201)]


async def test_so_do_dubs(crowd: Crowd) -> None:
    many = await readers(crowd, "dubbed/dubbing?target_lang=en", range(2))
    await read_with_cuts(crowd, "dubbed", 60, many)
    for reader in many:
        assert reader.read == [(number, f"house {number}") for number in range(1, 61)]


class TestPositionsThatAreNone:
    @pytest.mark.parametrize(
        ("change", "reason"), [({"epoch": "other"}, "epoch_changed"), ({"offset": 10**9}, "unknown_offset")]
    )
    async def test_they_are_said_and_reading_goes_on_from_now(
        self, crowd: Crowd, change: dict[str, Any], reason: str
    ) -> None:
        channel = f"none-{reason}"
        publisher = await crowd.joins(f"{channel}/publish")
        viewer = await crowd.joins(f"{channel}/subtitles?target_lang=en")
        publisher.say(**caption("missed"))
        await viewer.finals(1)
        viewer.cut()
        position = {name: viewer.connected[name] for name in ("session_id", "epoch", "offset")} | change
        back = await crowd.joins(f"{channel}/subtitles?target_lang=en", resume=position)
        assert back.connected["resumed"] is False
        resync = await back.take()
        assert (resync["type"], resync["reason"], resync["offset"]) == ("resync", reason, 1)
        publisher.say(**caption("next"))
        (final,) = await back.finals(1)
        assert (final["offset"], final["text"]) == (2, "next")

    @pytest.mark.parametrize("changes", [{"user": "eve"}, {"user": "dana", "tenant": "other"}])
    async def test_nobody_gets_the_captions_of_somebody_elses_stream(
        self, crowd: Crowd, changes: Any
    ) -> None:
        path = "diary/subtitles?target_lang=en"
        mine = await crowd.joins(path, token("dana"))
        mine.send(frame(BINARY, bytes(CHUNK_BYTES)))
        target = await mine.take("target")
        position = {"session_id": mine.connected["session_id"], "epoch": target["epoch"], "offset": 0}
        other = await crowd.joins(path, token(**changes), resume=position)
        assert other.connected["session_id"] != position["session_id"]
        assert other.connected["resumed"] is False
        assert "audio" not in other.connected
        assert (await other.take())["type"] == "resync"
        mine.say(type="ping")
        await mine.take("pong")


class Bringer:
    """Somebody with a bad line who sends audio: goes on from where the server says that it is."""

    def __init__(self, crowd: Crowd, path: str, pcm: bytes, seed: int) -> None:
        self._crowd = crowd
        self._path = path
        self._pcm = pcm
        self._chance = random.Random(seed)
        self._position: dict[str, Any] | None = None
        self.resumed_at: list[int] = []
        self.finals: list[dict[str, Any]] = []

    async def brings(self, cuts: int) -> dict[str, Any]:
        """Send all of the audio, being cut off so often in its midst; return `ended`."""
        for _ in range(cuts):
            peer, sent = await self._goes_on()
            upto = sent + self._chance.randrange(len(self._pcm) // (cuts + 1)) // CHUNK_BYTES * CHUNK_BYTES
            self._send(peer, sent, upto)
            peer.say(type="ping")
            await self._take(peer, "pong")
            self._send(peer, upto, upto + 5 * CHUNK_BYTES)
            peer.cut()
            await peer.closed()
        peer, sent = await self._goes_on()
        self._send(peer, sent, len(self._pcm))
        peer.say(type="end")
        return await self._take(peer, "ended")

    async def _goes_on(self) -> tuple[Peer, int]:
        peer = await self._crowd.joins(self._path, resume=self._position)
        taken = peer.connected.get("audio", {"bytes": 0, "seconds": 0.0})
        if self._position is not None:
            assert peer.connected["session_id"] == self._position["session_id"]
            assert taken["seconds"] == pytest.approx(taken["bytes"] / 32_000, abs=0.001)
            self.resumed_at.append(taken["bytes"])
        else:
            self._position = {name: peer.connected[name] for name in ("session_id", "epoch", "offset")}
        return peer, taken["bytes"]

    def _send(self, peer: Peer, start: int, stop: int) -> None:
        for at in range(start, min(stop, len(self._pcm)), CHUNK_BYTES):
            peer.send(frame(BINARY, self._pcm[at : at + CHUNK_BYTES]))

    async def _take(self, peer: Peer, kind: str) -> dict[str, Any]:
        assert self._position is not None
        while (message := await peer.take())["type"] != kind:
            if message["type"] == "target":
                self._position |= {"epoch": message["epoch"], "offset": message["offset"]}
            elif message["type"] == "subtitle" and message["is_final"]:
                self.finals.append(message)
                self._position["offset"] = message["offset"]
            assert message["type"] not in ("error", "resync"), message
        answer: dict[str, Any] = message
        return answer


def words(finals: list[dict[str, Any]]) -> list[str]:
    return " ".join(final["text"] for final in finals).split()


@pytest.mark.speech
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_stream_of_ones_own_goes_on_to_the_byte(crowd: Crowd, seed: int) -> None:
    pcm = speech(SENTENCES[:2], 0.8)
    mine = Bringer(crowd, f"own-{seed}/subtitles?target_lang=en", pcm, seed)
    ended = await mine.brings(cuts=4)
    assert ended["audio_seconds"] == pytest.approx(len(pcm) / 32_000, abs=0.001)
    assert words(mine.finals) == " ".join(SENTENCES[:2]).split()
    assert [final["offset"] for final in mine.finals] == list(range(1, len(mine.finals) + 1))
    assert len(mine.resumed_at) == 4
    assert mine.resumed_at == sorted(mine.resumed_at)
    assert mine.resumed_at[-1] > 0


@pytest.mark.speech
async def test_a_publisher_goes_on_to_the_byte_and_viewers_read_every_word(crowd: Crowd) -> None:
    pcm = speech(SENTENCES[:2], 0.8)
    viewer = await crowd.joins("bumpy/subtitles?target_lang=en&interim=0")
    publisher = Bringer(crowd, "bumpy/publish?source_lang=en", pcm, 3)
    ended = await publisher.brings(cuts=4)
    assert ended["audio_seconds"] == pytest.approx(len(pcm) / 32_000, abs=0.001)
    heard, states = [], []
    while "ended" not in states:
        message = await viewer.take("subtitle", "channel")
        if message["type"] == "subtitle":
            heard.append(message)
        else:
            states.append(message["state"])
    assert words(heard) == " ".join(SENTENCES[:2]).split()
    assert states == ["live"] + ["paused", "live"] * 4 + ["ended"]
    assert publisher.finals == []


async def test_the_publishers_own_second_connection_takes_over_and_nobody_elses(crowd: Crowd) -> None:
    viewer = await crowd.joins("takeover/subtitles?target_lang=en")
    first = await crowd.joins("takeover/publish")
    stranger = await crowd.arrives("takeover/publish")
    assert (await stranger.authenticate(token("noa")))["code"] == "CHANNEL_BUSY"
    assert await stranger.closed() == 4003
    second = await crowd.joins("takeover/publish")
    assert await first.closed() == 4409
    second.say(**caption("go on"))
    assert [m["text"] for m in await viewer.finals(1)] == ["go on"]
    first_again = await crowd.joins("takeover/publish", resume={"session_id": first.connected["session_id"]})
    assert await second.closed() == 4409
    assert first_again.connected["session_id"] != first.connected["session_id"]


async def test_without_its_return_a_publishers_stream_ends(tmp_path: Path) -> None:
    changes = {"RECOGNIZERS": "silent", "RESUME_GRACE_SECONDS": "0.2"}
    with Opened(tmp_path, **(NO_LIMITS | changes)) as house:
        async with crowd_of(house) as crowd:
            viewer = await crowd.joins("gone/subtitles?target_lang=en")
            publisher = await crowd.joins("gone/publish")
            publisher.cut()
            states = [(await viewer.take("channel"))["state"] for _ in range(3)]
            assert states == ["live", "paused", "ended"]
            back = await crowd.joins("gone/publish", resume={"session_id": publisher.connected["session_id"]})
            assert back.connected["session_id"] != publisher.connected["session_id"]
            assert back.connected["audio"] == {"bytes": 0, "seconds": 0.0}
