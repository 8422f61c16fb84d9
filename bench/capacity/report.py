"""Fleets as a table: what carries each crowd, where the next bottleneck lies, and what its viewers wait."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from bench.capacity.model import Costs, Crowd, Fleet, Machine, fleet
from bench.capacity.simulation import Simulated, simulate
from bench.reports.table import number

SEED = 20_261_129


def planned(
    costs: Costs, crowds: Sequence[Crowd], machine: Machine, seconds: float
) -> list[tuple[Crowd, Fleet, Simulated]]:
    """Return the fleet of each crowd, and one process of it played. Raises ValueError if there is none."""
    plans = []
    for crowd in crowds:
        found = fleet(costs, crowd, machine)
        plans.append((crowd, found, simulate(costs, crowd, found, seconds, SEED)))
    return plans


def table(plans: Sequence[tuple[Crowd, Fleet, Simulated]]) -> Table:
    """Return the table that the terminal shows."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("Viewers", "Channels", "Processes", "Machines", "Redis", "CPU", "p50", "p99"):
        made.add_column(heading, justify="right")
    made.add_column("Bottleneck")
    made.add_column("Next")
    for crowd, found, played in plans:
        made.add_row(
            f"{crowd.viewers:,}", f"{max(1, crowd.viewers // crowd.channel_viewers):,}",
            f"{found.processes:,}", f"{found.machines:,}", str(found.redis), f"{100 * played.used:.0f} %",
            f"{number(played.delays.percentile(0.5) / 1e6)} ms",
            f"{number(played.delays.percentile(0.99) / 1e6)} ms",
            _named(found, found.bottleneck), _named(found, found.next_bottleneck),
        )  # fmt: skip
    return made


def _named(found: Fleet, bound: str) -> str:
    return f"{bound} ({100 * found.loads[bound]:.0f} %)"
