"""What rehearsals of minutes share: a stage where minutes are scarce, speakers, and a look into the books."""

from collections import Counter
from pathlib import Path
from typing import Any

from auth.principal import Plan, Role
from gateway.metering.till import CHECKPOINT_SECONDS
from gateway.plans import read_plans
from gateway.stores.schema import quota_slices, usage_events, usage_quotas
from media import link
from tests.gateway.rehearsal import Guest, PaperStream, Rehearsal
from tests.house import token

FRAME_SECONDS = 0.25
FRAME = bytes(8_000)


def metered(**changes: Any) -> Rehearsal:
    """Return a stage on which the plan free has a minute of subtitles, and of dubbing, in an hour; and where
    checkpoints are written each second, as a server does."""
    scarce = {
        "live_quota_websocket_rate_limit": 0,
        "live_quota_concurrent_sessions": 0,
        "session_idle_minutes": 0,
        "live_quota_free_subtitle_minutes_per_hour": 1,
        "live_quota_free_dubbing_minutes_per_hour": 1,
    }
    rehearsal = Rehearsal(**{**scarce, **changes})

    def checkpoint() -> None:
        rehearsal.till.checkpoint()
        rehearsal.clock.call_at(rehearsal.clock.now + CHECKPOINT_SECONDS, checkpoint)

    checkpoint()
    return rehearsal


def plans_where(folder: Path, **changed: str) -> Path:
    """Write a file of plans that differ from the usual in these texts of the plan free; return its path."""
    text = Path("gateway/plans.toml").read_text("utf-8")
    for name, value in changed.items():
        text = text.replace(f'{name} = "', f'{name} = "{value}" # "', 1)
    path = folder / "plans.toml"
    path.write_text(text, "utf-8")
    assert all(getattr(read_plans(path)["free"], name) == value for name, value in changed.items())
    return path


def joins(rehearsal: Rehearsal, kind: str = "subtitles", user: str = "dana", **more: Any) -> Guest:
    """Let somebody with the plan free come."""
    return rehearsal.joins(kind, user=user, **{"plan": Plan.FREE, **more})


def refused(rehearsal: Rehearsal, kind: str = "subtitles", **more: Any) -> tuple[dict[str, Any], int]:
    """Return the error that answers a free user's first message, and the close code."""
    guest = rehearsal.arrives(kind)
    error = guest.authenticates(token("dana", **{"role": Role.CREATOR, "plan": Plan.FREE, **more}))
    assert error["type"] == "error", error
    rehearsal.settle()
    return error, guest.wire.close_code


def speaks(rehearsal: Rehearsal, guest: Guest, seconds: float) -> None:
    """Send so much audio, as fast as it is spoken, to workers that keep up."""
    for _ in range(round(seconds / FRAME_SECONDS)):
        guest.sends(FRAME)
        for number in range(1, len(rehearsal.pool.opened) + 1):
            hears(rehearsal, number)
        rehearsal.clock.advance(FRAME_SECONDS)
    rehearsal.settle()


def hears(rehearsal: Rehearsal, number: int) -> list[link.ToWorker]:
    """Let the worker of this stream hear what it was sent, to the last byte; return what that was."""
    stream, heard = rehearsal.pool.opened[number - 1], []
    while sent := stream.sent():
        heard += sent
        audio = [one for one in sent if isinstance(one, link.Audio)]
        if audio and not stream.over:
            heard_bytes = audio[-1].offset_bytes + len(audio[-1].pcm)
            stream.says(link.Progress(number, heard_bytes), link.Committed(number, heard_bytes, 0, b""))
    return heard


def finishes(rehearsal: Rehearsal, number: int = 1) -> None:
    """Let the worker say that everything of its stream, which was closed, is out."""
    if link.Close(number) not in hears(rehearsal, number):
        assert rehearsal.pool.opened[number - 1].relay._close_sent
    rehearsal.pool.opened[number - 1].says(link.Ended(number))
    rehearsal.settle()


def heard_ms(stream: PaperStream) -> int:
    """Return how much audio came to the worker's side of the gateway."""
    return round(stream.received_seconds * 1000)


def charged_ms(rehearsal: Rehearsal, user: str = "dana", kind: str = "subtitles") -> int:
    """Return the sum of a user's events of a kind, after a look at whether the books add up."""
    check(rehearsal)
    return sum(
        row["quantity_ms"]
        for row in rehearsal.store.rows(usage_events)
        if (row["subject"], row["kind"]) == (user, kind)
    )


def held_ms(rehearsal: Rehearsal) -> int:
    """Return what all open slices hold."""
    check(rehearsal)
    return sum(row["granted_ms"] for row in open_slices(rehearsal))


def open_slices(rehearsal: Rehearsal) -> list[dict[str, Any]]:
    """Return the slices that are open."""
    return [row for row in rehearsal.store.rows(quota_slices) if row["state"] == "open"]


def check(rehearsal: Rehearsal) -> None:
    """Assert that windows, events and slices say the same, and that no slice was settled twice."""
    used: Counter[tuple[str, str, str]] = Counter()
    held: Counter[tuple[str, str, str]] = Counter()
    events = rehearsal.store.rows(usage_events)
    for event in events:
        for name in ("hour_key", "day_key", "month_key"):
            used[event["subject"], event["kind"], event[name]] += event["quantity_ms"]
    for row in open_slices(rehearsal):
        for name in ("hour_key", "day_key", "month_key"):
            held[row["subject"], row["kind"], row[name]] += row["granted_ms"]
    for quota in rehearsal.store.rows(usage_quotas):
        place = quota["subject"], quota["kind"], quota["period_key"]
        assert (quota["used_ms"], quota["held_ms"]) == (used[place], held[place]), place
    assert len({event["slice_id"] for event in events}) == len(events)
