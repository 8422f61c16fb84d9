"""Who may ask, and how often: by token, by address without one, by role."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from auth.principal import Role
from gateway.http.errors import ANSWERS, Refused
from gateway.http.guard import Guard
from gateway.http.limited import RateLimitHeaders
from gateway.limits import DoorLimits
from gateway.stores.memory.rates import MemoryRates
from tests.gateway.http.desk import error_of
from tests.gateway.rehearsal import settings
from tests.house import KEYS, token


class Desk:
    """Routes behind a guard, on a clock that is turned by hand."""

    def __init__(self, **changes: Any) -> None:
        self.now = 5000.0
        guard = Guard(KEYS, DoorLimits(settings(**changes), MemoryRates(lambda: self.now)))

        async def limited(request: Request) -> Response:
            return PlainTextResponse((await guard.limited(request)).user)

        async def check(request: Request) -> Response:
            return PlainTextResponse((await guard.quota_check(request)).user)

        async def admin(request: Request) -> Response:
            return PlainTextResponse((await guard.admin(request)).user)

        async def missing(request: Request) -> Response:
            await guard.limited(request)
            raise Refused(404, "NOT_FOUND", "There is nothing here")

        async def page(_request: Request) -> Response:
            return PlainTextResponse("a page")

        self.app = Starlette(
            routes=[
                Route("/api/v1/live/channels", limited), Route("/api/v1/live/quota/check", check),
                Route("/api/v1/admin/live-quotas/audit", admin), Route("/api/rooms/mine", limited),
                Route("/api/v1/live/missing", missing), Route("/docs", page),
            ],
            middleware=[Middleware(RateLimitHeaders)],
            exception_handlers=ANSWERS,
        )  # fmt: skip

    @asynccontextmanager
    async def from_(self, host: str) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=(host, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client

    async def get(
        self, path: str, bearer: str | None = None, host: str = "192.0.2.1", **headers: str
    ) -> httpx.Response:
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        async with self.from_(host) as client:
            return await client.get(path, headers=headers)


def rate_headers(headers: Mapping[str, str]) -> tuple[str | None, str | None]:
    return headers.get("ratelimit-policy"), headers.get("ratelimit")


class TestHeaders:
    async def test_on_success(self) -> None:
        desk = Desk()
        answer = await desk.get("/api/v1/live/channels", token())
        assert rate_headers(answer.headers) == ('"api";q=100;w=60', '"api";r=99;t=60')
        desk.now += 48.2
        answer = await desk.get("/api/v1/live/channels", token())
        assert rate_headers(answer.headers) == ('"api";q=100;w=60', '"api";r=98;t=12')

    async def test_of_every_limit_that_counts(self) -> None:
        answer = await Desk().get("/api/v1/live/quota/check", token())
        assert rate_headers(answer.headers) == (
            '"api";q=100;w=60, "check";q=20;w=60', '"api";r=99;t=60, "check";r=19;t=60',
        )  # fmt: skip

    async def test_on_an_error_of_what_was_let_in(self) -> None:
        answer = await Desk().get("/api/v1/live/missing", token())
        assert answer.status_code == 404
        assert rate_headers(answer.headers) == ('"api";q=100;w=60', '"api";r=99;t=60')

    async def test_on_a_refusal_with_when_to_come_back(self) -> None:
        desk = Desk(live_quota_check_rate_limit=1)
        await desk.get("/api/v1/live/quota/check", token())
        desk.now += 17.5
        answer = await desk.get("/api/v1/live/quota/check", token())
        body = error_of(answer)
        assert (answer.status_code, body["code"], body["retry_after_seconds"]) == (429, "RATE_LIMITED", 43)
        assert answer.headers["retry-after"] == "43"
        assert rate_headers(answer.headers) == ('"api";q=100;w=60, "check";q=1;w=60', '"check";r=0;t=43')

    async def test_none_where_no_limit_counts(self) -> None:
        for answer in (
            await Desk().get("/docs"),
            await Desk(live_quota_api_rate_limit=0).get("/api/v1/live/channels", token()),
            await Desk(address_rate_limit=0).get("/api/v1/live/channels"),
        ):
            assert rate_headers(answer.headers) == (None, None)

    async def test_a_window_of_no_whole_seconds_is_rounded_up(self) -> None:
        answer = await Desk(user_rate_limit=7).get("/api/rooms/mine", token())
        assert answer.headers["ratelimit-policy"] == '"user";q=20;w=3'


class TestUsers:
    async def test_the_live_api_has_a_limit_of_its_own(self) -> None:
        desk = Desk(live_quota_api_rate_limit=2, user_rate_limit=3, user_rate_burst=3)
        answers = [await desk.get("/api/v1/live/channels", token()) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        answers = [await desk.get("/api/rooms/mine", token()) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert rate_headers(answers[0].headers) == ('"user";q=3;w=1', '"user";r=2;t=1')

    async def test_a_burst_of_twenty_then_ten_a_second_in_the_long_run(self) -> None:
        desk, let_in = Desk(), 0
        for _ in range(120):
            for _ in range(3):
                let_in += (await desk.get("/api/rooms/mine", token())).status_code == 200
            desk.now += 0.1
        assert let_in == 20 * 6

    async def test_quota_checks_count_towards_the_api_and_to_their_own(self) -> None:
        desk = Desk(live_quota_api_rate_limit=5, live_quota_check_rate_limit=2)
        answers = [await desk.get("/api/v1/live/quota/check", token()) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200, 200, 429, 429, 429, 429]
        answers = [await desk.get("/api/v1/live/channels", token()) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]

    async def test_refusals_are_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO")
        desk = Desk(live_quota_api_rate_limit=1)
        for _ in range(2):
            await desk.get("/api/v1/live/channels", token())
        (record,) = [record for record in caplog.records if record.message == "Rate limited"]
        told = record.__dict__
        assert (told["status_code"], told["limit"], told["path"], told["address"]) == (
            429, "api", "/api/v1/live/channels", "192.0.2.1",
        )  # fmt: skip


class TestStrangers:
    @pytest.mark.parametrize("bearer", [None, "", "nonsense", "a.b.c"])
    async def test_without_a_valid_token_the_address_counts(self, bearer: str | None) -> None:
        desk = Desk(address_rate_limit=3)
        answers = [await desk.get("/api/v1/live/channels", bearer) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
        assert rate_headers(answers[0].headers) == ('"address";q=3;w=60', '"address";r=2;t=60')
        assert error_of(answers[3])["code"] == "RATE_LIMITED"

    async def test_over_every_route_and_both_ways_to_have_none(self) -> None:
        desk = Desk(address_rate_limit=2)
        await desk.get("/api/rooms/mine")
        await desk.get("/api/v1/admin/live-quotas/audit", "nonsense")
        assert (await desk.get("/api/v1/live/channels")).status_code == 429

    async def test_its_users_are_let_in_all_the_same(self) -> None:
        desk = Desk(address_rate_limit=1)
        for _ in range(3):
            await desk.get("/api/v1/live/channels")
        assert (await desk.get("/api/v1/live/channels", token())).status_code == 200

    async def test_a_bad_token_counts_towards_no_user(self) -> None:
        desk = Desk(live_quota_api_rate_limit=1)
        for _ in range(3):
            assert (await desk.get("/api/v1/live/channels", token() + "x")).status_code == 401
        assert (await desk.get("/api/v1/live/channels", token())).status_code == 200

    async def test_pages_are_not_counted(self) -> None:
        desk = Desk(address_rate_limit=1)
        assert {(await desk.get("/docs")).status_code for _ in range(20)} == {200}

    async def test_one_site_is_one_address(self) -> None:
        desk = Desk(address_rate_limit=2)
        for host in ("2001:db8::1", "2001:db8::2"):
            await desk.get("/api/rooms/mine", host=host)
        assert (await desk.get("/api/rooms/mine", host="2001:db8::3")).status_code == 429
        assert (await desk.get("/api/rooms/mine", host="2001:db8:0:1::3")).status_code == 401

    @pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP"])
    async def test_headers_name_nobody(self, name: str) -> None:
        desk = Desk(address_rate_limit=2)
        answers = [
            await desk.get("/api/rooms/mine", None, **{name: f"for=198.51.100.{n}" if name == "Forwarded" else
                                                        f"198.51.100.{n}"})
            for n in range(4)
        ]  # fmt: skip
        assert [answer.status_code for answer in answers] == [401, 401, 429, 429]


class TestAdmins:
    async def test_others_are_refused_and_counted(self) -> None:
        desk = Desk()
        answer = await desk.get("/api/v1/admin/live-quotas/audit", token(role=Role.CREATOR))
        assert (answer.status_code, error_of(answer)["code"]) == (403, "NOT_ALLOWED")
        assert answer.headers["ratelimit"] == '"user";r=19;t=2'

    async def test_admins_are_let_in(self) -> None:
        answer = await Desk().get("/api/v1/admin/live-quotas/audit", token("noa", role=Role.ADMIN))
        assert (answer.status_code, answer.text) == (200, "noa")

    async def test_strangers_are_not_told_that_there_is_a_role(self) -> None:
        assert (await Desk().get("/api/v1/admin/live-quotas/audit")).status_code == 401
