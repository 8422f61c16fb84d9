"""A real worker process with fake engines: `python -m tests.gateway.workers.child DATA_DIR [KIND]`."""

import asyncio
import sys
from pathlib import Path

from media import link
from media.places import Engines
from media.worker import run
from tests.gateway.workers import fakes

KINDS = {"poisoned": fakes.Poisoned, "deaf": fakes.Deaf, "stuck": fakes.Stuck}


def main(data_dir: str, kind: str = "poisoned", streams_max: str = "4") -> None:
    async def load() -> Engines:
        return fakes.FakeEngines(KINDS[kind])

    asyncio.run(run(Path(data_dir) / link.SOCKET_NAME, load, int(streams_max), heartbeat_seconds=0.05))


if __name__ == "__main__":
    main(*sys.argv[1:])
