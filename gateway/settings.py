"""Every setting, read once from the environment (and `.env`), checked, and documented where it stands.

Invariant: the server starts only with settings that make sense together; a wrong one stops it with a
sentence. `docs/settings.md` and `.env.example` are held to this list by a test.
"""

import os
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from gateway.call_settings import CallSettings
from sessions.messages import Language

Names = Annotated[tuple[str, ...], NoDecode]
Count = Annotated[int, Field(ge=0)]
Minutes = Annotated[int, Field(ge=-1, le=10_000_000)]
Cost = Annotated[Decimal, Field(ge=0, le=1_000_000, max_digits=12, decimal_places=6)]
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
PositiveSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ServerSettings(BaseSettings):
    """Settings by the name of their environment variable, in lower case here. A limit of 0 is off."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    # Where and how it runs
    environment: Literal["development", "production"] = Field(
        "development", description="`production` refuses weak secrets and offers no sign-in without one."
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8000, description="Port to listen on; 0 picks one.")
    data_dir: Path = Field(Path("data"), description="Where the secret, the worker socket and data live.")
    database_url: SecretStr = Field(
        SecretStr(""),
        description="PostgreSQL, as postgresql://user:password@host/name; empty: SQLite in `DATA_DIR`.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least to log.")
    log_format: Literal["json", "text"] | None = Field(
        None, description="`json` (default in production) or `text` (default in development)."
    )
    shutdown_seconds: PositiveSeconds = Field(
        10.0, description="SIGTERM to exit: viewers are told 1012 within this time."
    )

    # Stores
    redis_url: SecretStr | None = Field(
        None, description="Redis, for limits and sessions of several processes together."
    )
    redis_timeout_seconds: Annotated[float, Field(ge=0.01, le=5)] = Field(
        0.1, description="How long Redis may take for an answer before the server goes on without it."
    )

    # Tokens and origins
    jwt_secret: SecretStr | None = Field(
        None, description="Signs access tokens; at least 32 bytes. Made by itself in development."
    )
    jwt_previous_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Secrets that still verify while tokens rotate, separated by commas."
    )
    jwt_audience: str = Field("stagedoor", description="The `aud` that tokens must carry.")
    access_token_expire_minutes: Annotated[int, Field(gt=0)] = Field(
        60, description="How long tokens hold that this server issues."
    )
    allowed_origins: Names = Field(
        (), description="Origins, besides its own, whose pages may open sockets with a cookie."
    )

    # Live subtitles and dubbing
    default_source_lang: Language = Field("en", description="Spoken language where nobody said which.")
    authenticate_seconds: float = Field(10.0, ge=0, description="Time for the first message with a token.")
    session_minutes_max: float = Field(120.0, ge=0, description="Longest live session.")
    session_idle_minutes: float = Field(30.0, ge=0, description="Longest live session without activity.")
    resume_grace_seconds: PositiveSeconds = Field(
        60.0, description="How long a lost session, and a lost publisher's stream, waits for its return."
    )
    history_finals_max: Annotated[int, Field(gt=0)] = Field(
        1000, description="Finals kept per topic for clients that resume."
    )
    history_bytes_max: Annotated[int, Field(gt=0)] = Field(
        4 * 1024 * 1024, description="Bytes kept per topic for clients that resume."
    )
    channel_idle_seconds: PositiveSeconds = Field(
        600.0, description="How long an empty channel keeps its history and transcript."
    )

    # Minutes
    live_quota_free_subtitle_minutes_per_hour: Minutes | None = Field(
        None, description="Minutes of subtitles in any hour on the plan free."
    )
    live_quota_free_subtitle_minutes_per_day: Minutes | None = Field(
        None, description="Minutes of subtitles in any day on the plan free."
    )
    live_quota_free_subtitle_minutes_per_month: Minutes | None = Field(
        None, description="Minutes of subtitles in any month on the plan free."
    )
    live_quota_free_dubbing_minutes_per_hour: Minutes | None = Field(
        None, description="Minutes of dubbing in any hour on the plan free."
    )
    live_quota_free_dubbing_minutes_per_day: Minutes | None = Field(
        None, description="Minutes of dubbing in any day on the plan free."
    )
    live_quota_free_dubbing_minutes_per_month: Minutes | None = Field(
        None, description="Minutes of dubbing in any month on the plan free."
    )
    live_quota_premium_subtitle_minutes_per_hour: Minutes | None = Field(
        None, description="Minutes of subtitles in any hour on the plan premium."
    )
    live_quota_premium_subtitle_minutes_per_day: Minutes | None = Field(
        None, description="Minutes of subtitles in any day on the plan premium."
    )
    live_quota_premium_subtitle_minutes_per_month: Minutes | None = Field(
        None, description="Minutes of subtitles in any month on the plan premium."
    )
    live_quota_premium_dubbing_minutes_per_hour: Minutes | None = Field(
        None, description="Minutes of dubbing in any hour on the plan premium."
    )
    live_quota_premium_dubbing_minutes_per_day: Minutes | None = Field(
        None, description="Minutes of dubbing in any day on the plan premium."
    )
    live_quota_premium_dubbing_minutes_per_month: Minutes | None = Field(
        None, description="Minutes of dubbing in any month on the plan premium."
    )
    live_quota_warning_percent: Annotated[int, Field(ge=0, le=100)] = Field(
        80, description="Share of a window at which its user is warned; 0: never."
    )
    live_quota_slice_seconds: Annotated[int, Field(ge=2, le=600)] = Field(
        60, description="Minutes are held for a session this much at a time."
    )
    live_quota_subtitle_cost_per_minute: Cost = Field(
        Decimal("0.01"), description="What a minute of subtitles costs whoever runs this, in credits."
    )
    live_quota_dubbing_cost_per_minute: Cost = Field(
        Decimal("0.03"), description="What a minute of dubbing costs whoever runs this, in credits."
    )
    channel_metering: Literal["viewer", "publisher"] = Field(
        "viewer", description="Whose minutes a channel's stream uses: each viewer's, or its publisher's."
    )
    plans_file: Path | None = Field(None, description="A file of plans in the place of the one built in.")

    # Rooms and polls
    room_idle_hours: Annotated[float, Field(ge=0, le=87_600)] = Field(
        24.0, description="How long nothing may happen in a room until it is closed."
    )
    room_grace_seconds: Annotated[float, Field(ge=1, le=86_400)] = Field(
        120.0, description="How long the place of a participant is kept whose connection was lost."
    )
    room_history_days: Annotated[float, Field(ge=0, le=3650)] = Field(
        90.0, description="How long what was said in a room is kept after its end; 0: for ever."
    )
    poll_archive_days: Annotated[float, Field(ge=0, le=3650)] = Field(
        90.0, description="How old a poll becomes until it is archived; 0: never."
    )
    room_user_message_limit: Count = Field(
        20, description="Messages of one user to rooms in any ten seconds."
    )
    room_message_limit: Count = Field(200, description="Messages in one room in any ten seconds.")
    room_code_user_limit: Count = Field(10, description="Wrong room codes per user in any minute.")
    room_code_address_limit: Count = Field(60, description="Wrong room codes per address in any minute.")

    # Deadlines and the usage log
    reaper_interval_seconds: PositiveSeconds = Field(
        300.0, description="Between passes over what is past its deadline."
    )
    boot_lease_seconds: Annotated[float, Field(ge=3, le=600)] = Field(
        30.0, description="How long a process that is gone keeps its minutes held (PostgreSQL)."
    )
    cloudevents_url: str = Field("", description="Where usage is posted as CloudEvents; empty: nowhere.")
    cloudevents_token: SecretStr = Field(SecretStr(""), description="The bearer token that goes with them.")

    # Limits at the door
    live_quota_websocket_rate_limit: Count = Field(
        5, description="New live connections per user in any minute."
    )
    live_quota_api_rate_limit: Count = Field(
        100, description="Requests to `/api/v1/live/` per user in any minute."
    )
    live_quota_check_rate_limit: Count = Field(
        20, description="Requests to `/api/v1/live/quota/check` per user in any minute."
    )
    user_rate_limit: Count = Field(
        10, description="Requests to the rest of the API per user and second, in the long run."
    )
    user_rate_burst: Count = Field(20, description="How many of those may come at once.")
    address_rate_limit: Count = Field(
        60, description="Requests to the API without a valid token per address in any minute."
    )
    live_quota_concurrent_sessions: Count = Field(
        10, description="Live sessions of one user at once (not for the plan enterprise)."
    )
    address_upgrade_limit: Count = Field(
        600, description="WebSocket upgrades per address in any minute; past it HTTP 429."
    )
    address_unauthenticated_max: Count = Field(
        100, description="Connections of one address at once that have not authenticated."
    )
    unauthenticated_max: Count = Field(
        2000, description="Connections at once, in all, that have not authenticated."
    )

    socketio_connection_rate_limit: Count = Field(
        30, description="New Socket.IO connections per user in any minute."
    )
    socketio_event_rate_limit: Count = Field(
        20, description="Socket.IO events per connection and second, in the long run."
    )
    socketio_event_burst: Count = Field(40, description="How many of those may come at once.")

    trusted_proxies: Names = Field(
        (), description="Addresses or networks of proxies whose X-Forwarded-For names the client."
    )

    # The wire
    message_bytes_max: Annotated[int, Field(ge=1024)] = Field(
        64 * 1024, description="Largest message taken from a client."
    )
    viewer_buffer_bytes_max: Annotated[int, Field(ge=65536)] = Field(
        1024 * 1024, description="Most that is kept for a client that reads slowly; then 4008."
    )
    ping_interval_seconds: PositiveSeconds = Field(
        20.0, description="Between pings; a connection silent for one interval is closed."
    )
    header_seconds: PositiveSeconds = Field(10.0, description="Time for a request's headers to arrive.")

    # Workers and engines
    workers_max: Count = Field(0, description="Worker processes, a warm spare apart; 0: one per core.")
    worker_streams_max: Annotated[int, Field(gt=0)] = Field(4, description="Streams of one worker at once.")
    recognizers: Names = Field(("pocketsphinx",), description="Speech to text, best first.")
    translators: Names = Field(("apertium",), description="Text to text, best first.")
    synthesizers: Names = Field(("espeak-ng", "flite"), description="Text to speech, best first.")
    engine_timeout_seconds: PositiveSeconds = Field(
        15.0, description="How long an engine may take for one utterance before the next one is asked."
    )
    openai_base_url: str = Field(
        "", description="Base of an OpenAI-compatible API, with `/v1`, for the `openai-*` engines."
    )
    openai_api_key: SecretStr = Field(SecretStr(""), description="Its key; empty if it wants none.")
    openai_transcription_model: str = Field("whisper-1", description="Its model for speech to text.")
    openai_translation_model: str = Field("gpt-4o-mini", description="Its chat model for translation.")
    openai_speech_model: str = Field("tts-1", description="Its model for text to speech.")
    openai_speech_voice: str = Field("alloy", description="Its voice.")

    @field_validator(
        "allowed_origins", "trusted_proxies", "recognizers", "translators", "synthesizers", mode="before"
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        return _parts(value)

    @field_validator("jwt_previous_secrets", mode="before")
    @classmethod
    def _split_secrets(cls, value: Any) -> Any:
        return tuple(SecretStr(part) if isinstance(part, str) else part for part in _parts(value))

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in value:
            try:
                ip_network(proxy)
            except ValueError as error:
                # "*" would believe whatever a client wrote leftmost; a name or a slip would match nobody.
                raise ValueError(f"TRUSTED_PROXIES lists addresses and networks, and {error}") from error
        return value

    @field_validator("redis_url")
    @classmethod
    def _scheme(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(REDIS_SCHEMES):
            raise ValueError(f"REDIS_URL begins with one of {' '.join(REDIS_SCHEMES)}")
        return value

    @field_validator("cloudevents_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("CLOUDEVENTS_URL must be like https://events.example.com/usage")
        return value

    @model_validator(mode="after")
    def _together(self) -> "ServerSettings":
        if self.environment == "production" and self.jwt_secret is None:
            raise ValueError(
                "JWT_SECRET is missing, and production does not start without one. "
                "Make one with: openssl rand -base64 48"
            )
        if self.session_minutes_max and self.session_minutes_max * 60 <= self.resume_grace_seconds:
            raise ValueError("SESSION_MINUTES_MAX must be longer than RESUME_GRACE_SECONDS")
        return self

    @property
    def processes_max(self) -> int:
        """Worker processes at most, the spare apart."""
        return self.workers_max or os.cpu_count() or 1

    @property
    def json_logs(self) -> bool:
        """Whether logs are lines of JSON."""
        return (self.log_format or ("json" if self.environment == "production" else "text")) == "json"


class Settings(CallSettings, ServerSettings):
    """Every setting of a server: those here, and then those of calls."""


def _parts(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value
