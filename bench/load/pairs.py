"""A creator and a fan, one call after the other: what each of them has to be told of it, and nothing else.

    each is told, in this order and once      call then is
    ----------------------------------------  ----------------
    the fan      call:incoming                RINGING
    the creator  call:accepted                ACCEPTED
    both         call:connected               CONNECTED
    both         call:ended                   ENDED, hung_up

Invariant: what comes twice, out of turn, of another call, or of somebody else's, is never taken for right.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.crowd import LoadFailed

RATE_PER_MINUTE = 6
PRICE = RATE_PER_MINUTE
"""Of a call no longer than a minute, which is charged as a whole one."""
MINUTE_SECONDS = 60
REASON = "hung_up"
TURNS = {
    "creator": ("call:accepted", "call:connected", "call:ended"),
    "fan": ("call:incoming", "call:connected", "call:ended"),
}
STATES = {
    "call:incoming": "RINGING",
    "call:accepted": "ACCEPTED",
    "call:connected": "CONNECTED",
    "call:ended": "ENDED",
}
SHOWN_TO_BOTH = (
    "id", "state", "version", "creatorId", "fanId", "callType", "createdAt", "acceptedAt", "connectedAt",
    "endedAt", "endReason", "ratePerMinute", "billedSeconds", "amount",
)  # fmt: skip
CHARGED = {"endReason": REASON, "billedSeconds": MINUTE_SECONDS, "amount": PRICE}
"""How a call of this load has to end."""
Json = Mapping[str, Any]


@dataclass(slots=True)
class Ongoing:
    """A call from its moment until both know that it is over."""

    intended_ns: int
    id: str = ""
    told: dict[str, list[Json]] = field(default_factory=lambda: {side: [] for side in TURNS})
    """What each side was told, event by event: the call as it stood."""
    media: dict[str, Json] = field(default_factory=dict)
    end_ns: int = 0
    """When somebody is to hang up."""
    unanswered: int = 0
    """Of what the two have asked the server."""

    @property
    def standing(self) -> str:
        """How far it has come."""
        told = (
            f"the {side} was told {[call['state'] for call in calls]}" for side, calls in self.told.items()
        )
        return f"{', '.join(told)}, {self.unanswered} requests are unanswered"


class Pair:
    """Two users who have to do with each other; `calls` are the ids of those that are over."""

    def __init__(self, number: int, creator: str, fan: str) -> None:
        self.number = number
        self.creator = creator
        self.fan = fan
        self.calls: list[str] = []
        self.ongoing: Ongoing | None = None

    @property
    def going(self) -> Ongoing:
        """The call that goes on. Raises LoadFailed if there is none."""
        if self.ongoing is None:
            raise LoadFailed(f"{self.creator} and {self.fan} were answered while there was no call")
        return self.ongoing

    def begin(self, intended_ns: int) -> None:
        """Begin a call."""
        assert self.ongoing is None
        self.ongoing = Ongoing(intended_ns)

    def hear(self, side: str, event: str, call: Json) -> bool:
        """Let a side be told of a call; return whether both have been told so now. Raises LoadFailed unless
        it had to be told just that."""
        who, going = self.who(side), self.ongoing
        if going is None:
            raise LoadFailed(f"{who} was told {event} of {call['id']} while there was no call")
        told = going.told[side]
        turn = TURNS[side][len(told)] if len(told) < len(TURNS[side]) else "nothing more"
        if event != turn:
            raise LoadFailed(f"{who} was told {event} of {call['id']}, when it was the turn of {turn}")
        self.see(who, call, STATES[event])
        if told and call["version"] <= told[-1]["version"]:
            raise LoadFailed(f"{who} was told of version {call['version']} after {told[-1]['version']}")
        told.append(call)
        other = going.told["fan" if side == "creator" else "creator"]
        if len(other) < len(told) or len(told) == 1:
            return False
        self._same(call, other[len(told) - 1])
        return True

    def see(self, who: str, call: Json, state: str) -> None:
        """Look at a call that somebody of the pair was shown. Raises LoadFailed unless it is theirs, the one
        that goes on, and as it has to be."""
        going = self.going
        going.id = going.id or call["id"]
        wanted: dict[str, Any] = {
            "id": going.id, "creatorId": self.creator, "fanId": self.fan, "state": state,
            "ratePerMinute": RATE_PER_MINUTE,
        }  # fmt: skip
        if state == "ENDED":
            wanted |= CHARGED
        _has(who, call, wanted)

    def join(self, side: str, media: Json | None) -> None:
        """Take what a side joins the media with. Raises LoadFailed unless it leads where it has to, and the
        two differ in what they must."""
        going, who = self.going, self.who(side)
        if media is None:
            raise LoadFailed(f"{who} was given nothing to join {going.id} with")
        _has(who, media, {"provider": "peer", "channel": f"call_{going.id}"})
        going.media[side] = media
        if len(going.media) == len(TURNS):
            one, other = going.media.values()
            if one["uid"] == other["uid"] or one["polite"] == other["polite"]:
                raise LoadFailed(f"the sides of {going.id} were given the same: {one}, {other}")

    def over(self) -> bool:
        """Put the call away if both know that it is over and all is answered; return whether it is so."""
        going = self.going
        if going.unanswered or any(len(going.told[side]) < len(turns) for side, turns in TURNS.items()):
            return False
        self.calls.append(going.id)
        self.ongoing = None
        return True

    def who(self, side: str) -> str:
        """Return what the user on a side is called."""
        return self.creator if side == "creator" else self.fan

    def _same(self, one: Json, other: Json) -> None:
        differing = [name for name in SHOWN_TO_BOTH if one.get(name) != other.get(name)]
        if differing:
            raise LoadFailed(f"{self.creator} and {self.fan} were shown another {differing}: {one}, {other}")


def _has(who: str, said: Json, wanted: Json) -> None:
    wrong = {name: said.get(name) for name, value in wanted.items() if said.get(name) != value}
    if wrong:
        right = {name: wanted[name] for name in wrong}
        raise LoadFailed(f"{who} was shown {wrong}, not {right}: {said}")
