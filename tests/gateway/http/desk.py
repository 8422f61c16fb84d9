"""The application of a gateway, asked without a server; its workers are never started."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from gateway.app import Gateway
from gateway.fanout.channel import Channel, Key
from gateway.stores.database import SQLITE_FILE
from media.captions import Caption
from sessions.publishing import Publishing
from tests.databases import migrated_sqlite
from tests.gateway.rehearsal import settings
from tests.house import KEYS, token


class Desk:
    """A gateway and a client of it. `client_host` is where requests seem to come from."""

    def __init__(self, data_dir: Path, client_host: str = "127.0.0.1", **changes: Any) -> None:
        self._settings = settings(data_dir=data_dir, **changes)
        self._client_host = client_host

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Desk"]:
        if not (self._settings.data_dir / SQLITE_FILE).exists():
            migrated_sqlite(self._settings.data_dir)
        self.gateway = Gateway(self._settings, KEYS)
        await self.gateway.backing.start()
        transport = httpx.ASGITransport(
            self.gateway.app, raise_app_exceptions=False, client=(self._client_host, 50_000)
        )
        try:
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost:8000"
            ) as self.client:
                yield self
        finally:
            await self.gateway.backing.aclose(deadline_seconds=1.0)

    async def get(self, path: str, user: str | None = "dana", **options: Any) -> httpx.Response:
        headers = dict(options.pop("headers", {}))
        if user is not None:
            headers.setdefault("Authorization", f"Bearer {token(user)}")
        return await self.client.get(path, headers=headers, **options)

    def channel(
        self, channel_id: str = "main", *, tenant: str = "default", state: Any = "live", **said: list[Caption]
    ) -> Channel:
        """Return a channel that is on, with a transcript by language."""
        channel = self.gateway.hub.channel(Key(tenant, channel_id))
        channel.publishing = Publishing(state, "dana", "live_1")
        channel.stream_id = "s_1"
        channel.transcript = dict(said)
        return channel


def error_of(response: httpx.Response) -> dict[str, Any]:
    """Return the body of an error, which has the one shape of them all."""
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    body: dict[str, Any] = response.json()
    assert body["ok"] is False
    assert body["code"].isupper()
    assert body["error"].strip()
    assert body["timestamp"].endswith("Z")
    assert "Traceback" not in response.text
    return body
