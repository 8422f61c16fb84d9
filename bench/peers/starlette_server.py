"""Starlette on uvicorn, both as they come: `python -m bench.peers.starlette_server`."""

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from bench.peers.script import NotWelcome, welcome
from bench.peers.uvicorn_stock import serve
from bench.reference import PONG_TEXT, subtitle_text


class Stage:
    """Who watches, and how much was said."""

    def __init__(self) -> None:
        self._viewers: dict[WebSocket, None] = {}
        self._said = 0

    async def meet(self, websocket: WebSocket) -> None:
        """Serve one connection."""
        await websocket.accept()
        try:
            await websocket.send_text(welcome(await websocket.receive_text()))
            await self._serve(websocket)
        except NotWelcome:
            await websocket.close(4001)
        except WebSocketDisconnect:
            self._viewers.pop(websocket, None)

    async def _serve(self, websocket: WebSocket) -> None:
        path = websocket.url.path
        if path == "/viewer":
            self._viewers[websocket] = None
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message["code"])
            if path == "/captions":
                self._said += 1
                text = subtitle_text(self._said)
                for viewer in list(self._viewers):
                    await viewer.send_text(text)
            elif message.get("text") is not None:
                await websocket.send_text(PONG_TEXT)


if __name__ == "__main__":
    serve(Starlette(routes=[WebSocketRoute("/{path:path}", Stage().meet)]))
