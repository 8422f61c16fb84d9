"""A worker is killed in mid-sentence while PocketSphinx hears speech made by flite."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.workers.pool import PoolSettings, WorkerPool
from tests.gateway.workers.fakes import EN, Listener
from tests.speech import SENTENCES, speech, word_errors

pytestmark = pytest.mark.speech

WORKER = """
import sys
from pathlib import Path
from media.engines.base import EngineSettings
from media.worker import main
sys.exit(main(Path(sys.argv[1]), EngineSettings(translators=(), synthesizers=()), 4, True))
"""


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[WorkerPool]:
    settings = PoolSettings(data_dir=tmp_path, workers_max=1)
    made = WorkerPool(settings, [sys.executable, "-c", WORKER, str(tmp_path)])
    await made.start()
    async with asyncio.timeout(30):
        await made.wait_ready()
    yield made
    await made.aclose(deadline_seconds=3)


def said(listener: Listener) -> list[tuple[int, str, float, float]]:
    """What was said and when, to the word."""
    return [
        (final.utterance, caption.text.replace("\n", " "), caption.start, caption.end)
        for final in listener.finals("en")
        for caption in final.captions
    ]


async def test_killed_in_mid_sentence_captions_go_on_as_if_nothing_had_happened(pool: WorkerPool) -> None:
    pcm = speech(SENTENCES[:3])
    undisturbed, disturbed = Listener(), Listener()
    stream = pool.open_stream("en", EN, undisturbed)
    stream.receive_audio(pcm)
    stream.close()
    await undisturbed.until(lambda told: told.over, seconds=60)
    async with asyncio.timeout(30):
        await pool.wait_ready(2)

    stream = pool.open_stream("en", EN, disturbed)
    middle = len(pcm) // 2 & ~1
    stream.receive_audio(pcm[:middle])
    await disturbed.until(lambda told: any(interim.utterance == 1 for interim in told.interims("en")))
    assert [final.utterance for final in disturbed.finals("en")] == [0]
    assert stream.connection is not None
    shown = len(disturbed.events)
    os.kill(stream.connection.pid, signal.SIGKILL)
    stream.receive_audio(pcm[middle:])
    stream.close()
    await disturbed.until(lambda told: len(told.events) > shown, seconds=3)
    await disturbed.until(lambda told: told.over, seconds=60)

    assert pool.losses == 1
    assert said(disturbed) == said(undisturbed)
    numbers = [final.utterance for final in disturbed.finals("en")]
    assert numbers == sorted(set(numbers))
    assert disturbed.gaps == []
    heard = " ".join(text for _, text, _, _ in said(disturbed))
    assert word_errors(" ".join(SENTENCES[:3]), heard) <= 1
