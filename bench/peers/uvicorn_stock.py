"""uvicorn as it comes, on a socket that is there already, until the standard input ends."""

import os
import threading
from typing import Any

import uvicorn

from bench.peers.script import listen, until_the_input_ends


def serve(app: Any) -> None:
    """Serve an ASGI application with uvicorn's own defaults, without its log of requests."""
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning", lifespan="off"))
    threading.Thread(target=_end, daemon=True).start()
    server.run([listen()])


def _end() -> None:
    until_the_input_ends()
    os._exit(0)
