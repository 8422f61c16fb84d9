"""Worker processes that this gateway starts, each in a session of its own.

Invariant: a process that was started is waited for, and when it has ended no process that it started is
left (its whole group is killed). A terminal's Ctrl-C does not reach them: the gateway lets them go.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gateway.tasks import Tasks


@dataclass(slots=True, eq=False)
class Child:
    """One process; `pid` is 0 until it runs."""

    started_at: float
    pid: int = 0
    warm: bool = False  # its worker has said Hello
    ending: bool = False  # its link is gone, or it was told to go
    retired: bool = False  # it ends because it is not needed

    def kill(self) -> None:
        """Kill it and whatever it started, at once."""
        if self.pid:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)


class Children:
    """The processes that run `command`; `ended` is told of each end, with what can be said about it."""

    def __init__(self, command: Sequence[str], ended: Callable[[Child, str], None]) -> None:
        self._command = tuple(command)
        self._ended = ended
        self._tasks = Tasks()
        self._running: dict[Child, asyncio.Task[None]] = {}
        self._closing = False

    def __len__(self) -> int:
        return len(self._running)

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._running))

    def find(self, pid: int) -> Child | None:
        """Return the running child with this process id."""
        return next((child for child in self._running if child.pid == pid), None)

    def start(self, now: float) -> None:
        """Start one more."""
        child = Child(now)
        self._running[child] = self._tasks.start(self._run(child), name="media worker")

    async def _run(self, child: Child) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            self._gone(child, f"{self._command[0]} cannot be run: {error.strerror or error}")
            return
        child.pid = process.pid
        try:
            if self._closing:
                child.kill()
            status = await process.wait()
        finally:
            # Whatever it started, and on cancellation itself: nobody else would do it.
            child.kill()
        self._gone(child, f"process {child.pid} ended with status {status}")

    def _gone(self, child: Child, how: str) -> None:
        del self._running[child]
        self._ended(child, how)

    async def aclose(self, deadline_seconds: float) -> None:
        """Wait for all to end by themselves, then kill what is left; start nothing any more."""
        self._closing = True
        if self._running:
            await asyncio.wait(self._running.values(), timeout=deadline_seconds)
        for child in self:
            child.kill()
        if self._running:
            await asyncio.wait(self._running.values())
