"""docs/settings.md and .env.example have every setting, with its right default and its meaning."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from gateway.settings import Settings
from tests.docs.markdown import DOCS, ROOT, code, rows

PAGE = DOCS / "settings.md"
EXAMPLE = ROOT / ".env.example"
FIELDS = Settings.model_fields


def written(value: Any) -> str:
    """A default as it stands in an environment variable."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FIELDS:
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_page_has_every_setting_with_its_default_and_meaning() -> None:
    documented = [
        (code(name).lower(), "" if default == "none" else code(default), meaning)
        for name, default, meaning in rows(PAGE, "Setting", "Default", "Meaning")
    ]

    assert [name for name, _, _ in documented] == list(FIELDS)
    for name, default, meaning in documented:
        assert default == written(FIELDS[name].get_default()), name
        description = FIELDS[name].description
        assert description, name
        assert meaning.startswith(description), name


def test_the_example_lists_every_setting_commented_with_its_default() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if re.match(r"#?[A-Z_]+=", line)]

    expected = [f"#{name.upper()}={written(field.get_default())}" for name, field in FIELDS.items()]
    assert listed == expected
    for line in listed:
        name = line[1:].partition("=")[0].lower()
        assert lines[lines.index(line) - 1] == f"# {FIELDS[name].description}"


def test_the_example_with_every_line_in_force_changes_nothing(tmp_path: Path) -> None:
    everything = tmp_path / "env"
    listed = EXAMPLE.read_text(encoding="utf-8")
    everything.write_text(re.sub(r"^#([A-Z_]+=)", r"\1", listed, flags=re.MULTILINE))

    assert Settings(_env_file=everything) == Settings(_env_file=None)


def test_a_line_of_the_example_takes_effect_without_its_mark(tmp_path: Path) -> None:
    changed = tmp_path / "env"
    changed.write_text(EXAMPLE.read_text(encoding="utf-8").replace("#PORT=8000", "PORT=9000"))

    assert Settings(_env_file=changed).port == 9000
