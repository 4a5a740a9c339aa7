"""The words of a page, with their places, in arrays -> its lines, each of cells. Pure; no file."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.parse.grid import walls
from ingest.parse.layout import CURRENCY, TABLE_GAP, join_letters, split_cells
from ingest.parse.page import Cell, Ruling

Floats = NDArray[np.float64]
Numbers = NDArray[np.intp]

LEVEL = 0.3  # of the letters' height; what has less in common with its neighbour stands above or below it


class Words(NamedTuple):
    """A page's words in the file's order. `start` to `end` are a word's characters, `line` is the number of the
    file's line; places are upright.
    """

    texts: Sequence[str]
    start: Numbers
    end: Numbers
    line: Numbers
    x0: Floats
    x1: Floats
    bottom: Floats
    top: Floats


def line_starts(words: Words) -> Numbers:
    """Which words begin a line. PDFium may take cells one below the other for one line: each is a line here."""
    height = words.top - words.bottom
    overlap = np.minimum(words.top[1:], words.top[:-1]) - np.maximum(words.bottom[1:], words.bottom[:-1])
    apart = (overlap < LEVEL * height[1:]) & (overlap < LEVEL * height[:-1])
    return np.flatnonzero(np.append(True, apart | (words.line[1:] != words.line[:-1])))


def longest(words: Words, starts: Numbers) -> Numbers:
    """Of each line the longest word, of several the first."""
    count = len(words.texts)
    lengths = np.fromiter(map(len, words.texts), np.intp, count)
    return count - 1 - np.maximum.reduceat(lengths * count + np.arange(count)[::-1], starts) % count


def cells(
    words: Words,
    starts: Numbers,
    mains: Numbers,
    sizes: Floats,
    rulings: Sequence[Ruling] = (),
    spaced: Collection[int] = (),
) -> Iterator[tuple[Cell, ...]]:
    """The cells of each line: of those that begin with the words `starts`, are as high as the words `mains`, and have
    letters of `sizes`. Upright `rulings` part cells; the words of the file's lines `spaced` may be s p a c e d  o u t.
    """
    simple = _one_cell(words, starts, sizes)
    if spaced:
        simple &= ~np.isin(words.line[starts], list(spaced))
    bottoms, tops = words.bottom[mains], words.top[mains]
    if rulings:
        middles = ((bottoms + tops) / 2)[:, None]
        down, up = np.array([(ruling.y0, ruling.y1) for ruling in rulings]).T
        simple &= ~((down <= middles) & (middles <= up)).any(axis=1)
    lefts, rights = np.minimum.reduceat(words.x0, starts).tolist(), np.maximum.reduceat(words.x1, starts).tolist()
    x0, x1, numbers = words.x0.tolist(), words.x1.tolist(), words.line[starts].tolist()
    ends = np.append(starts[1:], len(words.texts)).tolist()
    for at, (start, end, is_simple) in enumerate(zip(starts.tolist(), ends, simple.tolist(), strict=True)):
        if is_simple:
            yield (Cell(" ".join(words.texts[start:end]), lefts[at], rights[at]),)
            continue
        line = list(map(Cell, words.texts[start:end], x0[start:end], x1[start:end]))
        if numbers[at] in spaced:
            line = join_letters(line)
        yield split_cells(line, float(sizes[at]), walls(rulings, bottoms[at], tops[at]) if rulings else ())


def _one_cell(words: Words, starts: Numbers, sizes: Floats) -> NDArray[np.bool]:
    """Which lines split_cells() surely leaves whole: most, and this is faster."""
    count = len(words.texts)
    size = np.repeat(sizes, np.diff(starts, append=count))[1:]
    gaps = words.x0[1:] - words.x1[:-1]
    close = np.append(True, (gaps <= TABLE_GAP * size) & (gaps >= -size) & (words.x1[1:] >= words.x1[:-1]))
    close[starts] = True
    close &= ~np.fromiter(map(CURRENCY.__contains__, words.texts), bool, count)
    return np.logical_and.reduceat(close, starts)
