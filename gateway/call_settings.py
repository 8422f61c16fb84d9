"""The settings of calls: what is turned on, where the media are, how long things may take, what they cost.

Invariant: a provider that cannot work is found at the start, and not by the first who is called.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode

from auth.agora import AgoraMisconfigured, Project
from auth.turn import Relays, TurnMisconfigured
from sessions.call_records import Bounds, Terms

Seconds = Annotated[float, Field(ge=1, le=86_400)]
Count = Annotated[int, Field(ge=0)]


class CallSettings(BaseSettings):
    """Settings by the name of their environment variable, in lower case here. A limit of 0 is off."""

    # What is turned on
    feature_calls: bool = Field(False, description="Whether creators may call fans.")
    feature_fan_privacy: bool = Field(True, description="Whether fans see and change their privacy.")
    feature_fan_mini_profile: bool = Field(True, description="Whether creators see mini profiles of fans.")
    feature_fan_share_card: bool = Field(
        False, description="Whether fans who are public have a card to share."
    )

    # Calls
    call_provider: Literal["peer", "agora"] | None = Field(
        None, description="Where the media of calls are; empty: `agora` if its keys are set, else `peer`."
    )
    agora_app_id: str = Field("", description="App id of the Agora project.")
    agora_app_certificate: SecretStr = Field(
        SecretStr(""), description="Its primary certificate, which signs call tokens."
    )
    agora_token_version: Literal["007", "006"] = Field("007", description="Version of the call tokens.")
    turn_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="STUN and TURN servers that browsers find each other through, separated by commas."
    )
    turn_secret: SecretStr = Field(
        SecretStr(""), description="The secret that the TURN servers share with this server."
    )
    call_ring_seconds: Seconds = Field(45.0, description="How long a call rings.")
    call_join_seconds: Seconds = Field(
        30.0, description="Time from the acceptance until both sides are in the media."
    )
    call_caller_grace_seconds: Seconds = Field(
        20.0, description="How long a call rings on whose caller has lost the connection."
    )
    call_heartbeat_seconds: Seconds = Field(10.0, description="Between two heartbeats of one side.")
    call_lost_seconds: Seconds = Field(
        30.0, description="A call is over when one side was not heard of for so long."
    )
    call_lease_seconds: Annotated[float, Field(ge=30, le=86_400)] = Field(
        300.0, description="How long credentials for the media hold until they are renewed."
    )
    call_cooldown_seconds: Annotated[float, Field(ge=0, le=86_400)] = Field(
        60.0, description="Between two calls of a creator to one fan."
    )
    call_minutes_max: Annotated[float, Field(ge=0, le=1440)] = Field(
        240.0, description="Longest call; 0: any length."
    )
    call_increment_seconds: Annotated[int, Field(ge=1, le=60)] = Field(
        60, description="What the time of a call is rounded up to; it divides a minute."
    )
    call_free_seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        0.0, description="A call that was connected no longer than this costs nothing."
    )
    call_user_rate_limit: Count = Field(10, description="Tries to call per user in any minute.")
    call_address_rate_limit: Count = Field(5, description="Tries to call per address in any minute.")

    @field_validator("turn_urls", mode="before")
    @classmethod
    def _split_urls(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @model_validator(mode="after")
    def _calls_work(self) -> "CallSettings":
        if 60 % self.call_increment_seconds:
            raise ValueError("CALL_INCREMENT_SECONDS has to divide a minute: 1, 5, 6, 10, 15, 30 or 60")
        if self.call_lost_seconds <= 2 * self.call_heartbeat_seconds:
            raise ValueError("CALL_LOST_SECONDS has to be longer than two times CALL_HEARTBEAT_SECONDS")
        try:
            if self.media_provider == "agora" or self.agora_app_id or self.agora_certificate:
                Project(self.agora_app_id, self.agora_certificate)
        except AgoraMisconfigured as error:
            given = self.agora_app_id if error.setting == "AGORA_APP_ID" else self.agora_certificate
            why = str(error) if given else f"{error.setting} is missing: calls through Agora need it"
            raise ValueError(f"{why}. For calls without Agora unset it and set CALL_PROVIDER=peer") from error
        try:
            Relays(self.turn_urls, self.turn_secret.get_secret_value())
        except TurnMisconfigured as error:
            raise ValueError(f"TURN_{error.setting.upper()}: {error}") from error
        return self

    @property
    def agora_certificate(self) -> str:
        """The certificate, in clear."""
        return self.agora_app_certificate.get_secret_value()

    @property
    def media_provider(self) -> Literal["peer", "agora"]:
        """Where the media of calls are."""
        if self.call_provider is not None:
            return self.call_provider
        return "agora" if self.agora_app_id and self.agora_certificate else "peer"

    @property
    def call_bounds(self) -> Bounds:
        """How long things of a call may take."""
        return Bounds(
            ring_ms=_ms(self.call_ring_seconds),
            join_ms=_ms(self.call_join_seconds),
            caller_grace_ms=_ms(self.call_caller_grace_seconds),
            heartbeat_ms=_ms(self.call_heartbeat_seconds),
            lost_ms=_ms(self.call_lost_seconds),
            lease_ms=_ms(self.call_lease_seconds),
            cooldown_ms=_ms(self.call_cooldown_seconds),
            length_ms_max=_ms(self.call_minutes_max * 60),
        )

    @property
    def call_terms(self) -> Terms:
        """How calls are charged, at a rate that is each creator's own."""
        return Terms(0, self.call_increment_seconds * 1000, _ms(self.call_free_seconds))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
