"""A principal: the user a credential stands for, with the tenant, roles and plan it carries."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from uuid import UUID, uuid5

USER_CHARACTERS_MAX = 128
TENANT_CHARACTERS_MAX = 64


_USERS = UUID("5c1b9a52-7c0e-5f0e-9d3c-7a3f1f1c2d60")
"""The namespace (RFC 9562, section 5.5) of the UUIDs of users whose `sub` is none itself."""


@lru_cache(maxsize=4096)
def user_uuid(tenant: str, user: str) -> UUID:
    """Return the UUID under which rows carry a user: the `sub` itself when it is one in the usual form, else
    one that follows from tenant and `sub`. No two users of a tenant have the same one: a `sub` that is a UUID
    in other letters, or of the version of those that follow from a `sub`, is not taken as it is."""
    try:
        own = UUID(user)
    except ValueError:
        own = None
    if own is not None and str(own) == user and own.version != 5:
        return own
    return uuid5(_USERS, f"{tenant}/{user}")


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
    def user_id(self) -> UUID:
        """The UUID under which rows carry this user."""
        return user_uuid(self.tenant, self.user)

    @property
    def may_publish(self) -> bool:
        """Creators and admins bring a channel's audio."""
        return not self.roles.isdisjoint({Role.CREATOR, Role.ADMIN})

    @property
    def is_admin(self) -> bool:
        """Whether the admin routes are open to this principal."""
        return Role.ADMIN in self.roles
