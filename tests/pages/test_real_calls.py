"""Calls on the real server, between two browsers: sound and picture arrive, and only that is paid."""

import json
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Error, Page, expect

from auth.principal import Role
from tests.house import NO_LIMITS, House, Opened, token
from tests.pages.cable import laid
from tests.pages.tabs import Tab, Tabs

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

HEBREW = "\u05d3\u05e0\u05d4"
WATCHED = """
globalThis.peers = [];
globalThis.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...all) {
    super(...all);
    peers.push(this);
  }
};
"""
RECEIVED = """
async () => {
  const got = { frames: 0, packets: 0, energy: 0 };
  for (const part of (await peers.at(-1)?.getStats())?.values() ?? []) {
    if (part.type !== "inbound-rtp") continue;
    if (part.kind === "video") got.frames += part.framesDecoded ?? 0;
    else {
      got.packets += part.packetsReceived ?? 0;
      got.energy += part.totalAudioEnergy ?? 0;
    }
  }
  return got;
}
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    settings = {
        "ENVIRONMENT": "development", "FEATURE_CALLS": "true", "CALL_COOLDOWN_SECONDS": "0",
        "CALL_HEARTBEAT_SECONDS": "1", "CALL_INCREMENT_SECONDS": "1", "RECOGNIZERS": "silent",
    }  # fmt: skip
    with Opened(tmp_path_factory.mktemp("house"), **NO_LIMITS, **settings) as running:
        yield running


def ask(house: House, method: str, path: str, body: Any, user: str, role: Role) -> Any:
    """What an API of the house answers."""
    request = urllib.request.Request(house.url(path), json.dumps(body).encode(), method=method)
    request.add_header("Authorization", f"Bearer {token(user, role)}")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read())


def related(house: House, creator: str, fan: str, kind: str = "follow") -> None:
    body = {"creatorId": creator, "fanId": fan, "kind": kind}
    ask(house, "PUT", "/api/relationships", body, "root", Role.ADMIN)


def allocated(house: House, user: str, amount: float) -> None:
    body = {"user_id": user, "amount": amount, "reason": "a test"}
    ask(house, "POST", "/api/v1/admin/credits/allocate", body, "root", Role.ADMIN)


def balance(house: House, user: str) -> float:
    found: float = house.get("/api/v1/credits/balance", token(user, Role.FAN))["balance"]
    return found


Come = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(loop_scope="session")
async def come(tabs: Tabs, house: House) -> AsyncIterator[Come]:
    """Open the page of calls as somebody, in a tab of their own."""
    taken: list[Tab] = []
    thrown: list[str] = []

    def note(error: Error) -> None:
        thrown.append(str(error))

    async def one(user: str, role: Role, address: str = "") -> Page:
        kept = token(user, role)
        script = f"sessionStorage.setItem('stagedoor.token', '{kept}');{WATCHED}"
        tab = await tabs.take(script, permissions=["microphone", "camera"])
        taken.append(tab)
        page = tab.page
        page.on("pageerror", note)
        await page.goto((address or house.url("")) + "/calls")
        await expect(page.locator("#state")).to_contain_text(
            "Ready" if role is Role.CREATOR else "Can be called"
        )
        await expect(page.locator("#work")).to_be_visible()
        return page

    yield one
    for tab in taken:
        await tabs.give_back(tab)
        tab.page.remove_listener("pageerror", note)
    assert thrown == []


async def received(page: Page, *, picture: bool = True) -> dict[str, float]:
    """Wait until sound, and a picture where there is one, has come; return how much of them."""
    got: dict[str, float] = {}
    for _ in range(300):
        got = await page.evaluate(RECEIVED)
        if got["packets"] > 20 and got["energy"] > 0 and (got["frames"] > 3 or not picture):
            return got
        await page.wait_for_timeout(50)
    raise AssertionError(f"sound and picture never came: {got}")


def live(page: Page) -> Any:
    return page.get_by_role("heading", name="In a call with")


async def test_sound_and_picture_arrive_and_only_the_connected_time_is_paid(house: House, come: Come) -> None:
    related(house, "alice", HEBREW)
    allocated(house, HEBREW, 10)
    alice, dana = await come("alice", Role.CREATOR), await come(HEBREW, Role.FAN)
    await alice.get_by_label("Video, credits a minute").fill("3")
    await alice.get_by_role("button", name="Save").click()
    await expect(alice.locator("#rates .outcome")).to_have_text("Saved.")
    await alice.get_by_role("button", name=f"Video call {HEBREW}").click()
    await expect(dana.get_by_role("heading", name="alice is calling you")).to_be_visible()
    await expect(dana.locator("#call-text")).to_contain_text("3 credits a minute")
    await dana.wait_for_timeout(2_500)  # it rings, and that costs nothing
    assert balance(house, HEBREW) == 10

    await dana.get_by_role("button", name="Accept", exact=True).click()
    for page in (alice, dana):
        await expect(live(page)).to_be_visible()
        await received(page)
        await expect(page.locator("#far-note")).to_be_hidden()
        assert await page.locator("#far").evaluate("(far) => far.videoWidth > 0 && !far.paused && !far.muted")
    await expect(dana.locator("#call-figures")).to_contain_text("Cost so far")
    await expect(alice.locator("#call-figures")).to_contain_text("Earned so far")
    before = await received(alice)
    await dana.get_by_role("button", name="Camera").click()
    await expect(alice.locator("#far-note")).to_contain_text("no picture")
    await dana.get_by_role("button", name="Camera").click()
    await expect(alice.locator("#far-note")).to_be_hidden()
    after = await received(alice)
    assert after["packets"] > before["packets"]

    await alice.get_by_role("button", name="End the call").click()
    for page in (alice, dana):
        await expect(page.get_by_role("heading", name="is over")).to_be_visible()
        await expect(page.locator("#past tbody tr")).to_contain_text("spoken")
    (call,) = house.get("/api/calls", token(HEBREW, Role.FAN))["calls"]
    assert call["state"] == "ENDED"
    assert 0 < call["billedSeconds"] == pytest.approx(call["amount"] * 20)
    connected = await alice.evaluate(
        "(call) => (Date.parse(call.endedAt) - Date.parse(call.connectedAt)) / 1000", call
    )
    assert connected <= call["billedSeconds"] < connected + 1
    assert balance(house, HEBREW) == pytest.approx(10 - call["amount"])
    earned = house.get("/api/creators/me", token("alice"))["earned"]
    assert earned == pytest.approx(call["amount"])
    await expect(dana.locator("#balance")).to_have_text(f"{10 - call['amount']:g} credits")


async def test_a_page_that_is_loaded_anew_goes_on_with_its_call(house: House, come: Come) -> None:
    related(house, "carol", "bob")
    carol, bob = await come("carol", Role.CREATOR), await come("bob", Role.FAN)
    await carol.get_by_role("button", name="Voice call bob").click()
    await bob.get_by_role("button", name="Accept", exact=True).click()
    for page in (carol, bob):
        await received(page, picture=False)
        await expect(live(page)).to_be_visible()
    for page in (bob, carol):
        await page.reload()
        await expect(live(page)).to_be_visible()
        for each in (carol, bob):
            await received(each, picture=False)
    await bob.get_by_role("button", name="End the call").click()
    await expect(carol.get_by_role("heading", name="is over")).to_be_visible()


async def test_a_network_that_is_lost_for_a_while_ends_no_call(house: House, come: Come) -> None:
    related(house, "ivan", "judy")
    async with laid(house.port) as cable:
        ivan, judy = await come("ivan", Role.CREATOR), await come("judy", Role.FAN, cable.address)
        await ivan.get_by_role("button", name="Voice call judy").click()
        await judy.get_by_role("button", name="Accept", exact=True).click()
        for page in (ivan, judy):
            await expect(live(page)).to_be_visible()
        before = await received(judy, picture=False)
        cable.cut()
        await expect(judy.locator("#call-notice")).to_contain_text("The connection to the server is lost")
        await judy.wait_for_function(f"async () => (await ({RECEIVED})()).packets > {before['packets'] + 20}")
        cable.mend()
        await expect(judy.locator("#state")).to_contain_text("In a call")
        await expect(judy.locator("#call-notice")).to_be_empty()
        await ivan.get_by_role("button", name="End the call").click()
        await expect(judy.get_by_role("heading", name="is over")).to_be_visible()


async def test_declined_and_rung_on_every_device(house: House, come: Come) -> None:
    related(house, "erin", "frank")
    erin = await come("erin", Role.CREATOR)
    first, second = await come("frank", Role.FAN), await come("frank", Role.FAN)
    await erin.get_by_role("button", name="Voice call frank").click()
    for page in (first, second):
        await expect(page.get_by_role("heading", name="erin is calling you")).to_be_visible()
    await first.get_by_role("button", name="Decline").click()
    await expect(second.locator("#call-text")).to_have_text("You declined.")
    await expect(erin.locator("#call-text")).to_have_text("frank did not want to speak just then.")
    await erin.get_by_role("button", name="Voice call frank").click()
    await second.get_by_role("button", name="Accept", exact=True).click()
    await expect(first.get_by_role("heading", name="on another device")).to_be_visible()
    await first.get_by_role("button", name="End the call").click()
    await expect(erin.get_by_role("heading", name="is over")).to_be_visible()


async def test_a_block_and_a_policy_look_the_same_to_a_creator(house: House, come: Come) -> None:
    said = []
    for fan in ("strict", "blocker"):
        related(house, "grace", fan)
    grace = await come("grace", Role.CREATOR)
    for fan in ("strict", "blocker"):
        await expect(grace.get_by_role("button", name=f"Voice call {fan}")).to_be_visible()
    # What the page shows now stands there: whenever it asks again, nobody answers.
    await grace.route("**/api/creators/me/fans", lambda _route: None)
    for fan in ("strict", "blocker"):
        page = await come(fan, Role.FAN)
        if fan == "strict":
            await page.get_by_label("Who may call you").select_option("nobody")
            await page.get_by_role("button", name="Save").click()
            await expect(page.locator("#privacy .outcome")).to_have_text("Saved.")
        else:
            await page.get_by_label("Block somebody, by id").fill("grace")
            await page.keyboard.press("Enter")
            await page.locator("#confirm").get_by_role("button", name="Block").click()
            await expect(page.locator("#blocks li")).to_contain_text("grace")
        await grace.get_by_role("button", name=f"Voice call {fan}").click()
        await expect(grace.locator("#call-notice")).to_contain_text("cannot be called by you")
        said.append(await grace.locator("#call").inner_text())
        await grace.locator("#call-close").click()
    assert said[0] == said[1]
    assert "block" not in said[0].lower()


async def test_the_page_of_a_creator_needs_no_sign_in(house: House, browser: Browser) -> None:
    change = {"username": "heidi", "displayName": "Heidi", "voiceRatePerMinute": 0.5}
    ask(house, "PATCH", "/api/creators/me", change, "heidi-id", Role.CREATOR)
    page = await browser.new_page()
    await page.goto(house.url("/creator/heidi"))
    await expect(page.get_by_role("heading", level=1)).to_have_text("Heidi")
    await expect(page.locator("main")).to_contain_text("0.5 credits a minute")
    await page.close()
