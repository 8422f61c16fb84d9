"""The fakes keep the contract that the transport keeps."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from gateway.http.errors import Refused
from gateway.socketio.interface import Ack, Client
from tests.gateway.socketio.fakes import FakeClient, FakeHall


class Echo:
    """A receiver that answers with what it gets, and notes who is there."""

    def __init__(self) -> None:
        self.there: list[Client] = []
        self.handling = 0
        self.most_at_once = 0

    def connected(self, client: Client) -> None:
        self.there.append(client)

    def gone(self, client: Client) -> None:
        self.there.remove(client)

    def receive(self, client: Client, event: str, payload: Any) -> Ack | Awaitable[Ack]:
        if payload == "no":
            raise Refused(409, "NOT_NOW", "Not now; later", later=True)
        return self._echo(payload) if payload == "slowly" else {"ok": True, "echo": payload}

    async def _echo(self, payload: Any) -> Ack:
        self.handling += 1
        self.most_at_once = max(self.most_at_once, self.handling)
        await asyncio.sleep(0)
        self.handling -= 1
        return {"ok": True, "echo": payload}


async def test_an_event_is_answered_at_once_or_later_or_refused() -> None:
    hall = FakeHall(echo=Echo())
    client = hall.enter(FakeClient())
    assert await hall.send(client, "echo:it", 1) == {"ok": True, "echo": 1}
    assert await hall.send(client, "echo:it", "slowly") == {"ok": True, "echo": "slowly"}
    refused = await hall.send(client, "echo:it", "no")
    assert (refused["ok"], refused["code"], refused["error"]) == (False, "NOT_NOW", "Not now; later")
    assert refused["later"] is True


async def test_the_events_of_one_client_are_handled_one_after_the_other() -> None:
    echo = Echo()
    hall = FakeHall(echo=echo)
    client = hall.enter(FakeClient())
    await asyncio.gather(*(hall.send(client, "echo:it", "slowly") for _ in range(5)))
    assert echo.most_at_once == 1


async def test_an_audience_hears_what_is_emitted_to_it_while_it_is_there() -> None:
    echo = Echo()
    hall = FakeHall(echo=echo)
    ann, bob = hall.enter(FakeClient("ann")), hall.enter(FakeClient("bob"))
    hall.audience("room:1").add(ann)
    hall.audience("room:1").add(bob)
    hall.audience("room:1").emit("room:message", 1, skip=bob)
    hall.audience("room:1").discard(ann)
    hall.audience("room:1").emit("room:message", 2)
    assert (ann.heard("room:message"), bob.heard("room:message")) == ([1], [2])
    await hall.leave(bob)
    assert len(hall.audience("room:1")) == 0
    assert echo.there == [ann]
