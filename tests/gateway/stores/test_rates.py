"""Rates in memory and in Redis: one contract for both, on a clock that is turned by hand."""

import itertools
from collections.abc import AsyncIterator, Sequence
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auth.rate_limits import MICRO, Admitted, Rate, RateLimited
from gateway.condition import Condition
from gateway.stores.memory.rates import MemoryRates
from gateway.stores.rates import Rates
from gateway.stores.redis.link import RedisLink
from gateway.stores.redis.rates import RedisRates
from tests.auth.rate_cases import CASES, Case, Model, judge

_NAMES = itertools.count()


class Counted:
    """Rates and their clock."""

    rates: Rates

    def __init__(self) -> None:
        self.now_micro = 0
        self.key = f"key {next(_NAMES)}"

    async def ask(self, now_micro: int, rates: Sequence[Rate], key: str = "") -> Admitted | RateLimited:
        self.now_micro = now_micro
        try:
            return await self.rates.admit(key or self.key, rates)
        except RateLimited as refusal:
            return refusal


@pytest.fixture(params=["memory", "redis"])
async def counted(request: pytest.FixtureRequest) -> AsyncIterator[Counted]:
    counted = Counted()
    if request.param == "memory":
        counted.rates = MemoryRates(lambda: counted.now_micro / MICRO)
        yield counted
        return
    link = RedisLink(request.getfixturevalue("redis_server").url, Condition(), timeout_seconds=10.0)
    assert await link.probe()
    counted.rates = RedisRates(link, lambda: counted.now_micro)
    yield counted
    await link.aclose()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
async def test_the_rule(counted: Counted, case: Case) -> None:
    for ask in case.asks:
        judge(ask, await counted.ask(ask.at, ask.rates))


async def test_each_key_has_a_count_of_its_own(counted: Counted) -> None:
    rate = Rate("one", "tries", 1)
    keys = [
        f"{counted.key}/{name}" for name in ("dana", "noa", "{dana}", "dana}", "dana:one", "דנה", "", " ")
    ]
    for key in keys:
        assert isinstance(await counted.ask(0, [rate], key), Admitted), key
    for key in keys:
        assert isinstance(await counted.ask(1, [rate], key), RateLimited), key


@pytest.mark.parametrize(
    "rate",
    [
        Rate("c", "tries", 5),
        Rate("c", "tries", 100),
        Rate("c", "tries", 20),
        Rate.steady("c", "tries", 10, 20),
    ],
    ids=lambda rate: f"{rate.count_max} in {rate.window_seconds:g} s",
)
@pytest.mark.parametrize("rhythm", ["even", "in bursts"])
async def test_offered_three_times_the_rate_for_three_minutes(
    counted: Counted, rate: Rate, rhythm: str
) -> None:
    """No window holds more than N, and whenever one is refused its window is full: none holds fewer than it
    could."""
    tries = round(3 * rate.count_max * 180 / rate.window_seconds)
    times = [180 * MICRO * number // tries for number in range(tries)]
    if rhythm == "in bursts":
        chance = Random(tries)
        times = sorted(chance.choice(times[:: max(1, tries // 40)]) + chance.randrange(50) for _ in times)
    accepted: list[int] = []
    for now in times:
        outcome = await counted.ask(now, [rate])
        held = [moment for moment in accepted[-rate.count_max :] if moment + rate.window_micro > now]
        assert isinstance(outcome, Admitted) == (len(held) < rate.count_max)
        if isinstance(outcome, Admitted):
            accepted.append(now)
    assert all(
        later - earlier >= rate.window_micro
        for earlier, later in zip(accepted, accepted[rate.count_max :], strict=False)
    )
    if rhythm == "even":
        assert len(accepted) == rate.count_max * round(180 / rate.window_seconds)


RATES = st.lists(
    st.builds(
        Rate, name=st.sampled_from(["a", "b"]), what=st.just("tries"), count_max=st.integers(0, 4),
        window_seconds=st.sampled_from([60.0, 90.5]),
    ),
    min_size=1, max_size=2, unique_by=lambda rate: rate.name,
)  # fmt: skip
STEPS = st.lists(
    st.tuples(st.integers(-30 * MICRO, 40 * MICRO) | st.integers(0, 2), st.booleans()), max_size=40
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(RATES, STEPS)
async def test_it_agrees_with_counting_everything_anew(
    counted: Counted, rates: list[Rate], steps: list[tuple[int, bool]]
) -> None:
    model, key, now = Model(), f"model {next(_NAMES)}", 1000 * MICRO
    for step, every in steps:
        now += step
        asked = rates if every else rates[:1]
        outcome = await counted.ask(now, asked, key)
        assert (isinstance(outcome, Admitted), outcome.standings) == model.ask(now, asked)


class TestTogether:
    """One count for several keys: all of them or none."""

    RATES = (Rate("by_user", "tries", 3), Rate("by_address", "tries", 2))

    async def ask(self, counted: Counted, user: str, address: str) -> Admitted | RateLimited:
        keyed = [
            (f"{counted.key} {key}", rate) for key, rate in zip((user, address), self.RATES, strict=True)
        ]
        try:
            return await counted.rates.admit_together("calls", keyed)
        except RateLimited as refusal:
            return refusal

    async def test_each_key_has_its_own_rate(self, counted: Counted) -> None:
        answers = [
            await self.ask(counted, user, address)
            for user, address in (
                ("noa", "a"), ("noa", "a"), ("noa", "a"), ("noa", "b"), ("noa", "c"), ("dan", "c"),
                ("dan", "c"), ("dan", "c"),
            )
        ]  # fmt: skip
        refused = [answer.rate.name if isinstance(answer, RateLimited) else None for answer in answers]
        assert refused == [None, None, "by_address", None, "by_user", None, None, "by_address"]

    async def test_what_one_refuses_has_used_up_nothing_of_the_other(self, counted: Counted) -> None:
        for _ in range(2):
            assert isinstance(await self.ask(counted, "noa", "a"), Admitted)
        for _ in range(5):
            assert isinstance(await self.ask(counted, "noa", "a"), RateLimited)
        counted.now_micro += 1
        assert isinstance(await self.ask(counted, "noa", "b"), Admitted)
        assert isinstance(await self.ask(counted, "noa", "b"), RateLimited)
        counted.now_micro += 60 * MICRO
        admitted = await self.ask(counted, "noa", "a")
        assert isinstance(admitted, Admitted)
        assert [standing.remaining for standing in admitted.standings] == [2, 1]

    async def test_a_rate_that_is_off_counts_nothing(self, counted: Counted) -> None:
        keyed = [("noa", Rate("by_user", "tries", 0)), ("a", Rate("by_address", "tries", 0))]
        assert await counted.rates.admit_together("calls", keyed) == Admitted()
