"""The page of an admin: figures and plots, sessions that are ended, minutes that are granted once."""

import csv
import io
import re
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.pages.conftest import Open
from tests.pages.minutes import hours, session
from tests.pages.stage import Stage
from tests.pages.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PAINTED = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
}"""


async def as_admin(stage: Stage, open_page: Open, **options: object) -> Page:
    page = await open_page(stage, "/admin", "root", "admin", **options)
    await expect(page.locator("#state")).to_contain_text("Up to date")
    return page


def row(page: Page, table: str, name: str) -> Locator:
    return page.locator(f"{table} tbody tr").filter(has=page.get_by_role("rowheader", name=name, exact=True))


def column(page: Page, table: str, number: int) -> Locator:
    return page.locator(f"{table} tbody tr > :nth-child({number})")


async def exported(page: Page, name: str, folder: Path) -> list[list[str]]:
    async with page.expect_download() as coming:
        await page.get_by_role("button", name=name).click()
    path = folder / "export.csv"
    await (await coming.value).save_as(path)
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


async def test_an_admin_sees_totals_and_what_they_cost(stage: Stage, open_page: Open) -> None:
    stage.minutes.sessions = [session(1), session(2), session(3, state="EXPIRED")]
    page = await as_admin(stage, open_page)
    await expect(page.locator("#now")).to_contain_text("Active sessions2")
    await expect(page.locator("#now")).to_contain_text("318.42")
    await expect(page.locator("#now")).to_contain_text("Expired today1")
    await expect(row(page, "#totals", "Subtitles").locator("td")).to_have_text(
        ["3 h 04 min", "20 h 10 min", "369 h 44 min"]
    )
    await expect(row(page, "#totals", "Cost, credits").locator("td")).to_have_text(
        ["2.81", "18.20", "318.42"]
    )
    await expect(row(page, "#top", "dana")).to_contain_text("11.37")


@pytest.mark.parametrize("role", ["fan", "creator"])
async def test_who_is_no_admin_is_told_so_and_asks_for_nothing(
    stage: Stage, open_page: Open, role: str
) -> None:
    page = await open_page(stage, "/admin", "carla", role)
    alert = page.get_by_role("alert").first
    await expect(alert).to_contain_text(f"This page is for admins, and carla is {role}")
    await expect(alert.get_by_role("link", name="Your minutes")).to_have_attribute("href", "/usage")
    await expect(page.locator("#work")).to_be_hidden()
    assert stage.minutes.calls == []


async def test_the_servers_own_refusal_is_shown(stage: Stage, open_page: Open) -> None:
    stage.minutes.failing = [(403, {"code": "NOT_ALLOWED", "error": "This needs the role admin."})] * 3
    page = await open_page(stage, "/admin", "root", "admin")
    await expect(page.get_by_role("alert").first).to_contain_text("This needs the role admin.")
    await expect(page.locator("#work")).to_be_hidden()


async def test_a_stranger_signs_in(stage: Stage, open_page: Open) -> None:
    page = await open_page(stage, "/admin")
    await page.locator("#notice").get_by_role("button", name="Sign in").click()
    await page.get_by_label("Role").select_option("admin")
    await page.get_by_role("dialog").locator("button.primary").click()
    await expect(page.locator("#state")).to_contain_text("Up to date")
    await expect(page.get_by_text("No such session")).to_be_visible()
    await expect(page.get_by_text("No admin has done anything yet")).to_be_visible()


async def test_the_plots_are_drawn_and_say_their_numbers_to_pointer_and_keyboard(
    stage: Stage, open_page: Open
) -> None:
    stage.minutes.points = hours(24)
    stage.minutes.points[-2] |= {"subtitles_seconds": 725.0, "dubbing_seconds": 90.0, "cost": 0.125}
    page = await as_admin(stage, open_page)
    minutes, cost = page.locator(".plot").first, page.locator(".plot").last
    for plot in (minutes, cost):
        await expect(plot.locator("canvas")).to_be_visible()
        assert await plot.locator("canvas").evaluate(PAINTED) > 3
    told = page.locator(".plot-told")
    await minutes.focus()
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("ArrowLeft")
    await expect(told.first).to_contain_text("Subtitles 12 min 05 s · Dubbing 1 min 30 s")
    await expect(told.last).to_contain_text("Credits 0.125")
    await page.keyboard.press("Escape")
    await expect(told.first).to_be_empty()
    box = await minutes.locator(".u-over").bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] * 22.5 / 24, box["y"] + 20)
    await expect(told.first).to_contain_text("Subtitles 12 min 05 s")
    await page.get_by_text("The same numbers as a table").click()
    await expect(page.locator("#points tbody tr")).to_have_count(24)
    await expect(page.locator("#points tbody tr").nth(1)).to_contain_text("12 min 05 s")


async def test_another_range_is_fetched(stage: Stage, open_page: Open) -> None:
    stage.minutes.points = hours(168)
    page = await as_admin(stage, open_page)
    await page.get_by_label("Show", exact=True).select_option("168")
    await expect(page.locator("#points tbody tr")).to_have_count(168)
    assert [call.query["hours"] for call in stage.minutes.asked("timeline")] == ["24", "168"]


async def test_without_the_plotting_module_the_page_says_so_and_has_the_table(
    stage: Stage, open_page: Open
) -> None:
    stage.minutes.points = hours(24)
    page = await open_page(stage, "/static/mark.svg", "root", "admin")
    await page.route("**/uplot.js", lambda route: route.fulfill(status=404))
    await page.goto(stage.address + "/admin")
    await expect(page.locator("#plot-note")).to_contain_text("The plots are missing")
    await expect(page.locator("#points tbody tr")).to_have_count(24)
    await expect(page.locator("#points tbody tr").first).to_be_visible()
    await expect(page.locator("#state")).to_contain_text("Up to date")


async def test_an_installation_that_lacks_the_module_names_what_brings_it(
    stage: Stage, open_page: Open
) -> None:
    page = await open_page(stage, "/static/mark.svg", "root", "admin")

    async def without(route: Route) -> None:
        answer = await route.fetch()
        text = re.sub(r"&quot;plot&quot;:\{.*?\}", "&quot;plot&quot;:null", await answer.text())
        await route.fulfill(response=answer, body=text)

    await page.route("**/admin", without)
    await page.goto(stage.address + "/admin")
    await expect(page.locator("#plot-note")).to_contain_text("make install")


async def test_sessions_are_filtered_sorted_and_read_on(stage: Stage, open_page: Open) -> None:
    stage.minutes.page = 3
    stage.minutes.sessions = [*(session(n) for n in range(5)), session(7, "dana", "COMPLETED")]
    page = await as_admin(stage, open_page)
    await expect(column(page, "#sessions", 1)).to_have_text(["user0", "user1", "user2"])
    await expect(page.locator("#sessions-note")).to_contain_text("The 3 newest are shown")
    await page.locator("#sessions").get_by_role("button", name="Used").click()
    await expect(column(page, "#sessions", 1)).to_have_text(["user2", "user1", "user0"])
    await expect(page.locator("#sessions th[aria-sort]")).to_have_attribute("aria-sort", "descending")
    await page.get_by_role("button", name="Load more").click()
    await expect(column(page, "#sessions", 1)).to_have_text([f"user{n}" for n in (4, 3, 2, 1, 0)])
    await expect(page.locator("#sessions-note")).to_contain_text("stands still")
    await page.locator("#filter").get_by_label("State").select_option("COMPLETED")
    await expect(column(page, "#sessions", 1)).to_have_text(["dana"])
    await page.locator("#filter").get_by_label("State").select_option("")
    await page.locator("#filter").get_by_label("User").fill("user4")
    await page.keyboard.press("Enter")
    await expect(column(page, "#sessions", 1)).to_have_text(["user4"])


async def test_an_export_cannot_run_in_a_spreadsheet(stage: Stage, open_page: Open, tmp_path: Path) -> None:
    hostile = ["=HYPERLINK(0)", "+1", "-1", "@SUM(A1)", "\t=1", '"quoted", and\nbroken', "  =1", "plain"]
    stage.minutes.sessions = [session(n, user, media_seconds=-0.5) for n, user in enumerate(hostile)]
    page = await as_admin(stage, open_page)
    rows = await exported(page, "Export CSV: Sessions", tmp_path)
    assert rows[0][:3] == ["User", "Channel", "Kind"]
    assert rows[0][5] == "Used, seconds"
    assert [line[0] for line in rows[1:]] == [
        "'=HYPERLINK(0)", "'+1", "'-1", "'@SUM(A1)", "'\t=1", '"quoted", and\nbroken', "'  =1", "plain",
    ]  # fmt: skip
    assert {line[5] for line in rows[1:]} == {"-0.5"}, "a number stays one"
    assert await page.locator("#sessions script, #sessions img").count() == 0


async def test_a_session_is_ended_after_asking_once(stage: Stage, open_page: Open) -> None:
    stage.minutes.sessions = [session(1), session(2)]
    page = await as_admin(stage, open_page)
    end = row(page, "#sessions", "user1").get_by_role("button", name="End…")
    await end.click()
    await expect(page.get_by_role("button", name="Leave it")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#confirm")).to_be_hidden()
    assert stage.minutes.asked("/end", "POST") == []
    await end.click()
    await expect(page.locator("#confirm")).to_contain_text("user1 is disconnected from hall")
    await page.locator("#confirm").get_by_label("Reason").fill("asked by phone")
    await page.get_by_role("button", name="End the session").click()
    await expect(page.locator("#sessions-note")).to_contain_text("The session of user1 is ended")
    await expect(column(page, "#sessions", 1)).to_have_text(["user2"])
    (call,) = stage.minutes.asked("/end", "POST")
    assert call.path.endswith("/sessions/live_1/end")
    assert call.body == {"reason": "asked by phone"}
    await expect(page.locator("#audit")).to_contain_text("session.end")


async def test_a_session_that_ended_meanwhile_is_said_to_have(stage: Stage, open_page: Open) -> None:
    stage.minutes.sessions = [session(1)]
    page = await as_admin(stage, open_page)
    await row(page, "#sessions", "user1").get_by_role("button", name="End…").click()
    stage.minutes.sessions[0]["state"] = "COMPLETED"
    await page.get_by_role("button", name="End the session").click()
    await expect(page.locator("#sessions-note")).to_contain_text("had already ended")


async def test_minutes_are_granted_and_seen(stage: Stage, open_page: Open) -> None:
    stage.minutes.spend("subtitles", 3600, "hour")
    page = await as_admin(stage, open_page)
    await page.locator("#whose").fill("dana")
    await page.keyboard.press("Enter")
    await expect(page.locator("#user-note")).to_contain_text("dana has the plan pro")
    await expect(page.locator("#user-note")).to_contain_text("12.75 credits")
    await expect(page.locator("#user-meters")).to_contain_text("Used up")
    grant = page.locator("#grant")
    await grant.get_by_label("Minutes").fill("15")
    await grant.get_by_label("For").select_option("hour")
    await grant.get_by_label("Reason").fill("a long evening")
    await grant.get_by_role("button", name="Grant").click()
    await expect(grant.get_by_role("status")).to_contain_text("15 minutes of subtitles were granted to dana")
    await expect(page.locator("#user-meters")).to_contain_text("15 min left this hour")
    (call,) = stage.minutes.asked("grants", "POST")
    assert call.body == {
        "user": "dana", "kind": "subtitles", "minutes": 15, "window": "hour", "reason": "a long evening",
    }  # fmt: skip
    assert len(call.key) == 32
    await expect(page.locator("#audit")).to_contain_text("minutes.grant")


async def test_a_grant_whose_answer_was_lost_is_done_once(stage: Stage, open_page: Open) -> None:
    stage.minutes.lose_answers = 1
    page = await as_admin(stage, open_page)
    await page.locator("#whose").fill("dana")
    button = page.locator("#grant").get_by_role("button", name="Grant")
    await button.click()
    await expect(page.locator("#grant").get_by_role("alert")).to_contain_text(
        "press again, and it is done once"
    )
    await button.click()
    await expect(page.locator("#grant").get_by_role("status")).to_contain_text("30 minutes")
    first, second = stage.minutes.asked("grants", "POST")
    assert first.key == second.key
    assert len(stage.minutes.granted) == 1
    await button.click()
    await until(page, lambda: len(stage.minutes.granted) == 2, "a grant of its own")
    assert stage.minutes.asked("grants", "POST")[2].key != first.key
    await page.locator("#grant").get_by_label("Minutes").fill("31")
    stage.minutes.lose_answers = 1
    await button.click()
    await expect(page.locator("#grant").get_by_role("alert")).to_be_visible()
    await page.reload()
    await page.locator("#whose").fill("dana")
    await page.locator("#grant").get_by_label("Minutes").fill("31")
    await button.click()
    await expect(page.locator("#grant").get_by_role("status")).to_contain_text("31 minutes")
    assert len({call.key for call in stage.minutes.asked("grants", "POST")}) == 3


async def test_a_grant_that_is_refused_shows_where(stage: Stage, open_page: Open) -> None:
    page = await as_admin(stage, open_page)
    grant = page.locator("#grant")
    await grant.get_by_role("button", name="Grant").click()
    await expect(grant.get_by_role("alert")).to_contain_text("Say for which user first")
    await expect(page.locator("#whose")).to_be_focused()
    await page.locator("#whose").fill("nobody")
    await grant.get_by_role("button", name="Grant").click()
    await expect(grant.get_by_role("alert")).to_contain_text("nobody is known by this name")
    await expect(page.locator("#whose")).to_be_focused()


async def test_a_window_is_reset_after_asking_once(stage: Stage, open_page: Open) -> None:
    stage.minutes.spend("dubbing", 600)
    page = await as_admin(stage, open_page)
    await page.locator("#whose").fill("dana")
    reset = page.locator("#reset")
    await reset.get_by_label("Of").select_option("dubbing")
    await reset.get_by_label("Window").select_option("day")
    await reset.get_by_role("button", name="Reset…").click()
    await expect(page.locator("#confirm")).to_contain_text("Reset today for dana?")
    await page.get_by_role("button", name="Reset it").click()
    await expect(reset.get_by_role("status")).to_contain_text("used today were set back")
    (call,) = stage.minutes.asked("reset", "POST")
    assert call.body == {"user": "dana", "kind": "dubbing", "window": "day"}
    assert call.key


async def test_a_limit_is_set_and_removed(stage: Stage, open_page: Open) -> None:
    page = await as_admin(stage, open_page)
    form = page.locator("#override")
    await form.get_by_label("For").select_option("tenant")
    await form.get_by_label("Minutes").fill("-1")
    await form.get_by_role("button", name="Set the limit").click()
    await expect(row(page, "#overrides", "everybody")).to_contain_text("no limit")
    (call,) = stage.minutes.asked("overrides", "PUT")
    assert call.body == {"kind": "subtitles", "window": "hour", "minutes": -1}
    await row(page, "#overrides", "everybody").get_by_role("button", name="Remove…").click()
    await page.get_by_role("button", name="Remove it").click()
    await expect(page.get_by_text("None: everybody has what their plan says")).to_be_visible()
    (call,) = stage.minutes.asked("overrides", "DELETE")
    assert call.query == {"kind": "subtitles", "window": "hour"}


async def test_what_is_degraded_is_said_until_it_is_back(stage: Stage, open_page: Open) -> None:
    stage.minutes.degraded = {"redis": "Connection refused", "disk": "No space left"}
    page = await as_admin(stage, open_page)
    await expect(page.locator("#degraded")).to_contain_text("Redis is away")
    await expect(page.locator("#degraded")).to_contain_text("Rate limits count in this process alone")
    await expect(page.locator("#degraded small")).to_have_text("degraded: redis, disk")
    stage.minutes.degraded = {}
    await expect(page.locator("#degraded")).to_be_empty()


async def test_a_lost_network_keeps_the_figures_and_comes_back(stage: Stage, open_page: Open) -> None:
    stage.minutes.sessions = [session(1)]
    page = await as_admin(stage, open_page)
    await page.context.set_offline(offline=True)
    await expect(page.locator("#state")).to_contain_text("Reconnecting")
    await expect(page.locator("#notice")).to_contain_text("The last figures stay here")
    await expect(row(page, "#sessions", "user1")).to_be_visible()
    stage.minutes.sessions.insert(0, session(0))
    await page.context.set_offline(offline=False)
    await expect(column(page, "#sessions", 1)).to_have_text(["user0", "user1"])
    await expect(page.locator("#notice")).to_be_empty()


async def test_the_focus_stays_on_a_row_while_the_list_moves(stage: Stage, open_page: Open) -> None:
    stage.minutes.sessions = [session(1), session(2)]
    page = await as_admin(stage, open_page)
    end = row(page, "#sessions", "user1").get_by_role("button", name="End…")
    await end.focus()
    stage.minutes.sessions.insert(0, session(0))
    stage.minutes.sessions[1]["media_seconds"] = 4000.0
    await expect(column(page, "#sessions", 1)).to_have_text(["user0", "user1", "user2"])
    await expect(end).to_be_focused()


async def test_the_trail_is_read_on(stage: Stage, open_page: Open) -> None:
    page = await as_admin(stage, open_page)
    stage.minutes.page = 2
    await page.locator("#whose").fill("dana")
    for count in (1, 2, 3):
        await page.locator("#grant").get_by_label("Minutes").fill(str(count))
        await page.locator("#grant").get_by_role("button", name="Grant").click()
        await expect(page.locator("#grant").get_by_role("status")).to_contain_text(f"{count} minutes")
    await expect(page.locator("#audit tbody tr")).to_have_count(2)
    await page.locator("#more-audit").click()
    await expect(page.locator("#audit tbody tr")).to_have_count(3)
    await expect(page.locator("#more-audit")).to_be_hidden()


async def test_another_admin_sees_nothing_of_the_first_ones_tenant(stage: Stage, open_page: Open) -> None:
    stage.minutes.sessions = [session(1, "of-the-first")]
    page = await as_admin(stage, open_page)
    await page.locator("#identity").get_by_role("button", name="Sign out").click()
    await expect(page.locator("#work")).to_be_hidden()
    stage.minutes.sessions = []
    await page.locator("#notice").get_by_role("button", name="Sign in").click()
    await page.get_by_label("Role").select_option("admin")
    await page.get_by_role("dialog").locator("button.primary").click()
    await expect(page.locator("#state")).to_contain_text("Up to date")
    assert "of-the-first" not in await page.content()
