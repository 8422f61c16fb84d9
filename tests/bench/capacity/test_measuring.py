"""The costs of this machine, measured in small; and the command that uses them."""

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from bench import command
from bench.backends import Backends
from bench.capacity import measuring
from bench.capacity.model import Costs
from tests.databases import Redis


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"SIZES": (5, 15), "LISTENERS": (1, 3), "CAPTIONS": 2, "PASSES": 1, "IDLE": 20, "CLIENTS": 10,
             "MESSAGES": 100, "PING_SECONDS": 0.5, "PING_ROUNDS": 1}  # fmt: skip
    for name, value in small.items():
        monkeypatch.setattr(measuring, name, value)


@pytest.mark.usefixtures("_small")
def test_all_costs_are_measured(redis_server: Redis) -> None:
    said: list[str] = []
    costs, notes = measuring.measure(Backends(redis_url=redis_server.url), said.append)

    assert notes == []
    assert len(said) == 3
    assert Costs.from_json(orjson.loads(orjson.dumps(costs))) == costs
    assert costs != Costs()


def capacity(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(command.app, ["capacity", *map(str, arguments)], env={"COLUMNS": "200"})
    return result.exit_code, result.stdout + result.stderr


def test_the_command_says_machines_and_bottlenecks() -> None:
    status, said = capacity("--viewers", "10000", "--viewers", "1000000", "--seconds", "2")
    assert status == 0
    for text in ("10,000", "1,000,000", "CPU of the gateways", "network"):
        assert text in said


def test_costs_that_were_kept_are_used(tmp_path: Path) -> None:
    kept = tmp_path / "costs.json"
    kept.write_bytes(orjson.dumps(Costs(frame_us=60.0)))
    _, cheap = capacity("--viewers", "1000000", "--seconds", "1")
    status, dear = capacity("--viewers", "1000000", "--seconds", "1", "--costs", kept)
    assert status == 0
    assert cheap != dear


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"frame_us": 1}'])
def test_a_file_without_costs_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "costs.json").write_text(content)
    status, said = capacity("--costs", tmp_path / "costs.json")
    assert status == 2
    assert "has no costs" in said


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert capacity("--costs", tmp_path / "nowhere.json")[0] == 1
