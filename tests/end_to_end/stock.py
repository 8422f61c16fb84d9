"""The same application on a server without our wire: stock uvicorn, `python -m tests.end_to_end.stock`."""

import socket
import sys
from typing import Any

import uvicorn

from gateway import logs
from gateway.app import Gateway
from gateway.keys import key_ring
from gateway.settings import Settings


def application() -> Any:
    """Return the application of a gateway whose settings are in the environment."""
    settings = Settings()
    return Gateway(settings, key_ring(settings)).app


def main() -> None:
    """Serve on a free port, and say which."""
    logs.configure("info", json=True)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    sys.stdout.write(f"http://127.0.0.1:{sock.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(
        "tests.end_to_end.stock:application", factory=True, ws="websockets-sansio", log_config=None,
        timeout_graceful_shutdown=3,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[sock])


if __name__ == "__main__":
    main()
