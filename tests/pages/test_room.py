"""The page of a room: every state, what is kept when the connection is lost, and what is said to whom."""

import json

import pytest
from playwright.async_api import Page, expect

from tests.pages.company import CODE, EPOCH, Company, Shape, enter, message, person, poll, view
from tests.pages.conftest import Open
from tests.pages.stage import Stage
from tests.pages.waiting import gone, until, viewer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

KEPT_ANSWER = (
    "const kept = sessionStorage.getItem('join'); if (kept) far.answers['room:join'] = JSON.parse(kept);"
)
"""What the room answers is what the test has put into the tab."""
STORED = {"ok": True, "message": message(4, "bob", "kept")}


def refusal(code: str, error: str = "No.", **more: object) -> Shape:
    return {"ok": False, "code": code, "error": error, "timestamp": "2026-11-29T10:00:00Z", **more}


def resumed(*messages: Shape) -> Shape:
    """What somebody is answered who comes back and has missed these."""
    missed = [{"event": "room:message", "data": one} for one in messages]
    offset = messages[-1]["offset"] if messages else 3
    return {"ok": True, "resumed": True, "missed": missed, "polls": [], "epoch": EPOCH, "offset": offset}


async def test_who_is_not_signed_in_is_asked_to_be_and_then_is_in(stage: Stage, open_page: Open) -> None:
    company = await enter(stage, open_page, "")
    page = company.page
    await expect(page.locator("#notice")).to_contain_text("Sign in to come into this room")
    await page.get_by_role("button", name="Sign in").last.click()
    await page.get_by_label("User").fill("bob")
    await page.locator("#door button.primary").click()
    await expect(page.locator("#state")).to_contain_text("In the room")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Room Thursday")
    assert await company.asked("room:join") == [{"roomCode": CODE}]


async def test_an_empty_room_says_what_to_do(stage: Stage, open_page: Open) -> None:
    page = (await enter(stage, open_page, "alice", view("alice"))).page
    await expect(page.locator("#log")).to_contain_text("Nothing written yet")
    await expect(page.locator("#polls")).to_contain_text("Ask something")
    await expect(page.locator("#people-count")).to_have_text("1 of 50")
    await expect(page.get_by_role("button", name="Close the room…")).to_be_visible()


async def test_a_guest_has_no_tools_of_a_host(stage: Stage, open_page: Open) -> None:
    page = (await enter(stage, open_page, "bob", view(polls=[poll("p1", 1, 1)]))).page
    await expect(page.locator("#people li")).to_have_count(2)
    await expect(page.locator("#people")).to_contain_text("alicehost")
    for name in ("Close the room…", "Ask…", "Close the poll…", "Remove…", "Make host…"):
        await expect(page.get_by_role("button", name=name)).to_have_count(0)


async def test_a_refusal_says_why_and_what_next(stage: Stage, open_page: Open) -> None:
    company = await enter(stage, open_page, before=KEPT_ANSWER)
    page = company.page
    for code, says in {
        "ROOM_FULL": "This room is full",
        "KICKED_OUT": "removed you",
        "ROOM_CLOSED": "This room is closed",
        "NOT_FOUND": "no such room",
        "TOKEN_EXPIRED": "no longer valid",
    }.items():
        await page.evaluate("(join) => sessionStorage.setItem('join', join)", json.dumps(refusal(code)))
        await page.reload()
        await expect(page.get_by_role("alert").first).to_contain_text(says)
        await expect(page.locator("#notice small")).to_contain_text(code)
        await expect(page.locator("#notice .row > *").first).to_be_visible()
        await expect(page.locator("#room")).to_be_hidden()


async def test_a_full_room_is_tried_again_on_demand(stage: Stage, open_page: Open) -> None:
    company = await enter(
        stage, open_page, before="far.answers['room:join'] = {ok: false, code: 'ROOM_FULL', error: ''}"
    )
    page = company.page
    await expect(page.locator("#notice")).to_contain_text("full")
    await company.answers("room:join", {"ok": True, **view()})
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator("#state")).to_contain_text("In the room")


async def test_a_server_without_the_module_says_what_is_missing(stage: Stage, open_page: Open) -> None:
    page = await open_page(stage, "/static/mark.svg", "bob")

    async def without(route: object) -> None:
        answer = await route.fetch()  # type: ignore[attr-defined]
        body = (await answer.text()).replace("socketio&quot;:&quot;", "lacking&quot;:&quot;")
        await route.fulfill(response=answer, body=body)  # type: ignore[attr-defined]

    await page.route("**/rooms/*", without)
    await page.goto(f"{stage.address}/rooms/{CODE}")
    await expect(page.locator("#notice")).to_contain_text("deploy/modules.py")
    await expect(page.locator("#notice small")).to_have_text("NO_MODULE")


async def test_what_is_written_while_the_connection_is_away_is_sent_once_and_in_order(
    stage: Stage, open_page: Open
) -> None:
    company = await enter(stage, open_page)
    page = company.page
    await expect(page.locator("#state")).to_contain_text("In the room")
    await page.evaluate("far.silent = true")
    await company.drops()
    await expect(page.locator("#notice")).to_contain_text("What you have read stays, what you write is kept")
    for text in ("one", "two"):
        await page.get_by_label("Your message").fill(text)
        await page.keyboard.press("Enter")
    await expect(page.locator(".entry.waiting")).to_have_text(["oneSending…", "twoSending…"])
    await page.reload()
    await expect(page.locator(".entry.waiting")).to_have_count(2)
    await until_asked(company, "room:message", 1)
    first = (await company.asked("room:message"))[0]
    assert first["text"] == "one"
    assert await company.asked("room:message") == [first], "the next waits for the answer to the first"


async def until_asked(company: Company, event: str, times: int) -> None:
    for _ in range(500):
        if len(await company.asked(event)) >= times:
            return
        await company.page.wait_for_timeout(20)
    raise AssertionError(f"never asked: {event}")


async def test_a_retry_of_a_message_has_its_first_name(stage: Stage, open_page: Open) -> None:
    company = await enter(stage, open_page)
    page = company.page
    await page.get_by_label("Your message").fill("hello")
    await page.get_by_role("button", name="Send").click()
    await until_asked(company, "room:message", 1)
    await company.answers("room:join", resumed())
    await company.drops()
    await company.answers("room:message", STORED)
    await page.get_by_role("button", name="Try now").click()
    await until_asked(company, "room:message", 2)
    first, second = await company.asked("room:message")
    assert first == second
    assert (await company.asked("room:join"))[1]["resume"] == {"epoch": "e1", "offset": 3}
    await expect(page.locator(".entry.waiting")).to_have_count(0)


async def test_a_message_that_is_refused_can_be_sent_again_or_discarded(
    stage: Stage, open_page: Open
) -> None:
    company = await enter(stage, open_page)
    page = company.page
    await company.answers("room:message", refusal("TEXT_REFUSED", "text has nothing to read in it."))
    await page.get_by_label("Your message").fill("x")
    await page.keyboard.press("Enter")
    await expect(page.locator(".entry.waiting")).to_contain_text("Not sent. text has nothing to read in it.")
    await page.get_by_role("button", name="Discard").click()
    await expect(page.locator(".entry.waiting")).to_have_count(0)


async def test_what_was_missed_is_added_once_and_a_gap_is_asked_for(stage: Stage, open_page: Open) -> None:
    company = await enter(stage, open_page, joined=view(messages=[message(3, "alice", "first")]))
    page = company.page
    await expect(page.locator(".words")).to_have_text(["first"])
    await company.answers("room:join", resumed(message(4, "alice", "second")))
    await company.says("room:message", **message(5, "alice", "third"))
    await expect(page.locator(".words")).to_have_text(["first", "second"])
    await company.says("room:message", **message(4, "alice", "second"))
    await company.says("room:message", **message(5, "alice", "third"))
    await expect(page.locator(".words")).to_have_text(["first", "second", "third"])


async def test_what_cannot_be_resumed_is_taken_whole_and_said_where_something_may_lack(
    stage: Stage, open_page: Open
) -> None:
    company = await enter(stage, open_page, joined=view(messages=[message(3, "alice", "old")]))
    page = company.page
    await expect(page.locator(".words")).to_have_text(["old"])
    fifty = [message(n, "alice", f"new {n}") for n in range(101, 151)]
    await company.answers("room:join", {"ok": True, **view("bob", offset=150, messages=fifty)})
    await company.drops()
    await page.get_by_role("button", name="Try now").click()
    await expect(page.locator(".missing")).to_contain_text("More was written meanwhile")
    await expect(page.locator(".words")).to_have_count(51)
    await expect(page.locator("#people-count")).to_have_text("1 of 50")


async def test_a_vote_is_kept_while_the_connection_is_away_and_sent_with_its_number(
    stage: Stage, open_page: Open
) -> None:
    company = await enter(stage, open_page, joined=view(polls=[poll("p1", 3, 1, my_seq=7)]))
    page = company.page
    await expect(page.locator(".choice-count")).to_have_text(["3 · 75 %", "1 · 25 %"])
    vote = page.get_by_role("button", name="Vote", exact=True)
    await expect(vote).to_be_disabled()
    await page.get_by_label("No").check()
    await vote.click()
    await until_asked(company, "poll:vote", 1)
    await company.drops()
    await expect(page.locator(".poll")).to_contain_text("Your vote is kept")
    voted = poll("p1", 3, 2, my_vote=["2"], my_seq=8, version=3)
    await company.answers("poll:vote", {"ok": True, "poll": voted})
    await page.get_by_role("button", name="Try now").click()
    await expect(page.get_by_role("button", name="Change my vote")).to_be_disabled()
    first, second = await company.asked("poll:vote")
    assert first == second
    assert first["optionIds"] == ["2"]
    assert first["clientVoteSeq"] > 7


async def test_a_vote_that_comes_late_is_told_so(stage: Stage, open_page: Open) -> None:
    company = await enter(stage, open_page, joined=view(polls=[poll("p1", 3, 1)]))
    page = company.page
    over = poll("p1", 3, 1, state="closed", winners=["1"], version=9)
    await company.answers("poll:vote", refusal("POLL_CLOSED", poll=over))
    await page.get_by_label("Yes").check()
    await page.get_by_role("button", name="Vote", exact=True).click()
    await expect(page.locator(".poll .problem")).to_contain_text("not counted")
    await expect(page.locator(".poll")).to_contain_text("“Yes” won.")


async def test_bars_move_with_the_counts_and_keep_what_somebody_is_choosing(
    stage: Stage, open_page: Open
) -> None:
    company = await enter(stage, open_page, joined=view(polls=[poll("p1", 3, 1)]), reduced_motion="reduce")
    page = company.page
    await page.get_by_label("No").check()
    told = poll("p1", 3, 9, version=5)
    del told["my_vote"]
    await company.says("poll:updated", poll=told)
    await expect(page.locator(".choice-count")).to_have_text(["3 · 25 %", "9 · 75 %"])
    await expect(page.get_by_label("No")).to_be_checked()
    widths = await page.locator(".choice-fill").evaluate_all(
        "(all) => all.map((one) => one.style.inlineSize)"
    )
    assert widths == ["25%", "75%"]
    await company.says("poll:updated", poll=poll("p1", 9, 9, version=4))
    await expect(page.locator(".choice-count").first).to_have_text("3 · 25 %")


async def test_why_counts_are_not_shown_is_said(stage: Stage, open_page: Open) -> None:
    reasons: list[tuple[Shape, str]] = [
        ({"results": "after_vote"}, "shown when you have voted"),
        ({"results": "after_close"}, "shown when the poll is closed"),
        ({"results": "host"}, "Only the host sees"),
        ({"visibility": "anonymous"}, "from the fifth vote on"),
        ({"allow_change": False}, "cannot be changed"),
    ]
    polls = [poll(f"p{at}", **more) for at, (more, _) in enumerate(reasons)]
    page = (await enter(stage, open_page, joined=view(polls=polls))).page
    for at, (_, says) in enumerate(reasons):
        card = page.locator(f"[data-poll=p{at}]")
        await expect(card.locator(".hint")).to_contain_text(says)
        await expect(card.locator(".choice-bar").first).to_be_hidden()


async def test_a_closed_poll_has_its_result_in_words(stage: Stage, open_page: Open) -> None:
    results: list[tuple[tuple[int, int], list[str], list[str], str]] = [
        ((3, 1), ["1"], ["Winner"], "“Yes” won."),
        ((2, 2), ["1", "2"], ["Tie", "Tie"], "A tie between “Yes” and “No”."),
        ((0, 0), [], [], "Nobody voted."),
    ]
    polls = [
        poll(f"p{at}", *votes, state="closed", winners=winners, my_vote=["1"] if winners else [])
        for at, (votes, winners, _, _) in enumerate(results)
    ]
    page = (await enter(stage, open_page, joined=view(polls=polls))).page
    for at, (_, _, marks, says) in enumerate(results):
        card = page.locator(f"[data-poll=p{at}]")
        await expect(card).to_contain_text(says)
        await expect(card.locator(".tag.won:visible")).to_have_text(marks)
    await expect(page.locator(".poll input:visible")).to_have_count(0)
    await expect(page.get_by_role("button", name="Vote", exact=True)).to_have_count(0)


async def test_who_is_removed_is_told_and_may_go_elsewhere(stage: Stage, open_page: Open) -> None:
    company = await enter(stage, open_page)
    page = company.page
    await expect(page.locator("#state")).to_contain_text("In the room")
    await company.says("room:participant_left", offset=4, userId="bob", reason="kicked")
    await expect(page.get_by_role("alert").first).to_contain_text("removed you")
    await expect(page.get_by_role("link", name="Your rooms")).to_be_visible()
    await expect(page.get_by_label("Your message")).to_be_disabled()


async def test_a_room_that_is_closed_stays_to_be_read(stage: Stage, open_page: Open) -> None:
    company = await enter(stage, open_page, joined=view(messages=[message(3, "alice", "the end")]))
    page = company.page
    await expect(page.locator(".words")).to_have_text(["the end"])
    await company.says("room:closed", offset=4, reason="host")
    await expect(page.locator("#notice")).to_contain_text("The host has closed this room")
    await expect(page.locator("#state")).to_contain_text("Closed")
    await expect(page.locator(".words")).to_have_text(["the end"])
    await expect(page.get_by_label("Your message")).to_be_disabled()
    await expect(page.get_by_role("button", name="Leave")).to_be_hidden()


async def test_what_had_not_arrived_when_the_room_was_closed_is_said_to_be_lost(
    stage: Stage, open_page: Open
) -> None:
    company = await enter(stage, open_page, joined=view(polls=[poll("p1", 3, 1)]))
    page = company.page
    await expect(page.locator("#state")).to_contain_text("In the room")
    await page.evaluate("far.silent = true")
    await company.drops()
    await page.get_by_label("Your message").fill("too late")
    await page.keyboard.press("Enter")
    await page.get_by_label("Yes").check()
    await page.get_by_role("button", name="Vote", exact=True).click()
    await company.answers("room:join", refusal("ROOM_CLOSED"))
    await page.evaluate("far.silent = false")
    await expect(page.locator("#notice")).to_contain_text("This room is closed")
    await expect(page.locator(".entry.waiting")).to_contain_text("Not sent. You are no longer in the room.")
    await expect(page.locator(".poll .problem")).to_contain_text("it is not counted")


async def test_who_leaves_can_come_back(stage: Stage, open_page: Open) -> None:
    company = await enter(stage, open_page)
    page = company.page
    await company.answers("room:leave", {"ok": True})
    await page.get_by_role("button", name="Leave").click()
    await expect(page.locator("#notice")).to_contain_text("You have left this room")
    await page.get_by_role("button", name="Come back in").click()
    await expect(page.locator("#state")).to_contain_text("In the room")


async def test_a_new_host_sees_what_a_host_sees(stage: Stage, open_page: Open) -> None:
    company = await enter(stage, open_page)
    page = company.page
    await expect(page.locator("#state")).to_contain_text("In the room")
    draft = poll("p1", 0, 0, state="draft", question="And then?")
    await company.answers("room:join", {"ok": True, **view(host="bob", offset=4, polls=[draft])})
    await company.says("room:host_changed", offset=4, userId="bob")
    await expect(page.get_by_role("button", name="Ask…")).to_be_visible()
    await expect(page.locator(".poll")).to_contain_text("And then?")
    await expect(page.get_by_role("button", name="Open it")).to_be_visible()


async def test_texts_cannot_lie_about_their_order_or_hide_markup(stage: Stage, open_page: Open) -> None:
    said = [
        message(1, "eve\u202e", "invoice\u202efdp.exe"),
        message(2, "eve", "<img src=x onerror=alert(1)>"),
        message(3, "\u05d3\u05e0\u05d4", "\u05e9\u05dc\u05d5\u05dd!"),
        message(4, "zalgo", "a" + "\u0301" * 40),
        message(5, "eve", "see javascript:alert(1) and https://example.org/a_(b)."),
    ]
    page = (await enter(stage, open_page, joined=view(messages=said, offset=5))).page
    await expect(page.locator(".words")).to_have_count(5)
    texts = await page.locator(".words").all_text_contents()
    assert texts[0] == "invoicefdp.exe"
    assert texts[1] == "<img src=x onerror=alert(1)>"
    assert texts[3] == "a" + "\u0301" * 6
    assert await page.locator(".words img").count() == 0
    await expect(page.locator(".words a")).to_have_attribute("href", "https://example.org/a_(b)")
    direction = await page.locator(".words").evaluate_all(
        "(all) => all.map((one) => getComputedStyle(one).direction)"
    )
    assert direction == ["ltr", "ltr", "rtl", "ltr", "ltr"]
    assert (await page.locator(".wrote bdi").first.text_content()) == "eve"


ANNOUNCED_EVERY_SECONDS = 4
CAME_IN = """
  [...told.join(" ").matchAll(/(\\d+) people came in|(guest\\d+)[^.]* came in/g)]
    .reduce((sum, [, several]) => sum + Number(several ?? 1), 0)
"""
"""How many people, in one sentence or in several: that depends on how busy the machine is."""


async def test_a_crowd_does_not_flood_who_listens(stage: Stage, open_page: Open) -> None:
    count = """
      window.told = [];
      addEventListener("DOMContentLoaded", () => {
        const place = document.getElementById("told");
        const hear = new MutationObserver(() => place.textContent && told.push(place.textContent));
        if (place) hear.observe(place, { childList: true });
      });
    """
    company = await enter(stage, open_page, joined=view(polls=[poll("p1", 0, 0)]), script=count)
    page = company.page
    await expect(page.locator("#state")).to_contain_text("In the room")
    for n in range(4, 34):
        await company.says("room:message", **message(n, "alice", f"line {n}"))
        await company.says("poll:updated", poll=poll("p1", n, 1, version=n))
    for n in range(34, 64):
        await company.says("room:participant_joined", offset=n, **person(f"guest{n}"))
    await until_told_of(page, 30)
    told = await page.evaluate("told")
    seconds = await page.evaluate("performance.now() / 1000")
    assert len(told) <= 2 + seconds / ANNOUNCED_EVERY_SECONDS
    assert "line 33" in " ".join(told)
    assert "vote" not in " ".join(told)
    await expect(page.locator("#log")).to_have_attribute("aria-live", "off")


async def until_told_of(page: Page, people: int) -> None:
    for _ in range(500):
        if await page.evaluate(CAME_IN) == people:
            return
        await page.wait_for_timeout(20)
    raise AssertionError(await page.evaluate("told"))


async def test_who_signs_out_leaves_nothing_to_the_next(stage: Stage, open_page: Open) -> None:
    company = await enter(stage, open_page, joined=view(messages=[message(3, "alice", "for bob")]))
    page = company.page
    await page.get_by_label("Your message").fill("on its way")
    await page.keyboard.press("Enter")
    await page.get_by_label("Your message").fill("a draft")
    await page.locator("#identity").get_by_role("button", name="Sign out").click()
    await expect(page.locator("#room")).to_be_hidden()
    await expect(page.locator("#notice")).to_contain_text("Sign in to come into this room")
    await page.reload()
    await page.locator("#notice").get_by_role("button", name="Sign in").click()
    await page.get_by_label("User").fill("carol")
    await page.locator("#door button.primary").click()
    await expect(page.locator("#state")).to_contain_text("In the room")
    await expect(page.locator(".entry.waiting")).to_have_count(0)
    await expect(page.get_by_label("Your message")).to_have_value("")
    assert await company.asked("room:message") == []


async def test_who_signs_in_again_goes_on_where_they_were(stage: Stage, open_page: Open) -> None:
    company = await enter(stage, open_page, joined=view(messages=[message(3, "alice", "before")]))
    page = company.page
    await expect(page.locator("#state")).to_contain_text("In the room")
    await company.says("warning", code="token_expiring", expiresAt="2100-01-01T00:00:00Z")
    await expect(page.locator("#notice")).to_contain_text("Your sign-in runs out")
    await company.says("error", **refusal("TOKEN_EXPIRED"))
    await expect(page.get_by_role("alert").first).to_contain_text("the room goes on where you were")
    await expect(page.locator(".words")).to_have_text(["before"])
    await company.answers("room:join", resumed(message(4, "alice", "meanwhile")))
    await page.get_by_role("button", name="Sign in again").click()
    await page.get_by_label("User").fill("bob")
    await page.locator("#door button.primary").click()
    await expect(page.locator(".words")).to_have_text(["before", "meanwhile"])
    assert (await company.asked("room:join"))[1]["resume"] == {"epoch": "e1", "offset": 3}


async def test_captions_of_a_channel_are_shown_beside_the_chat_and_go_along_in_the_link(
    stage: Stage, open_page: Open
) -> None:
    hall = stage.channel("hall")
    await hall.start()
    page = (await enter(stage, open_page)).page
    await page.get_by_text("Captions of a channel").click()
    await page.get_by_label("Channel").fill("hall")
    await page.get_by_role("button", name="Show captions").click()
    reader = await viewer(hall, page)
    await hall.final("Good evening.", "s1")
    await expect(page.locator(".caption-line")).to_have_text(["Good evening."])
    await expect(page.get_by_role("log", name="Captions so far")).to_contain_text("Good evening.")
    await expect(page.locator("#link")).to_have_value(f"{stage.address}/rooms/{CODE}?captions=hall")
    await page.locator("#captions-lang").select_option("es")
    await until(page, lambda: reader.lang == "es", "the other language")
    await page.reload()
    await viewer(hall, page)
    await page.get_by_role("button", name="Hide them").click()
    await expect(page.locator("#stage")).to_be_hidden()
    await gone(hall, page)
    await expect(page.locator("#link")).to_have_value(f"{stage.address}/rooms/{CODE}")


async def test_a_poll_is_written_with_the_keyboard_and_asked_once(stage: Stage, open_page: Open) -> None:
    company = await enter(stage, open_page, "alice")
    page = company.page
    await page.get_by_role("button", name="Ask…").click()
    await page.keyboard.type("Tea or coffee?")
    await page.get_by_label("Answer 1", exact=True).focus()
    await page.keyboard.type("Tea")
    await page.keyboard.press("Enter")
    await page.keyboard.type("Coffee")
    await page.keyboard.press("Enter")
    await page.keyboard.type("Neither")
    await page.get_by_label("Several answers may be chosen").check()
    await page.get_by_role("button", name="Ask now").click()
    await until_asked(company, "poll:create", 1)
    await company.drops()
    await expect(page.locator("#question-problem")).to_contain_text("it is asked once")
    asked = (await company.asked("poll:create"))[0]
    assert asked["question"] == "Tea or coffee?"
    assert asked["options"] == ["Tea", "Coffee", "Neither"]
    assert (asked["multiple"], asked["allow_change"], asked["draft"]) == (True, True, False)
    assert "closes_in_seconds" not in asked
    await company.answers("room:join", {"ok": True, **view()})
    await company.answers("poll:create", {"ok": True, "poll": poll("p1", 0, 0, question="Tea or coffee?")})
    await expect(page.locator("#state")).to_contain_text("In the room")
    await page.get_by_role("button", name="Ask now").click()
    await expect(page.locator("#question")).to_be_hidden()
    await expect(page.locator(".poll h3")).to_have_text(["Tea or coffee?"])
    again = (await company.asked("poll:create"))[1]
    assert again["clientId"] == asked["clientId"]
