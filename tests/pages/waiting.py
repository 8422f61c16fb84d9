"""Waiting for what happens between a page and the stage."""

from collections.abc import Callable

from playwright.async_api import Locator, Page

from tests.pages.channel import Channel, Peer


async def until(page: Page, condition: Callable[[], object], what: str) -> None:
    for _ in range(500):
        if condition():
            return
        await page.wait_for_timeout(20)
    raise AssertionError(f"never came: {what}")


async def viewer(channel: Channel, page: Page, kind: str = "subtitles") -> Peer:
    """Wait until the page's connection is accepted."""
    for _ in range(400):
        if found := channel.viewers(kind):
            return found[-1]
        await page.wait_for_timeout(20)
    raise AssertionError(f"nobody came to {kind}")


async def gone(channel: Channel, page: Page, kind: str = "subtitles") -> None:
    for _ in range(400):
        if not channel.viewers(kind):
            return
        await page.wait_for_timeout(20)
    raise AssertionError(f"somebody is still at {kind}")


def spoken(page: Page) -> Locator:
    """The sentences of the page's transcript."""
    return page.locator("#transcript .said span")
