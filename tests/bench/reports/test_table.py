"""What the terminal shows."""

import io

from rich.console import Console

from bench.figures import Check, Figure, Result
from bench.reports import table

RESULTS: list[Result] = [
    Figure.of("fanout", "a frame", "us", [3.0, 3.4, 3.2], [2.5], goal=1.4),
    Check("fanout", "every frame once", 12_000),
    Figure.of("idle", "memory", "MB", [241.0], goal=200.0),
    Figure.of("idle", "nothing to hold it to", "ms", [0.5]),
    Figure("captions", "words understood", "%", 96.0, goal=50.0, more_is_better=True),
]


def rows() -> list[str]:
    console = Console(width=table.COLUMNS, file=io.StringIO())
    with console.capture() as shown:
        console.print(table.table(RESULTS))
    return [" ".join(line.split()) for line in shown.get().splitlines()]


def test_it_says_values_ratios_and_verdicts() -> None:
    assert "fanout a frame 3.20 us 3.00..3.40 2.50 us 1.28 <= 1.4 x met" in rows()
    assert "idle memory 241 MB <= 200 missed" in rows()
    assert "nothing to hold it to 0.50 ms" in rows()
    assert "captions words understood 96.0 % >= 50 met" in rows()


def test_it_is_markdown_too() -> None:
    lines = table.markdown(RESULTS).splitlines()

    assert "| `fanout` | a frame | 3.20 us | 3.00..3.40 | 2.50 us | 1.28 | <= 1.4 x |" in lines
    assert "| `idle` | memory | 241 MB | | | | <= 200, missed |" in lines
    assert "| | nothing to hold it to | 0.50 ms | | | | |" in lines
    assert "- `fanout`: every frame once: 12,000" in lines


def test_it_says_what_was_looked_at() -> None:
    assert "every frame once 12,000 right" in rows()
