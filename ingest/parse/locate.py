"""Where a quote stands on a page: characters with boxes and a quote -> rectangles. Pure; no library, no file."""

import re
import unicodedata
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from statistics import median
from typing import NamedTuple

from ingest.types import Span

# A quote that runs over two pages, or over a line that parsing left out, is found in part; a part shorter than
# this many letters could be anywhere and is not shown.
SHORTEST_PART = 12

LONG_LINE = 5  # characters
MAX_PIECES = 500
MAX_PLACES = 200  # of a piece that are compared

_HYPHENS = frozenset("-\x02\xad\u2010\u2011\ufffe")


class Box(NamedTuple):
    """A rectangle in the page's own points, y upwards."""

    left: float
    bottom: float
    right: float
    top: float


@dataclass(frozen=True, slots=True)
class PageChars:
    """A page's characters, one UTF-16 unit each as PDFium numbers them, with a box for each."""

    text: str
    boxes: Sequence[Box]


class _Folded(NamedTuple):
    """Text as it is compared, and for each of its letters the character it came from."""

    text: str
    origins: list[int]


def locate(page: PageChars, quote: str, spans: Sequence[Span] = ()) -> list[Box]:
    """The rectangles that cover the quote on the page, one for each line; empty where it does not stand there.

    White space, hyphenation and ligatures do not count; case counts unless the quote is found no other way.
    Where the quote stands more than once, an occurrence inside one of `spans` is taken, else the first. A quote that
    the page has in another order (of a table, of columns) is put together from pieces inside the spans. Of a quote that
    is here only in part (it runs over two pages), the longest beginning and end found are covered.
    """
    folded, wanted = _fold(page.text), _fold(quote).text
    if not wanted:
        return []
    for cased in (False, True):
        text = folded.text.lower() if cased else folded.text
        sought = wanted.lower() if cased else wanted
        if len(text) != len(folded.text):  # a letter whose lower case is two letters would shift the origins
            break
        found = _occurrence(text, sought, folded.origins, spans)
        if found is not None:
            return _cover(page, folded.origins[found : found + len(sought)])
    pieces = _pieces(page, folded, quote, spans)
    return [box for part in pieces or _parts(folded, wanted) for box in _cover(page, part)]


def _fold(text: str) -> _Folded:
    letters: list[str] = []
    origins: list[int] = []
    index = 0
    while index < len(text):
        char, width = text[index], 1
        if "\ud800" <= char < "\udc00" and index + 1 < len(text):
            char, width = (char + text[index + 1]).encode("utf-16", "surrogatepass").decode("utf-16", "ignore"), 2
        for letter in _fold_char(char):
            letters.append(letter)
            origins.append(index)
        index += width
    return _Folded("".join(letters), origins)


@lru_cache(maxsize=4096)
def _fold_char(char: str) -> str:
    decomposed = unicodedata.normalize("NFKD", char)
    return "".join(
        letter
        for letter in decomposed
        if not letter.isspace() and letter not in _HYPHENS and unicodedata.category(letter) not in ("Cc", "Cs", "Co")
    )


def _occurrence(text: str, sought: str, origins: Sequence[int], spans: Sequence[Span]) -> int | None:
    first = at = text.find(sought)
    while at >= 0:
        start, last = origins[at], origins[at + len(sought) - 1]
        if any(span.start <= start and last < span.end for span in spans):
            return at
        at = text.find(sought, at + 1) if spans else -1
    return first if first >= 0 else None


def _pieces(page: PageChars, folded: _Folded, quote: str, spans: Sequence[Span]) -> list[list[int]]:
    """The quote in pieces of whole words, as long as the page's text inside the spans has them, each the nearest to the
    one before; empty where a word is not there."""
    words = [word for word in (_fold(word).text for word in quote.split()) if word]
    inside = [at for at, origin in enumerate(folded.origins) if any(s.start <= origin < s.end for s in spans)]
    if not inside:
        return []
    first, end = inside[0], inside[-1] + 1
    pieces: list[list[int]] = []
    used: set[int] = set()
    while words:
        count = _longest(len(words), partial(_stands_in, folded.text, words, first, end))
        if not count or len(pieces) >= MAX_PIECES:
            return []
        piece = "".join(words[:count])
        found = re.finditer(f"(?={re.escape(piece)})", folded.text[first:end])
        starts = (first + match.start() for match in islice(found, MAX_PLACES))
        places = [folded.origins[start : start + len(piece)] for start in starts]
        last = page.boxes[pieces[-1][-1]] if pieces else None
        pieces.append(min(places, key=partial(_rank, page, used, last)))
        used.update(pieces[-1])
        words = words[count:]
    return pieces


def _rank(page: PageChars, used: Set[int], last: Box | None, piece: Sequence[int]) -> tuple[bool, bool, float]:
    """The lower, the likelier it is that the piece is meant: not one that was taken before, a word's beginning, near
    to where the last one ended."""
    amid_word = piece[0] > 0 and page.text[piece[0] - 1].isalnum()
    return not used.isdisjoint(piece), amid_word, _distance(last, page.boxes[piece[0]])


def _stands_in(text: str, words: Sequence[str], first: int, end: int, count: int) -> bool:
    return text.find("".join(words[:count]), first, end) >= 0


def _distance(last: Box | None, box: Box) -> float:
    """How far a piece is from the end of the one before; a line of the page counts more than a place in it."""
    if last is None:
        return 0.0
    return 10 * abs(last.bottom - box.bottom) + abs(box.left - last.right)


def _parts(page: _Folded, wanted: str) -> list[list[int]]:
    """The characters of the longest beginning and of the longest end of the quote that stand on the page."""
    head = _longest(len(wanted), lambda length: wanted[:length] in page.text)
    tail = _longest(len(wanted), lambda length: wanted[-length:] in page.text)
    runs = [
        page.origins[at : at + length]
        for length, at in ((head, page.text.find(wanted[:head])), (tail, page.text.find(wanted[len(wanted) - tail :])))
        if length >= SHORTEST_PART
    ]
    return [sorted({*runs[0], *runs[1]})] if len(runs) == 2 and not set(runs[0]).isdisjoint(runs[1]) else runs


def _longest(limit: int, holds: Callable[[int], bool]) -> int:
    """The greatest length up to `limit` for which `holds`, where it holds for all shorter ones too."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def _cover(page: PageChars, run: Sequence[int]) -> list[Box]:
    """Boxes of characters that follow each other, merged where they stand on one line."""
    lines: list[list[Box]] = []
    for index in dict.fromkeys(run):
        box = page.boxes[index]
        if box.right <= box.left or box.top <= box.bottom:
            continue
        if lines and _same_line(lines[-1], box):
            lines[-1].append(box)
        else:
            lines.append([box])
    return [_around(line) for line in lines]


def _around(line: Sequence[Box]) -> Box:
    """The rectangle around a line; of a long one as high as most of its characters, not as one odd sign."""
    lowest, highest = (median, median) if len(line) >= LONG_LINE else (min, max)
    return Box(
        min(box.left for box in line), lowest(box.bottom for box in line),
        max(box.right for box in line), highest(box.top for box in line),
    )  # fmt: skip


def _same_line(line: Sequence[Box], box: Box) -> bool:
    last = line[-1]
    overlap = min(last.top, box.top) - max(last.bottom, box.bottom)
    height = min(last.top - last.bottom, box.top - box.bottom)
    return overlap > 0.5 * height and box.right > line[0].left
