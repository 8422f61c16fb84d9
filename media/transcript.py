"""What was said, as a file: WebVTT (W3C), SubRip, JSON.

Cues follow each other without overlap and stay at least 0.3 s a word, so that they can be read; where
somebody speaks faster than that, the next cue waits and a pause makes up for it.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from media.captions import Caption
from media.shaping import count_words

SECONDS_PER_WORD_MIN = 0.3  # BBC subtitle guidelines: on screen 0.3 s a word at least
SECONDS_PER_WORD = 60 / 170  # and 160 to 180 words a minute where there is room
CUE_SECONDS_MIN = 5 / 6  # Netflix timed text guidelines
HANG_SECONDS_MAX = 1.5  # a cue must not stay longer than this after the words (BBC)
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
BLANK_LINES = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class Cue:
    """Text on the screen, from and to in milliseconds of the stream."""

    start_ms: int
    end_ms: int
    text: str


def cues(captions: Iterable[Caption]) -> list[Cue]:
    """Time captions for reading; those without text are left out."""
    written = sorted((c for c in captions if _text(c)), key=lambda caption: (caption.start, caption.end))
    made: list[Cue] = []
    free_ms = 0
    for number, caption in enumerate(written):
        text = _text(caption)
        words = count_words(text)
        start_ms = max(free_ms, round(caption.start * 1000))
        least_ms = start_ms + max(1, round(words * SECONDS_PER_WORD_MIN * 1000))
        good_ms = start_ms + round(max(CUE_SECONDS_MIN, words * SECONDS_PER_WORD) * 1000)
        spoken_ms = round(caption.end * 1000)
        wanted_ms = max(spoken_ms, min(good_ms, spoken_ms + round(HANG_SECONDS_MAX * 1000)))
        if number + 1 < len(written):
            wanted_ms = min(wanted_ms, round(written[number + 1].start * 1000))
        free_ms = max(least_ms, wanted_ms)
        made.append(Cue(start_ms, free_ms, text))
    return made


def vtt(captions: Iterable[Caption], lang: str = "") -> str:
    """Return a WebVTT file. The text is escaped: it never becomes a tag, a cue or a comment."""
    head = f"WEBVTT\nLanguage: {_one_line(lang)}\n" if lang else "WEBVTT\n"
    return head + "".join(
        f"\n{number}\n{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{_escaped(cue.text)}\n"
        for number, cue in enumerate(cues(captions), 1)
    )


def srt(captions: Iterable[Caption]) -> str:
    """Return a SubRip file; it has no escapes, so what would be an arrow or a tag is written otherwise."""
    return "\n".join(
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{_harmless(cue.text)}\n"
        for number, cue in enumerate(cues(captions), 1)
    )


def as_json(captions: Sequence[Caption], lang: str) -> str:
    """Return {"lang", "captions": [{"text", "start", "end", "source_text", "words"}]}, times as spoken."""
    entries = [
        {
            "text": caption.text,
            "start": caption.start,
            "end": caption.end,
            "source_text": caption.source_text,
            "words": [
                {"word": word.word, "start": word.start, "end": word.end, "confidence": word.confidence}
                for word in caption.words
            ],
        }
        for caption in captions
    ]
    return json.dumps({"lang": lang, "captions": entries}, ensure_ascii=False)


def _text(caption: Caption) -> str:
    """Return the text without what would end a cue: control characters and empty lines."""
    text = CONTROL.sub(" ", caption.text.replace("\r\n", "\n").replace("\r", "\n"))
    return BLANK_LINES.sub("\n", text).strip()


def _one_line(text: str) -> str:
    return " ".join(CONTROL.sub(" ", text).replace("-->", "").split())


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _harmless(text: str) -> str:
    return text.replace("-->", "->").replace("<", "‹").replace(">", "›")  # noqa: RUF001 - that is the purpose


def _clock(milliseconds: int, point: str) -> str:
    """Return hh:mm:ss.mmm, with more digits for the hours where it takes them."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{rest:03}"
