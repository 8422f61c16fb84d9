"""The list of rooms of the stage: answers the API of rooms in its shapes, from rows that a test sets."""

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.pages.channel import Message

REFUSED = {"ok": False, "timestamp": "2026-11-29T10:00:00Z"}


def row(number: int, **more: object) -> Message:
    """A room of somebody's."""
    made = {
        "id": f"r{number}", "room_code": f"XJ9K2{chr(65 + number)}", "name": f"Room {number}",
        "host_user_id": "alice", "max_participants": 50, "is_private": True, "is_active": True,
        "participants": number, "is_owner": True, "created_at": "2026-11-29T10:00:00Z", "closed_at": None,
    }  # fmt: skip
    return made | more


@dataclass
class Lobby:
    """Rooms by scope; `failing` answers before anything else does."""

    mine: list[Message] = field(default_factory=list)
    public: list[Message] = field(default_factory=list)
    created: list[tuple[str, Message]] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    failing: list[tuple[int, Message]] = field(default_factory=list)

    def routes(self) -> list[Route]:
        """What is mounted on the stage."""
        return [
            Route("/api/rooms", self._list),
            Route("/api/rooms/create", self._create, methods=["POST"]),
            Route("/api/rooms/{room}/close", self._close, methods=["POST"]),
        ]

    async def _list(self, request: Request) -> Response:
        rows: list[Message] = getattr(self, request.query_params["scope"])
        limit = int(request.query_params["limit"])
        more = "next" if len(rows) > limit else None
        return JSONResponse({"success": True, "data": rows[:limit], "next_cursor": more})

    async def _create(self, request: Request) -> Response:
        body = await request.json()
        self.created.append((request.headers["idempotency-key"], body))
        if self.failing:
            status, error = self.failing.pop(0)
            return JSONResponse(REFUSED | error, status_code=status)
        return JSONResponse({"success": True, "data": row(1, name=body["name"], room_code="XJ9K2M")})

    async def _close(self, request: Request) -> Response:
        room = request.path_params["room"]
        self.closed.append(room)
        for one in self.mine:
            if one["id"] == room:
                one |= {"is_active": False, "closed_at": "2026-11-29T11:00:00Z"}
        return JSONResponse({"success": True, "data": {}})
