"""The servers that can be measured side by side: how each is started, and what it is called.

Invariant: each runs on the one core for what is measured, with nothing on but what the measurement needs.
One that is not installed raises LeftOut with a sentence.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench.child import ROOT, Process
from bench.crowd import LoadFailed
from bench.peers.nchan import Nchan
from bench.processes import two_sides
from bench.scenarios.audio import SETTINGS
from bench.scenarios.rooms import NodeRoom, ServedRoom, node_path
from bench.servers import SECRET, RawLoop, Server

MODULES = ROOT / "node_modules"
NCHAN_MODULE = "ngx_nchan_module.so"
MODULE_FOLDERS = [Path(f"{place}/nginx/modules") for place in ("/usr/lib", "/usr/lib64", "/etc")]


class LeftOut(Exception):
    """A system is not here; the message says what would bring it."""


@dataclass(frozen=True, slots=True)
class System:
    """One server; `viewer`, `captions`, `auth` and `audio` are its paths for each kind of client."""

    name: str
    start: Callable[[ExitStack], Process]
    viewer: str = "/viewer"
    captions: str = "/captions"
    auth: str = "/auth"
    audio: str = "/audio%d"


def _python(module: str) -> Callable[[ExitStack], Process]:
    def start(stack: ExitStack) -> Process:
        return stack.enter_context(Peer([f"bench.peers.{module}"]))

    return start


def _ws(stack: ExitStack) -> Process:
    if not (MODULES / "ws").is_dir():
        raise LeftOut("npm's ws is left out: deploy/npm.sh brings it")
    script = str(ROOT / "bench" / "peers" / "ws_server.mjs")
    return stack.enter_context(Peer([script], _node()))


def _node_room(stack: ExitStack) -> Process:
    _node()
    if not (MODULES / "socket.io").is_dir():
        raise LeftOut("npm's socket.io is left out: deploy/npm.sh brings it")
    return stack.enter_context(NodeRoom())


def _node() -> str:
    try:
        return node_path()
    except LoadFailed as error:
        raise LeftOut(f"what runs on Node is left out: {error}") from error


def _nchan(stack: ExitStack) -> Process:
    module = next(
        (folder / NCHAN_MODULE for folder in MODULE_FOLDERS if (folder / NCHAN_MODULE).exists()), None
    )
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
    if program is None or module is None:
        raise LeftOut("nginx nchan is left out: the Debian packages nginx and libnginx-mod-nchan bring it")
    return stack.enter_context(Nchan(program, module))


class Peer(Process):
    """A server of `bench.peers`, or with `program` a script of it."""

    def __init__(self, command: list[str], program: str = "") -> None:
        errors, cores = subprocess.DEVNULL, two_sides()[0]
        super().__init__(command, ROOT, errors, cores, program=program, JWT_SECRET=SECRET)
        self.port = self.announced(r"(\d+)\s")


def library(name: str) -> str:
    """Return a Python library with its version."""
    return f"{name} {version(name)}"


def package(name: str) -> str:
    """Return a package of npm with its version; without one if it is not here."""
    try:
        described = json.loads((MODULES / name / "package.json").read_text(encoding="utf-8"))
    except OSError:
        return f"{name} of npm"
    return f"{name} {described['version']} of npm"


RAW = System("the raw loop", lambda stack: stack.enter_context(RawLoop()))
OURS = System(
    "Stagedoor",
    lambda stack: stack.enter_context(Server(**SETTINGS)),
    viewer="/ws/live/bench/subtitles?target_lang=en",
    captions="/ws/live/bench/publish?source_lang=en",
    auth="/ws/live/bench/subtitles?target_lang=en",
    audio="/ws/live/bench-%d/publish?source_lang=en",
)
OUR_ROOM = System("Stagedoor", lambda stack: stack.enter_context(ServedRoom()))


def websocket_peers() -> list[System]:
    """Return the others that speak WebSocket."""
    return [
        System(f"{library('websockets')}, broadcast", _python("websockets_server")),
        System(f"{library('starlette')} on uvicorn", _python("starlette_server")),
        System(package("ws"), _ws),
    ]


def nchan() -> System:
    """Return nginx with nchan, which has viewers and no first message."""
    return System("nginx nchan", _nchan)


def room_peers() -> list[System]:
    """Return the others that speak Socket.IO."""
    stock = f"{library('python-socketio')} on uvicorn"
    return [System(stock, _python("socketio_server")), System(package("socket.io"), _node_room)]
