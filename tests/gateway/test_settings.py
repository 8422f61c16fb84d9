"""Settings: read from the environment, checked, and refused with a sentence."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.settings import ServerSettings, Settings
from tests.gateway.rehearsal import settings

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def complaint(**wrong: Any) -> tuple[str, str]:
    """Return the setting that is to blame ("" for a combination) and the sentence."""
    with pytest.raises(ValidationError) as caught:
        Settings(**wrong)
    (problem,) = caught.value.errors()
    return ".".join(map(str, problem["loc"][:1])), problem["msg"]


def test_nothing_needs_to_be_set() -> None:
    chosen = Settings()
    assert (chosen.environment, chosen.host, chosen.port) == ("development", "127.0.0.1", 8000)
    assert chosen.jwt_secret is None
    assert (chosen.live_quota_websocket_rate_limit, chosen.live_quota_api_rate_limit) == (5, 100)


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PORT=1111\nHOST=192.0.2.7\nSOMETHING_ELSE=1\nWORKERS_MAX=\n")
    monkeypatch.setenv("PORT", "2222")
    assert (Settings().port, Settings().host, Settings().workers_max) == (2222, "192.0.2.7", 0)
    assert Settings(port=3333).port == 3333


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "")
    monkeypatch.setenv("PORT", "")
    assert Settings().jwt_secret is None
    assert Settings().port == 8000


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", " https://a.example,https://b.example , ")
    monkeypatch.setenv("JWT_PREVIOUS_SECRETS", "one, two")
    assert Settings().allowed_origins == ("https://a.example", "https://b.example")
    assert [old.get_secret_value() for old in Settings().jwt_previous_secrets] == ["one", "two"]


def test_secrets_are_not_shown() -> None:
    chosen = settings(jwt_secret=SECRET, jwt_previous_secrets="another secret", openai_api_key="sk-secret")
    for secret in (SECRET, "another secret", "sk-secret"):
        assert secret not in repr(chosen)
        assert secret not in str(chosen.model_dump())


def test_production_does_not_start_without_a_secret() -> None:
    name, sentence = complaint(environment="production")
    assert name == ""
    assert "JWT_SECRET is missing" in sentence
    assert "openssl rand -base64 48" in sentence
    assert Settings(environment="production", jwt_secret=SECRET).json_logs


def test_a_session_must_outlast_its_grace() -> None:
    _, sentence = complaint(session_minutes_max=1, resume_grace_seconds=60)
    assert "SESSION_MINUTES_MAX must be longer than RESUME_GRACE_SECONDS" in sentence
    Settings(session_minutes_max=0, resume_grace_seconds=60)
    Settings(session_minutes_max=1.1, resume_grace_seconds=60)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("environment", "staging"),
        ("port", -1),
        ("port", 65_536),
        ("port", "http"),
        ("log_level", "loud"),
        ("log_format", "xml"),
        ("shutdown_seconds", 0),
        ("shutdown_seconds", "inf"),
        ("shutdown_seconds", "nan"),
        ("access_token_expire_minutes", 0),
        ("default_source_lang", "english!"),
        ("authenticate_seconds", -1),
        ("session_minutes_max", -1),
        ("session_minutes_max", "nan"),
        ("resume_grace_seconds", 0),
        ("resume_grace_seconds", "inf"),
        ("history_finals_max", 0),
        ("history_bytes_max", 0),
        ("channel_idle_seconds", 0),
        ("live_quota_websocket_rate_limit", -1),
        ("live_quota_api_rate_limit", 1.5),
        ("live_quota_check_rate_limit", -1),
        ("user_rate_limit", -1),
        ("user_rate_burst", -1),
        ("address_rate_limit", 0.5),
        ("redis_timeout_seconds", 0),
        ("redis_timeout_seconds", "inf"),
        *[
            (f"live_quota_{plan}_{kind}_minutes_per_{period}", -2)
            for plan in ("free", "premium")
            for kind in ("subtitle", "dubbing")
            for period in ("hour", "day", "month")
        ],
        ("live_quota_warning_percent", 101),
        ("live_quota_slice_seconds", 1),
        ("live_quota_subtitle_cost_per_minute", "-0.01"),
        ("live_quota_dubbing_cost_per_minute", "0.0000001"),
        ("channel_metering", "nobody"),
        ("room_user_message_limit", -1),
        ("room_message_limit", 0.5),
        ("room_code_user_limit", -1),
        ("room_code_address_limit", -1),
        ("session_idle_minutes", -1),
        ("room_idle_hours", -1),
        ("room_grace_seconds", 0.5),
        ("room_history_days", "nan"),
        ("poll_archive_days", 3651),
        ("reaper_interval_seconds", 0),
        ("boot_lease_seconds", 2),
        ("live_quota_concurrent_sessions", -1),
        ("address_upgrade_limit", -1),
        ("socketio_connection_rate_limit", -1),
        ("socketio_event_rate_limit", -1),
        ("socketio_event_burst", -1),
        ("address_unauthenticated_max", -1),
        ("unauthenticated_max", -1),
        ("message_bytes_max", 1023),
        ("viewer_buffer_bytes_max", 65_535),
        ("ping_interval_seconds", 0),
        ("header_seconds", 0),
        ("workers_max", -1),
        ("worker_streams_max", 0),
        ("engine_timeout_seconds", 0),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(name: str, value: Any) -> None:
    blamed, sentence = complaint(**{name: value})
    assert blamed == name
    assert sentence


def test_every_number_and_choice_has_a_bound_that_is_tested() -> None:
    (mark,) = test_a_value_that_makes_no_sense_is_refused_by_name.pytestmark
    tested = {name for name, _ in mark.args[1]}
    free = {
        name
        for name, field in ServerSettings.model_fields.items()
        if not any(kind in str(field.annotation) for kind in ("int", "float", "Decimal", "Literal"))
        and name != "default_source_lang"
    }
    assert tested == set(ServerSettings.model_fields) - free


@pytest.mark.parametrize("value", ["*", "127.0.0.1,*", "nginx", "10.0.0.1/8", "10.0.0.0/33", "127.0.0.1:80"])
def test_a_trusted_proxy_is_an_address_or_a_network(value: str) -> None:
    blamed, sentence = complaint(trusted_proxies=value)
    assert blamed == "trusted_proxies"
    assert "addresses and networks" in sentence


def test_proxies_may_be_many() -> None:
    assert settings(trusted_proxies="127.0.0.1, 10.0.0.0/8,2001:db8::/32").trusted_proxies == (
        "127.0.0.1", "10.0.0.0/8", "2001:db8::/32",
    )  # fmt: skip


@pytest.mark.parametrize("value", ["http://127.0.0.1", "127.0.0.1:6379", "redis:/127.0.0.1"])
def test_a_redis_url_is_one_of_redis(value: str) -> None:
    blamed, sentence = complaint(redis_url=value)
    assert blamed == "redis_url"
    assert "rediss://" in sentence


def test_settings_do_not_change_while_the_server_runs() -> None:
    with pytest.raises(ValidationError):
        setattr(Settings(), "port", 1)  # noqa: B010 - a plain assignment is refused before it runs


@pytest.mark.parametrize(
    ("chosen", "json"),
    [
        ({}, False),
        ({"environment": "production", "jwt_secret": SECRET}, True),
        ({"environment": "production", "jwt_secret": SECRET, "log_format": "text"}, False),
        ({"log_format": "json"}, True),
    ],
)
def test_production_logs_for_machines_unless_told_otherwise(chosen: dict[str, Any], json: bool) -> None:
    assert Settings(**chosen).json_logs is json


def test_there_is_at_least_one_worker() -> None:
    assert Settings().processes_max >= 1
    assert Settings(workers_max=3).processes_max == 3
