"""A room on the page is the one of the rules: what it makes of events is what whoever comes then sees."""

import json
import random
from typing import Any

import pytest
from playwright.async_api import Page

from gateway.rooms import bodies
from sessions import poll_records, poll_snapshots, polls, rooms
from sessions.ballots import Ballot
from sessions.poll_records import Poll, PollWanted, Results, Visibility, voter_of
from sessions.room_effects import Message, MessagePosted, Publish
from sessions.room_events import (
    CloseRequested,
    ConnectionLost,
    DeadlinePassed,
    Event,
    HandOverRequested,
    JoinRequested,
    KickRequested,
    LeaveRequested,
    MessageSent,
)
from sessions.room_records import Bounds, Room, RoomWanted, create
from sessions.room_snapshots import snapshot

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

START_MS = 1_764_410_400_000
USERS = ("alice", "bob", "\u05d3\u05e0\u05d4", "dave")
REFUSALS = (
    rooms.RoomOver, rooms.RoomFull, rooms.KickedOut, rooms.NotInRoom, rooms.NotHost, rooms.CannotKick,
    polls.PollClosed, polls.VoteFixed, polls.BadBallot,
)  # fmt: skip

ROOMS = """
async (text) => {
  const lives = JSON.parse(text);
  const { after } = await import("/static/snapshot.js");
  const unlike = [];
  for (const life of lives) {
    let seen = life.first;
    for (const { name, payload, view } of life.steps) {
      seen = after(seen, { name, payload });
      if (after(seen, { name, payload }) !== seen) unlike.push(["twice", name]);
      // A hand-over is two events of one step: what is seen between them is nobody's snapshot.
      if (view && JSON.stringify(seen) !== JSON.stringify(view)) unlike.push([name, seen, view]);
    }
  }
  return unlike;
}
"""

POLLS = """
async (text) => {
  const lives = JSON.parse(text);
  const { pollAfter } = await import("/static/snapshot.js");
  const sorted = (poll) => JSON.stringify(Object.entries(poll).sort());
  return lives.flatMap((steps) => {
    let seen;
    return steps.flatMap(({ told, after }) => {
      seen = pollAfter(seen, told);
      return sorted(seen) === sorted(after) ? [] : [[told, seen, after]];
    });
  });
}
"""


def view(room: Room, messages: list[Message]) -> dict[str, Any]:
    seen = snapshot(room, messages)
    return {
        "room": bodies.room_body(seen),
        "participants": bodies.people(seen.participants),
        "messages": [bodies.message_body(message) for message in seen.messages],
        "polls": [],
        "epoch": seen.epoch,
        "offset": seen.offset,
    }


def any_event(draw: random.Random, number: int) -> Event:
    user, other = draw.choice(USERS), draw.choice(USERS)
    events: list[Event] = [
        JoinRequested(user), LeaveRequested(user), ConnectionLost(user), KickRequested(user, other),
        HandOverRequested(user, other), CloseRequested(user),
        MessageSent(user, f"c{number}", f"m{number}", "hi"), DeadlinePassed(),
    ]  # fmt: skip
    return draw.choices(events, [6, 2, 1, 0.3, 1, 0.1, 12, 1])[0]


def room_life(seed: int) -> dict[str, Any]:
    """What is published in a room, and what somebody sees who comes after each of it."""
    draw = random.Random(seed)
    wanted = RoomWanted("Thursday", 3)
    room = create(
        wanted, room_id="r1", tenant_id="t", code="XJ9K2M", owner="alice", epoch="e1", now_ms=START_MS
    )
    messages: list[Message] = []
    life: dict[str, Any] = {"first": view(room, messages), "steps": []}
    for number in range(150):
        event = any_event(draw, number) if number < 149 else CloseRequested(room.host)
        try:
            after, effects = rooms.step(room, event, START_MS + number * 20_000, Bounds())
        except REFUSALS:
            continue
        published = [effect for effect in effects if isinstance(effect, Publish)]
        for effect in published:
            if isinstance(effect.event, MessagePosted):
                messages.append(effect.event.message)
            name, payload = bodies.event(effect.offset, effect.event)
            life["steps"].append({"name": name, "payload": payload})
        room = after
        if published:
            life["steps"][-1]["view"] = view(room, messages)
    return life


async def test_a_snapshot_and_its_events_are_the_next_snapshot(blank: Page) -> None:
    lives = [room_life(seed) for seed in range(12)]
    names = {step["name"] for life in lives for step in life["steps"]}
    assert len(names) == 5, "every event of a room has come"
    assert await blank.evaluate(ROOMS, json.dumps(lives)) == []


def poll_life(seed: int) -> list[dict[str, Any]]:
    """What a voter is told of a poll, out of order now and then, and what they see then."""
    draw = random.Random(seed)
    wanted = PollWanted(
        "Shall we?", ("Yes", "No", "Later"), multiple=draw.random() < 0.5, allow_change=draw.random() < 0.8,
        visibility=draw.choice(list(Visibility)), results=draw.choice(list(Results)),
    )  # fmt: skip
    poll = poll_records.create(
        wanted, poll_id="p1", room_id="r1", author="host", key=b"k" * 16, now_ms=START_MS
    )
    poll, _ = polls.step(poll, {}, polls.OpenRequested("host", True, 0), START_MS, polls.Bounds())
    ballots: dict[str, Ballot] = {}
    told, seen = [], None
    steps: list[dict[str, Any]] = []
    for number in range(25):
        event: polls.Event = polls.VoteCast(
            f"user{draw.randrange(8)}", (draw.choice(poll.option_ids),), number
        )
        if number == 22:
            event = polls.CloseRequested("host", host=True)
        try:
            poll, effects = polls.step(poll, ballots, event, START_MS + number, polls.Bounds())
        except REFUSALS:
            continue
        ballots |= {done.ballot.voter: done.ballot for done in effects if isinstance(done, polls.StoreBallot)}
        told.append(what_is_told(poll, ballots, own=draw.random() < 0.3))
        late = draw.choice(told) if draw.random() < 0.2 else told[-1]
        seen = poll_snapshots.after(seen, late)
        steps.append({"told": bodies.poll_body(late), "after": bodies.poll_body(seen)})
    return steps


def what_is_told(poll: Poll, ballots: dict[str, Ballot], *, own: bool) -> poll_snapshots.PollSnapshot:
    voter = voter_of(poll, "user1")
    ballot = ballots.get(voter) if voter else None
    if own:
        return poll_snapshots.snapshot(poll, ballot, host=False)
    voted = bool(ballot and ballot.option_ids)
    seeing = poll_snapshots.sees_results(poll, voted=voted, host=False)
    return poll_snapshots.broadcast(poll, seeing=seeing)


async def test_a_poll_is_on_the_page_what_the_rules_say(blank: Page) -> None:
    lives = [poll_life(seed) for seed in range(60)]
    assert await blank.evaluate(POLLS, json.dumps(lives)) == []


async def test_a_gap_is_found(blank: Page) -> None:
    ask = """async (seen) => {
      const { OffsetGap, after } = await import("/static/snapshot.js");
      try {
        after(seen, { name: "room:host_changed", payload: { offset: 5, userId: "bob" } });
      } catch (error) {
        return error instanceof OffsetGap ? [error.expected, error.offset] : String(error);
      }
    }"""
    assert await blank.evaluate(ask, {"offset": 3}) == [4, 5]


WORDS = """
async ([name, values]) => {
  const module = await import(`/static/${name[0]}.js`);
  return values.map((value) => module[name[1]](value));
}
"""


async def test_typists_are_named_and_counted(blank: Page) -> None:
    said = await blank.evaluate(
        WORDS, [["typists", "words"], [[], ["ann"], ["ann", "bo"], ["ann", "bo", "cy", "di"]]]
    )
    assert [text.replace("\u2068", "").replace("\u2069", "") for text in said] == [
        "",
        "ann is writing…",
        "ann and bo are writing…",
        "ann, bo and 2 more are writing…",
    ]


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("plain", "plain"),
        ("  two\r\nlines \u2028three", "two\nlines \nthree"),
        ("a\u202eb\u2066c\u200fd\u200de", "abc\u200fd\u200de"),
        ("\ufeffbell\u0007", "bell"),
        ("many\n\n \n\n\nlines", "many\n\nlines"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
        (
            "\u0639\u064e\u0631\u064e\u0628\u0650\u064a\u0651",
            "\u0639\u064e\u0631\u064e\u0628\u0650\u064a\u0651",
        ),
    ],
)
async def test_a_text_is_cleaned_to_be_shown_and_keeps_what_scripts_need(
    blank: Page, typed: str, shown: str
) -> None:
    assert await blank.evaluate(WORDS, [["display", "readable"], [typed]]) == [shown]
