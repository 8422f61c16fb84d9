"""The routes of the pages and the headers they are sent with: no inline script, no foreign request."""

import re
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.pages.context import CannotTell, PageContext
from gateway.pages.files import StaticFiles
from gateway.pages.markup import Markup
from gateway.pages.views import Views
from sessions.room_codes import NotARoomCode, normalise

CHANNEL = re.compile(r"[A-Za-z0-9_-]{1,64}")
RETRY_SECONDS = 5
USERNAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "media-src 'self' blob:; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'"
)
"""Content Security Policy, level 3: there `'self'` in connect-src covers ws: and wss: of the same host."""


def page_headers(*, framed: bool = False, microphone: bool = False, camera: bool = False) -> dict[str, str]:
    """Headers of one page; `framed` allows any site to show it in a frame."""
    ancestors = "*" if framed else "'none'"
    headers = {
        "Content-Security-Policy": f"{POLICY}; frame-ancestors {ancestors}",
        "Permissions-Policy": f"camera=({'self' if camera else ''}), geolocation=(), "
        f"microphone=({'self' if microphone else ''})",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    if not framed:
        headers["X-Frame-Options"] = "DENY"
    return headers


def page_routes(context: PageContext) -> list[BaseRoute]:
    """Routes of every page and of their files, `/static/...`."""
    files = StaticFiles()
    views = Views(context, files)

    def plain(path: str, name: str, view: Callable[[], Markup]) -> Route:
        async def show(_request: Request) -> Response:
            return _page(view())

        return Route(path, show, name=name)

    return [
        plain("/", "home", views.home),
        plain("/usage", "usage", views.usage),
        plain("/admin", "admin", views.admin),
        plain("/docs", "docs", views.reference),
        *_of_rooms(views),
        *_of_calls(context, views),
        *_of_channels(views),
        Route("/static/{digest}/{name}", files.__call__, name="static"),
        Route("/static/{name}", files.__call__, name="static-current"),
    ]


def _of_rooms(views: Views) -> list[BaseRoute]:
    async def rooms(request: Request) -> Response:
        typed = request.query_params.get("code", "")
        return _to_room(views, request, typed) if typed else _page(views.rooms())

    async def room(request: Request) -> Response:
        code = request.path_params["code"]
        try:
            known = normalise(code) == code
        except NotARoomCode:
            known = False
        return _page(views.room(code)) if known else _to_room(views, request, code)

    async def spaces(request: Request) -> Response:
        """What rooms were called once: links to them still lead there."""
        url = request.url
        target = url.path.replace("/spaces", "/rooms", 1) + (f"?{url.query}" if url.query else "")
        return RedirectResponse(target, status_code=308, headers=page_headers())

    return [
        Route("/rooms", rooms, name="rooms"),
        Route("/rooms/{code}", room, name="room"),
        Route("/spaces", spaces, name="spaces"),
        Route("/spaces/{code}", spaces, name="space"),
    ]


def _of_calls(context: PageContext, views: Views) -> list[BaseRoute]:
    async def calls(_request: Request) -> Response:
        return _page(views.calls(), microphone=True, camera=True)

    async def creator(request: Request) -> Response:
        name = request.path_params["username"]
        try:
            card = await context.creator(name) if USERNAME.fullmatch(name) else None
        except CannotTell:
            headers = {**page_headers(), "Retry-After": str(RETRY_SECONDS)}
            return HTMLResponse(views.away(), status_code=503, headers=headers)
        if card is None:
            return HTMLResponse(views.no_creator(name[:64]), status_code=404, headers=page_headers())
        return _page(views.creator(card))

    return [Route("/calls", calls, name="calls"), Route("/creator/{username}", creator, name="creator_page")]


def _of_channels(views: Views) -> list[BaseRoute]:
    async def studio(request: Request) -> Response:
        channel = request.path_params["channel"]
        if not CHANNEL.fullmatch(channel):
            return _no_such_channel(views, channel)
        return _page(views.studio(channel), microphone=True)

    async def watch(request: Request) -> Response:
        channel = request.path_params["channel"]
        if not CHANNEL.fullmatch(channel):
            return _no_such_channel(views, channel)
        return _page(views.watch(channel, request.query_params.get("lang", "")))

    async def overlay(request: Request) -> Response:
        channel = request.path_params["channel"]
        if not CHANNEL.fullmatch(channel):
            return _no_such_channel(views, channel)
        return _page(views.overlay(channel), framed=True)

    return [
        Route("/studio/{channel}", studio, name="studio"),
        Route("/watch/{channel}", watch, name="watch"),
        Route("/overlay/{channel}", overlay, name="overlay"),
    ]


def _page(body: Markup, *, framed: bool = False, microphone: bool = False, camera: bool = False) -> Response:
    headers = page_headers(framed=framed, microphone=microphone, camera=camera)
    return HTMLResponse(body, headers=headers)


def _to_room(views: Views, request: Request, typed: str) -> Response:
    """Lead to the one address of the room whose code was typed in another way, or say that it is none."""
    try:
        path = f"/rooms/{normalise(typed)}"
    except NotARoomCode:
        return HTMLResponse(views.wrong_room(typed[:64]), status_code=404, headers=page_headers())
    captions = request.query_params.get("captions", "")
    query = f"?captions={captions}" if CHANNEL.fullmatch(captions) else ""
    return RedirectResponse(path + query, status_code=303, headers=page_headers())


def _no_such_channel(views: Views, channel: str) -> Response:
    return HTMLResponse(views.wrong_channel(channel), status_code=404, headers=page_headers())
