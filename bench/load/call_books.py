"""What the server has in its books of pairs: written before their first call, looked at after their last.

Invariant: a call that is missing, one too many, one that is not charged once, and somebody who is still held
for busy are each noticed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.crowd import LoadFailed
from bench.load.pairs import CHARGED, PRICE, RATE_PER_MINUTE, Pair
from bench.load.requests import Request, Requests

GIVEN = 1_000_000
"""Credits of each fan; far more than any run spends."""
PAGE_MAX = 100
Bearers = Mapping[str, Sequence[str]]
"""The tokens of a side, pair by pair."""


def open_books(requests: Requests, pairs: Sequence[Pair], bearers: Bearers, admin: str) -> None:
    """Have each fan follow their creator and own credits, and each creator take them. Raises LoadFailed."""
    asked: list[Request] = []
    for pair, creator in zip(pairs, bearers["creator"], strict=True):
        known = {"creatorId": pair.creator, "fanId": pair.fan, "kind": "follow"}
        given = {"user_id": pair.fan, "amount": GIVEN}
        asked += (
            Request("PUT", "/api/relationships", admin, known),
            Request("POST", "/api/v1/admin/credits/allocate", admin, given),
            Request("PATCH", "/api/creators/me", creator, {"voiceRatePerMinute": RATE_PER_MINUTE}),
        )
    requests.all_done(asked)


def check_books(requests: Requests, pairs: Sequence[Pair], bearers: Bearers) -> int:
    """Compare what the server says of its calls, to both sides, with those that were made; return how many
    it has listed. Raises LoadFailed."""
    for side, tokens in bearers.items():
        active = requests.all_done([Request("GET", "/api/calls/active", token) for token in tokens])
        for pair, said in zip(pairs, active, strict=True):
            if said["calls"]:
                raise LoadFailed(f"{pair.who(side)} is still in a call after the last one: {said['calls']}")
    balances = requests.all_done(
        [Request("GET", "/api/v1/credits/balance", token) for token in bearers["fan"]]
    )
    creators = requests.all_done([Request("GET", "/api/creators/me", token) for token in bearers["creator"]])
    for pair, balance, creator in zip(pairs, balances, creators, strict=True):
        paid, earned = GIVEN - balance["balance"], creator["earned"]
        if not paid == earned == PRICE * len(pair.calls):
            raise LoadFailed(
                f"of {len(pair.calls)} calls at {PRICE} credits {pair.fan} has paid {paid}, "
                f"and {pair.creator} has earned {earned}"
            )
    return sum(_listed(requests, pairs, side, tokens) for side, tokens in bearers.items())


def _listed(requests: Requests, pairs: Sequence[Pair], side: str, tokens: Sequence[str]) -> int:
    found: list[list[Any]] = [[] for _ in pairs]
    cursors: dict[int, str] = dict.fromkeys(range(len(pairs)), "")
    while cursors:
        pages = requests.all_done(
            [
                Request("GET", f"/api/calls?limit={PAGE_MAX}{cursor and f'&cursor={cursor}'}", tokens[number])
                for number, cursor in cursors.items()
            ]
        )
        for number, page in zip(list(cursors), pages, strict=True):
            found[number] += page["calls"]
            cursors[number] = page["nextCursor"]
        cursors = {number: cursor for number, cursor in cursors.items() if cursor}
    for pair, calls in zip(pairs, found, strict=True):
        _check_list(pair, pair.who(side), calls)
    return sum(map(len, found))


def _check_list(pair: Pair, who: str, calls: Sequence[Mapping[str, Any]]) -> None:
    """Raise LoadFailed unless these, the newest first, are the calls that a pair has had."""
    if [call["id"] for call in reversed(calls)] != pair.calls:
        raise LoadFailed(f"{who} had {len(pair.calls)} calls, and the server lists {len(calls)}, or others")
    for call in calls:
        if any(call[name] != value for name, value in {"state": "ENDED", **CHARGED}.items()):
            raise LoadFailed(f"a call of {who} is not in the books as it ended: {call}")
