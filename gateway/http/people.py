"""Fans and creators over HTTP: what they choose, what they see of one another, whom they know and block.

Invariant: what a fan hides is in no answer; a block answers as a policy does, with the same work; and a user
whom nobody has seen is as one who has not changed anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from auth.principal import Principal
from gateway import clock
from gateway.calls.bodies import credits_of
from gateway.calls.calls import Calls
from gateway.http.admin_shapes import UserName
from gateway.http.errors import Refused
from gateway.http.exchange import answer, body_of, checked, query_of
from gateway.http.features import Features
from gateway.http.guard import Guard
from gateway.http.people_shapes import (
    Block,
    Blocked,
    Blocks,
    Creator,
    CreatorChanges,
    Fan,
    FanChanges,
    KnownFan,
    KnownFans,
    MiniProfile,
    PeopleQuery,
    PublicCreator,
    RelationshipAnswer,
    RelationshipBody,
    RelationshipChange,
    ShareCard,
    Unblocked,
)
from gateway.stores.credits.reads import earned_micro
from gateway.stores.cursors import BadCursor
from gateway.stores.interface import Database
from gateway.stores.people import reads
from gateway.stores.people.changes import change_person, record_relationship, unblock
from gateway.stores.people.reads import Met
from gateway.stores.people.rows import Person
from sessions import profiles
from sessions.credits import to_micro
from sessions.privacy import Relationship

PUBLIC_TENANT = "default"
"""Whose users strangers see, who have no token that says another."""


@dataclass(frozen=True, slots=True)
class PeopleDesk:
    """What the routes of people work with."""

    database: Database
    calls: Calls
    features: Features

    async def change(self, principal: Principal, columns: Mapping[str, Any]) -> Person:
        """Return who asks, with columns changed. Raises UsernameTaken, StoreDown."""
        return await self.database.write(
            lambda c: change_person(c, principal.tenant, principal.user, columns)
        )


class _Somebody(BaseModel):
    """Whom a path names."""

    id: UserName


def routes(guard: Guard, desk: PeopleDesk) -> list[Route]:
    """Return the routes of fans, creators, relationships and blocks."""
    return [*_fans(guard, desk), *_creators(guard, desk), *_relationships(guard, desk), *_blocks(guard, desk)]


# --- fans ---------------------------------------------------------------------------------------------


def _fans(guard: Guard, desk: PeopleDesk) -> list[Route]:
    async def mine(request: Request) -> Response:
        principal = await guard.limited(request)
        desk.features.need("fan_privacy")
        return answer(_fan(await desk.change(principal, {})))

    async def change(request: Request) -> Response:
        principal = await guard.limited(request)
        desk.features.need("fan_privacy")
        body = await body_of(request, FanChanges)
        return answer(_fan(await desk.change(principal, _columns(body))))

    async def mini_profile(request: Request) -> Response:
        principal = await guard.creator(request)
        desk.features.need("fan_mini_profile")
        fan = _named(request)
        met = await desk.database.read(lambda c: reads.met(c, principal.tenant, principal.user, fan))
        return answer(MiniProfile.model_validate(_seen(met)))

    async def share_card(request: Request) -> Response:
        principal = await guard.anybody(request)
        desk.features.need("fan_share_card")
        tenant = PUBLIC_TENANT if principal is None else principal.tenant
        fan = await desk.database.read(lambda c: reads.person(c, tenant, _named(request)))
        card = profiles.share_card(fan.profile, fan.settings)
        return answer(ShareCard(id=card.fan, **_profile(card)))

    return [
        Route("/api/fans/me", mine, name="fan"),
        Route("/api/fans/me", change, methods=["PATCH"], name="change_fan"),
        Route("/api/fans/{id}/mini-profile", mini_profile, name="mini_profile"),
        Route("/api/fans/{id}/share-card", share_card, name="share_card"),
    ]


def _named(request: Request) -> str:
    return checked({"id": request.path_params["id"]}, _Somebody).id


def _columns(body: BaseModel) -> dict[str, Any]:
    """Return the columns that a body changes: those that it names."""
    given = body.model_dump(mode="json", exclude_unset=True, by_alias=False)
    if given.get("display_name", "") is None:
        given["display_name"] = ""
    if given.get("avatar_url", "") is None:
        given["avatar_url"] = ""
    return {name: value for name, value in given.items() if value is not None}


def _fan(fan: Person) -> Fan:
    return Fan(
        id=fan.subject,
        fan_privacy_visibility=fan.settings.visibility,
        fan_allow_dm=fan.settings.allow_dm,
        fan_allow_calls=fan.settings.allow_calls,
        display_name=fan.display_name,
        avatar_url=fan.avatar_url or None,
    )


def _seen(met: Met) -> dict[str, Any]:
    """Return what a creator sees of a fan."""
    seen = profiles.mini_profile(met.fan.profile, met.standing)
    shown = {} if seen.profile is None else _profile(seen.profile)
    return {
        "id": seen.fan,
        "can_message": seen.can_message,
        "can_call": seen.can_call,
        "relationships": [_relationship(one) for one in seen.relationships],
        **shown,
    }


def _profile(profile: profiles.FanProfile) -> dict[str, Any]:
    joined = profile.joined_at_ms
    return {
        "display_name": profile.display_name,
        "avatar_url": profile.avatar_url,
        "joined_at": None if joined is None else clock.rfc3339(joined // 1000),
    }


def _relationship(known: Relationship) -> RelationshipBody:
    return RelationshipBody(
        kind=known.kind,
        first_at=clock.rfc3339_ms(known.first_at_ms),
        last_at=clock.rfc3339_ms(known.last_at_ms),
        ended_at=None if known.ended_at_ms is None else clock.rfc3339_ms(known.ended_at_ms),
    )


# --- creators -----------------------------------------------------------------------------------------


def _creators(guard: Guard, desk: PeopleDesk) -> list[Route]:
    async def told(principal: Principal, creator: Person) -> Response:
        earned = await desk.database.read(lambda c: earned_micro(c, principal.tenant, principal.user))
        return answer(
            Creator(
                id=creator.subject,
                username=creator.username,
                display_name=creator.display_name,
                avatar_url=creator.avatar_url or None,
                voice_rate_per_minute=credits_of(creator.voice_rate_micro),
                video_rate_per_minute=credits_of(creator.video_rate_micro),
                earned=credits_of(earned),
            )
        )

    async def mine(request: Request) -> Response:
        principal = await guard.creator(request)
        return await told(principal, await desk.change(principal, {}))

    async def change(request: Request) -> Response:
        principal = await guard.creator(request)
        body = await body_of(request, CreatorChanges)
        columns = _columns(body)
        for kind in ("voice", "video"):
            rate = getattr(body, f"{kind}_rate_per_minute")
            columns.pop(f"{kind}_rate_per_minute", None)
            if rate is not None:
                columns[f"{kind}_rate_micro"] = to_micro(rate)
        return await told(principal, await desk.change(principal, columns))

    async def known(request: Request) -> Response:
        principal = await guard.creator(request)
        desk.features.need("fan_mini_profile")
        query = query_of(request, PeopleQuery)
        found, cursor = await _page(desk, reads.known_fans, principal, query)
        fans = [KnownFan.model_validate(_seen(met)) for met in found]
        return answer(KnownFans(fans=fans, next_cursor=cursor))

    async def public(request: Request) -> Response:
        principal = await guard.anybody(request)
        tenant = PUBLIC_TENANT if principal is None else principal.tenant
        username = checked({"id": request.path_params["username"]}, _Somebody).id
        creator = await desk.database.read(lambda c: reads.named(c, tenant, username))
        if creator is None:
            raise Refused(404, "NOT_FOUND", "There is no such creator")
        return answer(
            PublicCreator(
                id=creator.subject,
                username=username,
                display_name=creator.display_name,
                avatar_url=creator.avatar_url or None,
                voice_rate_per_minute=credits_of(creator.voice_rate_micro),
                video_rate_per_minute=credits_of(creator.video_rate_micro),
            )
        )

    return [
        Route("/api/creators/me", mine, name="creator"),
        Route("/api/creators/me", change, methods=["PATCH"], name="change_creator"),
        Route("/api/creators/me/fans", known, name="known_fans"),
        Route("/api/creators/{username}", public, name="public_creator"),
    ]


async def _page(desk: PeopleDesk, read: Any, principal: Principal, query: PeopleQuery) -> Any:
    """Return a page of what belongs to who asks. Raises Refused for a cursor that is none."""
    asked = partial(
        read, tenant_id=principal.tenant, limit=query.limit, cursor=query.cursor, of=principal.user
    )
    try:
        return await desk.database.read(asked)
    except BadCursor as error:
        raise Refused(422, "INVALID", f"cursor: {error}", param="cursor") from error


# --- between them -------------------------------------------------------------------------------------


def _relationships(guard: Guard, desk: PeopleDesk) -> list[Route]:
    async def put(request: Request) -> Response:
        principal = await guard.admin(request)
        body = await body_of(request, RelationshipChange)
        if body.creator_id == body.fan_id:
            raise Refused(422, "INVALID", "fanId: nobody is their own fan", param="fanId")
        at_ms = None if body.at is None else int(body.at.timestamp() * 1000)
        if at_ms is not None and at_ms < 0:
            raise Refused(422, "INVALID", "at: has to be 1970 or later", param="at")
        known = await desk.database.write(
            lambda c: record_relationship(
                c, principal.tenant, body.creator_id, body.fan_id, body.kind, at_ms=at_ms, ended=body.ended
            )
        )
        if known is None:
            raise Refused(404, "NOT_FOUND", "There is no such relationship")
        return answer(
            RelationshipAnswer(
                creator_id=body.creator_id, fan_id=body.fan_id, relationship=_relationship(known)
            )
        )

    return [Route("/api/relationships", put, methods=["PUT"], name="put_relationship")]


def _blocks(guard: Guard, desk: PeopleDesk) -> list[Route]:
    async def listed(request: Request) -> Response:
        principal = await guard.limited(request)
        found, cursor = await _page(desk, reads.blocks_of, principal, query_of(request, PeopleQuery))
        rows = [Block(user_id=one.user, created_at=clock.rfc3339_ms(one.created_at_ms)) for one in found]
        return answer(Blocks(blocks=rows, next_cursor=cursor))

    async def put(request: Request) -> Response:
        principal = await guard.limited(request)
        user = _named(request)
        if user == principal.user:
            raise Refused(422, "INVALID", "id: you cannot block yourself", param="id")
        done = await desk.calls.block(principal.tenant, principal.user, user)
        return answer(Blocked(user_id=user, created_at=clock.rfc3339_ms(done.created_at_ms)))

    async def remove(request: Request) -> Response:
        principal = await guard.limited(request)
        user = _named(request)
        await desk.database.write(lambda c: unblock(c, principal.tenant, principal.user, user))
        return answer(Unblocked(user_id=user))

    return [
        Route("/api/blocks", listed, name="blocks"),
        Route("/api/blocks/{id}", put, methods=["PUT"], name="block"),
        Route("/api/blocks/{id}", remove, methods=["DELETE"], name="unblock"),
    ]
