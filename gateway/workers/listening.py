"""The Unix socket on which workers connect: only this user's, and only this gateway's."""

import os
import socket
import stat
from pathlib import Path

PATH_BYTES_MAX = 107
"""Of a Unix socket's path on Linux (`sun_path`, unix(7))."""


def listen(path: Path) -> socket.socket:
    """Return a listening socket at `path` with mode 600; one that a dead gateway left is replaced.

    Raises OSError with a sentence when the path is too long, is something else, or is in use.
    """
    if len(os.fsencode(path)) > PATH_BYTES_MAX:
        raise OSError(f"The path {path} is too long for a socket: give a shorter data directory.")
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)  # or it could be opened by others between bind and chmod
    try:
        sock.bind(str(path))
        sock.listen(64)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(mask)
    return sock


def _clear(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(f"{path} is in the way and is not a socket: remove it or give another data directory.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
    raise OSError(f"Another server uses {path.parent}: stop it or give another data directory.")
