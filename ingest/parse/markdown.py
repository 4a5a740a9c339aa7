"""Markdown, with what Obsidian adds to it -> Document. Every block is the raw slice of the file, as that is what is
quoted; only HTML that lays out tables and the like is read as HTML.

What is not shown when a note is read is not read here either: comments (<!-- --> and %% %%) and where links lead to.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from errors import ParseError
from ingest.parse.flow import BLOCKS, CELLS, HEADINGS, ITEMS, LISTS
from ingest.parse.hidden import Hidden
from ingest.parse.html import blocks_of_html, is_hidden
from ingest.parse.html import warm as warm_html
from ingest.parse.lines import Lines
from ingest.parse.text import decode
from ingest.parse.text import warm as warm_text
from ingest.types import Block, BlockKind, Document, Span

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MEDIA_TYPE = "text/markdown"
MAX_LINKS = 10_000
MAX_BEFORE = 1_000  # characters of its line before a comment that are looked at
MAX_FRONT_MATTER = 20_000  # characters; longer is no metadata, and YAML takes its time over it

_KINDS: dict[str, BlockKind] = {
    "blockquote_open": "paragraph",
    "bullet_list_open": "list",
    "ordered_list_open": "list",
    "table_open": "table",
    "fence": "code",
    "code_block": "code",
}

_HTML_TAGS = "|".join(sorted(BLOCKS | CELLS | ITEMS | LISTS | set(HEADINGS) | {"pre", "figcaption"}))
_HTML = re.compile(rf"\s*</?(?:{_HTML_TAGS})[\s/>]", re.I)
# An element in a line that may be hidden. What stands in it is short, so that a text of tags takes no quadratic time.
_STYLED = re.compile(r"<([a-zA-Z]{1,20})\s[^<>]{0,500}?(?:style|hidden|color)\b[^<>]{0,500}>.{0,2000}?</\1\s*>", re.S)
_FOOTNOTE = re.compile(r"\[\^[^\]\n]+\]:")
# What a link's name stands for: a place, by its looks, and a title. "[10:32]: hello" is none.
_DEFINITION = re.compile(
    r"\[(?!\^)[^\]\n]+\]:[ \t]*(?:<([^<>\n]*)>|(?=\S*(?:[/#:]|\w\.\w))(\S+))"
    r"(?:[ \t]+(?:\"[^\"\n]*\"|'[^'\n]*'|\([^()\n]*\)))?"
)
_BACKTICKS = re.compile(r"`+")
# A word after a space: https://help.obsidian.md/tags. The excluded are punctuation and white space.
_TAG = re.compile(r"(?<!\S)#([^\u2000-\u206f\u2e00-\u2e7f'!\"#$%&()*+,.:;<=>?@^`{|}~\[\]\\\s]+)")
_LINK = re.compile(
    r"\[\[(?P<wiki>[^\[\]\n|#]*)[^\[\]\n]*\]\]"
    r"|\]\([ \t]*(?:<(?P<angled>[^<>\n]*)>|(?P<plain>[^\s()<>]*(?:\([^\s()]*\)[^\s()]*)*))"
)
_ELSEWHERE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//|#")  # a web address, or a place in the same file
_COMMENT = re.compile(r"<!--|%%")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?")
# Names that notes give their dates, best first.
_DATES = {
    "created": ("created", "date created", "created_at", "date", "published", "publishdate"),
    "modified": ("modified", "date modified", "updated", "updated_at", "last modified", "lastmod"),
}


@cache
def parser_version() -> str:
    return f"markdown/4 markdown-it-py {version('markdown-it-py')}"


def warm() -> None:
    """Imports the libraries, so that a process forked afterwards starts at once."""
    import markdown_it  # noqa: F401
    import yaml  # noqa: F401

    warm_text()
    warm_html()


def parse(path: Path) -> Document:
    """CommonMark with tables, tags, wikilinks and footnotes. Front matter gives metadata and a block of kind "note".

    The title is the front matter's, else the first heading of level 1, else ''. Tags are the front matter's and those
    in the text. Links are those to other files: [[note]], ![[embedded]], [text](note.md).
    Raises ParseError if the file holds no text but binary data.
    """
    text, encoding = decode(path.read_bytes())
    return document_of_markdown(text, MEDIA_TYPE, {"encoding": encoding})


def document_of_markdown(
    text: str, media_type: str, metadata: dict[str, str], hidden: Hidden | None = None
) -> Document:
    """The Document of a text in Markdown, with `metadata` besides what its front matter says. `hidden` is told, too,
    what of it is not seen."""
    lines = Lines.of(text)
    body = _front_matter_end(lines)
    values = _front_matter(lines, body) if body else {}
    metadata = metadata | _metadata(values)
    tokens = _tokens(lines, body)
    comments = _Comments.of(lines, tokens)
    texts = [
        token.content
        for token in tokens
        if token.type == "inline" and not (token.map and comments.cover(lines.span(*token.map)))
    ]
    hidden = hidden or Hidden()
    for start, end in zip(comments.starts, comments.ends, strict=True):
        if comments.is_hidden(text, start):
            hidden.add_comment(text[start:end].strip("<!->%"))
    return Document(
        title=metadata.get("title") or _first_heading(tokens),
        media_type=media_type,
        parser=parser_version(),
        blocks=(*_note(lines, body), *_blocks(lines, tokens, comments, hidden)),
        metadata=metadata,
        tags=_tags(values, texts),
        links=_links(lines.text[: lines.starts[body]], texts),
        hidden=hidden.found(),
    )


def _front_matter_end(lines: Lines) -> int:
    """The number of the first line after the front matter; 0 where there is none."""
    if lines.line(0).rstrip() != "---":
        return 0
    return next((n + 1 for n in range(1, len(lines)) if lines.line(n).rstrip() in ("---", "...")), 0)


def _front_matter(lines: Lines, body: int) -> dict[str, Any]:
    """Its values by name, in small letters."""
    import yaml

    text = lines.text[lines.starts[1] : lines.starts[body - 1]]
    if len(text) > MAX_FRONT_MATTER:
        return {}
    # BaseLoader reads strings only: no dates to convert, no objects to build.
    try:
        values = yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return {str(key).lower(): value for key, value in values.items()} if isinstance(values, dict) else {}


def _metadata(values: dict[str, Any]) -> dict[str, str]:
    metadata = {key: text for key, value in values.items() if (text := _as_text(value))}
    for key, names in _DATES.items():
        dates = (match[0] for name in names if (match := _DATE.match(metadata.get(name, ""))))
        metadata.pop(key, None)
        if date := next(dates, ""):
            metadata[key] = date.replace(" ", "T")
    return metadata


def _as_text(value: Any) -> str:
    """A word, or a list of words. What is nested deeper is left out: aliases can make it endless."""
    if isinstance(value, list):
        return ", ".join(item.strip() for item in value if isinstance(item, str) and item.strip())
    return value.strip() if isinstance(value, str) else ""


def _note(lines: Lines, body: int) -> Iterator[Block]:
    if body > 2 and lines.slice(span := lines.span(1, body - 1)).strip():
        yield Block("note", lines.slice(span), span=span)


def _tokens(lines: Lines, body: int) -> list["Token"]:
    # The front matter's lines are kept as blank ones, so that line numbers stay the file's.
    return _reader().parse("\n" * body + lines.text[lines.starts[body] :])


@cache
def _reader() -> "MarkdownIt":
    """To make one takes as long as to read a short note.

    Emphasis and links inside a paragraph stay as they are in the file, so they are not looked for: that would take
    quadratic time over some texts. Nor are definitions of links' names, or footnotes of a word would be taken for such.
    """
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table").disable(["inline", "reference"])


def _first_heading(tokens: Sequence["Token"]) -> str:
    headings = (text for token, text in pairwise(tokens) if token.type == "heading_open" and token.tag == "h1")
    return next((" ".join(text.content.split()) for text in headings), "")


def _blocks(lines: Lines, tokens: Sequence["Token"], comments: "_Comments", hidden: Hidden) -> Iterator[Block]:
    path: list[tuple[int, str]] = []
    for index, token in enumerate(tokens):
        if token.level or not token.map:
            continue
        span = lines.span(*token.map)
        headings = tuple(text for _, text in path)
        if comments.cover(span):
            continue
        if token.type == "heading_open":
            title, span = _heading(lines, tokens[index + 1], span)
            level = int(token.tag[1:])
            path = [entry for entry in path if entry[0] < level]
            if title:
                yield Block("heading", title, headings=tuple(text for _, text in path), span=span)
                path.append((level, title))
        elif token.type == "html_block":
            yield from _html(lines, span, headings, hidden)
        elif token.type == "paragraph_open":
            yield from (_seen(block, lines, comments, hidden) for block in _paragraph(lines, span, headings))
        elif (kind := _KINDS.get(token.type)) and span.start < span.end:
            block = Block(kind, lines.slice(span), headings=headings, span=span)
            yield block if kind == "code" else _seen(block, lines, comments, hidden)


def _paragraph(lines: Lines, span: Span, headings: tuple[str, ...]) -> Iterator[Block]:
    """A paragraph, a footnote, or nothing where it only says what the names of links stand for."""
    text = lines.slice(span)
    if _FOOTNOTE.match(text):
        yield Block("note", text, headings=headings, span=span)
    elif text and not all(map(_DEFINITION.fullmatch, map(str.strip, text.split("\n")))):
        yield Block("paragraph", text, headings=headings, span=span)


def _seen(block: Block, lines: Lines, comments: "_Comments", hidden: Hidden) -> Block:
    """The block without the comments in it, and without what its HTML hides."""
    assert block.span is not None
    text = comments.cut(lines, block.span)
    if "<" in text:
        text = _STYLED.sub(lambda match: "" if is_hidden(match[0], hidden) else match[0], text)
    return block if text == block.text else replace(block, text=text.strip())


def _html(lines: Lines, span: Span, headings: tuple[str, ...], hidden: Hidden) -> Iterator[Block]:
    """HTML as a page would show it; where it is not known as such, as it is written."""
    text = lines.slice(span)
    blocks: list[Block] = []
    if is_html := _HTML.match(text):
        try:
            blocks = blocks_of_html(text, hidden)
        except ParseError:
            is_html = None
    if not is_html and text:
        yield Block("paragraph", text, headings=headings, span=span)
    for block in blocks:
        at = text.find(block.text)
        exact = Span(None, span.start + at, span.start + at + len(block.text)) if at >= 0 else span
        yield replace(block, headings=headings + block.headings, span=exact)


def _heading(lines: Lines, inline: "Token", span: Span) -> tuple[str, Span]:
    """The heading's text without its marks, and where that text stands."""
    title = inline.content
    start = lines.text.find(title, span.start, span.end)
    if start < 0:  # a heading of several underlined lines, whose indents are gone
        return " ".join(title.split()), span
    return title, Span(None, start, start + len(title))


@dataclass(frozen=True, slots=True)
class _Comments:
    """Where comments stand, as ranges of characters in order."""

    starts: list[int]
    ends: list[int]

    @classmethod
    def of(cls, lines: Lines, tokens: Sequence["Token"]) -> "_Comments":
        """Obsidian's (%%) begin a line if they go on after it; none begins in code."""
        text = lines.text
        code = [lines.span(*token.map) for token in tokens if token.type in ("fence", "code_block") and token.map]
        comments = cls([], [])
        place = 0
        unclosed: set[str] = set()
        while begin := _COMMENT.search(text, place):
            inside = bisect_right(code, begin.start(), key=lambda span: span.start) - 1
            if inside >= 0 and begin.start() < code[inside].end:
                place = code[inside].end
                continue
            end, place = _comment_end(text, begin, unclosed), begin.end()
            if end:
                comments.starts.append(begin.start())
                comments.ends.append(end)
                place = end
        return comments

    def is_hidden(self, text: str, start: int) -> bool:
        """Whether what begins there is a comment to any reader: two %% in a line may be meant as such."""
        before = max(0, start - MAX_BEFORE)
        line = text[max(before, text.rfind("\n", before, start) + 1) : start]
        return line.count("`") % 2 == 0 and (text.startswith("<!--", start) or not line.strip())

    def cut(self, lines: Lines, span: Span) -> str:
        """The text there, without the comments in it."""
        kept, place = [], span.start
        for at in range(bisect_left(self.starts, span.start), bisect_left(self.starts, span.end)):
            if self.is_hidden(lines.text, self.starts[at]):
                kept.append(lines.text[place : self.starts[at]])
                place = self.ends[at]
        if not kept:
            return lines.slice(span)
        return " ".join(part.strip(" ") for part in (*kept, lines.text[place : span.end])).strip()

    def cover(self, span: Span) -> bool:
        at = bisect_right(self.starts, span.start) - 1
        return at >= 0 and span.end <= self.ends[at]


def _comment_end(text: str, begin: re.Match[str], unclosed: set[str]) -> int:
    """Where the comment that begins there ends; 0 if it is none. `unclosed`: marks of which no end follows any more."""
    mark = "-->" if begin[0] == "<!--" else "%%"
    if mark in unclosed:
        return 0
    end = text.find(mark, begin.end())
    if end < 0:
        unclosed.add(mark)
        return 0
    if mark == "%%":
        line = text.rfind("\n", 0, begin.start()) + 1
        if text[line : begin.start()].strip() and text.find("\n", begin.end(), end) >= 0:
            return 0
    return end + len(mark)


def _tags(values: dict[str, Any], texts: Iterable[str]) -> tuple[str, ...]:
    """Each once, however its letters are written, as it stands first."""
    found: dict[str, str] = {}
    said = re.split(r"[,\s]+", ",".join(_as_text(values.get(name)) for name in ("tags", "tag")))
    for tag in [*said, *(match[1] for text in texts if "#" in text for match in _TAG.finditer(_without_code(text)))]:
        tag = tag.strip("#/")
        if tag and not tag.isdigit():
            found.setdefault(tag.casefold(), tag)
    return tuple(found.values())


def _links(front_matter: str, texts: Iterable[str]) -> tuple[str, ...]:
    """What stands in [[ ]] and in ]( ), and after a link's name, each once; without those to the web."""
    found: dict[str, None] = {}
    for text in (front_matter, *texts):
        if "]" not in text:
            continue
        plain = _without_code(text)
        targets = [(match["wiki"], match["angled"] or match["plain"]) for match in _LINK.finditer(plain)]
        for line in plain.split("\n"):
            if definition := _DEFINITION.fullmatch(line.strip()):
                targets.append((None, definition[1] or definition[2]))
        for note, place in targets:
            found[_file_of(place) if note is None else note.strip(" \t\\")] = None
    return tuple(name for name in found if name)[:MAX_LINKS]


def _file_of(place: str | None) -> str:
    """The file that a link's place names; "" for one on the web and for a place in the same file."""
    return "" if not place or _ELSEWHERE.match(place) else unquote(re.split(r"[#?]", place)[0])


def _without_code(text: str) -> str:
    """The text with what stands between backticks, as many before as after, as blanks."""
    if "`" not in text:
        return text
    runs = [match.span() for match in _BACKTICKS.finditer(text)]
    by_length: dict[int, list[int]] = {}
    for start, end in runs:
        by_length.setdefault(end - start, []).append(start)
    kept, place = [], 0
    for start, end in runs:
        if start < place:
            continue
        same = by_length[end - start]
        following = bisect_right(same, start)
        if following < len(same):
            kept.append(text[place:start])
            place = same[following] + end - start
    return " ".join([*kept, text[place:]])
