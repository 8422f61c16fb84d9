"""What processes cost, as Linux counts it, and on which cores they run.

CPU time is read from schedstat in nanoseconds, so it holds whatever else the machine does meanwhile.
"""

import os
from contextlib import suppress
from functools import cache
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that all threads of a process have used; the kernel's work for it is included."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # a thread may end meanwhile
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def memory_bytes(pid: int) -> tuple[int, int]:
    """Return a process's resident memory, and its share of it (shared pages divided among their users)."""
    fields = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if rest.endswith("kB"):
            fields[name] = int(rest.split()[0]) * 1024
    return fields["Rss"], fields["Pss"]


def resident_bytes(pid: int) -> int:
    """Return a process's resident memory, without asking the kernel to walk its page tables."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def descendants(pid: int) -> list[int]:
    """Return the process ids of the children, their children and so on."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def pin(pid: int, cores: frozenset[int]) -> None:
    """Let every thread of a process run on `cores` only."""
    with suppress(OSError):  # it may have ended
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                os.sched_setaffinity(int(task.name), cores)


@cache
def two_sides() -> tuple[frozenset[int], frozenset[int]]:
    """Return the core for what is measured, and those for the load; the same one where there is only one.

    Found out once: whoever asks later may be pinned already.
    """
    cores = sorted(os.sched_getaffinity(0))
    return frozenset(cores[:1]), frozenset(cores[1:] or cores)
