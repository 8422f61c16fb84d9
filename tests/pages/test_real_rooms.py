"""Rooms on the real server: a host and two participants meet, talk and vote, lose the network, and part."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Error, Page, expect

from auth.principal import Plan, Role
from tests.house import NO_LIMITS, House, Opened, token
from tests.pages.cable import Cable, laid
from tests.pages.tabs import Tab, Tabs

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    settings = {"ENVIRONMENT": "development", "RECOGNIZERS": "silent"}
    with Opened(tmp_path_factory.mktemp("house"), **NO_LIMITS, **settings) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def cable(house: House) -> AsyncIterator[Cable]:
    async with laid(house.port) as whole:
        yield whole


class Visitors:
    """Several people, each with a tab of their own."""

    def __init__(self, tabs: Tabs, address: str) -> None:
        self._tabs = tabs
        self._address = address
        self._taken: list[Tab] = []
        self.thrown: list[str] = []

    async def come(self, user: str, path: str, plan: Plan = Plan.PRO, address: str = "") -> Page:
        kept = token(user, Role.FAN, plan)
        tab = await self._tabs.take(f"sessionStorage.setItem('stagedoor.token', '{kept}')")
        self._taken.append(tab)
        tab.page.on("pageerror", self._note)
        await tab.page.goto((address or self._address) + path)
        return tab.page

    async def go(self) -> None:
        for tab in self._taken:
            await self._tabs.give_back(tab)
            tab.page.remove_listener("pageerror", self._note)

    def _note(self, error: Error) -> None:
        self.thrown.append(str(error))


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(tabs: Tabs, house: House) -> AsyncIterator[Visitors]:
    people = Visitors(tabs, house.url(""))
    yield people
    await people.go()
    assert people.thrown == []


async def created(
    visitors: Visitors, *, host: str = "alice", places: int = 50, name: str = "Thursday"
) -> tuple[Page, str]:
    """A room that a host has created on the page, and its code."""
    page = await visitors.come(host, "/rooms")
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Places").fill(str(places))
    await page.get_by_role("button", name="Create").click()
    await inside(page)
    return page, page.url.rpartition("/")[2]


async def inside(page: Page) -> None:
    await expect(page.locator("#state")).to_contain_text("In the room")


async def write(page: Page, text: str) -> None:
    await page.get_by_label("Your message").fill(text)
    await page.keyboard.press("Enter")


async def sure(page: Page, act: str) -> None:
    await page.locator("#confirm").get_by_role("button", name=act).click()


async def test_a_host_and_two_participants_talk_and_vote(visitors: Visitors) -> None:
    alice, code = await created(visitors)
    bob = await visitors.come("bob", "/rooms")
    await bob.get_by_label("Room code").fill(code.lower())
    await bob.keyboard.press("Enter")
    dana = await visitors.come("\u05d3\u05e0\u05d4", f"/rooms/{code}")
    people = (alice, bob, dana)
    for page in people:
        await expect(page.locator(".person bdi")).to_have_text(["alice", "bob", "\u05d3\u05e0\u05d4"])
        await expect(page.locator(".person").first).to_contain_text("host")
        await expect(page.locator("#people-count")).to_have_text("3 of 50")

    await bob.get_by_label("Your message").type("Hel")
    await expect(alice.locator("#typing")).to_contain_text("is writing")
    await write(bob, "Hello all\u202e.")
    await write(dana, "\u05e9\u05dc\u05d5\u05dd")
    for page in people:
        await expect(page.locator(".words")).to_have_text(["Hello all.", "\u05e9\u05dc\u05d5\u05dd"])
    await expect(alice.locator("#typing")).to_be_empty()

    await alice.get_by_role("button", name="Ask…").click()
    await alice.get_by_label("Question").fill("Tea or coffee?")
    await alice.get_by_label("Answer 1", exact=True).fill("Tea")
    await alice.get_by_label("Answer 2", exact=True).fill("Coffee")
    await alice.get_by_role("button", name="Ask now").click()
    for page, choice in ((bob, "Tea"), (dana, "Coffee"), (alice, "Tea")):
        await page.get_by_label(choice).check()
        await page.get_by_role("button", name="Vote", exact=True).click()
        await expect(page.locator(".choice.chosen .choice-text")).to_have_text([choice])
    for page in people:
        await expect(page.locator(".choice-count")).to_have_text(["2 · 67 %", "1 · 33 %"])
    await bob.get_by_label("Coffee").check()
    await bob.get_by_role("button", name="Change my vote").click()
    for page in people:
        await expect(page.locator(".choice-count")).to_have_text(["1 · 33 %", "2 · 67 %"])

    await alice.get_by_role("button", name="Close the poll…").click()
    await sure(alice, "Close the poll")
    for page in people:
        await expect(page.locator(".poll")).to_contain_text("“Coffee” won.")
        await expect(page.get_by_role("button", name="Vote", exact=True)).to_be_hidden()
    await expect(bob.get_by_role("button", name="Who voted how")).to_be_hidden()
    await alice.get_by_role("button", name="Who voted how").click()
    await expect(alice.locator(".ballots li")).to_contain_text(["alice: Tea"])

    await alice.get_by_role("button", name="Close the room…").click()
    await sure(alice, "Close the room")
    await expect(alice.locator("#notice")).to_contain_text("You have closed this room")
    for page in (bob, dana):
        await expect(page.locator("#notice")).to_contain_text("The host has closed this room")
        await expect(page.locator(".words")).to_have_count(2)


async def test_who_loses_the_network_misses_nothing_and_what_they_did_counts_once(
    visitors: Visitors, cable: Cable
) -> None:
    alice, code = await created(visitors)
    bob = await visitors.come("bob", f"/rooms/{code}", address=cable.address)
    await inside(bob)
    await write(alice, "before")
    await expect(bob.locator(".words")).to_have_text(["before"])
    cable.cut()
    await expect(bob.locator("#notice")).to_contain_text("The connection was lost")
    await write(alice, "meanwhile")
    await write(bob, "one")
    await write(bob, "two")
    await expect(bob.locator(".entry.waiting")).to_have_count(2)
    await expect(alice.locator("#people li")).to_have_count(2)
    cable.mend()
    await inside(bob)
    for page in (alice, bob):
        await expect(page.locator(".words")).to_have_text(["before", "meanwhile", "one", "two"])
    await expect(bob.locator(".entry.waiting")).to_have_count(0)
    await expect(bob.locator(".missing")).to_have_count(0)


async def test_a_full_room_lets_somebody_in_when_another_is_removed_for_good(visitors: Visitors) -> None:
    alice, code = await created(visitors, places=2)
    bob = await visitors.come("bob", f"/rooms/{code}")
    await inside(bob)
    carol = await visitors.come("carol", f"/rooms/{code}")
    await expect(carol.get_by_role("alert").first).to_contain_text("This room is full")
    await alice.get_by_role("button", name="Remove… bob").click()
    await sure(alice, "Remove")
    await expect(bob.get_by_role("alert").first).to_contain_text("The host has removed you")
    await carol.get_by_role("button", name="Try again").click()
    await inside(carol)
    await bob.reload()
    await expect(bob.get_by_role("alert").first).to_contain_text("The host has removed you")


async def test_a_host_hands_over_and_goes(visitors: Visitors) -> None:
    alice, code = await created(visitors)
    bob = await visitors.come("bob", f"/rooms/{code}")
    await inside(bob)
    await alice.get_by_role("button", name="Make host… bob").click()
    await sure(alice, "Hand over")
    await expect(bob.get_by_role("button", name="Ask…")).to_be_visible()
    await expect(alice.get_by_role("button", name="Ask…")).to_be_hidden()
    await alice.get_by_role("button", name="Leave").click()
    await expect(alice.locator("#notice")).to_contain_text("You have left this room")
    await expect(bob.locator("#people li")).to_have_count(1)


async def test_what_a_room_is_called_and_who_may_make_one(visitors: Visitors) -> None:
    page = await visitors.come("erin", "/rooms", Plan.FREE)
    await expect(page.locator("#may-not")).to_contain_text("Your plan, Free")
    alice, code = await created(visitors, name="<b>Town\u202e hall</b>")
    await expect(alice.get_by_role("heading", level=1)).to_have_text("Room <b>Town hall</b>")
    await alice.goto(alice.url.rpartition("/")[0])
    await expect(alice.locator("#mine")).to_contain_text(f"{code} · ")
    gone = await visitors.come("bob", "/rooms/ZZZZZZ")
    await expect(gone.get_by_role("alert").first).to_contain_text("There is no such room")
