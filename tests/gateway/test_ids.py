"""Names that cannot be guessed."""

import re
from uuid import UUID

from gateway.ids import new_epoch, new_id, new_uuid
from sessions.messages import Resume


def test_ids_are_long_unlike_each_other_and_what_the_protocol_takes() -> None:
    made = [new_id("live") for _ in range(1000)]
    assert len(set(made)) == 1000
    for name in made:
        assert re.fullmatch(r"live_[A-Za-z0-9_-]{16}", name)
        assert Resume(session_id=name).session_id == name


def test_epochs_differ() -> None:
    made = {new_epoch() for _ in range(1000)}
    assert len(made) == 1000
    assert {len(epoch) for epoch in made} == {8}


def test_uuids_are_written_as_databases_give_them_back() -> None:
    made = {new_uuid() for _ in range(1000)}
    assert len(made) == 1000
    assert all(str(UUID(name)) == name for name in made)
