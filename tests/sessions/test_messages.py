"""The messages: what parses, what is refused and how it is said."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions import messages
from sessions.messages import BadMessage, parse


def test_fields_that_say_nothing_are_left_out() -> None:
    assert messages.Pong().encoded() == b'{"type":"pong"}'


def test_a_gap_speaks_the_protocols_words() -> None:
    gap = messages.Gap(from_=1.5, to=2.0, reason="no_worker")

    assert orjson.loads(gap.encoded()) == {"type": "gap", "from": 1.5, "to": 2.0, "reason": "no_worker"}


def test_unknown_fields_are_ignored_so_that_clients_may_be_newer() -> None:
    assert parse('{"type":"ping","id":1,"new":true}') == messages.Ping(type="ping", id=1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "JSON object"),
        ("[1]", "JSON object"),
        ('{"type":"nonsense"}', "Known are: authenticate, caption, end, finalize, ping, set_target"),
        ('{"type":"set_target"}', "target_lang"),
        ('{"type":"caption","text":"a","start":1e9,"end":1,"is_final":true}', "start"),
        ('{"type":"caption","text":"a","start":NaN,"end":1,"is_final":true}', "start"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    with pytest.raises(BadMessage, match=says):
        parse(text)


@given(
    st.text()
    | st.dictionaries(st.text(), st.none() | st.integers(-(2**31), 2**31)).map(
        lambda d: orjson.dumps(d).decode()
    )
)
def test_no_text_does_worse_than_be_refused(text: str) -> None:
    try:
        parse(text)
    except BadMessage as refusal:
        assert str(refusal)  # noqa: PT017
