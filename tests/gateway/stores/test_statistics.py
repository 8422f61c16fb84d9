"""Figures that take long to add up are asked for once at a time, and kept for a while."""

import asyncio
from pathlib import Path

import pytest

from gateway import clock
from gateway.plans import load_plans
from gateway.stores.database import open_database
from gateway.stores.statistics import TENANTS_MAX, Statistics, SystemStats, hour_points
from tests.databases import migrated_sqlite
from tests.gateway.rehearsal import settings

NOTHING = SystemStats(0, 0, {}, {}, [])


class Adder(Statistics):
    """Statistics whose sums take two seconds, by a clock in the test's hands."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        super().__init__(None, None)  # type: ignore[arg-type]
        self.now = 100.0
        self.asked: list[str] = []
        patch.setattr(clock, "steady", lambda: self.now)

    async def _system(self, tenant_id: str, now_ms: int) -> SystemStats:
        self.asked.append(tenant_id)
        await asyncio.sleep(0)
        self.now += 2.0
        return NOTHING


@pytest.fixture
def adder(monkeypatch: pytest.MonkeyPatch) -> Adder:
    return Adder(monkeypatch)


async def test_who_asks_while_it_is_added_up_is_told_the_same(adder: Adder) -> None:
    await asyncio.gather(*(adder.system("default", 0) for _ in range(50)))
    assert adder.asked == ["default"]


async def test_it_is_kept_for_ten_times_as_long_as_it_took(adder: Adder) -> None:
    await adder.system("default", 0)
    adder.now += 19.9
    await adder.system("default", 0)
    assert len(adder.asked) == 1
    adder.now += 0.2
    await adder.system("default", 0)
    assert len(adder.asked) == 2


async def test_tenants_have_figures_of_their_own_and_not_too_many_are_kept(adder: Adder) -> None:
    for number in range(TENANTS_MAX + 5):
        await adder.system(f"t{number}", 0)
    assert len(set(adder.asked)) == TENANTS_MAX + 5
    assert len(adder._kept) == TENANTS_MAX


async def test_a_failure_is_not_kept(adder: Adder, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_args: object) -> SystemStats:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(adder, "_system", broken)
        with pytest.raises(OSError):  # noqa: PT011 - the one raised above
            await adder.system("default", 0)
    assert await adder.system("default", 0) == NOTHING


@pytest.mark.parametrize("now_ms", [1_709_251_199_999, 1_709_251_200_000, 1_767_225_600_000])
async def test_hours_go_over_the_ends_of_months_and_years(tmp_path: Path, now_ms: int) -> None:
    database = await open_database("", migrated_sqlite(tmp_path))
    try:
        rates = dict.fromkeys(load_plans(settings(data_dir=tmp_path)).tariff.rates_micro or {}, 0)
        points = await database.read(lambda c: hour_points(c, "default", rates, 48, now_ms))
    finally:
        await database.aclose()
    starts = [point.start_ms for point in points]
    assert starts == [starts[0] + 3_600_000 * number for number in range(48)]
    assert starts[-1] <= now_ms < starts[-1] + 3_600_000
