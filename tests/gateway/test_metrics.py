"""What is counted in between: all of it is there when the metrics are read, and nothing twice."""

from collections.abc import Iterator

import pytest
from prometheus_client import Counter, Gauge, generate_latest

from gateway.metrics import REGISTRY, Between


@pytest.fixture
def visits() -> Iterator[Counter]:
    made = Counter("test_visits", "For this test", ["of"], registry=REGISTRY)
    yield made
    REGISTRY.unregister(made)


@pytest.fixture
def present() -> Iterator[Gauge]:
    made = Gauge("test_present", "For this test", registry=REGISTRY)
    yield made
    REGISTRY.unregister(made)


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    before = list(REGISTRY.between)
    yield
    REGISTRY.between[:] = before


def test_what_was_counted_is_there_when_it_is_read_and_once(visits: Counter) -> None:
    ana, ben = Between(visits.labels("ana")), Between(visits.labels("ben"))
    for _ in range(3):
        ana.inc()
    for _ in range(2):
        assert REGISTRY.get_sample_value("test_visits_total", {"of": "ana"}) == 3
    ana.inc()
    ben.inc()
    told = generate_latest(REGISTRY).decode()
    assert 'test_visits_total{of="ana"} 4.0' in told
    assert 'test_visits_total{of="ben"} 1.0' in told


def test_it_adds_to_what_the_metric_was_told_itself(visits: Counter) -> None:
    of_ana = visits.labels("ana")
    between = Between(of_ana)
    between.inc()
    of_ana.inc(5)
    assert REGISTRY.get_sample_value("test_visits_total", {"of": "ana"}) == 6


def test_a_gauge_goes_down_again(present: Gauge) -> None:
    between = Between(present)
    between.inc()
    between.inc()
    assert REGISTRY.get_sample_value("test_present") == 2
    between.dec()
    between.dec()
    assert REGISTRY.get_sample_value("test_present") == 0
