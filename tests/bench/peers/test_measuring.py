"""Servers side by side, small: each does the work, is held to the same checks, and is named or left out."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.crowd import Crowd, LoadFailed
from bench.figures import Figure, Note
from bench.peers import measuring, systems
from bench.peers.measuring import Peers
from bench.peers.nchan import NchanAudience
from bench.servers import RawLoop, token
from bench.target import signed

SMALL = Peers(viewers=8, captions=2, burst=2, clients=6, publishers=2, frames=10, passes=1)
JOBS = ("fan-out", "Socket.IO room", "connect", "audio")


@pytest.fixture(autouse=True)
def _nothing_but_what_python_brings(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "without_node" in request.fixturenames:
        monkeypatch.setattr(systems, "MODULES", Path("/nowhere"))
        monkeypatch.setattr(systems, "MODULE_FOLDERS", [Path("/nowhere")])


@pytest.fixture
def without_node() -> None:
    """Leave out what a machine may lack."""


def test_servers_do_the_same_work_and_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    # The others are met below, and by the scenario rooms.
    websocket, rooms = systems.websocket_peers()[:1], systems.room_peers()[:1]
    monkeypatch.setattr(systems, "websocket_peers", lambda: websocket)
    monkeypatch.setattr(systems, "room_peers", lambda: rooms)
    steps: list[str] = []
    results = SMALL.run(steps.append)
    figures = [result for result in results if isinstance(result, Figure)]

    assert len(steps) == SMALL.steps
    assert {figure.scenario for figure in figures} == {f"peers: {job}" for job in JOBS}
    for figure in figures:
        if figure.unit == "us":
            assert figure.ratio is not None, figure.name
            assert figure.ratio > 0
    for library in ("websockets", "python-socketio"):
        beside = [figure for figure in figures if f"Stagedoor beside {library}" in figure.name]
        assert beside, library
        assert all(figure.goal is not None for figure in beside)
    left_out = " ".join(result.text for result in results if isinstance(result, Note))
    assert ("nginx nchan" in left_out) != any("nginx nchan" in figure.name for figure in figures)


def test_what_is_not_installed_is_left_out_with_a_sentence(without_node: None) -> None:
    work = measuring.Work("peers: nothing", lambda *_: {"nothing": lambda: 1.0})
    among = [systems.RAW, *systems.websocket_peers()[2:], systems.nchan(), systems.room_peers()[1]]
    SMALL._measure(work, among, lambda _: None)

    said = [note.text for note in work.notes if isinstance(note, Note)]
    assert said == [
        "npm's ws is left out: deploy/npm.sh brings it",
        "nginx nchan is left out: the Debian packages nginx and libnginx-mod-nchan bring it",
        "npm's socket.io is left out: deploy/npm.sh brings it",
    ]
    assert work.values == {"nothing": {systems.RAW.name: [1.0]}}


def test_a_server_that_fails_is_named() -> None:
    def seat(*_: object) -> dict[str, measuring.Measure]:
        raise LoadFailed("viewer 3 was sent something else")

    with pytest.raises(LoadFailed, match="the raw loop: viewer 3"):
        SMALL._measure(measuring.Work("peers: nothing", seat), [systems.RAW], lambda _: None)


@pytest.mark.parametrize("number", range(len(systems.websocket_peers())))
def test_peers_let_nobody_in_whose_token_does_not_hold(number: int) -> None:
    with ExitStack() as stack:
        try:
            process = systems.websocket_peers()[number].start(stack)
        except systems.LeftOut as reason:
            pytest.skip(str(reason))
        with Crowd(process.port) as crowd:
            assert len(crowd.join(["/auth"], token())) == 1
            with pytest.raises(LoadFailed, match="did not let a client in"):
                crowd.join(["/auth"], signed("another secret than that of this server", "mallory"))


def test_captions_of_nchan_are_checked_too() -> None:
    with RawLoop() as raw, Crowd(raw.port) as crowd:
        audience = NchanAudience(crowd, raw, 1)
        (peer,) = crowd._peers.values()
        with pytest.raises(LoadFailed, match="instead of caption 1"):
            audience._hear(peer, b'{"offset":2}')
