"""What a pair is told of a call: what comes twice, out of turn, or is another's, is noticed each time."""

from typing import Any

import pytest

from bench.crowd import LoadFailed
from bench.load.pairs import CHARGED, RATE_PER_MINUTE, Pair

STATES = ["RINGING", "ACCEPTED", "CONNECTED", "ENDED"]
ORDER = [
    ("fan", "call:incoming"), ("creator", "call:accepted"), ("fan", "call:connected"),
    ("creator", "call:connected"), ("creator", "call:ended"), ("fan", "call:ended"),
]  # fmt: skip
STATE_OF = dict(zip(("call:incoming", "call:accepted", "call:connected", "call:ended"), STATES, strict=True))


def call(state: str = "RINGING", **changes: Any) -> dict[str, Any]:
    told = {
        "id": "c1", "state": state, "version": STATES.index(state) + 1, "creatorId": "cleo", "fanId": "noa",
        "ratePerMinute": RATE_PER_MINUTE,
    }  # fmt: skip
    return told | (CHARGED if state == "ENDED" else {}) | changes


def pair(events: int = 0) -> Pair:
    """A pair that was told so many of the events of a call, and asked nothing that is not answered."""
    subject = Pair(0, "cleo", "noa")
    subject.begin(0)
    for side, event in ORDER[:events]:
        subject.hear(side, event, call(STATE_OF[event]))
    return subject


def test_a_call_goes_from_the_ring_to_the_end() -> None:
    subject = pair()
    both = [subject.hear(side, event, call(STATE_OF[event])) for side, event in ORDER]

    assert both == [False, False, False, True, False, True]
    assert subject.over()
    assert (subject.calls, subject.ongoing) == (["c1"], None)


def test_a_call_is_not_over_before_both_know_and_all_is_answered() -> None:
    assert not pair(5).over()
    subject = pair(6)
    subject.going.unanswered = 1
    assert not subject.over()


@pytest.mark.parametrize("number", range(len(ORDER)))
def test_what_comes_twice_is_noticed(number: int) -> None:
    side, event = ORDER[number]
    subject = pair(number + 1)
    with pytest.raises(LoadFailed, match=f"was told {event} of c1, when it was the turn of"):
        subject.hear(side, event, call(STATE_OF[event]))


def test_what_is_left_out_is_noticed() -> None:
    with pytest.raises(LoadFailed, match="when it was the turn of call:accepted"):
        pair(1).hear("creator", "call:connected", call("CONNECTED"))


def test_a_ring_that_nobody_intended_is_noticed() -> None:
    with pytest.raises(LoadFailed, match="noa was told call:incoming of c1 while there was no call"):
        Pair(0, "cleo", "noa").hear("fan", "call:incoming", call())


def test_the_end_that_comes_once_more_afterwards_is_noticed() -> None:
    subject = pair(6)
    subject.over()
    with pytest.raises(LoadFailed, match="while there was no call"):
        subject.hear("fan", "call:ended", call("ENDED"))
    with pytest.raises(LoadFailed, match="answered while there was no call"):
        subject.join("fan", None)


@pytest.mark.parametrize("field", ["creatorId", "fanId", "state", "ratePerMinute"])
def test_somebody_elses_call_is_noticed(field: str) -> None:
    with pytest.raises(LoadFailed, match=field):
        pair().hear("fan", "call:incoming", call() | {field: "another"})


def test_another_call_of_the_same_two_is_noticed() -> None:
    with pytest.raises(LoadFailed, match=r"cleo was shown {'id': 'c2'}"):
        pair(1).hear("creator", "call:accepted", call("ACCEPTED", id="c2"))


def test_an_older_version_is_noticed() -> None:
    with pytest.raises(LoadFailed, match="version 1 after 1"):
        pair(1).hear("fan", "call:connected", call("CONNECTED", version=1))


@pytest.mark.parametrize(
    "changes", [{"endReason": "connection_lost"}, {"amount": 0}, {"amount": 12}, {"billedSeconds": 120}]
)
def test_another_end_or_price_is_noticed(changes: dict[str, Any]) -> None:
    with pytest.raises(LoadFailed, match=next(iter(changes))):
        pair(4).hear("fan", "call:ended", call("ENDED", **changes))


def test_sides_that_are_told_different_things_are_noticed() -> None:
    subject = pair(5)
    with pytest.raises(LoadFailed, match="endedAt"):
        subject.hear("fan", "call:ended", call("ENDED", endedAt="2026-11-29T10:00:00.000Z"))


def media(uid: int = 1, **changes: Any) -> dict[str, Any]:
    return {"provider": "peer", "channel": "call_c1", "uid": uid, "polite": uid == 1} | changes


def test_both_are_given_what_they_join_with() -> None:
    subject = pair(2)
    subject.join("fan", media(1))
    subject.join("creator", media(2))
    assert len(subject.going.media) == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "nothing to join c1 with"),
        (media(2, channel="call_c2"), "call_c2"),
        (media(2, provider="agora"), "agora"),
        (media(1, polite=False), "the same"),
        (media(2, polite=True), "the same"),
    ],
)
def test_what_does_not_lead_into_the_same_call_is_noticed(given: dict[str, Any] | None, said: str) -> None:
    subject = pair(2)
    subject.join("fan", media(1))
    with pytest.raises(LoadFailed, match=said):
        subject.join("creator", given)


def test_how_far_a_call_has_come_can_be_said() -> None:
    assert pair(2).going.standing == (
        "the creator was told ['ACCEPTED'], the fan was told ['RINGING'], 0 requests are unanswered"
    )
