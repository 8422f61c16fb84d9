"""The audit: what has to add up in the books of minutes, and a sentence for whatever does not.

Invariant: a finding names what is wrong, by how much and where, and nothing is found in books that were
only ever written by settlements, adjustments and grants. Minutes in milliseconds, money in micro-credits.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sessions.slices import cost_micro


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not add up: `rule` is the name of what was broken, `where` the row."""

    rule: str
    where: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.where}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class WindowSums:
    """One window of one user: what it says (None: there is no such row), and what it should come to."""

    tenant_id: str
    subject: str
    kind: str
    key: str
    used_ms: int | None
    held_ms: int | None
    extra_ms: int | None
    events_ms: int
    adjusted_ms: int
    open_ms: int
    granted_extra_ms: int


@dataclass(frozen=True, slots=True)
class SliceSums:
    """One slice, and what its events come to."""

    id: str
    closed: bool
    granted_ms: int
    cumulative_ms: int
    settled_ms: int
    events_ms: int
    events: int


@dataclass(frozen=True, slots=True)
class EventSums:
    """One event with its slice, its ledger entries and its row in the outbox. `debit_micro` and
    `credit_micro` are those of the accounts that it belongs to, `told_ms` what the outbox says (None: there
    is no such row); `same_windows` is false if it counts in other windows, or for another user, than its
    slice."""

    id: str
    has_slice: bool
    quantity_ms: int
    rate_micro: int
    cost_micro: int
    entries: int
    balance_micro: int
    debit_micro: int | None
    credit_micro: int | None
    told_ms: int | None
    same_windows: bool = True


@dataclass(frozen=True, slots=True)
class Sequence:
    """The outbox's sequence: `gapless` says that this database leaves no gaps in it by itself."""

    first: int
    last: int
    rows: int
    gapless: bool


def audit_window(window: WindowSums) -> Iterator[Finding]:
    """Hold a window to the events, slices and adjustments that count in it."""
    where = f"window {window.key} of {window.kind} of user {window.subject} in tenant {window.tenant_id}"
    if window.used_ms is None or window.held_ms is None or window.extra_ms is None:
        yield Finding("window", where, "there are events, slices or adjustments for it, and no such window")
        return
    expected_ms = window.events_ms + window.adjusted_ms
    if window.used_ms != expected_ms:
        parts = f"events come to {window.events_ms} ms and adjustments to {window.adjusted_ms} ms"
        yield Finding("used", where, f"{window.used_ms} ms are used; {parts}, {expected_ms} ms in all")
    if window.held_ms != window.open_ms:
        yield Finding("held", where, f"{window.held_ms} ms are held; open slices hold {window.open_ms} ms")
    if window.extra_ms != window.granted_extra_ms:
        yield Finding("extra", where, f"{window.extra_ms} ms were given besides; adjustments come to "
                      f"{window.granted_extra_ms} ms")  # fmt: skip
    for name, amount_ms in (("used", window.used_ms), ("held", window.held_ms)):
        if amount_ms < 0:
            yield Finding("negative", where, f"{amount_ms} ms are {name}, which cannot be below zero")


def audit_slice(held: SliceSums) -> Iterator[Finding]:
    """Hold a slice to its events, and to what was granted."""
    where = f"slice {held.id}"
    if not held.closed and held.events:
        yield Finding("open_slice", where, f"it is open, and {held.events} events say that it was settled")
    if not held.closed and held.settled_ms:
        yield Finding("open_slice", where, f"it is open, and was settled at {held.settled_ms} ms")
    if held.closed and held.settled_ms != held.events_ms:
        yield Finding("settled", where, f"it was settled at {held.settled_ms} ms; its events come to "
                      f"{held.events_ms} ms")  # fmt: skip
    most_ms = max(held.settled_ms, held.cumulative_ms, held.events_ms)
    if most_ms > held.granted_ms:
        yield Finding("granted", where, f"{most_ms} ms of it were used; {held.granted_ms} ms were granted")
    if min(held.granted_ms, held.cumulative_ms, held.settled_ms) < 0:
        yield Finding("negative", where, "it has an amount below zero")


def audit_event(event: EventSums) -> Iterator[Finding]:
    """Hold an event to its slice, the rule of its cost, the ledger and the outbox."""
    where = f"event {event.id}"
    if not event.has_slice:
        yield Finding("event_without_slice", where, "there is no slice that it settles")
    if not event.same_windows:
        yield Finding("windows", where, "it counts in other windows, or for another user, than its slice")
    cost = cost_micro(event.quantity_ms, event.rate_micro)
    if event.cost_micro != cost:
        yield Finding("cost", where, f"it costs {event.cost_micro} micro-credits; {event.quantity_ms} ms at "
                      f"{event.rate_micro} a minute are {cost}")  # fmt: skip
    if event.entries != 2:
        yield Finding("ledger_pair", where, f"it has {event.entries} ledger entries, and needs two")
    elif (event.debit_micro, event.credit_micro) != (-event.cost_micro, event.cost_micro):
        entries = f"{event.debit_micro} for its user and {event.credit_micro} for its revenue"
        yield Finding("ledger_pair", where, f"the ledger has {entries}; it costs {event.cost_micro}")
    if event.balance_micro:
        yield Finding(
            "ledger_balance", where, f"its ledger entries come to {event.balance_micro}, not to zero"
        )
    if event.told_ms is None:
        yield Finding("outbox", where, "it has no row in the outbox, so nobody was told of it")
    elif event.told_ms != event.quantity_ms:
        yield Finding("outbox", where, f"the outbox tells of {event.told_ms} ms, and it is of "
                      f"{event.quantity_ms} ms")  # fmt: skip
    if event.quantity_ms < 0 or event.cost_micro < 0:
        yield Finding("negative", where, "it has an amount below zero")


def audit_orphan(table: str, event_id: str) -> Finding:
    """Return the finding for a row of the ledger or the outbox that belongs to no event."""
    return Finding(f"{table}_without_event", f"{table} row of event {event_id}", "there is no such event")


def audit_sequence(sequence: Sequence) -> Iterator[Finding]:
    """Hold the outbox's sequence to its number of rows."""
    missing = sequence.last - sequence.first + 1 - sequence.rows
    if sequence.rows and sequence.gapless and missing:
        yield Finding("sequence", "outbox", f"{missing} rows are missing between {sequence.first} and "
                      f"{sequence.last}")  # fmt: skip
