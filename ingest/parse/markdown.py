"""Markdown -> Document. Every block is the raw slice of the file, as that is what is quoted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.parse.text import decode
from ingest.parse.text import warm as warm_text
from ingest.types import Block, BlockKind, Document, Span

if TYPE_CHECKING:
    from markdown_it.token import Token

MEDIA_TYPE = "text/markdown"
MAX_FRONT_MATTER = 20_000  # characters; longer is no metadata, and YAML takes its time over it

_KINDS: dict[str, BlockKind] = {
    "paragraph_open": "paragraph",
    "blockquote_open": "paragraph",
    "html_block": "paragraph",
    "bullet_list_open": "list",
    "ordered_list_open": "list",
    "table_open": "table",
    "fence": "code",
    "code_block": "code",
}


@cache
def parser_version() -> str:
    return f"markdown/2 markdown-it-py {version('markdown-it-py')}"


def warm() -> None:
    """Imports the libraries, so that a process forked afterwards starts at once."""
    import markdown_it  # noqa: F401
    import yaml  # noqa: F401

    warm_text()


def parse(path: Path) -> Document:
    """CommonMark with tables. Front matter gives metadata and a block of kind "note".

    The title is the front matter's, else the first heading of level 1, else the file's name.
    Raises ParseError if the file holds no text but binary data.
    """
    text, encoding = decode(path.read_bytes())
    lines = _Lines.of(text)
    body = _front_matter_end(lines)
    metadata = {"encoding": encoding} | (_front_matter(lines, body) if body else {})
    tokens = _tokens(lines, body)
    blocks = [*_note(lines, body), *_blocks(lines, tokens)]
    return Document(
        title=metadata.get("title") or _first_heading(tokens),
        media_type=MEDIA_TYPE,
        parser=parser_version(),
        blocks=tuple(blocks),
        metadata=metadata,
    )


@dataclass(frozen=True, slots=True)
class _Lines:
    """A text by its lines; `starts` has one entry more than there are lines."""

    text: str
    starts: list[int]

    @classmethod
    def of(cls, text: str) -> "_Lines":
        return cls(text, [0, *accumulate(len(line) + 1 for line in text.split("\n"))])

    def __len__(self) -> int:
        return len(self.starts) - 1

    def line(self, number: int) -> str:
        return self.text[self.starts[number] : self.starts[number + 1] - 1]

    def span(self, first: int, end: int) -> Span:
        """Lines `first` to before `end`, without blank lines around them."""
        start, stop = self.starts[first], min(self.starts[end], len(self.text))
        raw = self.text[start:stop]
        stop -= len(raw) - len(raw.rstrip())
        while first < end - 1 and not self.line(first).strip():
            first += 1
        return Span(None, min(self.starts[first], stop), stop)

    def slice(self, span: Span) -> str:
        return self.text[span.start : span.end]


def _front_matter_end(lines: _Lines) -> int:
    """The number of the first line after the front matter; 0 where there is none."""
    if lines.line(0).rstrip() != "---":
        return 0
    return next((n + 1 for n in range(1, len(lines)) if lines.line(n).rstrip() in ("---", "...")), 0)


def _front_matter(lines: _Lines, body: int) -> dict[str, str]:
    import yaml

    text = lines.text[lines.starts[1] : lines.starts[body - 1]]
    if len(text) > MAX_FRONT_MATTER:
        return {}
    # BaseLoader reads strings only: no dates to convert, no objects to build.
    try:
        values = yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    if not isinstance(values, dict):
        return {}
    texts = {str(key).lower(): _as_text(value) for key, value in values.items()}
    return {key: text for key, text in texts.items() if text}


def _as_text(value: Any) -> str:
    """A word, or a list of words. What is nested deeper is left out: aliases can make it endless."""
    if isinstance(value, list):
        return ", ".join(item.strip() for item in value if isinstance(item, str) and item.strip())
    return value.strip() if isinstance(value, str) else ""


def _note(lines: _Lines, body: int) -> Iterator[Block]:
    if body > 2 and lines.slice(span := lines.span(1, body - 1)).strip():
        yield Block("note", lines.slice(span), span=span)


def _tokens(lines: _Lines, body: int) -> list["Token"]:
    from markdown_it import MarkdownIt

    # Emphasis and links inside a paragraph stay as they are in the file, so they are not looked for: that would take
    # quadratic time over some texts. The front matter's lines are kept as blank ones, so that line numbers stay the
    # file's.
    return (
        MarkdownIt("commonmark").enable("table").disable("inline").parse("\n" * body + lines.text[lines.starts[body] :])
    )


def _first_heading(tokens: Sequence["Token"]) -> str:
    headings = (text for token, text in pairwise(tokens) if token.type == "heading_open" and token.tag == "h1")
    return next((" ".join(text.content.split()) for text in headings), "")


def _blocks(lines: _Lines, tokens: Sequence["Token"]) -> Iterator[Block]:
    path: list[tuple[int, str]] = []
    for index, token in enumerate(tokens):
        if token.level or not token.map:
            continue
        span = lines.span(*token.map)
        if token.type == "heading_open":
            title, span = _heading(lines, tokens[index + 1], span)
            level = int(token.tag[1:])
            path = [entry for entry in path if entry[0] < level]
            if title:
                yield Block("heading", title, headings=tuple(text for _, text in path), span=span)
                path.append((level, title))
        elif (kind := _KINDS.get(token.type)) and span.start < span.end:
            yield Block(kind, lines.slice(span), headings=tuple(text for _, text in path), span=span)


def _heading(lines: _Lines, inline: "Token", span: Span) -> tuple[str, Span]:
    """The heading's text without its marks, and where that text stands."""
    title = inline.content
    start = lines.text.find(title, span.start, span.end)
    if start < 0:  # a heading of several underlined lines, whose indents are gone
        return " ".join(title.split()), span
    return title, Span(None, start, start + len(title))
