"""What figures hold for: the machine and the versions of everything that has a part in them."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("stagedoor", "uvloop", "uvicorn", "starlette", "orjson", "httptools", "python-socketio", "redis")


def machine() -> dict[str, str | int]:
    """Return processor, cores, memory and kernel."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000,
        "kernel": platform.release(),
    }


def versions() -> dict[str, str]:
    """Return those that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def load_average() -> float:
    """Return how many processes wanted a core in the last minute: what else this machine was busy with."""
    return os.getloadavg()[0]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
