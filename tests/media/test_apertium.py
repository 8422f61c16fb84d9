"""Translation through programs that live as long as the worker."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.engines import EngineError, EngineSettings
from media.engines import apertium as module
from media.engines.apertium import ENGINE, Apertium, Pipe, escape, modes, unescape
from tests.speech import needs_apertium

SETTINGS = EngineSettings()


@given(st.text(max_size=200))
def test_no_text_can_leave_the_stream_format(text: str) -> None:
    assert unescape(escape(text)) == " ".join(text.replace("\0", " ").split())


def test_modes_are_named_by_two_letter_codes(tmp_path: Path) -> None:
    for name in ("eng-spa", "spa-eng", "spa-eng_US", "eng-spa-tagger", "fra-oci", "README"):
        (tmp_path / f"{name}.mode").touch()
    found = modes(tmp_path)
    assert found == {("en", "es"): "eng-spa", ("es", "en"): "spa-eng", ("fr", "oc"): "fra-oci"}


def test_without_a_language_it_names_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "modes", dict)
    assert "apertium-eng-spa" in str(ENGINE.unavailable(SETTINGS))


async def test_a_pair_without_a_package_is_an_engine_error() -> None:
    with pytest.raises(EngineError, match="no apertium package"):
        await Apertium({}).translate("hello", "en", "he")


@needs_apertium
async def test_both_directions_are_translated() -> None:
    translator = ENGINE.create(SETTINGS)
    assert translator.interims
    assert await translator.translate("the house is big", "en", "es") == "La casa es grande"
    assert await translator.translate("la casa es grande.", "es-MX", "en-US") == "The house is big."
    assert await translator.translate("  \n ", "en", "es") == ""
    await translator.aclose()


@needs_apertium
async def test_texts_that_mean_something_to_the_stream_come_back_whole() -> None:
    translator = ENGINE.create(SETTINGS)
    for text in ("Yes!", "x [y] ^z$ {w} @v / \\ <b>u</b> [] \0 ~ * #", "5 < 6", "." * 50, "a" * 5000):
        made = await asyncio.wait_for(translator.translate(text, "en", "es"), 10)
        assert made
    assert await translator.translate("thank you", "en", "es") == "gracias"
    await translator.aclose()


@needs_apertium
async def test_many_at_once_are_answered_each_with_its_own() -> None:
    translator = ENGINE.create(SETTINGS)
    texts = ["one house", "two houses", "three houses", "four houses"] * 5
    together = await asyncio.gather(*(translator.translate(text, "en", "es") for text in texts))
    assert together == [await translator.translate(text, "en", "es") for text in texts]
    await translator.aclose()


def group_of(pipe: Pipe) -> int:
    assert pipe._process is not None
    return pipe._process.pid


@needs_apertium
async def test_a_pipe_that_died_is_started_again() -> None:
    pipe = Pipe("eng-spa")
    assert await pipe.ask("hello") == "hola"
    os.killpg(group_of(pipe), signal.SIGKILL)
    assert await pipe.ask("hello") == "hola"
    await pipe.aclose()


@needs_apertium
async def test_a_pipe_that_hangs_is_started_again() -> None:
    pipe = Pipe("eng-spa", answer_seconds=1.0)
    await pipe.ask("hello")
    hung = group_of(pipe)
    os.killpg(hung, signal.SIGSTOP)
    assert await pipe.ask("hello") == "hola"
    assert group_of(pipe) != hung
    assert not alive(hung)
    await pipe.aclose()


async def test_a_pipe_that_never_answers_fails_after_one_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    async def silent(mode: str) -> str:
        started.append(mode)
        return "cat > /dev/null"

    monkeypatch.setattr(module, "command", silent)
    pipe = Pipe("eng-spa", answer_seconds=0.1)
    with pytest.raises(EngineError, match="does not answer, also after a restart"):
        await pipe.ask("hello")
    assert started == ["eng-spa", "eng-spa"]


@needs_apertium
async def test_a_caller_who_gives_up_leaves_no_answer_for_the_next() -> None:
    pipe = Pipe("eng-spa")
    await pipe.ask("hello")
    asking = asyncio.timeout(0)
    with pytest.raises(TimeoutError):
        async with asking:
            await pipe.ask("the house is big")
    assert await pipe.ask("thank you") == "gracias"
    await pipe.aclose()


def alive(group: int) -> bool:
    """Whether a process of the group runs (one that only waits to be collected does not)."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                return True
    return False


@needs_apertium
async def test_its_programs_end_when_the_worker_is_killed() -> None:
    program = (
        "import asyncio\nfrom media.engines.apertium import Pipe\n"
        "async def main():\n    pipe = Pipe('eng-spa')\n    await pipe.ask('hello')\n"
        "    print(pipe._process.pid, flush=True)\n    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=subprocess.PIPE)
    assert worker.stdout is not None
    group = int(await worker.stdout.readline())
    assert alive(group)
    worker.kill()
    await worker.wait()
    for _ in range(500):
        if not alive(group):
            break
        await asyncio.sleep(0.01)
    assert not alive(group)
