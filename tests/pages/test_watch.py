"""The viewer's page when all is well: nobody, waiting, live, another language, ended."""

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.pages.conftest import Open
from tests.pages.stage import Stage
from tests.pages.waiting import gone, spoken, viewer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_first_visitor_is_asked_to_sign_in_and_is_then_let_in(stage: Stage, open_page: Open) -> None:
    page = await open_page(stage, "/watch/hall")
    await expect(page.locator("#notice")).to_contain_text("Sign in to watch")
    assert stage.channel("hall").came == []
    await page.locator("#notice").get_by_role("button", name="Sign in").click()
    door = page.get_by_role("dialog")
    await door.get_by_label("Role").select_option("fan")
    await door.locator("button.primary").click()
    await expect(door).to_be_hidden()
    await expect(page.locator("#state")).to_contain_text("Waiting for the speaker")
    await expect(page.locator("#notice")).to_be_empty()


async def test_captions_come_word_by_word_and_a_final_stays(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/watch/hall?lang=en", "bob")
    await expect(page.locator("#stage-note")).to_contain_text("Nobody is speaking yet")
    await viewer(hall, page)
    await hall.start("en")
    await expect(page.locator("#state")).to_contain_text("Live, speaking English")
    await hall.interim("good evening", "s1", 1)
    line = page.locator(".caption-line")
    await expect(line).to_have_text(["good evening"])
    await expect(line).to_have_class("caption-line interim")
    await line.evaluate("(element) => (element.dataset.same = 'yes')")
    await hall.interim("good evening and welcome", "s1", 2)
    await expect(line).to_have_text(["good evening and welcome"])
    assert await page.locator("#transcript .said").count() == 0, "an interim is not read out"
    await hall.final("Good evening, and welcome.", "s1")
    await expect(line).to_have_text(["Good evening, and welcome."])
    await expect(line).to_have_class("caption-line")
    assert await line.get_attribute("data-same") == "yes", "the line was replaced instead of changed"
    await expect(spoken(page)).to_have_text(["Good evening, and welcome."])
    await expect(page.locator("#transcript")).to_have_attribute("aria-live", "polite")


async def test_two_lines_of_at_most_42_characters_in_the_bottom_third(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/watch/hall?lang=en", "bob")
    await viewer(hall, page)
    await hall.start()
    await hall.final("What a speaker says in one breath may be\nlonger than one line of a caption is.", "s1")
    lines = page.locator(".caption-line")
    await expect(lines).to_have_count(2)
    assert all(len(text) <= 42 for text in await lines.all_inner_texts())
    place, box = await page.locator("#stage").bounding_box(), await page.locator(".captions").bounding_box()
    assert place is not None
    assert box is not None
    assert box["y"] >= place["y"] + place["height"] * 2 / 3
    assert box["y"] + box["height"] <= place["y"] + place["height"]


async def test_another_language_is_chosen_without_a_new_connection_and_remembered(
    stage: Stage, open_page: Open
) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/watch/hall", "bob")
    peer = await viewer(hall, page)
    await hall.start()
    await page.get_by_label("Language", exact=True).select_option("he")
    for _ in range(100):
        if peer.lang == "he":
            break
        await page.wait_for_timeout(20)
    await hall.final("ערב טוב.", "s1", lang="he")
    captions = page.locator(".captions")
    await expect(captions).to_have_text("ערב טוב.")
    await expect(captions).to_have_attribute("dir", "rtl")
    box, line = await captions.bounding_box(), await page.locator(".caption-line").bounding_box()
    assert box is not None
    assert line is not None
    assert line["x"] + line["width"] == pytest.approx(box["x"] + box["width"], abs=2), (
        "it starts at the right"
    )
    await expect(spoken(page)).to_have_attribute("dir", "rtl")
    await expect(page.locator("#dub")).to_be_disabled()
    await expect(page.locator("#dub-note")).to_have_text("No voice here speaks Hebrew.")
    assert len(hall.came) == 1
    await page.reload()
    await expect(page.get_by_label("Language", exact=True)).to_have_value("he")


async def test_a_language_that_nobody_translates_to_cannot_be_chosen(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/watch/hall?lang=en", "bob")
    await viewer(hall, page)
    await hall.start("es")
    await expect(page.locator("#lang option[value=he]")).to_be_disabled()
    await expect(page.locator("#lang option[value=es]")).to_be_enabled()


async def test_how_captions_look_is_remembered(stage: Stage, open_page: Open) -> None:
    page = await open_page(stage, "/watch/hall", "bob")
    await page.get_by_text("Size, background, position").click()
    await page.get_by_label("Size", exact=True).select_option("xl")
    await page.get_by_label("Background", exact=True).select_option("none")
    await page.get_by_label("Position", exact=True).select_option("top")
    await page.get_by_label("Only finished sentences").check()
    await page.reload()
    place = page.locator("#stage")
    for name, value in (("size", "xl"), ("background", "none"), ("position", "top")):
        await expect(place).to_have_attribute(f"data-{name}", value)
    await expect(page.locator("#steady")).to_be_checked()


async def test_the_end_is_said_and_a_new_beginning_goes_on_by_itself(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/watch/hall?lang=en", "bob")
    await viewer(hall, page)
    await hall.start()
    await hall.final("The end.", "s1")
    await hall.finish()
    await expect(page.locator("#state")).to_contain_text("The stream has ended")
    await expect(spoken(page)).to_have_text(["The end."])
    await hall.start()
    await expect(page.locator("#state")).to_contain_text("Live")


async def test_a_late_comer_finds_what_was_said_before(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    await hall.start()
    await hall.final("Said before you came.", "s1", start=3.0)
    page = await open_page(stage, "/watch/hall?lang=en", "bob")
    await expect(spoken(page)).to_have_text(["Said before you came."])
    await viewer(hall, page)
    await hall.final("Said now.", "s2", start=8.0)
    await expect(spoken(page)).to_have_text(["Said before you came.", "Said now."])
    await expect(page.locator(".caption-line")).to_have_text(["Said now."])


async def test_the_transcript_follows_unless_the_reader_has_scrolled_up(
    stage: Stage, open_page: Open
) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/watch/hall?lang=en", "bob")
    await viewer(hall, page)
    for n in range(40):
        await hall.final(f"Sentence number {n}.", f"s{n}", start=float(n))
    await expect(spoken(page)).to_have_count(40)
    below = "(log) => log.scrollHeight - log.clientHeight - log.scrollTop"
    log = page.locator("#transcript")
    assert await log.evaluate(below) < 2
    await log.evaluate("(log) => (log.scrollTop = 0)")
    follow = page.get_by_role("button", name="Jump to the newest")
    await expect(follow).to_be_visible()
    await hall.final("One more.", "more", start=50.0)
    await expect(spoken(page)).to_have_count(41)
    assert await log.evaluate("(log) => log.scrollTop") == 0
    await follow.click()
    assert await log.evaluate(below) < 2
    await expect(follow).to_be_hidden()


async def test_the_transcript_is_downloaded_with_the_token(
    stage: Stage, open_page: Open, tmp_path: Path
) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/watch/hall?lang=en", "bob")
    await page.get_by_role("button", name="VTT").click()
    await expect(page.locator("#download-note")).to_contain_text("no transcript of this channel")
    await hall.final("Keep this.", "s1")
    async with page.expect_download() as waiting:
        await page.get_by_role("button", name="VTT").click()
    file = await waiting.value
    assert file.suggested_filename == "hall-en.vtt"
    kept = tmp_path / "kept.vtt"
    await file.save_as(kept)
    assert "Keep this." in kept.read_text()


async def test_latency_is_shown_on_demand(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/watch/hall?lang=en", "bob")
    await viewer(hall, page)
    await expect(page.locator("#trip")).to_be_hidden()
    await page.get_by_text("Latency").click()
    await expect(page.locator("#trip")).to_have_text("\N{EN DASH}")
    await expect(page.locator("#trip")).to_contain_text("ms")
    await hall.to(hall.viewers(), {"type": "lag", "received_seconds": 12.0, "processed_seconds": 9.5})
    await hall.final("Late.", "s1", end=9.5)
    await expect(page.locator("#behind")).to_have_text("2.5 s")
    await expect(page.locator("#delay")).to_have_text("2.5 s")


async def test_listening_opens_a_second_connection_and_ends_it(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/watch/hall?lang=es", "bob")
    await viewer(hall, page)
    await page.get_by_role("button", name="Listen").click()
    peer = await viewer(hall, page, "dubbing")
    assert peer.query["target_lang"] == "es"
    await expect(page.get_by_role("button", name="Stop listening")).to_have_attribute("aria-pressed", "true")
    await expect(page.get_by_label("Volume")).to_be_visible()
    for n in range(4):
        await hall.dub(f"s{n}", seconds=2.0, lang="es")
    await expect(page.locator("#dub-note")).to_contain_text("behind the captions")
    await page.get_by_role("button", name="Stop listening").click()
    await gone(hall, page, "dubbing")
    assert len(hall.viewers()) == 1, "the captions go on"


DUBBING = """
async (blocks) => {
  const { Dubbing } = await import("/static/dubbing.js");
  const dubbing = new Dubbing(() => {});
  await dubbing.begin();
  const starts = [];
  const original = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function (at) {
    starts.push([at, this.buffer.duration, this.buffer.getChannelData(0)[10]]);
    original.call(this, at);
  };
  for (const [id, encoding, bytes, rate] of blocks) {
    const header = { type: "dub_audio", segment_id: id, lang: "en", start: 0, duration: 0, last: true };
    dubbing.take({ ...header, encoding, sample_rate: rate }, Uint8Array.from(bytes).buffer);
  }
  await dubbing.line;
  AudioBufferSourceNode.prototype.start = original;
  const result = { starts, order: dubbing.order, skipped: dubbing.skipped };
  await dubbing.close();
  return result;
}
"""


async def test_dubbed_blocks_play_in_order_without_overlap_and_once(blank: Page) -> None:
    def block(level: int, seconds: float) -> list[int]:
        return list(level.to_bytes(2, "little") * int(24_000 * seconds))

    result = await blank.evaluate(
        DUBBING,
        [
            ["a", "pcm_s16le", block(1000, 0.2), 24_000],
            ["broken", "ogg_opus", [1, 2, 3, 4], 48_000],
            ["b", "pcm_s16le", block(2000, 0.1), 24_000],
            ["a", "pcm_s16le", block(1000, 0.2), 24_000],
            ["c", "pcm_s16le", block(3000, 0.1), 24_000],
        ],
    )
    assert result["order"] == ["a", "b", "c"]
    assert result["skipped"] == 1
    levels = [round(level * 32768) for _at, _duration, level in result["starts"]]
    assert levels == [1000, 2000, 3000]
    for (at, duration, _), (later, _, _) in zip(result["starts"], result["starts"][1:], strict=False):
        assert later >= at + duration - 1e-6


async def test_signing_out_stops_everything(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/watch/hall?lang=en", "bob")
    await viewer(hall, page)
    await page.locator("#identity").get_by_role("button", name="Sign out").click()
    await gone(hall, page)
    await expect(page.locator("#notice")).to_contain_text("Sign in to watch")
