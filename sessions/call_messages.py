"""The messages of calls on the Socket.IO connection, and how a call looks there and over HTTP.

Every event of the server has the call as its receiver sees it, with a version: of two, the one with the
higher version is how it stands. Events are hints and may be lost with a connection; whoever connects again is
told of the call that rings or goes on. Moments are RFC 3339 in UTC, to the millisecond; amounts are credits.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from sessions.call_records import DEVICE_CHARACTERS_MAX, CallType, State
from sessions.payloads import Accepted, ClientEvent, Payload, ServerEvent

CALL_ID_CHARACTERS = 36
SDP_CHARACTERS_MAX = 32 * 1024
"""Of one description: those of browsers have from 1 to 10 thousand."""
CANDIDATE_CHARACTERS_MAX = 1024

CallId = Annotated[str, Field(alias="callId", min_length=1, max_length=CALL_ID_CHARACTERS)]
# PostgreSQL has no texts with the character NUL.
DeviceName = Annotated[
    str, StringConstraints(min_length=1, max_length=DEVICE_CHARACTERS_MAX, pattern=r"^[^\x00]*$")
]
Side = Literal["creator", "fan"]
ShownReason = Literal[
    "declined", "expired", "busy", "cancelled", "caller_lost", "hung_up", "connection_lost", "balance_spent",
    "media_failed", "too_long", "ended_by_admin",
]  # fmt: skip
"""Of sessions.call_records.EndReason those that anybody is shown."""


# --- parts --------------------------------------------------------------------------------------------


class _Named(Payload):
    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)


class CallBody(_Named):
    """A call as one side sees it. `amount` is what it costs the fan and earns the creator so far: the time
    since `connectedAt`, each `incrementSeconds` that was begun in full, nothing up to `freeSeconds`, at
    `ratePerMinute`; `billedSeconds` is there once it is settled. `fundedUntil` and `lastMinute` are the fan's
    alone: until when it is paid for, and whether no other minute can be."""

    id: str
    state: State
    version: int
    creator_id: Annotated[str, Field(alias="creatorId")]
    fan_id: Annotated[str, Field(alias="fanId")]
    call_type: Annotated[CallType, Field(alias="callType")]
    created_at: Annotated[str, Field(alias="createdAt")]
    expires_at: Annotated[str, Field(alias="expiresAt")]
    accepted_at: Annotated[str | None, Field(alias="acceptedAt")] = None
    connected_at: Annotated[str | None, Field(alias="connectedAt")] = None
    ended_at: Annotated[str | None, Field(alias="endedAt")] = None
    end_reason: Annotated[ShownReason | None, Field(alias="endReason")] = None
    rate_per_minute: Annotated[int | float, Field(alias="ratePerMinute")]
    increment_seconds: Annotated[int | float, Field(alias="incrementSeconds")]
    free_seconds: Annotated[int | float, Field(alias="freeSeconds")]
    billed_seconds: Annotated[int | float | None, Field(alias="billedSeconds")] = None
    amount: int | float
    funded_until: Annotated[str | None, Field(alias="fundedUntil")] = None
    last_minute: Annotated[bool | None, Field(alias="lastMinute")] = None


class IceServer(_Named):
    """A server that helps two browsers to find one another, as RTCPeerConnection takes it."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


class Media(_Named):
    """What a device joins the media of a call with, until `expiresAt`; then it asks again. With the provider
    `agora` the channel is theirs, `token` and `appId` open it. With `peer` the two browsers speak with each
    other through `iceServers`, and find one another by `call:signal`; they need no `token`. `polite` says
    whose offer gives way when both sides make one at once."""

    provider: Literal["agora", "peer"]
    channel: str
    uid: int
    token: str | None = None
    app_id: Annotated[str | None, Field(alias="appId")] = None
    expires_at: Annotated[str, Field(alias="expiresAt")]
    ice_servers: Annotated[list[IceServer] | None, Field(alias="iceServers")] = None
    polite: bool | None = None


class CallView(_Named):
    """A call, with what the device that asks may join now, and while it rings for how long it still does."""

    call: CallBody
    media: Media | None = None
    remaining_ms: Annotated[int | None, Field(alias="remainingMs")] = None


class Description(_Named):
    """A session description (RFC 8829, section 5), as RTCPeerConnection gives and takes it."""

    type: Literal["offer", "answer", "pranswer", "rollback"]
    sdp: Annotated[str, Field(max_length=SDP_CHARACTERS_MAX)] = ""


class Candidate(_Named):
    """An ICE candidate (RFC 8839, section 5.1), as RTCPeerConnection gives and takes it; an empty
    `candidate` says that there are no more."""

    candidate: Annotated[str, Field(max_length=CANDIDATE_CHARACTERS_MAX)]
    sdp_mid: Annotated[str | None, Field(alias="sdpMid", max_length=64)] = None
    sdp_m_line_index: Annotated[int | None, Field(alias="sdpMLineIndex", ge=0, le=65535)] = None
    username_fragment: Annotated[str | None, Field(alias="usernameFragment", max_length=256)] = None


# --- from the client ----------------------------------------------------------------------------------


class CallsOpen(Accepted):
    """The call that rings or goes on, if there is one."""

    calls: list[CallView]


class CallShown(Accepted, CallView):
    """How the call stands now."""


class NameDevice(ClientEvent):
    """Say which device this connection is: an id that the client keeps, and gives when it calls and accepts.
    A device that has not said so hears of every call, and takes no part in the media of one that another
    device has accepted."""

    event: ClassVar[str] = "call:device"
    ack: ClassVar[type[Accepted]] = CallsOpen
    device_id: Annotated[DeviceName, Field(alias="deviceId")]


class Heartbeat(ClientEvent):
    """Say that this side is there: every ten seconds from the moment when the call is accepted. The answer
    has fresh credentials for the media, for as long as the call goes on."""

    event: ClassVar[str] = "call:heartbeat"
    ack: ClassVar[type[Accepted]] = CallShown
    call_id: CallId


class ReportMedia(ClientEvent):
    """Say that this side is in the media of the call, or out of it: what is charged begins when both are in,
    and is over when one is out for good."""

    event: ClassVar[str] = "call:media"
    ack: ClassVar[type[Accepted]] = CallShown
    call_id: CallId
    state: Literal["joined", "left"]


class Signal(ClientEvent):
    """Pass a description or a candidate to the other side's device, once the call is accepted and until it is
    over (provider `peer`). It is not kept for a device that has no connection just then: whoever comes back
    offers anew."""

    event: ClassVar[str] = "call:signal"
    call_id: CallId
    description: Description | None = None
    candidate: Candidate | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "Signal":
        if (self.description is None) == (self.candidate is None):
            raise ValueError("send a description or a candidate, one of the two")
        return self


# --- from the server ----------------------------------------------------------------------------------


class CallEvent(ServerEvent):
    """What every event about a call has."""

    call: CallBody


class CallIncoming(CallEvent):
    """Somebody calls. It still rings for `remainingMs`; a client that shows it measures those by its own
    clock. It comes again when a device connects in that time."""

    event: ClassVar[str] = "call:incoming"
    remaining_ms: Annotated[int, Field(alias="remainingMs")]


class CallAccepted(CallEvent):
    """The fan has accepted: the device that called asks for the call, and joins the media."""

    event: ClassVar[str] = "call:accepted"


class CallDeclined(CallEvent):
    """The fan does not want to speak now."""

    event: ClassVar[str] = "call:declined"


class CallMissed(CallEvent):
    """Nobody answered in time; or a call that came while the fan was in another one."""

    event: ClassVar[str] = "call:missed"


class CallCancelled(CallEvent):
    """The call was taken back, or who called has gone."""

    event: ClassVar[str] = "call:cancelled"


class CallConnected(CallEvent):
    """Both are in the media: from now on it is charged."""

    event: ClassVar[str] = "call:connected"


class CallEnded(CallEvent):
    """The call is over and settled."""

    event: ClassVar[str] = "call:ended"


class AnsweredElsewhere(CallEvent):
    """Another device of this user has accepted: stop ringing."""

    event: ClassVar[str] = "call:answered_elsewhere"


class BalanceLow(CallEvent):
    """What the fan has does not pay for another minute: the call ends at `fundedUntil`, in a minute, unless
    there is more by then."""

    event: ClassVar[str] = "call:balance_low"


class SignalPassed(ServerEvent):
    """A description or a candidate of the other side; `from` says which side that is."""

    event: ClassVar[str] = "call:signal"
    call_id: Annotated[str, Field(alias="callId")]
    sender: Annotated[Side, Field(alias="from")]
    description: Description | None = None
    candidate: Candidate | None = None


CALL_CLIENT_EVENTS: tuple[type[ClientEvent], ...] = (NameDevice, Heartbeat, ReportMedia, Signal)
CALL_SERVER_EVENTS: tuple[type[ServerEvent], ...] = (
    CallIncoming, CallAccepted, CallDeclined, CallMissed, CallCancelled, CallConnected, CallEnded,
    AnsweredElsewhere, BalanceLow, SignalPassed,
)  # fmt: skip
