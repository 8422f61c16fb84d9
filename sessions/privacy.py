"""Privacy: what a fan lets creators see and do, by settings, relationships and blocks.

    policy        who may message or call the fan
    ------------  ------------------------------------------------------------
    nobody        no creator
    interacted    a creator with whom there is a relationship of any kind
    subscribed    a creator to whom the fan is subscribed now
    anyone        every creator

    A block, by either side, forbids all of it. What is forbidden is refused by NotAllowed.

Invariant: a refusal has nothing in it, and a creator sees nothing (sessions/profiles.py), that tells a block
from a policy. Times are milliseconds since the epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Visibility(StrEnum):
    """Who sees a fan's name and picture: nobody, the creators of the tenant, everybody."""

    PRIVATE = "private"
    CREATORS = "creators"
    PUBLIC = "public"


class Policy(StrEnum):
    """Who may message or call a fan, as the table above has it."""

    NOBODY = "nobody"
    INTERACTED = "interacted"
    SUBSCRIBED = "subscribed"
    ANYONE = "anyone"


class Kind(StrEnum):
    """What a fan has done with a creator."""

    FOLLOW = "follow"
    SUBSCRIBE = "subscribe"
    MESSAGE = "message"
    TIP = "tip"
    CALL = "call"

    @property
    def lasting(self) -> bool:
        """Whether it goes on until it is taken back, as a tip does not."""
        return self in (Kind.FOLLOW, Kind.SUBSCRIBE)


@dataclass(frozen=True, slots=True)
class FanSettings:
    """What a fan has chosen; the defaults are those of a fan who has not."""

    visibility: Visibility = Visibility.PRIVATE
    allow_dm: Policy = Policy.INTERACTED
    allow_calls: Policy = Policy.INTERACTED


@dataclass(frozen=True, slots=True)
class Relationship:
    """That a fan did something with a creator: for the first time, and for the last. `ended_at_ms`: a follow
    or a subscription that was taken back then."""

    kind: Kind
    first_at_ms: int
    last_at_ms: int
    ended_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a creator stands with a fan. Whichever of the two has blocked the other, it is the same."""

    settings: FanSettings = field(default_factory=FanSettings)
    relationships: Mapping[Kind, Relationship] = field(default_factory=dict)
    blocked: bool = False


class NotAllowed(Exception):
    """The fan does not let this creator do it, or one of them has blocked the other. Nobody learns which."""

    def __init__(self) -> None:
        super().__init__("This fan cannot be reached by you")


class NotLasting(Exception):
    """A relationship of this kind cannot be taken back; `kind` says which."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(
            f"A {kind.value} has happened and cannot be taken back: only follow and subscribe can"
        )
        self.kind = kind


def recorded(known: Relationship | None, kind: Kind, at_ms: int) -> Relationship:
    """Return the relationship after it was seen at `at_ms`; reports may come late, in any order and twice.

    One from before the taking back of a follow or a subscription does not bring it back.
    """
    if known is None:
        return Relationship(kind, at_ms, at_ms)
    assert known.kind is kind
    again = known.ended_at_ms is not None and at_ms > known.ended_at_ms
    return replace(
        known,
        first_at_ms=min(known.first_at_ms, at_ms),
        last_at_ms=max(known.last_at_ms, at_ms),
        ended_at_ms=None if again else known.ended_at_ms,
    )


def ended(known: Relationship, at_ms: int) -> Relationship:
    """Return the relationship after a follow or a subscription was taken back. Raises NotLasting."""
    if not known.kind.lasting:
        raise NotLasting(known.kind)
    if known.ended_at_ms is not None or at_ms < known.last_at_ms:
        return known
    return replace(known, ended_at_ms=at_ms)


def may_message(standing: Standing) -> bool:
    """Return whether the creator may write to the fan."""
    return _allows(standing.settings.allow_dm, standing)


def may_call(standing: Standing) -> bool:
    """Return whether the creator may call the fan, and the fan accept."""
    return _allows(standing.settings.allow_calls, standing)


def _allows(policy: Policy, standing: Standing) -> bool:
    subscription = standing.relationships.get(Kind.SUBSCRIBE)
    allowed = {
        Policy.NOBODY: False,
        Policy.INTERACTED: bool(standing.relationships),
        Policy.SUBSCRIBED: subscription is not None and subscription.ended_at_ms is None,
        Policy.ANYONE: True,
    }[policy]
    # All of it is looked at before the block is, which takes the same time whatever forbids it.
    return allowed and not standing.blocked
