"""What fans and creators say of themselves, what they see of one another, and whom they block.

Users are named by their `sub`; moments are RFC 3339 in UTC; rates are credits a minute. A success is
`{"ok": true, ...}`.
"""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AnyHttpUrl, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from gateway.http.admin_shapes import Body, Cursor, PageLimit, UserName
from gateway.http.shapes import Number
from sessions.privacy import Kind, Policy, Visibility

NAME_CHARACTERS_MAX = 80
USERNAME_CHARACTERS_MAX = 32
URL_CHARACTERS_MAX = 500
RATE_MAX = 1000

DisplayName = Annotated[
    str, StringConstraints(max_length=NAME_CHARACTERS_MAX, strip_whitespace=True, pattern=r"^[^\x00]*$")
]
Username = Annotated[
    str, StringConstraints(pattern=rf"^[a-z0-9][a-z0-9_.-]{{0,{USERNAME_CHARACTERS_MAX - 1}}}$")
]
PerMinute = Annotated[Decimal, Field(ge=0, le=RATE_MAX, max_digits=10, decimal_places=6)]
PictureUrl = Annotated[AnyHttpUrl, Field(max_length=URL_CHARACTERS_MAX)]


class _Named(BaseModel):
    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)


class _NamedBody(Body):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


# --- fans ---------------------------------------------------------------------------------------------


class FanChanges(_NamedBody):
    """What a fan wants to be otherwise; what is left out stays. An empty name, or null for the picture,
    takes them away."""

    fan_privacy_visibility: Visibility | None = None
    fan_allow_dm: Policy | None = None
    fan_allow_calls: Policy | None = None
    display_name: Annotated[DisplayName | None, Field(alias="displayName")] = None
    avatar_url: Annotated[PictureUrl | None, Field(alias="avatarUrl")] = None


class Fan(_Named):
    """What a fan has chosen."""

    ok: Literal[True] = True
    id: str
    fan_privacy_visibility: Visibility
    fan_allow_dm: Policy
    fan_allow_calls: Policy
    display_name: Annotated[str, Field(alias="displayName")]
    avatar_url: Annotated[str | None, Field(alias="avatarUrl")]


class RelationshipBody(_Named):
    """That a fan has done something with a creator: first, and last. A follow or a subscription that was
    taken back has `endedAt`."""

    kind: Kind
    first_at: Annotated[str, Field(alias="firstAt")]
    last_at: Annotated[str, Field(alias="lastAt")]
    ended_at: Annotated[str | None, Field(alias="endedAt")] = None


class MiniProfile(_Named):
    """What this fan lets this creator see. `displayName`, `avatarUrl` and `joinedAt` are not there where they
    are hidden; whoever cannot be reached is that by their settings or by a block, and nobody learns which."""

    ok: Literal[True] = True
    id: str
    can_message: Annotated[bool, Field(alias="canMessage")]
    can_call: Annotated[bool, Field(alias="canCall")]
    relationships: list[RelationshipBody]
    display_name: Annotated[str | None, Field(alias="displayName")] = None
    avatar_url: Annotated[str | None, Field(alias="avatarUrl")] = None
    joined_at: Annotated[str | None, Field(alias="joinedAt")] = None


class ShareCard(_Named):
    """What everybody may see of a fan who is public."""

    ok: Literal[True] = True
    id: str
    display_name: Annotated[str | None, Field(alias="displayName")] = None
    avatar_url: Annotated[str | None, Field(alias="avatarUrl")] = None
    joined_at: Annotated[str | None, Field(alias="joinedAt")] = None


# --- creators -----------------------------------------------------------------------------------------


class CreatorChanges(_NamedBody):
    """What a creator wants to be otherwise; what is left out stays. A call that has rung keeps its rate."""

    voice_rate_per_minute: Annotated[PerMinute | None, Field(alias="voiceRatePerMinute")] = None
    video_rate_per_minute: Annotated[PerMinute | None, Field(alias="videoRatePerMinute")] = None
    username: Username | None = None
    display_name: Annotated[DisplayName | None, Field(alias="displayName")] = None
    avatar_url: Annotated[PictureUrl | None, Field(alias="avatarUrl")] = None


class Creator(_Named):
    """What a creator has chosen. `earned` is what calls have brought so far, in credits."""

    ok: Literal[True] = True
    id: str
    username: str | None
    display_name: Annotated[str, Field(alias="displayName")]
    avatar_url: Annotated[str | None, Field(alias="avatarUrl")]
    voice_rate_per_minute: Annotated[Number, Field(alias="voiceRatePerMinute")]
    video_rate_per_minute: Annotated[Number, Field(alias="videoRatePerMinute")]
    earned: Number


class PublicCreator(_Named):
    """What everybody sees of a creator who has a public page."""

    ok: Literal[True] = True
    id: str
    username: str
    display_name: Annotated[str, Field(alias="displayName")]
    avatar_url: Annotated[str | None, Field(alias="avatarUrl")]
    voice_rate_per_minute: Annotated[Number, Field(alias="voiceRatePerMinute")]
    video_rate_per_minute: Annotated[Number, Field(alias="videoRatePerMinute")]


class KnownFan(MiniProfile):
    """One of the fans whom a creator knows."""

    ok: Annotated[Literal[True], Field(exclude=True)] = True


class KnownFans(_Named):
    """The fans with whom a creator has anything to do, those of the latest first; `nextCursor` is for the
    next page, null on the last."""

    ok: Literal[True] = True
    fans: list[KnownFan]
    next_cursor: Annotated[str | None, Field(alias="nextCursor")]


class PeopleQuery(BaseModel):
    """Which page of a list."""

    limit: PageLimit = 50
    cursor: Cursor | None = None


# --- between them -------------------------------------------------------------------------------------


class RelationshipChange(_NamedBody):
    """What a fan did with a creator, as the platform saw it. With `ended` a follow or a subscription is taken
    back. `at` is when, in RFC 3339 with its zone; now if it is not given."""

    creator_id: Annotated[UserName, Field(alias="creatorId", examples=["cleo"])]
    fan_id: Annotated[UserName, Field(alias="fanId", examples=["noa"])]
    kind: Kind
    ended: bool = False
    at: AwareDatetime | None = None


class RelationshipAnswer(_Named):
    """How it stands."""

    ok: Literal[True] = True
    creator_id: Annotated[str, Field(alias="creatorId")]
    fan_id: Annotated[str, Field(alias="fanId")]
    relationship: RelationshipBody


class Block(_Named):
    """Whom one has blocked, and when."""

    user_id: Annotated[str, Field(alias="userId")]
    created_at: Annotated[str, Field(alias="createdAt")]


class Blocked(Block):
    """Blocked: neither can call the other or write, and what rang or went on between them is over."""

    ok: Literal[True] = True


class Unblocked(_Named):
    """Not blocked by the one who asks."""

    ok: Literal[True] = True
    user_id: Annotated[str, Field(alias="userId")]


class Blocks(_Named):
    """Everybody whom the one who asks has blocked, the latest first; `nextCursor` is for the next page, null
    on the last."""

    ok: Literal[True] = True
    blocks: list[Block]
    next_cursor: Annotated[str | None, Field(alias="nextCursor")]
