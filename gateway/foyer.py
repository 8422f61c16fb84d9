"""What the pages are told about the running gateway."""

from collections import Counter
from collections.abc import Awaitable, Callable

from gateway import clock
from gateway.calls.bodies import credits_of
from gateway.http.health import VERSION
from gateway.http.people import PUBLIC_TENANT
from gateway.pages import (
    CallRules,
    CannotTell,
    ChannelRow,
    CreatorCard,
    EngineRow,
    Load,
    PageContext,
    RoomPlan,
)
from gateway.settings import Settings
from gateway.sockets.hub import Hub
from gateway.stores.interface import Database, StoreDown
from gateway.stores.people import reads
from media.engines.catalogue import Catalogue
from sessions.plans import Plans


def page_context(
    settings: Settings, hub: Hub, catalogue: Catalogue, plans: Plans, database: Database
) -> PageContext:
    """Return the context of the pages of one gateway, started now."""
    started_at = clock.steady()
    return PageContext(
        version=VERSION,
        development=settings.environment == "development",
        default_source_lang=settings.default_source_lang,
        live_channels=lambda: live_channels(hub),
        served_pairs=lambda: catalogue.pairs(heard=True),
        voices=_voices(catalogue),
        engines=_engines(catalogue),
        load=lambda: Load(
            workers=hub.pool.workers,
            streams=hub.pool.streams,
            viewers=sum(channel.followers() for channel in hub.channels.values()),
            uptime_seconds=clock.steady() - started_at,
        ),
        warning_percent=settings.live_quota_warning_percent,
        room_plans={
            name: RoomPlan(plan.display_name, rooms=plan.features.room_creation)
            for name, plan in plans.facts.items()
        },
        calls=CallRules(
            enabled=settings.feature_calls,
            privacy=settings.feature_fan_privacy,
            profiles=settings.feature_fan_mini_profile,
            provider=settings.media_provider,
            heartbeat_seconds=settings.call_heartbeat_seconds,
            lost_seconds=settings.call_lost_seconds,
        ),
        creator=_creator(database),
    )


def _creator(database: Database) -> Callable[[str], Awaitable[CreatorCard | None]]:
    async def creator(username: str) -> CreatorCard | None:
        try:
            found = await database.read(lambda c: reads.named(c, PUBLIC_TENANT, username))
        except StoreDown as down:
            raise CannotTell from down
        if found is None:
            return None
        rates = credits_of(found.voice_rate_micro), credits_of(found.video_rate_micro)
        return CreatorCard(username, found.display_name, *rates)

    return creator


def live_channels(hub: Hub) -> list[ChannelRow]:
    """Return the channels that are on."""
    rows = []
    for key, broadcast in sorted(hub.broadcasts.items(), key=lambda item: item[0].channel_id):
        viewers: Counter[str] = Counter()
        for (lang, _), topic in broadcast.channel.topics.items():
            viewers[lang] += len(topic)
        rows.append(
            ChannelRow(
                key.channel_id, broadcast.source_lang, +viewers, hub.loop.time() - broadcast.started_at
            )
        )
    return rows


def _voices(catalogue: Catalogue) -> Callable[[], list[str]]:
    spoken = sorted({lang for pair in catalogue.pairs() for lang in pair if catalogue.speaks(lang)})
    return lambda: spoken


def _engines(catalogue: Catalogue) -> Callable[[], list[EngineRow]]:
    rows = [
        EngineRow(row.name, row.kind, row.available, row.reason)
        for row in catalogue.rows()
        if row.chosen or not row.available
    ]
    return lambda: rows
