"""Viewers who count: a gap, a double, a wrong turn, an error are each noticed."""

import orjson
import pytest

from bench.crowd import LoadFailed
from bench.load.captioners import LAST, Spoken
from bench.load.viewers import Final, Place, Reading, advance


def subtitle(offset: int, text: str = "123 words", *, is_final: bool = True) -> bytes:
    return orjson.dumps({"type": "subtitle", "offset": offset, "is_final": is_final, "text": text})


def place(offset: int = 0) -> Place:
    return Place("live_1", "epoch", offset, offset)


def test_the_next_final_is_the_next_place() -> None:
    seen, reading = place(4), Reading()
    for offset in (5, 6):
        final = reading.final(subtitle(offset))
        assert final is not None
        advance(seen, final, "viewer 1")
    assert (seen.offset, seen.last) == (6, False)


@pytest.mark.parametrize(("offset", "said"), [(6, "missed what is between"), (4, "twice"), (3, "late")])
def test_a_hole_and_a_double_are_noticed(offset: int, said: str) -> None:
    with pytest.raises(LoadFailed, match=f"viewer 1 had final 4 and was sent {offset}.*{said}"):
        advance(place(4), Final(offset, Spoken(1, last=False)), "viewer 1")


def test_the_last_caption_says_so() -> None:
    seen, final = place(), Reading().final(subtitle(1, f"99 {LAST}"))
    assert final is not None
    advance(seen, final, "viewer 1")
    assert final.said.intended_ns == 99
    assert seen.last


def test_only_finals_count() -> None:
    reading = Reading()
    assert reading.final(subtitle(1, is_final=False)) is None
    assert reading.final(b'{"type":"channel","state":"live"}') is None


def test_the_same_bytes_are_read_once() -> None:
    reading = Reading()
    first = reading.final(subtitle(1))
    assert reading.final(subtitle(1)) is first


@pytest.mark.parametrize("kind", ["error", "resync", "gap"])
def test_what_a_viewer_must_not_be_told_fails_the_run(kind: str) -> None:
    with pytest.raises(LoadFailed, match=kind):
        Reading().final(orjson.dumps({"type": kind}))


def test_somebody_elses_captions_are_noticed() -> None:
    with pytest.raises(LoadFailed, match="somebody else publishes"):
        Reading().final(subtitle(1, "good evening"))


def test_who_was_not_let_in_has_no_place() -> None:
    with pytest.raises(LoadFailed, match="RATE_LIMITED"):
        Place.of(b'{"type":"error","code":"RATE_LIMITED"}')


def test_who_comes_back_says_where_they_were() -> None:
    message = place(7).resume_message("token")
    assert message[0] == 0x81  # one text frame
    assert len(message) > 100
