"""The live API: what is on, and what was said, within one's own tenant."""

from pathlib import Path

import pytest

from gateway.wire.interface import Wire
from media.captions import Caption, Word
from tests.gateway.http.desk import Desk, error_of
from tests.gateway.rehearsal import PaperWire
from tests.house import token

SAID = [
    Caption("the house\nis small", 1.0, 2.5, (Word("the", 1.0, 1.2, 0.9),), "the house is small"),
    Caption("<b>ha</b> --> &", 3.0, 4.0, (), "ha"),
]
IN_SPANISH = [Caption("la casa es pequeña", 1.0, 2.5, (), "the house is small")]


class TestChannels:
    async def test_those_that_are_on_are_listed_with_their_audience(self, desk: Desk) -> None:
        channel = desk.channel("main")
        for lang in ("en", "es", "es"):
            wire: Wire = PaperWire()
            channel.topic(lang, None).join(wire, interim=True)
        channel.topic("fr", None)
        desk.channel("lost", state="paused")
        desk.channel("over", state="ended")
        desk.channel("early", state="waiting")
        body = (await desk.get("/api/v1/live/channels")).json()
        assert [row["channel_id"] for row in body["channels"]] == ["lost", "main"]
        assert body["channels"][1] == {
            "channel_id": "main", "state": "live", "source_lang": "en", "stream_id": "s_1", "viewers": 3,
            "languages": ["en", "es"],
        }  # fmt: skip

    async def test_only_those_of_ones_own_tenant(self, desk: Desk) -> None:
        desk.channel("secret", tenant="other")
        assert (await desk.get("/api/v1/live/channels")).json() == {"channels": []}

    async def test_it_is_for_whoever_has_a_token(self, desk: Desk) -> None:
        assert (await desk.get("/api/v1/live/channels", None)).status_code == 401


class TestTranscripts:
    async def test_as_vtt(self, desk: Desk) -> None:
        desk.channel(en=SAID)
        response = await desk.get("/api/v1/live/main/transcript.vtt")
        assert response.headers["content-type"] == "text/vtt; charset=utf-8"
        assert response.headers["content-disposition"] == 'attachment; filename="main.en.vtt"'
        assert response.headers["cache-control"] == "no-store"
        lines = response.text.splitlines()
        assert lines[:6] == ["WEBVTT", "Language: en", "", "1", "00:00:01.000 --> 00:00:02.500", "the house"]
        assert "&lt;b&gt;ha&lt;/b&gt; --&gt; &amp;" in lines

    async def test_as_srt(self, desk: Desk) -> None:
        desk.channel(en=SAID, es=IN_SPANISH)
        response = await desk.get("/api/v1/live/main/transcript.srt", params={"lang": "es"})
        assert response.headers["content-type"] == "application/x-subrip; charset=utf-8"
        assert response.text.startswith("1\n00:00:01,000 --> 00:00:02,500\nla casa es pequeña\n")

    async def test_as_json_with_words(self, desk: Desk) -> None:
        desk.channel(en=SAID)
        body = (await desk.get("/api/v1/live/main/transcript.json")).json()
        assert body["lang"] == "en"
        assert body["captions"][0] == {
            "text": "the house\nis small", "start": 1.0, "end": 2.5, "source_text": "the house is small",
            "words": [{"word": "the", "start": 1.0, "end": 1.2, "confidence": 0.9}],
        }  # fmt: skip

    async def test_a_stream_in_which_nothing_was_said_yet_has_an_empty_one(self, desk: Desk) -> None:
        desk.channel()
        assert (await desk.get("/api/v1/live/main/transcript.json")).json()["captions"] == []

    @pytest.mark.parametrize("form", ["txt", "VTT", "", "vtt/..", "json.gz"])
    async def test_in_no_other_form(self, desk: Desk, form: str) -> None:
        desk.channel(en=SAID)
        response = await desk.get(f"/api/v1/live/main/transcript.{form}")
        assert response.status_code == 404
        assert error_of(response)["code"] == "NOT_FOUND"

    async def test_a_language_that_nobody_followed_has_none_and_says_which_have(self, desk: Desk) -> None:
        desk.channel(en=SAID, es=IN_SPANISH)
        response = await desk.get('/api/v1/live/main/transcript.vtt?lang=fr"%0d%0aX-Evil: 1')
        assert response.status_code == 404
        body = error_of(response)
        assert (body["code"], body["param"]) == ("NO_TRANSCRIPT", "lang")
        assert "en, es" in body["error"]
        assert "x-evil" not in response.headers

    async def test_unknown_channels_and_those_of_others_look_the_same(self, desk: Desk) -> None:
        desk.channel("theirs", tenant="other", en=SAID)
        desk.gateway.hub.channel(desk.channel("empty").key).stream_id = ""
        bodies = []
        for channel_id in ("theirs", "nothing", "empty"):
            response = await desk.get(f"/api/v1/live/{channel_id}/transcript.vtt")
            assert response.status_code == 404
            body = error_of(response)
            bodies.append({**body, "error": body["error"].replace(channel_id, "x"), "timestamp": ""})
        assert bodies[0] == bodies[1] == bodies[2]
        assert (await desk.client.get(
            "/api/v1/live/theirs/transcript.vtt", headers={"Authorization": f"Bearer {token(tenant='other')}"}
        )).status_code == 200  # fmt: skip

    async def test_a_head_is_answered_like_a_get(self, desk: Desk) -> None:
        desk.channel(en=SAID)
        headers = {"Authorization": f"Bearer {token()}"}
        response = await desk.client.head("/api/v1/live/main/transcript.vtt", headers=headers)
        assert response.status_code == 200


class TestLimit:
    async def test_requests_of_a_user_share_one_limit_over_all_routes(self, tmp_path: Path) -> None:
        async with Desk(tmp_path, live_quota_api_rate_limit=4).open() as desk:
            desk.channel(en=SAID)
            paths = ("channels", "main/transcript.vtt", "nothing/transcript.vtt", "channels", "channels")
            answers = [(await desk.get(f"/api/v1/live/{path}")).status_code for path in paths]
            assert answers == [200, 200, 404, 200, 429]
            assert (await desk.get("/api/v1/live/channels", "noa")).status_code == 200

    async def test_of_110_requests_exactly_100_succeed(self, desk: Desk) -> None:
        answers = [(await desk.get("/api/v1/live/channels")).status_code for _ in range(110)]
        assert answers == [200] * 100 + [429] * 10

    async def test_a_bad_token_counts_towards_nobody(self, tmp_path: Path) -> None:
        async with Desk(tmp_path, live_quota_api_rate_limit=1).open() as desk:
            for _ in range(3):
                headers = {"Authorization": "Bearer nonsense"}
                assert (await desk.get("/api/v1/live/channels", None, headers=headers)).status_code == 401
            assert (await desk.get("/api/v1/live/channels")).status_code == 200
