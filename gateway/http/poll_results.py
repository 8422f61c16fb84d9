"""The result of a poll that is closed, to keep: as JSON with the votes that may be named, or as a table.

Invariant: nobody is told more than they see in the room: not the counts that only a host sees, not who voted
how in an anonymous poll.
"""

import csv
import io

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.http.errors import Refused
from gateway.http.exchange import answer
from gateway.http.guard import Guard
from gateway.http.room_shapes import OptionResult, PollResults, PollResultsAnswer
from gateway.http.rooms import PREFIX, RoomDesk
from gateway.http.usage import moment
from gateway.rooms.store import RoomStore
from gateway.stores.rooms.operations import UnknownPoll
from sessions.ballots import Ballot, percentages, winners
from sessions.poll_records import Poll
from sessions.poll_snapshots import named_votes, sees_results
from sessions.rooms import NotHost, NotInRoom, in_charge

BALLOTS_PER_READ = 1000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would run as a formula
(https://owasp.org/www-community/attacks/CSV_Injection)."""


def routes(guard: Guard, desk: RoomDesk) -> list[Route]:
    """Return the route of results."""

    async def results(request: Request) -> Response:
        principal = await guard.limited(request)
        form = request.path_params["form"]
        if form not in ("json", "csv"):
            raise Refused(404, "NOT_FOUND", "A result comes as results.json or results.csv")
        room = await desk.find(request, principal)
        store, user = desk.rooms.store, principal.user
        host = in_charge(room, user)
        if not host and not await store.is_in(room.id, user):
            raise NotInRoom(user)
        found = await store.one_poll(principal.tenant, request.path_params["poll"], user)
        if found is None or found[0].room_id != room.id:
            raise UnknownPoll
        poll, ballot = found
        if not poll.state.over or poll.closed_at_ms is None:
            raise Refused(409, "POLL_NOT_CLOSED", "This poll has no result yet: close it first")
        voted = ballot is not None and bool(ballot.option_ids)
        if not sees_results(poll, voted=voted, host=host):
            raise NotHost
        if form == "csv":
            return _as_csv(poll)
        named = named_votes(poll, await _ballots(store, poll), voted=voted, host=host)
        return answer(
            PollResultsAnswer(data=_results(poll, {voter: list(ids) for voter, ids in named.items()}))
        )

    path = f"{PREFIX}/{{room}}/polls/{{poll}}/results.{{form}}"
    return [Route(path, results, name="poll_results")]


async def _ballots(store: RoomStore, poll: Poll) -> list[Ballot]:
    ballots: list[Ballot] = []
    while not poll.anonymous:
        some = await store.ballots(poll.id, BALLOTS_PER_READ, ballots[-1].voter if ballots else "")
        ballots += some
        if len(some) < BALLOTS_PER_READ:
            break
    return ballots


def _options(poll: Poll) -> list[OptionResult]:
    votes = poll.tally.votes
    return [
        OptionResult(id=option_id, text=text, votes=count, percent=percent)
        for option_id, text, count, percent in zip(
            poll.option_ids, poll.wanted.options, votes, percentages(votes), strict=True
        )
    ]


def _results(poll: Poll, ballots: dict[str, list[str]]) -> PollResults:
    assert poll.opened_at_ms is not None
    assert poll.closed_at_ms is not None
    assert poll.closed_by is not None
    return PollResults(
        id=poll.id,
        question=poll.wanted.question,
        visibility=poll.wanted.visibility.value,
        opened_at=moment(poll.opened_at_ms),
        closed_at=moment(poll.closed_at_ms),
        closed_by=poll.closed_by,
        voters=poll.tally.voters,
        options=_options(poll),
        winners=list(winners(poll.option_ids, poll.tally)),
        ballots=ballots,
    )


def _as_csv(poll: Poll) -> Response:
    text, won = io.StringIO(), winners(poll.option_ids, poll.tally)
    table = csv.writer(text)
    table.writerow(["id", "option", "votes", "percent", "winner"])
    for option in _options(poll):
        shown = f"'{option.text}" if option.text.startswith(_FORMULA) else option.text
        table.writerow([option.id, shown, option.votes, option.percent, "yes" if option.id in won else "no"])
    headers = {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": f'attachment; filename="poll-{poll.id}.csv"',
        "Cache-Control": "no-store",
    }
    return Response(text.getvalue(), headers=headers)
