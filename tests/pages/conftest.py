"""One Chromium for all tests of pages; for each test a stage of its own, and a check that nothing broke."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    async_playwright,
    expect,
)

from tests.pages.channel import token
from tests.pages.stage import Stage, open_stage

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


@pytest_asyncio.fixture(loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    async with open_stage(Stage()) as running:
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
        page.on("pageerror", lambda error: self.seen.append(f"thrown: {error}"))
        page.on("console", self._console)

    def _console(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Permissions policy" in message.text:
            self.seen.append(message.text)


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser) -> AsyncIterator[Open]:
    """Open a page of a stage, as nobody or as `user` with `role`, each in a browser context of its own."""
    contexts: list[BrowserContext] = []
    problems = Problems()

    async def open_one(
        stage: Stage, path: str, user: str = "", role: str = "fan", *, script: str = "", **options: Any
    ) -> Page:
        settings: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "permissions": ["microphone"]}
        context = await browser.new_context(**(settings | options))
        contexts.append(context)
        if user:
            kept = token(user, role)
            await context.add_init_script(
                f"if (!sessionStorage.getItem('been')) {{ sessionStorage.setItem('been', '1');"
                f"sessionStorage.setItem('stagedoor.token', '{kept}') }}"
            )
        if script:
            await context.add_init_script(script)
        page = await context.new_page()
        page.set_default_timeout(10_000)
        problems.watch(page)
        await page.goto(stage.address + path)
        return page

    yield open_one
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
