"""HTML from templates: every value that is put in is escaped, unless it is `Markup` made here."""

import html
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
_PLACEHOLDER = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")


class Markup(str):
    """HTML that is safe as it stands, because `fill`, `join` or `element` made it."""

    __slots__ = ()


def escape(value: object) -> Markup:
    """`value` as text that is safe in an element and in a quoted attribute."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value)))


def data(value: object) -> str:
    """`value` as JSON text, to be escaped like any other text (for a `data-` attribute)."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def join(parts: Iterable[object]) -> Markup:
    """The parts one after the other, each escaped unless it is `Markup`."""
    return Markup("".join(escape(part) for part in parts))


def element(tag: str, *content: object, **attributes: object) -> Markup:
    """One element. `class_` is `class`, `_` is `-`; True makes a bare attribute, None and False make none."""
    written = [tag]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = name.rstrip("_").replace("_", "-")
        written.append(attribute if value is True else f'{attribute}="{escape(value)}"')
    return Markup(f"<{' '.join(written)}>{join(content)}</{tag}>")


@cache
def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def fill(name: str, **values: object) -> Markup:
    """The template `name` with each `{{ placeholder }}` replaced by its escaped value.

    Raises KeyError where the template wants a value that was not given.
    """
    return Markup(_PLACEHOLDER.sub(lambda match: escape(values[match[1]]), _template(name)))
