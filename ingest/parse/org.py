"""Org -> Document. Every block is a slice of the file; nothing that it includes is opened.

https://orgmode.org/worg/org-syntax.html
"""

import re
from functools import cache
from pathlib import Path

from ingest.parse.lines import Lines, Outline
from ingest.parse.text import decode
from ingest.parse.text import parser_version as text_version
from ingest.parse.text import warm as warm
from ingest.types import Document

MEDIA_TYPE = "text/org"

_HEADING = re.compile(r"(\*+)[ \t]+(.*)")
_TASK = re.compile(
    r"(?:(?:TODO|DONE|NEXT|WAITING|HOLD|CANCELED|CANCELLED|STARTED)(?:[ \t]+|$))?(?:\[#\w\](?:[ \t]+|$))?"
)
_HEADING_TAGS = re.compile(r"[ \t]+:([\w@#%:]+):[ \t]*$")
_KEYWORD = re.compile(r"#\+(\w[\w-]*)(?:\[[^\]]*\])?:[ \t]*(.*)", re.I)
_BEGIN = re.compile(r"#\+begin_(\S+)", re.I)
_DRAWER = re.compile(r":[\w-]+:[ \t]*$")
_ITEM = re.compile(r"(?:[-+]|\d{1,9}[.)]|[A-Za-z][.)])(?:[ \t]+|$)")
_STARRED_ITEM = re.compile(r"[ \t]+\*[ \t]")
_FOOTNOTE = re.compile(r"\[fn:[^\]\n]+\]")
_LINK = re.compile(r"\[\[([^\[\]\n]+)\](?:\[[^\[\]\n]*\])?\]")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_DATE = re.compile(r"[<\[]?(\d{4}-\d{2}-\d{2})(?:[^\d>\]]*(\d{1,2}:\d{2}))?")

_CODE = frozenset(("src", "example", "export"))
_HIDDEN = frozenset(("comment",))
_METADATA = {"author": "author", "description": "description", "keywords": "keywords", "language": "language"}


@cache
def parser_version() -> str:
    return f"org/1 {text_version()}"


def parse(path: Path) -> Document:
    """Headings without their task words, priorities and tags; paragraphs, lists, tables, blocks of code, footnotes.
    Title and metadata are those of #+TITLE: and the like, tags those of the file and of its headings. Comments,
    drawers and settings are left out.

    Raises ParseError if the file holds no text but binary data.
    """
    text, encoding = decode(path.read_bytes())
    reader = _Reader(Lines.of(text))
    reader.read(0, len(reader.lines))
    headings = (block.text for block in reader.outline.blocks if block.kind == "heading")
    return Document(
        title=reader.title or next(headings, ""),
        media_type=MEDIA_TYPE,
        parser=parser_version(),
        blocks=tuple(reader.outline.blocks),
        metadata={"encoding": encoding} | reader.metadata,
        tags=tuple(dict.fromkeys(reader.tags)),
        links=_links(text),
    )


class _Reader:
    """Reads lines into an outline. Each step takes the first line of something and gives the first after it; 0 if it
    is something else."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.outline = Outline(lines)
        self.title = ""
        self.metadata: dict[str, str] = {}
        self.tags: list[str] = []
        self._ends = _ends(lines)

    def read(self, at: int, end: int) -> None:
        while (at := self.lines.next_text(at, end)) < end:
            line = self.lines.line(at)
            text = line.strip()
            after = (
                self._heading(at, line)
                or self._block(at, end, text)
                or self._keyword(at, text)
                or self._drawer(at, text)
                or self._run(at, end, text)
                or self._list(at, end)
                or self._paragraph(at, end)
            )
            at = max(after, at + 1)

    def _heading(self, at: int, line: str) -> int:
        found = _HEADING.match(line)
        if not found:
            return 0
        title = found[2].strip()
        if tags := _HEADING_TAGS.search(f" {title}"):
            self.tags += [tag for tag in tags[1].split(":") if tag]
            title = f" {title}"[: tags.start()].strip()
        task = _TASK.match(title)
        self.outline.heading(len(found[1]), title[task.end() :].strip() if task else title, at)
        return at + 1

    def _block(self, at: int, end: int, text: str) -> int:
        begin = _BEGIN.match(text)
        after = self._ends.get(at, 0) if begin else 0
        if not begin or not after or after > end:
            return 0
        name = begin[1].lower()
        if name in _CODE:
            self.outline.add("code", at + 1, after - 1)
        elif name not in _HIDDEN:
            self.read(at + 1, after - 1)
        return after

    def _keyword(self, at: int, text: str) -> int:
        """#+NAME: value, and comments."""
        if text == "#" or text.startswith("# "):
            return at + 1
        keyword = _KEYWORD.match(text)
        if not keyword:
            return at + 1 if text.lower().startswith(("#+begin_", "#+end_")) else 0
        name, value = keyword[1].lower(), keyword[2].strip()
        if name == "title":
            self.title = f"{self.title} {value}".strip()
        elif name == "filetags":
            self.tags += re.findall(r"[^\s:]+", value)
        elif name == "caption":
            self.outline.add_text("caption", value, at, at + 1)
        elif name == "date" and (date := _DATE.match(value)):
            self.metadata["date"] = f"{date[1]}T{date[2].zfill(5)}" if date[2] else date[1]
        elif value and name in _METADATA:
            before = self.metadata.get(_METADATA[name])
            self.metadata[_METADATA[name]] = f"{before}, {value}" if before else value
        return at + 1

    def _drawer(self, at: int, text: str) -> int:
        """:PROPERTIES: to :END:, what a program notes and Org folds away."""
        return self._ends.get(at, 0) if _DRAWER.match(text) else 0

    def _run(self, at: int, end: int, text: str) -> int:
        """Lines that begin alike: a table, text as it is typed; or a rule."""
        if re.fullmatch(r"-{5,}", text):
            return at + 1
        for sign, kind in (("|", "table"), (": ", "code")):
            if text.startswith(sign) or f"{text} " == sign:
                after = at
                while after < end and f"{self.lines.line(after).strip()} ".startswith(sign):
                    after += 1
                if kind == "table":
                    self.outline.add("table", at, after)
                else:
                    self.outline.add("code", at, after)
                return after
        return 0

    def _list(self, at: int, end: int) -> int:
        indent = self.lines.indent(at)
        if not self._is_item(at):
            return 0
        after = at + 1
        while after < end:
            text = self.lines.next_text(after, end)
            if text >= end or text - after > 1:  # two empty lines end a list
                break
            deeper = self.lines.indent(text) > indent
            if not deeper and not (self.lines.indent(text) == indent and self._is_item(text)):
                break
            after = text + 1
        self.outline.add("list", at, after)
        return after

    def _is_item(self, at: int) -> bool:
        line = self.lines.line(at)
        return bool(_ITEM.match(line.lstrip()) or _STARRED_ITEM.match(line))

    def _paragraph(self, at: int, end: int) -> int:
        after = at + 1
        while after < end and not self._begins_anew(after):
            after += 1
        self.outline.add("note" if _FOOTNOTE.match(self.lines.line(at)) else "paragraph", at, after)
        return after

    def _begins_anew(self, at: int) -> bool:
        line = self.lines.line(at)
        text = line.strip()
        return (
            not text
            or text.startswith(("|", "#+", "# ", ": "))
            or bool(_HEADING.match(line) or _FOOTNOTE.match(line) or (_DRAWER.match(text) and at in self._ends))
            or self._is_item(at)
        )


def _ends(lines: Lines) -> dict[int, int]:
    """For each line that begins a block or a drawer, the line after the one that ends it. Blocks of code hold no
    others."""
    ends: dict[int, int] = {}
    begun: dict[str, list[int]] = {}
    drawer = -1
    for n in range(len(lines)):
        text = lines.line(n).strip().lower()
        if text.startswith("#+begin_"):
            begun.setdefault(text[8:].split(maxsplit=1)[0] if text[8:].split() else "", []).append(n)
        elif text.startswith("#+end_") and (
            starts := begun.get(text[6:].split(maxsplit=1)[0] if text[6:].split() else "")
        ):
            ends[starts[0]] = n + 1
            starts.clear()
        elif text == ":end:" and drawer >= 0:
            ends[drawer], drawer = n + 1, -1
        elif _DRAWER.match(text):
            drawer = n
        elif text.startswith("*"):
            drawer = -1
    return ends


def _links(text: str) -> tuple[str, ...]:
    """The files that it links to."""
    found: dict[str, None] = {}
    for match in _LINK.finditer(text):
        target = match[1].strip().removeprefix("file:").split("::")[0]
        if not _SCHEME.match(target) and not target.startswith(("#", "*", "(", "//")):
            found[target] = None
    return tuple(name for name in found if name and ("." in name or "/" in name))
