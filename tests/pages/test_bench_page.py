"""The page of a bench's run, from a file, without a server: it sorts, it says its numbers, it fits."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from bench.reports.page import page as report
from tests.bench.reports.documents import document

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def opened(browser: Browser, tmp_path: Path) -> AsyncIterator[Page]:
    file = tmp_path / "run.html"
    file.write_text(report(document()), encoding="utf-8")
    page = await browser.new_page(viewport={"width": 390, "height": 800})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url))
    await page.goto(file.as_uri())
    yield page
    await page.close()
    assert problems == [file.as_uri()]


async def test_it_fits_on_a_phone(opened: Page) -> None:
    assert await opened.evaluate("document.documentElement.scrollWidth") == 390


async def test_a_table_sorts_by_its_numbers(opened: Page) -> None:
    table = opened.locator("table").first
    names = table.locator("tbody th")
    await expect(names).to_have_text(["a frame", "CPU <meanwhile>"])

    await table.get_by_role("button", name="Measured").click()
    await expect(names.first).to_have_text("a frame")
    await table.get_by_role("button", name="Measured").click()
    await expect(names.first).to_have_text("CPU <meanwhile>")
    await expect(table.locator("th[aria-sort]")).to_have_attribute("aria-sort", "descending")


async def test_a_plot_says_its_numbers_to_mouse_and_keyboard(opened: Page) -> None:
    chart = opened.locator("svg.chart").nth(1)
    told = opened.locator("figure").nth(1).locator(".told")
    await chart.focus()
    await expect(told).to_have_text("2.5 s: 90 a second")
    await opened.keyboard.press("ArrowLeft")
    await expect(told).to_have_text("1.5 s: 120 a second")
    await chart.hover(position={"x": 60, "y": 60})
    await expect(told).to_have_text("0.5 s: 100 a second")


async def test_a_table_is_saved(opened: Page) -> None:
    async with opened.expect_download() as download:
        await opened.get_by_role("button", name="Save as CSV").first.click()
    saved = await download.value
    assert saved.suggested_filename == "fanout.csv"
    text = (await asyncio.to_thread(Path(await saved.path()).read_bytes)).decode("utf-8-sig")
    assert text.splitlines()[1].startswith('"a frame","3.20 us"')
