"""The application does not need our wire: on stock uvicorn it does the same, only slower."""

import asyncio
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.end_to_end.peers import none_are_left
from tests.house import NO_LIMITS, Client, House, Opened, token

PATH = "stock/subtitles?target_lang=en"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    changes = {"RECOGNIZERS": "silent", "AUTHENTICATE_SECONDS": "1"}
    program = "tests.end_to_end.stock"
    with Opened(tmp_path_factory.mktemp("stock"), program, **(NO_LIMITS | changes)) as running:
        yield running


async def test_subtitles_and_resume(house: House) -> None:
    async with house.joined("stock/publish") as publisher:
        async with house.joined(PATH) as viewer:
            for number in range(50):
                await publisher.send(
                    type="caption", text=f"{number}", start=number, end=number + 1, is_final=True
                )
            read = await viewer.finals(20)
        position = {name: viewer.connected[name] for name in ("session_id", "epoch")} | {"offset": 20}
        async with house.joined(PATH, resume=position) as back:
            assert back.connected["resumed"] is True
            await publisher.send(type="caption", text="last", start=50, end=51, is_final=True)
            read += await back.finals(31)
        assert [m["offset"] for m in read] == list(range(1, 52))
        assert [m["text"] for m in read] == [*map(str, range(50)), "last"]


async def test_dubbing_brings_its_voices(house: House) -> None:
    async with (
        house.joined("dub/dubbing?target_lang=en") as listener,
        house.joined("dub/publish") as publisher,
    ):
        await publisher.send(type="caption", text="good morning", start=0, end=1, is_final=True)
        said = await listener.take("subtitle")
        dub = await listener.take("dub_audio")
        audio = await listener.take()
        assert said["segment_id"] == dub["segment_id"]
        assert len(audio) == pytest.approx(dub["duration"] * dub["sample_rate"] * 2, abs=48)


@pytest.mark.parametrize("first", ['{"type":"authenticate","token":"x"}', "nonsense", b"audio"])
async def test_refusals_have_the_same_codes(house: House, first: str | bytes) -> None:
    async with house.live(PATH) as socket:
        await socket.send(first)
        assert (await Client(socket).take())["type"] == "error"
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 4001


async def test_the_deadline_is_the_same(house: House) -> None:
    async with house.live(PATH) as socket, asyncio.timeout(5):
        assert (await Client(socket).take())["code"] == "AUTHENTICATE_TIMEOUT"


async def test_what_is_refused_before_the_upgrade_is_refused_in_http(house: House) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await house.live(f"{PATH}&token={token()}")
    assert caught.value.response.status_code == 401


async def test_nothing_is_left_behind(house: House) -> None:
    for _ in range(50):
        async with house.joined(PATH):
            pass
    await none_are_left(house)
    assert "Traceback" not in house.log.read_text()
