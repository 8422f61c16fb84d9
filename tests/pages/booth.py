"""Calls of the stage: answers the API of calls and people in its shapes, from what a test sets."""

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.pages import CallRules, CreatorCard
from tests.pages.channel import Message, claims_of

REFUSED = {"ok": False, "timestamp": "2026-11-29T10:00:00Z"}
OPEN = CallRules(enabled=True, heartbeat_seconds=0.5, lost_seconds=30)


def call(call_id: str = "c1", state: str = "RINGING", version: int = 1, **more: Any) -> Message:
    """A call as one of its sides is shown it."""
    made = {
        "id": call_id, "state": state, "version": version, "creatorId": "alice", "fanId": "bob",
        "callType": "video", "createdAt": "2026-11-29T10:00:00.000Z",
        "expiresAt": "2026-11-29T10:00:45.000Z", "ratePerMinute": 2, "incrementSeconds": 60,
        "freeSeconds": 0, "amount": 0,
    }  # fmt: skip
    return made | more


def media(**more: Any) -> Message:
    made = {
        "provider": "peer", "channel": "call_c1", "uid": 7, "expiresAt": "2026-11-29T10:05:00.000Z",
        "iceServers": [], "polite": True,
    }  # fmt: skip
    return made | more


def fan(fan_id: str, **more: Any) -> Message:
    """A fan as a creator sees them."""
    followed = {
        "kind": "follow",
        "firstAt": "2026-10-01T10:00:00.000Z",
        "lastAt": "2026-11-01T10:00:00.000Z",
    }
    made = {"id": fan_id, "canMessage": True, "canCall": True, "relationships": [followed]}
    return made | more


@dataclass
class Booth:
    """What each route answers; `failing` answers what is acted on before anything else does."""

    balance: float = 12.5
    fan: Message = field(
        default_factory=lambda: {
            "ok": True, "id": "bob", "fan_privacy_visibility": "private", "fan_allow_dm": "interacted",
            "fan_allow_calls": "interacted", "displayName": "", "avatarUrl": None,
        }
    )  # fmt: skip
    creator: Message = field(
        default_factory=lambda: {
            "ok": True, "id": "alice", "username": "alice", "displayName": "Alice", "avatarUrl": None,
            "voiceRatePerMinute": 1, "videoRatePerMinute": 2, "earned": 40.5,
        }
    )  # fmt: skip
    fans: list[Message] = field(default_factory=list)
    blocks: list[Message] = field(default_factory=list)
    past: list[Message] = field(default_factory=list)
    views: dict[str, Message] = field(default_factory=dict)
    """How a call stands, with what a device may join, after each act and when asked."""
    acts: list[tuple[str, Message]] = field(default_factory=list)
    changed: list[Message] = field(default_factory=list)
    failing: list[tuple[int, Message]] = field(default_factory=list)

    def routes(self) -> list[Route]:
        """What is mounted on the stage."""
        return [
            Route("/api/calls", self._past),
            Route("/api/calls/initiate", self._act, methods=["POST"]),
            Route("/api/calls/{call}", self._one),
            Route("/api/calls/{call}/{act}", self._act, methods=["POST"]),
            Route("/api/fans/me", self._me, methods=["GET", "PATCH"]),
            Route("/api/fans/{fan:path}/mini-profile", self._mini_profile),
            Route("/api/creators/me", self._me, methods=["GET", "PATCH"]),
            Route("/api/creators/me/fans", self._fans),
            Route("/api/blocks", self._blocks),
            Route("/api/blocks/{user}", self._block, methods=["PUT", "DELETE"]),
            Route("/api/v1/credits/balance", self._balance),
        ]

    async def card(self, username: str) -> CreatorCard | None:
        """The public page of a creator."""
        return CreatorCard("alice", "\u05d0\u05dc\u05d9\u05e1", 0, 2.5) if username == "alice" else None

    def _refusal(self) -> Response | None:
        if not self.failing:
            return None
        status, error = self.failing.pop(0)
        return JSONResponse(REFUSED | error, status_code=status)

    async def _past(self, _request: Request) -> Response:
        return JSONResponse({"ok": True, "calls": self.past, "nextCursor": None})

    async def _one(self, request: Request) -> Response:
        return self._view(request.path_params["call"])

    async def _act(self, request: Request) -> Response:
        act = request.path_params.get("act", "initiate")
        self.acts.append((act, await request.json()))
        return self._refusal() or self._view(request.path_params.get("call", "c1"))

    def _view(self, call_id: str) -> Response:
        view = self.views.get(call_id)
        if view is None:
            gone = REFUSED | {"code": "NOT_FOUND", "error": "There is no such call"}
            return JSONResponse(gone, status_code=404)
        return JSONResponse({"ok": True} | view)

    async def _me(self, request: Request) -> Response:
        mine = self.fan if "fans" in request.url.path else self.creator
        if request.method == "PATCH":
            change = await request.json()
            if (refused := self._refusal()) is not None:
                return refused
            self.changed.append(change)
            mine |= change
        return JSONResponse(mine)

    async def _mini_profile(self, request: Request) -> Response:
        return self._refusal() or JSONResponse({"ok": True} | fan(request.path_params["fan"]))

    async def _fans(self, _request: Request) -> Response:
        return JSONResponse({"ok": True, "fans": self.fans, "nextCursor": None})

    async def _blocks(self, _request: Request) -> Response:
        return JSONResponse({"ok": True, "blocks": self.blocks, "nextCursor": None})

    async def _block(self, request: Request) -> Response:
        user = request.path_params["user"]
        self.blocks = [block for block in self.blocks if block["userId"] != user]
        if request.method == "PUT":
            self.blocks.insert(0, {"userId": user, "createdAt": "2026-11-29T10:00:00.000Z"})
        return JSONResponse({"ok": True, "userId": user, "createdAt": "2026-11-29T10:00:00.000Z"})

    async def _balance(self, request: Request) -> Response:
        claims = claims_of(request.headers["authorization"].removeprefix("Bearer "))
        assert claims is not None
        return JSONResponse({"balance": self.balance, "tier": claims["plan"], "monthly_cap": None})
