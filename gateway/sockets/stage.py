"""What all live sockets of a server share, and what it says about languages."""

from dataclasses import dataclass

from auth.tokens import KeyRing
from gateway.alarms import Alarms
from gateway.sockets.hub import Hub
from gateway.sockets.limits import DoorLimits
from media.engines.catalogue import Catalogue
from sessions import live


@dataclass(frozen=True, slots=True)
class Stage:
    """The hub, the keys, the limits, the alarms and the engines."""

    hub: Hub
    keys: KeyRing
    door: DoorLimits
    limits: live.Limits
    alarms: Alarms
    catalogue: Catalogue

    def now(self) -> float:
        """Return seconds of the event loop's clock."""
        return self.hub.loop.time()

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
