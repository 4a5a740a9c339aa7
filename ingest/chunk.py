"""A document to its passages.

A passage never crosses a heading, never exceeds the embedder's window (headings and special tokens counted), keeps
its text exactly as in the source, and repeats a table's header row in each of the table's passages.

Where passages begin depends on the content nearby and on nothing else, so that an edit changes only the passages around
it, however long the document, and yet the passages are always those of a document that was never edited.
"""

import hashlib
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import accumulate, groupby, pairwise, zip_longest

from ingest.analyse import identify_language
from ingest.catalog import NewPassage
from ingest.embed import Embedder
from ingest.sentences import sentences
from ingest.types import Block, Document, Passage, Span
from settings import Chunk

VERSION = "5"
SPECIAL_TOKENS = 2  # [CLS] and [SEP], or their like
LONGEST_TOKEN = 20  # characters; no token of a vocabulary is much longer
REACH = 1.25  # of the limit; 12,000 words: 1.0 gives 165 tokens a passage, 5 new at most for an edit; 1.25 gives 171, 7
OPENING = 64  # characters of a unit that say whether a passage may begin there

_LONG_WORDS = re.compile(rf"\S{{{LONGEST_TOKEN + 1},}}")

Offsets = Callable[[str], Sequence[tuple[int, int]]]
Key = tuple[int, bytes]  # how well a passage begins at a unit, smallest best: its rank, then the hash of its opening


@dataclass(frozen=True, slots=True)
class _Piece:
    """Part of a block that fits into a passage."""

    text: str
    tokens: int
    block: Block
    span: Span | None


def chunk(document: Document, folder: str, path: str, embedder: Embedder, settings: Chunk) -> list[NewPassage]:
    """`path` is the source's, relative to its library `folder` (absolute). A title is embedded with every passage, a
    file's name never: a renamed file keeps its vectors."""
    language = cache(lambda: identify_language(" ".join(block.text for block in document.blocks[:200])))
    offsets = _bounded(embedder.offsets)
    found: list[NewPassage] = []
    ids = _Ids(folder, path)
    for headings, blocks in _sections(document):
        context = _context(document.title, headings, offsets, settings.heading_tokens)
        limit = min(settings.tokens, embedder.window - SPECIAL_TOKENS - len(offsets(context)))
        for group in _pack(list(_pieces(blocks, limit, offsets)), limit):
            found.append(_passage(ids, len(found), headings, group, context, offsets, language))
    return found


def _bounded(offsets: Offsets) -> Offsets:
    """A tokenizer may take a word that it does not know for one token, however long. Here such a word (an embedded
    picture, a minified script) counts as many, or a passage of a few tokens would have megabytes of text."""

    @lru_cache(256)
    def has_long_token(word: str) -> bool:
        return any(end - start > LONGEST_TOKEN for start, end in offsets(word))

    def bounded(text: str) -> Sequence[tuple[int, int]]:
        tokens = offsets(text)
        if not any(map(has_long_token, _LONG_WORDS.findall(text))):
            return tokens
        return [
            (part, min(part + LONGEST_TOKEN, end))
            for start, end in tokens
            for part in range(start, max(end, start + 1), LONGEST_TOKEN)
        ]

    return bounded


def passage_id(folder: str, path: str, headings: tuple[str, ...], text: str, repeat: int) -> str:
    """An id from the source and the content, not from the position. `repeat` counts equal passages of a source."""
    identity = "\0".join([folder, path, *headings, text, str(repeat)])
    return hashlib.sha256(identity.encode()).hexdigest()[:24]


def renamed_ids(folder: str, path: str, passages: list[Passage]) -> list[str]:
    """The ids that a source's passages (in order) get when it moves to `path` in the library `folder`."""
    ids = _Ids(folder, path)
    return [ids.following(passage.headings, passage.text) for passage in passages]


@dataclass
class _Ids:
    """Gives a source's passages their ids, in order."""

    folder: str
    path: str
    repeats: Counter[tuple[tuple[str, ...], str]] = field(default_factory=Counter)

    def following(self, headings: tuple[str, ...], text: str) -> str:
        repeat = self.repeats[headings, text]
        self.repeats[headings, text] += 1
        return passage_id(self.folder, self.path, headings, text, repeat)


def _sections(document: Document) -> Iterator[tuple[tuple[str, ...], list[Block]]]:
    """Runs of blocks under one heading path. A heading with nothing under it stands for itself."""
    blocks = [block for block in document.blocks if block.text.strip()]
    kept = []
    for block, following in zip_longest(blocks, blocks[1:]):
        has_content = following is not None and len(following.headings) > len(block.headings)
        if block.kind not in ("title", "heading") or not has_content:
            kept.append(block)
    for headings, run in groupby(kept, key=lambda block: block.headings):
        yield headings, list(run)


def _context(title: str, headings: tuple[str, ...], offsets: Offsets, limit: int) -> str:
    """Title and heading path, one to a line, as embedded with a passage; the outermost go first when it is long."""
    parts = [part for part in dict.fromkeys((title, *headings)) if part]
    while parts and len(offsets("\n".join(parts))) > limit:
        parts.pop(0)
    return "\n".join(parts)


def _pieces(blocks: list[Block], limit: int, offsets: Offsets) -> Iterator[_Piece]:
    for block in blocks:
        tokens = len(offsets(block.text))
        if tokens <= limit:
            yield _Piece(block.text, tokens, block, block.span)
        elif block.kind == "table":
            yield from _table_pieces(block, limit, offsets)
        else:
            yield from _cut(block, 0, len(block.text), limit, offsets)


def _table_pieces(block: Block, limit: int, offsets: Offsets) -> Iterator[_Piece]:
    """A long table in portions of rows, each under the header row (and Markdown's rule below it)."""
    lines = block.text.split("\n")
    header_lines = 2 if len(lines) > 1 and set(lines[1]) <= set("|:- ") else 1
    header = "\n".join(lines[:header_lines])
    header_tokens = len(offsets(header))
    if header_tokens > limit // 2:
        yield from _cut(block, 0, len(block.text), limit, offsets)
        return
    start = sum(len(line) + 1 for line in lines[:header_lines])
    for row_start, row_end in _groups(_lines(block.text, start), block.text, limit - header_tokens, offsets):
        text = f"{header}\n{block.text[row_start:row_end]}"
        for piece in _cut(block, row_start, row_end, limit - header_tokens, offsets):
            whole = piece.text == block.text[row_start:row_end]
            yield _Piece(text, len(offsets(text)), block, piece.span) if whole else piece


def _cut(block: Block, start: int, end: int, limit: int, offsets: Offsets) -> Iterator[_Piece]:
    """Portions of block.text[start:end] of nearly equal size, cut between sentences (lines, for code), and inside
    them only where one alone is over the limit."""
    text = block.text
    units = _lines(text, start) if block.kind in ("code", "table") else sentences(text[start:end])
    if block.kind not in ("code", "table"):
        units = [(start + a, start + b) for a, b in units]
    units = [(a, min(b, end)) for a, b in units if a < end]
    for a, b in _groups(units, text, limit, offsets):
        yield _Piece(text[a:b], len(offsets(text[a:b])), block, _part(block, a, b))


def _lines(text: str, start: int) -> list[tuple[int, int]]:
    found = []
    for line in text[start:].splitlines(keepends=True):
        if line.strip():
            found.append((start, start + len(line.rstrip("\r\n"))))
        start += len(line)
    return found


def _groups(units: list[tuple[int, int]], text: str, limit: int, offsets: Offsets) -> Iterator[tuple[int, int]]:
    """Joins neighbouring ranges up to `limit` tokens; ranges over it are cut between words first."""
    sized = [(a, b, len(offsets(text[a:b]))) for a, b in units]
    small = [part for a, b, n in sized for part in ([(a, b, n)] if n <= limit else _words(a, b, text, limit, offsets))]
    before = [0, *(b for _, b, _ in small)]
    keys = [_key(text[end:a], text[a : a + OPENING]) for end, (a, _, _) in zip(before, small, strict=False)]
    for group in group_units([n for _, _, n in small], keys, limit):
        part = small[group]
        yield part[0][0], part[-1][1]


def _words(a: int, b: int, text: str, limit: int, offsets: Offsets) -> Iterator[tuple[int, int, int]]:
    """Cuts a range at white space where it can, else between tokens."""
    tokens = [(a + start, a + end) for start, end in offsets(text[a:b])]
    keys = [
        _key(text[before:start], text[start : start + OPENING])
        for (_, before), (start, _) in pairwise([(a, a), *tokens])
    ]
    for group in group_units([1] * len(tokens), keys, limit):
        (start, _), (_, end) = tokens[group][0], tokens[group][-1]
        yield start, end, len(offsets(text[start:end]))  # which is not len(group) when a word was cut


def _key(gap: str, opening: str) -> Key:
    """A passage begins best after an empty line, else at a line, else at a word; `gap` is the white space before it."""
    rank = 2 - min(gap.count("\n"), 2) if gap else 3
    return rank, hashlib.blake2b(opening.encode(), digest_size=8).digest()


def group_units(sizes: Sequence[int], keys: Sequence[Key], limit: int) -> Iterator[slice]:
    """Neighbouring units together, each group of at most `limit` tokens (as each unit is): content-defined chunking.

    First come landmarks: units whose key is the smallest within REACH limits on either side (local minima: Bjorner,
    Blass and Gurevich 2010). Between two of them stand as few groups as can be, begun where the keys are smallest. So
    an edit moves no boundary beyond the landmarks around it, and most often none but its own.
    """
    starts = [0, *accumulate(sizes)]
    for first, last in pairwise([0, *_landmarks(starts, keys, REACH * limit), len(sizes)]):
        yield from _fewest(starts, keys, first, last, limit)


def _landmarks(starts: Sequence[int], keys: Sequence[Key], reach: float) -> Iterator[int]:
    """Equal keys (repeated text) give a landmark at every `reach`, so that repeats are grouped alike."""
    previous = 0
    for unit, start in enumerate(starts[:-1]):
        if start - starts[previous] < reach or starts[-1] - start < reach:
            continue
        nearby = range(bisect_left(starts, start - reach), bisect_right(starts, start + reach, hi=len(keys)))
        if all(keys[unit] <= keys[other] for other in nearby):
            yield unit
            previous = unit


def _fewest(starts: Sequence[int], keys: Sequence[Key], first: int, last: int, limit: int) -> Iterator[slice]:
    """The units from `first` to before `last` in as few groups as can be."""

    def furthest(unit: int) -> int:
        return max(unit + 1, bisect_right(starts, starts[unit] + limit, hi=last + 1) - 1)

    groups = {last: 0}  # the fewest for the units from there on
    for unit in reversed(range(first, last)):
        groups[unit] = groups[furthest(unit)] + 1
    while groups[first] > 1:
        choices = [unit for unit in range(first + 1, furthest(first) + 1) if groups[unit] < groups[first]]
        cut = min(reversed(choices), key=lambda unit: keys[unit])
        yield slice(first, cut)
        first = cut
    yield slice(first, last)


def _part(block: Block, a: int, b: int) -> Span | None:
    if block.span is None:
        return None
    if block.span.page is None and block.span.end - block.span.start == len(block.text):
        return Span(None, block.span.start + a, block.span.start + b)
    return block.span  # a PDF's text is normalised: its offsets are not the page's


def _pack(pieces: list[_Piece], limit: int) -> Iterator[list[_Piece]]:
    """Neighbouring pieces of a section together, as long as they fit. The pieces of one block were made to stand each
    for itself; its first and its last may join what is before and after it."""
    apart = [i for i, (before, piece) in enumerate(pairwise(pieces), 1) if before.block is piece.block]
    for first, last in pairwise([0, *apart, len(pieces)]):
        run = pieces[first:last]
        keys = [_key(_joint(before, piece), piece.text[:OPENING]) for before, piece in pairwise([run[0], *run])]
        for group in group_units([piece.tokens for piece in run], keys, limit):
            yield run[group]


def _joint(before: _Piece, piece: _Piece) -> str:
    return "\n" if before.block.kind == piece.block.kind == "list" else "\n\n"


def _passage(
    ids: _Ids,
    position: int,
    headings: tuple[str, ...],
    group: list[_Piece],
    context: str,
    offsets: Offsets,
    language: Callable[[], str],
) -> NewPassage:
    text = group[0].text + "".join(_joint(before, piece) + piece.text for before, piece in pairwise(group))
    pages = [piece.block.page for piece in group if piece.block.page is not None]
    confidences = [piece.block.confidence for piece in group if piece.block.confidence is not None]
    embedded = f"{context}\n{text}" if context else text
    passage = Passage(
        id=ids.following(headings, text),
        path=ids.path,
        position=position,
        text=text,
        headings=headings,
        kind=group[0].block.kind,
        page=min(pages, default=None),
        page_to=max(pages, default=None),
        spans=tuple(piece.span for piece in group if piece.span is not None),
        tokens=len(offsets(embedded)) + SPECIAL_TOKENS,
        language=identify_language(text, language),
        confidence=min(confidences, default=None),
    )
    return NewPassage(passage, embedded)
