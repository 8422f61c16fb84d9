"""How a socket ends: the closed list of close codes, what each says, and whether to come back."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ending:
    """A close code (RFC 6455, section 7.4): `label` is its name in metrics, `retry` whether the same
    client may reconnect at once or after the wait it was told, `http_status` the twin of an HTTP route."""

    code: int
    label: str
    reason: str
    retry: bool
    http_status: int


DONE = Ending(1000, "done", "Done", retry=False, http_status=200)
PROTOCOL = Ending(1002, "protocol", "A frame broke RFC 6455", retry=False, http_status=400)
NOT_TEXT = Ending(1007, "not_text", "A text message was not UTF-8", retry=False, http_status=400)
POLICY = Ending(1008, "policy", "Not possible as it was asked", retry=False, http_status=422)
TOO_BIG = Ending(1009, "too_big", "A message was too big", retry=False, http_status=413)
OUR_FAULT = Ending(1011, "our_fault", "Something failed on our side", retry=True, http_status=500)
RESTARTING = Ending(1012, "restarting", "Restarting, reconnect", retry=True, http_status=503)
TRY_LATER = Ending(1013, "try_later", "Try again later", retry=True, http_status=503)
NOT_AUTHENTICATED = Ending(4001, "not_authenticated", "Not authenticated", retry=False, http_status=401)
NOT_ALLOWED = Ending(4003, "not_allowed", "Not allowed", retry=False, http_status=403)
TOO_SLOW = Ending(4008, "too_slow", "Reading too slowly, resume", retry=True, http_status=408)
TOO_MANY = Ending(4029, "too_many", "Too many connections", retry=True, http_status=429)
SPENT = Ending(4402, "spent", "Minutes or balance spent", retry=False, http_status=402)
ENDED_BY_ADMIN = Ending(4003, "not_allowed", "Ended by an admin", retry=False, http_status=403)
NO_CHANNEL = Ending(4404, "no_channel", "No such channel", retry=False, http_status=404)
SESSION_TOO_LONG = Ending(
    4408, "session_too_long", "Session at its maximum length", retry=False, http_status=408
)
SUPERSEDED = Ending(4409, "superseded", "Superseded by a reconnect", retry=False, http_status=409)

ENDINGS = {
    ending.code: ending
    for ending in (
        DONE, PROTOCOL, NOT_TEXT, POLICY, TOO_BIG, OUR_FAULT, RESTARTING, TRY_LATER, NOT_AUTHENTICATED,
        NOT_ALLOWED, TOO_SLOW, TOO_MANY, SPENT, NO_CHANNEL, SESSION_TOO_LONG, SUPERSEDED,
    )
}  # fmt: skip
"""Every code that this server sends, by number."""
