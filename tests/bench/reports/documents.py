"""Runs for the tests of reports."""

from typing import Any

from bench.figures import Check, Course, Distribution, Figure, Result
from bench.histogram import Histogram
from bench.reports.document import Document


def histogram(*ms: float) -> Histogram:
    made = Histogram()
    for each in ms:
        made.record(int(each * 1e6))
    return made


def results() -> list[Result]:
    return [
        Figure.of("fanout", "a frame", "us", [3.0, 3.4, 3.2, 3.1, 3.3], [2.5] * 5, goal=1.4),
        Figure("fanout", "CPU <meanwhile>", "% of a core", 12.0, goal=10.0),
        Distribution("fanout", "a caption", histogram(*range(1, 200))),
        Course("fanout", "a caption", "a second", ((0.5, 100.0), (1.5, 120.0), (2.5, 90.0))),
        Course("fanout", "CPU of the server", "% of a core", ((0.5, 10.0), (1.5, 14.0), (2.5, 12.0))),
        Check("fanout", "every frame once", 12_000),
        Figure("hold", "CPU", "% of a core", 1.0, goal=5.0),
    ]


def document(*measured: Result, **changes: Any) -> Document:
    fields: dict[str, Any] = {
        "results": measured or tuple(results()),
        "machine": {"processor": "one", "cores": 2},
        "versions": {"python": "3.11.7"},
        "settings": {"fanout": {"viewers": 1000}},
        "command": "stagedoor bench fanout",
        "target": "a server of the bench's own",
        "began": "2026-11-29 11:00:00Z",
        "seconds": 61.5,
        "load_average": 0.5,
        "failures": {},
    }
    return Document(**(fields | changes))
