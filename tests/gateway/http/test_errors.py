"""Errors of HTTP routes: one shape, the right status, and never a 500 for what a client sends."""

import asyncio
import string
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.http.errors import ANSWERS, refusal_of
from gateway.http.refusals import RULES
from gateway.stores.rooms.operations import UnknownRoom
from gateway.workers.pool import WorkerPool
from sessions.room_codes import NotARoomCode
from sessions.rooms import CannotKick, RoomFull
from sessions.texts import TextRefused
from tests.gateway.http.desk import Desk, error_of
from tests.gateway.rehearsal import PaperPool

PATHS = [
    "/", "/health", "/healthz", "/readyz", "/metrics", "/openapi.json", "/asyncapi.json", "/docs",
    "/api/v1/live/channels", "/api/v1/live/main/transcript.vtt", "/api/dev/token", "/studio/main",
    "/watch/main", "/overlay/main", "/static/style.css", "/ws/live/main/subtitles",
]  # fmt: skip
PAGES = ("/static/", "/studio/", "/watch/", "/overlay/")
"""Errors of what is for people are for people to read."""


@pytest.mark.parametrize(
    "path", ["/nothing", "/api/v1/live", "/api/v1/live/main/transcript.exe", "/static/../x"]
)
async def test_what_is_not_there(desk: Desk, path: str) -> None:
    response = await desk.get(path)
    assert response.status_code == 404
    assert error_of(response)["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/health"), ("GET", "/api/dev/token"), ("POST", "/docs")]
)
async def test_what_is_there_but_not_with_this_method(desk: Desk, method: str, path: str) -> None:
    response = await desk.client.request(method, path)
    assert response.status_code == 405
    body = error_of(response)
    assert body["code"] == "METHOD_NOT_ALLOWED"
    assert response.headers["allow"] in body["error"]


async def test_a_limit_says_when_to_come_back(tmp_path: Path) -> None:
    async with Desk(tmp_path, live_quota_api_rate_limit=1).open() as desk:
        assert (await desk.get("/api/v1/live/channels")).status_code == 200
        response = await desk.get("/api/v1/live/channels")
    body = error_of(response)
    assert (response.status_code, body["code"]) == (429, "RATE_LIMITED")
    assert response.headers["retry-after"] == str(body["retry_after_seconds"]) == "60"


@pytest.mark.parametrize(
    ("header", "code"),
    [(None, "NOT_AUTHENTICATED"), ("Basic abc", "NOT_AUTHENTICATED"), ("Bearer", "NOT_AUTHENTICATED"),
     ("Bearer nonsense", "INVALID_TOKEN"), ("bearer a.b.c", "INVALID_TOKEN"), ("", "NOT_AUTHENTICATED"),
     ("Bearer \xff\xfe.\xff.\xff", "INVALID_TOKEN")],
)  # fmt: skip
async def test_who_does_not_say_who_they_are(desk: Desk, header: str | None, code: str) -> None:
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    response = await desk.get("/api/v1/live/channels", None, headers=headers)
    assert response.status_code == 401
    assert error_of(response)["code"] == code
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_fault_of_ours_tells_nothing_and_the_log_tells_all(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_request: Request) -> Response:
        raise RuntimeError("the secret is 1234")

    desk.gateway.app.router.routes.append(Route("/broken", broken))
    response = await desk.get("/broken")
    assert response.status_code == 500
    assert error_of(response)["code"] == "INTERNAL_ERROR"
    assert "1234" not in response.text
    (record,) = caplog.records
    assert record.exc_info is not None


@pytest.mark.parametrize(
    "host", ["[", "[::1", "a b", "localhost:port", "localhost:99999999", "\xff", "", "/", "@"]
)
async def test_a_host_that_is_none_is_no_fault_of_ours(desk: Desk, host: str) -> None:
    for method, path in (
        ("POST", "/api/dev/token"),
        ("GET", "/"),
        ("GET", "/nothing"),
        ("GET", "/watch/main"),
    ):
        headers = [(b"Host", host.encode("latin-1")), (b"Content-Type", b"application/json")]
        response = await desk.client.request(method, path, headers=headers, content=b'{"user":"dana"}')
        assert response.status_code < 500, (method, path)


async def test_a_client_that_goes_in_the_middle_of_its_body_leaves_no_trace(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/api/dev/token", "raw_path": b"/api/dev/token", "query_string": b"", "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 8000),
    }  # fmt: skip
    events = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(events)

    async def send(_message: Any) -> None:
        return

    await desk.gateway.app(scope, receive, send)
    assert [record for record in caplog.records if record.exc_info] == []


_names = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=12)
_values = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"), max_size=30)
_odd = ["", ".", "..", "%2e%2e", "%00", "%ff", "%F0%9F%8E%AD", "a%2Fb", "{channel}"]
_segments = st.one_of(st.sampled_from(_odd), _names, st.text(max_size=8).map(quote))
_paths = st.one_of(
    st.sampled_from(PATHS),
    st.builds(lambda base, more: f"{base}/{more}", st.sampled_from(PATHS), _segments),
    st.builds(lambda name, form: f"/api/v1/live/{name}/transcript.{form}", _segments, _segments),
    st.lists(_segments, max_size=5).map(lambda parts: "/" + "/".join(parts)),
)
_known = [
    "Host", "Authorization", "Content-Type", "Accept", "Cookie", "Origin", "Range", "If-None-Match",
    "Upgrade", "If-Modified-Since", "Accept-Encoding", "X-Forwarded-For", "Content-Length",
    "Transfer-Encoding",
]  # fmt: skip
_likely = ["application/json", "Bearer x.y.z", "bytes=0-", "bytes=9-1,-", "*/*", "[::", "gzip", "chunked"]
_headers = st.dictionaries(
    st.one_of(_names, st.sampled_from(_known)), st.one_of(_values, st.sampled_from(_likely)), max_size=5
)
_bodies = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [b'{"user":"dana"}', b'{"user":1e999}', b"[" * 5000, b'{"user":"\\ud800"}', b"null", b""]
    ),
)
_methods = st.sampled_from(
    ["GET", "GET", "GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]
)


class Counter:
    """One gateway and its loop, for very many requests."""

    def __init__(self, data_dir: Path) -> None:
        self.runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        desk = Desk(data_dir, live_quota_api_rate_limit=0, user_rate_limit=0, address_rate_limit=0)
        self.desk = self.runner.run(self._stack.enter_async_context(desk.open()))
        self.desk.gateway.pool = cast("WorkerPool", PaperPool())

    def ask(
        self, method: str, url: httpx.URL, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> httpx.Response:
        async def asked() -> httpx.Response:
            async with asyncio.timeout(5):
                return await self.desk.client.request(method, url, headers=headers, content=body)

        return self.runner.run(asked())

    def close(self) -> None:
        self.runner.run(self._stack.aclose())
        self.runner.close()


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    counter = Counter(tmp_path_factory.mktemp("counter"))
    yield counter
    counter.close()


@given(
    _methods, _paths, st.one_of(st.just(""), st.builds("?{}={}".format, _names, _segments)), _headers, _bodies
)
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_client_sends_it_is_never_a_fault_of_ours(
    counter: Counter, method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    try:
        url = httpx.URL("http://localhost:8000" + path + query)
    except httpx.InvalidURL:
        return
    given_headers = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    response = counter.ask(method, url, given_headers, body)
    assert response.status_code < 500
    if response.status_code >= 400 and method != "HEAD" and not url.path.startswith(PAGES):
        error_of(response)


def test_a_rule_is_refused_alike_everywhere() -> None:
    refused = refusal_of(RoomFull(50))

    assert refused is not None
    assert (refused.status, refused.code, refused.fields) == (409, "ROOM_FULL", {"max_participants": 50})
    assert str(refused) == str(RoomFull(50))
    assert refusal_of(ValueError("ours")) is None


@pytest.mark.parametrize(
    ("refusal", "status", "fields"),
    [
        (TextRefused("name", "empty", 80), 422, {"param": "name"}),
        (NotARoomCode("OOO"), 422, {"param": "roomCode"}),
        (CannotKick("owner"), 409, {"reason": "owner"}),
        (UnknownRoom(), 404, {}),
    ],
)
def test_a_rules_refusal_has_the_fields_that_a_client_can_use(
    refusal: Exception, status: int, fields: dict[str, object]
) -> None:
    refused = refusal_of(refusal)

    assert refused is not None
    assert (refused.status, refused.fields) == (status, fields)


def test_every_rule_in_the_table_has_an_answer_over_http() -> None:
    assert set(RULES) <= set(ANSWERS)
