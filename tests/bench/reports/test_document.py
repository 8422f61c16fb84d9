"""A run that is kept: read as it was written, and anything else refused."""

from pathlib import Path

import orjson
import pytest

from bench.figures import Distribution
from bench.reports.document import NotADocument, read, write
from bench.reports.machine import machine, versions
from tests.bench.reports.documents import document


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    kept = document(failures={"soak": "it grew"})
    write(kept, tmp_path / "run.json")
    found = read(tmp_path / "run.json")

    assert found.as_json() == kept.as_json()
    assert found.scenarios == ["fanout", "hold"]
    (distribution,) = (each for each in found.of("fanout") if isinstance(each, Distribution))
    assert distribution.ms(0.5) == pytest.approx(100, rel=0.01)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no JSON"),
        (b"[]", "is no run of this version"),
        (b'{"format": 1}', "is no run of this version"),
        (b'{"format": 2}', "is damaged"),
    ],
)
def test_another_file_is_refused_in_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(NotADocument, match=said):
        read(tmp_path / "run.json")


def test_a_damaged_one_is_refused(tmp_path: Path) -> None:
    kept = document().as_json()
    kept["figures"][0]["value"] = "fast"
    (tmp_path / "run.json").write_bytes(orjson.dumps(kept))
    with pytest.raises(NotADocument, match="is damaged"):
        read(tmp_path / "run.json")


def test_the_machine_and_its_versions_are_named() -> None:
    assert machine().keys() == {"processor", "cores", "memory_mb", "kernel"}
    assert all(machine().values())
    assert {"python", "stagedoor", "uvloop"} <= versions().keys()
