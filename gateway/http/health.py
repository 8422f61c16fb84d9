"""Is it up, is it ready, and how is it doing: what orchestrators and Prometheus ask."""

from collections.abc import Callable, Mapping
from importlib.metadata import version

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway import clock
from gateway.http.errors import Refused
from gateway.metrics import REGISTRY

VERSION = version("stagedoor")


def routes(
    ready: Callable[[], bool], before_metrics: Callable[[], None], degraded: Callable[[], Mapping[str, str]]
) -> list[Route]:
    """Return the routes; `ready` says whether new work is taken, `before_metrics` updates gauges, and
    `degraded` has the parts that are lost, with reasons: without them the server is ready all the same."""

    async def health(_request: Request) -> Response:
        return JSONResponse(
            {"status": "healthy", "version": VERSION, "timestamp": clock.rfc3339(clock.wall())}
        )

    async def alive(_request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readiness(_request: Request) -> Response:
        if not ready():
            raise Refused(503, "NOT_READY", "Starting, or shutting down; ask again", retry_after_seconds=1)
        return JSONResponse({"status": "ready", "degraded": dict(degraded())})

    async def metrics(_request: Request) -> Response:
        before_metrics()
        return Response(generate_latest(REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [
        Route("/health", health, name="health"),
        Route("/healthz", alive, name="alive"),
        Route("/readyz", readiness, name="ready"),
        Route("/metrics", metrics, name="metrics"),
    ]
