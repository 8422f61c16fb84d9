"""The routes of calls, people and credits, for the interface's documents."""

from gateway.http.call_shapes import (
    ActiveCalls,
    CallAnswer,
    CallHistory,
    CallToken,
    HeartbeatBody,
    Initiate,
    Nothing,
    OnDevice,
)
from gateway.http.credit_shapes import Allocate, Allocated, Balance
from gateway.http.operation import Operation
from gateway.http.people_shapes import (
    Blocked,
    Blocks,
    Creator,
    CreatorChanges,
    Fan,
    FanChanges,
    KnownFans,
    MiniProfile,
    PublicCreator,
    RelationshipAnswer,
    RelationshipChange,
    ShareCard,
    Unblocked,
)
from gateway.http.quota_operations import ONCE, PAGE

CALLS = "/api/calls"
FANS = "/api/fans"
CREATORS = "/api/creators"
READ = (401, 422, 429, 503, 507)
WRITE = (*READ, 403, 404, 408, 413, 415)
ACT = (*WRITE, 402, 409, 410)
DEVICE = {"deviceId": "Which device asks: credentials for the media are for the one that called or accepted"}

CALL_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST", f"{CALLS}/initiate", "Ring a fan, as a creator", {200: CallAnswer}, authenticated=True,
        body=Initiate, headers=ONCE, errors=(*WRITE, 402, 409),
    ),
    Operation(
        "POST", f"{CALLS}/{{id}}/accept", "Accept a call that rings for you, on this device",
        {200: CallAnswer}, authenticated=True, body=OnDevice, body_optional=True, errors=ACT,
    ),
    Operation(
        "POST", f"{CALLS}/{{id}}/decline", "Decline a call that rings for you", {200: CallAnswer},
        authenticated=True, body=Nothing, body_optional=True, errors=ACT,
    ),
    Operation(
        "POST", f"{CALLS}/{{id}}/cancel", "Take back a call of yours; hangs up once it is accepted",
        {200: CallAnswer}, authenticated=True, body=Nothing, body_optional=True, errors=ACT,
    ),
    Operation(
        "POST", f"{CALLS}/{{id}}/end", "Hang up; also of a call that is over", {200: CallAnswer},
        authenticated=True, body=Nothing, body_optional=True, errors=ACT,
    ),
    Operation(
        "POST", f"{CALLS}/{{id}}/heartbeat",
        "Say that you are there, and with `media` that you are in the media or out of it", {200: CallAnswer},
        authenticated=True, body=HeartbeatBody, body_optional=True, errors=ACT,
    ),
    Operation(
        "GET", f"{CALLS}/active", "The call of yours that rings or goes on", {200: ActiveCalls},
        authenticated=True, query=DEVICE, errors=READ,
    ),
    Operation(
        "GET", f"{CALLS}/{{id}}", "A call of yours", {200: CallAnswer}, authenticated=True, query=DEVICE,
        errors=(*READ, 404),
    ),
    Operation(
        "GET", CALLS, "The calls that you have had, the newest first", {200: CallHistory}, authenticated=True,
        query=PAGE, errors=READ,
    ),
    Operation(
        "GET", "/api/agora/token", "A token for the channel of your call, where calls go through Agora",
        {200: CallToken}, authenticated=True, errors=(*READ, 403, 404, 409),
        query={
            "channel": "`media.channel` of the call; an admin may ask for any",
            "uid": "Your own number, `media.uid`; may be left out",
            "role": "host (default), or audience to listen only",
        } | DEVICE,
    ),
)  # fmt: skip

PEOPLE_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "GET", f"{FANS}/me", "What you have chosen as a fan", {200: Fan}, authenticated=True,
        errors=(*READ, 403),
    ),
    Operation(
        "PATCH", f"{FANS}/me", "Choose who sees you, and who may message and call you", {200: Fan},
        authenticated=True, body=FanChanges, errors=WRITE,
    ),
    Operation(
        "GET", f"{FANS}/{{id}}/mini-profile", "What a fan lets you see, as a creator, and do",
        {200: MiniProfile}, authenticated=True, errors=(*READ, 403),
    ),
    Operation(
        "GET", f"{FANS}/{{id}}/share-card", "What everybody may see of a fan who is public", {200: ShareCard},
        errors=(*READ[1:], 403, 404),
    ),
    Operation(
        "GET", f"{CREATORS}/me", "What you have chosen as a creator, and earned", {200: Creator},
        authenticated=True, errors=(*READ, 403),
    ),
    Operation(
        "PATCH", f"{CREATORS}/me", "Choose your rates and your public page", {200: Creator},
        authenticated=True, body=CreatorChanges, errors=(*WRITE, 409),
    ),
    Operation(
        "GET", f"{CREATORS}/me/fans", "The fans you have to do with, each with what they let you see and do",
        {200: KnownFans}, authenticated=True, query=PAGE, errors=(*READ, 403),
    ),
    Operation(
        "GET", f"{CREATORS}/{{username}}", "What everybody may see of a creator", {200: PublicCreator},
        errors=(*READ[1:], 404),
    ),
    Operation(
        "PUT", "/api/relationships", "Note what a fan did with a creator, as the platform saw it",
        {200: RelationshipAnswer}, authenticated=True, body=RelationshipChange, errors=WRITE,
    ),
    Operation(
        "GET", "/api/blocks", "Whom you have blocked", {200: Blocks}, authenticated=True, query=PAGE,
        errors=READ,
    ),
    Operation(
        "PUT", "/api/blocks/{id}", "Block somebody; what rings or goes on between you is over",
        {200: Blocked}, authenticated=True, errors=(*READ, 409),
    ),
    Operation(
        "DELETE", "/api/blocks/{id}", "Take a block back", {200: Unblocked}, authenticated=True, errors=READ,
    ),
)  # fmt: skip

CREDIT_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "GET", "/api/v1/credits/balance", "What you may spend", {200: Balance}, authenticated=True,
        errors=READ,
    ),
    Operation(
        "POST", "/api/v1/admin/credits/allocate", "Give credits to a user", {200: Allocated},
        authenticated=True, body=Allocate, headers=ONCE, errors=(*READ, 403, 408, 409, 413, 415),
    ),
)  # fmt: skip
