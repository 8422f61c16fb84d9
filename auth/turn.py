"""TURN: passwords that hold for a while, and the servers that a browser is told to reach its peer through.

    user name  the moment it ends, in seconds since the epoch, ":" and a name
    password   base64(HMAC-SHA1(the secret shared with the TURN server, user name))

Invariant: the shared secret is never among what a browser is told, and without a server there is no password.
Source: draft-uberti-behave-turn-rest-00, section 2, which coturn does with `use-auth-secret`; the shape is
RTCIceServer of the WebRTC specification. SHA-1 is what that draft has; an HMAC of it is not broken.
"""

import hmac
import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Literal, NotRequired, TypedDict

SECRET_CHARACTERS_MIN = 16
URLS_MAX = 8

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_URL = re.compile(
    r"(?P<scheme>stuns?|turns?):(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?"
    r"(\?transport=(udp|tcp))?\Z"
)
"""RFC 7064 and 7065, without names of hosts that have to be escaped; `transport` is for turn and turns."""

_EXAMPLES = "stun:stun.example.org:3478 or turn:turn.example.org:3478?transport=udp"


class IceServer(TypedDict):
    """What a browser takes as one of `RTCConfiguration.iceServers`."""

    urls: list[str]
    username: NotRequired[str]
    credential: NotRequired[str]


class TurnMisconfigured(ValueError):
    """The servers cannot be right; `setting` says which of the two is wrong."""

    def __init__(self, setting: Literal["urls", "secret"], sentence: str) -> None:
        super().__init__(sentence)
        self.setting = setting


@dataclass(frozen=True, slots=True)
class Relays:
    """STUN and TURN servers by their URLs, and the secret that is shared with the TURN servers. Without any,
    browsers find each other only where they can reach each other. Raises TurnMisconfigured."""

    urls: tuple[str, ...] = ()
    secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if len(self.urls) > URLS_MAX:
            raise TurnMisconfigured("urls", f"At most {URLS_MAX} STUN and TURN servers can be named")
        for url in self.urls:
            if not _valid(url):
                raise TurnMisconfigured(
                    "urls", f"{url!r} is no STUN or TURN server: name it like {_EXAMPLES}"
                )
        if self.turn_urls and len(self.secret) < SECRET_CHARACTERS_MIN:
            raise TurnMisconfigured("secret", f"A TURN server needs its static-auth-secret here, and one of "
                                    f"{SECRET_CHARACTERS_MIN} characters or more")  # fmt: skip

    @property
    def turn_urls(self) -> list[str]:
        """Those that need a password."""
        return [url for url in self.urls if url.startswith("turn")]

    @property
    def stun_urls(self) -> list[str]:
        """Those that need none."""
        return [url for url in self.urls if url.startswith("stun")]


def ice_servers(relays: Relays, name: str, ends_at_seconds: int) -> list[IceServer]:
    """Return what a browser may use until a moment (seconds since the epoch); `name` is for the TURN server's
    logs: 1 to 64 of A-Z a-z 0-9 _ . -"""
    assert _NAME.match(name) is not None
    servers: list[IceServer] = []
    if relays.stun_urls:
        servers.append({"urls": relays.stun_urls})
    if relays.turn_urls:
        username, credential = credentials(relays.secret, name, ends_at_seconds)
        servers.append({"urls": relays.turn_urls, "username": username, "credential": credential})
    return servers


def credentials(secret: str, name: str, ends_at_seconds: int) -> tuple[str, str]:
    """Return user name and password that hold until a moment, in seconds since the epoch.

    Make it the longest time that a call may last: a relay that is refreshed later may be refused.
    """
    username = f"{ends_at_seconds}:{name}"
    return username, b64encode(hmac.digest(secret.encode(), username.encode(), "sha1")).decode()


def _valid(url: str) -> bool:
    found = _URL.match(url)
    if found is None or int(found["port"] or 1) not in range(1, 65_536):
        return False
    return found["scheme"].startswith("turn") or "?" not in url
