"""The command."""

from pathlib import Path

import orjson
import pytest
import typer
from typer.testing import CliRunner

from bench import __main__ as command
from bench.backends import Backends
from bench.crowd import LoadFailed
from bench.figures import Figure

FIGURE = Figure.of("connect", "connect", "us", [200.0], [80.0], goal=3.5)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    monkeypatch.setattr(command, "pin", lambda pid, cores: None)
    app = typer.Typer()
    app.command()(command.bench)
    return app


def test_an_unknown_scenario_is_named_with_those_that_exist(
    run: typer.Typer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert CliRunner().invoke(run, ["fanout", "spinning"]).exit_code == 2


def test_figures_are_shown_and_written(
    run: typer.Typer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "measured", lambda names, backends: [FIGURE])
    result = CliRunner().invoke(run, ["connect", "--json", str(tmp_path / "figures.json")])

    assert result.exit_code == 0
    assert "2.50" in result.stdout
    assert "met" in result.stdout
    (written,) = orjson.loads((tmp_path / "figures.json").read_bytes())["figures"]
    assert written["ratio"] == 2.5


def test_a_run_that_was_not_right_shows_no_figures(run: typer.Typer, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(names: list[str], backends: Backends) -> list[Figure]:
        raise LoadFailed("viewer 3 was sent something else")

    monkeypatch.setattr(command, "measured", failing)
    result = CliRunner().invoke(run, [])
    assert (result.exit_code, result.stdout) == (1, "")


def test_all_scenarios_are_run_by_default_and_each_step_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    class Quick:
        steps = 1

        def run(self, tick: object) -> list[Figure]:
            assert callable(tick)
            tick("something")
            ran.append("once")
            return [FIGURE]

    monkeypatch.setattr(
        command, "SCENARIOS", {"one": lambda backends: Quick(), "two": lambda backends: Quick()}
    )
    assert command.measured(["one", "two"], Backends()) == [FIGURE, FIGURE]
    assert ran == ["once", "once"]
