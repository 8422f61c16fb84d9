"""The pages as HTTP: what they say, with which headers, and how their files are kept."""

import re
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from gateway.pages import CannotTell, ChannelRow, CreatorCard, EngineRow, Load, PageContext, page_routes
from gateway.pages.files import FOLDER, StaticFiles
from gateway.pages.languages import direction, language_name
from gateway.pages.views import duration

PAGES = [
    "/",
    "/calls",
    "/creator/alice",
    "/rooms",
    "/rooms/XJ9K2M",
    "/usage",
    "/admin",
    "/studio/hall",
    "/watch/hall",
    "/overlay/hall",
]


def context(*, development: bool = True, pairs: list[tuple[str, str]] | None = None) -> PageContext:
    return PageContext(
        version="9.9.9",
        development=development,
        default_source_lang="en",
        live_channels=lambda: [ChannelRow("hall", "en", {"es": 3, "he": 1}, 61.0)],
        served_pairs=lambda: [("en", "en"), ("en", "he")] if pairs is None else pairs,
        voices=lambda: ["en"],
        engines=lambda: [EngineRow("flite", "synthesizer", available=False, reason="Install <flite>")],
        load=lambda: Load(workers=2, streams=1, viewers=4, uptime_seconds=90_061.0),
        creator=creator,
    )


async def creator(username: str) -> CreatorCard | None:
    if username == "away":
        raise CannotTell
    return CreatorCard("alice", "<Alice>", 0, 2.5) if username == "alice" else None


def client(page_context: PageContext | None = None) -> TestClient:
    return TestClient(Starlette(routes=page_routes(page_context or context())))


def test_the_first_page_says_what_is_on() -> None:
    body = client().get("/").text
    assert '<a href="/watch/hall">hall</a>' in body
    assert ">4</td>" in body
    assert 'lang="he" dir="rtl"' in body
    assert "Install &lt;flite&gt;" in body
    assert "1 d 1 h" in body
    assert "9.9.9" in body
    assert 'data-sign-in="development"' in body


def test_outside_development_it_names_no_channel_and_gives_no_token() -> None:
    body = client(context(development=False)).get("/").text
    assert 'href="/watch/hall"' not in body
    assert 'data-sign-in="token"' in body


def test_without_an_engine_it_says_what_to_do() -> None:
    assert "stagedoor engines" in client(context(pairs=[])).get("/").text


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_no_foreign_and_no_inline_script(path: str) -> None:
    answer = client().get(path)
    assert answer.status_code == 200
    content = dict(
        part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
    )
    assert content["default-src"] == "'none'"
    assert content["script-src"] == content["style-src"] == content["connect-src"] == "'self'"
    assert content["frame-ancestors"] == ("*" if path.startswith("/overlay") else "'none'")
    assert ("x-frame-options" in answer.headers) is (not path.startswith("/overlay"))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["permissions-policy"]
    assert ("microphone=(self)" in policy) is path.startswith(("/studio", "/calls"))
    assert ("camera=(self)" in policy) is (path == "/calls")
    assert re.findall(r"<script(?![^>]*\bsrc=)", answer.text) == []
    assert re.findall(r"\bon[a-z]+=|\bstyle=|javascript:", answer.text) == []
    assert re.findall(r'(?:src|href)="(?:https?:)?//', answer.text) == []


def test_the_page_of_a_creator_is_whole_without_a_script() -> None:
    body = client().get("/creator/alice").text
    assert "&lt;Alice&gt;" in body
    assert "<Alice>" not in body
    assert "2.5 credits a minute" in body
    assert "free of charge" in body


@pytest.mark.parametrize("typed", ["bob", "Alice", "a" * 33, "<script>", ".alice"])
def test_a_name_that_no_creator_has_is_refused_in_words(typed: str) -> None:
    answer = client().get(f"/creator/{typed}")
    assert answer.status_code == 404
    assert "No such creator" in answer.text
    assert "<script>" not in answer.text.replace("<script type", "")


def test_a_creator_who_cannot_be_read_just_now_is_not_said_to_be_none() -> None:
    answer = client().get("/creator/away")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert "Reload the page in a moment" in answer.text


@pytest.mark.parametrize("typed", ["xj9k2m", "XJ9-K2M", " xj9 k2m "])
def test_a_room_has_one_address_however_its_code_is_typed(typed: str) -> None:
    for path, query in (("/rooms", {"code": typed}), (f"/rooms/{typed}", {})):
        answer = client().get(path, params=query, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/rooms/XJ9K2M")


def test_captions_go_along_to_a_room_and_nothing_else_does() -> None:
    asked = client().get("/rooms/xj9k2m?captions=hall&token=secret", follow_redirects=False)
    assert asked.headers["location"] == "/rooms/XJ9K2M?captions=hall"
    asked = client().get("/rooms/xj9k2m?captions=//evil", follow_redirects=False)
    assert asked.headers["location"] == "/rooms/XJ9K2M"


@pytest.mark.parametrize("path", ["", "/xj9k2m", "?code=xj9k2m", "/xj9k2m?captions=hall"])
def test_what_was_called_a_space_is_a_room(path: str) -> None:
    answer = client().get(f"/spaces{path}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (308, f"/rooms{path}")


@pytest.mark.parametrize("typed", ["XO9K2M", "XJ9K2", "XJ9K2MM", "<script>", "a" * 5000, "ßß9K2M"])
def test_what_is_no_room_code_is_refused_in_words(typed: str) -> None:
    answer = client().get("/rooms", params={"code": typed})
    assert answer.status_code == 404
    assert "six letters and digits" in answer.text
    assert "<script>" not in answer.text.replace("<script type", "")


@pytest.mark.parametrize("channel", ["a" * 65, "with space", "<script>", "umläut", "a.b"])
@pytest.mark.parametrize("page", ["studio", "watch", "overlay"])
def test_a_name_that_is_no_channel_is_refused_in_words(page: str, channel: str) -> None:
    answer = client().get(f"/{page}/{channel}")
    assert answer.status_code == 404
    assert "letters, digits" in answer.text
    assert "<script>" not in answer.text.replace("<script type", "")


def test_a_link_may_ask_for_a_language_that_is_served_and_for_no_other() -> None:
    served = client().get("/watch/hall?lang=he").text
    assert re.search(r'<option value="he" lang="he" selected>', served)
    other = client().get('/watch/hall?lang="><b>').text
    assert re.search(r'<option value="en" lang="en" selected>', other)
    assert '"><b>' not in other


def test_every_file_that_a_page_asks_for_is_there_and_kept_for_ever() -> None:
    pages = client()
    for path in PAGES:
        for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', pages.get(path).text):
            answer = pages.get(address)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
            again = pages.get(address, headers={"If-None-Match": answer.headers["etag"]})
            assert again.status_code == 304
            assert again.content == b""


def test_every_import_between_modules_leads_to_a_file() -> None:
    for module in FOLDER.glob("*.js"):
        for name in re.findall(r'(?:from|import\(|URL\() ?"\./([^"]+)"', module.read_text(encoding="utf-8")):
            assert (FOLDER / name).is_file(), f"{module.name} wants {name}"


def test_an_address_of_another_version_is_asked_for_each_time() -> None:
    pages = client()
    for address in ("/static/live.js", "/static/000000000000/live.js"):
        answer = pages.get(address)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("name", ["missing.js", "..%2Froutes.py", "%2e%2e%2fviews.py", "worklet.d.ts"])
def test_nothing_else_is_given_out(name: str) -> None:
    assert client().get(f"/static/{name}").status_code == 404


def test_a_change_in_any_file_changes_the_address_of_all(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("1")
    (tmp_path / "b.js").write_text("2")
    before = StaticFiles(tmp_path).address("a.js")
    (tmp_path / "b.js").write_text("3")
    assert StaticFiles(tmp_path).address("a.js") != before
    with pytest.raises(KeyError):
        StaticFiles(tmp_path).address("c.js")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3900, "1 h 05 min"), (90_061, "1 d 1 h"), (-5, "0 s")],
)
def test_a_length_of_time_is_read_at_a_glance(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_languages_have_their_own_names_and_directions() -> None:
    assert language_name("es-MX") == "español"
    assert language_name("xx") == "xx"
    assert (direction("he"), direction("AR-EG"), direction("en")) == ("rtl", "rtl", "ltr")
