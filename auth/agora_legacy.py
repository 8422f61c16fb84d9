"""Agora call tokens of version 006, by the package agora-token-builder, for projects that still need them.

Invariant: what the package is given was validated (auth/agora.py), because it takes an app id of `x` and a
uid of -5; and what it makes follows from the arguments alone, because the moment and the salt that its
constructor takes from the machine are replaced before anything is packed.

In this version a privilege ends at a moment, and not after a duration as in 007.
"""

from collections.abc import Mapping

from agora_token_builder.AccessToken import AccessToken

from auth.agora import LEASE_SECONDS_MAX, SALT_MAX, Lease, Project, Seat


def issue(project: Project, seat: Seat, lease: Lease, *, salt: int) -> str:
    """Return a token of version 006. `salt` is drawn anew for each, from 1 to `SALT_MAX`."""
    assert 1 <= salt <= SALT_MAX
    privileges = dict.fromkeys(seat.role.privileges, lease.ends_at_seconds)
    return packed(project, seat, privileges, lease.issued_at_seconds + LEASE_SECONDS_MAX, salt)


def packed(
    project: Project, seat: Seat, ends_at_seconds: Mapping[int, int], stamp_seconds: int, salt: int
) -> str:
    """Return a token with the moment at which each privilege ends. In the place of the stamp Agora's builder
    has a day after the token was made."""
    token = AccessToken(project.app_id, project.certificate, seat.channel, seat.uid)
    token.salt, token.ts = salt, stamp_seconds
    for privilege, moment in ends_at_seconds.items():
        token.addPrivilege(privilege, moment)
    made: str = token.build()
    return made
