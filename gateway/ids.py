"""Names that cannot be guessed: the only place that makes them."""

import secrets


def new_id(prefix: str) -> str:
    """Return `prefix`, an underscore and 96 random bits, in URL-safe characters."""
    return f"{prefix}_{secrets.token_urlsafe(12)}"


def new_epoch() -> str:
    """Return a name for a topic's count of offsets."""
    return secrets.token_urlsafe(6)
