"""What others see of a fan: the mini profile that a creator opens, and the share card for everybody.

    visibility   a creator sees            the share card
    -----------  ------------------------  --------------
    private      neither name nor picture  there is none
    creators     name and picture          there is none
    public       name and picture          name, picture

Invariant: what is hidden is absent, not blanked; a profile under a block is to the last field that of a fan
who can be reached by nobody and is private, or public where the fan is: to hide what everybody may see, also
without saying who they are, would say that there is a block. A creator always sees what the fan has done with
them, which they know.
Times are milliseconds since the epoch.
"""

from dataclasses import dataclass

from sessions.privacy import FanSettings, Relationship, Standing, Visibility, may_call, may_message


@dataclass(frozen=True, slots=True)
class FanProfile:
    """What a fan is called and looks like, where they have said so."""

    fan: str
    display_name: str | None = None
    avatar_url: str | None = None
    joined_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class MiniProfile:
    """What one creator sees of a fan. `profile` is None where it is hidden."""

    fan: str
    profile: FanProfile | None
    relationships: tuple[Relationship, ...]
    can_message: bool
    can_call: bool


class NotShared(Exception):
    """There is no card of this fan to share; for who asks, there is no such fan."""

    def __init__(self) -> None:
        super().__init__("There is no such card")


def mini_profile(profile: FanProfile, standing: Standing) -> MiniProfile:
    """Return what a creator who stands like this with the fan sees."""
    visibility = standing.settings.visibility
    hidden = visibility is Visibility.PRIVATE or (standing.blocked and visibility is not Visibility.PUBLIC)
    return MiniProfile(
        fan=profile.fan,
        profile=None if hidden else profile,
        relationships=tuple(
            sorted(standing.relationships.values(), key=lambda at: (at.first_at_ms, at.kind))
        ),
        can_message=may_message(standing),
        can_call=may_call(standing),
    )


def share_card(profile: FanProfile, settings: FanSettings) -> FanProfile:
    """Return what everybody may see of a fan. Raises NotShared."""
    if settings.visibility is not Visibility.PUBLIC:
        raise NotShared
    return profile
