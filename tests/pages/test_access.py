"""Everybody can use the pages: by keyboard, on a small screen, at twice the text, with a screen reader."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Page, ViewportSize, expect

from tests.pages.booth import call, fan, media
from tests.pages.channel import Channel, token
from tests.pages.company import CODE, enter, message, poll, view
from tests.pages.conftest import Open
from tests.pages.lobby import row
from tests.pages.minutes import hours, session
from tests.pages.phone import phone
from tests.pages.stage import Stage
from tests.pages.tabs import LARGE
from tests.pages.waiting import viewer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

ROOM = f"/rooms/{CODE}"
PAGES = ["/", "/usage", "/admin", "/studio/hall", "/watch/hall", "/rooms", ROOM, "/watch/-", "/calls"]
OVERLAY = "/overlay/hall?lang=en&debug=1"
THEMES: list[Literal["light", "dark"]] = ["light", "dark"]
NARROW, MIDDLE = ViewportSize(width=360, height=740), ViewportSize(width=720, height=900)
CHECKS = Path(__file__).with_name("checks.js").read_text(encoding="utf-8")
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"


async def check(page: Page, name: str) -> Any:
    """What the function `name` of checks.js finds on the page."""
    return await page.evaluate(f"({CHECKS}).{name}()")


async def nothing_passes() -> None:
    """What stays on a page needs no saying again."""


@dataclass(frozen=True)
class InUse:
    """A page with everything open; `again` says once more what is on it for some seconds only."""

    page: Page
    again: Callable[[], Awaitable[None]] = nothing_passes


async def in_use(stage: Stage, open_page: Open, path: str, **options: Any) -> InUse:
    """The page with everything open, while the channel is live and a warning is shown."""
    hall = stage.channel("hall")
    await hall.start()
    minutes = stage.minutes
    for kind, windows in {"subtitles": ("day",), "dubbing": ("hour", "day")}.items():
        minutes.spend(kind, 12_600, *windows)
    minutes.sessions, minutes.points = [session(n) for n in range(3)], hours(24)
    minutes.degraded = {"redis": "Connection refused"}
    stage.lobby.mine = [row(1), row(2, is_owner=False), row(3, is_active=False)]
    if path == ROOM:
        return await room_in_use(stage, open_page, **options)
    if path == "/calls":
        return InUse(await call_in_use(stage, open_page, **options))
    page = await open_page(stage, path, "alice", "admin", **options)
    if path == "/usage":
        await expect(page.locator("#spent")).to_contain_text("used up")
    elif path == "/admin":
        await expect(page.locator("#sessions")).to_contain_text("user2")
        await page.locator("#whose").fill("dana")
        await page.get_by_role("button", name="Show what they used").click()
        await expect(page.locator("#user-meters")).to_contain_text("Used up")
        await page.locator(".plot").first.press("ArrowLeft")
        await expect(page.locator(".plot-told").first).to_contain_text("Subtitles")
    elif path == "/studio/hall":
        await page.get_by_role("button", name="Go on air").click()
        await expect(page.locator("#state")).to_contain_text("On air")
        warning = {"type": "warning", "code": "quota_80", "message": ""}
        await hall.to(hall.viewers("publish"), warning)
        await expect(page.locator("#notice")).to_contain_text("Four fifths")
    elif path == "/watch/hall":
        await viewer(hall, page)
    await page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    if path != "/watch/hall":
        return InUse(page)
    await hall.final("A caption on the screen,\nand in the transcript.", "s1")
    return InUse(page, await speaking(page, hall))


async def speaking(page: Page, hall: Channel) -> Callable[[], Awaitable[None]]:
    """Go on with a sentence under the last caption, which both stay on the screen while more is said."""
    revisions = count(1)

    async def more() -> None:
        revision = next(revisions)
        await hall.interim(f"and what is being said now, {revision}", "going on", revision)
        await expect(page.locator(".caption-line").last).to_contain_text(f"now, {revision}")
        await expect(page.locator(".caption-line")).to_have_count(2)

    await more()
    return more


async def room_in_use(stage: Stage, open_page: Open, **options: Any) -> InUse:
    """The room of a host with all kinds of messages and polls, captions, and a reconnect under way."""
    polls = [
        poll("p1", 2, 2, state="closed", winners=["1", "2"], my_vote=["1"], visibility="public"),
        poll("p2", 5, 3, my_vote=["2"], multiple=True),
        poll("p3", state="draft", question="\u05d1\u05d5\u05e7\u05e8 \u05d8\u05d5\u05d1?"),
    ]
    long = "a-long-name-" * 8
    said = [
        message(1, "alice", "Look: https://example.org/" + "path" * 30),
        message(2, long, "\u05e9\u05dc\u05d5\u05dd"),
    ]
    joined = view("alice", "bob", long, *(f"guest{n}" for n in range(20)), messages=said, polls=polls)
    company = await enter(stage, open_page, "alice", joined, query="?captions=hall", **options)
    page = company.page
    await expect(page.locator(".poll")).to_have_count(3)
    await company.says("room:typing", userId="bob")
    await company.answers("room:message", {"ok": False, "code": "INVALID", "error": "No."})
    await page.get_by_label("Your message").fill("not taken")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Discard")).to_be_visible()
    await viewer(stage.channel("hall"), page)
    hall = stage.channel("hall")
    await hall.final("A caption beside the chat.", "s1")
    await expect(page.locator(".caption-line")).to_have_count(1)
    more = await speaking(page, hall)
    await page.evaluate("far.silent = true")
    await company.drops()
    await expect(page.locator("#notice")).to_contain_text("The connection was lost")
    return InUse(page, more)


async def call_in_use(stage: Stage, open_page: Open, **options: Any) -> Page:
    """A creator in a call, with fans of all kinds, whose connection to the server is lost."""
    long = "a-long-name-" * 8
    booth = stage.booth
    booth.fans = [fan("bob", displayName="Bob"), fan(long), fan("\u05d3\u05e0\u05d4", canCall=False)]
    booth.blocks = [{"userId": long, "createdAt": "2026-11-29T10:00:00.000Z"}]
    ended = {"connectedAt": "2026-11-29T10:00:00.000Z", "endedAt": "2026-11-29T10:12:05.000Z"}
    booth.past = [call("p1", "ENDED", 5, fanId=long, endReason="hung_up", amount=26, **ended)]
    live = call(state="CONNECTED", version=3, connectedAt="2026-11-29T10:00:00.000Z", fanId=long)
    company = await phone(
        stage, open_page, "alice", "creator", {"call": live, "media": media(polite=False)}, **options
    )
    await expect(company.page.locator("#near")).to_be_visible()
    await company.page.evaluate("far.silent = true")
    await company.drops()
    await expect(company.page.locator("#call-notice")).to_contain_text("is lost")
    return company.page


class Faults:
    """What is wrong with a page, each with the page, the width and the theme in which it is."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def note(self, where: str, seen: Any, wanted: Any) -> None:
        if seen != wanted:
            self.found.append(f"{where}: {seen!r} instead of {wanted!r}")


async def note_structure(faults: Faults, page: Page, path: str) -> None:
    """Everything has a name and its place."""
    faults.note(f"{path}, controls without a name", await check(page, "names"), [])
    found = await check(page, "structure")
    faults.note(f"{path}, ids that are there twice", found["doubles"], [])
    faults.note(f"{path}, references to nothing", found["dangling"], [])
    faults.note(f"{path}, lang", found["lang"], "en")
    faults.note(f"{path}, has a title", bool(found["title"]), True)
    faults.note(f"{path}, main elements", found["mains"], 1)
    levels = found["levels"]
    if not path.startswith("/overlay"):
        faults.note(f"{path}, first heading", levels[:1], [1])
        faults.note(f"{path}, headings of level 1", levels.count(1), 1)
        jumps = [(one, later) for one, later in pairwise(levels) if later - one > 1]
        faults.note(f"{path}, jumps between headings", jumps, [])


async def violations(page: Page) -> list[str]:
    """What axe finds on the page."""
    if not await page.evaluate("'axe' in globalThis"):
        await page.evaluate(AXE.read_text(encoding="utf-8"))
    run = (
        "() => axe.run(document, { resultTypes: ['violations'], "
        "runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'] })"
    )
    found = await page.evaluate(run)
    return [
        f"{rule['id']}: {node['html']} {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def need_axe() -> None:
    if not AXE.exists():
        pytest.skip("AXE IS NOT RUN: npm install brings axe-core for these tests")


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_in_use_is_whole_at_each_width_and_readable_in_each_theme(
    stage: Stage, open_page: Open, path: str
) -> None:
    """Loaded at the narrowest width, which is what its scripts see first; then the window grows."""
    faults = Faults()
    use = await in_use(stage, open_page, path, viewport=NARROW)
    page = use.page
    faults.note(f"{path}, 360 pixels, sticks out", await check(page, "overflow"), [0, []])
    await page.set_viewport_size(MIDDLE)
    await page.evaluate("document.documentElement.style.fontSize = '200%'")
    await use.again()
    await drawn(page)
    faults.note(f"{path}, text of 200 %, sticks out", await check(page, "overflow"), [0, []])
    await page.evaluate("document.documentElement.style.fontSize = ''")
    await page.set_viewport_size(LARGE)
    await use.again()
    await drawn(page)
    await note_structure(faults, page, path)
    for theme in THEMES:
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        await use.again()
        await drawn(page)
        faults.note(f"{path}, {theme}, low contrast", await check(page, "contrast"), [])
        if AXE.exists():
            await use.again()
            faults.note(f"{path}, {theme}, axe", await violations(page), [])
    assert not faults.found, "\n".join(faults.found)
    need_axe()


async def drawn(page: Page) -> None:
    """Wait until the page has followed its new size or theme: what observes it has drawn, and was drawn."""
    await page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
    )


async def test_everything_of_the_overlay_has_a_name_and_its_place(stage: Stage, open_page: Open) -> None:
    faults = Faults()
    await note_structure(faults, (await in_use(stage, open_page, OVERLAY)).page, OVERLAY)
    assert not faults.found, "\n".join(faults.found)


@pytest.mark.parametrize("theme", THEMES)
async def test_each_part_of_a_room_is_whole_on_a_telephone(stage: Stage, open_page: Open, theme: str) -> None:
    small = {"viewport": {"width": 390, "height": 844}, "color_scheme": theme, "reduced_motion": "reduce"}
    need_axe()
    use = await room_in_use(stage, open_page, **small)
    page = use.page
    assert await violations(page) == []
    for part in ("polls", "people"):
        await page.locator(f"#parts input[value={part}]").focus()
        await page.keyboard.press("Space")
        await expect(page.locator(f".part-{part}").last).to_be_visible()
        await expect(page.locator("#log")).to_be_hidden()
        assert await check(page, "overflow") == [0, []]
        assert await check(page, "contrast") == []
        assert await violations(page) == []
    await page.set_viewport_size({"width": 360, "height": 740})
    await page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert await check(page, "overflow") == [0, []]


@pytest.mark.parametrize("theme", THEMES)
async def test_what_rings_is_whole_on_a_telephone(stage: Stage, open_page: Open, theme: str) -> None:
    small = {"viewport": {"width": 360, "height": 740}, "color_scheme": theme, "reduced_motion": "reduce"}
    ringing = {"call": call(creatorId="\u05d0\u05dc\u05d9\u05e1" * 9), "remainingMs": 30_000}
    page = (await phone(stage, open_page, "bob", "fan", ringing, **small)).page
    await expect(page.get_by_role("button", name="Accept", exact=True)).to_be_focused()
    for size in ("100%", "200%"):
        await page.evaluate(f"document.documentElement.style.fontSize = '{size}'")
        assert await check(page, "overflow") == [0, []]
    assert await check(page, "contrast") == []
    for control in ("Accept without camera", "Decline"):
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name=control)).to_be_focused()


@pytest.mark.parametrize("path", PAGES[:6])
async def test_the_tab_key_reaches_every_control_and_shows_where_it_is(
    stage: Stage, open_page: Open, path: str
) -> None:
    stage.minutes.sessions = [session(1)]
    page = await open_page(stage, path, "alice", "admin")
    fetched = path in ("/usage", "/admin", "/rooms")
    await expect(page.locator("#state" if fetched else "#identity")).to_contain_text(
        "Up to date" if fetched else "alice"
    )
    await page.wait_for_timeout(200)
    await expect(page.locator("#identity")).to_contain_text("alice")
    reachable = await check(page, "stops")
    reached, bare = set(), []
    for _ in range(len(reachable) + 10):
        await page.keyboard.press("Tab")
        stop = await check(page, "focused")
        reached.add(stop[0])
        if stop[0] and not stop[1]:
            bare.append(stop[0])
    assert set(reachable) <= reached
    assert bare == []


async def test_a_whole_stream_is_published_and_ended_with_the_keyboard(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/studio/hall", "alice", "creator")
    await page.locator("#spoken").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Escape")
    await page.locator("#start").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#state")).to_contain_text("On air")
    await expect(page.locator("#end")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#confirm-end")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#state")).to_contain_text("Ended")
    await expect(page.locator("#start")).to_be_focused()
    assert {"type": "end"} in hall.came[0].messages


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
async def test_lines_scroll_only_for_those_who_want_motion(
    stage: Stage, open_page: Open, motion: str
) -> None:
    hall = stage.channel("hall")
    count = """
      const own = Element.prototype.animate;
      Element.prototype.animate = function (...all) {
        window.moved = true;
        return own.apply(this, all);
      };
    """
    page = await open_page(stage, "/watch/hall?lang=en", "bob", reduced_motion=motion, script=count)
    await viewer(hall, page)
    await hall.start()
    for n in range(3):
        await hall.final(f"Line {n}", f"s{n}", start=float(n))
    await expect(page.locator(".caption-line")).to_have_text(["Line 1", "Line 2"])
    assert bool(await page.evaluate("window.moved")) is (motion != "reduce")
    pulse = await page.evaluate("getComputedStyle(document.querySelector('.dot')).animationName")
    assert (pulse == "none") is (motion == "reduce")


async def test_a_narrow_screen_shows_three_short_lines(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, "/watch/hall?lang=en", "bob", viewport={"width": 360, "height": 740})
    await page.evaluate("localStorage.setItem('stagedoor.look', JSON.stringify({ size: 'l' }))")
    await page.reload()
    await page.wait_for_timeout(100)
    await viewer(hall, page)
    await hall.start()
    await hall.final("On a telephone a line holds less than half\nof what it holds on a larger screen.", "s1")
    await expect(page.locator(".caption-line")).to_have_count(3)
    stage_box = await page.locator("#stage").bounding_box()
    assert stage_box is not None
    for line in await page.locator(".caption-line").all():
        box = await line.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= stage_box["x"] + stage_box["width"]


async def test_screen_readers_can_be_left_in_peace(stage: Stage, open_page: Open) -> None:
    page = await open_page(stage, "/watch/hall", "bob")
    await page.get_by_text("Size, background, position").click()
    await page.get_by_label("Read finished captions").uncheck()
    await expect(page.locator("#transcript")).to_have_attribute("aria-live", "off")
    await expect(page.locator(".captions")).to_have_attribute("aria-hidden", "true")
    assert token("bob") not in await page.content()
