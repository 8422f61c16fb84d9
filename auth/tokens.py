"""Access tokens: signed statements of who is calling (JWT, RFC 7519), checked claim by claim.

Invariant: a principal comes out only when the signature, the algorithm, the audience, every claim and
every claim's type are right at `now`. Nothing of a token but its header is read before its signature holds.
"""

import binascii
import hashlib
import hmac
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt
import orjson

from auth.principal import TENANT_CHARACTERS_MAX, USER_CHARACTERS_MAX, Plan, Principal, Role

ALGORITHM = "HS256"
SECRET_BYTES_MIN = 32
"""RFC 7518, section 3.2: a key at least as long as the hash."""
ISSUED_AHEAD_SECONDS_MAX = 60
"""How far in the future `iat` may lie, for clocks that disagree."""
TOKEN_CHARACTERS_MAX = 4096
CLAIMS = ("exp", "iat", "jti", "aud", "sub", "tenant", "roles", "plan")

_TENANT = re.compile(rf"[A-Za-z0-9_-]{{1,{TENANT_CHARACTERS_MAX}}}\Z")
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
_CLAIMS = frozenset(CLAIMS)
_UNSERVED = frozenset({"crit", "b64"})
"""Header fields that change how the rest is to be read (RFC 7515, section 4.1.11; RFC 7797)."""
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")


class TokenRefused(Exception):
    """The token does not prove who is calling; `reason` is for logs, never for the caller."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SecretTooWeak(ValueError):
    """A signing secret has fewer than 32 bytes; `length` is how many it has."""

    def __init__(self, length: int) -> None:
        super().__init__(
            f"The token secret has {length} bytes and needs at least {SECRET_BYTES_MIN}. "
            "Make one with: openssl rand -base64 48"
        )
        self.length = length


def key_id(secret: bytes) -> str:
    """Return the `kid` of a secret: derived from it, so that rotation needs no register of names."""
    return hashlib.sha256(b"stagedoor access token key\0" + secret).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The secret that signs and those that still verify, by key id; and the audience of their tokens."""

    signing: str
    secrets: Mapping[str, bytes]
    audience: str

    @classmethod
    def of(cls, secret: bytes, *, previous: tuple[bytes, ...] = (), audience: str = "stagedoor") -> "KeyRing":
        """Sign with `secret`; go on accepting `previous` ones. Raises SecretTooWeak."""
        for candidate in (secret, *previous):
            if len(candidate) < SECRET_BYTES_MIN:
                raise SecretTooWeak(len(candidate))
        secrets = {key_id(candidate): candidate for candidate in (*previous, secret)}
        return cls(key_id(secret), secrets, audience)

    def __repr__(self) -> str:
        return f"KeyRing(signing={self.signing!r}, keys={sorted(self.secrets)!r})"


def issue(keys: KeyRing, principal: Principal, *, now: float) -> str:
    """Return a signed token for `principal` that holds until its `expires_at`."""
    claims = {
        "exp": int(principal.expires_at),
        "iat": int(now),
        "jti": principal.token_id,
        "aud": keys.audience,
        "sub": principal.user,
        "tenant": principal.tenant,
        "roles": sorted(principal.roles),
        "plan": principal.plan.value,
    }
    return jwt.encode(claims, keys.secrets[keys.signing], ALGORITHM, headers={"kid": keys.signing})


def verify(keys: KeyRing, token: str, *, now: float) -> Principal:
    """Return the principal that `token` proves at `now` (seconds since the epoch).

    Raises TokenRefused whatever is wrong with it.
    """
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise TokenRefused("too long")
    signed, _, signature = token.rpartition(".")
    head, _, body = signed.partition(".")
    try:
        kid = _kid(head)
        secret = keys.secrets.get(keys.signing if kid is None else kid)
        if secret is None:
            raise TokenRefused("unknown key")
        expected = hmac.digest(secret, signed.encode(), "sha256")
        if not hmac.compare_digest(_to_base64url(expected), signature.encode()):
            raise TokenRefused("the signature is wrong")
        claims = orjson.loads(_from_base64url(body))
    except ValueError as error:
        raise TokenRefused(f"not a token: {error}") from error
    if not isinstance(claims, dict) or not claims.keys() >= _CLAIMS:
        raise TokenRefused(f"the claims are not all of {', '.join(CLAIMS)}")
    return _principal(claims, keys.audience, now)


def _to_base64url(data: bytes) -> bytes:
    """Return the base64url form without padding (RFC 7515, section 2)."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=")


def _from_base64url(text: str) -> bytes:
    """Return what `text` is the base64url form of. Raises ValueError."""
    return binascii.a2b_base64(text.encode().translate(_FROM_URL) + b"==")


@lru_cache(maxsize=64)
def _kid(head: str) -> str | None:
    """Return the key id that a token's header names, if it names one. Tokens of one key have one header.

    Raises ValueError for a header that asks for anything but what is done here (RFC 7515, section 5.2):
    another algorithm, or an extension that must be understood.
    """
    fields = orjson.loads(_from_base64url(head))
    if not isinstance(fields, dict) or fields.get("alg") != ALGORITHM or not _UNSERVED.isdisjoint(fields):
        raise ValueError(f"the header asks for something else than {ALGORITHM}")
    kid = fields.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise ValueError("the key id is not a text")
    return kid


def _principal(claims: Mapping[str, Any], audience: str, now: float) -> Principal:
    expires_at = _seconds(claims, "exp")
    if expires_at <= now:
        raise TokenRefused("expired")
    if _seconds(claims, "iat") > now + ISSUED_AHEAD_SECONDS_MAX:
        raise TokenRefused("issued in the future")
    if "nbf" in claims and _seconds(claims, "nbf") > now:
        raise TokenRefused("not valid yet")
    if claims["aud"] != audience:
        raise TokenRefused("made for another audience")
    tenant = _text(claims, "tenant", TENANT_CHARACTERS_MAX)
    if _TENANT.match(tenant) is None:
        raise TokenRefused("tenant has characters other than A-Z a-z 0-9 _ -")
    return Principal(
        user=_text(claims, "sub", USER_CHARACTERS_MAX),
        tenant=sys.intern(tenant),
        roles=_roles(claims["roles"]),
        plan=_plan(claims["plan"]),
        expires_at=expires_at,
        token_id=_text(claims, "jti", 128),
    )


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        raise TokenRefused(f"{name} is not a time in seconds")
    return float(value)


def _text(claims: Mapping[str, Any], name: str, characters_max: int) -> str:
    value = claims[name]
    if not isinstance(value, str) or not 0 < len(value) <= characters_max:
        raise TokenRefused(f"{name} is not a text of 1 to {characters_max} characters")
    # PostgreSQL stores neither, and nothing that is stored of a user may depend on the database.
    if _UNSTORABLE.search(value) is not None:
        raise TokenRefused(f"{name} has a NUL or half of a surrogate pair")
    return value


def _roles(value: Any) -> frozenset[Role]:
    if not isinstance(value, list) or not value:
        raise TokenRefused("roles is not a list with at least one role")
    try:
        return _role_set(tuple(value))
    except (ValueError, TypeError) as error:
        raise TokenRefused(f"roles: {error}") from error


@lru_cache(maxsize=64)
def _role_set(names: tuple[str, ...]) -> frozenset[Role]:
    """Return a set that all who have these roles share: one of its own would be a twentieth of a viewer."""
    return frozenset(Role(name) for name in names)


def _plan(value: Any) -> Plan:
    try:
        return Plan(value)
    except (ValueError, TypeError) as error:
        raise TokenRefused(f"plan: {error}") from error
