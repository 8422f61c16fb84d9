"""Cursors of lists: where the next page begins, as a text that a client hands back.

Invariant: a cursor names only a place in an order. It carries no rights: each list bounds itself to its
tenant, whatever the cursor says.
"""

import base64

import orjson

CURSOR_CHARACTERS_MAX = 1024
MOMENT_MS_MAX = 253_402_300_799_999
"""The end of the year 9999, past which no database here has a timestamp."""


class BadCursor(ValueError):
    """A text is no cursor of this list."""

    def __init__(self) -> None:
        super().__init__("This is no cursor of this list; use next_cursor of the page before, as it came")


def cursor_of(*place: int | str) -> str:
    """Return the cursor of a place: the values that a list is ordered by."""
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def place_of(cursor: str, *types: type[int] | type[str]) -> list[int | str]:
    """Return the place of a cursor, whose values have these types; integers are moments in ms. Raises
    BadCursor."""
    if len(cursor) > CURSOR_CHARACTERS_MAX:
        raise BadCursor
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        place = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except ValueError as error:
        raise BadCursor from error
    if not isinstance(place, list) or len(place) != len(types):
        raise BadCursor
    for value, expected in zip(place, types, strict=True):
        if type(value) is not expected:
            raise BadCursor
        if isinstance(value, int) and not 0 <= value <= MOMENT_MS_MAX:
            raise BadCursor
        if isinstance(value, str) and "\0" in value:
            raise BadCursor
    return place
