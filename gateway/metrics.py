"""Every metric, named and labelled in one place; `docs/metrics.md` is held to it by a test."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric


class _Registry(CollectorRegistry):
    """A registry that adds up, before it is read, what was counted in between."""

    def __init__(self) -> None:
        super().__init__()
        self.between: list[Between] = []

    def collect(self) -> Iterable[Metric]:
        """Return every metric."""
        for counted in self.between:
            counted.add_up()
        return super().collect()


class Between:
    """Counts for one counter or gauge until the registry is read: for what every connection counts, because
    the metric itself takes four calls and a lock for each. Of the event loop alone."""

    __slots__ = ("_count", "_metric")

    def __init__(self, metric: Counter | Gauge) -> None:
        self._metric = metric
        self._count = 0
        REGISTRY.between.append(self)

    def inc(self) -> None:
        """Count one more."""
        self._count += 1

    def dec(self) -> None:
        """Count one less; of a gauge only."""
        self._count -= 1

    def add_up(self) -> None:
        """Let the metric have what was counted."""
        count, self._count = self._count, 0
        if count:
            self._metric.inc(count)


REGISTRY = _Registry()

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
SOCKETIO_CLIENTS = Gauge(
    "stagedoor_socketio_clients", "Authenticated Socket.IO clients, by transport", ["transport"],
    registry=REGISTRY,
)  # fmt: skip
SOCKETIO_PACKETS = Counter(
    "stagedoor_socketio_packets_total", "Socket.IO packets, by direction", ["direction"], registry=REGISTRY
)
SOCKETIO_CLOSES = Counter(
    "stagedoor_socketio_closes_total",
    "Socket.IO connections that ended, by close code's name",
    ["ending"],
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
RATE_DECISIONS = Counter(
    "stagedoor_rate_limit_decisions_total", "Decisions of rate limits, by limit and outcome",
    ["limit", "outcome"], registry=REGISTRY,
)  # fmt: skip
REDIS_SECONDS = Histogram(
    "stagedoor_redis_seconds", "Calls to Redis, those that failed too", registry=REGISTRY,
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 1),
)  # fmt: skip
DEGRADED = Gauge(
    "stagedoor_degraded",
    "Whether a part is lost and the server goes on without it",
    ["part"],
    registry=REGISTRY,
)
SLICES = Counter(
    "stagedoor_slices_total", "Slices of minutes asked for, by outcome", ["outcome"], registry=REGISTRY
)
BILLED_SECONDS = Counter(
    "stagedoor_billed_seconds_total", "Seconds of media charged to users, by kind", ["kind"],
    registry=REGISTRY,
)  # fmt: skip
STORE_GROUP_SECONDS = Histogram(
    "stagedoor_store_group_seconds", "Transactions of the group-commit writer, by what they wrote",
    ["journal"], registry=REGISTRY, buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2, 10),
)  # fmt: skip
STORE_GROUP_SIZE = Histogram(
    "stagedoor_store_group_size", "Operations written in one transaction", registry=REGISTRY,
    buckets=(1, 2, 5, 10, 20, 50, 100, 200),
)  # fmt: skip
STORE_WAITING = Gauge("stagedoor_store_waiting", "Operations that are not written yet", registry=REGISTRY)
STORE_FAULTS = Counter(
    "stagedoor_store_faults_total", "Groups that could not be written, by cause", ["cause"],
    registry=REGISTRY,
)  # fmt: skip
REAPER_PASS_SECONDS = Histogram(
    "stagedoor_reaper_pass_seconds", "Passes of the reaper, while this process leads", registry=REGISTRY,
    buckets=(0.005, 0.02, 0.1, 0.5, 1, 2, 10),
)  # fmt: skip
REAPED = Counter(
    "stagedoor_reaper_reaped_total", "What was ended at its deadline, by kind", ["kind"], registry=REGISTRY
)
REAPER_LEADER = Gauge(
    "stagedoor_reaper_leader", "Whether this process makes the reaper's passes", registry=REGISTRY
)
RECOVERED = Counter(
    "stagedoor_recovered_total", "What was taken over from processes that are gone", ["what"],
    registry=REGISTRY,
)  # fmt: skip
AUDIT_FINDINGS = Gauge(
    "stagedoor_audit_findings", "What the last audit of this process found wrong", registry=REGISTRY
)
PROJECTED = Counter("stagedoor_projected_total", "Usage told outside, by where", ["sink"], registry=REGISTRY)
PROJECTION_LAG = Gauge(
    "stagedoor_projection_lag_seconds", "Age of the oldest usage not told outside, by where", ["sink"],
    registry=REGISTRY,
)  # fmt: skip
ARCHIVED = Counter(
    "stagedoor_archived_total", "Finals kept beyond this process, by outcome", ["outcome"], registry=REGISTRY
)
ARCHIVE_WAITING = Gauge(
    "stagedoor_archive_waiting", "Topics with finals that are not archived yet", registry=REGISTRY
)
ROOMS = Gauge("stagedoor_rooms", "Rooms with somebody here", registry=REGISTRY)
ROOM_PARTICIPANTS = Gauge("stagedoor_room_participants", "Connections that are in a room", registry=REGISTRY)
ROOM_JOINS = Counter("stagedoor_room_joins_total", "Joins, by outcome", ["outcome"], registry=REGISTRY)
ROOM_MESSAGES = Counter("stagedoor_room_messages_total", "Chat messages stored", registry=REGISTRY)
ROOM_GAPS = Counter(
    "stagedoor_room_gaps_total", "Events of rooms that did not come by themselves, by outcome", ["outcome"],
    registry=REGISTRY,
)  # fmt: skip
POLL_VOTES = Counter("stagedoor_poll_votes_total", "Votes, by outcome", ["outcome"], registry=REGISTRY)
POLL_SNAPSHOTS = Counter(
    "stagedoor_poll_snapshots_total", "Times that a room was told how a poll stands", registry=REGISTRY
)
TOPICS_DROPPED = Counter(
    "stagedoor_topics_dropped_total", "What was not told to other processes, which read it instead",
    registry=REGISTRY,
)  # fmt: skip
CALLS = Counter("stagedoor_calls_total", "Calls that are over, by outcome", ["outcome"], registry=REGISTRY)
CALL_RING_SECONDS = Histogram(
    "stagedoor_call_ring_seconds", "From the ring of a call to its acceptance", registry=REGISTRY,
    buckets=(1, 2, 5, 10, 20, 30, 45, 60),
)  # fmt: skip
CALL_CONNECT_SECONDS = Histogram(
    "stagedoor_call_connect_seconds", "From the acceptance of a call until both sides are in the media",
    registry=REGISTRY, buckets=(0.25, 0.5, 1, 2, 5, 10, 20, 30),
)  # fmt: skip
CALL_SECONDS = Histogram(
    "stagedoor_call_seconds", "How long calls were connected", registry=REGISTRY,
    buckets=(10, 30, 60, 180, 600, 1800, 3600, 7200),
)  # fmt: skip
