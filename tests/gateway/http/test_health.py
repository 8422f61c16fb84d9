"""What orchestrators and Prometheus ask."""

import re

from gateway.http.health import VERSION
from tests.gateway.http.desk import Desk, error_of


async def test_health_says_what_operators_look_for(desk: Desk) -> None:
    body = (await desk.get("/health", None)).json()
    assert set(body) == {"status", "version", "timestamp"}
    assert (body["status"], body["version"]) == ("healthy", VERSION)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["timestamp"])


async def test_alive_is_not_ready(desk: Desk) -> None:
    assert (await desk.get("/healthz", None)).json() == {"status": "alive"}
    response = await desk.get("/readyz", None)
    assert response.status_code == 503
    body = error_of(response)
    assert (body["code"], response.headers["retry-after"]) == ("NOT_READY", str(body["retry_after_seconds"]))


async def test_draining_is_not_ready(desk: Desk) -> None:
    class Ready:
        ready = True

    desk.gateway.pool = Ready()  # type: ignore[assignment]
    assert (await desk.get("/readyz", None)).json() == {"status": "ready", "degraded": {}}
    await desk.gateway.drain()
    assert (await desk.get("/readyz", None)).status_code == 503


async def test_metrics_count_requests_by_route_and_never_by_what_a_client_makes_up(desk: Desk) -> None:
    for number in range(5):
        await desk.get(f"/made-up/{number}")
        await desk.get(f"/api/v1/live/made-up-{number}/transcript.vtt")
    response = await desk.get("/metrics", None)
    assert response.headers["content-type"].startswith("text/plain")
    assert 'route="/api/v1/live/{channel}/transcript.{form}",status="404"' in response.text
    assert "made-up" not in response.text
    assert 'code="NO_TRANSCRIPT"' in response.text
