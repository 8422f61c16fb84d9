"""The page of rooms: joined by a code, created where the plan allows it, listed, closed after a question."""

import pytest
from playwright.async_api import expect

from tests.pages.channel import token
from tests.pages.conftest import Open
from tests.pages.lobby import row
from tests.pages.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_code_leads_to_its_room_however_it_is_typed_also_without_a_script(
    stage: Stage, open_page: Open
) -> None:
    page = await open_page(stage, "/rooms", java_script_enabled=False)
    await page.get_by_label("Room code").fill("xj9-k2m")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/rooms/XJ9K2M")
    await page.goto(stage.address)
    await page.get_by_label("Room code").fill("XO9K2M")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("No such room")
    await expect(page.get_by_label("Room code")).to_have_value("XO9K2M")
    await page.goto(f"{stage.address}/rooms/xj9k2m?captions=hall")
    assert page.url == f"{stage.address}/rooms/XJ9K2M?captions=hall"


async def test_nobody_is_asked_to_sign_in_and_then_sees_that_there_is_nothing_yet(
    stage: Stage, open_page: Open
) -> None:
    page = await open_page(stage, "/rooms")
    await expect(page.locator("#notice")).to_contain_text("Sign in to see your rooms")
    await page.get_by_label("Name").fill("Thursday")
    await page.get_by_role("button", name="Create").click()
    await page.locator("#door button.primary").click()
    await expect(page.locator("#state")).to_contain_text("Up to date")
    await expect(page.locator("#mine")).to_contain_text("You are in no room yet")
    await expect(page.locator("#public")).to_contain_text("No other room is open")


async def test_a_room_is_created_and_entered_and_a_refusal_leaves_what_was_typed(
    stage: Stage, open_page: Open
) -> None:
    page = await open_page(stage, "/rooms", "alice", "creator")
    stage.lobby.failing.append(
        (409, {"code": "TOO_MANY_ROOMS", "error": "You have too many rooms: close one."})
    )
    await page.get_by_label("Name").fill("Thursday")
    await page.get_by_label("Places").fill("12")
    await page.get_by_label("Show it to everybody").check()
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("alert")).to_have_text("You have too many rooms: close one.")
    await page.get_by_role("button", name="Create").click()
    await page.wait_for_url("**/rooms/XJ9K2M")
    assert stage.lobby.created[0][1] == {"name": "Thursday", "max_participants": 12, "is_private": False}


async def test_who_may_not_create_is_told_what_they_can_do(stage: Stage, open_page: Open) -> None:
    page = await open_page(stage, "/rooms")
    await page.evaluate(
        "(token) => sessionStorage.setItem('stagedoor.token', token)", token("bob", plan="free")
    )
    await page.reload()
    await expect(page.locator("#may-not")).to_contain_text("Your plan, Free, lets you join rooms")
    await expect(page.locator("#may-not")).to_contain_text("Premium, Pro")
    await expect(page.locator("#create")).to_be_hidden()
    await expect(page.get_by_label("Room code")).to_be_visible()


async def test_ones_rooms_are_listed_and_closed_after_one_question(stage: Stage, open_page: Open) -> None:
    stage.lobby.mine = [row(1), row(2, name="\u202eevil<b>", is_owner=False, host_user_id="dana")]
    stage.lobby.public = [row(3, is_private=False, is_owner=False)]
    page = await open_page(stage, "/rooms", "alice", "creator")
    rows = page.locator("#mine li")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("XJ9K2B · 1 of 50 in")
    await expect(rows.nth(1)).to_contain_text("evil<b>")
    await expect(rows.nth(1)).to_contain_text("host dana")
    await expect(page.locator("#public").get_by_role("link")).to_have_attribute("href", "/rooms/XJ9K2D")
    await page.get_by_role("button", name="Close… Room 1").click()
    await page.get_by_role("button", name="Leave it").click()
    assert stage.lobby.closed == []
    await page.get_by_role("button", name="Close… Room 1").click()
    await page.get_by_role("button", name="Close the room").click()
    await expect(page.locator("#mine-note")).to_have_text("“Room 1” is closed.")
    assert stage.lobby.closed == ["r1"]


async def test_a_long_list_is_read_on_on_demand(stage: Stage, open_page: Open) -> None:
    stage.lobby.public = [row(n, is_owner=False) for n in range(70)]
    page = await open_page(stage, "/rooms", "alice")
    await expect(page.locator("#public li")).to_have_count(50)
    await page.get_by_role("button", name="Show more").click()
    # Before the list is asked for again by itself.
    await expect(page.locator("#public li")).to_have_count(70, timeout=6_000)
