"""Two runs compared, figure by figure: better, worse, or nothing that chance would not have done.

Invariant: nothing is called a difference unless the passes of one run lie apart from those of the other so
far that chance seldom does it (Mann-Whitney), the ratio of their medians is surely not 1 (bootstrap), and it
is large enough to matter. Where a raw loop ran beside the server, what is compared are the ratios to it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from rich import box
from rich.table import Table

from bench.confidence import chance, ratio_range
from bench.figures import Figure, median
from bench.reports.document import Document
from bench.reports.table import number

CHANCE_MAX = 0.05
LEAST = 0.03
"""Smaller differences than 3 % do not matter, however sure they are."""


class Verdict(StrEnum):
    """What two runs say about one figure."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "no difference"
    UNTOLD = "too few passes"


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both runs; `low` and `high` are between what the ratio, after : before, surely lies."""

    before: Figure
    after: Figure
    low: float
    high: float
    chance: float
    verdict: Verdict

    @property
    def ratio(self) -> float | None:
        """After : before."""
        was = median(self.before.sample)
        return median(self.after.sample) / was if was else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All figures that both runs have, and what makes them hard to compare."""

    differences: tuple[Difference, ...]
    doubts: tuple[str, ...]

    def count(self, verdict: Verdict) -> int:
        """Return how many figures have this verdict."""
        return sum(each.verdict is verdict for each in self.differences)


def compare(before: Document, after: Document) -> Comparison:
    """Compare what both have measured."""
    known = {(figure.scenario, figure.name, figure.unit): figure for figure in before.figures}
    differences = tuple(
        difference(known[key], figure)
        for figure in after.figures
        if (key := (figure.scenario, figure.name, figure.unit)) in known
    )
    return Comparison(differences, tuple(_doubts(before, after)))


def difference(before: Figure, after: Figure) -> Difference:
    """Compare one figure. Ratios are compared only if both runs have them."""
    samples = [before.sample, after.sample]
    if bool(before.references) != bool(after.references):
        samples = [figure.values or (figure.value,) for figure in (before, after)]
    was, now = samples
    likely = chance(was, now)
    low, high = ratio_range(was, now)
    return Difference(
        before, after, low, high, likely, _verdict(was, now, likely, (low, high), after.more_is_better)
    )


def _verdict(
    was: tuple[float, ...],
    now: tuple[float, ...],
    likely: float,
    surely: tuple[float, float],
    more_is_better: bool,
) -> Verdict:
    apart = chance([0.0] * len(was), [1.0] * len(now))
    if apart > CHANCE_MAX:  # samples so small that even wholly different ones could be chance
        return Verdict.UNTOLD
    before, after = median(was), median(now)
    small = abs(after - before) < LEAST * abs(before)
    if likely > CHANCE_MAX or small or surely[0] <= 1.0 <= surely[1]:
        return Verdict.SAME
    return Verdict.BETTER if (after > before) is more_is_better else Verdict.WORSE


def _doubts(before: Document, after: Document) -> Iterator[str]:
    if before.machine != after.machine:
        yield "The machines differ: only ratios to the raw loop can be compared."
    if before.target != after.target:
        yield f"One run was against {before.target}, the other against {after.target}."
    for name in sorted(before.settings.keys() & after.settings.keys()):
        if before.settings[name] != after.settings[name]:
            yield f"The settings of {name} differ."
    for name in sorted(before.versions.keys() | after.versions.keys()):
        was, now = before.versions.get(name, "none"), after.versions.get(name, "none")
        if was != now and name != "stagedoor":
            yield f"{name} was {was} and is {now}."
    for name in sorted(set(before.scenarios) ^ set(after.scenarios)):
        yield f"Only one run has {name}."


COLOURS = {Verdict.BETTER: "green", Verdict.WORSE: "red", Verdict.SAME: "dim", Verdict.UNTOLD: "yellow"}


def table(comparison: Comparison) -> Table:
    """Return the table that the terminal shows."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    made.add_column("Scenario")
    made.add_column("What")
    for heading in ("Before", "After", "Ratio", "surely in", "Chance"):
        made.add_column(heading, justify="right")
    made.add_column("")
    scenario = ""
    for each in comparison.differences:
        name = each.after.scenario
        if scenario and name != scenario:
            made.add_section()
        ratio = "" if each.ratio is None else f"{each.ratio:.2f}"
        made.add_row(
            name if name != scenario else "", each.after.name, _value(each.before), _value(each.after), ratio,
            f"{each.low:.2f}..{each.high:.2f}", f"{each.chance:.3f}",
            f"[{COLOURS[each.verdict]}]{each.verdict}[/]",
        )  # fmt: skip
        scenario = name
    return made


def summary(comparison: Comparison) -> str:
    """Return one sentence about all of it."""
    told = [each for each in comparison.differences if each.verdict is not Verdict.UNTOLD]
    counts = ", ".join(f"{comparison.count(verdict)} {verdict}" for verdict in Verdict)
    by_chance = len(told) * CHANCE_MAX
    return (
        f"{counts} (of {len(told)} figures that can be told apart, {by_chance:.0f} or so would be by chance)"
    )


def _value(figure: Figure) -> str:
    beside = "" if figure.ratio is None else f" ({figure.ratio:.2f} x)"
    return f"{number(figure.value)} {figure.unit}{beside}"
