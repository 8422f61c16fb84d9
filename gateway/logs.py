"""Log lines: JSON for machines, text for people; never a token."""

import logging
import logging.config
import re
from typing import Any

import orjson

from gateway.clock import rfc3339

_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*")
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class Redacted(logging.Filter):
    """Takes access tokens out of whatever is logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record's message if a token is in it."""
        message = record.getMessage()
        if "eyJ" in message:
            record.msg, record.args = _TOKEN.sub("[token]", message), None
        return True


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
        line |= {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def configure(level: str, *, json: bool) -> None:
    """Send everything at `level` and above to standard error."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"redacted": {"()": Redacted}},
            "formatters": {
                "json": {"()": JsonLines},
                "text": {"format": "%(asctime)s %(levelname)-7s %(message)s", "datefmt": "%H:%M:%S"},
            },
            "handlers": {
                "stderr": {
                    "class": "logging.StreamHandler",
                    "formatter": "json" if json else "text",
                    "filters": ["redacted"],
                }
            },
            "root": {"level": level.upper(), "handlers": ["stderr"]},
            "loggers": {"httpx": {"level": "WARNING"}, "httpcore": {"level": "WARNING"}},
        }
    )
