"""Topics over Redis publish: what is said leaves in batches, one round trip at a time; what others say comes
on a connection of its own.

Invariant: nothing here waits for Redis, and nothing grows while it is lost: what cannot be said is left out,
and each topic is reported as missed once it is heard again.

PUBLISH reaches every node of a cluster (https://redis.io/docs/latest/develop/interact/pubsub/), and whoever
was not subscribed at the moment never gets it.
"""

import asyncio
import contextlib
import logging
from collections import deque
from functools import partial

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from gateway.metrics import TOPICS_DROPPED
from gateway.stores.redis.link import RedisLink, RedisLost
from gateway.stores.topics import Heard, Missed
from gateway.tasks import Tasks

log = logging.getLogger(__name__)

PREFIX = "stagedoor:topic:"
EVERYBODY = "*"
"""A topic that nobody speaks on: a connection without any subscription is no listener to Redis."""
WAITING_MAX = 10_000
WAITING_BYTES_MAX = 8 * 1024 * 1024
BATCH_MAX = 200
RETRY_SECONDS = 1.0
LOOK_SECONDS = 0.25


class RedisTopics:
    """Topics of one process. `run` has to go on in the background."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._heard: Heard = lambda topic, said: None
        self._missed: Missed = lambda topic: None
        self._wanted: set[str] = set()
        self._pubsub: PubSub | None = None
        self._changed = asyncio.Event()
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._waiting_bytes = 0
        self._said = asyncio.Event()

    @property
    def up(self) -> bool:
        """Whether what others say is heard now."""
        return self._pubsub is not None and self._link.up

    def listen(self, heard: Heard, missed: Missed) -> None:
        """Say who hears."""
        self._heard, self._missed = heard, missed

    def publish(self, topic: str, said: bytes) -> None:
        """Say something, soon; nothing while Redis is lost."""
        full = len(self._waiting) >= WAITING_MAX or self._waiting_bytes + len(said) > WAITING_BYTES_MAX
        if full or not self._link.up:
            TOPICS_DROPPED.inc()
            return
        self._waiting.append((topic, said))
        self._waiting_bytes += len(said)
        self._said.set()

    def subscribe(self, topic: str) -> None:
        """Hear a topic."""
        self._wanted.add(topic)
        self._changed.set()

    def unsubscribe(self, topic: str) -> None:
        """Hear it no more."""
        self._wanted.discard(topic)
        self._changed.set()

    # --- saying -------------------------------------------------------------------------------------

    async def _speak(self) -> None:
        while True:
            await self._said.wait()
            batch: list[tuple[str, bytes]] = []
            while self._waiting and len(batch) < BATCH_MAX:
                batch.append(self._waiting.popleft())
            if not self._waiting:
                self._said.clear()
            self._waiting_bytes -= sum(len(said) for _, said in batch)
            try:
                await self._link.run(partial(_send, batch=batch))
            except (RedisLost, exceptions.ResponseError) as error:
                # Whoever listens reads what was missed: it is in the database.
                TOPICS_DROPPED.inc(len(batch))
                log.debug("Not said: %s", error)

    # --- hearing ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Speak and hear for ever."""
        tasks = Tasks()
        tasks.start(self._speak(), name="topics said")
        try:
            while True:
                if self._link.up:
                    with contextlib.suppress(exceptions.RedisError, OSError):
                        await self._hear()
                await asyncio.sleep(RETRY_SECONDS)
        finally:
            await tasks.aclose()

    async def _hear(self) -> None:
        pubsub = self._link.client.pubsub()
        tasks = Tasks()
        try:
            await pubsub.subscribe(PREFIX + EVERYBODY)
            self._pubsub = pubsub
            self._changed.set()
            tasks.start(self._keep_subscribed(pubsub), name="topics wanted")
            listening = tasks.start(self._listen(pubsub), name="topics heard")
            # Begin anew after a loss: nobody knows what a Redis that was lost has forgotten, and a connection
            # to one that vanished never ends by itself.
            while self._link.up and not listening.done():
                await asyncio.wait([listening], timeout=LOOK_SECONDS)
        finally:
            self._pubsub = None
            await tasks.aclose()
            await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _listen(self, pubsub: PubSub) -> None:
        try:
            async for message in pubsub.listen():
                self._take(message)
        except (exceptions.RedisError, OSError) as error:
            log.warning("Topics are not heard: %s", type(error).__name__)

    def _take(self, message: dict[str, object]) -> None:
        channel, data = message["channel"], message["data"]
        if not isinstance(channel, bytes):
            return
        topic = channel.decode("utf-8", "replace").removeprefix(PREFIX)
        if message["type"] == "subscribe":
            self._missed(topic)
        elif message["type"] == "message" and isinstance(data, bytes) and topic in self._wanted:
            self._heard(topic, data)

    async def _keep_subscribed(self, pubsub: PubSub) -> None:
        had: set[str] = set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            wanted = set(self._wanted)
            if more := [PREFIX + topic for topic in wanted - had]:
                await pubsub.subscribe(*more)
            if fewer := [PREFIX + topic for topic in had - wanted]:
                await pubsub.unsubscribe(*fewer)
            had = wanted


async def _send(redis: Redis, batch: list[tuple[str, bytes]]) -> None:
    async with redis.pipeline(transaction=False) as pipe:
        for topic, said in batch:
            pipe.publish(PREFIX + topic, said)
        await pipe.execute()
