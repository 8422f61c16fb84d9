"""One publisher at a time; its own reconnect takes over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.publishing import ChannelBusy, Claimed, Publishing, claim, ended, expire, lost

GRACE_SECONDS = 60.0
LIVE = Publishing("live", "dana", "live_1")


def test_the_first_claim_starts_a_stream() -> None:
    assert claim(Publishing(), "dana", "live_1", 0.0) == (LIVE, Claimed(new_stream=True, superseded=None))


def test_another_user_is_refused_while_the_stream_is_on() -> None:
    with pytest.raises(ChannelBusy):
        claim(LIVE, "eve", "live_2", 0.0)


def test_the_same_user_takes_over_the_stream_and_the_old_connection_goes() -> None:
    state, claimed = claim(LIVE, "dana", "live_2", 0.0)

    assert claimed == Claimed(new_stream=False, superseded="live_1")
    assert lost(state, "live_1", GRACE_SECONDS, 1.0) == state


def test_a_lost_publisher_may_come_back_within_the_grace_time_and_nobody_else() -> None:
    paused = lost(LIVE, "live_1", GRACE_SECONDS, 100.0)
    assert paused.state == "paused"

    with pytest.raises(ChannelBusy):
        claim(paused, "eve", "live_2", 159.9)
    assert claim(paused, "dana", "live_1", 159.9)[1] == Claimed(new_stream=False, superseded=None)


def test_when_the_grace_is_over_the_channel_is_free() -> None:
    paused = lost(LIVE, "live_1", GRACE_SECONDS, 100.0)

    assert expire(paused, 159.9).state == "paused"
    assert expire(paused, 160.0).state == "ended"
    assert claim(paused, "eve", "live_2", 160.0)[1] == Claimed(new_stream=True, superseded=None)


def test_an_ended_channel_is_free() -> None:
    over = ended(LIVE, "live_1")

    assert over.state == "ended"
    assert claim(over, "eve", "live_2", 0.0)[1].new_stream
    assert ended(LIVE, "live_0") == LIVE


EVENTS = st.one_of(
    st.tuples(st.just("claim"), st.sampled_from("ab"), st.sampled_from("123")),
    st.tuples(st.just("lost"), st.sampled_from("123"), st.just("")),
    st.tuples(st.just("ended"), st.sampled_from("123"), st.just("")),
    st.tuples(st.just("wait"), st.sampled_from(["1", "70"]), st.just("")),
)


@given(st.lists(EVENTS, max_size=30))
def test_whatever_happens_a_held_channel_has_one_user(events: list[tuple[str, str, str]]) -> None:
    state, now = Publishing(), 0.0
    for what, first, second in events:
        if what == "wait":
            now += float(first)
        elif what == "lost":
            state = lost(state, first, GRACE_SECONDS, now)
        elif what == "ended":
            state = ended(state, first)
        else:
            before = expire(state, now)
            try:
                state, claimed = claim(state, first, second, now)
            except ChannelBusy:
                assert before.user != first
                continue
            assert (state.state, state.user) == ("live", first)
            assert claimed.new_stream is (before.state not in ("live", "paused"))
