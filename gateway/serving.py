"""One process that serves: the gateway, its server, and what a person at the terminal is told."""

import asyncio
import gc
import socket

import uvloop
from rich.console import Console

from auth.tokens import KeyRing
from gateway.app import Gateway
from gateway.limits import address_key
from gateway.server import Server
from gateway.settings import Settings
from gateway.stores.database import CannotOpen
from gateway.stores.interface import StoreDown
from gateway.wire.entrance import Entrance
from gateway.wire.limits import WireLimits

BACKLOG = 2048
SEND_BUFFER_BYTES = 256 * 1024
"""Of the kernel, for each connection (Linux doubles it, socket(7)). Left to itself it grows to several MB
for a peer that does not read, unseen by the bound that we keep; captions need a fraction."""

COLLECT_AFTER = (5_000, 20, 20)
"""Objects made and not yet gone, young collections, middle ones (gc.set_threshold): a middle collection for
100,000 objects, a full one, which walks over every live session, for 2,000,000."""


class CannotStart(Exception):
    """The server cannot start with these settings, here; the message says what to do."""


def run(settings: Settings, keys: KeyRing) -> None:
    """Serve until a signal comes. Raises OSError when the address cannot be had, and CannotStart."""
    sock = bind(settings.host, settings.port)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, keys, sock))


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


async def serve(settings: Settings, keys: KeyRing, sock: socket.socket) -> None:
    """Serve on a bound socket until a signal comes. Raises CannotStart."""
    try:
        gateway = Gateway(settings, keys)
        await gateway.start()
    except (ValueError, OSError, CannotOpen, StoreDown) as error:
        sock.close()
        raise CannotStart(str(error)) from error
    spare_the_collector()
    limits = wire_limits(settings)
    server = Server(
        gateway.app,
        limits=limits,
        door=Entrance(limits, address_key),
        reception=gateway.reception,
        drain=gateway.drain,
        ready=lambda port: announce(settings, port),
        shutdown_seconds=settings.shutdown_seconds,
        forwarded_allow_ips=",".join(settings.trusted_proxies),
        backlog=BACKLOG,
    )
    try:
        await server.serve(sockets=[sock])
    finally:
        await gateway.stop()


def spare_the_collector() -> None:
    """Have garbage collection leave alone what was made until now, and run less often.

    What was loaded for the start lives as long as the process, and yet every full collection walked over it:
    100 ms in which nothing else is done. Nearly all that sessions leave behind goes by its reference count.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def wire_limits(settings: Settings) -> WireLimits:
    """Return the bounds of connections that the settings ask for."""
    return WireLimits(
        message_bytes_max=settings.message_bytes_max,
        viewer_buffer_bytes_max=settings.viewer_buffer_bytes_max,
        ping_interval_seconds=settings.ping_interval_seconds,
        head_timeout_seconds=settings.header_seconds,
        unheard_per_address_max=settings.address_unauthenticated_max,
        unheard_max=settings.unauthenticated_max,
    )


def announce(settings: Settings, port: int) -> None:
    """Tell the person at the terminal where to look."""
    host = "localhost" if settings.host in ("127.0.0.1", "::1", "0.0.0.0", "::") else settings.host  # noqa: S104
    url = f"http://{host}:{port}"
    console = Console(highlight=False)
    console.print(f"\n[bold]Stagedoor[/] is on at [bold cyan]{url}[/]")
    if settings.environment == "development":
        console.print(f"  Speak:  {url}/studio/main\n  Watch:  {url}/watch/main\n  Read:   {url}/docs")
    console.print("  Ctrl-C ends it.\n")
