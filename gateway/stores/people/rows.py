"""Rows of people as the rules see them, and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from auth.principal import user_uuid
from gateway.stores.people.schema import users
from gateway.stores.statements import insert_new
from sessions.call_records import CallType
from sessions.privacy import FanSettings, Kind, Policy, Relationship, Visibility
from sessions.profiles import FanProfile

UserKey = tuple[str, UUID]
"""Tenant and user: the primary key of `users`."""


def user_key(tenant_id: str, subject: str) -> UserKey:
    """Return the key of a user's row."""
    return tenant_id, user_uuid(tenant_id, subject)


@dataclass(frozen=True, slots=True)
class Person:
    """A user as stored, fan and creator in one; the defaults are those of one who was never seen. Rates are
    micro-credits a minute."""

    tenant_id: str
    subject: str
    username: str | None = None
    display_name: str = ""
    avatar_url: str = ""
    settings: FanSettings = field(default_factory=FanSettings)
    voice_rate_micro: int = 0
    video_rate_micro: int = 0
    created_at_ms: int | None = None

    @property
    def key(self) -> UserKey:
        """The key of the row."""
        return user_key(self.tenant_id, self.subject)

    @property
    def profile(self) -> FanProfile:
        """What a fan is called and looks like."""
        return FanProfile(
            self.subject, self.display_name or None, self.avatar_url or None, self.created_at_ms
        )

    def rate_micro(self, call_type: CallType) -> int:
        """Return what a creator asks for a minute of a call."""
        return self.video_rate_micro if call_type is CallType.VIDEO else self.voice_rate_micro


def person_of(row: Mapping[Any, Any]) -> Person:
    """Return the user that a row of `users` stands for."""
    return Person(
        row["tenant_id"], row["subject"], row["username"], row["display_name"], row["avatar_url"],
        FanSettings(
            Visibility(row["fan_privacy_visibility"]),
            Policy(row["fan_allow_dm"]),
            Policy(row["fan_allow_calls"]),
        ),
        row["voice_rate_micro"], row["video_rate_micro"], row["created_at"],
    )  # fmt: skip


def relationship_of(row: Mapping[Any, Any]) -> Relationship:
    """Return the relationship that a row stands for."""
    return Relationship(Kind(row["kind"]), row["first_at"], row["last_at"], row["ended_at"])


def make_users(connection: Connection, subjects: Mapping[UserKey, str], now_ms: int) -> None:
    """Make the rows of users that are not there yet."""
    rows = [
        {"tenant_id": key[0], "id": key[1], "subject": subjects[key], "created_at": now_ms}
        for key in sorted(subjects)
    ]
    if rows:
        connection.execute(insert_new(connection, users, key=["tenant_id", "id"]), rows)
