"""What is turned on: routes of features that are off answer 403 `FEATURE_DISABLED`, whatever is sent to
them."""

from dataclasses import dataclass
from typing import Literal

from gateway.http.errors import Refused
from gateway.settings import Settings

Feature = Literal["calls", "fan_privacy", "fan_mini_profile", "fan_share_card"]

_SENTENCES: dict[Feature, str] = {
    "calls": "Calls are turned off on this server",
    "fan_privacy": "Privacy settings of fans are turned off on this server",
    "fan_mini_profile": "Mini profiles of fans are turned off on this server",
    "fan_share_card": "Share cards of fans are turned off on this server",
}


@dataclass(frozen=True, slots=True)
class Features:
    """Which features are on."""

    on: frozenset[Feature]

    @classmethod
    def of(cls, settings: Settings) -> "Features":
        """Return those that the settings turn on."""
        return cls(frozenset(name for name in _SENTENCES if getattr(settings, f"feature_{name}")))

    def need(self, feature: Feature) -> None:
        """Raise Refused with 403 unless a feature is on."""
        if feature not in self.on:
            raise Refused(403, "FEATURE_DISABLED", _SENTENCES[feature], feature=f"FEATURE_{feature.upper()}")
