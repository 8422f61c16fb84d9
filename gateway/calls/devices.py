"""The devices that are here: which connections of this process are whose, and which device each of them is.

Invariant: a user is here from their first connection to the end of their last one.
"""

from collections.abc import Iterator

from gateway.socketio.interface import Client

UserOf = tuple[str, str]
"""Tenant and `sub`."""


def user_of(client: Client) -> UserOf:
    """Return whose a connection is."""
    return client.principal.tenant, client.principal.user


class Devices:
    """Connections by user, each with the name of its device once it has said it."""

    def __init__(self) -> None:
        self._here: dict[UserOf, dict[Client, str | None]] = {}

    def __len__(self) -> int:
        return len(self._here)

    def has(self, user: UserOf) -> bool:
        """Whether a user is here."""
        return user in self._here

    def enter(self, client: Client) -> bool:
        """Take a connection in; return whether it is its user's first."""
        own = self._here.setdefault(user_of(client), {})
        own[client] = None
        return len(own) == 1

    def leave(self, client: Client) -> bool:
        """Let a connection go; return whether it was its user's last."""
        own = self._here.get(user_of(client))
        if own is None or client not in own:
            return False
        del own[client]
        if own:
            return False
        del self._here[user_of(client)]
        return True

    def name(self, client: Client, device: str) -> None:
        """Note which device a connection is."""
        own = self._here.get(user_of(client))
        if own is not None and client in own:
            own[client] = device

    def device(self, client: Client) -> str | None:
        """Return which device a connection is, if it has said so."""
        return self._here.get(user_of(client), {}).get(client)

    def of(self, user: UserOf, *, but: str | None = None) -> Iterator[Client]:
        """Yield a user's connections, those of the device `but` left out."""
        for client, device in list(self._here.get(user, {}).items()):
            if but is None or device != but:
                yield client

    def only(self, user: UserOf, device: str | None) -> Iterator[Client]:
        """Yield a user's connections of one device; None: all."""
        for client, own in list(self._here.get(user, {}).items()):
            if device is None or own == device:
                yield client
