"""What is asked about calls over HTTP, and what is answered; a call looks as it does on the socket.

Users are named by their `sub`. A success is `{"ok": true, ...}`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.http.admin_shapes import Body, Cursor, PageLimit, UserName
from sessions.call_messages import CallBody, CallView, DeviceName
from sessions.call_records import CallType


class _Named(BaseModel):
    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)


class _NamedBody(Body):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Initiate(_NamedBody):
    """Whom to call. `deviceId` is which of the caller's devices speaks; without it any of them may."""

    fan_id: Annotated[UserName, Field(alias="fanId")]
    call_type: Annotated[CallType, Field(alias="callType")]
    device_id: Annotated[DeviceName | None, Field(alias="deviceId")] = None


class OnDevice(_NamedBody):
    """Which device of the one who asks this is."""

    device_id: Annotated[DeviceName | None, Field(alias="deviceId")] = None


class Nothing(Body):
    """There is nothing to say."""


class HeartbeatBody(OnDevice):
    """That this side is there; with `media`, that it is in the media by now, or out of it."""

    media: Literal["joined", "left"] | None = None


class DeviceQuery(_Named):
    """Which device asks: credentials for the media are for the one that called or accepted."""

    device_id: Annotated[DeviceName | None, Field(alias="deviceId")] = None


class CallAnswer(CallView):
    """How a call stands; `media` is there for the device that may join now, `remainingMs` while it rings."""

    ok: Literal[True] = True


class ActiveCalls(_Named):
    """The call that rings or goes on for the one who asks, if there is one."""

    ok: Literal[True] = True
    calls: list[CallView]


class CallQuery(BaseModel):
    """Which page of the calls."""

    limit: PageLimit = 50
    cursor: Cursor | None = None


class CallHistory(_Named):
    """The calls of the one who asks, the newest first; `nextCursor` is for the next page, null on the
    last."""

    ok: Literal[True] = True
    calls: list[CallBody]
    next_cursor: Annotated[str | None, Field(alias="nextCursor")]


class TokenQuery(DeviceQuery):
    """For which channel a token is wanted. `uid` may be left out, and is otherwise one's own; `role` is host,
    or audience to listen only."""

    channel: Annotated[str, Field(min_length=1, max_length=64)]
    uid: Annotated[int | None, Field(ge=0, le=2**32 - 1)] = None
    role: Literal["host", "audience"] = "host"


class CallToken(_Named):
    """What opens the channel until `expiresAt`."""

    ok: Literal[True] = True
    token: str
    app_id: Annotated[str, Field(alias="appId")]
    channel: str
    uid: int
    role: Literal["host", "audience"]
    expires_at: Annotated[str, Field(alias="expiresAt")]
