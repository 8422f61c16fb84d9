"""Rates kept in Redis, one count for all processes: one round trip, exact by Redis's own clock."""

from collections.abc import Callable, Sequence
from importlib.resources import files

from auth.rate_limits import Admitted, Rate, Standing, decide
from gateway.stores.redis.link import RedisLink

SOURCE = files("gateway.stores.redis").joinpath("rates.lua").read_text("utf-8")


class RedisRates:
    """Windows by key and rate. `now_micro` replaces Redis's clock, in tests of the rule."""

    def __init__(self, link: RedisLink, now_micro: Callable[[], int] | None = None) -> None:
        self._script = link.script(SOURCE)
        self._now_micro = now_micro

    async def admit(self, key: str, rates: Sequence[Rate]) -> Admitted:
        """Count one more for `key` with every rate, or with none. Raises RateLimited and RedisLost."""
        limiting = [rate for rate in rates if rate.count_max]
        return await self._admit([key_of(key, rate) for rate in limiting], limiting)

    async def admit_together(self, name: str, keyed: Sequence[tuple[str, Rate]]) -> Admitted:
        """Count one more with every rate for its own key, or with none. Raises RateLimited and RedisLost."""
        limiting = [(key, rate) for key, rate in keyed if rate.count_max]
        keys = [f"{key_of(name, rate)}:{key}" for key, rate in limiting]
        return await self._admit(keys, [rate for _, rate in limiting])

    async def _admit(self, keys: Sequence[str], limiting: Sequence[Rate]) -> Admitted:
        if not limiting:
            return Admitted()
        now: int | str = self._now_micro() if self._now_micro else ""
        bounds = [number for rate in limiting for number in (rate.count_max, rate.window_micro)]
        admitted, answers = await self._script(list(keys), [now, *bounds])
        standings = tuple(
            Standing(rate, max(0, rate.count_max - held), wait_micro, reset_micro)
            for rate, (held, wait_micro, reset_micro) in zip(limiting, answers, strict=True)
        )
        if not admitted:
            decide(standings)
        return Admitted(standings)


def key_of(key: str, rate: Rate) -> str:
    """Return where Redis has a window. The braces keep the windows of one key on one node of a cluster
    (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags)."""
    return f"stagedoor:rate:{{{key}}}:{rate.name}"
