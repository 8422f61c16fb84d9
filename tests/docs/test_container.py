"""The Dockerfile, as far as it can be held to its promises without Docker."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator

import pytest

from gateway.settings import Settings
from tests.docs.markdown import ROOT
from tests.house import House, Opened

SECRET_NAMES = re.compile(r"SECRET|TOKEN|PASSWORD|API_KEY", re.IGNORECASE)


def instructions() -> list[tuple[str, str]]:
    """What the Dockerfile does: each instruction with its argument on one line."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    joined = re.sub(r"\\\n\s*", "", text)
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in joined.splitlines() if line]


def last(name: str) -> str:
    return [argument for instruction, argument in instructions() if instruction == name][-1]


def final_stage() -> list[tuple[str, str]]:
    every = instructions()
    return every[max(index for index, (name, _) in enumerate(every) if name == "FROM") :]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with Opened(tmp_path_factory.mktemp("container")) as running:
        yield running


def health(port: int) -> int:
    """The exit status of the health check's own command."""
    command = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert command[0] == "python"
    run = subprocess.run(
        [sys.executable, *command[1:]], check=False, env={"PORT": str(port)}, capture_output=True, timeout=20
    )
    return run.returncode


def test_the_health_check_finds_a_server_that_lives(house: House) -> None:
    assert health(house.port) == 0


def test_the_health_check_fails_where_none_is() -> None:
    assert health(1) != 0


def test_it_runs_as_a_user_without_rights_and_ends_on_sigterm() -> None:
    assert last("USER") == "stagedoor"
    assert last("STOPSIGNAL") == "SIGTERM"
    assert json.loads(last("ENTRYPOINT")) == ["stagedoor"]
    assert json.loads(last("CMD")) == ["serve"]
    assert last("VOLUME") == "/data"


def test_its_environment_names_settings_and_no_secret() -> None:
    environment = dict(pair.split("=", 1) for pair in last("ENV").split())

    own = {name for name in environment if name.lower() in Settings.model_fields}
    assert own == {"ENVIRONMENT", "HOST", "PORT", "DATA_DIR"}
    assert environment["ENVIRONMENT"] == "production"
    assert environment["HOST"] == "0.0.0.0"
    assert environment["DATA_DIR"] == "/data"
    for name, argument in instructions():
        if name in ("ENV", "ARG"):
            assert not SECRET_NAMES.search(argument)


def test_only_what_was_built_gets_into_the_image() -> None:
    copied = [argument for name, argument in final_stage() if name == "COPY"]

    assert copied == ["--from=build /opt/stagedoor /opt/stagedoor"]


def test_the_build_sees_what_the_wheel_is_made_of_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]

    assert rules[0] == "*"
    admitted = {rule[1:] for rule in rules if rule.startswith("!")}
    modules = {"package.json", "deploy/modules.py", "deploy/wheel.py"}
    assert admitted == {*packages, *modules, "pyproject.toml", "README.md", "LICENSE"}
    assert "**/.env" in rules


def test_its_debian_packages_are_those_that_make_brings() -> None:
    (command,) = [argument for name, argument in instructions() if name == "RUN" and "apt-get" in argument]
    installed = re.search(r"apt-get install --yes --no-install-recommends ([\w -]+?) &&", command)
    script = (ROOT / "deploy" / "install.sh").read_text(encoding="utf-8")
    brought = re.search(r"apt_install (apertium[\w -]*?) \|\|", script)

    assert installed
    assert brought
    assert installed[1].split() == brought[1].split()


def test_nothing_of_the_pages_is_left_out_of_the_wheel() -> None:
    """hatchling takes packages whole, but leaves out what git ignores."""
    pages = ROOT / "gateway" / "pages"
    files = [*pages.glob("static/*"), *pages.glob("templates/*")]
    assert {file.suffix for file in files} >= {".js", ".css", ".html"}

    command = ["git", "check-ignore", *map(str, files)]
    ignored = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)

    assert ignored.stdout == ""
