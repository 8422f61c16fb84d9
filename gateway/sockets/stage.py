"""What all live sockets of a server share: who pays for what, and what it says about languages."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from auth.principal import Principal
from auth.tokens import KeyRing
from gateway.alarms import Alarms
from gateway.limits import DoorLimits
from gateway.metering.consumption import Facts
from gateway.metering.purse import Purse
from gateway.metering.till import Till
from gateway.sockets.hub import Hub, Session
from gateway.sockets.seats import Seats
from gateway.stores.interface import StoreDown
from gateway.stores.usage import UsageBook
from gateway.tasks import Starts
from media.engines.catalogue import Catalogue
from sessions import live
from sessions.live import Kind
from sessions.slices import MediaKind
from sessions.usage import Usage


@dataclass(frozen=True, slots=True)
class Stage:
    """The hub, the keys, the limits, the alarms, the engines, the minutes, and background tasks."""

    hub: Hub
    keys: KeyRing
    door: DoorLimits
    limits: live.Limits
    alarms: Alarms
    catalogue: Catalogue
    till: Till
    usage: UsageBook
    tasks: Starts
    metering: Literal["viewer", "publisher"] = "viewer"
    seats: Seats | None = None

    def now(self) -> float:
        """Return seconds of the event loop's clock."""
        return self.hub.loop.time()

    # --- languages ------------------------------------------------------------------------------------

    def served(self) -> list[dict[str, str]]:
        """Return the language pairs that engines here serve, as an error message lists them."""
        return [{"source_lang": source, "target_lang": target} for source, target in self.catalogue.pairs()]

    def unserved(self, source_lang: str, target_lang: str) -> str:
        """Return the sentence that refuses a pair."""
        pairs = ", ".join(f"{source} to {target}" for source, target in self.catalogue.pairs())
        return f"No engine here makes {target_lang} from {source_lang}. Served are: {pairs}"

    def unheard(self, lang: str) -> str:
        """Return the sentence that refuses audio in a language."""
        heard = sorted({source for source, _ in self.catalogue.pairs(heard=True)})
        return f"No recognizer here hears {lang}; heard are: {', '.join(heard) or 'none'}"

    # --- minutes --------------------------------------------------------------------------------------

    def pays_for_channel(self, session: Session) -> bool:
        """Whether a session uses minutes of its user as it follows a channel."""
        return self.metering == "viewer" and session.kind is not Kind.PUBLISH

    def pays_for_own(self, session: Session) -> bool:
        """Whether a session uses minutes of its user for the stream it brings."""
        return self.metering == "publisher" if session.kind is Kind.PUBLISH else session.channel.personal

    def purse(self, session: Session) -> Purse:
        """Return what a session pays with, made at its first use."""
        if session.purse is None:
            facts = Facts(
                tenant_id=session.tenant,
                subject=session.user,
                plan=session.plan,
                kind=media_kind(session.kind),
                session_id=session.session_id,
                channel_id=session.channel.key.channel_id,
            )
            self.hub.diary.spends(session)
            session.purse = Purse(facts, self.till)
            session.purse.hold(session.socket.spender if session.socket is not None else None)
        return session.purse

    def sessions_max(self, principal: Principal) -> int:
        """Return how many live sessions a user may have at once; 0: any number."""
        return self.till.plans.concurrent_sessions(principal.plan.value)

    def turns_to_subtitles(self, plan: str) -> bool:
        """Whether a session goes on with subtitles when its minutes of dubbing are spent."""
        return self.till.plans.facts[plan].when_dubbing_is_spent == "subtitles"

    async def usage_of(self, principal: Principal, kinds: Iterable[MediaKind] = tuple(MediaKind)) -> Usage:
        """Return what a user has used and has left. Raises StoreDown, also while nothing can be written."""
        if self.till.down:
            raise StoreDown("Minutes cannot be written")
        await self.till.settled(principal.tenant, principal.user)
        at_ms = self.till.now_ms()
        return await self.usage.of(principal.tenant, principal.user, principal.plan.value, at_ms, kinds)


def media_kind(kind: Kind) -> MediaKind:
    """Return what minutes a session uses."""
    return MediaKind.DUBBING if kind is Kind.DUBBING else MediaKind.SUBTITLES
