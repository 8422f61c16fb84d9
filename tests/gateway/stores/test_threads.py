"""Threads that work for a loop: in order, with every outcome told where it was asked for."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Coroutine
from typing import Any

import pytest

from gateway.stores.threads import Threads
from gateway.tasks import Tasks


class Note:
    """Something that can be watched until it is gone."""


async def test_one_thread_works_in_order_and_elsewhere() -> None:
    threads, seen = Threads(1, "one"), []
    await asyncio.gather(*(threads.run(lambda number=number: seen.append(number)) for number in range(100)))  # type: ignore[misc]
    assert seen == list(range(100))
    assert await threads.run(threading.current_thread) is not threading.current_thread()
    assert (await threads.run(threading.current_thread)).name == "one-0"
    await threads.aclose()


async def test_no_more_threads_than_there_is_work_for_are_started() -> None:
    threads = Threads(2, "two")
    for _ in range(10):
        await threads.run(int)
    names = {thread.name for thread in threading.enumerate()}
    assert "two-0" in names
    assert "two-1" not in names
    await threads.aclose()


async def test_as_many_as_there_may_be_work_beside_each_other() -> None:
    threads, together = Threads(2, "pair"), threading.Barrier(2, timeout=30)
    await asyncio.gather(threads.run(together.wait), threads.run(together.wait))
    await threads.aclose()
    assert not {"pair-0", "pair-1"} & {thread.name for thread in threading.enumerate()}


async def test_an_error_is_raised_where_it_was_asked_for_and_the_thread_goes_on() -> None:
    threads = Threads(1, "one")
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    assert await threads.run(lambda: 2) == 2
    await threads.aclose()


class Broken(Exception):
    """Something went wrong in the thread."""


async def test_an_error_is_gone_with_whoever_got_it() -> None:
    def fail() -> None:
        raise Broken

    threads, watched = Threads(1, "one"), []
    try:
        await threads.run(fail)
    except Broken as error:
        watched.append(weakref.ref(error))
    await threads.run(int)
    assert watched[0]() is None
    await threads.aclose()


async def test_what_was_cancelled_before_it_began_is_not_done_and_else_it_is() -> None:
    threads, done = Threads(1, "one"), []
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> None:
        begun.set()
        go_on.wait(30)
        done.append("slowly")

    tasks = Tasks()
    first = tasks.start(threads.run(slowly), name="first")
    second = tasks.start(threads.run(lambda: done.append("never")), name="second")
    await asyncio.to_thread(begun.wait, 30)
    for each in (first, second):
        each.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert threads.waiting == 0
    go_on.set()
    await threads.run(int)
    assert done == ["slowly"]
    await threads.aclose()


async def test_closing_lets_what_was_given_be_done() -> None:
    threads, done = Threads(1, "one"), []
    tasks = Tasks()
    given = [tasks.start(threads.run(lambda: done.append(1)), name="given") for _ in range(20)]
    await asyncio.sleep(0)
    await threads.aclose()
    assert len(done) == 20
    await asyncio.gather(*given)


async def test_what_came_of_the_last_work_is_not_kept_until_the_next() -> None:
    threads = Threads(1, "one")
    note = await threads.run(Note)
    watched = weakref.ref(note)
    del note
    await threads.run(int)
    gc.collect()
    assert watched() is None
    await threads.aclose()


def test_a_loop_that_is_closed_meanwhile_hurts_nobody() -> None:
    go_on, ended = threading.Event(), threading.Event()
    left_behind: list[Coroutine[Any, Any, None]] = []

    def slowly() -> None:
        go_on.wait(30)

    async def leave() -> Threads:
        threads = Threads(1, "one")
        for work in (slowly, ended.set):
            left_behind.append(threads.run(work))
            left_behind[-1].send(None)
        return threads

    loop = asyncio.new_event_loop()
    threads = loop.run_until_complete(leave())
    loop.close()
    go_on.set()
    assert ended.wait(30)
    for coroutine in left_behind:
        coroutine.close()

    async def again() -> int:
        return await threads.run(lambda: 3)

    assert asyncio.run(again()) == 3
    asyncio.run(threads.aclose())
