"""A small echo application on our wire, for conformance suites and the load generator's yardstick.

Run `python -m tests.gateway.wire.echo --port 9001`. Every path echoes, but `/audio` counts binary messages,
`/auth` answers the first message, and `/fan` listens to what a message `fan N` on `/ctl` sends.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from gateway.server import Server
from gateway.wire import frames
from gateway.wire.fallback import finished, wire_of
from gateway.wire.interface import Wire
from gateway.wire.limits import WireLimits

Message = MutableMapping[str, Any]
AUTOBAHN = WireLimits(message_bytes_max=64 << 20, fragments_max=1 << 20, viewer_buffer_bytes_max=64 << 20)
"""The suite's cases 9 send messages of 16 MiB, and of 65,536 fragments."""


class Echo:
    """Sends every message back."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def receive_text(self, text: str) -> None:
        self.wire.write(frames.text_frame(text.encode()))

    def receive_binary(self, payloads: list[bytes]) -> None:
        self.wire.write(b"".join([frames.binary_frame(payload) for payload in payloads]))

    def writable(self) -> None:
        """Nothing waits."""

    def closed(self, code: int) -> None:
        """Nothing is kept."""


class Count(Echo):
    """Counts binary messages and tells the number when asked; what asks for a place is answered."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self.count = 0

    def receive_text(self, text: str) -> None:
        if '"token":"' in text:
            self.wire.write(frames.text_frame(b'{"type":"connected","id":"abcdef0123456789"}'))
            return
        self.wire.write(frames.text_frame(f"{self.count} frames".encode()))
        self.count = 0

    def receive_binary(self, payloads: list[bytes]) -> None:
        self.count += len(payloads)


class Viewer(Echo):
    """Hears what the control connection sends to all."""

    def __init__(self, wire: Wire, viewers: set[Wire]) -> None:
        super().__init__(wire)
        self.viewers = viewers
        viewers.add(wire)

    def closed(self, code: int) -> None:
        self.viewers.discard(self.wire)


class Control(Echo):
    """`fan N` sends N rounds of one frame to every viewer."""

    frame = frames.text_frame(
        b'{"type":"subtitle","channel":"ch-main","lang":"en","seq":123456,"text":"'.ljust(218, b"x") + b'"}'
    )

    def __init__(self, wire: Wire, viewers: set[Wire]) -> None:
        super().__init__(wire)
        self.viewers = viewers
        self.rounds = 0

    def receive_text(self, text: str) -> None:
        self.rounds += int(text.split()[1])
        self.round()

    def round(self) -> None:
        frame = self.frame
        for viewer in self.viewers:
            viewer.write(frame)
        self.rounds -= 1
        if self.rounds:
            asyncio.get_running_loop().call_soon(self.round)


class Application:
    """The ASGI application."""

    def __init__(self, limits: WireLimits) -> None:
        self.limits = limits
        self.viewers: set[Wire] = set()

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] == "lifespan":
            for answer in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{answer}.complete"})
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
        else:
            await receive()
            await send({"type": "websocket.accept"})
            wire = wire_of(scope, receive, send, self.limits)
            wire.attach(self.receiver(scope["path"], wire))
            await finished(wire)

    def receiver(self, path: str, wire: Wire) -> Echo:
        if path == "/fan":
            return Viewer(wire, self.viewers)
        if path == "/ctl":
            return Control(wire, self.viewers)
        return Count(wire) if path in ("/audio", "/auth") else Echo(wire)


def tell(port: int) -> None:
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until a signal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9001)
    port = parser.parse_args().port
    Server(Application(AUTOBAHN), port=port, limits=AUTOBAHN, ready=tell).run()


if __name__ == "__main__":
    main()
