"""What the configured engines can do here: found once, asked often, and no model is loaded for an answer.

Only engines that settings name are used, in the order in which settings name them. One that is named but
cannot be used here is left out of every answer and listed by `rows` with its reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from media.engines.base import (
    Engine,
    EngineSettings,
    Kind,
    Pair,
    RecognizerEngine,
    SynthesizerEngine,
    TranslatorEngine,
    primary,
)

__all__ = ["GROUP", "Catalogue", "EngineRow", "EngineSettings"]

GROUP = "stagedoor.engines"
BUILT_IN = {
    "apertium": "media.engines.apertium:ENGINE",
    "espeak-ng": "media.engines.espeak:ENGINE",
    "flite": "media.engines.flite:ENGINE",
    "openai-recognizer": "media.engines.openai:RECOGNIZER",
    "openai-synthesizer": "media.engines.openai:SYNTHESIZER",
    "openai-translator": "media.engines.openai:TRANSLATOR",
    "pocketsphinx": "media.engines.pocketsphinx:ENGINE",
    "silent": "media.engines.silent:ENGINE",
}
"""Our own entries of the group, as in pyproject.toml: a checkout that is not installed has them too."""


@dataclass(frozen=True, slots=True)
class EngineRow:
    """One line of `stagedoor engines`; `reason` says why it is not available, or that it is not chosen."""

    name: str
    kind: Kind
    summary: str
    languages: tuple[str, ...]
    available: bool
    chosen: bool
    reason: str


def installed() -> list[Engine]:
    """Load the description of every engine that is installed, sorted by name.

    Raises TypeError for an entry point of the group that names something else.
    """
    points = {name: EntryPoint(name, value, GROUP) for name, value in BUILT_IN.items()}
    points |= {point.name: point for point in entry_points(group=GROUP)}
    found: list[Engine] = []
    for name in sorted(points):
        engine = points[name].load()
        if not isinstance(engine, RecognizerEngine | TranslatorEngine | SynthesizerEngine):
            raise TypeError(
                f"Entry point {name!r} of {GROUP} names {engine!r}, which is not an engine: it has to be a "
                "RecognizerEngine, TranslatorEngine or SynthesizerEngine, see docs/engines.md."
            )
        found.append(engine)
    return found


class Catalogue:
    """The engines of this installation under these settings."""

    def __init__(self, settings: EngineSettings, engines: Iterable[Engine]) -> None:
        self.settings = settings
        self._engines = tuple(engines)
        self._reasons = {(engine.kind, engine.name): engine.unavailable(settings) for engine in self._engines}
        self._recognizers = [e for e in self._chosen("recognizer") if isinstance(e, RecognizerEngine)]
        self._translators = [e for e in self._chosen("translator") if isinstance(e, TranslatorEngine)]
        self._synthesizers = [e for e in self._chosen("synthesizer") if isinstance(e, SynthesizerEngine)]

    @classmethod
    def load(cls, settings: EngineSettings) -> "Catalogue":
        """Find what is installed. Raises ValueError when settings name an engine that is not."""
        catalogue = cls(settings, installed())
        for kind in ("recognizer", "translator", "synthesizer"):
            known = sorted(engine.name for engine in catalogue._engines if engine.kind == kind)
            for name in catalogue._names(kind):
                if name not in known:
                    raise ValueError(f"There is no {kind} called {name!r}; there are: {', '.join(known)}.")
        return catalogue

    def recognizers(self, lang: str) -> list[RecognizerEngine]:
        """List the recognizers for a language, the preferred one first."""
        return [engine for engine in self._recognizers if engine.serves(self.settings, lang, lang)]

    def translators(self, source: str, target: str) -> list[TranslatorEngine]:
        """List the translators for a pair, the preferred one first."""
        return [engine for engine in self._translators if engine.serves(self.settings, source, target)]

    def synthesizers(self, lang: str) -> list[SynthesizerEngine]:
        """List the voices for a language, the preferred one first."""
        return [engine for engine in self._synthesizers if engine.serves(self.settings, lang, lang)]

    def serves(self, source: str, target: str) -> bool:
        """Say whether text in `source` can be had in `target`; a language always can in itself."""
        return primary(source) == primary(target) or bool(self.translators(source, target))

    def hears(self, lang: str) -> bool:
        """Say whether speech in `lang` can be recognised."""
        return bool(self.recognizers(lang))

    def speaks(self, lang: str) -> bool:
        """Say whether there is a voice for `lang`."""
        return bool(self.synthesizers(lang))

    def pairs(self, *, heard: bool = False) -> list[Pair]:
        """List what `serves` answers yes to, among the languages any engine knows.

        With `heard` only pairs whose source can be recognised: those that a stream of audio may ask for.
        """
        translations = {pair for engine in self._translators for pair in engine.pairs(self.settings)}
        spoken = {pair for engine in self._recognizers for pair in engine.pairs(self.settings)}
        same = spoken | {(lang, lang) for pair in translations for lang in pair}
        return sorted(pair for pair in translations | same if not heard or (pair[0], pair[0]) in spoken)

    def rows(self) -> list[EngineRow]:
        """List every installed engine for `stagedoor engines`, by kind and name."""
        return [self._row(engine) for engine in sorted(self._engines, key=lambda e: (e.kind, e.name))]

    def _row(self, engine: Engine) -> EngineRow:
        missing = self._reasons[engine.kind, engine.name]
        chosen = engine.name in self._names(engine.kind)
        pairs = [] if missing else engine.pairs(self.settings)
        if engine.kind == "translator":
            shown = tuple(f"{source}-{target}" for source, target in pairs)
        else:
            shown = tuple(source for source, _ in pairs)
        reason = missing or ("" if chosen else f"Not chosen: add it to the {engine.kind}s in the settings.")
        return EngineRow(engine.name, engine.kind, engine.summary, shown, missing is None, chosen, reason)

    def _names(self, kind: Kind) -> tuple[str, ...]:
        settings = self.settings
        return {
            "recognizer": settings.recognizers,
            "translator": settings.translators,
            "synthesizer": settings.synthesizers,
        }[kind]

    def _chosen(self, kind: Kind) -> list[Engine]:
        known = {engine.name: engine for engine in self._engines if engine.kind == kind}
        names = [name for name in self._names(kind) if name in known]
        return [known[name] for name in names if self._reasons[kind, name] is None]
