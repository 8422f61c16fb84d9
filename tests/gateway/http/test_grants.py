"""What admins change: exactly what they said, in their own tenant, and never what makes no sense."""

import asyncio
from typing import Any

from auth.principal import Role
from gateway.stores.schema import audit_log, quota_adjustments, quota_overrides, usage_quotas
from sessions.slices import MediaKind
from tests.docs.markdown import DOCS, code, rows
from tests.gateway.http.desk import error_of
from tests.gateway.http.office import ADMIN, HOUR_MS, LIVE, Office

GRANT: dict[str, Any] = {"user": "noa", "kind": "subtitles", "minutes": 5}
RESET: dict[str, Any] = {"user": "noa", "kind": "subtitles", "window": "hour"}
OVERRIDE: dict[str, Any] = {"user": "noa", "kind": "subtitles", "window": "hour", "minutes": 7}


async def limits(office: Office, user: str = "noa", **who: Any) -> dict[str, float]:
    body = (await office.get(f"{LIVE}/my-usage", user, **who)).json()
    return {window: row["limit_seconds"] for window, row in body["subtitles"].items()}


class TestGrants:
    async def test_minutes_for_all_three_windows(self, office: Office) -> None:
        response = await office.admin("POST", "grants", json=GRANT)
        body = response.json()
        assert (response.status_code, body["ok"]) == (200, True)
        assert body["usage"] == (await office.get(f"{LIVE}/my-usage")).json()
        assert await limits(office) == {"hour": 2100, "day": 3900, "month": 36300}
        (entry,) = (await office.admin("GET", "audit")).json()["audit"]
        assert entry["id"] == body["grant_id"]
        assert (entry["actor"], entry["action"], entry["target"]) == ("ada", "grant_minutes", "user:noa")

    async def test_minutes_for_one_window_until_it_ends(self, office: Office) -> None:
        await office.admin("POST", "grants", json=GRANT | {"window": "hour"})
        assert await limits(office) == {"hour": 2100, "day": 3600, "month": 36000}
        office.now_ms += HOUR_MS
        assert await limits(office) == {"hour": 1800, "day": 3600, "month": 36000}

    async def test_each_one_counts(self, office: Office) -> None:
        answers = [(await office.admin("POST", "grants", json=GRANT)).json() for _ in range(3)]
        assert len({body["grant_id"] for body in answers}) == 3
        assert (await limits(office))["hour"] == 1800 + 3 * 300

    async def test_of_forty_at_once_each_counts(self, office: Office) -> None:
        answers = await asyncio.gather(
            *(office.admin("POST", "grants", json=GRANT | {"minutes": 1}) for _ in range(40))
        )
        assert {response.status_code for response in answers} == {200}
        assert await limits(office) == {"hour": 1800 + 2400, "day": 3600 + 2400, "month": 36000 + 2400}
        assert await office.count(audit_log) == 40

    async def test_nobody_else_has_them(self, office: Office) -> None:
        await office.admin("POST", "grants", json=GRANT, tenant="other")
        await office.admin("POST", "grants", json=GRANT | {"user": "dan"})
        assert await limits(office) == {"hour": 1800, "day": 3600, "month": 36000}
        assert (await limits(office, tenant="other"))["hour"] == 2100


class TestReset:
    async def test_the_window_counts_from_zero_and_the_others_stay(self, office: Office) -> None:
        await office.use("noa", 60_000)
        await office.use("noa", 1_000, closed=False)
        await office.use("noa", 2_000, MediaKind.DUBBING)
        body = (await office.admin("POST", "reset", json=RESET)).json()
        used = {window: row["used_seconds"] for window, row in body["usage"]["subtitles"].items()}
        assert used == {"hour": 1, "day": 61, "month": 61}
        assert body["usage"]["dubbing"]["hour"]["used_seconds"] == 2
        (entry,) = (await office.admin("GET", "audit")).json()["audit"]
        assert (entry["id"], entry["action"]) == (body["reset_id"], "reset_window")

    async def test_of_what_was_never_used(self, office: Office) -> None:
        body = (await office.admin("POST", "reset", json=RESET)).json()
        assert body["usage"]["subtitles"]["hour"]["used_seconds"] == 0
        assert await office.count(audit_log) == 1

    async def test_what_it_cost_is_not_forgotten(self, office: Office) -> None:
        await office.use("noa", 60_000)
        await office.admin("POST", "reset", json=RESET)
        assert (await office.admin("GET", "system-stats")).json()["cost"]["hour"] == 0.01


class TestOverrides:
    async def test_set_listed_and_removed(self, office: Office) -> None:
        response = await office.admin("PUT", "overrides", json=OVERRIDE)
        row = OVERRIDE | {"actor": "ada", "changed_at": "2026-11-20T14:30:00Z"}
        assert response.json() == {"ok": True, "override": row}
        assert (await office.admin("GET", "overrides")).json() == {"overrides": [row], "next_cursor": None}
        assert (await limits(office))["hour"] == 420
        place = {name: OVERRIDE[name] for name in ("user", "kind", "window")}
        assert (await office.admin("DELETE", "overrides", params=place)).json() == {"ok": True}
        assert (await limits(office))["hour"] == 1800
        response = await office.admin("DELETE", "overrides", json=place)
        assert (response.status_code, error_of(response)["code"]) == (404, "NOT_FOUND")
        actions = [entry["action"] for entry in (await office.admin("GET", "audit")).json()["audit"]]
        assert sorted(actions) == ["remove_override", "set_override"]

    async def test_setting_it_again_replaces_it_and_says_what_was_before(self, office: Office) -> None:
        await office.admin("PUT", "overrides", json=OVERRIDE)
        office.now_ms += 1000
        await office.admin("PUT", "overrides", json=OVERRIDE | {"minutes": -1})
        await office.admin("PUT", "overrides", json=OVERRIDE | {"minutes": -1})
        (row,) = (await office.admin("GET", "overrides")).json()["overrides"]
        assert row["minutes"] == -1
        entries = (await office.admin("GET", "audit")).json()["audit"]
        assert [(entry["detail"]["before_ms"], entry["detail"]["after_ms"]) for entry in entries] == [
            (420_000, -1), (None, 420_000),
        ]  # fmt: skip

    async def test_for_everybody_in_the_tenant(self, office: Office) -> None:
        body = (await office.admin("PUT", "overrides", json=OVERRIDE | {"user": None})).json()
        assert body["override"]["user"] is None
        assert [(await limits(office, user))["hour"] for user in ("noa", "dan")] == [420, 420]
        assert (await limits(office, tenant="other"))["hour"] == 1800

    async def test_pages(self, office: Office) -> None:
        for user in ("a", "b", None):
            for kind in MediaKind:
                await office.admin("PUT", "overrides", json=OVERRIDE | {"user": user, "kind": kind.value})
        seen, cursor = [], None
        while True:
            query = {"limit": "4"} | ({"cursor": cursor} if cursor else {})
            page = (await office.admin("GET", "overrides", params=query)).json()
            seen += [(row["user"], row["kind"]) for row in page["overrides"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == [(user, kind) for user in (None, "a", "b") for kind in ("dubbing", "subtitles")]
        only = (await office.admin("GET", "overrides", params={"user": "b"})).json()["overrides"]
        assert [row["user"] for row in only] == ["b", "b"]

    async def test_another_tenants_are_not_there(self, office: Office) -> None:
        await office.admin("PUT", "overrides", json=OVERRIDE, tenant="other")
        assert (await office.admin("GET", "overrides")).json()["overrides"] == []
        place = {name: OVERRIDE[name] for name in ("user", "kind", "window")}
        assert (await office.admin("DELETE", "overrides", params=place)).status_code == 404
        assert (await limits(office, tenant="other"))["hour"] == 420


BAD_MINUTES: list[Any] = [0, -1, -2, 10_000_001, 1.5, "5", True, None, 10**30, [5], {"n": 5}]
NO_NUMBERS = [b"NaN", b"Infinity", b"1e400", b"1e9999", b"-1e400", b"0x5", b"05"]
ROUTES = [("POST", "grants", GRANT), ("POST", "reset", RESET), ("PUT", "overrides", OVERRIDE)]
SLIPS: list[tuple[dict[str, Any], str]] = [
    ({"user": ""}, "user"), ({"user": "x" * 129}, "user"), ({"user": "a\0"}, "user"), ({"user": 7}, "user"),
    ({"kind": "publish"}, "kind"), ({"kind": None}, "kind"), ({"window": "year"}, "window"),
    ({"tenant_id": "other"}, "tenant_id"), ({"windwo": "hour"}, "windwo"), ({"x" * 9000: 1}, "x" * 64),
]  # fmt: skip
NO_BODIES = [
    b"", b"{", b"null", b"[]", b'"noa"', b"\xff\xfe", b'{"user":"\\ud800"}', b"[" * 30_000, b'{"a":' * 9_000,
    b"\0", b"9" * 60_000,
]  # fmt: skip


class TestHostileBodies:
    async def test_minutes_that_nobody_can_be_given(self, small_office: Office) -> None:
        for minutes in BAD_MINUTES:
            response = await small_office.admin("POST", "grants", json=GRANT | {"minutes": minutes})
            assert (response.status_code, error_of(response)["param"]) == (422, "minutes"), minutes

    async def test_minutes_that_are_no_limit(self, small_office: Office) -> None:
        for minutes in BAD_MINUTES[2:]:
            response = await small_office.admin("PUT", "overrides", json=OVERRIDE | {"minutes": minutes})
            assert (response.status_code, error_of(response)["param"]) == (422, "minutes"), minutes

    async def test_numbers_that_are_none(self, small_office: Office) -> None:
        for minutes in NO_NUMBERS:
            body = b'{"user":"noa","kind":"subtitles","minutes":' + minutes + b"}"
            response = await small_office.admin("POST", "grants", content=body)
            assert (response.status_code, error_of(response)["code"]) == (422, "INVALID"), minutes

    async def test_what_is_wrong_is_named(self, small_office: Office) -> None:
        for method, path, body in ROUTES:
            for change, param in SLIPS:
                response = await small_office.admin(method, path, json=body | change)
                assert (response.status_code, error_of(response)["param"]) == (422, param), (path, change)

    async def test_what_is_no_body(self, small_office: Office) -> None:
        await small_office.session("s1")
        for method, path, _ in (*ROUTES, ("POST", "sessions/s1/end", {}), ("DELETE", "overrides", {})):
            for content in NO_BODIES:
                if content or not path.endswith("/end"):  # which needs none
                    response = await small_office.admin(method, path, content=content)
                    assert response.status_code == 422, (path, content[:20])
                    error_of(response)
        assert await small_office.count(audit_log) == 0

    async def test_what_is_too_long_or_no_json(self, small_office: Office) -> None:
        for method, path, body in ROUTES:
            response = await small_office.admin(method, path, json=body | {"reason": "x" * 70_000})
            assert (response.status_code, error_of(response)["code"]) == (413, "BODY_TOO_LARGE")
            response = await small_office.ask(
                method, f"{ADMIN}/{path}", "ada", role=Role.ADMIN, headers={"Content-Type": "text/plain"}
            )
            assert (response.status_code, error_of(response)["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")

    async def test_after_all_of_it_nothing_has_changed(self, small_office: Office) -> None:
        for method, path, body in ROUTES:
            for who in ({"role": Role.CREATOR}, {"role": Role.FAN}):
                response = await small_office.ask(method, f"{ADMIN}/{path}", "noa", json=body, **who)
                assert response.status_code == 403
            await small_office.admin(method, path, json=body | {"extra": 1})
        for table in (audit_log, quota_adjustments, quota_overrides, usage_quotas):
            assert await small_office.count(table) == 0

    async def test_odd_names_and_reasons_are_kept_as_they_are(self, office: Office) -> None:
        user, reason = "=cmd|' /C calc'!A0 🎭 \u202e", "\"',;--\n\t</script>\U0001d518"
        response = await office.admin("POST", "grants", json=GRANT | {"user": user, "reason": reason})
        assert response.status_code == 200
        (entry,) = (await office.admin("GET", "audit")).json()["audit"]
        assert (entry["target"], entry["detail"]["reason"]) == (f"user:{user}", reason)
        assert (await limits(office, user))["hour"] == 2100


async def test_the_audit_log_has_the_words_that_the_documentation_has(small_office: Office) -> None:
    await small_office.session("s1")
    place = {name: OVERRIDE[name] for name in ("user", "kind", "window")}
    for method, path, body in (*ROUTES, ("DELETE", "overrides", place), ("POST", "sessions/s1/end", {})):
        response = await small_office.admin(method, path, json=body)
        assert response.status_code == 200
    entries = (await small_office.admin("GET", "audit")).json()["audit"]
    table = rows(DOCS / "minutes.md", "Action", "Route", "In the audit log")
    assert sorted(entry["action"] for entry in entries) == sorted(code(word) for _, _, word in table)
