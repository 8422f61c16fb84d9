"""The short way to a live socket: what it takes its endpoint would accept, and nothing else is counted."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.limits import DoorLimits
from gateway.metrics import REGISTRY
from gateway.sockets.endpoint import LiveEndpoint, endpoints, routes
from gateway.sockets.live import LiveSocket
from gateway.sockets.reception import LiveReception
from sessions.live import Kind
from tests.gateway.rehearsal import PaperWire, Rehearsal

ADDRESS = "192.0.2.7"
HEADERS = [(b"host", b"live.example.com"), (b"origin", b"https://elsewhere.example.com")]


@pytest.fixture
def stage() -> Rehearsal:
    return Rehearsal()


def reception(stage: Rehearsal) -> LiveReception:
    return LiveReception([LiveEndpoint(kind, stage.stage, stage.settings) for kind in Kind])


def receives(stage: Rehearsal, target: bytes, *headers: tuple[bytes, bytes]) -> Any:
    return reception(stage).receiver_of(target, [*HEADERS, *headers], ADDRESS)


def waiting() -> float:
    return REGISTRY.get_sample_value("stagedoor_unauthenticated_connections") or 0.0


@pytest.mark.parametrize(
    "target",
    [
        b"/ws/live/main/subtitles?target_lang=en", b"/ws/live/Main_2-b/dubbing?target_lang=pt-BR&interim=0",
        b"/ws/live/main/publish", b"/ws/live/main/publish?",
    ],
)  # fmt: skip
def test_a_live_path_is_taken_and_its_client_counted(stage: Rehearsal, target: bytes) -> None:
    receiver_of = receives(stage, target)
    assert isinstance(receiver_of(PaperWire(ADDRESS)), LiveSocket)
    assert waiting() == 1
    stage.stage.door.depart(ADDRESS)
    assert waiting() == 0


def test_who_is_received_authenticates_like_anybody(stage: Rehearsal) -> None:
    wire = PaperWire(ADDRESS)
    socket = receives(stage, b"/ws/live/main/subtitles?target_lang=en")(wire)
    socket.receive_text('{"type":"authenticate","token":"x"}')
    stage.settle()
    assert [message["code"] for message in wire.taken()] == ["INVALID_TOKEN"]
    socket.closed(1006)
    assert waiting() == 0


@pytest.mark.parametrize(
    "target",
    [
        b"/", b"/ws/live/main", b"/ws/live/main/other?target_lang=en", b"/ws/live/main/subtitles/",
        b"/ws/live/a%20b/publish", b"/ws/live/" + b"a" * 65 + b"/publish", b"/ws/live/main/publish\n",
        b"/x/ws/live/main/publish", b"http://here/ws/live/main/publish", b"/ws/live/main/more/publish",
        b"/ws/live/main/subtitles", b"/ws/live/main/publish?token=eyJ", b"/ws/live/main/publish?encoding=mp3",
        b"/ws/live/main/subtitles?target_lang=english",
    ],
)  # fmt: skip
def test_what_is_another_path_or_to_be_refused_is_left_to_the_application(
    stage: Rehearsal, target: bytes
) -> None:
    assert receives(stage, target) is None
    assert waiting() == 0


@pytest.mark.parametrize("name", [b"cookie", b"x-forwarded-for"])
def test_an_origin_to_check_and_an_address_behind_a_proxy_are_left_to_the_application(
    stage: Rehearsal, name: bytes
) -> None:
    assert receives(stage, b"/ws/live/main/publish", (name, b"x")) is None
    assert waiting() == 0


class TestLimits:
    def test_too_many_without_a_token_count_nothing(self) -> None:
        stage = Rehearsal(address_unauthenticated_max=1, address_upgrade_limit=2)
        assert receives(stage, b"/ws/live/main/publish") is not None
        for _ in range(5):
            assert receives(stage, b"/ws/live/main/publish") is None
        stage.stage.door.depart(ADDRESS)
        assert receives(stage, b"/ws/live/main/publish") is not None

    def test_upgrades_are_counted_here_too_and_one_too_many_is_refused_by_the_application(self) -> None:
        stage = Rehearsal(address_upgrade_limit=3)
        taken = [receives(stage, b"/ws/live/main/publish") is not None for _ in range(5)]
        assert taken == [True, True, True, False, False]
        assert waiting() == 3
        stage.clock.advance(60.0)
        assert receives(stage, b"/ws/live/main/publish") is not None

    def test_a_limit_that_is_counted_elsewhere_is_asked_by_the_application(self) -> None:
        stage = Rehearsal(address_upgrade_limit=3)
        elsewhere: Any = object()
        assert DoorLimits(stage.settings, elsewhere).count_upgrade_now(ADDRESS) is False
        assert Rehearsal(address_upgrade_limit=0).stage.door.count_upgrade_now(ADDRESS) is True


def test_the_endpoints_are_those_of_the_routes(stage: Rehearsal) -> None:
    live = routes(stage.stage, stage.settings)
    app = Starlette(routes=[Route("/x", lambda _: None), *live])
    assert [endpoint.kind for endpoint in endpoints(app.routes)] == list(Kind)
