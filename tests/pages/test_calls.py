"""The page of calls against a server that does what a test says: each state of a call, and what is below."""

import re
from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.pages.booth import OPEN, call, fan, media
from tests.pages.conftest import Open
from tests.pages.phone import phone
from tests.pages.stage import Stage, open_stage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

HEBREW = "\u05d3\u05e0\u05d4"


def ringing(**more: Any) -> Any:
    return {"call": call(**more), "remainingMs": 30_000}


async def now_iso(page: Page, seconds: float = 0) -> str:
    made: str = await page.evaluate(f"new Date(Date.now() + {seconds * 1000}).toISOString()")
    return made


async def test_a_fan_accepts_and_sees_time_cost_and_the_end(stage: Stage, open_page: Open) -> None:
    bob = await phone(stage, open_page)
    page = bob.page
    await expect(page.locator("#balance")).to_have_text("12.5 credits")
    await bob.says("call:incoming", **ringing())
    await expect(page.get_by_role("heading", name="alice is calling you")).to_be_visible()
    await expect(page.locator("#call-text")).to_contain_text("Video call, 2 credits a minute")
    await expect(page.locator("#call-figures")).to_contain_text("Rings for")
    await expect(page.locator("#alarm")).to_contain_text("alice is calling you")
    await expect(page).to_have_title("alice calls · Stagedoor")
    await expect(page.get_by_role("button", name="Accept", exact=True)).to_be_focused()

    accepted = call(state="ACCEPTED", version=2, acceptedAt=await now_iso(page))
    stage.booth.views["c1"] = {"call": accepted, "media": media()}
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Connecting with alice")).to_be_visible()
    (act,) = stage.booth.acts
    assert act[0] == "accept"
    assert re.fullmatch("[0-9a-f]{32}", act[1]["deviceId"])
    connected = call(
        state="CONNECTED",
        version=3,
        connectedAt=await now_iso(page, -59.5),
        fundedUntil=await now_iso(page, 61),
    )
    await bob.says("call:connected", call=connected)
    await expect(page.locator("#call-figures")).to_contain_text("Cost so far2 credits")
    await expect(page.locator("#call-figures")).to_contain_text("Cost so far4 credits")  # the second minute
    await bob.says("call:incoming", **ringing())  # late
    await expect(page.get_by_role("heading", name="In a call with alice")).to_be_visible()

    await page.get_by_role("button", name="Mute").click()
    await expect(page.get_by_role("button", name="Mute")).to_have_attribute("aria-pressed", "true")
    await page.get_by_role("button", name="Camera").click()
    await expect(page.locator("#near")).to_be_hidden()
    await page.get_by_role("button", name="Camera").click()
    await expect(page.locator("#near")).to_be_visible()

    low = connected | {"version": 4, "lastMinute": True}
    await bob.says("call:balance_low", call=low)
    await expect(page.locator("#call-notice")).to_contain_text("do not pay for another minute")
    ended = call(
        state="ENDED", version=5, connectedAt=await now_iso(page, -121), endedAt=await now_iso(page, -1),
        endReason="balance_spent", billedSeconds=120, amount=4,
    )  # fmt: skip
    await bob.says("call:ended", call=ended)
    await expect(page.locator("#call-figures")).to_have_text("Time2 minCharged2 minIt cost4 credits")
    await expect(page.locator("#call-notice")).to_contain_text("Your credits were used up")
    await expect(page.locator("#call-screen")).to_be_hidden()
    await page.get_by_role("button", name="Close", exact=True).last.click()
    await expect(page.locator("#call")).to_be_hidden()


async def test_declined_cancelled_and_answered_elsewhere(stage: Stage, open_page: Open) -> None:
    bob = await phone(stage, open_page, "bob", "fan", ringing())
    page = bob.page
    over = {"endedAt": "2026-11-29T10:00:10.000Z"}
    stage.booth.views["c1"] = {"call": call(state="DECLINED", version=2, endReason="declined", **over)}
    await page.get_by_role("button", name="Decline").click()
    await expect(page.locator("#call")).to_contain_text("You declined.")
    assert stage.booth.acts == [("decline", {})]

    await bob.says("call:incoming", **ringing(call_id="c2"))
    await expect(page.get_by_role("heading", name="alice is calling you")).to_be_visible()
    cancelled = call("c2", state="CANCELLED", version=2, endReason="cancelled", **over)
    await bob.says("call:cancelled", call=cancelled)
    await expect(page.locator("#call")).to_contain_text("alice took it back.")

    await bob.says("call:incoming", **ringing(call_id="c3"))
    await bob.says("call:answered_elsewhere", call=call("c3", state="ACCEPTED", version=2))
    await expect(page.get_by_role("heading", name="on another device")).to_be_visible()
    await expect(page.get_by_role("button", name="Accept", exact=True)).to_be_hidden()
    await expect(page.get_by_role("button", name="End the call")).to_be_visible()


async def test_what_is_refused_says_why_and_never_tells_a_block(stage: Stage, open_page: Open) -> None:
    booth = stage.booth
    booth.fans = [fan("bob", displayName="Bob"), fan(HEBREW, canCall=False, canMessage=False)]
    page = (await phone(stage, open_page, "alice", "creator")).page
    await expect(page.locator("#fans li").nth(1)).to_contain_text("does not take calls of yours")
    await expect(page.locator("#fans li").nth(1).get_by_role("button", name="Video call")).to_have_count(0)
    await expect(page.locator("#earned")).to_have_text("40.5 credits")
    refusals = {
        (403, "NOT_ALLOWED", "This fan cannot be reached by you"): "own choice",
        (409, "USER_BUSY", "This fan is in another call: try again later"): "This fan is in another call",
        (402, "INSUFFICIENT_BALANCE", "Too few."): "do not pay for a minute",
        (403, "FEATURE_DISABLED", "Off."): "turned off",
        (500, "INTERNAL_ERROR", "A fault."): "shows how the call stands",
    }
    for (status, code, error), said in refusals.items():
        booth.failing = [(status, {"code": code, "error": error})] * (2 if status == 500 else 1)
        await page.get_by_role("button", name="Voice call Bob").click()
        await expect(page.locator("#call-notice")).to_contain_text(said)
        await expect(page.locator("#call")).not_to_contain_text(re.compile("block", re.IGNORECASE))
        await page.locator("#call-close").click()
    booth.failing = [(429, {"code": "COOLDOWN", "error": "Wait.", "retry_after_seconds": 41})]
    await page.get_by_role("button", name="Voice call Bob").click()
    await expect(page.locator("#call-notice")).to_contain_text("Try again in 41 s.")


async def test_a_creator_rings_and_takes_it_back(stage: Stage, open_page: Open) -> None:
    booth = stage.booth
    page = (await phone(stage, open_page, "alice", "creator")).page
    await expect(page.locator("#fans")).to_contain_text("Nobody yet")
    await page.get_by_label("Somebody else, by id").fill(HEBREW)
    await page.keyboard.press("Enter")
    booth.views["c1"] = ringing(fanId=HEBREW)
    await page.get_by_role("button", name=f"Video call {HEBREW}").click()
    await expect(page.get_by_role("heading", name=f"Calling {HEBREW}")).to_be_visible()
    await expect(page.locator("#call-title bdi")).to_have_text(HEBREW)
    act, body = booth.acts.pop()
    assert (act, body["fanId"], body["callType"]) == ("initiate", HEBREW, "video")
    await expect(page.get_by_role("button", name=f"Video call {HEBREW}")).to_be_disabled()
    gone = call(
        state="CANCELLED", version=2, fanId=HEBREW, endReason="cancelled", endedAt=await now_iso(page)
    )
    booth.views["c1"] = {"call": gone}
    await page.get_by_role("button", name="Cancel the call").click()
    await expect(page.locator("#call-text")).to_have_text("You took it back.")
    await expect(page.get_by_role("button", name=f"Video call {HEBREW}")).to_be_enabled()


async def test_a_lost_connection_is_told_and_what_ended_meanwhile_is_learned(
    stage: Stage, open_page: Open
) -> None:
    live = call(state="CONNECTED", version=3, connectedAt="2026-11-29T10:00:00.000Z")
    bob = await phone(stage, open_page, "bob", "fan", {"call": live, "media": media()})
    page = bob.page
    await expect(page.get_by_role("heading", name="In a call with alice")).to_be_visible()
    await expect(page.locator("#near")).to_be_visible()  # loaded anew, and in the media again
    await page.evaluate("far.silent = true")
    await bob.drops()
    await expect(page.locator("#call-notice")).to_contain_text("If this page is not back in 30 s")
    await expect(page.locator("#state")).to_contain_text("Reconnecting")
    ended = live | {
        "state": "ENDED", "version": 4, "endReason": "connection_lost",
        "endedAt": "2026-11-29T10:01:00.000Z", "billedSeconds": 60, "amount": 2,
    }  # fmt: skip
    stage.booth.views["c1"] = {"call": ended}
    stage.booth.past = [ended]
    await bob.answers("call:device", {"ok": True, "calls": []})
    await page.evaluate("far.silent = false")
    await expect(page.locator("#call-text")).to_contain_text("The connection of one side was lost")
    await expect(page.locator("#past tbody tr")).to_have_count(1)
    await expect(page.locator("#past")).to_contain_text("The connection of one side was lost")


async def test_a_fan_chooses_who_may_call_and_whom_they_block(stage: Stage, open_page: Open) -> None:
    booth = stage.booth
    page = (await phone(stage, open_page)).page
    await expect(page.get_by_label("Who may call you")).to_have_value("interacted")
    await page.get_by_label("Who may call you").select_option("nobody")
    await page.locator("#fan-name").fill("Bob")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#privacy .outcome")).to_have_text("Saved.")
    assert booth.changed == [{"fan_allow_calls": "nobody", "displayName": "Bob"}]
    booth.failing = [(422, {"code": "INVALID", "error": "avatarUrl: no address", "param": "avatarUrl"})]
    await page.locator("#fan-picture").fill("https://x.example/a.png")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#privacy .problem")).to_have_text("Not saved: avatarUrl: no address")

    await expect(page.locator("#blocks")).to_contain_text("You have blocked nobody")
    await page.get_by_label("Block somebody, by id").fill("eve")
    await page.keyboard.press("Enter")
    await page.locator("#confirm").get_by_role("button", name="Block").click()
    await expect(page.locator("#blocks li")).to_contain_text("eve")
    await page.get_by_role("button", name="Unblock eve").click()
    await expect(page.locator("#blocks")).to_contain_text("You have blocked nobody")


async def test_a_creator_sets_rates_and_has_a_public_page(stage: Stage, open_page: Open) -> None:
    page = (await phone(stage, open_page, "alice", "creator")).page
    await page.get_by_label("Voice, credits a minute").fill("0.25")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#rates .outcome")).to_have_text("Saved.")
    assert stage.booth.changed == [{"voiceRatePerMinute": 0.25}]
    await expect(page.locator("#public-page a")).to_have_attribute("href", "/creator/alice")
    public = await open_page(stage, "/creator/alice", java_script_enabled=False)
    await expect(public.get_by_role("heading", level=1)).to_have_text("\u05d0\u05dc\u05d9\u05e1")
    await expect(public.locator("main")).to_contain_text("2.5 credits a minute")
    await expect(public.locator("main")).to_contain_text("free of charge")
    answer = await public.goto(f"{stage.address}/creator/nobody")
    assert answer is not None
    assert answer.status == 404


async def test_through_agora_the_page_gives_the_token_and_joins_nothing(open_page: Open) -> None:
    async with open_stage(Stage(calls=replace(OPEN, provider="agora"))) as stage:
        token = media(provider="agora", token="007abc", appId="a" * 32, iceServers=None)
        accepted = {"call": call(state="ACCEPTED", version=2), "media": token}
        page = (await phone(stage, open_page, "bob", "fan", accepted)).page
        await expect(page.locator("#agora-token")).to_have_value("007abc")
        await expect(page.locator("#agora-channel")).to_have_value("call_c1")
        await expect(page.locator("#call-screen")).to_be_hidden()


async def test_nobody_an_admin_and_a_server_without_calls(stage: Stage, open_page: Open) -> None:
    page = (await phone(stage, open_page, "")).page
    await expect(page.locator("#notice")).to_contain_text("Sign in to see your calls")
    page = (await phone(stage, open_page, "root", "admin")).page
    await expect(page.locator("#neither")).to_be_visible()
    async with open_stage(Stage(calls=replace(OPEN, enabled=False, privacy=False))) as closed:
        closed.booth.fans = [fan("bob")]
        page = (await phone(closed, open_page, "alice", "creator")).page
        await expect(page.get_by_role("button", name="Voice call bob")).to_be_disabled()
        page = (await phone(closed, open_page)).page
        await expect(page.locator("#privacy-off")).to_be_visible()


async def test_it_rings_with_a_sound_for_who_wants_it(stage: Stage, open_page: Open) -> None:
    count = """
      globalThis.notes = 0;
      const own = OscillatorNode.prototype.start;
      OscillatorNode.prototype.start = function (...all) {
        notes += 1;
        return own.apply(this, all);
      };
    """
    bob = await phone(stage, open_page, script=count)
    await bob.says("call:incoming", **ringing())
    await bob.page.wait_for_function("notes >= 2")
    await bob.says("call:cancelled", call=call(state="CANCELLED", version=2, endReason="cancelled"))
    await bob.page.get_by_label("Ring with a sound").uncheck()
    await bob.page.reload()
    await expect(bob.page.get_by_label("Ring with a sound")).not_to_be_checked()
    await expect(bob.page.locator("#state")).to_contain_text("Can be called")
    await bob.says("call:incoming", **ringing(call_id="c2"))
    await expect(bob.page.locator("#call")).to_be_visible()
    assert await bob.page.evaluate("notes") == 0


async def test_without_a_microphone_nothing_rings(stage: Stage, open_page: Open) -> None:
    stage.booth.fans = [fan("bob")]
    none = (
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'))"
    )
    page = (await phone(stage, open_page, "alice", "creator", script=none)).page
    await page.get_by_role("button", name="Video call bob").click()
    await expect(page.locator("#call-notice")).to_contain_text("Allow it beside the address")
    assert stage.booth.acts == []
