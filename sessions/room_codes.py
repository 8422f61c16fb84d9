"""Room codes: six characters that can be read out and typed, without those that look alike.

Invariant: a room has one code in one spelling; however it is typed, `normalise` finds that or refuses.

31 characters in six places are 887,503,681 codes. With r rooms open one guess in 887,503,681 / r finds one:
with 1,000 rooms one in 887,503. At ten wrong guesses a minute that takes two months on average; without a
limit, at a thousand a second, a quarter of an hour. So wrong guesses must be limited, by user and by address.
"""

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Digits and letters without 0 and O, 1, I and L."""

LENGTH = 6
COUNT = len(ALPHABET) ** LENGTH
"""How many codes there are."""

TYPED_CHARACTERS_MAX = 32
"""More than a code with a separator beside each character is not a code."""

_SEPARATORS = " \t\r\n-_.,:/\u00a0\u2010\u2011\u2012\u2013\u2014\u200b\u2060\ufeff"
"""What people, chat programs and clipboards put into a code, or around it."""

_SPELLING = str.maketrans(dict.fromkeys(_SEPARATORS)) | str.maketrans(
    "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)


class NotARoomCode(Exception):
    """What was typed is no room code, so no room was looked for."""

    def __init__(self, typed: str) -> None:
        super().__init__(
            f"A room code is {LENGTH} letters and digits, never 0, O, 1, I or L: look at the code again"
        )
        self.typed = typed


def normalise(typed: str) -> str:
    """Return the code that was typed in any case, with or without separators. Raises NotARoomCode.

    Only the 26 letters of ASCII change their case: `"\u00df".upper()` would be two letters of a code.
    """
    if len(typed) > TYPED_CHARACTERS_MAX:
        raise NotARoomCode(typed[:TYPED_CHARACTERS_MAX])
    code = typed.translate(_SPELLING)
    if len(code) != LENGTH or not set(code) <= set(ALPHABET):
        raise NotARoomCode(typed)
    return code


def generate(number: int) -> str:
    """Return the code with this number, which the caller drew evenly from `range(COUNT)`.

    Each number is another code, so codes are as even as the draw. One that is taken is drawn again; with
    1,000 rooms that is about one draw in a million.
    """
    assert 0 <= number < COUNT
    characters = []
    for _ in range(LENGTH):
        number, place = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[place])
    return "".join(reversed(characters))
