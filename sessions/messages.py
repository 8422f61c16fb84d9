"""The messages of the live sockets: what a client may send, and what it is sent.

These models validate what comes in and generate `/asyncapi.json`; what goes out is built from them, or
(subtitles, encoded once for thousands) held to them by a test.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

LANGUAGE_PATTERN = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$"
"""Language tags: the shapes of BCP 47 that name a language, a script and a region."""

Language = Annotated[str, Field(pattern=LANGUAGE_PATTERN, examples=["en"])]
Seconds = Annotated[float, Field(ge=0, lt=1e7, allow_inf_nan=False)]
Identifier = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]


class BadMessage(Exception):
    """A message that is not of the protocol; `param` names the field, if one is to blame."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class Message(BaseModel):
    """One JSON object in one text message; `type` names it. Unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    def encoded(self) -> bytes:
        """Return the JSON text; fields that are None are left out."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True, by_alias=True)


# --- from the client ---------------------------------------------------------------------------------


class Resume(BaseModel):
    """Where a client was: the session it had, and the newest offset it has seen of which epoch."""

    session_id: Identifier
    epoch: Annotated[str, Field(max_length=64)] = ""
    offset: Annotated[int, Field(ge=0)] = 0


class Authenticate(Message):
    """Must be the first message, within the deadline."""

    type: Literal["authenticate"]
    token: Annotated[str, Field(max_length=8192)]
    resume: Resume | None = None


class Ping(Message):
    """Answered with `pong`, which bears the same id."""

    type: Literal["ping"]
    id: int | str | None = None


class Finalize(Message):
    """Everything heard so far becomes final; then `finalized` comes."""

    type: Literal["finalize"]


class End(Message):
    """No more: the remaining finals come, then `ended`, then close code 1000."""

    type: Literal["end"]


class SetTarget(Message):
    """Captions (and the voice) in another language from now on; answered with `target`."""

    type: Literal["set_target"]
    target_lang: Language


class SpokenWord(BaseModel):
    """One word of a caption with its times, in seconds of the stream's audio clock."""

    word: Annotated[str, Field(max_length=200)]
    start: Seconds
    end: Seconds
    confidence: Annotated[float, Field(ge=0, le=1)] = 1.0


class Caption(Message):
    """A caption sent instead of audio; a final one becomes exactly one final subtitle, unshaped."""

    type: Literal["caption"]
    text: Annotated[str, Field(min_length=1, max_length=2000)]
    start: Seconds
    end: Seconds
    is_final: bool
    segment_id: Identifier | None = None
    words: Annotated[list[SpokenWord], Field(max_length=500)] = []


ClientMessage = Authenticate | Ping | Finalize | End | SetTarget | Caption
_CLIENT: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])


def parse(text: str) -> ClientMessage:
    """Return the client message in `text`. Raises BadMessage with what is wrong and where."""
    try:
        return _CLIENT.validate_json(text)
    except ValidationError as error:
        raise _bad_message(error) from error


def _bad_message(error: ValidationError) -> BadMessage:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] in {
        "json_invalid",
        "model_attributes_type",
        "model_type",
        "dict_type",
        "union_tag_not_found",
    }:
        return BadMessage('A message is a JSON object with a "type"', "type")
    if first["type"] == "union_tag_invalid":
        known = ", ".join(sorted(message.model_fields["type"].annotation.__args__[0] for message in _CLIENTS))
        return BadMessage(f"No such message type. Known are: {known}", "type")
    where = ".".join(str(part) for part in first["loc"][1:]) or None
    return BadMessage(f"{where}: {first['msg']}" if where else first["msg"], where)


_CLIENTS: tuple[Any, ...] = (Authenticate, Ping, Finalize, End, SetTarget, Caption)


# --- from the server ---------------------------------------------------------------------------------


class AudioTaken(BaseModel):
    """What the server has taken of a session's audio: payload bytes, and seconds of sound in them."""

    bytes: int
    seconds: float


class Quota(BaseModel):
    """What this session may still use: the window that will end it first; -1 and no window: unlimited."""

    plan: str
    kind: Literal["subtitles", "dubbing"]
    used_seconds: float
    limit_seconds: float
    remaining_seconds: float
    window: Literal["hour", "day", "month"] | None = None
    resets_at: str | None = None


ChannelState = Literal["waiting", "live", "paused", "ended"]


class Connected(Message):
    """Authenticated. `epoch` and `offset` say where this client's subtitles go on from."""

    type: Literal["connected"] = "connected"
    session_id: str
    channel_id: str
    source_lang: str
    target_lang: str
    expires_at: str
    quota: Quota | None = None
    epoch: str
    offset: int
    state: ChannelState
    resumed: bool
    audio: AudioTaken | None = None


class Error(Message):
    """Something was refused; when `recoverable` is false, the close follows."""

    model_config = ConfigDict(frozen=True, extra="allow")
    type: Literal["error"] = "error"
    code: str
    message: str
    recoverable: bool


class Channel(Message):
    """The channel's stream started, paused (its publisher lost the connection), or ended."""

    type: Literal["channel"] = "channel"
    state: ChannelState
    source_lang: str
    stream_id: str


class Subtitle(Message):
    """A caption. Interims replace each other by `segment_id` and `rev`; a final is never changed.

    `offset` of a final is its place in this topic; of an interim, that of the newest final before it.
    """

    type: Literal["subtitle"] = "subtitle"
    segment_id: str
    rev: int
    offset: int
    is_final: bool
    text: str
    lang: str
    source_text: str
    source_lang: str
    start: float
    end: float
    words: list[SpokenWord]


class DubAudio(Message):
    """The voice of a final subtitle; one binary message with the audio follows."""

    type: Literal["dub_audio"] = "dub_audio"
    segment_id: str
    lang: str
    start: float
    duration: float
    sample_rate: int
    encoding: Literal["pcm_s16le", "ogg_opus"]
    last: bool


class Target(Message):
    """The language is now this one; subtitles go on from this place in its topic."""

    type: Literal["target"] = "target"
    target_lang: str
    epoch: str
    offset: int


class AudioAck(Message):
    """Audio taken so far, over the whole session: payload bytes and seconds of sound."""

    type: Literal["audio_ack"] = "audio_ack"
    bytes: int
    seconds: float


class Lag(Message):
    """Recognition is behind the audio: what was received, and what of it has been heard."""

    type: Literal["lag"] = "lag"
    received_seconds: float
    processed_seconds: float


class Gap(Message):
    """Audio or captions between these seconds were lost."""

    type: Literal["gap"] = "gap"
    from_: Annotated[float, Field(alias="from")]
    to: float
    reason: str


WarningCode = Literal[
    "quota_80",
    "dubbing_spent",
    "session_ending",
    "audio_too_fast",
    "audio_stalled",
    "audio_missing",
    "engine_switched",
    "recognition_failed",
    "translation_failed",
    "voice_failed",
]


class Warning(Message):  # noqa: A001 - the protocol's own word
    """Something to know; the session goes on."""

    type: Literal["warning"] = "warning"
    code: WarningCode
    message: str


class QuotaLeft(Quota, Message):
    """What is left now; comes with the warnings `quota_80` and `dubbing_spent`."""

    type: Literal["quota"] = "quota"


class Resync(Message):
    """What was missed cannot be sent again; go on from here, and fetch the transcript for the rest."""

    type: Literal["resync"] = "resync"
    reason: str
    epoch: str
    offset: int


class Pong(Message):
    """Answers `ping`; while audio comes, with how much was received and heard of the stream followed."""

    type: Literal["pong"] = "pong"
    id: int | str | None = None
    received_seconds: float | None = None
    processed_seconds: float | None = None


class Finalized(Message):
    """Everything received before the `finalize` has become final; `seconds` of audio were received."""

    type: Literal["finalized"] = "finalized"
    seconds: float


class Ended(Message):
    """The session is over: seconds of audio taken (or, for a viewer, delivered), and billed."""

    type: Literal["ended"] = "ended"
    audio_seconds: float
    billed_seconds: float


ServerMessage = (
    Connected | Error | Channel | Subtitle | DubAudio | Target | AudioAck | Lag | Gap | Warning | QuotaLeft
    | Resync | Pong | Finalized | Ended
)  # fmt: skip
