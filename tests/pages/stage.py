"""A gateway that does what a test says: the socket protocol without recognition, to drive the pages against.

`python -m tests.pages.speaker` serves it with a speaker, to look at the pages by hand.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.pages import CallRules, ChannelRow, EngineRow, Load, PageContext, RoomPlan, page_routes
from gateway.tasks import Tasks
from tests.pages.booth import OPEN, Booth
from tests.pages.channel import Channel, Message, Peer, claims_of, token
from tests.pages.lobby import Lobby
from tests.pages.minutes import Minutes

PAIRS = [("en", "en"), ("en", "es"), ("en", "he"), ("es", "en"), ("es", "es")]
VOICES = ["en", "es"]
TICK_SECONDS = 0.1
"""Of uvicorn's own loop, which sets the date of answers at each tenth."""
SERVED = [{"source_lang": source, "target_lang": target} for source, target in PAIRS]


class Stage:
    """The application and everything that happened to it."""

    def __init__(self, *, development: bool = True, calls: CallRules = OPEN) -> None:
        self.channels: dict[str, Channel] = {}
        self.development = development
        self.signed_in: list[Message] = []
        self.address = ""
        self.minutes = Minutes()
        self.lobby = Lobby()
        self.booth = Booth()
        context = PageContext(
            version="0.1.0",
            development=development,
            default_source_lang="en",
            live_channels=self.rows,
            served_pairs=lambda: PAIRS,
            voices=lambda: VOICES,
            engines=lambda: [
                EngineRow("pocketsphinx", "recognizer", available=True),
                EngineRow("apertium", "translator", available=True),
                EngineRow("espeak-ng", "synthesizer", available=True),
                EngineRow(
                    "flite", "synthesizer", available=False, reason="Not installed: apt-get install flite"
                ),
            ],
            load=lambda: Load(
                workers=2, streams=len(self.rows()), viewers=self.watching(), uptime_seconds=4210.0
            ),
            room_plans={
                "free": RoomPlan("Free", rooms=False),
                "premium": RoomPlan("Premium", rooms=True),
                "pro": RoomPlan("Pro", rooms=True),
            },
            calls=calls,
            creator=self.booth.card,
        )
        self.app = Starlette(
            routes=[
                *page_routes(context),
                Route("/api/dev/token", self.dev_token, methods=["POST"]),
                *self.minutes.routes(),
                *self.lobby.routes(),
                *self.booth.routes(),
                Route("/api/v1/live/channels", self.list_channels),
                Route("/api/v1/live/{channel}/transcript.{kind}", self.transcript),
                WebSocketRoute("/ws/live/{channel}/{kind}", self.live),
            ]
        )

    def channel(self, name: str) -> Channel:
        return self.channels.setdefault(name, Channel(name))

    async def clear(self) -> None:
        """Send everybody home."""
        for channel in self.channels.values():
            await channel.drop(1001)

    def serve_client(self, script: str) -> None:
        """Serve this in the place of the Socket.IO client to every page that is loaded from now on."""

        async def answer(_request: Request) -> Response:
            return Response(script, media_type="text/javascript", headers={"Cache-Control": "no-store"})

        self.app.router.routes.insert(0, Route("/static/{digest}/socket.io.js", answer))

    def rows(self) -> list[ChannelRow]:
        live = [channel for channel in self.channels.values() if channel.state == "live"]
        return [_row(channel) for channel in live]

    def watching(self) -> int:
        return sum(len(channel.viewers()) for channel in self.channels.values())

    async def dev_token(self, request: Request) -> Response:
        who = await request.json()
        self.signed_in.append(who)
        if not self.development:
            return JSONResponse({"ok": False, "code": "NOT_FOUND", "error": "No such page."}, status_code=404)
        made = token(who["user"], who["role"], tenant=who["tenant"], plan=who["plan"])
        return JSONResponse({"token": made, "expires_at": "2100-01-01T00:00:00Z"})

    async def list_channels(self, request: Request) -> Response:
        if not request.headers.get("authorization", "").startswith("Bearer "):
            return JSONResponse(
                {"ok": False, "code": "UNAUTHENTICATED", "error": "Sign in."}, status_code=401
            )
        rows = [
            {
                "channel_id": row.channel_id, "state": "live", "source_lang": row.source_lang,
                "viewers": sum(row.viewers.values()), "languages": sorted(row.viewers),
            }
            for row in self.rows()
        ]  # fmt: skip
        return JSONResponse({"channels": rows})

    async def transcript(self, request: Request) -> Response:
        if not request.headers.get("authorization", "").startswith("Bearer "):
            return JSONResponse(
                {"ok": False, "code": "UNAUTHENTICATED", "error": "Sign in."}, status_code=401
            )
        lang = request.query_params.get("lang", "en")
        finals = self.channel(request.path_params["channel"]).finals.get(lang, [])
        if request.path_params["kind"] == "json":
            keys = ("start", "end", "text")
            return JSONResponse(
                {"lang": lang, "captions": [{key: final[key] for key in keys} for final in finals]}
            )
        if not finals:
            return JSONResponse({"ok": False, "code": "NOT_FOUND", "error": "No such page."}, status_code=404)
        return PlainTextResponse("WEBVTT\n\n" + "\n\n".join(final["text"] for final in finals))

    async def live(self, socket: WebSocket) -> None:
        await socket.accept()
        channel = self.channel(socket.path_params["channel"])
        peer = Peer(socket, socket.path_params["kind"], dict(socket.query_params))
        channel.came.append(peer)
        try:
            if await self._greet(channel, peer):
                channel.peers.append(peer)
                await self._listen(channel, peer)
        except (
            WebSocketDisconnect,
            RuntimeError,
        ):  # RuntimeError: starlette's word for a send after the close
            pass
        finally:
            if peer in channel.peers:
                channel.peers.remove(peer)

    async def _greet(self, channel: Channel, peer: Peer) -> bool:
        first = json.loads(await peer.socket.receive_text())
        assert first["type"] == "authenticate", first
        claims = claims_of(first["token"])
        peer.resume = first.get("resume")
        if channel.closings:
            code, error = channel.closings.pop(0)
            if error:
                await peer.say({"type": "error", **error})
            await peer.socket.close(code)
            return False
        if claims is None or claims["sub"] == "expired":
            message = {"code": "INVALID_TOKEN", "message": "Invalid or expired token", "recoverable": False}
            await peer.say({"type": "error", **message})
            await peer.socket.close(4001)
            return False
        peer.claims = claims
        if peer.kind == "publish" and claims["roles"][0] not in {"creator", "admin"}:
            message = {
                "code": "NOT_ALLOWED",
                "message": "Publishing needs the role creator.",
                "recoverable": False,
            }
            await peer.say({"type": "error", **message})
            await peer.socket.close(4003)
            return False
        await self._connected(channel, peer)
        return True

    async def _connected(self, channel: Channel, peer: Peer) -> None:
        publisher = peer.kind == "publish"
        if publisher:
            channel.source, channel.state = peer.query["source_lang"], "live"
        peer.lang = channel.source if publisher else peer.query["target_lang"]
        kept = channel.finals.setdefault(peer.lang, [])
        resume = peer.resume or {}
        resumed = bool(resume) and resume["epoch"] == channel.epoch and channel.keep_replay
        if publisher and not resumed:
            channel.taken_bytes = 0
        message = {
            "type": "connected", "session_id": resume.get("session_id", f"s{len(channel.came)}"),
            "channel_id": channel.name, "source_lang": channel.source, "target_lang": peer.lang,
            "expires_at": "2100-01-01T00:00:00Z", "quota": {}, "epoch": channel.epoch, "offset": len(kept),
            "state": channel.state, "resumed": resumed,
        }  # fmt: skip
        if publisher:
            message["audio"] = {"bytes": channel.taken_bytes, "seconds": channel.taken_bytes / 32_000}
        await peer.say(message)
        if resumed:
            # One more than was missed: a page must survive a server that repeats itself.
            for final in kept[max(0, resume["offset"] - 1) :]:
                await peer.say(final)
        elif resume:
            await peer.say({"type": "resync", "reason": "epoch", "epoch": channel.epoch, "offset": len(kept)})

    async def _listen(self, channel: Channel, peer: Peer) -> None:
        while True:
            event = await peer.socket.receive()
            if event["type"] == "websocket.disconnect":
                return
            if event.get("bytes") is not None:
                await self._audio(channel, peer, event["bytes"])
                continue
            message = json.loads(event["text"])
            peer.messages.append(message)
            if message["type"] == "ping" and not channel.muted:
                await peer.say({"type": "pong"})
            elif message["type"] == "set_target":
                await self._set_target(channel, peer, message["target_lang"])
            elif message["type"] == "end":
                seconds = channel.taken_bytes / 32_000
                await peer.say({"type": "ended", "audio_seconds": seconds, "billed_seconds": seconds})
                await channel.finish()
                await peer.socket.close(1000)
                return

    async def _audio(self, channel: Channel, peer: Peer, data: bytes) -> None:
        peer.audio += data
        if peer.query.get("encoding") == "pcm_s16le":
            channel.audio += data
            channel.taken_bytes += len(data)
        else:
            channel.taken_bytes += 3200  # a piece of a container is about 100 ms
        if channel.acknowledging:
            seconds = channel.taken_bytes / 32_000
            await peer.say({"type": "audio_ack", "bytes": channel.taken_bytes, "seconds": seconds})

    async def _set_target(self, channel: Channel, peer: Peer, lang: str) -> None:
        if (channel.source, lang) not in PAIRS:
            message = {
                "code": "UNSUPPORTED_PAIR",
                "message": "Not served.",
                "recoverable": True,
                "served": SERVED,
            }
            await peer.say({"type": "error", **message})
            return
        peer.lang = lang
        offset = len(channel.finals.get(lang, []))
        await peer.say({"type": "target", "target_lang": lang, "epoch": channel.epoch, "offset": offset})


def _row(channel: Channel) -> ChannelRow:
    viewers = Counter(peer.lang for peer in channel.viewers())
    return ChannelRow(channel.name, channel.source, viewers, 754.0)


class _Server(uvicorn.Server):
    """Leaves the process's signals alone: it runs inside the tests' own event loop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.leaving = asyncio.Event()

    def capture_signals(self) -> Any:
        return nullcontext()

    async def main_loop(self) -> None:
        """As its own, and told at once when to end instead of at the next tick."""
        tick = 0
        while not await self.on_tick(tick):
            tick += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self.leaving.wait(), TICK_SECONDS)

    async def shutdown(self, sockets: Any = None) -> None:
        """As its own, without a tenth of a second for each step."""
        for server in self.servers:
            server.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        while state.connections or state.tasks:
            await asyncio.sleep(0.002)

    def leave(self) -> None:
        self.should_exit = True
        self.leaving.set()


@asynccontextmanager
async def _served(app: ASGIApp, port: int = 0, *, dated: bool = True) -> AsyncIterator[str]:
    config = uvicorn.Config(
        app,
        "127.0.0.1",
        port,
        log_level="warning",
        ws="websockets-sansio",
        lifespan="off",
        date_header=dated,
    )
    server = _Server(config)
    # Not a task group: pytest enters and leaves a fixture in two tasks.
    serving = Tasks().start(server.serve(), name="stage")
    while not server.started:
        await asyncio.sleep(0.002)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.leave()
        await serving


@asynccontextmanager
async def open_stage(stage: Stage, port: int = 0, *, dated: bool = True) -> AsyncIterator[Stage]:
    """Serve `stage` on a free port of loopback while inside; without dates its clock may be any."""
    async with _served(stage.app, port, dated=dated) as stage.address:
        try:
            yield stage
        finally:
            await stage.clear()


class Venue:
    """One address for one stage after another: what a browser has of the pages' files is not sent again."""

    def __init__(self) -> None:
        self.address = ""
        self._stage = Stage()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._stage.app(scope, receive, send)

    @asynccontextmanager
    async def showing(self, stage: Stage) -> AsyncIterator[Stage]:
        """Have `stage` here while inside, and until the next one comes."""
        self._stage = stage
        stage.address = self.address
        try:
            yield stage
        finally:
            await stage.clear()


@asynccontextmanager
async def open_venue() -> AsyncIterator[Venue]:
    """Serve a venue on a free port of loopback while inside."""
    venue = Venue()
    async with _served(venue) as venue.address:
        yield venue
