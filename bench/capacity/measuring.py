"""The costs of the model, measured on this machine: CPU over several sizes, to which lines are fitted."""

import time
from collections.abc import Callable
from pathlib import Path

from redis import Redis
from redis.client import PubSub

from bench.backends import Backends
from bench.capacity.model import Costs, line
from bench.crowd import Crowd, LoadFailed
from bench.processes import cpu_seconds, resident_bytes
from bench.scenarios.connect import VIEWER, Passers
from bench.scenarios.fanout import Audience
from bench.servers import Server, token

SIZES = (100, 400, 1000)
LISTENERS = (1, 4, 16)
CAPTIONS = 20
PASSES = 3
IDLE = 3000
CLIENTS = 300
MESSAGES = 2000
MESSAGE = b"x" * 400
PING_SECONDS = 2.0
PING_ROUNDS = 3
TOPIC = "bench-capacity"


def measure(backends: Backends, say: Callable[[str], None]) -> tuple[Costs, list[str]]:
    """Return the costs and what could not be measured here. Raises LoadFailed."""
    found: dict[str, float] = {}
    say("captions to audiences of several sizes")
    found["caption_us"], found["frame_us"] = _captions()
    say("idle viewers")
    found |= _viewers()
    say("Redis")
    with backends.redis() as url:
        if not url:
            return Costs(**found), ["no Redis here: its costs are those of docs/capacity.md"]
        found |= _redis(url)
    return Costs(**found), []


def _captions() -> tuple[float, float]:
    """Return the us of a caption and of a frame, by a line through several sizes of audience."""
    points = []
    with Server(RECOGNIZERS="silent") as server:
        for size in SIZES:
            with Crowd(server.port) as crowd:
                channel = f"/ws/live/bench-{size}"
                viewer, publisher = f"{channel}/subtitles?target_lang=en", f"{channel}/publish"
                audience = Audience(crowd, server, viewer, publisher, size)
                audience.publish(CAPTIONS, 1)
                points += [(float(size), audience.publish(CAPTIONS, 1) * size) for _ in range(PASSES)]
    caption, frame = line(points)
    return max(caption, 1.0), max(frame, 0.1)


def _viewers() -> dict[str, float]:
    """Return what a viewer costs who does nothing, and one who comes and goes."""
    settings = {"RECOGNIZERS": "silent", "PING_INTERVAL_SECONDS": str(PING_SECONDS)}
    with Server(**settings) as server, Crowd(server.port) as crowd:
        passers = Passers(crowd, server, VIEWER, 50)
        passers.pass_by(50)
        connect = passers.pass_by(CLIENTS)
        empty, slab = resident_bytes(server.pid), _slab_bytes()
        crowd.join([VIEWER] * IDLE, token())
        viewer = (resident_bytes(server.pid) - empty) / IDLE
        # Both ends of each connection are on this machine.
        kernel = (_slab_bytes() - slab) / IDLE / 2
        end = time.monotonic() + PING_SECONDS
        while time.monotonic() < end:
            crowd.step(0.05)
        before, end = cpu_seconds(server.pid), time.monotonic() + PING_SECONDS * PING_ROUNDS
        while time.monotonic() < end:
            crowd.step(0.05)
        ping = (cpu_seconds(server.pid) - before) * 1e6 / (IDLE * PING_ROUNDS)
    return {
        "connect_us": connect, "process_bytes": float(empty), "viewer_bytes": max(viewer, 1.0),
        "kernel_bytes": max(kernel, 1000.0), "ping_us": ping,
    }  # fmt: skip


def _redis(url: str) -> dict[str, float]:
    """Return what a message costs Redis, each process that hears it, and such a process."""
    points, receiving = [], []
    with Redis.from_url(url) as publisher:
        for count in LISTENERS:
            listeners = [_listener(url) for _ in range(count)]
            before = _redis_cpu_us(publisher)
            for _ in range(MESSAGES // 50):
                with publisher.pipeline(transaction=False) as pipe:
                    for _ in range(50):
                        pipe.publish(TOPIC, MESSAGE)
                    pipe.execute()
            points.append((float(count), (_redis_cpu_us(publisher) - before) / MESSAGES))
            began = time.process_time()
            for _ in range(MESSAGES):
                if listeners[0].get_message(ignore_subscribe_messages=True, timeout=5) is None:
                    raise LoadFailed("a message of Redis was lost")
            receiving.append((time.process_time() - began) * 1e6 / MESSAGES)
            for listener in listeners:
                listener.close()
    publish, hop = line(points)
    return {"publish_us": max(publish, 0.5), "hop_us": max(hop, 0.1), "receive_us": min(receiving)}


def _listener(url: str) -> PubSub:
    listener: PubSub = Redis.from_url(url).pubsub()  # type: ignore[no-untyped-call]
    listener.subscribe(TOPIC)
    if listener.get_message(timeout=5) is None:
        raise LoadFailed("Redis does not let anybody subscribe")
    return listener


def _redis_cpu_us(client: "Redis") -> float:
    used = client.info("cpu")
    return (float(used["used_cpu_sys"]) + float(used["used_cpu_user"])) * 1e6


def _slab_bytes() -> int:
    rows = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    fields = dict(row.split(":") for row in rows)
    return int(fields["Slab"].split()[0]) * 1024
