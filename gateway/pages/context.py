"""What the pages are told about the running gateway; they ask for it at each request and keep nothing."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """One channel that is live now; `viewers` counts those who follow it, by target language."""

    channel_id: str
    source_lang: str
    viewers: Mapping[str, int] = field(default_factory=dict)
    live_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class EngineRow:
    """One engine: `kind` is recognizer, translator or synthesizer; `reason` says what to do about it."""

    name: str
    kind: str
    available: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """How busy this gateway is now."""

    workers: int
    streams: int
    viewers: int
    uptime_seconds: float


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """A plan by the name that people know, and whether who has it may create rooms."""

    name: str
    rooms: bool


@dataclass(frozen=True, slots=True)
class CallRules:
    """What of calls is turned on, where their media are, and how often a page says that it is there."""

    enabled: bool = False
    privacy: bool = True
    profiles: bool = True
    provider: str = "peer"
    heartbeat_seconds: float = 10.0
    lost_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class CreatorCard:
    """What everybody may see of a creator who has a public page; rates are credits a minute."""

    username: str
    name: str
    voice_rate: float
    video_rate: float


class CannotTell(Exception):
    """What a page is asked for cannot be found out just now."""

    def __init__(self) -> None:
        super().__init__("The database cannot be read just now")


async def _nobody(_username: str) -> CreatorCard | None:
    return None


@dataclass(frozen=True, slots=True)
class PageContext:
    """What the pages need to know. The functions are called at each request and must be quick.

    `served_pairs` are (spoken, captions) languages, the same language twice included; `voices` are the
    languages that can be dubbed. `live_channels` is asked only in development: outside it a page that is
    shown to anybody must not name a tenant's channels. From `warning_percent` on, used minutes are marked.
    `room_plans` has every plan by the name that tokens have it under. `creator` finds the public page of a
    creator by their username, and raises CannotTell where it cannot be read.
    """

    version: str
    development: bool
    default_source_lang: str
    live_channels: Callable[[], list[ChannelRow]]
    served_pairs: Callable[[], list[tuple[str, str]]]
    voices: Callable[[], list[str]]
    engines: Callable[[], list[EngineRow]]
    load: Callable[[], Load]
    warning_percent: int = 80
    room_plans: Mapping[str, RoomPlan] = field(default_factory=dict)
    calls: CallRules = CallRules()
    creator: Callable[[str], Awaitable[CreatorCard | None]] = _nobody
