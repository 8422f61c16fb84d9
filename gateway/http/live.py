"""The live API: what is on, and what was said."""

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.fanout.channel import Channel, Key
from gateway.http.errors import Refused
from gateway.http.guard import Guard
from gateway.sockets.hub import Hub
from media import transcript
from media.captions import Caption

CONTENT_TYPES = {
    "vtt": "text/vtt; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "json": "application/json",
}


def routes(hub: Hub, guard: Guard) -> list[Route]:
    """Return the routes under `/api/v1/live`."""

    async def channels(request: Request) -> Response:
        principal = await guard.limited(request)
        rows = [
            channel_row(channel)
            for key, channel in sorted(hub.channels.items(), key=lambda item: item[0].channel_id)
            if key.tenant == principal.tenant and channel.publishing.state in ("live", "paused")
        ]
        return _json({"channels": rows})

    async def transcript_of(request: Request) -> Response:
        principal = await guard.limited(request)
        channel_id, form = request.path_params["channel"], request.path_params["form"]
        if form not in CONTENT_TYPES:
            raise Refused(404, "NOT_FOUND", "A transcript comes as transcript.vtt, .srt or .json")
        channel = hub.channels.get(Key(principal.tenant, channel_id))
        if channel is None or not channel.stream_id:
            raise Refused(404, "NO_TRANSCRIPT", f"Nothing was said on channel {channel_id} lately")
        lang = request.query_params.get("lang", channel.source_lang)
        captions = channel.transcript.get(lang, [])
        if not captions and lang != channel.source_lang:
            raise Refused(404, "NO_TRANSCRIPT", f"Nobody has followed this channel in {lang}, so it has no "
                          f"transcript in it; there is one in: {', '.join(sorted(channel.transcript))}",
                          param="lang")  # fmt: skip
        headers = {
            "Content-Type": CONTENT_TYPES[form],
            "Content-Disposition": f'attachment; filename="{channel_id}.{lang}.{form}"',
            "Cache-Control": "no-store",
        }
        return Response(_written(form, captions, lang), headers=headers)

    return [
        Route("/api/v1/live/channels", channels, name="live_channels"),
        Route("/api/v1/live/{channel}/transcript.{form}", transcript_of, name="transcript"),
    ]


def channel_row(channel: Channel) -> dict[str, object]:
    """Return what the list says of a channel."""
    return {
        "channel_id": channel.key.channel_id,
        "state": channel.publishing.state,
        "source_lang": channel.source_lang,
        "stream_id": channel.stream_id,
        "viewers": channel.followers(),
        "languages": sorted({lang for (lang, _), topic in channel.topics.items() if len(topic)}),
    }


def _written(form: str, captions: list[Caption], lang: str) -> str:
    if form == "vtt":
        return transcript.vtt(captions, lang)
    return transcript.srt(captions) if form == "srt" else transcript.as_json(captions, lang)


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json", headers={"Cache-Control": "no-store"})
