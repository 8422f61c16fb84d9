"""What `docs/minutes.md` says of answers and of the audit log is what the server says."""

import re
from pathlib import Path

import orjson
import pytest

from gateway.http.quota_operations import ADMIN, QUOTA_OPERATIONS
from gateway.http.shapes import Check, MyUsage
from tests.docs.markdown import DOCS, blocks, code, rows

PAGE = DOCS / "minutes.md"


@pytest.mark.parametrize("example", [block.text for block in blocks(PAGE, "json minutes")])
def test_an_example_is_an_answer_that_the_server_gives(example: str) -> None:
    given = orjson.loads(example)
    model = MyUsage if "subtitles" in given else Check
    assert model.model_validate(given).model_dump(mode="json") == given


def test_both_answers_have_an_example() -> None:
    assert len(blocks(PAGE, "json minutes")) == 2


def test_every_route_that_changes_something_is_named() -> None:
    table = rows(PAGE, "Action", "Route", "In the audit log")
    routes = {tuple(code(route).split(" ", 1)) for _, route, _ in table}
    changing = {(o.method, o.path.removeprefix(f"{ADMIN}/")) for o in QUOTA_OPERATIONS if o.method != "GET"}
    assert routes == changing


def test_every_list_of_an_admin_is_named() -> None:
    named = set(re.findall(r"^\| `([a-z-]+)", Path(PAGE).read_text(encoding="utf-8"), re.MULTILINE))
    paths = {o.path.removeprefix(f"{ADMIN}/") for o in QUOTA_OPERATIONS if o.path.startswith(ADMIN)}
    assert named == {path for path in paths if "/" not in path} - {"grants", "reset"}
