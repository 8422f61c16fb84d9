"""Log lines: what is in them, and that no token ever is."""

import asyncio
import errno
import io
import json as standard_json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import logs
from tests.house import token

TOKEN = token()
log = logging.getLogger("gateway.test")


class Captured:
    """The log as it is written, in one format."""

    def __init__(self, *, json: bool, level: str = "info") -> None:
        logs.configure(level, json=json)
        self.stream = io.StringIO()
        (handler,) = logging.getLogger().handlers
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(self.stream)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def line(self) -> dict[str, Any]:
        (line,) = self.text.splitlines()
        found: dict[str, Any] = standard_json.loads(line)
        return found


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    before = list(root.handlers), root.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])


def test_a_line_is_one_json_object_with_its_fields() -> None:
    captured = Captured(json=True)
    log.info("WebSocket %s", "connected", extra={"sessionId": "live_1", "status_code": 200})
    line = captured.line
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "INFO", "logger": "gateway.test", "message": "WebSocket connected", "sessionId": "live_1",
        "status_code": 200,
    }  # fmt: skip


def test_an_exception_is_part_of_its_line() -> None:
    captured = Captured(json=True)
    log.error("It failed", exc_info=ValueError("with a\nline break"))
    assert "ValueError: with a\nline break" in captured.line["exception"]


@pytest.mark.parametrize("json", [True, False])
@pytest.mark.parametrize("altered", [TOKEN, TOKEN[:-9], TOKEN[:-1] + "!", "x" + TOKEN])
def test_no_token_is_ever_in_a_line(json: bool, altered: str) -> None:
    captured = Captured(json=json)
    log.info("Somebody sent %s", altered)
    log.info("Somebody sent %s" % altered)  # noqa: G002, UP031 - the token is in the message itself
    log.info("In a field", extra={"path": f"/x/{altered}", "details": {"token": altered}, "list": [altered]})
    log.error("It failed with %r", altered, exc_info=ValueError(f"cannot read {altered}"))
    log.info("In bytes %r", altered.encode())
    payload, signature = TOKEN.split(".")[1], TOKEN.split(".")[2]
    assert captured.text.count("[token]") >= 4
    assert payload not in captured.text
    assert signature[:-9] not in captured.text


def test_what_cannot_be_json_is_written_nevertheless() -> None:
    captured = Captured(json=True)
    log.info("odd", extra={"bytes": b"\xff", "big": 2**70, "surrogate": "\ud800", "keys": {1: 2}, "set": {3}})
    assert captured.line["message"] == "odd"


@pytest.mark.parametrize("json", [True, False])
def test_a_line_break_from_outside_makes_no_second_line(json: bool) -> None:
    captured = Captured(json=json)
    log.info("user %s", 'x\n{"level":"INFO","message":"forged"}\x1b[2J', extra={"user": "a\r\nb"})
    assert len(captured.text.splitlines()) == 1
    assert "\x1b" not in captured.text


def test_what_is_below_the_level_is_left_out() -> None:
    captured = Captured(json=True, level="warning")
    log.info("quiet")
    log.warning("loud")
    assert captured.line["message"] == "loud"


def test_clients_of_ours_do_not_fill_the_log_with_addresses() -> None:
    captured = Captured(json=True)
    logging.getLogger("httpx").info("HTTP Request: GET http://example/?key=secret")
    assert captured.text == ""


def test_text_is_for_people() -> None:
    captured = Captured(json=False)
    log.warning("Media worker %d is gone", 7)
    assert captured.text.split(" ", 1)[1] == "WARNING Media worker 7 is gone\n"


async def test_lines_of_a_moment_are_written_together_and_in_order() -> None:
    captured = Captured(json=False)
    log.info("first")
    log.info("second")
    assert captured.text == ""

    async with asyncio.timeout(5):
        while not captured.text:
            await asyncio.sleep(0)
    assert [line.split()[-1] for line in captured.text.splitlines()] == ["first", "second"]


async def test_a_warning_does_not_wait_and_neither_does_what_came_before_it() -> None:
    captured = Captured(json=False)
    log.info("first")
    log.warning("second")

    assert [line.split()[-1] for line in captured.text.splitlines()] == ["first", "second"]


async def test_what_waits_at_the_end_of_the_process_is_written() -> None:
    captured = Captured(json=False)
    log.info("last words")
    (handler,) = logging.getLogger().handlers
    handler.flush()  # as logging.shutdown does

    assert "last words" in captured.text


class FullDisk(io.StringIO):
    """A file that takes nothing while its disk is full."""

    full = True

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


async def test_a_log_that_cannot_be_written_stops_no_work() -> None:
    captured, disk = Captured(json=False), FullDisk()
    captured.stream = disk
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(disk)
    log.info("lost")
    log.error("lost as well")
    disk.full = False
    log.error("kept")
    assert [line.split()[-1] for line in captured.text.splitlines()] == ["kept"]
