"""What processes tell each other of calls: that there is a notice, or a signal on its way.

Invariant: a note may be lost, come twice or come late, and no harm is done. A notice is in the database, and
the call is read there; a signal that is lost is offered again. What comes from outside is checked before it
is believed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

import orjson

from sessions.call_effects import Notice, Notify


@dataclass(frozen=True, slots=True)
class NoticeNote:
    """A user of a tenant is to be told something of a call, which has come to `version`."""

    sender: str
    tenant_id: str
    call_id: str
    version: int
    notify: Notify


@dataclass(frozen=True, slots=True)
class SignalNote:
    """The device `device` of a user (None: every one) is to be given a signal of the other side."""

    sender: str
    tenant_id: str
    user: str
    device: str | None
    payload: Mapping[str, Any]


Note = NoticeNote | SignalNote


def encode(note: Note) -> bytes:
    """Return a note as it is sent."""
    match note:
        case NoticeNote(sender, tenant_id, call_id, version, notify):
            words = [notify.user, notify.notice, notify.except_device]
            return orjson.dumps(["notice", sender, tenant_id, call_id, version, *words])
        case SignalNote(sender, tenant_id, user, device, payload):
            return orjson.dumps(["signal", sender, tenant_id, user, device, payload])
        case _:
            assert_never(note)


def decode(data: bytes) -> Note | None:
    """Return the note that was sent; None if it is none."""
    try:
        return _note(*orjson.loads(data))
    except (ValueError, TypeError):  # what orjson raises is a ValueError
        return None


def _note(kind: Any, *words: Any) -> Note:
    match kind, words:
        case "notice", (sender, tenant_id, call_id, int(version), user, notice, device):
            notify = Notify(_text(user), Notice(notice), _named(device))
            return NoticeNote(_text(sender), _text(tenant_id), _text(call_id), version, notify)
        case "signal", (sender, tenant_id, user, device, dict(payload)):
            return SignalNote(_text(sender), _text(tenant_id), _text(user), _named(device), payload)
        case _:
            raise ValueError("no note of a call")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _named(value: Any) -> str | None:
    return None if value is None else _text(value)
