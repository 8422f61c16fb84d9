"""Cursors come back as they went out, and what is none is refused."""

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stores.cursors import MOMENT_MS_MAX, BadCursor, cursor_of, place_of

_texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=128)


@given(st.integers(0, MOMENT_MS_MAX), _texts)
def test_a_place_comes_back(at_ms: int, text: str) -> None:
    cursor = cursor_of(at_ms, text)
    assert place_of(cursor, int, str) == [at_ms, text]
    assert cursor.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=60))
def test_any_other_text_is_refused(text: str) -> None:
    with contextlib.suppress(BadCursor):
        assert [type(value) for value in place_of(text, int, str)] == [int, str]


@pytest.mark.parametrize(
    "place",
    [[], [1], ["a", 1], [1, "a", 1], [True, "a"], [1.0, "a"], [-1, "a"], [MOMENT_MS_MAX + 1, "a"], [1, "\0"],
     [1, None], {"0": 1, "1": "a"}, 7, None, [2**70, "a"]],
)  # fmt: skip
def test_what_is_no_place_of_this_list(place: object) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(place).encode()).decode()
    with pytest.raises(BadCursor):
        place_of(cursor, int, str)


def test_a_very_long_one_is_not_read() -> None:
    with pytest.raises(BadCursor):
        place_of(cursor_of(1, "a" * 2000), int, str)
