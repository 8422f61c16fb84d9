"""Threads that work for an event loop, which waits for none of them.

Invariant: what one thread was given is done in order, and what it comes to is told in the loop that asked.
`ThreadPoolExecutor` does the same with a future under a lock for each piece of work, a second one, and what
links them: a fifth of the CPU of a small transaction.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """Up to `count` threads; `waiting` is how much work they have not done yet."""

    def __init__(self, count: int, name: str) -> None:
        self.waiting = 0
        self._count = count
        self._name = name
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._running: list[threading.Thread] = []

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, or raise what it raises. If this is cancelled, it is done all the same,
        unless it had not begun. How much may wait is for the caller to bound."""
        if self.waiting >= len(self._running) < self._count:
            self._start()
        job = _Job(work, asyncio.get_running_loop())
        self.waiting += 1
        self._jobs.put(job)
        try:
            answer: T = await job.future
        finally:
            self.waiting -= 1
            del job
        return answer

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._running)}", daemon=True)
        thread.start()
        self._running.append(thread)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.do()
            del job  # Or it, and all that it came to, would live until the next.

    async def aclose(self) -> None:
        """Let the threads do what they were given, and end them."""
        ending, self._running = self._running, []
        for _ in ending:
            self._jobs.put(None)
        for thread in ending:
            await asyncio.get_running_loop().run_in_executor(None, thread.join)


class _Job:
    __slots__ = ("_loop", "_work", "future")

    def __init__(self, work: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[Any] = loop.create_future()
        self._work = work
        self._loop = loop

    def do(self) -> None:
        """Do it, in a thread."""
        if self.future.cancelled():
            return
        try:
            result = self._work()
        except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
            self._tell(self._fail, error)
            del self  # An error has the frames it went through; ours would have the future, which has it.
        else:
            self._tell(self._answer, result)

    def _tell(self, how: Callable[[Any], None], what: object) -> None:
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits.
            self._loop.call_soon_threadsafe(how, what)

    def _answer(self, result: Any) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def _fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)
