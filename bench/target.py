"""Where the load goes and as whom: an address and a credential.

Invariant: no token and no secret is ever part of an address, of a report or of what a process is called.
"""

import time
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from auth.principal import Plan, Principal, Role
from auth.tokens import KeyRing, SecretTooWeak, issue

TOKEN_SECONDS = 24 * 3600
SCHEMES = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class NoTarget(ValueError):
    """What was given is no place to send load to; the message says what to give instead."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server. With `secret` every client is a user of its own; with `token` all are the same one."""

    host: str
    port: int
    tls: bool = False
    path: str = ""
    token: str = ""
    secret: str = ""

    @classmethod
    def at(cls, url: str, token: str = "", secret: str = "") -> "Target":
        """Return the target at an http(s) or ws(s) address. Raises NoTarget."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise NoTarget(f"{url} is no address: {error}") from error
        if parts.scheme not in SCHEMES or not parts.hostname:
            raise NoTarget(f"{url} is no address: give one such as wss://live.example.com")
        if not token and not secret:
            raise NoTarget(
                "give --token (one user's) or --secret (the server's JWT_SECRET, to sign tokens with)"
            )
        if secret:
            try:
                KeyRing.of(secret.encode())
            except SecretTooWeak as error:
                raise NoTarget(str(error)) from error
        tls = parts.scheme in {"https", "wss"}
        return cls(parts.hostname, port or SCHEMES[parts.scheme], tls, parts.path.rstrip("/"), token, secret)

    @classmethod
    def here(cls, port: int, secret: str = "") -> "Target":
        """Return a server of this machine."""
        return cls("127.0.0.1", port, secret=secret)

    @property
    def many_users(self) -> bool:
        """Whether each client can be a user of its own."""
        return bool(self.secret)

    @property
    def address(self) -> str:
        """Where it is, for reports."""
        return f"{'wss' if self.tls else 'ws'}://{self.host}:{self.port}{self.path}"

    @property
    def authority(self) -> str:
        """What a request calls it, in `Host`."""
        return self.host if self.port in {80, 443} else f"{self.host}:{self.port}"

    def bearer(self, user: str = "bench", role: Role = Role.CREATOR) -> str:
        """Return a token: signed for `user` in a role, or the one that was given, whoever's that is."""
        return signed(self.secret, user, role) if self.secret else self.token

    def as_json(self) -> dict[str, Any]:
        """Return it with its credential, for the load processes alone."""
        return asdict(self)


def signed(secret: str, user: str, role: Role = Role.CREATOR) -> str:
    """Return a token on the plan enterprise, a creator's or for another role, that holds for a day."""
    now = time.time()
    principal = Principal(
        user=user,
        tenant="default",
        roles=frozenset({role}),
        plan=Plan.ENTERPRISE,
        expires_at=now + TOKEN_SECONDS,
        token_id=f"jti_{user}",
    )
    return issue(KeyRing.of(secret.encode()), principal, now=now)
