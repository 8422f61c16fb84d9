"""What operators call by the clock where nothing else would do it: here the reaper does, and these do it now.

Invariant: each is for admins, bound to their own tenant, and harmless however often it is called.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.http.exchange import answer
from gateway.http.guard import Guard
from gateway.http.room_shapes import (
    PollsArchived,
    PollsArchivedAnswer,
    QuotasReset,
    QuotasResetAnswer,
    RoomsCleaned,
    RoomsCleanedAnswer,
)
from gateway.http.usage import moment, now_ms
from gateway.room_deadlines import RoomDeadlines
from sessions.periods import Period, window_end_ms

PREFIX = "/api/admin"


def routes(guard: Guard, deadlines: RoomDeadlines) -> list[Route]:
    """Return the routes of housekeeping."""

    async def cleanup_rooms(request: Request) -> Response:
        principal = await guard.admin(request)
        closed = await deadlines.close_idle_rooms(principal.tenant, principal.user)
        return answer(RoomsCleanedAnswer(data=RoomsCleaned(rooms_closed=closed)))

    async def archive_polls(request: Request) -> Response:
        principal = await guard.admin(request)
        archived = await deadlines.archive_polls(principal.tenant, principal.user)
        return answer(PollsArchivedAnswer(data=PollsArchived(polls_archived=archived)))

    async def reset_quotas(request: Request) -> Response:
        await guard.admin(request)
        ends_ms = window_end_ms(Period.MONTH, now_ms())
        return answer(QuotasResetAnswer(data=QuotasReset(quotas_reset=0, resets_at=moment(ends_ms))))

    return [
        Route(f"{PREFIX}/cleanup-rooms", cleanup_rooms, methods=["POST"], name="cleanup_rooms"),
        Route(f"{PREFIX}/archive-polls", archive_polls, methods=["POST"], name="archive_polls"),
        Route(f"{PREFIX}/reset-quotas", reset_quotas, methods=["POST"], name="reset_quotas"),
    ]
