"""The room of `bench.room_server` on python-socketio as it comes, on uvicorn as it comes:
`python -m bench.peers.socketio_server`."""

from typing import Any

import socketio

from bench.peers.script import NotWelcome, verify
from bench.peers.uvicorn_stock import serve

io = socketio.AsyncServer(async_mode="asgi")
said = 0


@io.event  # type: ignore[untyped-decorator]
async def connect(sid: str, _environ: Any, auth: Any) -> bool:
    """Let in who has a token that holds."""
    try:
        claims = verify(auth["token"])
    except (NotWelcome, KeyError, TypeError):
        return False
    await io.emit("room:authenticated", {"userId": claims["sub"]}, to=sid)
    return True


@io.on("room:join")  # type: ignore[untyped-decorator]
async def join(sid: str, payload: Any) -> dict[str, Any]:
    """Let a client into a room."""
    await io.enter_room(sid, payload["roomCode"])
    return {"ok": True}


@io.on("room:message")  # type: ignore[untyped-decorator]
async def message(_sid: str, payload: Any) -> dict[str, Any]:
    """Tell everybody in the room."""
    global said  # noqa: PLW0603 - the one room of this process
    said += 1
    told = {
        "id": f"msg_{said}", "offset": said, "userId": "bench", "text": payload["text"],
        "at": "2026-11-29T10:00:00.000Z",
    }  # fmt: skip
    await io.emit("room:message", told, room=payload["roomCode"])
    return {"ok": True, "message": told}


if __name__ == "__main__":
    serve(socketio.ASGIApp(io))
