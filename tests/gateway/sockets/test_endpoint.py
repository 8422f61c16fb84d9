"""The way to a live socket: what a URL may ask for, and what is refused before the upgrade."""

from typing import Any, cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.errors import Refused
from gateway.sockets.endpoint import LiveEndpoint, nowhere, parse_request, read_url
from gateway.sockets.gate import CREDENTIAL_NAMES
from gateway.wire.interface import EXTENSION
from media.intake import Intake
from sessions.live import Kind, Request
from tests.gateway.rehearsal import PaperWire, Rehearsal


def refusal(kind: Kind, channel_id: str, **query: str) -> Refused:
    with pytest.raises(Refused) as caught:
        parse_request(kind, channel_id, query)
    return caught.value


class TestTheUrl:
    def test_what_it_asks_for(self) -> None:
        query = {
            "target_lang": "es", "source_lang": "en", "encoding": "webm_opus", "sample_rate": "48000",
            "interim": "0", "dub_encoding": "ogg_opus", "captions": "1",
        }  # fmt: skip
        assert parse_request(Kind.DUBBING, "Main_stage-2", query) == Request(
            "Main_stage-2", Kind.DUBBING, "es", "en", "webm_opus", 48_000, False, "ogg_opus", True
        )

    def test_what_it_need_not_say(self) -> None:
        assert parse_request(Kind.SUBTITLES, "main", {"target_lang": "en"}) == Request(
            "main", Kind.SUBTITLES, "en", "", "pcm_s16le", 16_000, True, "pcm_s16le", False
        )
        assert parse_request(Kind.PUBLISH, "main", {}).target_lang == ""

    @pytest.mark.parametrize("lang", ["en", "EN", "en-US", "en-Latn-GB", "en-aaaa1111"])
    def test_regions_are_left_out_so_that_a_language_is_one_topic(self, lang: str) -> None:
        request = parse_request(Kind.SUBTITLES, "main", {"target_lang": lang, "source_lang": lang})
        assert (request.target_lang, request.source_lang) == ("en", "en")

    @pytest.mark.parametrize("channel_id", ["", "a" * 65, "a b", "a/b", "é", "main\n", "..", "a%20b", "\x00"])
    def test_a_channel_has_a_plain_name(self, channel_id: str) -> None:
        assert refusal(Kind.SUBTITLES, channel_id, target_lang="en").fields == {"param": "channel_id"}

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("target_lang", ""),
            ("target_lang", "e"),
            ("target_lang", "english"),
            ("target_lang", "en_US"),
            ("target_lang", "en-"),
            ("target_lang", "en\n"),
            ("source_lang", "12"),
            ("encoding", "mp3"),
            ("encoding", ""),
            ("sample_rate", "7999"),
            ("sample_rate", "48001"),
            ("sample_rate", "0000080001"),
            ("sample_rate", "-16000"),
            ("sample_rate", "16000.0"),
            ("sample_rate", "١٦٠٠٠"),
            ("sample_rate", "9" * 5000),
            ("sample_rate", ""),
            ("interim", "yes"),
            ("interim", ""),
            ("captions", "2"),
            ("dub_encoding", "webm_opus"),
        ],
    )
    def test_what_it_may_not_ask_for_is_refused_by_name(self, name: str, value: str) -> None:
        refused = refusal(Kind.DUBBING, "main", **{"target_lang": "en", name: value})
        assert (refused.status, refused.code, refused.fields) == (422, "INVALID", {"param": name})
        assert name in str(refused) or name == "target_lang"

    def test_a_viewer_says_which_language(self) -> None:
        assert refusal(Kind.SUBTITLES, "main").fields == {"param": "target_lang"}

    @given(st.dictionaries(st.sampled_from(["sample_rate", "encoding", "target_lang", "interim"]), st.text()))
    def test_whatever_it_asks_for_the_intake_can_do_or_it_is_refused(self, query: dict[str, str]) -> None:
        try:
            request = parse_request(Kind.PUBLISH, "main", query)
        except Refused:
            return
        Intake(request.encoding, request.sample_rate)


class Knock:
    """One upgrade request to an endpoint, and what it answers."""

    def __init__(self, rehearsal: Rehearsal, path_channel: str = "main", query: str = "target_lang=en",
                 address: str = "192.0.2.1", denial: bool = True, **headers: str) -> None:  # fmt: skip
        self.endpoint = LiveEndpoint(Kind.SUBTITLES, rehearsal.stage, rehearsal.settings)
        self.wire = Doormat(address)
        extensions: dict[str, Any] = {EXTENSION: {"wire": self.wire}}
        if denial:
            extensions["websocket.http.response"] = {}
        self.scope = {
            "type": "websocket",
            "path": f"/ws/live/{path_channel}/subtitles",
            "client": (address, 50_000),
            "path_params": {"channel_id": path_channel},
            "query_string": query.encode("latin-1"),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            "extensions": extensions,
        }
        self.sent: list[dict[str, Any]] = []
        self.gone = False

    async def receive(self) -> Any:
        return {"type": "websocket.connect"}

    async def send(self, message: Any) -> None:
        if self.gone:
            raise OSError("the peer has gone")
        self.sent.append(message)

    async def answer(self) -> tuple[int, dict[str, Any]]:
        """Return status (101 for an accepted one) and the error's body."""
        await self.endpoint(cast("Any", self.scope), self.receive, self.send)
        if self.sent[0]["type"] == "websocket.accept":
            return 101, {}
        start, body = self.sent
        assert dict(start["headers"])[b"content-type"] == b"application/json"
        return start["status"], orjson.loads(body["body"])


class Doormat(PaperWire):
    """A wire to which somebody is attached."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.receivers: list[Any] = []

    def attach(self, receiver: Any) -> None:
        self.receivers.append(receiver)


class TestBeforeTheUpgrade:
    async def test_a_good_request_is_accepted_and_waits_for_its_token(self) -> None:
        rehearsal = Rehearsal()
        knock = Knock(rehearsal)
        assert (await knock.answer())[0] == 101
        (receiver,) = knock.wire.receivers
        receiver.receive_text("{}")
        assert knock.wire.close_code == 4001

    @pytest.mark.parametrize("name", sorted(CREDENTIAL_NAMES))
    @pytest.mark.parametrize("spelling", [str.lower, str.upper])
    async def test_no_credential_comes_in_the_url(self, name: str, spelling: Any) -> None:
        status, body = await Knock(Rehearsal(), query=f"target_lang=en&{spelling(name)}=x").answer()
        assert (status, body["code"]) == (401, "TOKEN_IN_URL")

    async def test_not_even_an_empty_one_or_a_hidden_one(self) -> None:
        for query in ("token", "token=", "target_lang=en&%74oken=x"):
            status, _ = await Knock(Rehearsal(), query=query).answer()
            assert status == 401, query

    async def test_a_wrong_url_says_what_is_wrong(self) -> None:
        status, body = await Knock(Rehearsal(), query="target_lang=klingon").answer()
        assert (status, body["code"], body["param"]) == (422, "INVALID", "target_lang")
        assert body["ok"] is False
        assert set(body) == {"ok", "code", "error", "timestamp", "param"}

    async def test_an_address_that_knocks_too_often_is_told_when_to_come_back(self) -> None:
        rehearsal = Rehearsal(address_upgrade_limit=2)
        for _ in range(2):
            assert (await Knock(rehearsal).answer())[0] == 101
        knock = Knock(rehearsal)
        status, body = await knock.answer()
        assert (status, body["code"], body["retry_after_seconds"]) == (429, "RATE_LIMITED", 60)
        assert dict(knock.sent[0]["headers"])[b"retry-after"] == b"60"
        assert (await Knock(rehearsal, address="192.0.2.2").answer())[0] == 101

    async def test_so_is_one_with_too_many_that_show_no_token(self) -> None:
        rehearsal = Rehearsal(address_unauthenticated_max=1)
        first = Knock(rehearsal)
        await first.answer()
        status, body = await Knock(rehearsal).answer()
        assert (status, body["code"]) == (429, "TOO_MANY_CONNECTIONS")
        first.wire.receivers[0].closed(1006)
        assert (await Knock(rehearsal).answer())[0] == 101

    async def test_a_refused_request_takes_no_place(self) -> None:
        rehearsal = Rehearsal(address_unauthenticated_max=1)
        for _ in range(3):
            await Knock(rehearsal, query="").answer()
        assert (await Knock(rehearsal).answer())[0] == 101

    async def test_a_peer_that_goes_before_it_is_accepted_takes_no_place(self) -> None:
        rehearsal = Rehearsal(address_unauthenticated_max=1)
        gone = Knock(rehearsal)
        gone.gone = True
        with pytest.raises(OSError, match="gone"):
            await gone.answer()
        assert (await Knock(rehearsal).answer())[0] == 101

    async def test_where_the_server_cannot_answer_in_http_it_closes(self) -> None:
        knock = Knock(Rehearsal(), query="", denial=False)
        await knock.endpoint(cast("Any", knock.scope), knock.receive, knock.send)
        assert knock.sent == [{"type": "websocket.close", "code": 1008, "reason": "INVALID"}]


class TestOrigins:
    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"origin": "https://evil.example"}, 101),
            ({"origin": "https://evil.example", "cookie": "a=b"}, 403),
            ({"origin": "https://good.example", "cookie": "a=b"}, 101),
            ({"origin": "https://good.example.evil", "cookie": "a=b"}, 403),
            ({"origin": "https://own.example:8443", "host": "own.example:8443", "cookie": "a=b"}, 101),
            ({"origin": "https://own.example", "host": "own.example:8443", "cookie": "a=b"}, 403),
            ({"origin": "null", "cookie": "a=b"}, 403),
            ({"origin": "http://[", "cookie": "a=b"}, 403),
            ({"origin": "", "cookie": "a=b", "host": "own.example"}, 403),
            ({"origin": "", "cookie": "a=b"}, 403),
            ({"cookie": "a=b"}, 101),
        ],
    )
    async def test_a_cookie_comes_only_with_pages_that_are_allowed(self, headers: Any, status: int) -> None:
        rehearsal = Rehearsal(allowed_origins="https://good.example, https://fine.example")
        answer, body = await Knock(rehearsal, **headers).answer()
        assert answer == status
        assert status == 101 or body["code"] == "ORIGIN_NOT_ALLOWED"


class TestNowhere:
    async def test_an_upgrade_of_what_is_no_socket_is_answered_like_any_request(self) -> None:
        knock = Knock(Rehearsal())
        knock.scope["path"] = "/ws/live/main"
        await nowhere(cast("Any", knock.scope), knock.receive, knock.send)
        start, body = knock.sent
        assert start["status"] == 404
        assert orjson.loads(body["body"])["code"] == "NOT_FOUND"


async def test_only_short_urls_are_remembered() -> None:
    rehearsal = Rehearsal(address_upgrade_limit=0, address_unauthenticated_max=0)
    read_url.cache_clear()
    for number in range(20):
        query = f"target_lang=en&x={number}{'y' * 50_000}"
        assert (await Knock(rehearsal, query=query).answer())[0] == 101
        assert (await Knock(rehearsal).answer())[0] == 101
    assert read_url.cache_info().currsize == 1
