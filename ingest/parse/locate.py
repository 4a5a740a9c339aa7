"""Where a quote stands on a page: characters with boxes and a quote -> rectangles. Pure; no library, no file."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from ingest.types import Span

# A quote that runs over two pages, or over a line that parsing left out, is found in part; a part shorter than
# this many letters could be anywhere and is not shown.
SHORTEST_PART = 12

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
    Where the quote stands more than once, an occurrence inside one of `spans` is taken, else the first. Of a
    quote that is here only in part (it runs over two pages), the longest beginning and end found are covered.
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
    return [box for part in _parts(folded, wanted) for box in _cover(page, part)]


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
    rectangles: list[Box] = []
    for index in dict.fromkeys(run):
        box = page.boxes[index]
        if box.right <= box.left or box.top <= box.bottom:
            continue
        last = rectangles[-1] if rectangles else None
        if last is not None and _same_line(last, box):
            rectangles[-1] = Box(
                min(last.left, box.left), min(last.bottom, box.bottom),
                max(last.right, box.right), max(last.top, box.top),
            )  # fmt: skip
        else:
            rectangles.append(box)
    return rectangles


def _same_line(line: Box, box: Box) -> bool:
    overlap = min(line.top, box.top) - max(line.bottom, box.bottom)
    height = min(line.top - line.bottom, box.top - box.bottom)
    return overlap > 0.5 * height and box.right > line.left
