"""One Chromium for all tests of pages; for each test a stage of its own, and a check that nothing broke."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Unpack

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Playwright,
    async_playwright,
    expect,
)

from tests.pages.channel import token
from tests.pages.stage import Stage, Venue, open_stage, open_venue
from tests.pages.tabs import LARGE, TIMEOUT_MS, Look, Tab, Tabs

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
]  # fmt: skip

expect.set_options(timeout=15_000)

Open = Callable[..., Awaitable[Page]]


def chromium() -> str:
    """The browser's path; without one the test is skipped, and says so."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("PAGES ARE NOT TESTED: no Chromium found; install the Debian package chromium")
    return found


async def launch(playwright: Playwright, *more: str) -> Browser:
    return await playwright.chromium.launch(executable_path=chromium(), args=[*ARGUMENTS, *more])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    chromium()
    async with async_playwright() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(playwright: Playwright) -> AsyncIterator[Browser]:
    running = await launch(playwright)
    yield running
    await running.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def venue() -> AsyncIterator[Venue]:
    async with open_venue() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def stage(venue: Venue) -> AsyncIterator[Stage]:
    async with venue.showing(Stage()) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def production() -> AsyncIterator[Stage]:
    async with open_stage(Stage(development=False)) as running:
        yield running


class Problems:
    """What a page must never do: throw, or ask for something that its own policy forbids."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def watch(self, page: Page) -> None:
        page.on("pageerror", self._thrown)
        page.on("console", self._console)

    def leave(self, page: Page) -> None:
        page.remove_listener("pageerror", self._thrown)
        page.remove_listener("console", self._console)

    def _thrown(self, error: Error) -> None:
        self.seen.append(f"thrown: {error}")

    def _console(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Permissions policy" in message.text:
            self.seen.append(message.text)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tabs(browser: Browser) -> Tabs:
    return Tabs(browser)


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser, tabs: Tabs) -> AsyncIterator[Open]:
    """Open a page of a stage, as nobody or as `user` with `role`, in a tab or a browser context of its own.

    Without a path the tab is ready for that stage, and nothing is opened yet.
    """
    taken: list[Tab] = []
    contexts: list[BrowserContext] = []
    problems = Problems()

    async def open_one(
        stage: Stage,
        path: str = "",
        user: str = "",
        role: str = "fan",
        *,
        script: str = "",
        java_script_enabled: bool = True,
        **look: Unpack[Look],
    ) -> Page:
        if user:
            kept = token(user, role)
            script = (
                f"if (!sessionStorage.getItem('been')) {{ sessionStorage.setItem('been', '1');"
                f"sessionStorage.setItem('stagedoor.token', '{kept}') }};{script}"
            )
        if java_script_enabled:
            look.setdefault("permissions", ["microphone"])
            tab = await tabs.take(script, **look)
            taken.append(tab)
            page = tab.page
        else:
            context = await browser.new_context(java_script_enabled=False, viewport=LARGE)
            contexts.append(context)
            page = await context.new_page()
            page.set_default_timeout(TIMEOUT_MS)
        problems.watch(page)
        if path:
            await page.goto(stage.address + path)
        return page

    yield open_one
    for tab in taken:
        await tabs.give_back(tab)
        problems.leave(tab.page)
    for context in contexts:
        await context.close()
    assert problems.seen == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def blank(browser: Browser) -> AsyncIterator[Page]:
    """A page on which modules can be imported, and nothing else runs."""
    async with open_stage(Stage()) as running:
        page = await browser.new_page()
        await page.goto(running.address + "/static/mark.svg")
        yield page
        await page.close()
