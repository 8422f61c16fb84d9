"""What a recognizer heard and a viewer reads: words, captions, and nothing that moves."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word; times in seconds of the stream's audio clock, confidence 0..1."""

    word: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Caption:
    """One block of at most two lines (separated by a newline) in one language.

    `start` and `end` are seconds of the stream's audio clock. `words` is empty where the text is a
    translation, because nothing aligns its words to the audio. `source_text` is what was said in it.
    """

    text: str
    start: float
    end: float
    words: tuple[Word, ...] = ()
    source_text: str = ""
