"""POSTs that may be sent twice and happen once."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select, update
from starlette.requests import Request

from gateway import clock
from gateway.http.idempotency import PURGE_SECONDS, key_of
from gateway.stores.idempotency import KEPT_MS, LEASE_MS, IdempotencyBook
from gateway.stores.interface import StoreDown
from gateway.stores.schema import audit_log, idempotency_keys, quota_adjustments
from tests.gateway.http.desk import error_of
from tests.gateway.http.office import Office

GRANT: dict[str, Any] = {"user": "noa", "kind": "subtitles", "minutes": 5}
KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"

NO_KEYS = ["", " ", '""', '"', 'a"b', '"a" "b"', "a b", "a,b", "x" * 129, '"' + "x" * 129 + '"', '"a\\b"',
           "é", '"é"', '"a";p=1', "\x07"]  # fmt: skip


async def grants(office: Office, key: str = KEY, body: Any = None, path: str = "grants", **who: Any) -> Any:
    return await office.admin("POST", path, json=body or GRANT, headers={"Idempotency-Key": key}, **who)


async def age(office: Office, age_ms: int) -> None:
    """Let every key have been taken so much earlier."""
    started_at = idempotency_keys.c.started_at

    def older(connection: Any) -> None:
        for moment in connection.execute(select(started_at)).scalars().all():
            connection.execute(
                update(idempotency_keys).where(started_at == moment).values(started_at=moment - age_ms)
            )

    await office.database.write(older)


class TestOneKey:
    async def test_the_first_answer_is_given_again(self, office: Office) -> None:
        first = await grants(office)
        assert "idempotency-replayed" not in first.headers
        await office.use("noa", 1_000)  # what would be answered now is another thing
        again = await grants(office)
        assert again.headers["idempotency-replayed"] == "true"
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["content-type"] == first.headers["content-type"] == "application/json"
        assert again.headers["cache-control"] == "no-store"
        assert await office.count(audit_log) == 1

    async def test_quoted_and_bare_are_the_same_key(self, office: Office) -> None:
        await grants(office)
        assert (await grants(office, f'"{KEY}"')).headers["idempotency-replayed"] == "true"

    async def test_the_same_body_otherwise_written_is_the_same(self, office: Office) -> None:
        await grants(office)
        body = b' { "minutes":5, "kind" : "subtitles","reason":"", "user":"no\\u0061" } '
        response = await office.admin("POST", "grants", content=body, headers={"Idempotency-Key": KEY})
        assert response.headers["idempotency-replayed"] == "true"

    @pytest.mark.parametrize(
        "change", [{"minutes": 6}, {"user": "dan"}, {"window": "day"}, {"reason": "other"}]
    )
    async def test_another_body_is_refused(self, office: Office, change: dict[str, Any]) -> None:
        await grants(office)
        response = await grants(office, body=GRANT | change)
        body = error_of(response)
        assert (response.status_code, body["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
        assert await office.count(audit_log) == 1

    async def test_other_routes_admins_and_tenants_have_keys_of_their_own(self, office: Office) -> None:
        answers = [
            await grants(office),
            await grants(office, user="abe"),
            await grants(office, tenant="other"),
            await grants(office, path="reset", body={"user": "noa", "kind": "subtitles", "window": "hour"}),
        ]
        assert [response.status_code for response in answers] == [200] * 4
        assert not any("idempotency-replayed" in response.headers for response in answers)
        assert await office.count(audit_log) == 4

    async def test_of_many_at_once_one_acts(self, office: Office) -> None:
        answers = await asyncio.gather(*(grants(office) for _ in range(40)))
        for response in answers:
            if response.status_code == 409:
                body = error_of(response)
                assert body["code"] == "REQUEST_IN_PROGRESS"
                assert response.headers["retry-after"] == str(body["retry_after_seconds"])
            else:
                assert response.status_code == 200
        fresh = [
            r for r in answers if r.status_code == 200 and "idempotency-replayed" not in r.headers
        ]  # fmt: skip
        assert len(fresh) == 1
        assert await office.count(audit_log) == 1
        assert await office.count(quota_adjustments) == 3

    async def test_what_is_refused_before_it_acts_uses_up_no_key(self, office: Office) -> None:
        assert (await grants(office, body=GRANT | {"minutes": 0})).status_code == 422
        response = await grants(office)
        assert (response.status_code, "idempotency-replayed" in response.headers) == (200, False)


class TestTime:
    async def test_an_answer_is_kept_for_a_day_and_its_deed_for_good(self, office: Office) -> None:
        first = await grants(office)
        await age(office, KEPT_MS - 60_000)
        assert (await grants(office)).headers["idempotency-replayed"] == "true"
        await age(office, 120_000)
        late = await grants(office)
        assert "idempotency-replayed" not in late.headers
        assert late.json()["grant_id"] == first.json()["grant_id"]
        assert await office.count(audit_log) == 1

    async def test_after_a_day_the_key_may_be_for_something_else(self, office: Office) -> None:
        await grants(office)
        await age(office, KEPT_MS + 60_000)
        assert (await grants(office, body=GRANT | {"minutes": 6})).status_code == 200
        assert await office.count(audit_log) == 2

    async def test_old_keys_are_purged_once_an_hour(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await grants(office, "old")
        await age(office, KEPT_MS + 60_000)
        await grants(office, "a")
        assert await office.count(idempotency_keys) == 2
        later = clock.steady() + PURGE_SECONDS
        monkeypatch.setattr(clock, "steady", lambda: later)
        await grants(office, "b")
        assert await office.count(idempotency_keys) == 2


class TestCrash:
    async def test_while_the_first_is_at_work_others_wait_and_after_its_lease_they_complete_it(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def lost(*_args: Any) -> None:
            raise SystemError("the process is gone, between the deed and its answer")

        with monkeypatch.context() as patch:
            patch.setattr(IdempotencyBook, "finish", lost)
            assert (await grants(office)).status_code == 500
        assert await office.count(audit_log) == 1
        assert error_of(await grants(office))["code"] == "REQUEST_IN_PROGRESS"
        await age(office, LEASE_MS + 1000)
        response = await grants(office)
        assert (response.status_code, response.json()["ok"]) == (200, True)
        assert "idempotency-replayed" not in response.headers
        assert response.json()["usage"]["subtitles"]["hour"]["limit_seconds"] == 2100
        assert await office.count(audit_log) == 1
        assert (await grants(office)).content == response.content

    async def test_over_the_edge_of_an_hour_it_is_still_one_deed(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def lost(*_args: Any) -> None:
            raise StoreDown("no answer")

        with monkeypatch.context() as patch:
            patch.setattr(IdempotencyBook, "finish", lost)
            assert (await grants(office)).status_code == 503
        office.now_ms += 3_600_000
        await age(office, LEASE_MS + 1000)
        assert (await grants(office)).status_code == 200
        assert await office.count(quota_adjustments) == 3

    async def test_two_who_take_over_at_once_are_one(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def lost(*_args: Any) -> None:
            raise SystemError

        with monkeypatch.context() as patch:
            patch.setattr(IdempotencyBook, "finish", lost)
            await grants(office)
        await age(office, LEASE_MS + 1000)
        answers = await asyncio.gather(*(grants(office) for _ in range(10)))
        assert {response.status_code for response in answers} <= {200, 409}
        assert await office.count(audit_log) == 1

    async def test_a_database_that_was_away_keeps_nobody_waiting(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def down(*_args: Any) -> Any:
            raise StoreDown("PostgreSQL at db.internal:5432 cannot be reached")

        with monkeypatch.context() as patch:
            patch.setattr(office.usage, "of_somebody", down)
            response = await grants(office)
        body = error_of(response)
        assert (response.status_code, body["code"]) == (503, "STORE_UNAVAILABLE")
        assert response.headers["retry-after"] == str(body["retry_after_seconds"])
        assert "db.internal" not in response.text
        response = await grants(office)
        assert response.status_code == 200
        assert response.json()["usage"]["subtitles"]["hour"]["limit_seconds"] == 2100


async def test_a_key_that_is_none(small_office: Office) -> None:
    for key in NO_KEYS:
        headers = [(b"Idempotency-Key", key.encode("latin-1"))]
        response = await small_office.admin("POST", "grants", json=GRANT, headers=headers)
        assert (response.status_code, error_of(response)["param"]) == (422, "Idempotency-Key"), key
    assert await small_office.count(audit_log) == 0


async def test_two_keys_are_none(small_office: Office) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
    response = await small_office.admin("POST", "grants", json=GRANT, headers=headers)
    assert response.status_code == 422


@pytest.mark.parametrize(
    ("header", "key"),
    [('"a b"', "a b"), ('"a\\"b\\\\"', 'a"b\\'), (" k ", "k"), ("a.b_c:d~e+f/g=-", "a.b_c:d~e+f/g=-")],
)  # fmt: skip
def test_a_key_is_what_the_structured_string_says(header: str, key: str) -> None:
    request = Request({"type": "http", "headers": [(b"idempotency-key", header.encode())]})
    assert key_of(request) == key


async def test_a_full_disk_is_told(small_office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_args: Any) -> Any:
        raise StoreDown("The database /var/lib/x cannot grow", disk_full=True)

    monkeypatch.setattr(small_office.database, "write", full)
    response = await small_office.admin(
        "PUT", "overrides", json={"kind": "dubbing", "window": "day", "minutes": 1}
    )
    assert (response.status_code, error_of(response)["code"]) == (507, "DISK_FULL")
    assert "/var/lib" not in response.text
