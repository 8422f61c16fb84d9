"""The page of one's own minutes: bars that stay fresh, what is spent and what to do, each way to fail."""

import pytest
from playwright.async_api import Locator, Page, expect

from tests.pages.channel import token
from tests.pages.conftest import Open
from tests.pages.stage import Stage
from tests.pages.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SHOWN_SOON_MS = 9_000


async def let_pass(page: Page, seconds: int) -> None:
    """Let the page's clock run, and answers come in between."""
    for _ in range(seconds):
        await page.clock.run_for(1000)
        await page.wait_for_timeout(15)


def bar(page: Page, name: str) -> Locator:
    return page.get_by_role("meter", name=name, exact=True)


def window(page: Page, kind: str, name: str) -> Locator:
    return page.locator(".meters").filter(has_text=kind).locator(".window").filter(has=page.get_by_text(name))


async def test_a_stranger_signs_in_and_sees_the_bars(stage: Stage, open_page: Open) -> None:
    stage.minutes.spend("subtitles", 725.4)
    page = await open_page(stage, "/usage")
    await expect(page.locator("#state")).to_contain_text("Not signed in")
    assert stage.minutes.calls == []
    await page.locator("#notice").get_by_role("button", name="Sign in").click()
    await page.get_by_role("dialog").locator("button.primary").click()
    await expect(page.locator("#state")).to_contain_text("Up to date")
    hour = window(page, "Subtitles", "This hour")
    await expect(hour).to_contain_text("12 min 05 s of 60 min")
    await expect(hour).to_contain_text("47 min 54 s left")
    await expect(hour.locator("time")).to_contain_text("in 23 min (")
    await expect(bar(page, "Subtitles, this hour")).to_have_attribute("aria-valuenow", "725.4")
    await expect(bar(page, "Subtitles, this hour")).to_have_attribute("aria-valuemax", "3600")
    width = (
        await bar(page, "Subtitles, this hour").locator(".gauge-fill").evaluate("(bar) => bar.style.width")
    )
    assert width == "20.15%"
    await expect(page.locator("#plan-name")).to_have_text("pro")
    assert [call.user for call in stage.minutes.calls] == ["alice"]


async def test_nothing_used_yet_is_said(stage: Stage, open_page: Open) -> None:
    page = await open_page(stage, "/usage", "bob")
    await expect(page.locator("#untouched")).to_contain_text("Nothing used yet")
    await expect(window(page, "Dubbing", "Today")).to_contain_text("0 s of 60 min")


async def test_the_figures_move_while_one_looks_and_no_faster_than_every_five_seconds(
    stage: Stage, open_page: Open
) -> None:
    page = await open_page(stage, "/static/mark.svg", "bob")
    await page.clock.install()
    await page.goto(stage.address + "/usage")
    await expect(page.locator("#untouched")).to_be_visible()
    stage.minutes.spend("dubbing", 90)
    await page.clock.run_for(4_000)
    assert len(stage.minutes.calls) == 1
    await page.clock.run_for(2_000)
    await expect(window(page, "Dubbing", "This hour")).to_contain_text("1 min 30 s of 20 min")
    await expect(page.locator("#untouched")).to_be_hidden()
    await let_pass(page, 120)
    # Two minutes of which nothing moved: at first every 5 s, then every 15.
    assert 10 <= len(stage.minutes.calls) <= 22


async def test_four_fifths_and_the_end_are_marked_with_what_to_do(stage: Stage, open_page: Open) -> None:
    stage.minutes.spend("subtitles", 3000, "hour")
    stage.minutes.spend("dubbing", 1200, "hour")
    stage.minutes.spend("dubbing", 3600, "day")
    page = await open_page(stage, "/usage", "bob")
    await expect(window(page, "Subtitles", "This hour").locator(".tag")).to_have_text("83 % used")
    await expect(window(page, "Subtitles", "Today").locator(".tag")).to_be_hidden()
    await expect(window(page, "Dubbing", "This hour").locator(".tag")).to_have_text("Used up")
    spent = page.locator("#spent")
    # Until both the hour and the day have begun anew: the later one counts.
    await expect(spent).to_contain_text("Your minutes of dubbing are used up today")
    await expect(spent).to_contain_text("in 9 h")
    await expect(spent).to_contain_text("captions go on")
    await expect(spent).to_contain_text("ask whoever runs this server")


async def test_no_limit_and_no_minutes_at_all_are_said_in_words(stage: Stage, open_page: Open) -> None:
    for name in ("hour", "day", "month"):
        stage.minutes.limits |= {("subtitles", name): -1, ("dubbing", name): 0}
    page = await open_page(stage, "/usage", "bob")
    await expect(window(page, "Subtitles", "This month")).to_contain_text("No limit")
    await expect(bar(page, "Subtitles, this month")).to_be_hidden()
    await expect(window(page, "Dubbing", "Today")).to_contain_text("Not in this plan")
    await expect(page.locator("#spent")).to_be_empty()


async def test_no_cost_is_shown_even_if_one_were_sent(stage: Stage, open_page: Open) -> None:
    page = await open_page(stage, "/usage", "bob")
    await page.route("**/my-usage", lambda route: route.fulfill(json=stage.minutes.usage() | {"cost": 99.25}))
    await page.reload()
    await expect(page.locator("#state")).to_contain_text("Up to date")
    text = await page.locator("body").inner_text()
    assert "99" not in text
    assert "credit" not in text


async def test_the_figures_stay_while_the_server_is_away_and_go_on_when_it_is_back(
    stage: Stage, open_page: Open
) -> None:
    stage.minutes.spend("subtitles", 600)
    page = await open_page(stage, "/usage", "bob")
    await expect(page.locator("#state")).to_contain_text("Up to date")
    await page.context.set_offline(offline=True)
    await expect(page.locator("#state")).to_contain_text("Reconnecting", timeout=SHOWN_SOON_MS)
    await expect(page.locator("#notice")).to_contain_text("This device is offline")
    await expect(page.locator("#notice")).to_contain_text("The last figures stay here")
    await expect(window(page, "Subtitles", "This hour")).to_contain_text("10 min of 60 min")
    stage.minutes.spend("subtitles", 60)
    await page.context.set_offline(offline=False)
    await expect(window(page, "Subtitles", "This hour")).to_contain_text("11 min of 60 min")
    await expect(page.locator("#notice")).to_be_empty()


async def test_a_store_that_is_down_is_told_and_waited_for(stage: Stage, open_page: Open) -> None:
    stage.minutes.failing = [(503, {"code": "UNAVAILABLE", "error": "The database is away."})]
    page = await open_page(stage, "/usage", "bob")
    await expect(page.locator("#notice")).to_contain_text("The database is away.")
    await expect(page.locator("#notice small")).to_have_text("UNAVAILABLE · status 503")
    await page.get_by_role("button", name="Try now").click()
    await expect(page.locator("#state")).to_contain_text("Up to date")


async def test_asked_too_often_waits_as_long_as_it_is_told(stage: Stage, open_page: Open) -> None:
    limited = {"code": "RATE_LIMITED", "error": "Too many requests", "retry_after_seconds": 30}
    stage.minutes.failing = [(429, limited)]
    page = await open_page(stage, "/static/mark.svg", "bob")
    await page.clock.install()
    await page.goto(stage.address + "/usage")
    await expect(page.locator("#notice")).to_contain_text("Asked too often")
    await expect(page.locator("#notice .countdown")).to_contain_text("Next try in 3")
    await page.clock.run_for(29_000)
    await page.evaluate("window.dispatchEvent(new Event('online'))")
    await page.clock.run_for(500)
    assert len(stage.minutes.calls) == 1
    await page.clock.run_for(2_000)
    await expect(page.locator("#state")).to_contain_text("Up to date")


async def test_a_token_that_is_refused_is_replaced(stage: Stage, open_page: Open) -> None:
    stage.minutes.failing = [(401, {"code": "INVALID_TOKEN", "error": "Invalid or expired token"})]
    page = await open_page(stage, "/usage", "bob")
    await expect(page.get_by_role("alert").first).to_contain_text("no longer valid")
    await page.wait_for_timeout(300)
    assert len(stage.minutes.calls) == 1
    await page.get_by_role("button", name="Sign in again").click()
    await page.get_by_role("dialog").locator("button.primary").click()
    await expect(page.locator("#state")).to_contain_text("Up to date")


async def test_a_token_that_runs_out_while_one_looks_leaves_the_figures(
    stage: Stage, open_page: Open
) -> None:
    page = await open_page(stage, "/static/mark.svg")
    await page.clock.install()
    await page.evaluate("(kept) => sessionStorage.setItem('stagedoor.token', kept)", await short_lived(page))
    await page.goto(stage.address + "/usage")
    await expect(page.locator("#state")).to_contain_text("Up to date")
    await let_pass(page, 70)
    await expect(page.get_by_role("alert").first).to_contain_text("It has run out")
    await expect(page.locator("#figures")).to_be_visible()


async def short_lived(page: Page) -> str:
    now = await page.evaluate("Date.now() / 1000")
    return token("bob", exp=int(now) + 60)


async def test_somebody_else_does_not_see_what_stood_there(stage: Stage, open_page: Open) -> None:
    stage.minutes.spend("subtitles", 600)
    page = await open_page(stage, "/usage", "bob")
    await expect(page.locator("#figures")).to_be_visible()
    await page.locator("#identity").get_by_role("button", name="Sign out").click()
    await expect(page.locator("#figures")).to_be_hidden()
    assert "10 min" not in await page.locator("#meters").inner_text()


async def test_a_page_that_is_not_looked_at_asks_nothing(stage: Stage, open_page: Open) -> None:
    hidden = (
        "Object.defineProperty(document, 'hidden', { get: () => window.away === true, configurable: true })"
    )
    page = await open_page(stage, "/static/mark.svg", "bob", script=hidden)
    await page.clock.install()
    await page.goto(stage.address + "/usage")
    await expect(page.locator("#state")).to_contain_text("Up to date")
    await page.evaluate("window.away = true; document.dispatchEvent(new Event('visibilitychange'))")
    await let_pass(page, 60)
    assert len(stage.minutes.calls) == 1
    await page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    await page.clock.run_for(100)
    await until(page, lambda: len(stage.minutes.calls) == 2, "a second look")


POLL = """
async () => {
  const { Poll } = await import("/static/poll.js");
  let loads = 0;
  const poll = new Poll({
    load: async () => ++loads, onData: () => {}, onState: () => {},
    everyMs: 60_000, gapMs: 10, sooner: (count) => (count === 1 ? 50 : null),
  });
  poll.start();
  await new Promise((done) => setTimeout(done, 700));
  poll.stop();
  return loads;
}
"""


async def test_when_a_window_begins_anew_it_is_asked_for_without_waiting(blank: Page) -> None:
    assert await blank.evaluate(POLL) == 2


async def test_without_scripts_the_page_says_where_the_figures_are(stage: Stage, open_page: Open) -> None:
    page = await open_page(stage, "/usage", java_script_enabled=False)
    await expect(page.locator("noscript p")).to_contain_text("/api/v1/live/quota/my-usage")
    await expect(page.locator("main")).to_contain_text("How minutes are counted")


@pytest.mark.parametrize(("role", "shown"), [("fan", False), ("creator", False), ("admin", True)])
async def test_the_way_to_the_admin_page_is_shown_to_admins(
    stage: Stage, open_page: Open, role: str, shown: bool
) -> None:
    page = await open_page(stage, "/", "bob", role)
    ways = page.get_by_role("navigation", name="Pages")
    await expect(ways.get_by_role("link", name="Your minutes")).to_have_attribute("href", "/usage")
    await expect(page.locator("#identity")).to_contain_text("bob")
    await expect(ways.get_by_role("link", name="Admin")).to_have_count(int(shown))
