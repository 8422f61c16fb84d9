"""Where the secret comes from, and who can read it."""

import logging
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from auth.principal import Plan, Principal, Role
from auth.tokens import SecretTooWeak, TokenRefused, issue, verify
from gateway.keys import SECRET_FILE, key_ring
from tests.gateway.rehearsal import settings

PRINCIPAL = Principal("dana", "default", frozenset({Role.FAN}), Plan.FREE, 2000.0, "jti_1")
ROOT = Path(__file__).parent.parent.parent


def test_a_secret_that_is_set_is_used_and_nothing_is_kept(tmp_path: Path) -> None:
    keys = key_ring(settings(data_dir=tmp_path, jwt_secret=SecretStr("s" * 32)))
    assert list(keys.secrets.values()) == [b"s" * 32]
    assert list(tmp_path.iterdir()) == []


def test_without_one_a_secret_is_made_that_only_its_owner_reads(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data_dir = tmp_path / "new" / "data"
    with caplog.at_level(logging.INFO):
        first = key_ring(settings(data_dir=data_dir))
    kept = data_dir / SECRET_FILE
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert len(kept.read_bytes()) >= 48
    assert [entry.name for entry in data_dir.iterdir()] == [SECRET_FILE]
    assert [record.message for record in caplog.records] == [
        f"Made a secret for access tokens and keep it in {kept}"
    ]
    assert kept.read_text() not in caplog.text

    caplog.clear()
    assert key_ring(settings(data_dir=data_dir)).secrets == first.secrets
    assert caplog.records == []


def test_a_kept_secret_is_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / SECRET_FILE).write_bytes(b"k" * 40 + b"\n")
    made = set(tmp_path.iterdir())
    assert list(key_ring(settings(data_dir=tmp_path)).secrets.values()) == [b"k" * 40]
    assert set(tmp_path.iterdir()) == made


def test_many_threads_at_once_get_the_same_secret(tmp_path: Path) -> None:
    for number in range(20):
        chosen = settings(data_dir=tmp_path / str(number))
        with ThreadPoolExecutor(4) as pool:
            rings = list(pool.map(lambda _, chosen=chosen: key_ring(chosen), range(4)))
        assert len({ring.signing for ring in rings}) == 1


def test_two_processes_at_once_get_the_same_secret(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from gateway.keys import key_ring; "
        "from gateway.settings import Settings; sys.stdin.readline(); "
        "print(key_ring(Settings(data_dir=Path(sys.argv[1]))).signing)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "data")]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    rings = {process.communicate(timeout=30)[0] for process in processes}
    assert len(rings) == 1
    assert len(rings.pop().strip()) == 12


@pytest.mark.parametrize("weak", ["", "short", "x" * 31])
def test_a_weak_secret_is_refused_wherever_it_comes_from(tmp_path: Path, weak: str) -> None:
    if weak:
        with pytest.raises(SecretTooWeak, match="openssl rand"):
            key_ring(settings(data_dir=tmp_path, jwt_secret=SecretStr(weak)))
    (tmp_path / SECRET_FILE).write_text(weak)
    with pytest.raises(SecretTooWeak):
        key_ring(settings(data_dir=tmp_path))


def test_a_token_made_before_a_rotation_holds_until_the_old_secret_is_taken_out(tmp_path: Path) -> None:
    old = key_ring(settings(data_dir=tmp_path, jwt_secret=SecretStr("o" * 32)))
    made = issue(old, PRINCIPAL, now=1000.0)
    rotated = key_ring(
        settings(data_dir=tmp_path, jwt_secret=SecretStr("n" * 32), jwt_previous_secrets="o" * 32)
    )
    assert verify(rotated, made, now=1000.0) == PRINCIPAL
    after = key_ring(settings(data_dir=tmp_path, jwt_secret=SecretStr("n" * 32)))
    with pytest.raises(TokenRefused):
        verify(after, made, now=1000.0)


def test_a_folder_that_is_none_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        key_ring(settings(data_dir=tmp_path / "file"))
