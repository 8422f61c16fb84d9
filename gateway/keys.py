"""Where the secret comes from: the setting, or in development a file that only its owner can read."""

import logging
import os
import secrets
from pathlib import Path

from auth.tokens import KeyRing
from gateway.settings import Settings

log = logging.getLogger(__name__)

SECRET_FILE = "token-secret"  # noqa: S105 - the name of a file


def key_ring(settings: Settings) -> KeyRing:
    """Return the keys that sign and verify tokens; makes and keeps a secret in development.

    Raises SecretTooWeak for one that is set and too short, OSError if it cannot be kept.
    """
    if settings.jwt_secret is not None:
        secret = settings.jwt_secret.get_secret_value().encode()
    else:
        secret = _kept_secret(settings.data_dir)
    previous = tuple(old.get_secret_value().encode() for old in settings.jwt_previous_secrets)
    return KeyRing.of(secret, previous=previous, audience=settings.jwt_audience)


def _kept_secret(data_dir: Path) -> bytes:
    path = data_dir / SECRET_FILE
    try:
        return path.read_bytes().strip()
    except FileNotFoundError:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Written aside and linked, so that of two processes starting at once both get the same, whole secret;
    # under a name of its own, because two containers may have the same process id.
    draft = path.with_name(f".{SECRET_FILE}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_urlsafe(48).encode())
            os.fsync(file.fileno())
        os.link(draft, path)
        log.info("Made a secret for access tokens and keep it in %s", path)
    except FileExistsError:
        log.info("Another process made the secret for access tokens in %s", path)
    finally:
        draft.unlink()
    return path.read_bytes().strip()
