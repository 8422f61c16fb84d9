"""How a poll is made: what it must have, and the names on its ballots."""

from typing import Any

import pytest

from sessions.poll_records import BadPoll, PollWanted, Results, Visibility, create, voter_of
from sessions.texts import TextRefused
from tests.sessions.test_polls import DAY, START, USERS, draft, wanted


class TestWanted:
    @pytest.mark.parametrize(
        ("changes", "param"),
        [
            ({"options": ()}, "options"),
            ({"options": ("Yes",)}, "options"),
            ({"options": tuple("abcdefghijk")}, "options"),
            ({"options": ("Yes", "Yes")}, "options"),
            ({"options": ("Yes", " Yes ")}, "options"),
            ({"options": ("Not  now", "Not now")}, "options"),
            ({"open_ms": 4_999}, "closes_in_seconds"),
            ({"open_ms": 0}, "closes_in_seconds"),
            ({"open_ms": -1}, "closes_in_seconds"),
            ({"open_ms": 7 * DAY + 1}, "closes_in_seconds"),
        ],
    )
    def test_what_is_no_poll_is_refused(self, changes: dict[str, Any], param: str) -> None:
        with pytest.raises(BadPoll) as refusal:
            draft(**changes)
        assert refusal.value.param == param

    @pytest.mark.parametrize(
        ("changes", "param", "fault"),
        [
            ({"question": ""}, "question", "empty"),
            ({"question": "x" * 301}, "question", "too_long"),
            ({"question": "a\0"}, "question", "not_text"),
            ({"options": ("Yes", " ")}, "options", "empty"),
            ({"options": ("Yes", "x" * 101)}, "options", "too_long"),
            ({"options": ("Yes", "\ud800")}, "options", "not_text"),
        ],
    )
    def test_its_texts_can_be_read_and_stored(self, changes: dict[str, Any], param: str, fault: str) -> None:
        with pytest.raises(TextRefused) as refusal:
            draft(**changes)
        assert (refusal.value.param, refusal.value.fault) == (param, fault)

    def test_two_to_ten_options_with_a_name_each(self) -> None:
        assert draft(options=("Yes", "yes")).option_ids == ("1", "2")
        assert draft(options=tuple("abcdefghij")).option_ids == tuple(map(str, range(1, 11)))
        assert draft(open_ms=5_000).wanted.open_ms == 5_000

    def test_without_a_word_votes_can_be_changed_and_results_are_seen(self) -> None:
        plain = PollWanted("Lunch?", ("Yes", "No"))
        assert (plain.multiple, plain.allow_change, plain.open_ms) == (False, True, None)
        assert (plain.visibility, plain.results) == (Visibility.HIDDEN, Results.ALWAYS)


class TestNames:
    def test_other_polls_have_no_key_and_an_anonymous_one_must(self) -> None:
        assert draft().key == b""
        anonymous = wanted(visibility=Visibility.ANONYMOUS)
        with pytest.raises(AssertionError):
            create(anonymous, poll_id="p", room_id="r", author="olga", key=b"short", now_ms=START)

    def test_the_ballots_of_an_anonymous_poll_bear_names_of_their_own(self) -> None:
        poll = draft(visibility=Visibility.ANONYMOUS)
        names = {voter_of(poll, user) for user in USERS}
        assert len(names) == len(USERS)
        assert not names & {*USERS, None}
        assert [voter_of(draft(), user) for user in USERS] == list(USERS)
