"""Tasks: none vanishes, none swallows its error, none outlives its owner."""

import asyncio
import gc
import logging

import pytest

from gateway.tasks import Tasks


async def test_a_task_that_fails_says_so_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise ValueError("broken")

    tasks = Tasks()
    await asyncio.wait([tasks.start(work(), name="the work")])
    assert len(tasks) == 0
    (record,) = caplog.records
    assert (record.levelno, record.message) == (logging.ERROR, "Task the work failed")
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "broken"


async def test_closing_cancels_what_runs_and_waits_for_its_end(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []
    started = asyncio.Event()

    async def work() -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("tidied")

    tasks = Tasks()
    tasks.start(work(), name="waits")
    await started.wait()
    await tasks.aclose()
    assert ended == ["tidied"]
    assert len(tasks) == 0
    assert caplog.records == []


async def test_closing_also_ends_what_an_ending_task_starts() -> None:
    tasks, ended = Tasks(), asyncio.Event()
    started = asyncio.Event()

    async def successor() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            tasks.start(successor(), name="successor")
            await asyncio.sleep(0)

    tasks.start(work(), name="work")
    await started.wait()
    await tasks.aclose()
    assert ended.is_set()
    assert len(tasks) == 0


async def test_a_task_is_held_although_nobody_else_holds_it() -> None:
    done = asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(0)
        gc.collect()
        await asyncio.sleep(0)
        done.set()

    tasks = Tasks()
    tasks.start(work(), name="held")
    gc.collect()
    async with asyncio.timeout(5):
        await done.wait()
