"""Pairs who call each other on a real server: what gets lost, doubled or astray on the way is noticed."""

from collections.abc import Callable, Iterator
from itertools import count
from random import Random
from time import monotonic_ns

import pytest

from bench.crowd import Crowd, LoadFailed, Peer
from bench.load import __main__ as load
from bench.load import calls as module
from bench.load.calls import Calls
from bench.load.stage import Stage
from bench.load.tally import Total
from bench.scenarios.calls import SETTINGS
from bench.servers import Server

SECOND = 1_000_000_000
TALK_SECONDS = 0.05
NUMBERS = count()
"""Of load processes: the users of each are others."""
Heard = Callable[[str, Peer, bytes], None]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(**SETTINGS) as running:
        yield running


@pytest.fixture
def crowd(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crowd]:
    monkeypatch.setattr(load, "tell", lambda **_: None)
    with Crowd(server.target) as made:
        yield made


def calling(crowd: Crowd, server: Server, pairs: int = 2, rate: float = 40) -> Calls:
    """A part whose pairs are ready, and that begins now."""
    stage = Stage(crowd, server.target, next(NUMBERS), random=Random(1))
    part = Calls(stage, pairs, rate, TALK_SECONDS)
    part.prepare()
    now_ns = monotonic_ns()
    stage.begin(now_ns, now_ns, now_ns + SECOND // 2)
    part.begin()
    return part


def tampered(part: Calls, tamper: Callable[[Heard, str, Peer, bytes], None]) -> None:
    """Have everything that a device of the part is sent pass through `tamper`."""
    heard = part._hear
    part._hear = lambda side, peer, payload: tamper(heard, side, peer, payload)  # type: ignore[method-assign]


def test_more_calls_than_pairs_wait_and_none_is_lost(server: Server, crowd: Crowd) -> None:
    part = calling(crowd, server, pairs=1)
    load.play(part.stage, [part])
    part.finish()

    counts = part.stage.tally.counts
    assert counts["calls"] > 2
    assert counts["calls that waited"] > 0
    assert counts["calls listed"] == 2 * counts["calls"]
    assert counts["users"] == 2

    total = Total(0.5)
    total.add(part.stage.tally.as_json())
    assert total.whole("ring").count == total.whole("connect").count == counts["calls"]
    # The last has waited for every talk before it, but for what of them was over when its moment came.
    assert total.whole("ring").percentile(1.0) >= ((counts["calls"] - 1) * TALK_SECONDS - 0.5) * SECOND


def test_who_talks_for_long_shows_that_they_are_there(
    server: Server, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEAT_NS", SECOND // 100)
    beats: list[str] = []

    def counted(heard: Heard, side: str, peer: Peer, payload: bytes) -> None:
        if payload.startswith(module.BEAT_ANSWER):
            beats.append(side)
        heard(side, peer, payload)

    part = calling(crowd, server)
    tampered(part, counted)
    load.play(part.stage, [part])
    part.finish()
    calls = part.stage.tally.counts["calls"]
    # Four in 50 ms from each side, and one with which the creator asks what to join with.
    assert (beats.count("fan"), beats.count("creator")) == (4 * calls, 5 * calls)


def test_a_call_that_would_outlast_the_load_is_refused(server: Server, crowd: Crowd) -> None:
    with pytest.raises(LoadFailed, match="talk_seconds is 25 at most, not 26"):
        Calls(Stage(crowd, server.target), pairs=1, rate=1, talk_seconds=26)


def test_pairs_that_do_not_suffice_end_the_load(
    server: Server, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 1)
    part = calling(crowd, server, pairs=1, rate=400)
    with pytest.raises(LoadFailed, match="use more pairs or a lower rate"):
        load.play(part.stage, [part])


def test_a_call_that_rings_twice_is_noticed(server: Server, crowd: Crowd) -> None:
    def twice(heard: Heard, side: str, peer: Peer, payload: bytes) -> None:
        for _ in range(2 if b'"call:incoming"' in payload else 1):
            heard(side, peer, payload)

    part = calling(crowd, server)
    tampered(part, twice)
    with pytest.raises(LoadFailed, match=r"told call:incoming .*, when it was the turn of call:connected"):
        load.play(part.stage, [part])


def test_a_call_that_rings_at_another_fan_is_noticed(server: Server, crowd: Crowd) -> None:
    def astray(heard: Heard, side: str, peer: Peer, payload: bytes) -> None:
        if b'"call:incoming"' in payload:
            peer = part._peers["fan"][1 - peer.index]
        heard(side, peer, payload)

    part = calling(crowd, server)
    tampered(part, astray)
    with pytest.raises(LoadFailed, match=r"call:incoming .* while there was no call|was shown {.*creatorId"):
        load.play(part.stage, [part])


@pytest.mark.parametrize("event", ["call:incoming", "call:connected", "call:ended"])
def test_a_call_that_does_not_go_on_is_noticed(
    server: Server, crowd: Crowd, event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "DRAIN_SECONDS", 1.0)

    def lost(heard: Heard, side: str, peer: Peer, payload: bytes) -> None:
        if side != "fan" or event.encode() not in payload:
            heard(side, peer, payload)

    part = calling(crowd, server)
    tampered(part, lost)
    with pytest.raises(LoadFailed, match=r"2 calls are not over; in \S+ the creator was told .* never began"):
        load.play(part.stage, [part])


def test_a_device_that_loses_the_connection_is_noticed(server: Server, crowd: Crowd) -> None:
    part = calling(crowd, server)
    crowd.drop(part._peers["creator"][1])
    with pytest.raises(LoadFailed, match="the server ended a device"):
        load.play(part.stage, [part])


def test_the_books_have_to_hold_the_same_calls(server: Server, crowd: Crowd) -> None:
    part = calling(crowd, server, pairs=1)
    load.play(part.stage, [part])
    (pair,) = part._pairs

    listed = [*pair.calls]
    pair.calls[0] = "one that the server does not know"
    with pytest.raises(LoadFailed, match=r"the server lists .*, or others"):
        part.finish()
    pair.calls = [*reversed(listed)]
    with pytest.raises(LoadFailed, match=r"the server lists .*, or others"):
        part.finish()
    pair.calls = listed[:-1]
    with pytest.raises(LoadFailed, match=r"has paid .* has earned"):
        part.finish()


def test_somebody_who_is_left_busy_is_noticed(server: Server, crowd: Crowd) -> None:
    part = calling(crowd, server, pairs=1)
    (pair,) = part._pairs
    part.act()
    crowd.until(lambda: pair.going.id != "" and pair.going.unanswered == 0 and bool(part._deeds), 10)
    with pytest.raises(LoadFailed, match="is still in a call after the last one"):
        part.finish()
