"""The library `websockets` with its broadcast, on uvloop: `python -m bench.peers.websockets_server`."""

import asyncio

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from bench.peers.script import NotWelcome, listen, until_the_input_ends, welcome
from bench.reference import PONG_TEXT, subtitle_text


class Stage:
    """Who watches, and how much was said."""

    def __init__(self) -> None:
        self._viewers: set[ServerConnection] = set()
        self._said = 0

    async def meet(self, connection: ServerConnection) -> None:
        """Serve one connection."""
        try:
            await connection.send(welcome(await connection.recv()))
        except NotWelcome:
            return
        path = connection.request.path if connection.request is not None else ""
        if path == "/viewer":
            self._viewers.add(connection)
            await connection.wait_closed()
            self._viewers.discard(connection)
        elif path == "/captions":
            async for _ in connection:
                self._said += 1
                broadcast(self._viewers, subtitle_text(self._said))
        else:
            async for message in connection:
                if isinstance(message, str):
                    await connection.send(PONG_TEXT)


async def main() -> None:
    """Serve until the standard input ends."""
    async with serve(Stage().meet, sock=listen(), compression=None):
        await asyncio.to_thread(until_the_input_ends)


if __name__ == "__main__":
    uvloop.run(main())
