"""What the pages are told about the running gateway; they ask for it at each request and keep nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

from sessions.live import Kind

if TYPE_CHECKING:
    from gateway.app import Gateway


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
class PageContext:
    """What the pages need to know. The functions are called at each request and must be quick.

    `served_pairs` are (spoken, captions) languages, the same language twice included; `voices` are the
    languages that can be dubbed. `live_channels` is asked only in development: outside it a page that is
    shown to anybody must not name a tenant's channels.
    """

    version: str
    development: bool
    default_source_lang: str
    live_channels: Callable[[], list[ChannelRow]]
    served_pairs: Callable[[], list[tuple[str, str]]]
    voices: Callable[[], list[str]]
    engines: Callable[[], list[EngineRow]]
    load: Callable[[], Load]


def page_context(gateway: "Gateway") -> PageContext:
    """What the pages show of a gateway that runs in this event loop."""
    hub, pool, catalogue = gateway.hub, gateway.pool, gateway.catalogue
    started_at = hub.loop.time()

    def live_channels() -> list[ChannelRow]:
        now = hub.loop.time()
        rows = []
        for channel in hub.channels.values():
            if channel.publishing.state not in ("live", "paused"):
                continue
            session = hub.sessions.get(channel.publishing.session_id)
            viewers: dict[str, int] = {}
            for (lang, _track), topic in channel.topics.items():
                if len(topic):
                    viewers[lang] = viewers.get(lang, 0) + len(topic)
            live_seconds = now - session.started_at if session else 0.0
            rows.append(ChannelRow(channel.key.channel_id, channel.source_lang, viewers, live_seconds))
        return rows

    def engines() -> list[EngineRow]:
        return [
            EngineRow(row.name, row.kind, row.available and row.chosen, row.reason)
            for row in catalogue.rows()
        ]

    def load() -> Load:
        viewers = sum(session.kind is not Kind.PUBLISH for session in hub.sessions.values())
        return Load(pool.workers, pool.streams, viewers, hub.loop.time() - started_at)

    pairs = catalogue.pairs(heard=True)
    return PageContext(
        version=version("stagedoor"),
        development=gateway.settings.environment == "development",
        default_source_lang=gateway.settings.default_source_lang,
        live_channels=live_channels,
        served_pairs=lambda: pairs,
        voices=lambda: sorted({target for _source, target in pairs if catalogue.speaks(target)}),
        engines=engines,
        load=load,
    )
