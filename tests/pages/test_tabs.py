"""Tabs that tests share: what one test did in a tab, the next does not find."""

import pytest
from playwright.async_api import Browser, Route, ViewportSize

from tests.pages.stage import Stage, open_stage
from tests.pages.tabs import STILL, Tabs

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LEFT = """
async () => ({
  local: localStorage.length, session: sessionStorage.length, cookie: document.cookie,
  planted: globalThis.planted, width: innerWidth,
  camera: (await navigator.permissions.query({ name: "camera" })).state,
  dark: matchMedia("(prefers-color-scheme: dark)").matches,
  still: matchMedia("(prefers-reduced-motion: reduce)").matches,
})
"""
NOTHING = {
    "local": 0, "session": 0, "cookie": "", "planted": None, "camera": "granted", "width": 1280,
    "dark": False, "still": False,
}  # fmt: skip
"""The fake devices are everybody's until somebody is given one of them alone."""
EVERYTHING = {
    "local": 1, "session": 1, "cookie": "c=1", "planted": 1, "camera": "denied", "width": 360,
    "dark": True, "still": True,
}  # fmt: skip


async def refuse(route: Route) -> None:
    await route.fulfill(status=404, body="refused")


async def test_the_next_finds_nothing_of_who_had_a_tab_before(stage: Stage, browser: Browser) -> None:
    tabs = Tabs(browser)
    small = ViewportSize(width=360, height=740)
    tab = await tabs.take(
        "globalThis.planted = 1",
        permissions=["microphone"], color_scheme="dark", reduced_motion="reduce", viewport=small,
    )  # fmt: skip
    page = tab.page
    await page.goto(stage.address + STILL)
    await page.evaluate("localStorage.a = sessionStorage.b = 1; document.cookie = 'c=1; path=/'")
    assert await page.evaluate(LEFT) == EVERYTHING
    await page.route("**/usage", refuse)
    await page.context.new_page()
    await page.context.set_offline(offline=True)

    await tabs.give_back(tab)
    assert await tabs.take() is tab
    assert page.context.pages == [page]
    answer = await page.goto(stage.address + "/usage")
    assert answer is not None
    assert answer.status == 200
    await page.goto(stage.address + STILL)
    assert await page.evaluate(LEFT) == NOTHING
    await page.context.close()


async def test_a_tab_whose_clock_was_replaced_is_not_used_again(stage: Stage, browser: Browser) -> None:
    tabs = Tabs(browser)
    tab = await tabs.take()
    await tab.page.goto(stage.address + STILL)
    await tab.page.clock.install()
    await tabs.give_back(tab)
    assert tab.page.is_closed()
    other = await tabs.take()
    assert other is not tab
    await other.page.context.close()


async def test_a_tab_whose_server_is_gone_is_not_used_again(browser: Browser) -> None:
    tabs = Tabs(browser)
    tab = await tabs.take()
    async with open_stage(Stage()) as stage:
        await tab.page.goto(stage.address + STILL)
    await tabs.give_back(tab)
    assert tab.page.is_closed()
