"""Which engines there are and what they can do."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from media.engines import EngineSettings, primary
from media.engines.catalogue import BUILT_IN, GROUP, Catalogue, installed
from tests.media.engines import CountingEngine, HumEngine, UpperEngine


@dataclass(frozen=True)
class Absent(UpperEngine):
    name: str = "absent"

    def unavailable(self, settings: EngineSettings) -> str | None:
        return "Install the package absent."


def catalogue() -> Catalogue:
    settings = EngineSettings(("counting",), ("absent", "upper"), ("hum",))
    return Catalogue(settings, [CountingEngine(), Absent(), UpperEngine(), HumEngine()])


def test_the_project_file_names_every_built_in_engine() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    assert project["entry-points"][GROUP] == BUILT_IN


def test_every_installed_engine_says_what_it_is_and_loads_no_model() -> None:
    engines = installed()
    assert {engine.name for engine in engines} >= set(BUILT_IN)
    for engine in engines:
        assert engine.summary
        assert engine.unavailable(EngineSettings()) is None or engine.unavailable(EngineSettings())


def test_a_name_that_is_not_installed_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"no recognizer called 'whisperer'; there are: .*pocketsphinx"):
        Catalogue.load(EngineSettings(recognizers=("whisperer",)))


def test_the_defaults_are_installed() -> None:
    rows = {(row.kind, row.name): row for row in Catalogue.load(EngineSettings()).rows()}
    assert rows["recognizer", "pocketsphinx"].available
    assert rows["recognizer", "pocketsphinx"].chosen
    assert rows["recognizer", "pocketsphinx"].languages == ("en",)
    assert "OPENAI_BASE_URL" in rows["translator", "openai-translator"].reason
    assert "Not chosen" in rows["recognizer", "silent"].reason


def test_an_engine_that_is_not_available_serves_nothing_and_says_why() -> None:
    found = catalogue()
    assert [engine.name for engine in found.translators("en", "es")] == ["upper"]
    row = next(row for row in found.rows() if row.name == "absent")
    assert (row.available, row.reason, row.languages) == (False, "Install the package absent.", ())


def test_a_language_is_always_served_in_itself_and_regions_count_as_the_language() -> None:
    found = catalogue()
    assert found.serves("he", "he")
    assert found.serves("en-US", "es_MX")
    assert found.serves("en", "en-GB")
    assert not found.serves("es", "en")
    assert found.hears("en-AU")
    assert not found.hears("es")
    assert found.speaks("fr")
    assert not found.speaks("he")
    assert primary("PT-br") == "pt"


def test_pairs_are_what_is_served() -> None:
    found = catalogue()
    assert found.pairs() == [("en", "en"), ("en", "es"), ("en", "fr"), ("es", "es"), ("fr", "fr")]
    assert found.pairs(heard=True) == [("en", "en"), ("en", "es"), ("en", "fr")]
    assert all(found.serves(*pair) for pair in found.pairs())
