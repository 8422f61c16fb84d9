"""The viewer's page when something goes wrong: lost, late, refused, run out."""

import asyncio

import pytest
from playwright.async_api import expect

from tests.pages.conftest import Open
from tests.pages.stage import Stage
from tests.pages.waiting import gone, spoken, until, viewer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_after_a_lost_connection_everything_is_there_once_and_in_order(
    stage: Stage, open_page: Open
) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/watch/hall?lang=en", "bob")
    first = await viewer(hall, page)
    await hall.start()
    for n in range(3):
        await hall.final(f"Sentence {n}.", f"s{n}", start=float(n))
    await expect(spoken(page)).to_have_count(3)
    await hall.drop(1013)
    await expect(page.locator("#state")).to_contain_text("Reconnecting")
    await expect(page.locator("#notice")).to_contain_text("What you have read stays")
    await gone(hall, page)
    for n in range(3, 6):
        await hall.final(f"Sentence {n}.", f"s{n}", start=float(n))
    await expect(page.locator("#state")).to_contain_text("Live")
    again = await viewer(hall, page)
    assert again is not first
    assert again.resume == {"session_id": "s1", "epoch": "e1", "offset": 3}
    await hall.final("Sentence 6.", "s6", start=6.0)
    await expect(spoken(page)).to_have_text([f"Sentence {n}." for n in range(7)])
    await expect(page.locator("#notice")).to_be_empty()


async def test_what_cannot_be_fetched_again_is_said_in_its_place(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/watch/hall?lang=en", "bob")
    await viewer(hall, page)
    await hall.start()
    await hall.final("Before.", "s1")
    await expect(spoken(page)).to_have_count(1)
    hall.keep_replay = False
    await hall.drop(4008)
    await expect(page.locator("#notice")).to_contain_text("too slow for the captions")
    await expect(page.locator("#transcript .missed, #transcript .missing")).to_contain_text("missed here")
    hall.keep_replay = True
    await viewer(hall, page)
    await hall.final("After.", "s2", start=9.0)
    await expect(spoken(page)).to_have_text(["Before.", "After."])


async def test_a_network_that_dies_without_a_word_is_noticed(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/static/mark.svg", "bob")
    await page.clock.install()
    await page.goto(stage.address + "/watch/hall?lang=en")
    peer = await viewer(hall, page)
    await expect(page.locator("#state")).to_contain_text("Waiting")
    hall.muted = True
    await page.clock.run_for(17_000)
    await until(page, lambda: {"type": "ping"} in peer.messages, "a ping")
    await page.clock.run_for(10_000)
    await until(page, lambda: len(hall.came) == 2 and hall.came[1].claims, "another connection")
    assert hall.came[1].resume == {"session_id": "s1", "epoch": "e1", "offset": 0}
    await expect(page.locator("#state")).to_contain_text("Waiting")


REFUSALS = [
    (4001, "INVALID_TOKEN", "no longer valid", "Sign in again"),
    (4003, "NOT_ALLOWED", "not open to you", ""),
    (4003, "ENDED_BY_ADMIN", "An admin ended this session", "Ask whoever runs"),
    (4402, "QUOTA_EXCEEDED", "minutes are used up", "A larger plan"),
    (4404, "NO_CHANNEL", "No such channel", "Check the name"),
    (4408, "SESSION_TOO_LONG", "longest time", "Start a new one"),
    (4409, "SUPERSEDED", "Opened somewhere else", "another tab"),
    (1008, "BAD_MESSAGE", "did not understand", "Reload"),
]


@pytest.mark.parametrize(("close", "code", "title", "advice"), REFUSALS)
async def test_a_refusal_says_why_and_what_to_do_and_is_not_tried_again(
    stage: Stage, open_page: Open, close: int, code: str, title: str, advice: str
) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/watch/hall?lang=en", "bob")
    await viewer(hall, page)
    await hall.drop(close, {"code": code, "message": "As the server says.", "recoverable": False})
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text(title)
    await expect(alert).to_contain_text(advice)
    await expect(alert.locator("small")).to_have_text(f"{code} · close code {close}")
    await expect(page.locator("#state")).to_contain_text("Stopped")
    await page.wait_for_timeout(700)
    assert len(hall.came) == 1


async def test_a_language_that_is_not_served_names_those_that_are(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    served = [{"source_lang": "en", "target_lang": "es"}]
    error = {"code": "LANGUAGE_NOT_SERVED", "message": "No.", "recoverable": False, "served": served}
    hall.closings.append((1008, error))
    page = await open_page(stage, "/watch/hall?lang=he", "bob")
    await expect(page.get_by_role("alert")).to_contain_text("Served here: English to Spanish")
    await page.get_by_label("Language", exact=True).select_option("es")
    await viewer(hall, page)
    await expect(page.locator("#notice")).to_be_empty()


async def test_too_many_connections_waits_as_long_as_the_server_asks(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    limited = {"code": "RATE_LIMITED", "message": "Slow down.", "recoverable": True, "retry_after_seconds": 1}
    hall.closings.append((4029, limited))
    page = await open_page(stage, "/watch/hall?lang=en", "bob")
    await expect(page.locator("#notice")).to_contain_text("Too many connections")
    refused_at = asyncio.get_running_loop().time()
    await viewer(hall, page)
    assert asyncio.get_running_loop().time() - refused_at > 0.8
    assert len(hall.came) == 2


async def test_a_token_that_ran_out_is_replaced_and_the_page_goes_on(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/watch/hall?lang=en", "bob")
    await viewer(hall, page)
    await hall.start()
    await hall.final("Kept.", "s1")
    await expect(spoken(page)).to_have_count(1)
    await hall.drop(
        4001, {"code": "INVALID_TOKEN", "message": "Invalid or expired token", "recoverable": False}
    )
    await page.locator("#identity").get_by_role("button", name="Sign out").click()
    await page.locator("#notice").get_by_role("button", name="Sign in").click()
    await page.get_by_role("dialog").locator("button.primary").click()
    await expect(page.locator("#state")).to_contain_text("Live")
    await expect(spoken(page)).to_have_text(["Kept."])


QUOTA = {
    "type": "quota", "plan": "free", "kind": "subtitles", "used_seconds": 1500.0, "limit_seconds": 1800.0,
    "remaining_seconds": 300.0, "window": "hour", "resets_at": "2100-01-01T12:00:00Z",
}  # fmt: skip
WARNING = {"type": "warning", "code": "quota_80", "message": "80 % of your minutes are used"}


@pytest.mark.parametrize("first", [QUOTA, WARNING])
async def test_the_warning_says_what_is_left_and_when_more_comes(
    stage: Stage, open_page: Open, first: dict[str, object]
) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/watch/hall?lang=en", "bob")
    await viewer(hall, page)
    for message in (first, WARNING if first is QUOTA else QUOTA):
        await hall.to(hall.viewers(), message)
    notice = page.locator("#notice")
    await expect(notice).to_contain_text("Four fifths of your minutes of captions for this hour are used")
    await expect(notice).to_contain_text("5 min are left")
    await expect(notice).to_contain_text("they come back in")
    await expect(notice.get_by_role("link", name="See your minutes")).to_have_attribute("href", "/usage")
    await expect(page.locator("#minutes")).to_contain_text("5 min of captions left this hour")
    assert len(hall.viewers()) == 1


async def test_spent_minutes_say_when_they_come_back_and_are_not_asked_for_again(
    stage: Stage, open_page: Open
) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/static/mark.svg", "bob")
    await page.clock.install()
    await page.goto(stage.address + "/watch/hall?lang=en")
    await viewer(hall, page)
    spent = {
        "code": "QUOTA_EXCEEDED", "message": "Your time for this hour is used up", "recoverable": False,
        "window": "hour", "resets_at": "2100-01-01T12:00:00Z",
    }  # fmt: skip
    await hall.drop(4402, spent)
    alert = page.get_by_role("alert").first
    await expect(alert).to_contain_text("Your minutes are used up")
    await expect(alert).to_contain_text("this hour is spent")
    await expect(alert).to_contain_text("They come back in")
    await expect(alert.get_by_role("link", name="See your minutes")).to_have_attribute("href", "/usage")
    for _ in range(6):
        await page.clock.run_for(20_000)
        await page.evaluate("window.dispatchEvent(new Event('online'))")
    assert len(hall.came) == 1
    await alert.get_by_role("button", name="Try again").click()
    await viewer(hall, page)
    assert len(hall.came) == 2


async def test_minutes_that_other_sessions_hold_are_not_called_used_up(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/watch/hall?lang=en", "bob")
    await viewer(hall, page)
    await hall.drop(4402, {"code": "QUOTA_EXCEEDED", "message": "", "recoverable": False, "held": True})
    await expect(page.get_by_role("alert").first).to_contain_text("Close one of them")


@pytest.mark.parametrize("how", ["warning", "close"])
async def test_a_voice_without_minutes_stops_and_captions_go_on(
    stage: Stage, open_page: Open, how: str
) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/watch/hall?lang=en", "bob")
    await viewer(hall, page)
    await hall.start()
    await page.get_by_role("button", name="Listen").click()
    voice = await viewer(hall, page, "dubbing")
    if how == "warning":
        await voice.say(QUOTA | {"kind": "dubbing", "remaining_seconds": 0.0})
        await voice.say({"type": "warning", "code": "dubbing_spent", "message": "No more voice"})
    else:
        await voice.say(
            {
                "type": "error",
                "code": "QUOTA_EXCEEDED",
                "message": "",
                "recoverable": False,
                "window": "hour",
                "resets_at": "2100-01-01T12:00:00Z",
            }
        )
        await voice.socket.close(4402)
    await gone(hall, page, "dubbing")
    note = page.locator("#dub-note")
    await expect(note).to_contain_text("are used up")
    await expect(note).to_contain_text("in ")
    await expect(note.get_by_role("link")).to_have_attribute("href", "/usage")
    await expect(page.get_by_role("button", name="Listen")).to_be_visible()
    await hall.final("The captions go on.", "s9")
    await expect(spoken(page)).to_have_text(["The captions go on."])
    await page.wait_for_timeout(700)
    assert len([peer for peer in hall.came if peer.kind == "dubbing"]) == 1
