"""The project's Markdown as data: its pages, their code blocks, tables, headings and links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^()\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: what stands behind its fence, its text, and its first line's number."""

    info: str
    text: str
    line: int


@cache
def pages() -> list[Path]:
    """Every page of the project."""
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, info: str) -> list[Block]:
    text = text_of(page)
    return [
        Block(found["info"].strip(), found["text"], text.count("\n", 0, found.start()) + 2)
        for found in _FENCE.finditer(text)
        if found["info"].strip() == info
    ]


def prose(page: Path) -> str:
    """What is not in a fenced block."""
    return _FENCE.sub("", text_of(page))


def rows(page: Path, *header: str) -> list[list[str]]:
    """The rows of every table of a page that has this header, in order."""
    found: list[list[str]] = []
    wanted = False
    for line in prose(page).splitlines():
        if not line.startswith("|"):
            wanted = False
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if wanted and not set(line) <= set("|- :"):
            found.append(cells)
        elif tuple(cells) == header:
            wanted = True
    assert found, f"{page.name} has no table with the header {header}"
    return found


def links(page: Path) -> Iterator[str]:
    """The targets of a page's links and pictures."""
    for found in _LINK.finditer(prose(page)):
        yield found["target"]
        yield from (inner["target"] for inner in _LINK.finditer(found["text"]))


@cache
def anchors(page: Path) -> frozenset[str]:
    """The names of a page's headings in a link, as GitHub makes them."""
    return frozenset(
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(prose(page))
    )


def code(cell: str) -> str:
    """The name in a cell that begins with `code`."""
    found = re.match(r"`([^`]+)`", cell)
    assert found, f"expected `code` in {cell!r}"
    return found[1]
