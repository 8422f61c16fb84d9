"""Which parts there are, by the names that jobs call them."""

from typing import Any

from bench.load.arrivals import Arrivals
from bench.load.calls import Calls
from bench.load.captioners import Captioners
from bench.load.churners import Churners
from bench.load.listeners import Listeners
from bench.load.speakers import Speakers
from bench.load.stage import Part, Stage
from bench.load.talks import Talks
from bench.load.viewers import Viewers

PARTS: dict[str, type[Part]] = {
    "arrivals": Arrivals,
    "calls": Calls,
    "captioners": Captioners,
    "churners": Churners,
    "listeners": Listeners,
    "speakers": Speakers,
    "talks": Talks,
    "viewers": Viewers,
}


def part_of(stage: Stage, name: str, what: dict[str, Any]) -> Part:
    """Return the part of this name; `what` are its own arguments."""
    return PARTS[name](stage, **what)
