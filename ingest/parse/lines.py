"""What the readers of marked-up text share: a text by its lines, and blocks that are slices of it under headings."""

from dataclasses import dataclass, field
from itertools import accumulate

from ingest.types import Block, BlockKind, Span


@dataclass(frozen=True, slots=True)
class Lines:
    """A text by its lines; `starts` has one entry more than there are lines."""

    text: str
    starts: list[int]

    @classmethod
    def of(cls, text: str) -> "Lines":
        return cls(text, [0, *accumulate(len(line) + 1 for line in text.split("\n"))])

    def __len__(self) -> int:
        return len(self.starts) - 1

    def line(self, number: int) -> str:
        return self.text[self.starts[number] : self.starts[number + 1] - 1]

    def is_blank(self, number: int) -> bool:
        return not self.line(number).strip()

    def indent(self, number: int) -> int:
        line = self.line(number)
        return len(line) - len(line.lstrip())

    def span(self, first: int, end: int) -> Span:
        """Lines `first` to before `end`, without blank lines around them."""
        start, stop = self.starts[first], min(self.starts[end], len(self.text))
        raw = self.text[start:stop]
        stop -= len(raw) - len(raw.rstrip())
        while first < end - 1 and self.is_blank(first):
            first += 1
        return Span(None, min(self.starts[first], stop), stop)

    def slice(self, span: Span) -> str:
        return self.text[span.start : span.end]

    def next_blank(self, number: int, end: int) -> int:
        """The first blank line from `number` on, `end` if there is none before it."""
        return next((n for n in range(number, end) if self.is_blank(n)), end)

    def next_text(self, number: int, end: int) -> int:
        """The first line from `number` on that is not blank, `end` if there is none before it."""
        return next((n for n in range(number, end) if not self.is_blank(n)), end)

    def indented_end(self, number: int, end: int, indent: int = 0) -> int:
        """The first line from `number` on that is neither blank nor indented by more than `indent`; blank lines before
        it do not count."""
        last = number
        for n in range(number, end):
            if self.is_blank(n):
                continue
            if self.indent(n) <= indent:
                break
            last = n + 1
        return last


@dataclass
class Outline:
    """The blocks of a text, as they are found, each under the headings that came before it."""

    lines: Lines
    blocks: list[Block] = field(default_factory=list)
    _path: list[tuple[int, str]] = field(default_factory=list)

    def heading(self, level: int, title: str, number: int) -> None:
        """`title` stands on line `number`; if it is not written there as it is, the span is the line's. A heading
        without one only ends those above it."""
        self._path = [entry for entry in self._path if entry[0] < level]
        if not title:
            return
        line = self.lines.span(number, number + 1)
        at = self.lines.text.find(title, line.start, line.end)
        span = line if at < 0 else Span(None, at, at + len(title))
        self.blocks.append(Block("heading", title, headings=self._headings(), span=span))
        self._path.append((level, title))

    def add(self, kind: BlockKind, first: int, end: int) -> None:
        """A block that is lines `first` to before `end`. What is no code, list or table begins without its indent."""
        if first >= end:
            return
        span = self.lines.span(first, end)
        if kind not in ("code", "list", "table"):
            raw = self.lines.slice(span)
            span = Span(None, span.start + len(raw) - len(raw.lstrip()), span.end)
        self.add_span(kind, span)

    def add_span(self, kind: BlockKind, span: Span) -> None:
        """A block that is exactly this part of the text."""
        if self.lines.slice(span).strip():
            self.blocks.append(Block(kind, self.lines.slice(span), headings=self._headings(), span=span))

    def add_text(self, kind: BlockKind, text: str, first: int, end: int) -> None:
        """A block whose text is made from lines `first` to before `end`, as of a table whose rows are no lines."""
        if text.strip():
            self.blocks.append(Block(kind, text, headings=self._headings(), span=self.lines.span(first, end)))

    def _headings(self) -> tuple[str, ...]:
        return tuple(title for _, title in self._path)


def rows_text(rows: list[list[str]]) -> str:
    """A table's rows, a line each, two spaces between cells. An empty cell keeps its place."""
    lines = ("  ".join(" ".join(cell.split()) for cell in row).rstrip() for row in rows)
    return "\n".join(line for line in lines if line)
