"""A topic: every final once and in order to whoever follows, interims only while they are the newest."""

import pytest

from gateway.fanout.topic import Topic
from gateway.wire.frames import text_frame
from sessions.history import CannotResume, History, HistoryLimits
from tests.gateway.rehearsal import Clockwork, PaperWire, read


def frame(text: str) -> bytes:
    return text_frame(f'"{text}"'.encode())


class Stand:
    """A topic with its clock."""

    def __init__(self, limits: HistoryLimits | None = None) -> None:
        self.clock = Clockwork()
        self.topic = Topic(History("epoch", limits or HistoryLimits()), self.clock.loop)

    def follower(self, *, interim: bool = True) -> PaperWire:
        wire = PaperWire()
        self.topic.join(wire, interim=interim)
        return wire

    def final(self, text: str) -> int:
        return self.topic.publish_final(lambda offset: frame(f"{offset} {text}"))


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_finals_are_numbered_from_one_and_reach_everyone(stand: Stand) -> None:
    wires = [stand.follower(), stand.follower(interim=False)]

    assert [stand.final("a"), stand.final("b")] == [1, 2]
    stand.clock.turn()

    for wire in wires:
        assert wire.taken() == ["1 a", "2 b"]
    assert stand.topic.offset == 2


def test_finals_of_one_turn_are_one_write(stand: Stand) -> None:
    wire = stand.follower()
    stand.final("a")
    stand.final("b")
    assert wire.writes == []
    stand.clock.turn()
    assert len(wire.writes) == 1

    stand.final("c")
    stand.clock.turn()
    assert len(wire.writes) == 2


def test_an_interim_goes_only_to_those_who_want_it_and_may_be_left_out_by_the_wire(stand: Stand) -> None:
    eager, calm = stand.follower(), stand.follower(interim=False)
    stand.topic.publish_interim(frame("i"))
    stand.clock.turn()
    assert eager.latest == [frame("i")]
    assert eager.taken() == ["i"]
    assert calm.taken() == []


def test_of_several_interims_in_one_turn_the_newest_is_sent(stand: Stand) -> None:
    wire = stand.follower()
    stand.topic.publish_interim(frame("old"))
    stand.topic.publish_interim(frame("new"))
    stand.clock.turn()
    assert wire.taken() == ["new"]


def test_a_final_makes_the_interim_before_it_stale_but_not_the_one_after_it(stand: Stand) -> None:
    wire = stand.follower()
    stand.topic.publish_interim(frame("stale"))
    stand.final("first")
    stand.clock.turn()
    assert wire.taken() == ["1 first"]
    stand.topic.publish_interim(frame("stale"))
    stand.final("said")
    stand.topic.publish_interim(frame("next"))
    stand.clock.turn()
    assert wire.taken() == ["2 said", "next"]


def test_who_joins_gets_what_comes_after_and_nothing_of_before(stand: Stand) -> None:
    early = stand.follower()
    stand.final("before")
    late = stand.follower()
    stand.final("after")
    stand.clock.turn()
    assert early.taken() == ["1 before", "2 after"]
    assert late.taken() == ["2 after"]


def test_who_leaves_gets_every_final_up_to_then_and_nothing_later(stand: Stand) -> None:
    wire = stand.follower()
    stand.final("before")
    stand.topic.leave(wire)
    stand.final("after")
    stand.clock.turn()
    assert wire.taken() == ["1 before"]
    stand.topic.leave(wire)
    assert len(stand.topic) == 0


def test_what_was_missed_comes_once_and_what_follows_comes_once(stand: Stand) -> None:
    for text in "abc":
        stand.final(text)
    wire = PaperWire()
    wire.write(stand.topic.missed("epoch", 1))
    stand.topic.join(wire, interim=True)
    stand.final("d")
    stand.clock.turn()
    assert wire.taken() == ["2 b", "3 c", "4 d"]


def test_resuming_in_the_turn_of_a_final_neither_loses_nor_doubles_it(stand: Stand) -> None:
    neighbour = stand.follower()
    stand.final("a")
    missed = stand.topic.missed("epoch", 0)
    wire = PaperWire()
    wire.write(missed)
    stand.topic.join(wire, interim=True)
    stand.clock.turn()
    assert wire.taken() == neighbour.taken() == ["1 a"]


@pytest.mark.parametrize(
    ("epoch", "offset", "reason"),
    [
        ("other", 1, "epoch_changed"),
        ("epoch", 9, "unknown_offset"),
        ("epoch", 0, "too_old"),
        ("", 3, "epoch_changed"),
    ],
)
def test_what_cannot_be_resumed_says_why(epoch: str, offset: int, reason: str) -> None:
    stand = Stand(HistoryLimits(entries_max=2))
    for text in "abc":
        stand.final(text)
    with pytest.raises(CannotResume) as caught:
        stand.topic.missed(epoch, offset)
    assert caught.value.reason == reason
    assert read(stand.topic.missed("epoch", 1)) == ["2 b", "3 c"]


def test_an_announcement_keeps_its_place_among_finals_and_is_not_part_of_the_history(stand: Stand) -> None:
    eager, calm = stand.follower(), stand.follower(interim=False)
    stand.final("a")
    stand.topic.announce(frame("state"))
    stand.final("b")
    stand.clock.turn()
    assert eager.taken() == calm.taken() == ["1 a", "state", "2 b"]
    assert read(stand.topic.missed("epoch", 0)) == ["1 a", "2 b"]


def test_it_remembers_when_it_was_last_followed(stand: Stand) -> None:
    wire = stand.follower()
    stand.clock.advance(60)
    stand.topic.leave(wire)
    assert stand.topic.used_at == stand.clock.now
