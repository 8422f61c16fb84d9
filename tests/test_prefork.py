"""Servers that are forked know nothing of one another, and end as any process does."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.house import Opened

SILENT = {"RECOGNIZERS": "silent"}


def test_each_has_its_own_folder_port_and_end(tmp_path: Path) -> None:
    with Opened(tmp_path / "one", **SILENT) as one, Opened(tmp_path / "other", **SILENT) as other:
        assert one.port != other.port
        for house in (one, other):
            assert Path(f"/proc/{house.process.pid}/cwd").resolve() == house.data_dir
            assert house.process.poll() is None
            assert house.get("/readyz") == {"status": "ready", "degraded": {}}
        with pytest.raises(subprocess.TimeoutExpired):
            one.process.wait(0.01)
        one.process.kill()
        assert one.process.wait(15) == one.process.poll() == -signal.SIGKILL
        one.process.kill()  # twice does no harm
        assert other.get("/readyz")["status"] == "ready"
        other.process.send_signal(signal.SIGTERM)
        assert other.process.wait(15) == 0


def test_what_it_says_as_it_ends_is_in_its_log_alone(tmp_path: Path) -> None:
    with Opened(tmp_path / "one", **SILENT) as one:
        with (
            pytest.raises(AssertionError, match="REDIS_URL"),
            Opened(tmp_path / "other", REDIS_URL="nowhere"),
        ):
            pass
        assert "REDIS_URL" not in one.log.read_text()
        assert one.get("/readyz")["status"] == "ready"
