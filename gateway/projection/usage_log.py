"""The usage log on disk: `usage-YYYYMM.jsonl`, one settled event a line, by the month that it occurred in.

Invariant: an event is in the log once. What `append` returned from is on the disk; a line that was torn by
a crash is gone before the next one is written.
"""

import fcntl
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import orjson

from gateway.stores.outbox import Usage

CHUNK_BYTES = 64 * 1024
LOCK_FILE = ".lock"


class LogBusy(Exception):
    """Another process writes the log in this folder."""


class UsageLog:
    """The files in one folder. Its methods block: call them off the event loop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # A thread that writes goes on when the task that waits for it is cancelled.
        self._turn = threading.Lock()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from the folder. Raises LogBusy and OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / LOCK_FILE).open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LogBusy(f"Another process writes {self.folder}") from error
            yield

    def mend(self, most: int) -> list[str]:
        """Drop the torn last line of each file; return the event ids of the last `most` lines of each, which
        may not have been marked. Raises OSError."""
        found: list[str] = []
        with self._turn:
            for path in sorted(self.folder.glob("usage-*.jsonl")):
                with path.open("r+b") as file:
                    _drop_torn(file)
                    # A line by hand that is no event is left alone.
                    found += [event_id for line in _last_lines(file, most) if (event_id := _event_id(line))]
                    # A line may have been written, and never come to the disk.
                    _to_disk(file)
        return found

    def append(self, events: Sequence[Usage]) -> None:
        """Write events, to the disk. Raises OSError; then the files may end in some of them, which `mend`
        finds."""
        by_file: dict[str, list[bytes]] = {}
        for event in events:
            by_file.setdefault(_file_name(event.occurred_at_ms), []).append(line_of(event))
        with self._turn:
            for name, lines in by_file.items():
                self._append(self.folder / name, b"".join(lines))

    def _append(self, path: Path, lines: bytes) -> None:
        is_new = not path.exists()
        with path.open("ab") as file:
            file.write(lines)
            _to_disk(file)
        if is_new:
            _folder_to_disk(self.folder)


def line_of(event: Usage) -> bytes:
    """Return the line of an event: `amount` is in the unit that `metric` ends in."""
    payload = event.payload
    line: dict[str, Any] = {
        "timestamp": timestamp(event.occurred_at_ms),
        "tenant_id": event.tenant_id,
        "metric": metric_of(payload["kind"]),
        "amount": payload["quantity_ms"] / 1000,
        "user": payload["user"],
        "session_id": payload["session_id"],
        "channel_id": payload["channel_id"],
        "event_id": event.event_id,
        "sequence": event.sequence,
        "late": payload["late"],
        "cost_micro": payload["cost_micro"],
    }
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def metric_of(kind: str) -> str:
    """Return the name of what is counted: `live_subtitle_seconds` or `live_dubbing_seconds`."""
    return f"live_{kind.removesuffix('s')}_seconds"


def timestamp(at_ms: int) -> str:
    """Return a moment as RFC 3339 in UTC, to the millisecond."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def _file_name(occurred_at_ms: int) -> str:
    return f"usage-{datetime.fromtimestamp(occurred_at_ms // 1000, UTC):%Y%m}.jsonl"


def _event_id(line: bytes) -> str | None:
    try:
        event_id = orjson.loads(line)["event_id"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return event_id if isinstance(event_id, str) else None


def _blocks_from_the_end(file: IO[bytes]) -> Iterable[tuple[int, bytes]]:
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - CHUNK_BYTES)
        file.seek(start)
        yield start, file.read(end - start)
        end = start


def _drop_torn(file: IO[bytes]) -> None:
    for start, block in _blocks_from_the_end(file):
        if (newline := block.rfind(b"\n")) >= 0:
            file.truncate(start + newline + 1)
            return
    file.truncate(0)


def _last_lines(file: IO[bytes], most: int) -> list[bytes]:
    blocks: deque[bytes] = deque()
    lines = 0
    for _start, block in _blocks_from_the_end(file):
        blocks.appendleft(block)
        lines += block.count(b"\n")
        if lines > most:
            break
    return b"".join(blocks).splitlines()[-most:]


def _to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _folder_to_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
