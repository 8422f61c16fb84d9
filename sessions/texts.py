"""Text that people type: bounded, fit to be stored and sent, and kept exactly as it was typed.

Invariant: what passes can be written to either database and encoded as UTF-8, and not a character of it is
changed. What a page must not show as it is (overrides of writing direction, markup) is the page's to clean.
"""

import re
import unicodedata
from typing import Literal

USER_CHARACTERS_MAX = 128
"""Characters of the id of a user (a token's `sub`)."""

_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
"""Categories that leave nothing on the page: controls, formats and spaces. Unassigned is not among them,
because the emoji of next year are unassigned to this year's tables."""

_NO_TEXT = re.compile("[\0\ud800-\udfff]")

Fault = Literal["empty", "too_long", "not_text"]


class TextRefused(Exception):
    """A text is empty, too long, or has a character that is none; `param` says which field."""

    def __init__(self, param: str, fault: Fault, characters_max: int) -> None:
        super().__init__(
            {
                "empty": f"{param} has nothing to read in it: write something",
                "too_long": f"{param} is too long: at most {characters_max} characters",
                "not_text": f"{param} has a character that cannot be stored (NUL or half a surrogate pair)",
            }[fault]
        )
        self.param = param
        self.fault = fault
        self.characters_max = characters_max


def is_text(text: str) -> bool:
    """Return whether a text can be stored and sent, whatever it says. PostgreSQL stores no NUL, and nothing
    encodes half a surrogate pair, which the JSON escape `\\ud800` gives."""
    return _NO_TEXT.search(text) is None


def checked(text: str, param: str, characters_max: int) -> str:
    """Return `text` itself. Raises TextRefused.

    A character is a code point, so that a text has at most four times as many bytes.
    """
    if len(text) > characters_max:
        raise TextRefused(param, "too_long", characters_max)
    if not is_text(text):
        raise TextRefused(param, "not_text", characters_max)
    if all(unicodedata.category(character) in _UNSEEN for character in text):
        raise TextRefused(param, "empty", characters_max)
    return text
