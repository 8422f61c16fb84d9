"""What the parts of one load process share, and what a part is.

Invariant: a part acts at moments that it has fixed beforehand, never because of an answer.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from random import Random

from auth.principal import Role
from bench.crowd import Crowd
from bench.load.tally import Tally
from bench.target import Target

NEVER_NS = 1 << 62
FRAME_SECONDS = 0.02
FRAME_NS = 20_000_000


@dataclass(slots=True)
class Stage:
    """The connections, the clock (`time.monotonic_ns`, one for all processes of a machine) and the tally."""

    crowd: Crowd
    target: Target
    number: int = 0
    """Of this load process among all."""
    tally: Tally = field(default_factory=Tally)
    random: Random = field(default_factory=Random)
    begin_ns: int = 0
    end_ns: int = 0

    def begin(self, begin_ns: int, measure_ns: int, end_ns: int) -> None:
        """Fix when load begins, when it counts, and when it ends."""
        self.begin_ns, self.end_ns = begin_ns, end_ns
        self.tally.begin(measure_ns, end_ns)

    def user(self, what: str, number: int) -> str:
        """Return what one client's user is called."""
        return f"bench_{self.number}_{what}_{number}"

    def bearer(self, what: str, number: int, role: Role = Role.CREATOR) -> str:
        """Return a token for one client; users and roles differ as far as the credential allows it."""
        return self.target.bearer(self.user(what, number), role)


class Part(ABC):
    """One kind of client, so many of them."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    @abstractmethod
    def prepare(self) -> None:
        """Connect whoever is there from the beginning. Raises LoadFailed."""

    @abstractmethod
    def begin(self) -> None:
        """The moments are fixed now (`stage.begin_ns`)."""

    def due_ns(self) -> int:
        """Return the intended moment of what is to be done next."""
        return NEVER_NS

    def act(self) -> None:
        """Do what is due. Raises LoadFailed."""
        raise NotImplementedError  # only who names a moment is asked

    @abstractmethod
    def settled(self) -> bool:
        """Return whether, after the end, everything awaited has come."""

    @abstractmethod
    def missing(self) -> str:
        """Say what is awaited."""

    @abstractmethod
    def finish(self) -> None:
        """Check and count what only the end can tell. Raises LoadFailed."""


class Arrival:
    """Moments at random, so many a second (a Poisson process), from the beginning of a stage to its end."""

    __slots__ = ("_mean_ns", "_random", "due_ns", "end_ns")

    def __init__(self, stage: Stage, rate: float) -> None:
        self._random = stage.random
        self._mean_ns = 1e9 / rate
        self.end_ns = stage.end_ns
        self.due_ns = stage.begin_ns
        self.next()

    def next(self) -> int:
        """Return the moment that is due, and go on to the next, which is never past the end."""
        due = self.due_ns
        self.due_ns += int(self._random.expovariate(1.0) * self._mean_ns)
        if self.due_ns >= self.end_ns:
            self.due_ns = NEVER_NS
        return due
