"""Every metric, named and labelled in one place; `docs/metrics.md` is held to it by a test."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

CONNECTIONS = Gauge(
    "stagedoor_live_connections", "Authenticated live sockets that are open", ["kind"], registry=REGISTRY
)
WAITING = Gauge(
    "stagedoor_unauthenticated_connections", "Sockets open without a token yet", registry=REGISTRY
)
CHANNELS = Gauge("stagedoor_live_channels", "Channels with a stream", registry=REGISTRY)
CLOSES = Counter(
    "stagedoor_live_closes_total",
    "Live sockets that ended, by close code's name",
    ["ending"],
    registry=REGISTRY,
)
REFUSALS = Counter(
    "stagedoor_refusals_total", "Requests and messages refused, by error code", ["code"], registry=REGISTRY
)
AUTHENTICATIONS = Counter(
    "stagedoor_authentications_total",
    "First messages with a token, by outcome",
    ["outcome"],
    registry=REGISTRY,
)
AUDIO_SECONDS = Counter("stagedoor_audio_seconds_total", "Seconds of audio taken", registry=REGISTRY)
SUBTITLES = Counter(
    "stagedoor_subtitles_total", "Subtitles published to topics", ["is_final"], registry=REGISTRY
)
ENGINE_TROUBLE = Counter(
    "stagedoor_engine_trouble_total", "Work that an engine could not do, by what followed", ["code"],
    registry=REGISTRY,
)  # fmt: skip
RESUMES = Counter(
    "stagedoor_resumes_total", "Reconnects with a position, by outcome", ["outcome"], registry=REGISTRY
)
WORKERS = Gauge("stagedoor_workers", "Media workers that are warm", registry=REGISTRY)
STREAMS = Gauge("stagedoor_streams", "Streams that workers have", registry=REGISTRY)
QUEUE_DEPTH = Gauge("stagedoor_streams_waiting", "Streams that wait for a worker", registry=REGISTRY)
WORKER_LOSSES = Counter(
    "stagedoor_worker_losses_total", "Workers that died or hung and were replaced", registry=REGISTRY
)
REQUEST_SECONDS = Histogram(
    "stagedoor_http_request_seconds", "HTTP requests, by route and status", ["route", "status"],
    registry=REGISTRY, buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10),
)  # fmt: skip
