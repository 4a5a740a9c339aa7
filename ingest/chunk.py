"""A document to its passages.

A passage never crosses a heading, never exceeds the embedder's window (headings and special tokens counted), keeps
its text exactly as in the source, and repeats a table's header row in each of the table's passages.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise, zip_longest

from ingest.analyse import detect_language
from ingest.catalog import NewPassage
from ingest.embed import Embedder
from ingest.sentences import sentences
from ingest.types import Block, Document, Passage, Span
from settings import Chunk

VERSION = "3"
SPECIAL_TOKENS = 2  # [CLS] and [SEP], or their like
LONGEST_TOKEN = 20  # characters; no token of a vocabulary is much longer

Offsets = Callable[[str], list[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class _Piece:
    """Part of a block that fits into a passage."""

    text: str
    tokens: int
    block: Block
    span: Span | None


def chunk(document: Document, path: str, named_by_file: bool, embedder: Embedder, settings: Chunk) -> list[NewPassage]:
    """`path` is the source's, relative to its folder; `named_by_file` says that the title is just the file's name
    (then it is not embedded: a renamed file keeps its vectors)."""
    title = "" if named_by_file else document.title
    language = detect_language(" ".join(block.text for block in document.blocks[:200]))
    offsets = _bounded(embedder.offsets)
    found: list[NewPassage] = []
    repeats: Counter[str] = Counter()
    for headings, blocks in _sections(document):
        context = _context(title, headings, offsets, settings.heading_tokens)
        room = embedder.window - SPECIAL_TOKENS - len(offsets(context))
        pieces = _pieces(blocks, min(settings.tokens, room), offsets)
        for group in _pack(pieces, min(settings.tokens, room)):
            new = _passage(path, len(found), headings, group, context, offsets, language, repeats)
            found.append(new)
    return found


def _bounded(offsets: Offsets) -> Offsets:
    """A tokenizer may take a word that it does not know for one token, however long. Here such a word (an embedded
    picture, a minified script) counts as many, or a passage of a few tokens would have megabytes of text."""

    def bounded(text: str) -> list[tuple[int, int]]:
        return [
            (part, min(part + LONGEST_TOKEN, end))
            for start, end in offsets(text)
            for part in range(start, max(end, start + 1), LONGEST_TOKEN)
        ]

    return bounded


def passage_id(path: str, headings: tuple[str, ...], text: str, repeat: int) -> str:
    """An id from the source and the content, not from the position. `repeat` counts equal passages of a source."""
    return hashlib.sha256("\0".join([path, *headings, text, str(repeat)]).encode()).hexdigest()[:24]


def renamed_ids(path: str, passages: list[Passage]) -> list[str]:
    """The ids that a source's passages (in order) get when it moves to `path`."""
    repeats: Counter[str] = Counter()
    return [_next_id(path, passage.headings, passage.text, repeats) for passage in passages]


def _next_id(path: str, headings: tuple[str, ...], text: str, repeats: Counter[str]) -> str:
    content = "\0".join([*headings, text])
    repeats[content] += 1
    return passage_id(path, headings, text, repeats[content] - 1)


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
    total = sum(n for _, _, n in small)
    target = total / max(1, -(-total // limit))  # even portions rather than a full one and a rest
    start: int | None = None
    end = used = 0
    for a, b, n in small:
        if start is not None and (used + n > limit or used >= target):
            yield start, end
            start, used = None, 0
        start, end, used = (a if start is None else start), b, used + n
    if start is not None:
        yield start, end


def _words(a: int, b: int, text: str, limit: int, offsets: Offsets) -> Iterator[tuple[int, int, int]]:
    """Cuts a range at white space where it can, else between tokens."""
    tokens = offsets(text[a:b])
    first = 0
    while first < len(tokens):
        last = min(first + limit, len(tokens))
        cut = last
        while last < len(tokens) and cut > first + limit // 2 and tokens[cut][0] == tokens[cut - 1][1]:
            cut -= 1
        last = cut if last < len(tokens) else last
        yield a + tokens[first][0], a + tokens[last - 1][1], last - first
        first = last


def _part(block: Block, a: int, b: int) -> Span | None:
    if block.span is None:
        return None
    if block.span.page is None and block.span.end - block.span.start == len(block.text):
        return Span(None, block.span.start + a, block.span.start + b)
    return block.span  # a PDF's text is normalised: its offsets are not the page's


def _pack(pieces: Iterator[_Piece], limit: int) -> Iterator[list[_Piece]]:
    """Neighbouring pieces of a section together, as long as they fit."""
    group: list[_Piece] = []
    for piece in pieces:
        if group and sum(p.tokens for p in group) + piece.tokens > limit:
            yield group
            group = []
        group.append(piece)
    if group:
        yield group


def _passage(
    path: str,
    position: int,
    headings: tuple[str, ...],
    group: list[_Piece],
    context: str,
    offsets: Offsets,
    language: str,
    repeats: Counter[str],
) -> NewPassage:
    text = group[0].text
    for before, piece in pairwise(group):
        same = before.block is piece.block or before.block.kind == piece.block.kind == "list"
        text += ("\n" if same else "\n\n") + piece.text
    pages = [piece.block.page for piece in group if piece.block.page is not None]
    embedded = f"{context}\n{text}" if context else text
    passage = Passage(
        id=_next_id(path, headings, text, repeats),
        path=path,
        position=position,
        text=text,
        headings=headings,
        kind=group[0].block.kind,
        page=min(pages, default=None),
        page_to=max(pages, default=None),
        spans=tuple(piece.span for piece in group if piece.span is not None),
        tokens=len(offsets(embedded)) + SPECIAL_TOKENS,
        language=detect_language(text, language),
    )
    return NewPassage(passage, embedded)
