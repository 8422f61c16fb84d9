"""A principal: the user a credential stands for, with the tenant, roles and plan it carries."""

from dataclasses import dataclass
from enum import StrEnum

USER_CHARACTERS_MAX = 128
TENANT_CHARACTERS_MAX = 64


class Role(StrEnum):
    """What a principal is in its tenant."""

    FAN = "fan"
    CREATOR = "creator"
    ADMIN = "admin"


class Plan(StrEnum):
    """What a principal has paid for."""

    FREE = "free"
    PREMIUM = "premium"
    PRO = "pro"
    ENTERPRISE = "enterprise"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling. `user` is unique within `tenant`; `expires_at` is in seconds since the epoch."""

    user: str
    tenant: str
    roles: frozenset[Role]
    plan: Plan
    expires_at: float
    token_id: str

    @property
    def may_publish(self) -> bool:
        """Creators and admins bring a channel's audio."""
        return not self.roles.isdisjoint({Role.CREATOR, Role.ADMIN})

    @property
    def is_admin(self) -> bool:
        """Whether the admin routes are open to this principal."""
        return Role.ADMIN in self.roles
