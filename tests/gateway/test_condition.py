"""What is lost shows: in the condition, in the gauge, once in the log."""

import logging

import pytest

from gateway.condition import Condition
from gateway.metrics import REGISTRY


def gauge(part: str) -> float | None:
    return REGISTRY.get_sample_value("stagedoor_degraded", {"part": part})


def test_all_is_well_at_first() -> None:
    assert Condition().degraded == {}
    assert [gauge(part) for part in ("redis", "database", "disk")] == [0, 0, 0]


def test_what_is_lost_shows_until_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    condition = Condition()
    condition.degrade("redis", "it does not answer")
    condition.degrade("disk", "it is full")
    condition.degrade("redis", "it cannot be reached")
    assert condition.degraded == {"redis": "it cannot be reached", "disk": "it is full"}
    assert (gauge("redis"), gauge("database"), gauge("disk")) == (1, 0, 1)
    condition.recover("redis")
    condition.recover("redis")
    condition.recover("database")
    assert condition.degraded == {"disk": "it is full"}
    assert (gauge("redis"), gauge("disk")) == (0, 1)
    condition.recover("disk")
    assert [record.getMessage() for record in caplog.records] == [
        "Degraded: redis: it does not answer", "Degraded: disk: it is full", "Recovered: redis",
        "Recovered: disk",
    ]  # fmt: skip


def test_a_part_that_two_have_lost_is_back_when_it_is_for_both() -> None:
    condition = Condition()
    condition.degrade("disk", "the log", "usage_log")
    condition.degrade("disk", "the database")
    condition.recover("disk")
    assert condition.degraded == {"disk": "the log"}
    condition.recover("disk")
    condition.recover("disk", "usage_log")
    assert condition.degraded == {}
