"""The routes of the pages and the headers they are sent with: no inline script, no foreign request."""

import re

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.pages.context import PageContext
from gateway.pages.files import StaticFiles
from gateway.pages.markup import Markup
from gateway.pages.views import Views

CHANNEL = re.compile(r"[A-Za-z0-9_-]{1,64}")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "media-src 'self' blob:; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'"
)
"""Content Security Policy, level 3: there `'self'` in connect-src covers ws: and wss: of the same host."""


def page_headers(*, framed: bool = False, microphone: bool = False) -> dict[str, str]:
    """Headers of one page; `framed` allows any site to show it in a frame."""
    ancestors = "*" if framed else "'none'"
    headers = {
        "Content-Security-Policy": f"{POLICY}; frame-ancestors {ancestors}",
        "Permissions-Policy": f"camera=(), geolocation=(), microphone=({'self' if microphone else ''})",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    if not framed:
        headers["X-Frame-Options"] = "DENY"
    return headers


def page_routes(context: PageContext) -> list[BaseRoute]:
    """Routes of every page, `/`, `/usage`, `/admin`, `/docs` and those of a channel, and `/static/...`."""
    files = StaticFiles()
    views = Views(context, files)

    async def home(_request: Request) -> Response:
        return _page(views.home())

    async def usage(_request: Request) -> Response:
        return _page(views.usage())

    async def admin(_request: Request) -> Response:
        return _page(views.admin())

    async def docs(_request: Request) -> Response:
        return _page(views.reference())

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
        Route("/", home, name="home"),
        Route("/usage", usage, name="usage"),
        Route("/admin", admin, name="admin"),
        Route("/docs", docs, name="docs"),
        Route("/studio/{channel}", studio, name="studio"),
        Route("/watch/{channel}", watch, name="watch"),
        Route("/overlay/{channel}", overlay, name="overlay"),
        Route("/static/{digest}/{name}", files.__call__, name="static"),
        Route("/static/{name}", files.__call__, name="static-current"),
    ]


def _page(body: Markup, *, framed: bool = False, microphone: bool = False) -> Response:
    return HTMLResponse(body, headers=page_headers(framed=framed, microphone=microphone))


def _no_such_channel(views: Views, channel: str) -> Response:
    return HTMLResponse(views.wrong_channel(channel), status_code=404, headers=page_headers())
