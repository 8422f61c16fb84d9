"""The overlay for OBS: captions on nothing, and a token that no log sees."""

import pytest
from playwright.async_api import expect

from tests.pages.channel import token
from tests.pages.conftest import Open
from tests.pages.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_captions_stand_alone_on_a_transparent_ground(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    requests: list[str] = []
    page = await open_page(stage, "/static/mark.svg")
    page.on("request", lambda request: requests.append(request.url))
    await page.goto(f"{stage.address}/overlay/hall?lang=es&size=xl&position=top#token={token('obs')}")
    await expect(page).to_have_title("Overlay · hall")
    await hall.start("en")
    await hall.final("Buenas tardes.", "s1", lang="es")
    await expect(page.locator(".caption-line")).to_have_text(["Buenas tardes."])
    assert (await page.inner_text("body")).strip() == "Buenas tardes."
    grounds = "[document.documentElement, document.body, document.querySelector('#stage')]"
    clear = await page.evaluate(f"{grounds}.map((part) => getComputedStyle(part).backgroundColor)")
    assert set(clear) == {"rgba(0, 0, 0, 0)"}
    box = await page.locator(".captions").bounding_box()
    assert box is not None
    assert box["y"] < 100
    assert not any(token("obs") in address for address in [*requests, page.url])


async def test_a_reload_keeps_the_token_that_the_address_no_longer_shows(
    stage: Stage, open_page: Open
) -> None:
    page = await open_page(stage, f"/overlay/hall?lang=en#token={token('obs')}")
    await expect(page).to_have_title("Overlay · hall")
    await page.reload()
    await expect(page).to_have_title("Overlay · hall")


async def test_without_a_token_it_shows_nothing_and_says_why_in_the_title(
    stage: Stage, open_page: Open
) -> None:
    page = await open_page(stage, "/overlay/hall?lang=en")
    assert "#token=" in await page.title()
    assert (await page.inner_text("body")).strip() == ""
    await page.goto(f"{stage.address}/overlay/hall?lang=en&debug=1")
    await expect(page.get_by_role("status")).to_contain_text("#token=")


async def test_a_token_in_the_query_is_not_used(stage: Stage, open_page: Open) -> None:
    page = await open_page(stage, f"/overlay/hall?lang=en&token={token('obs')}")
    assert "written into logs" in await page.title()
    assert stage.channel("hall").came == []


async def test_it_comes_back_after_the_server_restarted(stage: Stage, open_page: Open) -> None:
    hall = stage.channel("hall")
    page = await open_page(stage, f"/overlay/hall?lang=en#token={token('obs')}")
    await expect(page).to_have_title("Overlay · hall")
    await hall.drop(1012)
    await expect(page).to_have_title("Reconnecting")
    await expect(page).to_have_title("Overlay · hall")
    await hall.final("Back again.", "s2")
    await expect(page.locator(".caption-line")).to_have_text(["Back again."])
