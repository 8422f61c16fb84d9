"""Calls over HTTP: who may call whom and what is said if not, in one order; and a call from ring to end."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from auth.principal import Role
from gateway.stores.interface import Database
from tests.gateway.http.parlour import Json, Parlour, parlour_on

UNKNOWN = "5f0f1f4e-0000-4000-8000-000000000000"
APP_ID, CERTIFICATE = "970CA35de60c44645bbae8a215061b33", "5CFd2fd1755d40ecb72977518be15d3b"


@pytest.fixture
async def parlour(shared_database: Database) -> AsyncIterator[Parlour]:
    async with parlour_on(shared_database) as parlour:
        await parlour.met()
        yield parlour


def said(response: httpx.Response) -> tuple[int, str]:
    """Return status and code of a refusal, which has the one shape."""
    body = response.json()
    assert body["ok"] is False
    assert isinstance(body["error"], str)
    assert body["timestamp"].endswith("Z")
    return response.status_code, body["code"]


class TestInitiating:
    async def test_it_rings(self, parlour: Parlour) -> None:
        phone = await parlour.device("noa")
        answer = await parlour.initiate(device="desk")
        assert answer.status_code == 200
        body = answer.json()
        assert body["ok"] is True
        call = body["call"]
        assert (call["state"], call["version"], call["creatorId"], call["fanId"], call["callType"]) == (
            "RINGING", 1, "cleo", "noa", "voice",
        )  # fmt: skip
        assert call["ratePerMinute"] == call["amount"] == 0
        assert call["connectedAt"] is call["endedAt"] is call["endReason"] is None
        assert 0 < body["remainingMs"] <= 45_000
        assert body["media"] is None
        assert phone.heard("call:incoming")[0]["call"]["id"] == call["id"]

    async def test_only_creators_call(self, parlour: Parlour) -> None:
        assert said(await parlour.initiate("dan", "noa")) == (403, "NOT_ALLOWED")
        assert (await parlour.initiate("cleo", "noa", role=Role.ADMIN)).status_code == 200

    async def test_nobody_calls_without_a_token(self, parlour: Parlour) -> None:
        body = {"fanId": "noa", "callType": "voice"}
        for headers in ({}, {"Authorization": "Bearer x"}):
            answer = await parlour.client.post("/api/calls/initiate", json=body, headers=headers)
            assert said(answer)[0] == 401

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({}, "fanId"),
            ({"fanId": "noa"}, "callType"),
            ({"fanId": "noa", "callType": "fax"}, "callType"),
            ({"fanId": "", "callType": "voice"}, "fanId"),
            ({"fanId": "x" * 129, "callType": "voice"}, "fanId"),
            ({"fanId": "a\0b", "callType": "voice"}, "fanId"),
            ({"fanId": 7, "callType": "voice"}, "fanId"),
            ({"fanId": "noa", "callType": "voice", "deviceId": ""}, "deviceId"),
            ({"fanId": "noa", "callType": "voice", "rate": 0}, "rate"),
        ],
    )
    async def test_what_is_malformed_is_named(self, parlour: Parlour, body: Json, param: str) -> None:
        answer = await parlour.post("/api/calls/initiate", "cleo", json=body)
        assert said(answer) == (422, "INVALID")
        assert answer.json()["param"] == param

    async def test_each_refusal_has_its_status_and_code(self, parlour: Parlour) -> None:
        assert said(await parlour.initiate("cleo", "cleo")) == (422, "INVALID")
        assert said(await parlour.initiate("cleo", "dan")) == (403, "NOT_ALLOWED")
        await parlour.rate("cleo", 1.5)
        assert said(await parlour.initiate()) == (402, "INSUFFICIENT_BALANCE")
        await parlour.rate("cleo", 0)
        call = await parlour.rung()
        await parlour.met("mia", "noa")
        assert said(await parlour.initiate("mia", "noa")) == (409, "USER_BUSY")
        await parlour.met("cleo", "dan")
        busy = await parlour.initiate("cleo", "dan")
        assert (said(busy), busy.json()["who"]) == ((409, "USER_BUSY"), "you")
        await parlour.act(call, "cancel", "cleo")
        cooling = await parlour.initiate()
        assert said(cooling) == (429, "COOLDOWN")
        assert 1 <= cooling.json()["retry_after_seconds"] <= 60
        assert cooling.headers["Retry-After"] == str(cooling.json()["retry_after_seconds"])

    async def test_a_refused_try_does_not_use_up_the_cooldown(self, parlour: Parlour) -> None:
        await parlour.rate("cleo", 1)
        for _ in range(3):
            assert said(await parlour.initiate()) == (402, "INSUFFICIENT_BALANCE")
        await parlour.give("noa", 1)
        await parlour.rung()

    async def test_a_block_answers_as_a_policy_does(self, parlour: Parlour) -> None:
        """By text, code and headers; the work is the same too, which the store sees to."""
        await parlour.allow("dan", "nobody")
        await parlour.ask("PUT", "/api/blocks/cleo", "noa")
        answers = []
        for fan in ("noa", "dan", "never_seen"):
            answer = await parlour.initiate("cleo", fan)
            body = answer.json()
            body.pop("timestamp")
            answers.append((answer.status_code, body, dict(answer.headers)))
        assert answers[0] == answers[1] == answers[2]
        assert answers[0][:2] == (
            403, {"ok": False, "code": "NOT_ALLOWED", "error": "This fan cannot be reached by you"},
        )  # fmt: skip

    async def test_sent_again_with_its_key_it_rings_once(self, parlour: Parlour) -> None:
        headers = {"Idempotency-Key": "call-1"}
        first = await parlour.initiate(headers=headers)
        again = await parlour.initiate(headers=headers)
        assert again.json() == first.json()
        assert again.headers["Idempotency-Replayed"] == "true"
        other = await parlour.initiate("cleo", "dan", headers=headers)
        assert said(other) == (422, "IDEMPOTENCY_KEY_REUSED")

    async def test_a_key_may_be_used_again_after_a_refusal(self, parlour: Parlour) -> None:
        headers = {"Idempotency-Key": "call-1"}
        assert said(await parlour.initiate("cleo", "dan", headers=headers)) == (403, "NOT_ALLOWED")
        await parlour.met("cleo", "dan")
        assert (await parlour.initiate("cleo", "dan", headers=headers)).status_code == 200


class TestHowOften:
    async def test_calls_that_are_off_are_counted_all_the_same(self, shared_database: Database) -> None:
        """The operators' check: twenty at once meet 429, also while calls are off."""
        limits: Json = {"call_user_rate_limit": 10, "call_address_rate_limit": 5, "feature_calls": False}
        async with parlour_on(shared_database, **limits) as parlour:
            answers = [await parlour.initiate() for _ in range(20)]
            codes = [said(answer) for answer in answers]
            assert codes == [(403, "FEATURE_DISABLED")] * 5 + [(429, "RATE_LIMITED")] * 15
            assert answers[0].json()["feature"] == "FEATURE_CALLS"
            assert int(answers[-1].headers["Retry-After"]) == answers[-1].json()["retry_after_seconds"]
            assert '"call_address";q=5;w=60' in answers[0].headers["RateLimit-Policy"]
            # As the operators' curl sends it: without saying that it is JSON.
            typed = await parlour.ask(
                "POST", "/api/calls/initiate", "mia", content='{"fanId":"...","callType":"voice"}',
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                client=parlour.client_at("192.0.2.9"),
            )  # fmt: skip
            assert said(typed) == (403, "FEATURE_DISABLED")

    async def test_five_from_an_address_and_ten_of_a_user(self, shared_database: Database) -> None:
        limits: Json = {"call_user_rate_limit": 10, "call_address_rate_limit": 5, "feature_calls": False}
        async with parlour_on(shared_database, **limits) as parlour:
            seen: Counter[tuple[str, str]] = Counter()
            for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
                client = parlour.client_at(address)
                for _ in range(8):
                    seen[address, said(await parlour.initiate(client=client))[1]] += 1
            assert seen == {
                ("192.0.2.1", "FEATURE_DISABLED"): 5, ("192.0.2.1", "RATE_LIMITED"): 3,
                ("192.0.2.2", "FEATURE_DISABLED"): 5, ("192.0.2.2", "RATE_LIMITED"): 3,
                ("192.0.2.3", "RATE_LIMITED"): 8,
            }  # fmt: skip
            # What the user was refused has used up nothing of the address.
            client = parlour.client_at("192.0.2.3")
            others = [said(await parlour.initiate("mia", client=client))[1] for _ in range(6)]
            assert others == ["FEATURE_DISABLED"] * 5 + ["RATE_LIMITED"]

    async def test_who_may_not_call_at_all_uses_up_nothing(self, shared_database: Database) -> None:
        async with parlour_on(shared_database, call_address_rate_limit=1) as parlour:
            for _ in range(3):
                assert said(await parlour.initiate("dan", "noa")) == (403, "NOT_ALLOWED")
            assert said(await parlour.initiate()) == (403, "NOT_ALLOWED")
            assert said(await parlour.initiate()) == (429, "RATE_LIMITED")

    async def test_accepting_and_ending_go_on_while_calls_are_off(self, shared_database: Database) -> None:
        async with parlour_on(shared_database) as on:
            await on.met()
            call = await on.rung()
            async with parlour_on(shared_database, feature_calls=False) as off:
                off.tenant = on.tenant
                assert said(await off.initiate()) == (403, "FEATURE_DISABLED")
                assert (await off.act(call, "accept", "noa")).status_code == 200
                assert (await off.act(call, "heartbeat", "cleo")).status_code == 200
                assert (await off.get("/api/calls/active")).json()["calls"]
                assert (await off.act(call, "end", "cleo")).json()["call"]["state"] == "ENDED"


class TestAnswering:
    async def test_from_ring_to_end(self, parlour: Parlour) -> None:
        await parlour.rate("cleo", 1.5)
        await parlour.give("noa", 10)
        rung = (await parlour.initiate(device="desk")).json()["call"]
        accepted = (await parlour.act(rung, "accept", "noa", {"deviceId": "phone"})).json()
        assert accepted["call"]["state"] == "ACCEPTED"
        media = accepted["media"]
        assert (media["provider"], media["channel"], media["polite"]) == ("peer", f"call_{rung['id']}", True)
        assert media["iceServers"] == []
        seen = (await parlour.get(f"/api/calls/{rung['id']}?deviceId=desk", "cleo")).json()
        assert seen["media"]["polite"] is False
        assert (await parlour.get(f"/api/calls/{rung['id']}", "cleo")).json()["media"] is None
        for user, device in (("cleo", "desk"), ("noa", "phone")):
            body = {"media": "joined", "deviceId": device}
            answer = (await parlour.act(rung, "heartbeat", user, body)).json()
        assert answer["call"]["state"] == "CONNECTED"
        assert answer["call"]["fundedUntil"] is not None
        assert (await parlour.get("/api/v1/credits/balance")).json()["balance"] == 7.0
        ended = (await parlour.act(rung, "end", "cleo")).json()["call"]
        assert (ended["state"], ended["endReason"], ended["amount"]) == ("ENDED", "hung_up", 1.5)
        assert ended["billedSeconds"] == 60
        again = await parlour.act(rung, "end", "noa")
        assert again.status_code == 200
        assert {**again.json()["call"], "lastMinute": None} == {**ended, "lastMinute": None}
        assert (await parlour.get("/api/v1/credits/balance")).json()["balance"] == 8.5
        assert (await parlour.get("/api/creators/me", "cleo")).json()["earned"] == 1.5

    async def test_the_second_device_is_late(self, parlour: Parlour) -> None:
        call = await parlour.rung()
        first = await parlour.act(call, "accept", "noa", {"deviceId": "phone"})
        late = await parlour.act(call, "accept", "noa", {"deviceId": "tablet"})
        assert said(late) == (409, "ALREADY_ANSWERED")
        assert (late.json()["state"], late.json()["version"]) == ("ACCEPTED", 2)
        retried = await parlour.act(call, "accept", "noa", {"deviceId": "phone"})
        assert retried.status_code == 200
        assert retried.json()["call"] == first.json()["call"]
        assert said(await parlour.act(call, "decline", "noa")) == (409, "ALREADY_ANSWERED")

    async def test_what_is_over_cannot_be_accepted(self, parlour: Parlour) -> None:
        call = await parlour.rung()
        assert (await parlour.act(call, "cancel", "cleo")).json()["call"]["state"] == "CANCELLED"
        assert said(await parlour.act(call, "accept", "noa")) == (409, "CALL_OVER")
        assert (await parlour.act(call, "decline", "noa")).status_code == 200
        assert (await parlour.act(call, "cancel", "cleo")).status_code == 200

    async def test_each_side_does_its_own(self, parlour: Parlour) -> None:
        call = await parlour.rung()
        for name, user in (("accept", "cleo"), ("decline", "cleo"), ("cancel", "noa")):
            assert said(await parlour.act(call, name, user)) == (403, "NOT_ALLOWED"), name

    async def test_policy_block_and_balance_are_asked_again(self, parlour: Parlour) -> None:
        call = await parlour.rung()
        await parlour.allow("noa", "nobody")
        assert said(await parlour.act(call, "accept", "noa")) == (403, "NOT_ALLOWED")
        await parlour.allow("noa", "anyone")
        await parlour.ask("PUT", "/api/blocks/noa", "cleo")
        after = (await parlour.get(f"/api/calls/{call['id']}")).json()["call"]
        assert (after["state"], after["endReason"]) == ("CANCELLED", "cancelled")

    async def test_a_body_is_not_needed_and_a_wrong_one_is_named(self, parlour: Parlour) -> None:
        call = await parlour.rung()
        for name, user in (("cancel", "cleo"), ("heartbeat", "noa"), ("accept", "noa"), ("end", "noa")):
            answer = await parlour.act(call, name, user, {"now": True})
            assert (said(answer), answer.json()["param"]) == ((422, "INVALID"), "now"), name
        assert said(await parlour.act(call, "heartbeat", "noa", {"media": "gone"})) == (422, "INVALID")
        assert (await parlour.get(f"/api/calls/{call['id']}")).json()["call"]["version"] == 1

    async def test_an_admin_ends_any_call_of_the_tenant(self, parlour: Parlour) -> None:
        call = await parlour.connected()
        for user, tenant in (("ada", "other"), ("dan", None)):
            path = f"/api/calls/{call['id']}/end"
            role = Role.ADMIN if user == "ada" else Role.FAN
            assert said(await parlour.post(path, user, role=role, tenant=tenant)) == (404, "NOT_FOUND")
        ended = (await parlour.act(call, "end", "ada")).json()
        assert (ended["call"]["endReason"], ended["media"]) == ("ended_by_admin", None)


class TestAsking:
    async def test_anothers_call_is_as_one_that_never_was(self, parlour: Parlour) -> None:
        call = await parlour.connected()
        for user, tenant in (("dan", None), ("noa", "other"), ("mia", None)):
            for name in ("accept", "decline", "cancel", "end", "heartbeat", ""):
                answers = []
                for call_id in (call["id"], UNKNOWN, "main", "%00", "x" * 300):
                    method = "POST" if name else "GET"
                    path = f"/api/calls/{call_id}" + (f"/{name}" if name else "")
                    answer = await parlour.ask(method, path, user, tenant=tenant)
                    body = answer.json()
                    body.pop("timestamp")
                    answers.append((answer.status_code, body, answer.headers.get("content-length")))
                assert answers == [answers[0]] * 5, name
                assert answers[0][1]["code"] == "NOT_FOUND"
        assert (await parlour.get(f"/api/calls/{call['id']}")).json()["call"]["version"] == call["version"]

    async def test_what_goes_on_is_found_after_a_reload(self, parlour: Parlour) -> None:
        assert (await parlour.get("/api/calls/active")).json() == {"ok": True, "calls": []}
        call = await parlour.connected()
        for user in ("cleo", "noa"):
            (view,) = (await parlour.get("/api/calls/active?deviceId=any", user)).json()["calls"]
            assert view["call"]["id"] == call["id"]
            assert view["media"]["channel"] == f"call_{call['id']}"
        assert (await parlour.get("/api/calls/active", "dan")).json()["calls"] == []

    async def test_history_in_pages(self, parlour: Parlour) -> None:
        made = []
        for fan in ("noa", "dan", "lea"):
            await parlour.met("cleo", fan)
            call = await parlour.rung("cleo", fan)
            made.append((await parlour.act(call, "decline", fan)).json()["call"])
        first = (await parlour.get("/api/calls?limit=2", "cleo")).json()
        assert [call["id"] for call in first["calls"]] == [made[2]["id"], made[1]["id"]]
        rest = (await parlour.get(f"/api/calls?limit=2&cursor={first['nextCursor']}", "cleo")).json()
        assert ([call["id"] for call in rest["calls"]], rest["nextCursor"]) == ([made[0]["id"]], None)
        assert len((await parlour.get("/api/calls")).json()["calls"]) == 1
        assert (await parlour.get("/api/calls", "mia")).json()["calls"] == []
        for query in ("cursor=x", "limit=0", "limit=x"):
            assert said(await parlour.get(f"/api/calls?{query}")) == (422, "INVALID")


class TestTokens:
    @pytest.fixture
    async def agora(self, shared_database: Database) -> AsyncIterator[Parlour]:
        keys = {"agora_app_id": APP_ID, "agora_app_certificate": CERTIFICATE}
        async with parlour_on(shared_database, **keys) as parlour:
            await parlour.met()
            yield parlour

    async def ask(self, parlour: Parlour, user: str, **query: Any) -> httpx.Response:
        return await parlour.get("/api/agora/token", user, params=query)

    async def test_a_member_gets_one_while_the_call_goes_on(self, agora: Parlour) -> None:
        call = await agora.rung()
        channel = f"call_{call['id']}"
        assert said(await self.ask(agora, "noa", channel=channel)) == (409, "CALL_NOT_OPEN")
        media = (await agora.act(call, "accept", "noa")).json()["media"]
        assert (media["provider"], media["appId"], media["iceServers"]) == ("agora", APP_ID, None)
        got = (await self.ask(agora, "noa", channel=channel, uid=media["uid"], role="host")).json()
        assert (got["channel"], got["uid"], got["role"]) == (channel, media["uid"], "host")
        assert got["token"].startswith("007")
        other = (await self.ask(agora, "cleo", channel=channel)).json()
        assert other["uid"] != media["uid"]
        assert said(await self.ask(agora, "noa", channel=channel, uid=other["uid"])) == (403, "NOT_ALLOWED")
        await agora.act(call, "end", "noa")
        assert said(await self.ask(agora, "noa", channel=channel)) == (409, "CALL_NOT_OPEN")

    async def test_nobody_else_does(self, agora: Parlour) -> None:
        call = await agora.connected()
        for user in ("dan", "mia"):
            for channel in (f"call_{call['id']}", f"call_{UNKNOWN}", "test"):
                answer = await self.ask(agora, user, channel=channel)
                assert said(answer) == (404, "NOT_FOUND"), channel

    async def test_an_admin_gets_one_for_any_channel_but_other_tenants_calls(self, agora: Parlour) -> None:
        call = await agora.connected()
        for channel in ("test", f"call_{call['id']}"):
            got = (await self.ask(agora, "ada", channel=channel, uid=123, role="audience")).json()
            assert (got["uid"], got["role"]) == (123, "audience")
        theirs = await agora.get(f"/api/agora/token?channel=call_{call['id']}", "ada", tenant="other")
        assert said(theirs) == (404, "NOT_FOUND")
        assert said(await self.ask(agora, "ada", channel="ümlaut")) == (422, "INVALID")

    @pytest.mark.parametrize(
        "query", [{}, {"channel": ""}, {"channel": "x" * 65}, {"channel": "x", "uid": "-5"},
                  {"channel": "x", "uid": str(2**32)}, {"channel": "x", "role": "owner"}]
    )  # fmt: skip
    async def test_what_is_malformed_is_refused(self, agora: Parlour, query: Json) -> None:
        assert said(await self.ask(agora, "ada", **query)) == (422, "INVALID")

    async def test_membership_is_asked_before_the_keys(self, parlour: Parlour) -> None:
        """Without Agora: a stranger learns nothing of that, a member is told what to do."""
        call = await parlour.connected()
        channel = f"call_{call['id']}"
        assert said(await self.ask(parlour, "dan", channel=channel)) == (404, "NOT_FOUND")
        refused = await self.ask(parlour, "noa", channel=channel)
        assert said(refused) == (409, "AGORA_NOT_CONFIGURED")
        assert "AGORA_APP_ID" in refused.json()["error"]


@pytest.mark.parametrize("times", [pytest.param(20), pytest.param(200, marks=pytest.mark.chaos)])
async def test_two_devices_accept_at_once(parlour: Parlour, times: int) -> None:
    """Through the whole stack: one gets 200 with credentials, the other 409, and hears why."""
    await parlour.allow("noa", "anyone")
    for number in range(times):
        creator = f"creator_{number}"
        rung = await parlour.initiate(creator, role=Role.CREATOR)
        call = rung.json()["call"]
        answers = await asyncio.gather(
            *(parlour.act(call, "accept", "noa", {"deviceId": device}) for device in ("phone", "tablet"))
        )
        won = [answer for answer in answers if answer.status_code == 200]
        lost = [answer for answer in answers if answer.status_code == 409]
        assert (len(won), len(lost)) == (1, 1)
        assert won[0].json()["media"]["channel"] == f"call_{call['id']}"
        await parlour.act(call, "end", "noa")
