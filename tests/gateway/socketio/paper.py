"""Connections without sockets or time: a hall whose clock is turned by hand, carriers of paper."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway import clock
from gateway.alarms import Alarms
from gateway.limits import DoorLimits
from gateway.settings import Settings
from gateway.socketio.carrier import Transport
from gateway.socketio.hall import Hall, limits_of
from gateway.socketio.packets import Encoded
from gateway.tasks import Tasks
from gateway.wire.interface import Wire
from sessions.endings import Ending
from tests.gateway.rehearsal import MIDDAY_MS, Clockwork
from tests.house import KEYS


class Clock(Clockwork):
    """A loop whose time is turned by hand; its futures are those of the loop that the test runs in."""

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.get_running_loop().create_future()


class Carrier:
    """A carrier that keeps what is sent; it polls unless it is given a wire."""

    def __init__(self, wire: Wire | None = None) -> None:
        self.wire = wire
        self.transport: Transport = "polling" if wire is None else "websocket"
        self.address = "192.0.2.7"
        self.sent: list[str] = []
        self.ending: Ending | None = None
        self.ended_by_client = False
        self.reading = True

    def send(self, sent: Encoded) -> None:
        self.sent.append(sent.record)

    def close(self, ending: Ending) -> None:
        self.ending = self.ending or ending

    def ended(self) -> None:
        self.ended_by_client = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def taken(self) -> list[str]:
        """Return what was sent since the last call."""
        taken, self.sent = self.sent, []
        return taken


def settings(**changes: Any) -> Settings:
    facts: dict[str, Any] = {"data_dir": Path("/nonexistent"), "jwt_secret": "x" * 32} | changes
    return Settings(_env_file=None, **facts)


def hall(clockwork: Clockwork, **changes: Any) -> Hall:
    """Return a hall that goes by `clockwork`; its tasks run in the loop of the test."""
    of = settings(**changes)
    return Hall(limits_of(of), KEYS, DoorLimits(of), Alarms(clockwork.loop), Tasks(), clockwork.loop)


@pytest.fixture
def clockwork(monkeypatch: pytest.MonkeyPatch) -> Clockwork:
    """A loop's clock, and the wall clock by it."""
    clockwork = Clock()
    monkeypatch.setattr(clock, "wall", lambda: MIDDAY_MS / 1000 + clockwork.now - 1000.0)
    return clockwork
