"""The first page: useful without a script, signs in, opens channels, and tells strangers nothing."""

import pytest
from playwright.async_api import expect

from tests.pages.channel import token
from tests.pages.conftest import Open
from tests.pages.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_the_page_says_what_runs_here_without_a_script(stage: Stage, open_page: Open) -> None:
    await stage.channel("hall").start("en")
    page = await open_page(stage, "/", java_script_enabled=False)
    await expect(page.get_by_role("link", name="hall", exact=True)).to_have_attribute("href", "/watch/hall")
    await expect(page.get_by_role("region", name="Languages served here")).to_contain_text("español")
    await page.get_by_text("Engines on this machine").click()
    await expect(page.get_by_text("apt-get install flite")).to_be_visible()
    await expect(page.locator("noscript p")).to_be_visible()


async def test_signing_in_is_remembered_by_the_tab_and_forgotten_on_demand(
    stage: Stage, open_page: Open
) -> None:
    page = await open_page(stage, "/")
    await page.get_by_label("User").fill("carla")
    await page.get_by_label("Role").select_option("fan")
    await page.locator("form[data-sign-in] button").click()
    await expect(page.locator("#identity")).to_contain_text("carla")
    assert stage.signed_in == [{"user": "carla", "role": "fan", "plan": "pro", "tenant": "default"}]
    assert await page.evaluate("Object.keys(localStorage).filter((key) => key.includes('token'))") == []
    await page.reload()
    await expect(page.locator("main")).to_contain_text("You are carla, fan")
    await page.locator("#identity").get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("User")).to_be_visible()
    assert await page.evaluate("sessionStorage.getItem('stagedoor.token')") is None


async def test_a_channel_is_opened_with_the_keyboard(stage: Stage, open_page: Open) -> None:
    page = await open_page(stage, "/")
    await page.get_by_label("Channel name").fill("side-room")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/studio/side-room")
    await page.goto(stage.address)
    await expect(page.get_by_label("Channel name")).to_have_value("side-room")
    await page.get_by_label("Channel name").focus()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/watch/side-room")


async def test_a_name_that_is_none_is_refused_before_and_after_the_address(
    stage: Stage, open_page: Open
) -> None:
    page = await open_page(stage, "/")
    await page.get_by_label("Channel name").fill("no spaces")
    await page.keyboard.press("Enter")
    assert page.url == stage.address + "/"
    answer = await page.goto(stage.address + "/watch/no%20<b>spaces")
    assert answer is not None
    assert answer.status == 404
    await expect(page.locator("main")).to_contain_text("“no <b>spaces” cannot be a channel")


async def test_the_list_of_channels_stays_fresh(stage: Stage, open_page: Open) -> None:
    page = await open_page(
        stage, "/", script="window.setTimeout = ((later) => (act, ms) => later(act, ms / 50))(setTimeout)"
    )
    await expect(page.get_by_text("Nobody is speaking right now")).to_be_visible()
    await stage.channel("hall").start("es")
    await expect(page.get_by_role("link", name="hall", exact=True)).to_be_visible()


async def test_outside_development_strangers_see_no_channel(production: Stage, open_page: Open) -> None:
    await production.channel("secret-rehearsal").start("en")
    page = await open_page(production, "/")
    await expect(page.get_by_text("Sign in to see your channels")).to_be_visible()
    assert "secret-rehearsal" not in await page.content()
    await page.get_by_label("Access token").fill("nonsense")
    await page.locator("form[data-sign-in] button").click()
    await expect(page.get_by_role("alert")).to_contain_text("not an access token")
    await page.get_by_label("Access token").fill(token("dora", exp=1000))
    await page.locator("form[data-sign-in] button").click()
    await expect(page.get_by_role("alert")).to_contain_text("has run out")
    await page.get_by_label("Access token").fill(token("dora"))
    await page.locator("form[data-sign-in] button").click()
    await expect(page.get_by_role("link", name="secret-rehearsal")).to_be_visible()


async def test_a_tab_beside_another_knows_who_is_there(stage: Stage, open_page: Open) -> None:
    page = await open_page(stage, "/")
    await page.locator("form[data-sign-in] button").click()
    await expect(page.locator("#identity")).to_contain_text("alice")
    beside = await page.context.new_page()
    await beside.goto(stage.address + "/watch/hall")
    await expect(beside.locator("#identity")).to_contain_text("alice")
    await expect(beside.locator("#state")).to_contain_text("Waiting")
