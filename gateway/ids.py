"""Names that cannot be guessed: the only place that makes them."""

import secrets
import uuid


def new_id(prefix: str) -> str:
    """Return `prefix`, an underscore and 96 random bits, in URL-safe characters."""
    return f"{prefix}_{secrets.token_urlsafe(12)}"


def new_uuid() -> str:
    """Return a random UUID (RFC 9562, version 4), as rows of rooms, polls and messages have it."""
    return str(uuid.uuid4())  # noqa: TID251 - this is the place that makes names


def new_epoch() -> str:
    """Return a name for a topic's count of offsets."""
    return secrets.token_urlsafe(6)


def new_key() -> bytes:
    """Return 32 random bytes."""
    return secrets.token_bytes(32)


def draw(count: int) -> int:
    """Return one of the numbers from 0 on that are below `count`, each as likely as any other."""
    return secrets.randbelow(count)
