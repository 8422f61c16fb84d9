"""Reads Agora tokens of version 007 again, as a server that checks them has to; for tests alone."""

import hmac
import zlib
from base64 import b64decode
from dataclasses import dataclass
from struct import pack, unpack_from


@dataclass(frozen=True)
class Read:
    """What is in a token, and whether a certificate has signed it."""

    app_id: str
    issued_at_seconds: int
    lifetime_seconds: int
    salt: int
    channel: str
    uid: str
    privileges: dict[int, int]
    verified: bool


def payload(token: str) -> bytes:
    """What two tokens agree in if they are the same: the compressed text depends on who compressed it."""
    assert token[:3] == "007"
    return zlib.decompress(b64decode(token[3:], validate=True))


class Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def number(self, form: str) -> int:
        (value,) = unpack_from(f"<{form}", self.data, self.at)
        self.at += {"H": 2, "I": 4}[form]
        return int(value)

    def text(self) -> bytes:
        length = self.number("H")
        self.at += length
        return self.data[self.at - length : self.at]


def read(token: str, certificate: str) -> Read:
    reader = Reader(payload(token))
    signature, begin = reader.text(), reader.at
    app_id = reader.text().decode()
    issued_at, lifetime, salt = (reader.number("I") for _ in range(3))
    assert [reader.number("H"), reader.number("H")] == [1, 1], "one service, which is RTC"
    privileges = {reader.number("H"): reader.number("I") for _ in range(reader.number("H"))}
    channel, uid = reader.text().decode(), reader.text().decode()
    assert reader.at == len(reader.data), "nothing comes after the service"
    key = hmac.digest(pack("<I", issued_at), certificate.encode(), "sha256")
    key = hmac.digest(pack("<I", salt), key, "sha256")
    verified = hmac.compare_digest(signature, hmac.digest(key, reader.data[begin:], "sha256"))
    return Read(app_id, issued_at, lifetime, salt, channel, uid, privileges, verified)
