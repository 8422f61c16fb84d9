"""One load process: `python -m bench.load` reads what to do from its standard input and tells how it went.

Lines of JSON: a job in, `ready` out; the moments in, `progress` out twice a second, then `tally` or `failed`.
"""

import random
import sys
import time
from typing import Any

import orjson

from bench.crowd import Crowd, LoadFailed
from bench.load.parts import part_of
from bench.load.stage import Part, Stage
from bench.target import Target

DRAIN_SECONDS = 30.0
PROGRESS_NS = 500_000_000
STEP_SECONDS_MAX = 0.05


def tell(**what: Any) -> None:
    """Write one line."""
    sys.stdout.buffer.write(orjson.dumps(what) + b"\n")
    sys.stdout.buffer.flush()


def play(stage: Stage, parts: list[Part]) -> None:
    """Send what is due and take what comes until the end, and whatever is still awaited then.

    Raises LoadFailed, also when that does not come.
    """
    told_ns = 0
    deadline_ns = stage.end_ns + int(DRAIN_SECONDS * 1e9)
    while True:
        now_ns = time.monotonic_ns()
        due_ns = min(part.due_ns() for part in parts)
        if due_ns <= now_ns:
            for part in parts:
                if part.due_ns() <= now_ns:
                    part.act()
            stage.crowd.step()
        else:
            stage.crowd.step(min((due_ns - now_ns) / 1e9, STEP_SECONDS_MAX))
        if now_ns - told_ns >= PROGRESS_NS:
            told_ns = now_ns
            tell(progress={"connections": len(stage.crowd)})
        if now_ns < stage.end_ns:
            continue
        unsettled = [part for part in parts if not part.settled()]
        if not unsettled:
            return
        if now_ns >= deadline_ns:
            raise LoadFailed("; ".join(part.missing() for part in unsettled))


def run(job: dict[str, Any]) -> None:
    """Carry a job out. Raises LoadFailed."""
    target = Target(**job["target"])
    with Crowd(target) as crowd:
        stage = Stage(crowd, target, job["number"], random=random.Random(job["seed"]))
        parts = [part_of(stage, name, what) for name, what in job["parts"]]
        for part in parts:
            part.prepare()
        tell(ready=len(crowd))
        moments = orjson.loads(sys.stdin.buffer.readline())
        stage.begin(moments["begin_ns"], moments["measure_ns"], moments["end_ns"])
        for part in parts:
            part.begin()
        busy, began = time.process_time(), time.monotonic()
        play(stage, parts)
        busy_share = (time.process_time() - busy) / (time.monotonic() - began)
        for part in parts:
            part.finish()
        tell(tally=stage.tally.as_json(), busy=busy_share)


def main() -> None:
    """Do the one job."""
    try:
        run(orjson.loads(sys.stdin.buffer.readline()))
    except LoadFailed as error:
        tell(failed=str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
