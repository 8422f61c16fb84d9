"""The studio: sound from a microphone or a file reaches the server whole, and ends only when asked to."""

import io
import struct
import wave

import pytest
from playwright.async_api import FilePayload, Page, expect

from tests.pages.channel import Channel, Peer
from tests.pages.conftest import Open
from tests.pages.stage import Stage
from tests.pages.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

EBML = bytes.fromhex("1a45dfa3")
"""How a WebM file begins (RFC 8794, section 11.2.1)."""


async def becomes(page: Page, expression: str) -> None:
    """Wait until it is true in the page, whose policy forbids playwright's own way of polling."""
    for _ in range(500):
        if await page.evaluate(expression):
            return
        await page.wait_for_timeout(20)
    raise AssertionError(f"never became true: {expression}")


async def publisher(channel: Channel, page: Page, number: int = 1) -> Peer:
    def came() -> list[Peer]:
        return [peer for peer in channel.came if peer.kind == "publish" and peer.claims]

    await until(page, lambda: len(came()) >= number, f"publisher {number}")
    return came()[number - 1]


def sound(seconds: float) -> tuple[bytes, FilePayload]:
    """PCM in which each sample differs from its neighbours, and a WAV file of it."""
    count = int(seconds * 16_000)
    pcm = b"".join(struct.pack("<h", (n * 7) % 20_001 - 10_000) for n in range(count))
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(pcm)
    return pcm, {"name": "speech.wav", "mimeType": "audio/wav", "buffer": made.getvalue()}


async def play(page: Page, file: FilePayload) -> None:
    await page.get_by_role("radio", name="Sound file").check()
    await page.locator("#file").set_input_files(file)
    await page.get_by_role("button", name="Go on air").click()


async def test_who_is_not_signed_in_is_asked_to(stage: Stage, open_page: Open) -> None:
    page = await open_page(stage, "/studio/hall")
    await page.get_by_role("button", name="Go on air").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#notice")).to_contain_text("Sign in as a creator to publish")
    assert stage.channel("hall").came == []


async def test_the_microphone_is_heard_and_its_captions_come_back(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/studio/hall", "alice", "creator")
    await page.get_by_label("Language spoken").select_option("es")
    await page.get_by_role("button", name="Go on air").click()
    peer = await publisher(hall, page)
    await expect(page.locator("#state")).to_contain_text("On air")
    assert peer.query == {
        "source_lang": "es", "encoding": "webm_opus", "sample_rate": "16000", "captions": "1",
    }  # fmt: skip
    await until(page, lambda: len(peer.audio) > 1500, "sound")
    assert peer.audio.startswith(EBML)
    loud = "Number(document.querySelector('#meter').getAttribute('aria-valuenow')) > 20"
    await becomes(page, loud)
    await hall.final("Buenas tardes.", "s1")
    await expect(page.locator(".caption-line")).to_have_text(["Buenas tardes."])
    await expect(page.locator("#transcript .said span")).to_have_text(["Buenas tardes."])
    await expect(page.locator("#acked")).not_to_have_text("0 s")
    warning = {"type": "warning", "code": "audio_too_fast", "message": "x"}
    await peer.say(warning)
    await expect(page.locator("#notice")).to_contain_text("faster than it plays")


async def test_ending_asks_once_and_finishes_what_was_said(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/studio/hall", "alice", "creator")
    await page.get_by_role("button", name="Go on air").click()
    peer = await publisher(hall, page)
    await until(page, lambda: len(peer.audio) > 500, "sound")
    await page.get_by_role("button", name="End…").click()
    ask = page.get_by_role("dialog")
    await expect(ask).to_contain_text("End this stream?")
    await page.keyboard.press("Escape")
    await expect(ask).to_be_hidden()
    assert {"type": "end"} not in peer.messages
    await page.get_by_role("button", name="End…").click()
    await ask.get_by_role("button", name="End the stream").click()
    await expect(page.locator("#state")).to_contain_text("Ended")
    assert peer.messages.count({"type": "end"}) == 1
    await expect(page.locator("#notice")).to_contain_text("of sound")
    await expect(page.get_by_role("button", name="Go on air")).to_be_visible()


async def test_a_lost_connection_begins_a_new_container_of_the_same_session(
    stage: Stage, open_page: Open
) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/studio/hall", "alice", "creator")
    await page.get_by_role("button", name="Go on air").click()
    first = await publisher(hall, page)
    await until(page, lambda: len(first.audio) > 500, "sound")
    await hall.drop(1013)
    await expect(page.locator("#notice")).to_contain_text("Keep speaking")
    second = await publisher(hall, page, 2)
    await until(page, lambda: len(second.audio) > 500, "sound again")
    assert second.audio.startswith(EBML)
    assert second.resume is not None
    assert second.resume["session_id"] == "s1"
    await expect(page.locator("#state")).to_contain_text("On air")
    await expect(page.locator("#notice")).to_be_empty()


async def test_a_file_arrives_bit_for_bit_whatever_the_network_does(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    pcm, file = sound(2.5)
    page = await open_page(stage, "/studio/hall", "alice", "creator")
    await play(page, file)
    await publisher(hall, page)
    await until(page, lambda: hall.taken_bytes >= 16_000, "half a second")
    hall.acknowledging = False
    await until(page, lambda: hall.taken_bytes >= 32_000, "a second")
    # The last part was sent, and died with the connection: the server never saw it.
    hall.taken_bytes -= 8_000
    del hall.audio[hall.taken_bytes :]
    await hall.drop(1012)
    await expect(page.locator("#notice")).to_contain_text("The file waits where it is")
    hall.acknowledging = True
    await expect(page.locator("#state")).to_contain_text("Ended", timeout=15_000)
    assert len(hall.audio) == len(pcm)
    assert bytes(hall.audio) == pcm


async def test_a_file_shows_how_far_it_is_and_can_be_stopped(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    pcm, file = sound(30)
    page = await open_page(stage, "/studio/hall", "alice", "creator")
    await play(page, file)
    await publisher(hall, page)
    await expect(page.locator("#progress-text")).to_contain_text("0:01 of 0:30")
    await page.get_by_role("button", name="Stop sending the file").click()
    await page.get_by_role("button", name="End the stream").click()
    await expect(page.locator("#state")).to_contain_text("Ended")
    assert bytes(hall.audio) == pcm[: len(hall.audio)]
    assert len(hall.audio) < 10 * 32_000, "a file is sent at the speed at which it plays"


async def test_pcm_from_the_microphone_is_16_khz_in_real_time(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/studio/hall", "alice", "creator")
    await page.get_by_text("Sound and sending").click()
    await page.get_by_label("Send as").select_option("pcm_s16le")
    await page.get_by_role("button", name="Go on air").click()
    peer = await publisher(hall, page)
    assert peer.query["encoding"] == "pcm_s16le"
    await until(page, lambda: len(peer.audio) >= 48_000, "a second and a half")
    samples = struct.unpack(f"<{len(peer.audio) // 2}h", peer.audio)
    assert max(samples) > 500, "the fake device beeps"


async def test_a_microphone_that_is_not_given_is_explained(stage: Stage, open_page: Open) -> None:
    refuse = """
      navigator.mediaDevices.getUserMedia = async () => {
        throw new DOMException("no", "NotAllowedError");
      };
    """
    page = await open_page(stage, "/studio/hall", "alice", "creator", script=refuse)
    await page.get_by_role("button", name="Go on air").click()
    await expect(page.get_by_role("alert")).to_contain_text("Allow it beside the address")
    await expect(page.get_by_role("button", name="Go on air")).to_be_enabled()
    assert stage.channel("hall").came == []


async def test_a_file_that_is_no_sound_is_explained(stage: Stage, open_page: Open) -> None:
    page = await open_page(stage, "/studio/hall", "alice", "creator")
    await play(page, {"name": "letter.mp3", "mimeType": "audio/mpeg", "buffer": b"Dear Sir or Madam"})
    await expect(page.get_by_role("alert")).to_contain_text("cannot read that file")


async def test_who_may_not_publish_is_told_and_the_microphone_is_let_go(
    stage: Stage, open_page: Open
) -> None:
    watch = """
      const original = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wish) => (window.stream = await original(wish));
    """
    page = await open_page(stage, "/studio/hall", "fred", "fan", script=watch)
    await page.get_by_role("button", name="Go on air").click()
    await expect(page.get_by_role("alert")).to_contain_text("Sign in as someone who may")
    await becomes(page, "window.stream.getTracks().every((track) => track.readyState === 'ended')")
    await expect(page.get_by_role("button", name="Go on air")).to_be_visible()


async def test_silence_is_noticed(stage: Stage, open_page: Open) -> None:
    silent = """
      navigator.mediaDevices.getUserMedia = async () => {
        const context = new AudioContext();
        return context.createMediaStreamDestination().stream;
      };
    """
    page = await open_page(stage, "/studio/hall", "alice", "creator", script=silent)
    await page.get_by_role("button", name="Go on air").click()
    await expect(page.locator("#state")).to_contain_text("On air")
    await expect(page.locator("#meter-hint")).to_contain_text("Is the microphone muted?")


async def test_links_are_copied_and_the_overlay_gets_a_token_that_may_only_watch(
    stage: Stage, open_page: Open
) -> None:
    allowed = ["microphone", "clipboard-read", "clipboard-write"]
    page = await open_page(stage, "/studio/hall", "alice", "creator", permissions=allowed)
    await page.locator('[data-copy="watch-link"]').click()
    await expect(page.locator('[data-copy="watch-link"]')).to_have_text("Copied")
    assert await page.evaluate("navigator.clipboard.readText()") == f"{stage.address}/watch/hall"
    await page.locator('[data-copy="overlay-link"]').click()
    await expect(page.locator('[data-copy="overlay-link"]')).to_have_text("Copied")
    link = await page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{stage.address}/overlay/hall?lang=en#token=ey")
    assert stage.signed_in[-1] == {"user": "overlay-hall", "role": "fan", "plan": "pro", "tenant": "default"}
