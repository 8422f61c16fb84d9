"""Viewers of channels where nobody speaks: they hold their connections, answer pings, and that is all."""

from bench.crowd import LoadFailed, Peer
from bench.load.stage import Part, Stage

CHANNELS = 100


class Listeners(Part):
    """`count` of them."""

    def __init__(self, stage: Stage, count: int) -> None:
        super().__init__(stage)
        self._count = count
        self._peers: list[Peer] = []

    def prepare(self) -> None:
        """Take the seats."""
        paths = [f"/ws/live/bench-quiet-{n % CHANNELS}/subtitles?target_lang=en" for n in range(self._count)]
        self._peers = self.stage.crowd.join(paths, lambda number: self.stage.bearer("listener", number % 16))

    def begin(self) -> None:
        """Listen to nothing."""

    def settled(self) -> bool:
        """Nothing is awaited."""
        return True

    def missing(self) -> str:
        """Nothing is missed."""
        return ""

    def finish(self) -> None:
        """Raise LoadFailed unless all are still there; count them."""
        gone = [peer for peer in self._peers if peer.closed]
        if gone:
            raise LoadFailed(f"{len(gone)} of {self._count} connections were lost ({gone[0].code})")
        self.stage.tally.counts["connections held"] += len(self._peers)
