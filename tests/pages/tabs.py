"""Browser tabs that tests use one after another. A context, a window and two processes for each test cost
more than most tests do.

Invariant: who takes a tab finds in it nothing of who had it before: no storage, cookie, permission, route,
script, clock or pointer. What cannot be taken back is closed instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict, Unpack

from playwright.async_api import Browser, CDPSession, Error, Page, ViewportSize

STILL = "/static/mark.svg"
"""What every server of pages has that runs no script: there a tab waits for its next test."""
FORGET = """
() => {
  localStorage.clear();
  sessionStorage.clear();
  return [Date, setTimeout, requestAnimationFrame].every((one) => String(one).includes("[native code]"));
}
"""
"""Runs where no page's own script can write again; answers whether the clock is the browser's own."""
LARGE = ViewportSize(width=1280, height=800)
TIMEOUT_MS = 10_000


class Look(TypedDict, total=False):
    """What a tab can be given each time; everything else takes a context that is made for it."""

    viewport: ViewportSize
    permissions: Sequence[str]
    color_scheme: Literal["light", "dark"]
    reduced_motion: Literal["reduce", "no-preference"]


@dataclass(eq=False)
class Tab:
    """One page in a browser context of its own."""

    page: Page
    devtools: CDPSession
    scripts: list[str] = field(default_factory=list)

    async def prepare(self, script: str, look: Look) -> None:
        """Look like this, and run `script` at the start of each document from now on."""
        page = self.page
        await page.set_viewport_size(look.get("viewport", LARGE))
        await page.emulate_media(
            color_scheme=look.get("color_scheme", "light"),
            reduced_motion=look.get("reduced_motion", "no-preference"),
        )
        if permissions := look.get("permissions"):  # to grant none would refuse all
            await page.context.grant_permissions(permissions)
        if script:
            # Playwright's own way to add one knows none to take it away again in every version.
            added = await self.devtools.send("Page.addScriptToEvaluateOnNewDocument", {"source": script})
            self.scripts.append(added["identifier"])

    async def forget(self) -> bool:
        """Take everything back; return whether nothing is left."""
        page, context = self.page, self.page.context
        for other in context.pages:
            if other is not page:
                await other.close()
        await context.set_offline(offline=False)
        await page.unroute_all(behavior="ignoreErrors")
        while self.scripts:
            await self.devtools.send(
                "Page.removeScriptToEvaluateOnNewDocument", {"identifier": self.scripts.pop()}
            )
        origin = await page.evaluate("location.origin")
        await page.goto(origin + STILL)
        await page.mouse.move(0, 0)
        await context.clear_cookies()
        await context.clear_permissions()
        clean: bool = await page.evaluate(FORGET)
        return clean


class Tabs:
    """The tabs of one browser that nobody uses just now."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: list[Tab] = []

    async def take(self, script: str = "", **look: Unpack[Look]) -> Tab:
        """A tab without a past, at a document that says nothing."""
        tab = self._free.pop() if self._free else await self._new()
        await tab.prepare(script, look)
        return tab

    async def give_back(self, tab: Tab) -> None:
        """Keep the tab for another test, or close it with all that is in it."""
        try:
            clean = not tab.page.is_closed() and await tab.forget()
        except Error:  # its server is gone, or the page itself
            clean = False
        if clean:
            self._free.append(tab)
        else:
            await tab.page.context.close()

    async def _new(self) -> Tab:
        context: Any = await self._browser.new_context(viewport=LARGE)
        page = await context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        devtools = await context.new_cdp_session(page)
        await devtools.send("Page.enable")
        return Tab(page, devtools)
