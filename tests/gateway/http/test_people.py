"""Fans and creators over HTTP: what they choose is kept, what they hide is nowhere, a block shows nothing."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from auth.principal import Role
from gateway.stores.interface import Database
from tests.gateway.http.parlour import Json, Parlour, parlour_on


@pytest.fixture
async def parlour(shared_database: Database) -> AsyncIterator[Parlour]:
    async with parlour_on(shared_database, feature_fan_share_card=True) as parlour:
        yield parlour


def said(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def without_time(response: httpx.Response) -> tuple[int, Json, Json]:
    body = response.json()
    body.pop("timestamp", None)
    return response.status_code, body, dict(response.headers)


class TestFans:
    async def test_the_defaults_are_the_shy_ones(self, parlour: Parlour) -> None:
        assert (await parlour.get("/api/fans/me")).json() == {
            "ok": True, "id": "noa", "fan_privacy_visibility": "private", "fan_allow_dm": "interacted",
            "fan_allow_calls": "interacted", "displayName": "", "avatarUrl": None,
        }  # fmt: skip

    async def test_what_is_changed_stays(self, parlour: Parlour) -> None:
        body = {"fan_privacy_visibility": "public", "fan_allow_dm": "nobody", "fan_allow_calls": "anyone",
                "displayName": " Noa ", "avatarUrl": "https://img.example.com/noa.png"}  # fmt: skip
        changed = (await parlour.ask("PATCH", "/api/fans/me", json=body)).json()
        assert changed == {"ok": True, "id": "noa"} | body | {"displayName": "Noa"}
        assert (await parlour.ask("PATCH", "/api/fans/me", json={})).json() == changed
        less = (
            await parlour.ask("PATCH", "/api/fans/me", json={"displayName": "", "avatarUrl": None})
        ).json()
        assert less == changed | {"displayName": "", "avatarUrl": None}
        assert (await parlour.get("/api/fans/me", "dan")).json()["fan_allow_calls"] == "interacted"

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"fan_allow_calls": "friends"}, "fan_allow_calls"),
            ({"fan_privacy_visibility": "anyone"}, "fan_privacy_visibility"),
            ({"displayName": "x" * 81}, "displayName"),
            ({"displayName": "a\0b"}, "displayName"),
            ({"avatarUrl": "javascript:alert(1)"}, "avatarUrl"),
            ({"avatarUrl": "https://example.com/" + "x" * 500}, "avatarUrl"),
            ({"fanAllowCalls": "anyone"}, "fanAllowCalls"),
            ([], "body"),
        ],
    )
    async def test_what_is_malformed_is_named(self, parlour: Parlour, body: Any, param: str) -> None:
        answer = await parlour.ask("PATCH", "/api/fans/me", json=body)
        assert (said(answer), answer.json()["param"]) == ((422, "INVALID"), param)

    async def test_turned_off(self, shared_database: Database) -> None:
        off: Json = {"feature_fan_privacy": False, "feature_fan_mini_profile": False}
        async with parlour_on(shared_database, **off) as parlour:
            for method, path, user, feature in (
                ("GET", "/api/fans/me", "noa", "FEATURE_FAN_PRIVACY"),
                ("PATCH", "/api/fans/me", "noa", "FEATURE_FAN_PRIVACY"),
                ("GET", "/api/fans/noa/mini-profile", "cleo", "FEATURE_FAN_MINI_PROFILE"),
                ("GET", "/api/creators/me/fans", "cleo", "FEATURE_FAN_MINI_PROFILE"),
                ("GET", "/api/fans/noa/share-card", "dan", "FEATURE_FAN_SHARE_CARD"),
            ):
                answer = await parlour.ask(method, path, user)
                assert (said(answer), answer.json()["feature"]) == ((403, "FEATURE_DISABLED"), feature)


HIDDEN: Json = {
    "displayName": "Noa Hidden", "avatarUrl": "https://img.example.com/hidden.png",
    "fan_allow_dm": "nobody", "fan_allow_calls": "subscribed",
}  # fmt: skip


class TestMiniProfiles:
    async def seen(self, parlour: Parlour, fan: str = "noa", by: str = "cleo") -> Json:
        return dict((await parlour.get(f"/api/fans/{fan}/mini-profile", by)).json())

    @pytest.mark.parametrize(
        ("visibility", "shown"), [("private", False), ("creators", True), ("public", True)]
    )
    async def test_a_fan_lets_creators_see_what_they_choose(
        self, parlour: Parlour, visibility: str, shown: bool
    ) -> None:
        await parlour.ask("PATCH", "/api/fans/me", json=HIDDEN | {"fan_privacy_visibility": visibility})
        await parlour.met(kind="tip")
        seen = await self.seen(parlour)
        assert (seen["canMessage"], seen["canCall"]) == (False, False)
        assert [one["kind"] for one in seen["relationships"]] == ["tip"]
        assert seen["displayName"] == ("Noa Hidden" if shown else None)
        assert (seen["avatarUrl"] is not None) is (seen["joinedAt"] is not None) is shown

    async def test_what_a_creator_may_do_follows_the_policies(self, parlour: Parlour) -> None:
        assert not (await self.seen(parlour))["canCall"]
        await parlour.met()
        seen = await self.seen(parlour)
        assert (seen["canMessage"], seen["canCall"]) == (True, True)
        await parlour.allow("noa", "subscribed")
        assert not (await self.seen(parlour))["canCall"]

    async def test_under_a_block_a_fan_seen_by_creators_is_a_private_one(self, parlour: Parlour) -> None:
        await parlour.ask("PATCH", "/api/fans/me", json=HIDDEN | {"fan_privacy_visibility": "creators"})
        await parlour.ask("PATCH", "/api/fans/me", "dan", json={"fan_allow_calls": "nobody",
                                                               "fan_allow_dm": "nobody"})  # fmt: skip
        for blocker, blocked in (("noa", "cleo"), ("mia", "noa")):
            await parlour.ask("PUT", f"/api/blocks/{blocked}", blocker)
        for creator in ("cleo", "mia"):
            blocked_by = without_time(await parlour.get("/api/fans/noa/mini-profile", creator))
            private = without_time(await parlour.get("/api/fans/dan/mini-profile", creator))
            assert blocked_by[1] == private[1] | {"id": "noa"}
            assert blocked_by[0] == private[0]
            assert blocked_by[2] == private[2]

    async def test_only_creators_look(self, parlour: Parlour) -> None:
        assert said(await parlour.get("/api/fans/noa/mini-profile", "dan")) == (403, "NOT_ALLOWED")

    async def test_nobody_learns_who_is_a_user_here(self, parlour: Parlour) -> None:
        await parlour.get("/api/fans/me")
        seen, unseen = [await self.seen(parlour, fan) for fan in ("noa", "never_seen")]
        assert unseen | {"id": "noa"} == seen
        elsewhere = await parlour.get("/api/fans/noa/mini-profile", "cleo", tenant="other")
        assert elsewhere.json() == seen

    async def test_the_fans_a_creator_knows(self, parlour: Parlour) -> None:
        for fan in ("noa", "dan", "lea"):
            await parlour.met("cleo", fan)
        await parlour.allow("dan", "nobody")
        first = (await parlour.get("/api/creators/me/fans?limit=2", "cleo")).json()
        assert [(fan["id"], fan["canCall"]) for fan in first["fans"]] == [("lea", True), ("dan", False)]
        assert "ok" not in first["fans"][0]
        path = f"/api/creators/me/fans?limit=2&cursor={first['nextCursor']}"
        rest = (await parlour.get(path, "cleo")).json()
        assert ([fan["id"] for fan in rest["fans"]], rest["nextCursor"]) == (["noa"], None)
        assert said(await parlour.get("/api/creators/me/fans?cursor=x", "cleo")) == (422, "INVALID")
        assert said(await parlour.get("/api/creators/me/fans", "noa")) == (403, "NOT_ALLOWED")

    async def test_what_is_hidden_is_nowhere(
        self, parlour: Parlour, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Every route that a creator can ask, every event that they hear, and every line of the log."""
        await parlour.ask("PATCH", "/api/fans/me", json=HIDDEN)
        await parlour.met(kind="subscribe")
        creator, fan = await parlour.device("cleo"), await parlour.device("noa")
        with caplog.at_level(logging.DEBUG):
            call = await parlour.connected()
            told = []
            for method, path in (
                ("GET", "/api/fans/noa/mini-profile"), ("GET", "/api/fans/noa/share-card"),
                ("GET", "/api/creators/me/fans"), ("GET", "/api/creators/me"), ("GET", "/api/calls"),
                ("GET", "/api/calls/active"), ("GET", f"/api/calls/{call['id']}"),
                ("POST", f"/api/calls/{call['id']}/heartbeat"), ("GET", "/api/creators/noa"),
                ("GET", "/api/blocks"), ("GET", "/api/fans/me"), ("POST", f"/api/calls/{call['id']}/end"),
            ):  # fmt: skip
                told.append((await parlour.ask(method, path, "cleo")).text)
            told.append((await parlour.initiate()).text)
            await parlour.ask("PUT", "/api/blocks/cleo", "noa")
            told.append((await parlour.initiate()).text)
            told.append((await parlour.get("/api/fans/noa/mini-profile", "cleo")).text)
        told += [str(emitted) for emitted in creator.emitted]
        told += [str(record.__dict__) for record in caplog.records]
        assert len(creator.emitted) >= 3
        assert fan.emitted
        for text in told:
            for secret in (
                "Noa Hidden",
                "hidden.png",
                "blocked",
                "subscribed",
                '"fundedUntil":"',
                "'fundedUntil'",
            ):
                assert secret not in text, text


class TestShareCards:
    async def test_who_is_public_has_one_for_everybody(self, parlour: Parlour) -> None:
        parlour.tenant = "default"
        await parlour.ask("PATCH", "/api/fans/me", json=HIDDEN | {"fan_privacy_visibility": "public"})
        for card in (
            await parlour.client.get("/api/fans/noa/share-card"),
            await parlour.get("/api/fans/noa/share-card", "dan"),
        ):
            assert card.status_code == 200
            assert card.json()["displayName"] == "Noa Hidden"
            assert card.json().keys() == {"ok", "id", "displayName", "avatarUrl", "joinedAt"}

    async def test_anybody_else_has_none(self, parlour: Parlour) -> None:
        await parlour.ask("PATCH", "/api/fans/me", json=HIDDEN | {"fan_privacy_visibility": "creators"})
        answers = [
            without_time(await parlour.get(f"/api/fans/{fan}/share-card", "cleo")) for fan in ("noa", "x")
        ]
        assert answers[0] == answers[1]
        assert answers[0][:2] == (404, {"ok": False, "code": "NOT_FOUND", "error": "There is no such card"})

    async def test_a_wrong_token_is_no_token(self, parlour: Parlour) -> None:
        headers = {"Authorization": "Bearer x"}
        answer = await parlour.client.get("/api/fans/noa/share-card", headers=headers)
        assert said(answer) == (401, "INVALID_TOKEN")

    async def test_strangers_are_counted_by_address(self, shared_database: Database) -> None:
        limits: Json = {"address_rate_limit": 2, "feature_fan_share_card": True}
        async with parlour_on(shared_database, **limits) as parlour:
            codes = [
                (await parlour.client.get(path)).status_code
                for path in ("/api/fans/x/share-card", "/api/creators/x", "/api/creators/x")
            ]
            assert codes == [404, 404, 429]


class TestCreators:
    async def test_rates_are_exact(self, parlour: Parlour) -> None:
        mine = (await parlour.get("/api/creators/me", "cleo")).json()
        assert (mine["voiceRatePerMinute"], mine["videoRatePerMinute"], mine["earned"]) == (0, 0, 0)
        for rate in (0.000001, 1.5, 1000, 0):
            await parlour.rate("cleo", rate)
            assert (await parlour.get("/api/creators/me", "cleo")).json()["voiceRatePerMinute"] == rate
        body = {"videoRatePerMinute": "2.25", "username": "cleo.live", "displayName": "Cleo"}
        changed = (await parlour.ask("PATCH", "/api/creators/me", "cleo", json=body)).json()
        assert (changed["videoRatePerMinute"], changed["username"]) == (2.25, "cleo.live")
        assert changed["voiceRatePerMinute"] == 0

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"voiceRatePerMinute": -1}, "voiceRatePerMinute"),
            ({"voiceRatePerMinute": 1000.1}, "voiceRatePerMinute"),
            ({"voiceRatePerMinute": 0.0000001}, "voiceRatePerMinute"),
            ({"voiceRatePerMinute": "NaN"}, "voiceRatePerMinute"),
            ({"videoRatePerMinute": "1e999"}, "videoRatePerMinute"),
            ({"username": "Cleo"}, "username"),
            ({"username": "a/b"}, "username"),
            ({"username": ""}, "username"),
            ({"earned": 5}, "earned"),
        ],
    )
    async def test_what_is_malformed_is_named(self, parlour: Parlour, body: Json, param: str) -> None:
        answer = await parlour.ask("PATCH", "/api/creators/me", "cleo", json=body)
        assert (said(answer), answer.json()["param"]) == ((422, "INVALID"), param)

    async def test_a_name_is_taken_once(self, parlour: Parlour) -> None:
        for user, expected in (("cleo", 200), ("cleo", 200), ("mia", 409)):
            answer = await parlour.ask("PATCH", "/api/creators/me", user, json={"username": "star"})
            assert answer.status_code == expected
        assert (said(answer), answer.json()["param"]) == ((409, "USERNAME_TAKEN"), "username")

    async def test_fans_have_no_rates(self, parlour: Parlour) -> None:
        for method in ("GET", "PATCH"):
            assert said(await parlour.ask(method, "/api/creators/me", "noa")) == (403, "NOT_ALLOWED")

    async def test_the_public_page_needs_no_token(self, parlour: Parlour) -> None:
        parlour.tenant = "default"
        await parlour.ask("PATCH", "/api/creators/me", "cleo", json={"username": "cleo.public"})
        public = await parlour.client.get("/api/creators/cleo.public")
        assert public.json()["id"] == "cleo"
        assert public.json().keys() == {
            "ok", "id", "username", "displayName", "avatarUrl", "voiceRatePerMinute", "videoRatePerMinute",
        }  # fmt: skip
        for path in ("/api/creators/nobody", "/api/creators/%00", "/api/creators/" + "x" * 200):
            assert (await parlour.client.get(path)).status_code in (404, 422)
        elsewhere = await parlour.get("/api/creators/cleo.public", tenant="other")
        assert said(elsewhere) == (404, "NOT_FOUND")


class TestRelationships:
    async def test_the_platform_writes_them(self, parlour: Parlour) -> None:
        body = {"creatorId": "cleo", "fanId": "noa", "kind": "subscribe", "at": "2026-01-02T03:04:05+02:00"}
        put = (await parlour.ask("PUT", "/api/relationships", "ada", json=body)).json()
        assert put == {
            "ok": True, "creatorId": "cleo", "fanId": "noa",
            "relationship": {"kind": "subscribe", "firstAt": "2026-01-02T01:04:05.000Z",
                             "lastAt": "2026-01-02T01:04:05.000Z", "endedAt": None},
        }  # fmt: skip
        gone = await parlour.ask("PUT", "/api/relationships", "ada",
                                 json=body | {"ended": True, "at": "2026-02-02T00:00:00Z"})  # fmt: skip
        assert gone.json()["relationship"]["endedAt"] == "2026-02-02T00:00:00.000Z"

    async def test_nobody_else_does(self, parlour: Parlour) -> None:
        body = {"creatorId": "cleo", "fanId": "noa", "kind": "follow"}
        for user in ("cleo", "noa"):
            answer = await parlour.ask("PUT", "/api/relationships", user, json=body)
            assert said(answer) == (403, "NOT_ALLOWED")

    @pytest.mark.parametrize(
        ("changes", "status", "param"),
        [
            ({"kind": "marry"}, 422, "kind"),
            ({"fanId": "cleo"}, 422, "fanId"),
            ({"fanId": "a\0"}, 422, "fanId"),
            ({"at": "yesterday"}, 422, "at"),
            ({"at": "2026-01-02T03:04:05"}, 422, "at"),
            ({"kind": "tip", "ended": True}, 422, "kind"),
            ({"ended": True}, 404, None),
        ],
    )
    async def test_what_cannot_be_is_refused(
        self, parlour: Parlour, changes: Json, status: int, param: str | None
    ) -> None:
        body = {"creatorId": "cleo", "fanId": "noa", "kind": "follow"} | changes
        answer = await parlour.ask("PUT", "/api/relationships", "ada", json=body)
        assert (answer.status_code, answer.json().get("param")) == (status, param)


class TestBlocks:
    async def test_placed_listed_and_taken_back(self, parlour: Parlour) -> None:
        placed = (await parlour.ask("PUT", "/api/blocks/cleo", "noa")).json()
        assert placed["userId"] == "cleo"
        assert (await parlour.ask("PUT", "/api/blocks/cleo", "noa")).json() == placed
        listed = (await parlour.get("/api/blocks")).json()
        assert listed == {
            "ok": True, "blocks": [{"userId": "cleo", "createdAt": placed["createdAt"]}], "nextCursor": None,
        }  # fmt: skip
        assert (await parlour.get("/api/blocks", "cleo")).json()["blocks"] == []
        for _ in range(2):
            removed = await parlour.ask("DELETE", "/api/blocks/cleo", "noa")
            assert removed.json() == {"ok": True, "userId": "cleo"}
        assert (await parlour.get("/api/blocks")).json()["blocks"] == []

    async def test_ones_own_is_not_anothers(self, parlour: Parlour) -> None:
        await parlour.ask("PUT", "/api/blocks/cleo", "noa")
        await parlour.ask("DELETE", "/api/blocks/noa", "cleo")
        await parlour.ask("DELETE", "/api/blocks/cleo", "noa", tenant="other")
        assert len((await parlour.get("/api/blocks")).json()["blocks"]) == 1

    async def test_nobody_blocks_themselves_or_no_name(self, parlour: Parlour) -> None:
        for user in ("noa", "%00", "x" * 129):
            assert said(await parlour.ask("PUT", f"/api/blocks/{user}", "noa")) == (422, "INVALID")

    async def test_it_ends_what_goes_on(self, parlour: Parlour) -> None:
        await parlour.met()
        call = await parlour.connected()
        creator = await parlour.device("cleo")
        await parlour.ask("PUT", "/api/blocks/cleo", "noa")
        (told,) = creator.heard("call:ended")
        assert (told["call"]["id"], told["call"]["endReason"]) == (call["id"], "hung_up")


async def test_roles_are_those_of_the_token(parlour: Parlour) -> None:
    assert (await parlour.get("/api/creators/me", "ada", role=Role.ADMIN)).status_code == 200
