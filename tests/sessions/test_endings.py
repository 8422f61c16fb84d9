"""The closed list of close codes."""

from sessions.endings import ENDINGS


def test_every_code_is_one_that_an_application_may_send() -> None:
    for code, ending in ENDINGS.items():
        assert code == ending.code
        assert code in {1000, 1002, 1007, 1008, 1009, 1011, 1012, 1013} or 4000 <= code <= 4999
        assert len(ending.reason.encode()) <= 123


def test_names_and_reasons_are_each_used_once() -> None:
    assert len({ending.label for ending in ENDINGS.values()}) == len(ENDINGS)
    assert len({ending.reason for ending in ENDINGS.values()}) == len(ENDINGS)


def test_what_a_client_can_do_nothing_about_by_trying_again_says_so() -> None:
    assert {code for code, ending in ENDINGS.items() if ending.retry} == {1011, 1012, 1013, 4008, 4029}
