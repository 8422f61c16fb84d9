"""docs/engines.md is held to the code: its example runs, and its table is what is built in."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from media.engines import EngineError, EngineSettings, TranslatorEngine
from media.engines.catalogue import BUILT_IN, Catalogue

DOCUMENT = Path("docs/engines.md").read_text()


def example() -> ModuleType:
    (program,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    module = ModuleType("spoon")
    exec(compile(program, "docs/engines.md", "exec"), module.__dict__)
    return module


async def test_the_example_is_an_engine_that_works() -> None:
    engine = example().ENGINE
    assert isinstance(engine, TranslatorEngine)
    catalogue = Catalogue(EngineSettings(translators=("spoon",)), [engine])
    assert catalogue.serves("en-GB", "art")
    assert catalogue.rows()[0].languages == ("en-art",)
    translator = engine.create(catalogue.settings)
    assert await translator.translate("hello", "en", "art") == "hepellopo"
    with pytest.raises(EngineError):
        await translator.translate("a" * 10_001, "en", "art")
    await translator.aclose()


def test_every_built_in_engine_is_in_the_table() -> None:
    assert set(re.findall(r"`([a-z-]+)`", DOCUMENT.split("A language is")[0])) >= set(BUILT_IN)
