"""What users are told of their minutes: exact, of every window, without a cost."""

from pathlib import Path

import orjson
from hypothesis import given
from hypothesis import strategies as st

from auth.principal import Plan
from gateway.http.usage import seconds
from gateway.stores.database import open_database
from sessions.slices import MediaKind
from tests.databases import migrated_sqlite
from tests.gateway.http.desk import error_of
from tests.gateway.http.office import ADMIN, HOUR_MS, LIVE, NOW_MS, Office, opened

NOTHING_USED = {
    "plan": "free",
    "subtitles": {
        "hour": {"used_seconds": 0, "limit_seconds": 1800, "remaining_seconds": 1800,
                 "resets_at": "2026-11-20T15:00:00Z"},
        "day": {"used_seconds": 0, "limit_seconds": 3600, "remaining_seconds": 3600,
                "resets_at": "2026-11-21T00:00:00Z"},
        "month": {"used_seconds": 0, "limit_seconds": 36000, "remaining_seconds": 36000,
                  "resets_at": "2026-12-01T00:00:00Z"},
    },
    "dubbing": {
        "hour": {"used_seconds": 0, "limit_seconds": 600, "remaining_seconds": 600,
                 "resets_at": "2026-11-20T15:00:00Z"},
        "day": {"used_seconds": 0, "limit_seconds": 1200, "remaining_seconds": 1200,
                "resets_at": "2026-11-21T00:00:00Z"},
        "month": {"used_seconds": 0, "limit_seconds": 7200, "remaining_seconds": 7200,
                  "resets_at": "2026-12-01T00:00:00Z"},
    },
}  # fmt: skip


class TestMyUsage:
    async def test_of_somebody_who_has_never_been_here(self, office: Office) -> None:
        response = await office.get(f"{LIVE}/my-usage")
        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-store"
        assert response.json() == NOTHING_USED

    async def test_settled_and_open_minutes_are_added_to_the_millisecond(self, office: Office) -> None:
        await office.use("noa", 12_345)
        await office.use("noa", 1, closed=False)
        await office.use("noa", 30_000, closed=False)
        await office.use("noa", 7, MediaKind.DUBBING)
        body = (await office.get(f"{LIVE}/my-usage")).json()
        for window, limit in (("hour", 1800), ("day", 3600), ("month", 36000)):
            assert body["subtitles"][window]["used_seconds"] == 42.346
            assert body["subtitles"][window]["remaining_seconds"] == limit - 42.346
        assert '"used_seconds":42.346,' in (await office.get(f"{LIVE}/my-usage")).text
        assert body["dubbing"]["hour"]["used_seconds"] == 0.007

    async def test_a_slice_counts_once_whether_it_is_open_or_closed(self, office: Office) -> None:
        slice_id = await office.use("noa", 9_999, closed=False)
        before = (await office.get(f"{LIVE}/my-usage")).json()
        await office.settle(slice_id)
        assert (await office.get(f"{LIVE}/my-usage")).json() == before

    async def test_each_window_counts_its_own_time(self, office: Office) -> None:
        office.now_ms = NOW_MS - 24 * HOUR_MS
        await office.use("noa", 1_000)
        office.now_ms = NOW_MS - HOUR_MS
        await office.use("noa", 2_000)
        await office.use("noa", 500, closed=False)
        office.now_ms = NOW_MS
        await office.use("noa", 4_000)
        body = (await office.get(f"{LIVE}/my-usage")).json()
        used = {window: row["used_seconds"] for window, row in body["subtitles"].items()}
        assert used == {"hour": 4, "day": 6.5, "month": 7.5}

    async def test_no_more_than_nothing_remains(self, office: Office) -> None:
        await office.use("noa", 60_000)
        place = {"user": "noa", "kind": "subtitles", "window": "hour"}
        await office.admin("PUT", "overrides", json=place | {"minutes": 0})
        body = (await office.get(f"{LIVE}/my-usage")).json()
        assert body["subtitles"]["hour"] | {"resets_at": ""} == {
            "used_seconds": 60, "limit_seconds": 0, "remaining_seconds": 0, "resets_at": "",
        }  # fmt: skip

    async def test_without_a_limit_it_is_minus_one(self, office: Office) -> None:
        await office.use("eve", 1_500, plan="enterprise")
        response = await office.get(f"{LIVE}/my-usage", "eve", plan=Plan.ENTERPRISE)
        assert '"used_seconds":1.5,"limit_seconds":-1,"remaining_seconds":-1' in response.text

    async def test_the_tenants_limit_counts_before_the_plans_and_the_users_before_both(
        self, office: Office
    ) -> None:
        place = {"kind": "dubbing", "window": "day"}
        await office.admin("PUT", "overrides", json=place | {"minutes": 1})
        await office.admin("PUT", "overrides", json=place | {"user": "noa", "minutes": 2})
        noa, dan = [(await office.get(f"{LIVE}/my-usage", user)).json() for user in ("noa", "dan")]
        assert (noa["dubbing"]["day"]["limit_seconds"], dan["dubbing"]["day"]["limit_seconds"]) == (120, 60)

    async def test_nobody_elses_minutes_are_in_it(self, office: Office) -> None:
        same = (
            "11111111-2222-4333-8444-555555555555"  # a sub that is a UUID is the same row id in every tenant
        )
        await office.use("dan", 5_000)
        await office.use("noa", 5_000, tenant="other")
        await office.use(same, 5_000, tenant="other", closed=False)
        await office.admin("PUT", "overrides", tenant="other", json={
            "user": "noa", "kind": "subtitles", "window": "hour", "minutes": 1})  # fmt: skip
        for user in ("noa", same):
            assert (await office.get(f"{LIVE}/my-usage", user)).json() == NOTHING_USED

    async def test_a_token_is_needed(self, small_office: Office) -> None:
        for path in (f"{LIVE}/my-usage", f"{LIVE}/check", f"{ADMIN}/system-stats"):
            response = await small_office.client.get(path)
            assert (response.status_code, error_of(response)["code"]) == (401, "NOT_AUTHENTICATED")


class TestCheck:
    async def test_the_tightest_window_is_told(self, office: Office) -> None:
        await office.use("noa", 60_000)
        body = (await office.get(f"{LIVE}/check", params={"kind": "subtitles"})).json()
        assert body == {
            "allowed": True, "kind": "subtitles", "plan": "free", "remaining_seconds": 1740, "window": "hour",
            "resets_at": "2026-11-20T15:00:00Z",
        }  # fmt: skip

    async def test_a_window_that_is_spent_says_no(self, office: Office) -> None:
        await office.admin("PUT", "overrides", json={"kind": "dubbing", "window": "month", "minutes": 1})
        await office.use("noa", 60_000, MediaKind.DUBBING)
        body = (await office.get(f"{LIVE}/check", params={"kind": "dubbing"})).json()
        assert (body["allowed"], body["remaining_seconds"], body["window"]) == (False, 0, "month")
        assert body["resets_at"] == "2026-12-01T00:00:00Z"
        assert (await office.get(f"{LIVE}/check")).json()["allowed"] is True

    async def test_what_another_session_holds_cannot_be_had(self, office: Office) -> None:
        await office.admin("PUT", "overrides", json={"kind": "subtitles", "window": "hour", "minutes": 1})
        await office.use("noa", 100, closed=False)
        body = (await office.get(f"{LIVE}/check")).json()
        assert (body["allowed"], body["remaining_seconds"]) == (False, 0)
        usage = (await office.get(f"{LIVE}/my-usage")).json()
        assert usage["subtitles"]["hour"]["remaining_seconds"] == 59.9

    async def test_in_the_last_moment_of_an_hour_it_is_the_next_that_counts(self, office: Office) -> None:
        await office.admin("PUT", "overrides", json={"kind": "subtitles", "window": "hour", "minutes": 1})
        await office.use("noa", 60_000)
        assert (await office.get(f"{LIVE}/check")).json()["allowed"] is False
        office.now_ms = NOW_MS - NOW_MS % HOUR_MS + HOUR_MS - 500
        assert (await office.get(f"{LIVE}/check")).json()["allowed"] is True

    async def test_without_any_limit(self, office: Office) -> None:
        body = (await office.get(f"{LIVE}/check", plan=Plan.ENTERPRISE)).json()
        assert body == {
            "allowed": True, "kind": "subtitles", "plan": "enterprise", "remaining_seconds": -1,
            "window": None, "resets_at": None,
        }  # fmt: skip

    async def test_what_there_are_no_minutes_of(self, small_office: Office) -> None:
        for kind in ("publish", "", "SUBTITLES", "\0"):
            response = await small_office.get(f"{LIVE}/check", params={"kind": kind})
            assert response.status_code == 422
            assert error_of(response)["param"] == "kind"


class TestLimits:
    async def test_of_25_checks_exactly_20_are_answered_and_they_count_as_requests_too(
        self, tmp_path: Path
    ) -> None:
        database = await open_database("", migrated_sqlite(tmp_path))
        try:
            async with opened(
                database, live_quota_check_rate_limit=20, live_quota_api_rate_limit=30
            ) as office:
                checks = [(await office.get(f"{LIVE}/check")).status_code for _ in range(25)]
                usages = [(await office.get(f"{LIVE}/my-usage")).status_code for _ in range(12)]
        finally:
            await database.aclose()
        assert checks == [200] * 20 + [429] * 5
        assert usages == [200] * 10 + [429] * 2


@given(st.integers(0, 10**15))
def test_seconds_are_written_with_every_millisecond_and_nothing_else(amount_ms: int) -> None:
    whole, rest = divmod(amount_ms, 1000)
    written = orjson.dumps(seconds(amount_ms)).decode()
    exact = f"{whole}.{rest:03}".rstrip("0").rstrip(".")
    assert "e" not in written
    assert written == exact
