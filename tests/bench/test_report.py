"""What people and machines are shown."""

import io

from rich.console import Console

from bench import report
from bench.figures import Figure

FIGURES = [
    Figure.of("fanout", "a frame", "us", [3.0, 3.4, 3.2], [2.5], goal=1.4),
    Figure.of("idle", "memory", "MB", [241.0], goal=200.0),
    Figure.of("idle", "nothing to hold it to", "ms", [0.5]),
]


def test_the_table_says_values_ratios_and_verdicts() -> None:
    console = Console(width=report.COLUMNS, file=io.StringIO())
    with console.capture() as shown:
        console.print(report.table(FIGURES))
    rows = [" ".join(line.split()) for line in shown.get().splitlines()]

    assert "fanout a frame 3.20 us 3.00..3.40 2.50 us 1.28 <= 1.4 x met" in rows
    assert "idle memory 241 MB <= 200 missed" in rows
    assert "nothing to hold it to 0.50 ms" in rows


def test_the_document_names_the_machine() -> None:
    document = report.document(FIGURES)

    assert [figure["met"] for figure in document["figures"]] == [True, False, None]
    assert document["machine"].keys() == {"processor", "cores", "kernel", "python"}
    assert all(document["machine"].values())
