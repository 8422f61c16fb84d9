"""A run as a document: written as JSON, read again, compared, shown as a page.

Invariant: what `read` returns is what `Document.as_json` was made of; anything else is refused in a sentence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from bench.figures import Check, Course, Distribution, Figure, Note, Result
from bench.histogram import Histogram

FORMAT = 2
BYTES_MAX = 256 * 1024 * 1024


class NotADocument(ValueError):
    """A file is no run of the bench; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Document:
    """What was measured, where, when, how."""

    results: tuple[Result, ...]
    machine: dict[str, str | int]
    versions: dict[str, str]
    settings: dict[str, dict[str, Any]]
    """Of each scenario."""
    command: str
    target: str
    began: str
    """RFC 3339, UTC."""
    seconds: float
    load_average: float = 0.0
    failures: dict[str, str] = field(default_factory=dict)
    """Scenarios that were not right, and why."""

    @property
    def figures(self) -> list[Figure]:
        """The figures, in order."""
        return [result for result in self.results if isinstance(result, Figure)]

    @property
    def scenarios(self) -> list[str]:
        """The scenarios that have results, in order."""
        return list(dict.fromkeys(result.scenario for result in self.results))

    def of(self, scenario: str) -> list[Result]:
        """Return a scenario's results."""
        return [result for result in self.results if result.scenario == scenario]

    def as_json(self) -> dict[str, Any]:
        """Return everything, for machines."""
        return {
            "format": FORMAT, "command": self.command, "target": self.target, "began": self.began,
            "seconds": self.seconds, "load_average": self.load_average, "machine": self.machine,
            "versions": self.versions, "settings": self.settings, "failures": self.failures,
            "figures": [figure.as_json() for figure in self.figures],
            "distributions": [
                {"scenario": each.scenario, "name": each.name, **each.histogram.as_json()}
                for each in self.results
                if isinstance(each, Distribution)
            ],
            "courses": [
                {"scenario": each.scenario, "name": each.name, "unit": each.unit, "points": each.points}
                for each in self.results
                if isinstance(each, Course)
            ],
            "checks": [
                {"scenario": each.scenario, "what": each.what, "times": each.times}
                for each in self.results
                if isinstance(each, Check)
            ],
            "notes": [
                {"scenario": each.scenario, "text": each.text}
                for each in self.results
                if isinstance(each, Note)
            ],
        }  # fmt: skip


def write(document: Document, path: Path) -> None:
    """Write it as JSON. Raises OSError."""
    path.write_bytes(orjson.dumps(document.as_json(), option=orjson.OPT_INDENT_2))


def read(path: Path) -> Document:
    """Read what `write` has written. Raises NotADocument."""
    try:
        if path.stat().st_size > BYTES_MAX:
            raise NotADocument(f"{path} is larger than {BYTES_MAX} bytes")
        said = orjson.loads(path.read_bytes())
    except OSError as error:
        raise NotADocument(f"{path} cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise NotADocument(f"{path} is no JSON: {error}") from error
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise NotADocument(f"{path} is no run of this version's bench: make one with --json {path}")
    try:
        return _document(said)
    except (KeyError, TypeError, ValueError) as error:
        raise NotADocument(f"{path} is damaged: {error!r}") from error


def _document(said: dict[str, Any]) -> Document:
    return Document(
        tuple(_results(said)), said["machine"], said["versions"], said["settings"], said["command"],
        said["target"], said["began"], said["seconds"], said["load_average"], said["failures"],
    )  # fmt: skip


def _results(said: dict[str, Any]) -> Sequence[Result]:
    found: list[Result] = [Figure.from_json(each) for each in said["figures"]]
    found += [
        Distribution(each["scenario"], each["name"], Histogram.from_json(each))
        for each in said["distributions"]
    ]
    found += [
        Course(each["scenario"], each["name"], each["unit"], _points(each["points"]))
        for each in said["courses"]
    ]
    found += [Check(each["scenario"], each["what"], int(each["times"])) for each in said["checks"]]
    found += [Note(each["scenario"], each["text"]) for each in said["notes"]]
    order = list(dict.fromkeys(result.scenario for result in found))
    return sorted(found, key=lambda result: order.index(result.scenario))


def _points(read: list[list[float]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(at), float(value)) for at, value in read)
