"""POSTs that may be sent twice and happen once, by a key that the client chooses.

Invariant: of all requests with one key one acts; what it does has an id that follows from the key, so that
the same request after a crash completes it and does not repeat it.

draft-ietf-httpapi-idempotency-key-header: the key is a structured string (RFC 8941, section 3.3.3); without
quotes it is taken too, because that is how most clients send it. Without the header a POST is as ever.
"""

import contextlib
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid5

import orjson
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from auth.principal import Principal
from auth.rate_limits import RateLimited
from gateway import clock
from gateway.http.errors import Refused
from gateway.http.exchange import json_response
from gateway.http.refusals import RULES
from gateway.ids import new_id
from gateway.stores.idempotency import Answered, Claimed, IdempotencyBook, Key, Reused, Running
from gateway.stores.interface import StoreDown

log = logging.getLogger(__name__)

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEY_CHARACTERS_MAX = 128
PURGE_SECONDS = 3600.0
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE = re.compile(r"[A-Za-z0-9_.:~+/=-]+")
_OPERATIONS = UUID("0f0c1d1e-5e0a-5a7b-8f43-6b7f9f1a2c11")
"""The namespace (RFC 9562, section 5.5) of ids that follow from keys."""

_REFUSALS: tuple[type[Exception], ...] = (Refused, RateLimited, StoreDown, *RULES)

Act = Callable[[str], Awaitable[BaseModel]]
"""What a request does, given the id of what it makes."""


class Idempotency:
    """Has requests with a key act once."""

    def __init__(self, book: IdempotencyBook) -> None:
        self._book = book
        self._purged_at = clock.steady()

    async def once(
        self, request: Request, principal: Principal, action: str, body: BaseModel, act: Act
    ) -> Response:
        """Act, or answer as it was answered before. `action` is a word for the route, and the prefix of the
        id that `act` is given. Raises Refused with 409 or 422, StoreDown, and whatever `act` raises."""
        text = key_of(request)
        if text is None:
            return json_response(orjson.dumps((await act(new_id(action))).model_dump(mode="json")), 200)
        await self._purge()
        key = Key(principal.tenant, principal.user, f"{action}:{text}", fingerprint(request, body))
        claimed = await self._book.claim(key)
        if isinstance(claimed, Answered):
            response = json_response(claimed.body.encode(), claimed.status)
            response.headers[REPLAYED] = "true"
            return response
        if isinstance(claimed, Running):
            raise Refused(409, "REQUEST_IN_PROGRESS", f"A request with this {HEADER} is at work; ask again "
                          "shortly", retry_after_seconds=1)  # fmt: skip
        if isinstance(claimed, Reused):
            raise Refused(422, "IDEMPOTENCY_KEY_REUSED", f"This {HEADER} was used for another request; "
                          "choose a new one", param=HEADER)  # fmt: skip
        return await self._act(key, claimed, act, operation_id(action, key))

    async def _act(self, key: Key, claimed: Claimed, act: Act, made_id: str) -> Response:
        try:
            made = await act(made_id)
        except _REFUSALS:
            # Nothing was done, or the next try with this key completes it: either way it need not wait.
            with contextlib.suppress(StoreDown):
                await self._book.release(key, claimed)
            raise
        answer = Answered(200, orjson.dumps(made.model_dump(mode="json")).decode())
        await self._book.finish(key, claimed, answer)
        return json_response(answer.body.encode(), answer.status)

    async def _purge(self) -> None:
        now = clock.steady()
        if now - self._purged_at >= PURGE_SECONDS:
            self._purged_at = now
            log.info("Idempotency keys purged", extra={"rows": await self._book.purge()})


def key_of(request: Request) -> str | None:
    """Return the client's key; None if there is none. Raises Refused with 422 for one that is malformed."""
    given = request.headers.getlist(HEADER)
    if not given:
        return None
    text = given[0].strip()
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        text = re.sub(r'\\(["\\])', r"\1", quoted[1])
    if len(given) > 1 or not 0 < len(text) <= KEY_CHARACTERS_MAX or not (quoted or _BARE.fullmatch(text)):
        raise Refused(422, "INVALID", f'{HEADER}: send it once, as "..." with 1 to {KEY_CHARACTERS_MAX} '
                      "characters of ASCII, best a UUID", param=HEADER)  # fmt: skip
    return text


def fingerprint(request: Request, body: BaseModel) -> str:
    """Return what tells one request from another: its path and what its body means."""
    said = orjson.dumps([request.method, request.url.path, body.model_dump(mode="json")])
    return hashlib.sha256(said).hexdigest()


def operation_id(action: str, key: Key) -> str:
    """Return the id of what is made under a key: always the same for the same request."""
    told_apart = orjson.dumps([key.tenant_id, key.subject, key.key, key.fingerprint]).decode()
    return f"{action}_{uuid5(_OPERATIONS, told_apart)}"
