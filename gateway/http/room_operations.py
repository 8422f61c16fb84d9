"""The routes of rooms and polls, for the interface's documents."""

from gateway.http.operation import Operation
from gateway.http.quota_operations import ONCE, PAGE
from gateway.http.room_shapes import (
    CreateRoom,
    PollResultsAnswer,
    PollsArchivedAnswer,
    QuotasResetAnswer,
    RoomAnswer,
    Rooms,
    RoomsCleanedAnswer,
    SomeUser,
)

ROOMS = "/api/rooms"
ADMIN = "/api/admin"
ADMIN_ERRORS = (401, 403, 429, 503, 507)
READ_ERRORS = (401, 422, 429, 503, 507)
ACT_ERRORS = (*READ_ERRORS, 403, 404, 410)
BODY_ERRORS = (*ACT_ERRORS, 408, 409, 413, 415)

ROOM_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST", f"{ROOMS}/create", "Make a room, if your plan does; anybody with its code may join",
        {200: RoomAnswer}, authenticated=True, body=CreateRoom, headers=ONCE,
        errors=(*READ_ERRORS, 403, 408, 409, 413, 415),
    ),
    Operation(
        "GET", ROOMS, "The open rooms that you own or are in, or those of your tenant that are not private",
        {200: Rooms}, authenticated=True, errors=READ_ERRORS,
        query={"scope": "mine (default), all of them; or public, page by page"} | PAGE,
    ),
    Operation(
        "GET", f"{ROOMS}/{{room}}", "An open room by its code, in any case; or any by its id",
        {200: RoomAnswer}, authenticated=True, errors=(*READ_ERRORS, 404),
    ),
    Operation(
        "POST", f"{ROOMS}/{{room}}/close", "Close a room, as its host, its owner or an admin",
        {200: RoomAnswer}, authenticated=True, errors=ACT_ERRORS,
    ),
    Operation(
        "POST", f"{ROOMS}/{{room}}/kick", "Put somebody out for good, as host or owner", {200: RoomAnswer},
        authenticated=True, body=SomeUser, errors=BODY_ERRORS,
    ),
    Operation(
        "POST", f"{ROOMS}/{{room}}/host", "Have another who is in be host; an owner gives the room away",
        {200: RoomAnswer}, authenticated=True, body=SomeUser, errors=BODY_ERRORS,
    ),
    Operation(
        "GET", f"{ROOMS}/{{room}}/polls/{{poll}}/results.{{form}}",
        "The result of a poll that is closed, as json or csv, for those who see it", {200: PollResultsAnswer},
        authenticated=True, errors=(*READ_ERRORS, 403, 404, 409),
    ),
)  # fmt: skip

HOUSEKEEPING: tuple[Operation, ...] = (
    Operation(
        "POST", f"{ADMIN}/cleanup-rooms", "Close the rooms of the tenant that have idled for too long",
        {200: RoomsCleanedAnswer}, authenticated=True, errors=ADMIN_ERRORS,
    ),
    Operation(
        "POST", f"{ADMIN}/archive-polls", "Archive the polls of the tenant that are old",
        {200: PollsArchivedAnswer}, authenticated=True, errors=ADMIN_ERRORS,
    ),
    Operation(
        "POST", f"{ADMIN}/reset-quotas", "When the month's quotas begin anew, which they do by themselves",
        {200: QuotasResetAnswer}, authenticated=True, errors=ADMIN_ERRORS,
    ),
)  # fmt: skip
