"""The network between browsers and a server: a TCP relay that a test can cut, and mend where it was."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.tasks import Tasks

PIECE_BYTES = 65_536


class Cable:
    """Carries bytes both ways, while it is whole."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks = Tasks()
        self.whole = True
        self.address = ""

    def cut(self) -> None:
        """Break every connection, and let none be made until it is mended."""
        self.whole = False
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        """Let connections be made again."""
        self.whole = True

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side ends it."""
        if not self.whole:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers |= {writer, back}
        try:
            upward = self._tasks.start(self._pump(reader, back), name="upward")
            await self._pump(there, writer)
            await upward
        finally:
            self._writers -= {writer, back}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(PIECE_BYTES):
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def laid(port: int) -> AsyncIterator[Cable]:
    """Lay a cable to a server on loopback while inside."""
    cable = Cable(port)
    server = await asyncio.start_server(cable.carry, "127.0.0.1", 0)
    cable.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield cable
    finally:
        cable.cut()
        server.close()
