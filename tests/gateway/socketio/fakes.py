"""Clients and audiences without a transport, for tests of what speaks through it."""

import asyncio
import inspect
import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any

from auth.principal import Plan, Principal, Role
from gateway.http.errors import refusal_of, shape_of
from gateway.socketio.interface import Audience, Client, NoAnswer, Receiver

_NUMBERS = itertools.count(1)


def principal(
    user: str = "dana", role: Role = Role.FAN, plan: Plan = Plan.PREMIUM, **changes: Any
) -> Principal:
    """Return somebody whose token holds for an hour."""
    facts: dict[str, Any] = {"tenant": "default", "expires_at": time.time() + 3600, "token_id": f"jti_{user}"}
    return Principal(user=user, roles=frozenset({role}), plan=plan, **(facts | changes))


class FakeClient:
    """A client that keeps what is emitted to it, and answers `ask` with what a test puts in `answers`."""

    def __init__(self, of: Principal | str = "dana", address: str = "127.0.0.1") -> None:
        self.sid = f"sid{next(_NUMBERS)}"
        self.principal = of if isinstance(of, Principal) else principal(of)
        self.address = address
        self.connected = True
        self.emitted: list[tuple[Any, ...]] = []
        self.answers: dict[str, Sequence[Any]] = {}

    @property
    def expires_at_ms(self) -> int:
        return int(self.principal.expires_at * 1000)

    def emit(self, event: str, *payloads: Any) -> None:
        if self.connected:
            self.emitted.append((event, *payloads))

    async def ask(self, event: str, *payloads: Any, within_seconds: float = 10.0) -> Sequence[Any]:
        self.emit(event, *payloads)
        if event not in self.answers:
            raise NoAnswer(f"{event} is not answered within {within_seconds} s")
        return self.answers[event]

    def disconnect(self, event: str = "", payload: Any = None) -> None:
        if event:
            self.emit(event, payload)
        self.connected = False

    def heard(self, event: str) -> list[Any]:
        """Return the first payload of each event of that name, in order."""
        return [payloads[0] if payloads else None for name, *payloads in self.emitted if name == event]


class FakeAudience:
    """An audience that emits to each of its clients at once."""

    def __init__(self, name: str, members: dict[str, dict[Client, None]]) -> None:
        self.name = name
        self._members = members

    @property
    def clients(self) -> Sequence[Client]:
        return list(self._members.get(self.name, ()))

    def __len__(self) -> int:
        return len(self.clients)

    def add(self, client: Client) -> None:
        if client.connected:
            self._members.setdefault(self.name, {})[client] = None

    def discard(self, client: Client) -> None:
        self._members.get(self.name, {}).pop(client, None)

    def emit(self, event: str, payload: Any, skip: Client | None = None) -> None:
        for client in self.clients:
            if client is not skip:
                client.emit(event, payload)


class FakeHall:
    """Audiences, and receivers whose clients a test lets in, speak and go, as the transport does."""

    def __init__(self, **receivers: Receiver) -> None:
        """Take receivers by the beginning of their events, without the colon: `FakeHall(room=rooms)`."""
        self._receivers = receivers
        self._members: dict[str, dict[Client, None]] = {}
        self._turns: dict[Client, asyncio.Lock] = {}

    def audience(self, name: str) -> Audience:
        return FakeAudience(name, self._members)

    def enter(self, client: FakeClient) -> FakeClient:
        """Let an authenticated client in."""
        for receiver in self._receivers.values():
            receiver.connected(client)
        return client

    async def send(self, client: FakeClient, event: str, payload: Any = None) -> Mapping[str, Any]:
        """Return what an event of `client` is acknowledged with."""
        receiver = self._receivers[event.partition(":")[0]]
        async with self._turns.setdefault(client, asyncio.Lock()):
            try:
                answer = receiver.receive(client, event, payload)
                return await answer if inspect.isawaitable(answer) else answer
            except Exception as error:
                refused = refusal_of(error)
                if refused is None:
                    raise
                return shape_of(refused)

    async def leave(self, client: FakeClient) -> None:
        """Let a client go away, once its events are handled."""
        client.connected = False
        for members in self._members.values():
            members.pop(client, None)
        async with self._turns.setdefault(client, asyncio.Lock()):
            for receiver in self._receivers.values():
                receiver.gone(client)
