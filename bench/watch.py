"""CPU and memory of the server's processes while load is on, a look at a time."""

from contextlib import suppress

from bench.figures import Course
from bench.processes import cpu_seconds, descendants, resident_bytes

APART_SECONDS = 0.25
LOOKS_MAX = 2000


class Watch:
    """Looks at a process and all that it has started; with none there is nothing to see."""

    def __init__(self, pid: int | None) -> None:
        self._pid = pid
        self._looks: list[tuple[float, float, float, int]] = []
        """Seconds, CPU seconds of the process, of all its descendants, bytes of all."""
        self._apart_seconds = APART_SECONDS

    def look(self, seconds: float) -> None:
        """Look, unless the last look was a moment ago; the longer it lasts, the longer the moments."""
        if self._pid is None or (self._looks and seconds - self._looks[-1][0] < self._apart_seconds):
            return
        with suppress(OSError):  # the server may have gone: its scenario will say so
            children = descendants(self._pid)
            others = 0.0
            size = resident_bytes(self._pid)
            for child in children:
                with suppress(OSError):
                    others += cpu_seconds(child)
                    size += resident_bytes(child)
            self._looks.append((seconds, cpu_seconds(self._pid), others, size))
        if len(self._looks) >= LOOKS_MAX:
            del self._looks[1::2]
            self._apart_seconds *= 2

    def courses(self, scenario: str) -> list[Course]:
        """Return CPU and memory over time; none if nothing was seen."""
        if len(self._looks) < 2:
            return []
        return [
            Course(scenario, "CPU of the server", "% of a core", self._cpu(1)),
            Course(scenario, "CPU of its workers", "% of a core", self._cpu(2)),
            Course(scenario, "memory of both", "MB", tuple((look[0], look[3] / 1e6) for look in self._looks)),
        ]

    def cpu_percent(self) -> float | None:
        """Return how busy the server itself was on average, in % of a core."""
        if len(self._looks) < 2:
            return None
        first, last = self._looks[0], self._looks[-1]
        return 100 * (last[1] - first[1]) / (last[0] - first[0])

    def memory_bytes(self) -> tuple[int, ...]:
        """Return the memory of all its processes, look by look."""
        return tuple(look[3] for look in self._looks)

    def _cpu(self, field: int) -> tuple[tuple[float, float], ...]:
        pairs = zip(self._looks, self._looks[1:], strict=False)
        return tuple(
            ((a[0] + b[0]) / 2, max(0.0, 100 * (b[field] - a[field]) / (b[0] - a[0]))) for a, b in pairs
        )
