"""A room whose other end is the test: what a server would say, in the shapes of its own messages."""

import json
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from tests.pages.conftest import Open
from tests.pages.stage import Stage

CLIENT = Path(__file__).with_name("socketio.js").read_text(encoding="utf-8")
CODE = "XJ9K2M"
EPOCH = "e1"
Shape = dict[str, Any]


def moment(minute: int) -> str:
    return f"2026-11-29T10:{minute:02}:00.000Z"


def person(user: str) -> Shape:
    return {"userId": user, "joinedAt": moment(0)}


def message(offset: int, user: str, text: str) -> Shape:
    return {"id": f"m{offset}", "offset": offset, "userId": user, "text": text, "at": moment(offset % 60)}


def poll(poll_id: str, *votes: int | None, texts: tuple[str, ...] = ("Yes", "No"), **more: Any) -> Shape:
    """A poll; without votes its counts are not to be seen."""
    counted = [count for count in votes if count is not None]
    options = [
        {"id": str(at), "text": text}
        | (
            {"votes": votes[at - 1], "percent": 100 * counted[at - 1] // (sum(counted) or 1)}
            if counted
            else {}
        )
        for at, text in enumerate(texts, 1)
    ]
    made = {
        "id": poll_id, "state": "open", "version": 2, "question": "Shall we begin?", "options": options,
        "voters": sum(counted), "my_vote": [], "multiple": False, "allow_change": True,
        "visibility": "hidden", "results": "always",
    }  # fmt: skip
    return made | more


def view(*users: str, offset: int = 3, host: str = "alice", **more: Any) -> Shape:
    """A room as it is told to somebody who joins."""
    room = {
        "id": "r1", "room_code": CODE, "name": "Thursday", "host_user_id": host, "max_participants": 50,
        "is_private": True, "is_active": True,
    }  # fmt: skip
    parts: Shape = {
        "participants": [person(user) for user in users or ("alice", "bob")],
        "messages": [],
        "polls": [],
    }
    return {"room": room, "epoch": EPOCH, "offset": offset} | parts | more


class Company:
    """The page of somebody in the room, and the connection behind it."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def comes(self) -> None:
        """Wait until the page has its client, and with it the other end."""
        for _ in range(1500):
            if await self.page.evaluate("Boolean(globalThis.far)"):
                return
            await self.page.wait_for_timeout(10)
        raise AssertionError("the page never asked for its client")

    async def answers(self, event: str, answer: Shape | None) -> None:
        """What the page is told from now on when it asks; None: nothing."""
        if answer is None:
            await self.page.evaluate("(event) => delete far.answers[event]", event)
        else:
            await self.page.evaluate("([event, answer]) => (far.answers[event] = answer)", [event, answer])

    async def says(self, event: str, **payload: Any) -> None:
        await self.page.evaluate("([event, payload]) => far.say(event, payload)", [event, payload])

    async def asked(self, event: str) -> list[Shape]:
        """What the page asked with this event."""
        found: list[Shape] = await self.page.evaluate(
            "(event) => far.asked.filter(([name]) => name === event).map(([, payload]) => payload)", event
        )
        return found

    async def drops(self) -> None:
        await self.page.evaluate("far.drop()")


async def enter(
    stage: Stage,
    open_page: Open,
    user: str = "bob",
    joined: Shape | None = None,
    *,
    before: str = "",
    query: str = "",
    **options: Any,
) -> Company:
    """The page of `user`, answered with `joined` when it wants in; `before` runs before that."""
    answer = {"ok": True, "resumed": False, **(joined or view())}
    setting = f"far.answers['room:join'] = {json.dumps(answer)};{before}"
    stage.serve_client(CLIENT + setting)
    page = await open_page(stage, f"/rooms/{CODE}{query}", user, **options)
    company = Company(page)
    if user:
        await company.comes()
    return company
