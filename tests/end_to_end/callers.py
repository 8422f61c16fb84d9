"""Creators and fans of real servers: what they ask over HTTP, and the devices that their calls ring on."""

import asyncio
from typing import Any

import httpx

from auth.principal import Plan, Role
from tests.end_to_end.guests import Guest, Json, Party
from tests.house import NO_LIMITS, House, token

CALLS_ON = NO_LIMITS | {"RECOGNIZERS": "silent", "FEATURE_CALLS": "true", "BOOT_LEASE_SECONDS": "3"}
QUICK = {
    "CALL_HEARTBEAT_SECONDS": "1", "CALL_LOST_SECONDS": "3", "CALL_INCREMENT_SECONDS": "1",
    "CALL_COOLDOWN_SECONDS": "0", "REAPER_INTERVAL_SECONDS": "1",
}  # fmt: skip
"""A side that is gone is noticed soon, and charged to the second."""


class Caller:
    """One user, at one server, with a device if they are connected."""

    def __init__(self, house: House, user: str, role: Role, device: Guest | None = None) -> None:
        self.house = house
        self.user = user
        self.role = role
        self._device = device

    @property
    def device(self) -> Guest:
        assert self._device is not None, f"{self.user} is not connected"
        return self._device

    async def ask(self, method: str, path: str, json: Any = None) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
            headers = {"Authorization": f"Bearer {token(self.user, self.role, Plan.FREE)}"}
            return await http.request(method, self.house.url(path), json=json, headers=headers)

    async def done(self, method: str, path: str, json: Any = None) -> Json:
        """Return what was answered to what has to be possible."""
        answer = await self.ask(method, path, json)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def act(self, call: Json, name: str, json: Any = None) -> httpx.Response:
        return await self.ask("POST", f"/api/calls/{call['id']}/{name}", json)

    async def call(self, call: Json) -> Json:
        """Return a call as it stands."""
        return dict((await self.done("GET", f"/api/calls/{call['id']}"))["call"])

    def at(self, house: House) -> "Caller":
        """Return the same user at another server, without a device."""
        return Caller(house, self.user, self.role)


async def arrive(party: Party, house: House, user: str, role: Role = Role.FAN, device: str = "") -> Caller:
    """Return a user with a device that is connected."""
    guest = await party.guest(house, user, role=role)
    if device:
        assert (await guest.ask("call:device", deviceId=device))["ok"]
    return Caller(house, user, role, guest)


async def acquainted(house: House, creator: str = "cleo", fan: str = "noa", rate: float = 0) -> None:
    """Have a fan know a creator, who has this rate."""
    admin, star = Caller(house, "ada", Role.ADMIN), Caller(house, creator, Role.CREATOR)
    await admin.done("PUT", "/api/relationships", {"creatorId": creator, "fanId": fan, "kind": "follow"})
    await star.done("PATCH", "/api/creators/me", {"voiceRatePerMinute": rate})


async def give(house: House, fan: str, amount: float) -> None:
    admin = Caller(house, "ada", Role.ADMIN)
    await admin.done("POST", "/api/v1/admin/credits/allocate", {"user_id": fan, "amount": amount})


async def ring(creator: Caller, fan: str = "noa", device: str = "desk") -> Json:
    body = {"fanId": fan, "callType": "voice", "deviceId": device}
    return dict((await creator.done("POST", "/api/calls/initiate", body))["call"])


async def connect(creator: Caller, fan: Caller, device: str = "phone") -> Json:
    """Ring, accept, and have both in the media, by their devices; return the call."""
    call = await ring(creator, fan.user)
    await fan.device.until("call:incoming")
    assert (await fan.act(call, "accept", {"deviceId": device})).status_code == 200
    for side in (creator, fan):
        answer = await side.device.ask("call:media", callId=call["id"], state="joined")
        assert answer["ok"], answer
    return dict(answer["call"])


async def talk(seconds: float, call: Json, *sides: Caller) -> None:
    """Send heartbeats twice a second for a while."""
    for _ in range(round(seconds * 2)):
        for side in sides:
            assert (await side.device.ask("call:heartbeat", callId=call["id"]))["ok"]
        await asyncio.sleep(0.5)


async def over(caller: Caller, call: Json, within_seconds: float = 30.0) -> Json:
    """Wait until a call is over; return how it ended."""
    async with asyncio.timeout(within_seconds):
        while True:
            told = await caller.call(call)
            if told["endedAt"] is not None:
                return told
            await asyncio.sleep(0.1)
