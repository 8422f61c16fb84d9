"""Text cut into blocks that can be read: at most two lines of 37 to 42 columns, broken at clauses.

Nothing is lost, added or reordered: the pieces joined again are the text. Columns are counted as a
terminal would (wide East Asian letters two, combining marks none), and languages without spaces break
between letters. Numbers: BBC and Netflix subtitle guidelines.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from media.captions import Caption, Word

LINE_COLUMNS = 37
LINE_COLUMNS_MAX = 42
LINES_MAX = 2
BLOCK_COLUMNS_MAX = LINES_MAX * LINE_COLUMNS_MAX
SENTENCE_ENDS = frozenset(".?!…。！？؟।۔")  # noqa: RUF001 - the punctuation of many scripts
CLAUSE_ENDS = frozenset(",;:،؛、，；：–—")  # noqa: RUF001
NEVER_FIRST = frozenset(
    ",.;:?!…)]}»”’،؛؟、。，．！？；：」』）】〉》・ー"  # noqa: RUF001
    "ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ々ๆฯ"
)
NEVER_LAST = frozenset("([{«“‘「『（【〈《¿¡")  # noqa: RUF001
CLOSING = "\"'”’»)]"  # noqa: RUF001
CLAUSE_STARTS = frozenset((
    "and", "but", "or", "because", "so", "that", "which", "who", "when", "while", "where", "if",
    "although", "though", "before", "after", "until", "since", "than", "y", "e", "o", "u", "pero",
    "porque", "que", "cuando", "mientras", "donde", "si", "aunque", "antes", "después", "hasta", "desde",
    "como", "sino",
))  # fmt: skip
LEANING = frozenset((
    "a", "an", "the", "my", "your", "his", "her", "its", "our", "their", "this", "these", "those", "of",
    "to", "in", "into", "on", "at", "by", "for", "with", "from", "not", "very",
    "i", "under", "el", "la", "los", "las",
    "un", "una", "unos", "unas", "mi", "tu", "su", "sus", "de", "del", "en", "al", "a", "por", "para",
    "con", "sin", "no", "muy", "lo", "se", "me", "te", "le",
))  # fmt: skip
"""Words that belong to the next one; a line should not end after them."""
SPACELESS = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")


@dataclass(frozen=True, slots=True)
class Piece:
    """What is never broken: a word, or a letter of a language without spaces."""

    text: str
    spaced: bool  # a space stands before it, unless it begins a line
    word: int  # index of the word it is a part of


def columns(text: str) -> int:
    """Return how many columns a text takes."""
    return sum(_column(letter) for letter in text)


def wrap(text: str) -> list[str]:
    """Cut a text into blocks of one or two lines (separated by a newline)."""
    return ["\n".join(_join(line) for line in block) for block in _blocks(_pieces(text.split()))]


def shape(words: Sequence[Word]) -> tuple[Caption, ...]:
    """Cut the words of an utterance into captions; each lasts from its first word to its last."""
    captions: list[Caption] = []
    done = 0
    for block in _blocks(_pieces([word.word for word in words])):
        until = max(done, block[-1][-1].word + 1)
        # A block of nothing but the rest of one overlong word has that word's times and no words of its own.
        own = tuple(words[done:until])
        spoken = own or (words[until - 1],)
        text = "\n".join(_join(line) for line in block)
        captions.append(
            Caption(text, spoken[0].start, spoken[-1].end, own, " ".join(word.word for word in own))
        )
        done = until
    return tuple(captions)


def spread(text: str, words: Sequence[Word]) -> tuple[Caption, ...]:
    """Cut the translation of what `words` said into captions, with times in proportion to their length.

    The source text of each is what was said in its time.
    """
    blocks = wrap(text)
    total = sum(columns(block) for block in blocks) or 1
    start, end = words[0].start, words[-1].end
    captions: list[Caption] = []
    before = said = 0
    for block in blocks:
        here = start + (end - start) * before / total
        before += columns(block)
        until = end if block is blocks[-1] else start + (end - start) * before / total
        stop = len(words) if before == total else sum((w.start + w.end) / 2 < until for w in words)
        source = " ".join(word.word for word in words[said:stop])
        said = max(said, stop)
        captions.append(Caption(block, round(here, 3), round(until, 3), (), source))
    return tuple(captions)


def flow(text: str) -> str:
    """Return the last two lines of a text that grows; breaks that were made stay where they are."""
    lines: list[list[Piece]] = [[]]
    for piece in _pieces(text.split()):
        if lines[-1] and columns(_join([*lines[-1], piece])) > LINE_COLUMNS_MAX:
            lines.append([])
        lines[-1].append(piece)
    return "\n".join(_join(line) for line in lines[-LINES_MAX:])


def tokens(text: str) -> tuple[str, ...]:
    """Return the words of a text (letters where there are no spaces); joined they are the text again."""
    return tuple((" " if piece.spaced else "") + piece.text for piece in _pieces(text.split()))


def count_words(text: str) -> int:
    """Count words as a reader meets them; in languages without spaces, two letters are one."""
    letters = sum(_spaceless(letter) for letter in text)
    rest = "".join(" " if _spaceless(letter) else letter for letter in text)
    return len(rest.split()) + (letters + 1) // 2


def _column(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _spaceless(letter: str) -> bool:
    return letter > "\u0e00" and unicodedata.name(letter, "").startswith(SPACELESS)


def _pieces(words: Sequence[str]) -> list[Piece]:
    pieces: list[Piece] = []
    for index, word in enumerate(words):
        long = columns(word) > LINE_COLUMNS_MAX or any(map(_spaceless, word))
        parts = _letters(word) if long else [word]
        pieces += [Piece(part, number == 0 and index > 0, index) for number, part in enumerate(parts)]
    return pieces


def _letters(word: str) -> list[str]:
    """Split into letters with their marks, keeping punctuation with the letter it belongs to."""
    parts: list[str] = []
    for letter in word:
        joins = bool(parts) and (
            _column(letter) == 0
            or letter in NEVER_FIRST
            or parts[-1][-1] in NEVER_LAST
            or _latin(parts[-1], letter)
        )
        if joins and columns(parts[-1] + letter) <= LINE_COLUMNS_MAX:
            parts[-1] += letter
        else:
            parts.append(letter)
    return parts


def _latin(part: str, letter: str) -> bool:
    """Say whether a letter goes on a foreign word (a name, a number) inside a text without spaces."""
    return not _spaceless(letter) and not _spaceless(part[-1]) and _column(letter) == 1


def _join(line: Sequence[Piece]) -> str:
    return "".join((" " if piece.spaced and number else "") + piece.text for number, piece in enumerate(line))


def _break_cost(piece: Piece, following: Piece) -> float:
    """Return how bad it is to end a line between two pieces, 0 (a sentence ends) to 8."""
    last = piece.text.rstrip(CLOSING)[-1:]
    if last in SENTENCE_ENDS:
        return 0
    if last in CLAUSE_ENDS:
        return 1
    if piece.word == following.word and not _spaceless(piece.text[0]):
        return 8
    if piece.text.lower() in LEANING:
        return 8
    return 2 if following.text.lower() in CLAUSE_STARTS else 4


def _blocks(pieces: Sequence[Piece]) -> list[list[list[Piece]]]:
    """Choose the cheapest cut by dynamic programming over (pieces used, lines in the open block)."""
    count = len(pieces)
    if not count:
        return []
    best: dict[tuple[int, int], tuple[float, tuple[int, int] | None]] = {(0, 0): (0.0, None)}
    for used in range(count):
        for lines in range(LINES_MAX + 1):
            if (used, lines) in best:
                _extend(pieces, best, (used, lines))
    at: tuple[int, int] | None = min((key for key in best if key[0] == count), key=lambda key: best[key][0])
    cuts: list[tuple[int, int]] = []
    while at is not None:
        cuts.append(at)
        at = best[at][1]
    cuts.reverse()
    blocks: list[list[list[Piece]]] = []
    for (begin, _), (end, lines) in pairwise(cuts):
        if lines == 1:
            blocks.append([])
        blocks[-1].append(list(pieces[begin:end]))
    return blocks


def _extend(
    pieces: Sequence[Piece],
    best: dict[tuple[int, int], tuple[float, tuple[int, int] | None]],
    at: tuple[int, int],
) -> None:
    """Try every line that may begin at `at`, as the next line of its block or as a new block."""
    used, lines = at
    so_far = best[at][0]
    width = 0
    for end in range(used + 1, len(pieces) + 1):
        piece = pieces[end - 1]
        width += columns(piece.text) + (1 if piece.spaced and end - 1 > used else 0)
        if width > LINE_COLUMNS_MAX and end > used + 1:
            return
        cost = so_far + 1 + (1 if width > LINE_COLUMNS else 0)
        cost += 6 * ((LINE_COLUMNS_MAX - width) / LINE_COLUMNS_MAX) ** 2
        broken = _break_cost(piece, pieces[end]) if end < len(pieces) else 0
        # What comes after decides whether this break is one between lines or between blocks; a break
        # between blocks counts double when the next block begins.
        previous = _break_cost(pieces[used - 1], pieces[used]) if used else 0
        options = [(1, cost + broken + 8 + previous)]
        if 0 < lines < LINES_MAX:
            options.append((lines + 1, cost + broken))
        for key_lines, total in options:
            key = (end, key_lines)
            if key not in best or total < best[key][0]:
                best[key] = (total, at)
