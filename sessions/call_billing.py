"""What a call costs: minutes held ahead, what the connected time comes to, and what was used so far.

    accepted                 minute 1 is held, or the call is not accepted
    connected at t0          minute 2 is held
    t0 + 60 s (k - 2)        minute k is held, a whole minute before it begins
    credits do not suffice   the fan is told, a whole minute before the end
    they do again            the next minute is held, and the call goes on
    `funded_until_ms`        the call ends there

Invariants: no call is charged for more than is held for it, and nothing before both sides were in the
media; what it costs follows from its own terms and the connected time alone. Whole milliseconds, whole
micro-credits.
"""

from dataclasses import replace

from sessions.call_effects import Effect, HoldMinute, Notice, Notify, SettleCall
from sessions.call_records import MINUTE_MS, Bounds, Call, Terms
from sessions.lifetimes import NEVER_MS
from sessions.slices import cost_micro


def billed_ms(terms: Terms, connected_ms: int) -> int:
    """Return what of a connected time is charged: every increment that was begun, or nothing of a time that
    is no longer than the free one."""
    if connected_ms <= terms.free_ms:
        return 0
    return -(-connected_ms // terms.increment_ms) * terms.increment_ms


def cost(terms: Terms, connected_ms: int) -> int:
    """Return what a connected time costs in micro-credits."""
    return cost_micro(billed_ms(terms, connected_ms), terms.rate_micro_per_minute)


def cost_so_far(call: Call, now_ms: int) -> int:
    """Return what a call costs if it ends now, or what it did cost, in micro-credits."""
    if call.state.over or call.connected_at_ms is None:
        return call.cost_micro
    until_ms = min(now_ms, call.funded_until_ms or NEVER_MS)
    return cost(call.terms, max(0, until_ms - call.connected_at_ms))


def first_minute(call: Call, rate_micro_per_minute: int) -> tuple[Call, tuple[Effect, ...]]:
    """Fix the rate and hold the first minute; whoever calls this knows that the fan's credits suffice.

    The rate is the creator's at this moment, unless that is higher than what the fan was shown as it rang.
    """
    rate = min(call.terms.rate_micro_per_minute, rate_micro_per_minute)
    call = replace(call, terms=replace(call.terms, rate_micro_per_minute=rate))
    if call.terms.free_of_charge:
        return call, ()
    return replace(call, minutes_held=1), (HoldMinute(1, rate),)


def length_deadline_ms(call: Call, bounds: Bounds) -> int:
    """Return when a call that is connected is at its longest length."""
    assert call.connected_at_ms is not None
    return call.connected_at_ms + bounds.length_ms_max if bounds.length_ms_max else NEVER_MS


def next_hold_ms(call: Call, bounds: Bounds) -> int:
    """Return when the next minute is to be held; never, once the fan was told that there is none."""
    funded_until_ms = call.funded_until_ms
    if funded_until_ms is None or call.warned or funded_until_ms >= length_deadline_ms(call, bounds):
        return NEVER_MS
    return funded_until_ms - MINUTE_MS


def funded(call: Call, now_ms: int, bounds: Bounds, funds_micro: int) -> tuple[Call, tuple[Effect, ...]]:
    """Hold what has to be held by now of `funds_micro`, or tell the fan that the last minute has begun."""
    effects: list[Effect] = []
    rate = call.terms.rate_micro_per_minute
    while _has_to_hold(call, now_ms, bounds):
        if funds_micro < rate:
            if not call.warned:
                call = replace(call, warned=True)
                effects.append(Notify(call.fan, Notice.BALANCE_LOW))
            return call, tuple(effects)
        call = replace(call, minutes_held=call.minutes_held + 1, warned=False)
        effects.append(HoldMinute(call.minutes_held, rate))
        funds_micro -= rate
    return call, tuple(effects)


def _has_to_hold(call: Call, now_ms: int, bounds: Bounds) -> bool:
    funded_until_ms = call.funded_until_ms
    if funded_until_ms is None or funded_until_ms >= length_deadline_ms(call, bounds):
        return False
    return funded_until_ms - now_ms <= MINUTE_MS


def settled(call: Call) -> tuple[Call, SettleCall]:
    """Return an accepted call that has ended, with what it is charged, and the settlement of it."""
    assert call.ended_at_ms is not None
    connected_ms = 0 if call.connected_at_ms is None else call.ended_at_ms - call.connected_at_ms
    billed, amount = billed_ms(call.terms, connected_ms), cost(call.terms, connected_ms)
    return (
        replace(call, billed_ms=billed, cost_micro=amount),
        SettleCall(billed, amount, call.held_micro),
    )
