"""Agora call tokens of version 007: who may be in which channel, as what, and for how long.

    "007" + base64(zlib(text(signature) + info))
    info       text(app id)  u32 issued at  u32 lifetime  u32 salt  u16 services  service...
    service    u16 type (1: RTC)  map of u16 privilege to u32 lifetime  text(channel)  text(uid)
    signature  HMAC-SHA256(HMAC-SHA256(salt, HMAC-SHA256(issued at, certificate)), info)

    all little endian, texts and maps after a u16 with their length; the HMACs have the key first

Invariants: a token comes out only for a project, a seat and a lease that Agora takes, whose own builders give
an empty text, or a token that nobody can use, for others; and a lease knows by itself when it ends, so that
nobody can give a moment where 007 wants a duration, nor a duration where 006 wants a moment.

Source: AgoraIO/Tools, DynamicKey/AgoraDynamicKey (AccessToken2, RtcTokenBuilder2). Its README recommends 007
over 006, which is in auth/agora_legacy.py.
"""

import hmac
import re
import zlib
from base64 import b64encode
from dataclasses import dataclass, field
from enum import StrEnum
from struct import pack
from typing import Literal

VERSION = "007"
RTC_SERVICE = 1
CHANNEL_BYTES_MAX = 63
UID_MAX = 2**32 - 1
SALT_MAX = 99_999_999
LEASE_SECONDS_MAX = 24 * 3600
"""Agora cuts every privilege to a day."""

_HEX32 = re.compile(r"[0-9a-fA-F]{32}\Z")
_CHANNEL = re.compile(rf"[A-Za-z0-9 !#$%&()+\-:;<=.>?@\[\]^_{{}}|~,]{{1,{CHANNEL_BYTES_MAX}}}\Z")


class Role(StrEnum):
    """What a seat is for. An audience can only join: but Agora holds it to that only in projects for which
    its support has enabled co-host authentication, so that listening only is no boundary by itself."""

    HOST = "host"
    AUDIENCE = "audience"

    @property
    def privileges(self) -> tuple[int, ...]:
        """Join; send audio, video, data."""
        return (1, 2, 3, 4) if self is Role.HOST else (1,)


class AgoraMisconfigured(ValueError):
    """The project's keys cannot be right; `setting` names which."""

    def __init__(self, setting: Literal["AGORA_APP_ID", "AGORA_APP_CERTIFICATE"]) -> None:
        super().__init__(
            f"{setting} has to be 32 hexadecimal digits: copy it from the project's page in the Agora Console"
        )
        self.setting = setting


class BadSeat(ValueError):
    """There can be no such seat; `param` says what is wrong with it."""

    def __init__(self, param: Literal["channel", "uid"]) -> None:
        super().__init__(
            {
                "channel": f"channel has to be 1 to {CHANNEL_BYTES_MAX} of A-Z a-z 0-9, space and "
                           "!#$%&()+-:;<=.>?@[]^_{}|~,",
                "uid": f"uid has to be a whole number from 1 to {UID_MAX}",
            }[param]
        )  # fmt: skip
        self.param = param


class BadLease(ValueError):
    """A token cannot hold for this time, or from this moment."""

    def __init__(self) -> None:
        super().__init__(
            f"A lease is for 1 to {LEASE_SECONDS_MAX} seconds, from a moment in seconds since the epoch"
        )


@dataclass(frozen=True, slots=True)
class Project:
    """An Agora project: its id, and the certificate that signs. Raises AgoraMisconfigured."""

    app_id: str
    certificate: str = field(repr=False)

    def __post_init__(self) -> None:
        if _HEX32.match(self.app_id) is None:
            raise AgoraMisconfigured("AGORA_APP_ID")
        if _HEX32.match(self.certificate) is None:
            raise AgoraMisconfigured("AGORA_APP_CERTIFICATE")


@dataclass(frozen=True, slots=True)
class Seat:
    """One user's place in a channel. Raises BadSeat.

    `uid` is the user's own number, never 0: with a token for 0 one may join as anybody. Agora puts out who is
    in with a number when the same number joins elsewhere, and all users of a channel must have numbers.
    """

    channel: str
    uid: int
    role: Role = Role.HOST

    def __post_init__(self) -> None:
        if _CHANNEL.match(self.channel) is None:
            raise BadSeat("channel")
        if type(self.uid) is not int or not 1 <= self.uid <= UID_MAX:
            raise BadSeat("uid")


@dataclass(frozen=True, slots=True)
class Lease:
    """How long a token holds: `lifetime_seconds` from `issued_at_seconds` since the epoch. Raises BadLease.

    A moment is always more than the longest lifetime, so that the two cannot be mistaken for each other.
    """

    issued_at_seconds: int
    lifetime_seconds: int

    def __post_init__(self) -> None:
        if type(self.issued_at_seconds) is not int or type(self.lifetime_seconds) is not int:
            raise BadLease
        if not 1 <= self.lifetime_seconds <= LEASE_SECONDS_MAX:
            raise BadLease
        if not LEASE_SECONDS_MAX < self.issued_at_seconds <= UID_MAX - 2 * LEASE_SECONDS_MAX:
            raise BadLease

    @property
    def ends_at_seconds(self) -> int:
        """When it ends, in seconds since the epoch."""
        return self.issued_at_seconds + self.lifetime_seconds


def issue(project: Project, seat: Seat, lease: Lease, *, salt: int) -> str:
    """Return a token of version 007. `salt` is drawn anew for each, from 1 to `SALT_MAX`."""
    assert 1 <= salt <= SALT_MAX
    lifetime = lease.lifetime_seconds
    privileges = [pack("<HI", privilege, lifetime) for privilege in seat.role.privileges]
    service = (
        pack("<HH", RTC_SERVICE, len(privileges))
        + b"".join(privileges)
        + _text(seat.channel.encode())
        + _text(str(seat.uid).encode())
    )
    issued_at = pack("<I", lease.issued_at_seconds)
    info = _text(project.app_id.encode()) + issued_at + pack("<IIH", lifetime, salt, 1) + service
    key = hmac.digest(
        pack("<I", salt), hmac.digest(issued_at, project.certificate.encode(), "sha256"), "sha256"
    )
    signature = hmac.digest(key, info, "sha256")
    return VERSION + b64encode(zlib.compress(_text(signature) + info)).decode()


def _text(value: bytes) -> bytes:
    return pack("<H", len(value)) + value
