"""The bench's own process collects garbage as a server does, and afterwards as before."""

import contextlib
import gc

import pytest

from bench.collector import collector_as_in_a_server
from gateway.serving import COLLECT_AFTER


class Broken(Exception):
    """Something went wrong while it was measured."""


@pytest.mark.parametrize("fails", [False, True])
def test_it_is_as_in_a_server_while_something_is_measured_and_then_as_before(*, fails: bool) -> None:
    before = gc.get_threshold()
    with contextlib.suppress(Broken), collector_as_in_a_server():
        assert gc.get_threshold() == COLLECT_AFTER
        assert gc.get_freeze_count() > 0
        if fails:
            raise Broken
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
