"""What the rules of a call have their owner do.

Whoever saves the call performs all effects of the step in the same transaction: notices through the outbox,
holds and the settlement in the ledger.
"""

from dataclasses import dataclass
from enum import StrEnum


class Notice(StrEnum):
    """What a user is told of a call; the message is `call:` and this, with the call as this user sees it."""

    INCOMING = "incoming"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    MISSED = "missed"
    CANCELLED = "cancelled"
    CONNECTED = "connected"
    ENDED = "ended"
    ANSWERED_ELSEWHERE = "answered_elsewhere"
    BALANCE_LOW = "balance_low"


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell every device of a user, except the one that did it, where that is known."""

    user: str
    notice: Notice
    except_device: str | None = None


@dataclass(frozen=True, slots=True)
class HoldMinute:
    """Hold `amount_micro` of the fan's credits for minute `number` of the call, counted from 1. The number
    and the call's id are its name: held once, however often this is carried out."""

    number: int
    amount_micro: int


@dataclass(frozen=True, slots=True)
class SettleCall:
    """Give the creator `cost_micro` of the `held_micro` that are held, and the fan the rest back; once for a
    call, also where both are 0."""

    billed_ms: int
    cost_micro: int
    held_micro: int


@dataclass(frozen=True, slots=True)
class RecordContact:
    """Note that creator and fan have been in a call, which is a relationship of the kind `call`."""


@dataclass(frozen=True, slots=True)
class CloseMedia:
    """Let nobody be in the channel of the call any more: no token is renewed, and who is in is put out."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer whoever asked with this refusal, although the call has changed: it was over, and nobody had
    found that yet. Always the last effect."""

    refusal: Exception


Effect = Notify | HoldMinute | SettleCall | RecordContact | CloseMedia | Refuse
