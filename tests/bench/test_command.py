"""The command."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from bench import command, recording, running
from bench.figures import Figure
from bench.running import Makers, Outcome
from bench.scenarios import ELSEWHERE, SCENARIOS
from bench.servers import Surroundings
from gateway.cli import cli

FIGURE = Figure.of("connect", "connect", "us", [200.0, 201.0, 199.0, 202.0, 198.0], [80.0] * 5, goal=3.5)
SECRET = "a secret that only these tests know, long enough"


class Stand:
    """Stands in for running: remembers what was to be run, and in which surroundings."""

    def __init__(self, *, fails: bool = False) -> None:
        self.names: list[str] = []
        self.wanted: dict[str, str] = {}
        self.around = Surroundings()
        self._fails = fails

    def run(self, makers: Makers, around: Surroundings, wanted: Mapping[str, str], _console: Any) -> Outcome:
        self.names, self.around, self.wanted = list(makers), around, dict(wanted)
        if self._fails:
            return Outcome([], {"connect": "viewer 3 was sent something else"}, {})
        return Outcome([FIGURE], {}, {"connect": {"clients": 500}})


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Stand:
    made = Stand()
    monkeypatch.setattr(running, "run", made.run)
    monkeypatch.setattr(recording, "pin", lambda pid, cores: None)
    return made


def bench(*arguments: str | Path, width: int = 200) -> Any:
    return CliRunner().invoke(command.app, [*map(str, arguments)], env={"COLUMNS": str(width)})


def test_it_is_a_command_of_stagedoor() -> None:
    result = CliRunner().invoke(cli, ["bench", "list"], env={"COLUMNS": "300"})

    assert result.exit_code == 0
    for name in SCENARIOS:
        assert name in result.stdout


def test_a_scenario_can_be_named_without_run(stand: Stand) -> None:
    assert bench("fanout", "connect", "--seconds", "3", "--set", "viewers=50").exit_code == 0
    assert (stand.names, stand.wanted) == (["fanout", "connect"], {"viewers": "50", "seconds": "3.0"})


def test_without_a_name_all_are_run(stand: Stand) -> None:
    assert bench().exit_code == 0
    assert stand.names == list(SCENARIOS)


def test_an_unknown_scenario_is_named_with_those_that_exist(stand: Stand) -> None:
    result = bench("fanout", "spinning")
    assert result.exit_code == 2
    assert "there is no spinning, only connect" in result.stderr


def test_figures_are_shown_and_written(stand: Stand, tmp_path: Path) -> None:
    result = bench("connect", "--json", tmp_path / "run.json", "--html", tmp_path / "run.html")

    assert result.exit_code == 0
    assert "2.50" in result.stdout
    assert "met" in result.stdout
    written = orjson.loads((tmp_path / "run.json").read_bytes())
    assert written["figures"][0]["ratio"] == 2.5
    assert written["settings"] == {"connect": {"clients": 500}}
    assert "<!doctype html>" in (tmp_path / "run.html").read_text()


def test_a_run_that_was_not_right_says_why_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "run", Stand(fails=True).run)
    monkeypatch.setattr(recording, "pin", lambda pid, cores: None)

    result = bench("connect")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "viewer 3 was sent something else" in result.stderr


def test_a_server_elsewhere_gets_what_can_be_measured_from_outside(stand: Stand) -> None:
    assert bench("--url", "wss://live.example.com", "--secret", SECRET).exit_code == 0
    assert stand.names == list(ELSEWHERE)
    assert stand.around.elsewhere is not None
    assert stand.around.elsewhere.target.host == "live.example.com"

    result = bench("idle", "--url", "wss://live.example.com", "--token", "t")
    assert result.exit_code == 2
    assert "idle measures from inside" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["connect", "--url", "nowhere"], "nowhere is no address"),
        (["connect", "--url", "http://127.0.0.1:1"], "give --token"),
        (["connect", "--token", "t"], "go with --url"),
        (["connect", "--set", "viewers"], "--set is NAME=VALUE"),
        (["compare", "nothing.json", "nothing.json"], "cannot be read"),
        (["page", "nothing.json", "page.html"], "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(stand: Stand, arguments: list[str], said: str) -> None:
    result = bench(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert stand.names == []


@pytest.mark.parametrize(
    "words",
    [
        ["connect", "--url", "wss://live.example.com", f"--secret={SECRET}"],
        ["connect", "--secret", SECRET, "--url", "wss://live.example.com"],
        ["connect", "--token", SECRET],
    ],
)
def test_what_a_report_says_of_the_command_has_no_credential(words: list[str]) -> None:
    said = recording.command(["/usr/bin/stagedoor", "bench", *words])
    assert said.startswith("stagedoor bench connect")
    assert "..." in said
    assert SECRET not in said


def test_peers_are_a_run_too(stand: Stand) -> None:
    assert bench("peers", "--passes", "3").exit_code == 0
    assert (stand.names, stand.wanted) == (["peers"], {"passes": "3"})


def test_two_runs_are_compared(stand: Stand, tmp_path: Path) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    for path in (before, after):
        assert bench("connect", "--json", path).exit_code == 0

    result = bench("compare", before, after, "--strict")
    assert result.exit_code == 0
    assert "no difference" in result.stdout

    slower = Figure.of("connect", "connect", "us", [300.0, 301.0, 299.0, 302.0, 298.0], [80.0] * 5)
    stand.run = lambda *_: Outcome([slower], {}, {})  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "run", stand.run)
        assert bench("connect", "--json", after).exit_code == 0
    result = bench("compare", before, after, "--strict")
    assert result.exit_code == 1
    assert "worse" in result.stdout


def test_a_page_is_made_of_a_run_that_was_kept(stand: Stand, tmp_path: Path) -> None:
    kept, page = tmp_path / "run.json", tmp_path / "run.html"
    bench("connect", "--json", kept)

    assert bench("page", kept, page).exit_code == 0
    assert "connect" in page.read_text()


def test_a_report_that_cannot_be_written_is_said(stand: Stand, tmp_path: Path) -> None:
    result = bench("connect", "--json", tmp_path / "nowhere" / "run.json")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr
