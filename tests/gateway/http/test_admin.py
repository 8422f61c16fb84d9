"""What admins see of their tenant, to the millisecond and the micro-credit; and nothing of another's."""

import itertools
from typing import Any

import pytest

from auth.principal import Role
from gateway.http.admin import in_credits, minutes
from gateway.stores.schema import audit_log
from sessions.lifetimes import State
from sessions.slices import MediaKind
from tests.gateway.http.desk import error_of
from tests.gateway.http.office import ADMIN, HOUR_MS, NOW_MS, Office

NO_COST = {"hour": 0, "day": 0, "month": 0}

BAD_QUERIES = {
    "limit": ["-1", "0", "201", "9" * 5000, "NaN", "1e400", ""],
    "state": ["active", "", "\0"],
    "user": ["", "\0", "x" * 129],
    # Garbage, and no places: [], [-1,"a"], [1e400,"a"], [true,"a"], [9,"\0"], a number too large.
    "cursor": ["", "x" * 3000, "AAAA", "é", "W10", "Wy0xLCJhIl0", "WzFlNDAwLCJhIl0", "W3RydWUsImEiXQ",
               "WzksIlx1MDAwMCJd", "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5LCJhIl0"],
}  # fmt: skip


async def stats_of(office: Office, **who: Any) -> Any:
    response = await office.admin("GET", "system-stats", **who)
    assert response.status_code == 200
    return response.json()


class TestSystemStats:
    async def test_of_an_empty_house(self, office: Office) -> None:
        assert await stats_of(office) == {
            "timestamp": "2026-11-20T14:30:00Z", "active_sessions": 0,
            "sessions": dict.fromkeys(State, 0), "minutes": {"subtitles": NO_COST, "dubbing": NO_COST},
            "total_cost": 0, "cost": NO_COST, "top_users": [], "degraded": {},
        }  # fmt: skip

    async def test_minutes_and_cost_by_kind_and_window(self, office: Office) -> None:
        office.now_ms = NOW_MS - 24 * HOUR_MS
        await office.use("noa", 60_000)
        office.now_ms = NOW_MS - HOUR_MS
        await office.use("noa", 30_000, MediaKind.DUBBING)
        office.now_ms = NOW_MS
        await office.use("noa", 60_000)
        body = await stats_of(office)
        assert body["minutes"] == {
            "subtitles": {"hour": 1, "day": 1, "month": 2}, "dubbing": {"hour": 0, "day": 0.5, "month": 0.5},
        }  # fmt: skip
        assert body["cost"] == {"hour": 0.01, "day": 0.025, "month": 0.035}
        assert body["total_cost"] == 0.035

    async def test_open_slices_count_as_they_will_when_they_are_settled(self, office: Office) -> None:
        slices = [
            await office.use("noa", 31_457, closed=False),
            await office.use("dan", 1_001, MediaKind.DUBBING, closed=False),
        ]
        before = await stats_of(office)
        assert before["total_cost"] == 0.005744  # 5242.8 and 500.5 micro-credits, each rounded half up
        for slice_id in slices:
            await office.settle(slice_id)
        assert await stats_of(office) == before

    async def test_last_month_costs_nothing_now(self, office: Office) -> None:
        office.now_ms = NOW_MS - 31 * 24 * HOUR_MS
        await office.use("noa", 60_000)
        office.now_ms = NOW_MS
        assert (await stats_of(office))["cost"] == NO_COST

    async def test_top_users_by_cost_and_ten_of_them(self, office: Office) -> None:
        for number in range(12):
            await office.use(f"u{number:02}", 1_000 * (number + 1))
        await office.use("u00", 59_000, MediaKind.DUBBING)
        await office.use("u00", 1_000, MediaKind.DUBBING, closed=False)
        top = (await stats_of(office))["top_users"]
        assert [row["user"] for row in top] == ["u00", *(f"u{number:02}" for number in range(11, 2, -1))]
        assert top[0] == {"user": "u00", "subtitles_seconds": 1, "dubbing_seconds": 60, "cost": 0.030167}

    async def test_sessions_that_are_live_and_todays_by_state(self, office: Office) -> None:
        office.now_ms = NOW_MS - 24 * HOUR_MS
        await office.session("old", over=State.EXPIRED)
        await office.session("long")
        office.now_ms = NOW_MS
        await office.session("s1")
        await office.session("s2", over=State.COMPLETED)
        await office.session("theirs", tenant="other")
        body = await stats_of(office)
        assert body["active_sessions"] == 2
        assert body["sessions"] == dict.fromkeys(State, 0) | {"ACTIVE": 1, "COMPLETED": 1}

    async def test_another_tenants_minutes_are_not_in_it(self, office: Office) -> None:
        await office.use("noa", 60_000, tenant="other")
        await office.use("noa", 60_000, tenant="other", closed=False)
        assert (await stats_of(office))["total_cost"] == 0
        assert (await stats_of(office, tenant="other"))["total_cost"] == 0.02

    async def test_what_is_lost_is_named(self, small_office: Office) -> None:
        small_office.degraded = {"redis": "It does not answer"}
        assert (await stats_of(small_office))["degraded"] == {"redis": "It does not answer"}


class TestTimeline:
    async def test_every_hour_is_there_also_those_without_anything(self, office: Office) -> None:
        office.now_ms = NOW_MS - 2 * HOUR_MS
        await office.use("noa", 60_000)
        await office.use("noa", 1_500, MediaKind.DUBBING)
        await office.session("s1")
        await office.session("s2")
        office.now_ms = NOW_MS
        await office.use("noa", 250, closed=False)
        points = (await office.admin("GET", "timeline")).json()["points"]
        assert len(points) == 24
        assert (points[0]["hour"], points[-1]["hour"]) == ("2026-11-19T15:00:00Z", "2026-11-20T14:00:00Z")
        assert points[21] == {"hour": "2026-11-20T12:00:00Z", "subtitles_seconds": 60, "dubbing_seconds": 1.5,
                              "cost": 0.01075, "sessions": 2}  # fmt: skip
        assert points[22] == {"hour": "2026-11-20T13:00:00Z", "subtitles_seconds": 0, "dubbing_seconds": 0,
                              "cost": 0, "sessions": 0}  # fmt: skip
        assert (points[23]["subtitles_seconds"], points[23]["cost"]) == (0.25, 0.000042)

    async def test_what_is_charged_to_an_hour_before_it_has_begun_is_in_that_hour(
        self, office: Office
    ) -> None:
        edge_ms = NOW_MS - NOW_MS % HOUR_MS
        office.now_ms = edge_ms - 400
        await office.use("noa", 300)
        office.now_ms = NOW_MS
        (point,) = (await office.admin("GET", "timeline", params={"hours": 1})).json()["points"]
        assert point["subtitles_seconds"] == 0.3

    async def test_the_hours_add_up_to_the_day(self, office: Office) -> None:
        for hours in range(20):
            office.now_ms = NOW_MS - hours * HOUR_MS
            await office.use(f"u{hours}", 1_000 * hours + 7)
        office.now_ms = NOW_MS
        points = (await office.admin("GET", "timeline", params={"hours": 15})).json()["points"]
        stats = await stats_of(office)
        assert sum(round(point["cost"] * 1e6) for point in points) == round(stats["cost"]["day"] * 1e6)

    async def test_not_so_many_hours(self, small_office: Office) -> None:
        for hours in ("0", "-1", "745", "1e3", "NaN", "", "9" * 400, "\0", "24.5"):
            response = await small_office.admin("GET", "timeline", params={"hours": hours})
            assert (response.status_code, error_of(response)["param"]) == (422, "hours"), hours

    async def test_a_month_at_most(self, office: Office) -> None:
        points = (await office.admin("GET", "timeline", params={"hours": 744})).json()["points"]
        assert len({point["hour"] for point in points}) == 744


class TestUsageOfAUser:
    async def test_it_is_the_users_with_the_cost(self, office: Office) -> None:
        await office.session("s1", "noa", plan="premium")
        await office.use("noa", 45_000, MediaKind.DUBBING, plan="premium")
        body = (await office.admin("GET", "usage", params={"user": "noa"})).json()
        assert (body["user"], body["plan"]) == ("noa", "premium")
        assert body["dubbing"]["hour"]["used_seconds"] == 45
        assert body["dubbing"]["hour"]["limit_seconds"] == 3600
        assert body["cost"] == {"hour": 0.0225, "day": 0.0225, "month": 0.0225}

    async def test_whoever_was_never_here_is_on_the_free_plan(self, office: Office) -> None:
        body = (await office.admin("GET", "usage", params={"user": "🎭"})).json()
        assert (body["user"], body["plan"], body["cost"]) == ("🎭", "free", NO_COST)

    async def test_another_tenants_user_looks_like_one_who_was_never_here(self, office: Office) -> None:
        await office.session("s1", "noa", tenant="other", plan="premium")
        await office.use("noa", 45_000, tenant="other")
        theirs, unknown = [
            (await office.admin("GET", "usage", params={"user": user})).json() for user in ("noa", "nobody")
        ]
        assert theirs == unknown | {"user": "noa"}

    async def test_no_such_name(self, small_office: Office) -> None:
        for query in ({}, {"user": ""}, {"user": "x" * 129}, {"user": "a\0b"}):
            response = await small_office.admin("GET", "usage", params=query)
            assert (response.status_code, error_of(response)["param"]) == (422, "user"), query


class TestSessions:
    async def test_a_row_tells_all(self, office: Office) -> None:
        await office.session("s1", over=State.COMPLETED)
        body = (await office.admin("GET", "sessions")).json()
        row = {
            "session_id": "s1", "user": "noa", "channel_id": "main", "kind": "subtitles", "plan": "free",
            "state": "COMPLETED", "started_at": "2026-11-20T14:30:00Z", "active_at": "2026-11-20T14:30:00Z",
            "ended_at": "2026-11-20T14:30:01Z", "end_reason": "done", "media_seconds": 1.234,
        }  # fmt: skip
        assert body == {"sessions": [row], "next_cursor": None}
        assert (await office.admin("GET", "sessions/s1")).json() == row

    async def test_pages_hold_every_session_once_though_more_begin_meanwhile(self, office: Office) -> None:
        for number in range(7):
            office.now_ms = NOW_MS + number // 2  # two of each at one moment
            await office.session(f"s{number}")
        await office.session("theirs", tenant="other")
        seen, cursor = [], None
        for turn in itertools.count():
            query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
            page = (await office.admin("GET", "sessions", params=query)).json()
            seen += [row["session_id"] for row in page["sessions"]]
            office.now_ms += 10
            await office.session(f"new{turn}")
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == ["s6", "s5", "s4", "s3", "s2", "s1", "s0"]

    async def test_of_one_state_and_one_user(self, office: Office) -> None:
        await office.session("s1", "noa")
        await office.session("s2", "dan")
        await office.session("s3", "noa", over=State.COMPLETED)

        async def listed(**query: str) -> set[str]:
            rows = (await office.admin("GET", "sessions", params=query)).json()["sessions"]
            return {row["session_id"] for row in rows}

        assert await listed(state="ACTIVE") == {"s1", "s2"}
        assert await listed(user="noa") == {"s1", "s3"}
        assert await listed(user="noa", state="COMPLETED") == {"s3"}
        assert await listed(user="nobody") == set()

    async def test_what_cannot_be_asked(self, small_office: Office) -> None:
        for name, values in BAD_QUERIES.items():
            for value in values:
                for path in ("sessions", "audit", "overrides"):
                    if path == "sessions" or name in ("limit", "cursor"):
                        response = await small_office.admin("GET", path, params={name: value})
                        assert (response.status_code, error_of(response)["param"]) == (422, name), value


class TestEnding:
    async def test_it_is_asked_for_and_written_down(self, office: Office) -> None:
        await office.session("s1")
        response = await office.admin("POST", "sessions/s1/end", json={"reason": "a test"})
        body = response.json()
        assert (response.status_code, body["ok"], body["session"]["session_id"]) == (200, True, "s1")
        (entry,) = (await office.admin("GET", "audit")).json()["audit"]
        assert (entry["actor"], entry["action"], entry["target"]) == ("ada", "end_session", "session:s1")
        assert entry["detail"]["reason"] == "a test"

    async def test_a_lost_one_ends_at_once(self, office: Office) -> None:
        await office.session("s1", over=State.INTERRUPTED)
        body = (await office.admin("POST", "sessions/s1/end")).json()
        assert body["session"]["state"] == "ENDED_BY_ADMIN"

    async def test_what_is_over_cannot_be_ended(self, office: Office) -> None:
        await office.session("s1", over=State.COMPLETED)
        response = await office.admin("POST", "sessions/s1/end")
        body = error_of(response)
        assert (response.status_code, body["code"], body["state"]) == (409, "ALREADY_ENDED", "COMPLETED")
        assert await office.count(audit_log) == 0

    async def test_another_tenants_session_is_none(self, office: Office) -> None:
        await office.session("theirs", tenant="other")
        for method, path in (("GET", "sessions/{}"), ("POST", "sessions/{}/end")):
            bodies = []
            for session_id in ("theirs", "never", "%00", "x" * 65, "%F0%9F%8E%AD"):
                response = await office.admin(method, path.format(session_id))
                assert response.status_code == 404
                bodies.append(error_of(response) | {"timestamp": ""})
            assert all(body == bodies[0] for body in bodies)
        assert await office.count(audit_log) == 0
        assert (await office.admin("GET", "sessions/theirs", tenant="other")).json()["state"] == "ACTIVE"


class TestAudit:
    async def test_the_newest_first_and_every_one_once(self, office: Office) -> None:
        for minutes_given in range(1, 6):
            office.now_ms += 1000
            await office.admin("POST", "grants", json={
                "user": "noa", "kind": "subtitles", "minutes": minutes_given, "reason": f"r{minutes_given}",
            })  # fmt: skip
        seen: list[Any] = []
        cursor = None
        while True:
            query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
            page = (await office.admin("GET", "audit", params=query)).json()
            seen += page["audit"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert [entry["detail"]["reason"] for entry in seen] == ["r5", "r4", "r3", "r2", "r1"]
        assert seen[0]["occurred_at"] == "2026-11-20T14:30:05Z"

    async def test_another_tenants_log_stays_closed_whatever_the_cursor(self, office: Office) -> None:
        for _ in range(3):
            await office.admin("POST", "grants", tenant="other", json={
                "user": "noa", "kind": "subtitles", "minutes": 1})  # fmt: skip
        page = (await office.admin("GET", "audit", tenant="other", params={"limit": "1"})).json()
        for query in ({}, {"cursor": page["next_cursor"]}):
            mine = (await office.admin("GET", "audit", params=query)).json()
            assert mine == {"audit": [], "next_cursor": None}


@pytest.mark.parametrize("role", [Role.FAN, Role.CREATOR])
async def test_admins_only(small_office: Office, role: Role) -> None:
    for path in (
        "system-stats",
        "timeline",
        "usage?user=noa",
        "sessions",
        "sessions/s1",
        "audit",
        "overrides",
    ):
        response = await small_office.get(f"{ADMIN}/{path}", role=role)
        assert (response.status_code, error_of(response)["code"]) == (403, "NOT_ALLOWED")


def test_minutes_are_rounded_and_credits_are_not() -> None:
    assert [minutes(amount) for amount in (0, 29, 30, 59_969, 59_970, 60_000, 90_000)] == [
        0, 0, 0.001, 0.999, 1, 1, 1.5,
    ]  # fmt: skip
    assert [in_credits(amount) for amount in (0, 1, 999_999, 10**6, 10**15 - 1)] == [
        0, 0.000001, 0.999999, 1, 999_999_999.999999,
    ]  # fmt: skip
