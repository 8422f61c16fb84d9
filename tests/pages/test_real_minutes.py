"""The pages of minutes against the routes of a server, on a database: what is seen is what was written."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from auth.principal import Role
from gateway.http import errors
from gateway.stores.database import open_database
from tests.gateway.http.office import NOW_MS, Office, opened
from tests.pages.conftest import Open
from tests.pages.stage import Stage, open_stage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def house(tmp_path: Path) -> AsyncIterator[tuple[Stage, Office]]:
    """The stage with the real routes in the place of its own; the time is the office's."""
    async with AsyncExitStack() as stack:
        database = await open_database("", tmp_path)
        stack.push_async_callback(database.aclose)
        office = await stack.enter_async_context(opened(database))
        stage = Stage()
        pages = [route for route in stage.app.routes if not getattr(route, "path", "").startswith("/api/v1")]
        stage.app.router.routes = [*pages, *office.app.routes]
        stage.app.exception_handlers |= errors.ANSWERS
        yield await stack.enter_async_context(open_stage(stage, dated=False)), office


async def visit(house: tuple[Stage, Office], open_page: Open, path: str, user: str, role: Role) -> Page:
    stage, office = house
    page = await open_page(stage, "/static/mark.svg")
    await page.clock.set_system_time(NOW_MS / 1000)
    token = office.bearer(user, role=role)["Authorization"].removeprefix("Bearer ")
    await page.evaluate("(token) => sessionStorage.setItem('stagedoor.token', token)", token)
    await page.goto(stage.address + path)
    await expect(page.locator("#state")).to_contain_text("Up to date")
    return page


async def test_what_was_used_is_shown(house: tuple[Stage, Office], open_page: Open) -> None:
    _, office = house
    await office.use("noa", 45_500)
    await office.use("noa", 30_000, closed=False)
    page = await visit(house, open_page, "/usage", "noa", Role.FAN)
    await expect(page.locator("#plan-name")).to_have_text("free")
    hour = page.get_by_role("meter", name="Subtitles, this hour")
    await expect(hour).to_have_attribute("aria-valuenow", "75.5")
    await expect(hour).to_have_attribute("aria-valuemax", "1800")
    await expect(page.locator("#meters")).to_contain_text("1 min 15 s of 30 min")


async def test_an_admin_ends_grants_limits_and_resets(house: tuple[Stage, Office], open_page: Open) -> None:
    _, office = house
    await office.use("noa", 45_500)
    await office.session("live_1", "noa")
    page = await visit(house, open_page, "/admin", "ada", Role.ADMIN)
    await expect(page.locator("#now")).to_contain_text("Active sessions1")
    await expect(page.locator("#points tbody tr")).to_have_count(24)
    await expect(page.locator("#top")).to_contain_text("noa")

    await page.locator("#sessions").get_by_role("button", name="Minutes of noa").click()
    meters = page.locator("#user-meters")
    await expect(meters).to_contain_text("45 s of 30 min")
    await page.locator("#grant").get_by_label("Minutes").fill("15")
    await page.locator("#grant").get_by_role("button", name="Grant").click()
    await expect(meters).to_contain_text("45 s of 45 min")
    await expect(page.locator("#audit tbody tr")).to_have_count(1)

    await page.locator("#override").get_by_label("Minutes").fill("7")
    await page.locator("#override").get_by_role("button", name="Set the limit").click()
    await expect(page.locator("#overrides tbody tr")).to_contain_text(["noasubtitleshour7 minada"])
    await expect(meters).to_contain_text("45 s of 22 min")
    await page.locator("#overrides").get_by_role("button", name="Remove…").click()
    await page.get_by_role("button", name="Remove it").click()
    await expect(page.get_by_text("None: everybody has what their plan says")).to_be_visible()

    await page.locator("#reset").get_by_role("button", name="Reset…").click()
    await page.get_by_role("button", name="Reset it").click()
    await expect(meters).to_contain_text("0 s of 45 min")

    await page.locator("#sessions").get_by_role("button", name="End…").click()
    await page.get_by_role("button", name="End the session").click()
    await expect(page.locator("#sessions-note")).to_contain_text("The session of noa is ended")
    await expect(page.locator("#audit tbody tr")).to_have_count(5)


async def test_the_routes_refuse_who_only_says_to_be_an_admin(
    house: tuple[Stage, Office], open_page: Open
) -> None:
    stage, office = house
    page = await open_page(stage, "/static/mark.svg")
    await page.clock.set_system_time(NOW_MS / 1000)
    head, body, _ = office.bearer("eve", role=Role.ADMIN)["Authorization"].removeprefix("Bearer ").split(".")
    await page.evaluate("(token) => sessionStorage.setItem('stagedoor.token', token)", f"{head}.{body}.AAAA")
    await page.goto(stage.address + "/admin")
    await expect(page.get_by_role("alert").first).to_contain_text("no longer valid")
    await expect(page.locator("#work")).to_be_hidden()
