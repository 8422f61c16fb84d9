"""What an engine is: three protocols, their results, and the description that an entry point names.

Engines are found in the entry point group `stagedoor.engines` and chosen by settings; see
`docs/engines.md`. No engine module is imported before somebody asks for its group.
"""

from media.engines.base import (
    Engine,
    EngineError,
    EngineSettings,
    Kind,
    Recognizer,
    RecognizerEngine,
    Speech,
    Synthesizer,
    SynthesizerEngine,
    Translator,
    TranslatorEngine,
    primary,
)

__all__ = [
    "Engine",
    "EngineError",
    "EngineSettings",
    "Kind",
    "Recognizer",
    "RecognizerEngine",
    "Speech",
    "Synthesizer",
    "SynthesizerEngine",
    "Translator",
    "TranslatorEngine",
    "primary",
]
