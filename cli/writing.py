"""What prints: the result to standard output, messages to standard error, nothing that a terminal would obey."""

import json
import os
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import typer

from errors import CitaError, UsageError

if TYPE_CHECKING:
    from ingest.types import VerifyReport

# What could move the cursor, forge a line or turn text around: control characters but tab and newline, line
# separators, marks of direction, invisible tags, lone surrogates.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def clean(text: str) -> str:
    """Text of a document or a model, made harmless on a terminal."""
    return _HARMFUL.sub(lambda match: ascii(match[0])[1:-1], text.replace("\r\n", "\n"))


def clean_name(name: str) -> str:
    """A file's name or another that has its place on one line."""
    from ingest.names import printable

    return clean(printable(name)).replace("\n", "\\n").replace("\t", "\\t")


def print_json(value: dict[str, Any]) -> None:
    """ASCII only: harmless on a terminal and the same in any encoding."""
    print(json.dumps(value, allow_nan=False))


def pick(value: Any, keys: Sequence[str]) -> dict[str, Any]:
    """These fields of a dataclass."""
    fields = asdict(value)
    return {key: fields[key] for key in keys}


def say(message: str) -> None:
    """A message for the person, beside the result."""
    print(wrapped(clean(message), stream=sys.stderr), file=sys.stderr, flush=True)


def print_line(text: str, style: str = "") -> None:
    """A line of the result; styled on a terminal only."""
    if sys.stdout.isatty() and style:
        console().print(text, style=style)
    else:
        print(text)


def console(stderr: bool = False) -> Any:
    """A rich console that takes text as it is."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)


def print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Labels and values below each other."""
    for label, value in pairs:
        before = f"{label:<14}"
        for line in value.split("\n"):
            print_line(wrapped(line, before, " " * 14))
            before = " " * 14


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns on a terminal, tabs elsewhere."""
    if not sys.stdout.isatty():
        for row in (headers, *rows):
            print("\t".join(" ".join(cell.split()) for cell in row))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(*headers, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    console().print(table, soft_wrap=False)


def place_words(path: str, page: int | None, page_to: int | None, section: str) -> str:
    """Where a passage stands: 'contracts/lease.pdf, page 2, Lease > Deposit'."""
    pages = f"pages {page}-{page_to}" if page and page_to and page_to > page else f"page {page}" if page else ""
    return ", ".join(filter(None, (clean_name(path), pages, clean_name(section))))


def indented(text: str) -> str:
    """Text under its heading line; wrapped to fit a terminal."""
    return "\n".join(wrapped(line, "    ", "    ") if line.strip() else "" for line in clean(text).splitlines())


def wrapped(text: str, before: str = "", indent: str = "", stream: Any = None) -> str:
    """A line of text behind `before`; where a terminal ends it goes on below, behind `indent`, between two words."""
    if not (stream or sys.stdout).isatty():
        return before + text
    width = shutil.get_terminal_size().columns
    filled = textwrap.fill(text, width, initial_indent=before, subsequent_indent=indent, break_on_hyphens=False)
    return filled or before


def size_words(count: float) -> str:
    """'3.2 GB'."""
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def duration_words(seconds: float) -> str:
    """'0.4 s', '12 min' or '2 h 5 min'."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


class Show(Protocol):
    def __call__(self, done: int, total: int, said: str = "", name: str = "") -> None:
        """`said` is a remark on how it goes, `name` what is worked on now."""


@contextmanager
def progress(doing: str, what: str, said: str = "") -> Iterator[Show]:
    """How far something has come that takes long: a bar on a terminal, a line now and then elsewhere. `what` are the
    things that are counted, `said` stands there until the first is known."""
    if not sys.stderr.isatty():
        yield _Lines(what)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.table import Column

    columns = (
        TextColumn(doing),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}", markup=False),
        TextColumn(
            "{task.fields[name]}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
        ),
    )
    with Progress(*columns, console=console(stderr=True), expand=True, transient=True) as bar:
        task = bar.add_task(doing, total=None, said=said, name="")

        def show(done: int, total: int, said: str = "", name: str = "") -> None:
            bar.update(task, completed=done, total=total, said=said, name=clean_name(name))

        yield show


class _Lines:
    """A line now and then, for logs and pipes."""

    SECONDS = 5.0

    def __init__(self, what: str) -> None:
        self._what = what
        self._next = time.monotonic() + self.SECONDS

    def __call__(self, done: int, total: int, said: str = "", name: str = "") -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self.SECONDS
            say(", ".join(filter(None, (f"{done} of {total} {self._what}", said or clean_name(name)))))


def write_new(file: Path, content: bytes) -> None:
    """Writes a file that is not there yet, readable by its owner only. Raises UsageError if there is such a file."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    except FileExistsError as error:
        raise UsageError(f"{str(file)!r} is there already.", hint="Name another file, or move it away.") from error
    with os.fdopen(handle, "wb") as opened:
        opened.write(content)


def sound() -> "VerifyReport":
    """What a command reports that found no problem."""
    from ingest.types import VerifyReport

    return VerifyReport(ok=True, problems=())


def print_verdict(report: "VerifyReport", as_json: bool, good: str) -> None:
    """The problems; `good` where there are none."""
    if as_json:
        print_json(asdict(report))
        return
    for problem in report.problems:
        print_line(clean(problem))
    if report.ok:
        print_line(good)


def confirm(question: str, yes: bool, otherwise: str = "Nothing was deleted") -> None:
    """Raises UsageError where nobody can be asked, CitaError where the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{otherwise}: this asks first.", hint="Add --yes.")
    if not typer.confirm(question, err=True):
        raise CitaError(f"{otherwise}.")
