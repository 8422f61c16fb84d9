"""Log lines: JSON for machines, text for people; never a token."""

import asyncio
import contextlib
import json as standard_json
import logging
import logging.config
import re
import time
from functools import lru_cache
from typing import Any, TextIO

import orjson

from gateway.clock import rfc3339

GATHER_SECONDS = 0.05
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*")
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message", "asctime", "taskName", "color_message",
}  # fmt: skip


_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127)}
"""What would let a name that somebody chose begin a line of its own, or move a terminal's cursor."""


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD}


def redacted(line: str) -> str:
    """Return `line` without the access tokens in it, wherever in the record they came from."""
    return _TOKEN.sub("[token]", line) if "eyJ" in line else line


class TextLines(logging.Formatter):
    """Lines for people: time, level, message, then the fields given with `extra`."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """Return the line without a traceback."""
        line = f"{_of_day(int(record.created))} {record.levelname:<7} {record.getMessage()}"
        for name, value in _fields(record).items():
            line += f" {name}={value}"
        return line.translate(_CONTROL)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        if record.exc_info or record.exc_text or record.stack_info:
            return redacted(super().format(record))
        return redacted(self.formatMessage(record))  # The library does the same in ten calls.


@lru_cache(maxsize=4)
def _of_day(epoch_second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(epoch_second))


class JsonLines(logging.Formatter):
    """One JSON object a line: timestamp, level, logger, message, and the fields given with `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "timestamp": rfc3339(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= _fields(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        try:
            return redacted(orjson.dumps(line, default=str).decode())
        except TypeError:  # what orjson does not write: lone surrogates, large numbers, keys that are none
            return redacted(standard_json.dumps(line, default=str))


class Gathered(logging.StreamHandler[TextIO]):
    """Makes and writes the lines of a moment together: a thousand viewers who join cost one write, and what
    a line takes is in the processor's cache for all but the first.

    A warning is written at once, after what waits before it; so is whatever comes outside an event loop.
    """

    def __init__(self) -> None:
        super().__init__()
        self._records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; `flush` is called now or soon."""
        self._records.append(record)
        if record.levelno >= logging.WARNING or not self._soon():
            self.flush()

    def _soon(self) -> bool:
        """Have the records written in a moment; False if there is nobody to do it."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        if len(self._records) == 1:
            loop.call_later(GATHER_SECONDS, self.flush)
        return True

    def flush(self) -> None:
        """Write what waits. Lines that cannot be written are lost, as when the log's disk is full: they must
        not stop the work."""
        self.acquire()
        try:
            records, self._records = self._records, []
            with contextlib.suppress(OSError):
                if records:
                    self.stream.write("".join(map(self._line, records)))
                super().flush()
        finally:
            self.release()

    def _line(self, record: logging.LogRecord) -> str:
        try:
            return f"{self.format(record)}\n"
        except Exception:  # noqa: BLE001 - as every handler: what cannot be written must not stop the work
            self.handleError(record)
            return ""


def configure(level: str, *, json: bool) -> None:
    """Send everything at `level` and above to standard error."""
    # What no line here shows need not be found out for each (Logging HOWTO, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {"()": JsonLines},
                "text": {"()": TextLines},
            },
            "handlers": {
                "stderr": {"()": Gathered, "formatter": "json" if json else "text"},
            },
            "root": {"level": level.upper(), "handlers": ["stderr"]},
            "loggers": {name: {"level": "WARNING"} for name in ("alembic", "httpcore", "httpx")},
        }
    )
