"""The command: what it prints, what it refuses, and how it exits."""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner

from auth.principal import Role
from auth.tokens import verify
from gateway.cli import cli
from gateway.http.health import VERSION
from gateway.keys import SECRET_FILE, key_ring
from gateway.settings import Settings
from tests.gateway.rehearsal import settings
from tests.house import SECRET, OpenedCold

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Run:
    """How a command ended."""

    status: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Let no setting come in from outside, and leave no trace of a command in this process."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    before = list(root.handlers), root.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    logging.disable(logging.NOTSET)


def stagedoor(*arguments: str | Path, **environment: str) -> Run:
    """Run the command to its end, in this process."""
    result = CliRunner().invoke(cli, [*map(str, arguments)], env={"COLUMNS": "200", **environment})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Run(result.exit_code, result.stdout, result.stderr)


def program(*arguments: str | Path, **environment: str) -> Run:
    """Run the command to its end, in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    run = subprocess.run(
        [sys.executable, "-m", "gateway.cli", *map(str, arguments)],
        env={**kept, "COLUMNS": "200", "PYTHONPATH": str(ROOT), **environment},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return Run(run.returncode, run.stdout, run.stderr)


def refused(run: Run, status: int) -> str:
    """Return the sentence on the standard error of a run that was refused; nothing else is printed."""
    assert run.status == status, run
    assert run.out == ""
    assert run.err.startswith("stagedoor: ")
    assert "Traceback" not in run.err
    return run.err.removeprefix("stagedoor: ").strip()


class TestToken:
    def test_it_prints_the_token_alone_and_the_server_takes_it(self, tmp_path: Path) -> None:
        options = ["--user", "dana", "--role", "creator", "--plan", "pro", "--tenant", "acme", "--ttl", "90"]
        run = program("token", *options, "--data-dir", tmp_path)
        assert run.status == 0
        assert run.err.startswith("Made a secret in ")
        assert program("token", *options, "--data-dir", tmp_path).err == ""
        (token,) = run.out.splitlines()
        now = time.time()
        principal = verify(key_ring(settings(data_dir=tmp_path)), token, now=now)
        assert (principal.user, principal.tenant, principal.plan.value) == ("dana", "acme", "pro")
        assert principal.roles == {Role.CREATOR}
        assert 80 < principal.expires_at - now <= 90

    def test_it_needs_a_user_only(self, tmp_path: Path) -> None:
        tokens = [stagedoor("token", "--user", "dana", "--data-dir", tmp_path).out.strip() for _ in range(2)]
        keys, now = key_ring(settings(data_dir=tmp_path)), time.time()
        first, second = (verify(keys, token, now=now) for token in tokens)
        assert (set(first.roles), first.plan.value, first.tenant) == ({Role.FAN}, "free", "default")
        assert 3500 < first.expires_at - now <= 3600
        assert first.token_id != second.token_id

    def test_the_secret_of_the_environment_is_used_and_none_is_kept(self, tmp_path: Path) -> None:
        run = stagedoor("token", "--user", "dana", DATA_DIR=str(tmp_path), JWT_SECRET=SECRET)
        assert jwt.decode(run.out.strip(), SECRET, ["HS256"], audience="stagedoor")["sub"] == "dana"
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("options", "word"),
        [
            (["--user", "dana", "--tenant", "a b"], "tenant"),
            (["--user", ""], "sub"),
            (["--user", "x" * 129], "sub"),
            (["--user", "dana", "--ttl", "999999999999"], "exp"),
        ],
    )
    def test_what_the_server_would_refuse_is_not_printed(
        self, tmp_path: Path, options: list[str], word: str
    ) -> None:
        assert word in refused(stagedoor("token", *options, "--data-dir", tmp_path), 2)

    @pytest.mark.parametrize(
        "options", [[], ["--user", "dana", "--role", "king"], ["--user", "d", "--ttl", "0"]]
    )
    def test_wrong_options_are_shown_with_the_usage(self, tmp_path: Path, options: list[str]) -> None:
        run = stagedoor("token", *options, "--data-dir", tmp_path)
        assert (run.status, run.out) == (2, "")
        assert "Usage" in run.err
        assert "Traceback" not in run.err

    def test_a_folder_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "[").mkdir()
        (tmp_path / "[" / "bold] file").write_text("")
        sentence = refused(stagedoor("token", "--user", "d", "--data-dir", tmp_path / "[/bold] file"), 1)
        assert "[/bold] file" in sentence
        assert "--data-dir" in sentence

    def test_a_kept_secret_that_is_too_short_is_named(self, tmp_path: Path) -> None:
        (tmp_path / SECRET_FILE).write_text("short")
        sentence = refused(stagedoor("token", "--user", "d", "--data-dir", tmp_path), 2)
        assert str(tmp_path / SECRET_FILE) in sentence
        assert "openssl rand" in sentence


class TestServe:
    def test_a_taken_port_is_a_sentence(self, tmp_path: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            sentence = refused(
                stagedoor("serve", "--port", str(port), "--data-dir", tmp_path, JWT_SECRET=SECRET), 1
            )
        assert f"127.0.0.1:{port}: Address already in use" in sentence
        assert "--port" in sentence

    def test_a_host_that_is_not_ours_is_a_sentence(self, tmp_path: Path) -> None:
        run = stagedoor("serve", "--host", "192.0.2.1", "--data-dir", tmp_path, JWT_SECRET=SECRET)
        assert "192.0.2.1:8000" in refused(run, 1)

    def test_production_wants_a_secret_and_a_good_one(self, tmp_path: Path) -> None:
        bare = stagedoor("serve", ENVIRONMENT="production", DATA_DIR=str(tmp_path))
        assert "JWT_SECRET is missing" in refused(bare, 2)
        weak = stagedoor("serve", ENVIRONMENT="production", JWT_SECRET="short", DATA_DIR=str(tmp_path))
        sentence = refused(weak, 2)
        assert "JWT_SECRET: " in sentence
        assert "openssl rand -base64 48" in sentence
        assert list(tmp_path.iterdir()) == []

    def test_every_wrong_setting_is_named_at_once(self, tmp_path: Path) -> None:
        run = stagedoor(
            "serve", PORT="http", RESUME_GRACE_SECONDS="0", LOG_LEVEL="loud", DATA_DIR=str(tmp_path)
        )
        sentence = refused(run, 2)
        assert [line.partition(":")[0] for line in sentence.splitlines()] == [
            "PORT", "LOG_LEVEL", "RESUME_GRACE_SECONDS",
        ]  # fmt: skip

    def test_an_engine_that_does_not_exist_is_a_sentence(self, tmp_path: Path) -> None:
        run = stagedoor(
            "serve", "--port", "0", RECOGNIZERS="nonsense", DATA_DIR=str(tmp_path), JWT_SECRET=SECRET
        )
        assert "There is no recognizer called 'nonsense'" in refused(run, 1)

    def test_a_folder_that_cannot_be_had_is_a_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        assert "--data-dir" in refused(stagedoor("serve", "--port", "0", "--data-dir", tmp_path / "file"), 1)
        deep = tmp_path / ("x" * 120)
        run = stagedoor("serve", "--port", "0", "--data-dir", deep, JWT_SECRET=SECRET)
        assert "too long" in refused(run, 1)

    def test_a_second_server_in_the_same_folder_is_refused_and_disturbs_nobody(self, tmp_path: Path) -> None:
        with OpenedCold(tmp_path, RECOGNIZERS="silent") as house:
            run = program("serve", "--port", "0", "--data-dir", tmp_path, JWT_SECRET=SECRET)
            assert "Another Stagedoor" in refused(run, 1)
            assert house.get("/readyz") == {"status": "ready", "degraded": {}}

    def test_it_says_where_to_look_and_ctrl_c_ends_it(self, tmp_path: Path) -> None:
        with OpenedCold(tmp_path, RECOGNIZERS="silent") as house:
            assert house.get("/health")["version"] == VERSION
            house.process.send_signal(signal.SIGINT)
            assert house.process.wait(15) == 0
            assert "Traceback" not in house.log.read_text()


class TestTheRest:
    def test_version(self) -> None:
        run = program("--version")
        assert (run.status, run.out, run.err) == (0, f"stagedoor {VERSION}\n", "")

    @pytest.mark.parametrize("arguments", [[], ["--help"], ["serve", "--help"]])
    def test_help_can_be_read(self, arguments: list[str]) -> None:
        run = stagedoor(*arguments)
        assert run.status == (0 if arguments else 2)
        assert "Usage" in run.out + run.err

    def test_what_it_does_not_know_it_refuses(self) -> None:
        run = stagedoor("dance")
        assert run.status == 2
        assert "dance" in run.err

    def test_engines_are_listed_with_why_not(self) -> None:
        run = stagedoor("engines")
        assert run.status == 0
        assert "pocketsphinx" in run.out
        assert "openai-recognizer: " in run.out
        assert "Subtitles served: " in run.out
        wrong = stagedoor("engines", RECOGNIZERS="nonsense")
        assert "There is no recognizer called 'nonsense'" in refused(wrong, 2)

    def test_a_worker_without_a_server_says_so(self, tmp_path: Path) -> None:
        run = program("worker", "--data-dir", tmp_path)
        assert run.status == 1
        assert "stagedoor serve" in run.err
        assert "Traceback" not in run.err
