"""How many passages an edit of one paragraph, row or line embeds anew, and how full passages are.

    python -m benchmarks.edits [--data ../shared/data/collections/rust-book/src] [--edits 30] [--seed 0]

Each document is written as a file, chunked, edited in one place (a unit replaced, inserted or deleted, in turn) and
chunked again; counted are the embedded texts that it did not have before. Beside Cita's passages stand those filled
from the section's start, as splitters commonly do (the same code, with only the grouping exchanged). Writes
benchmarks/results/edits.md.
"""

import argparse
import inspect
import platform
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from statistics import mean, median, quantiles
from unittest.mock import patch

from ingest import chunk
from ingest.catalog import NewPassage
from ingest.embed import Embedder, open_embedder
from ingest.parse import parse
from settings import CODE, Settings


@dataclass(frozen=True)
class Text:
    """A document as `units` (paragraphs, rows, lines) joined by `joint`, after `head` and before `tail`."""

    name: str
    suffix: str
    units: tuple[str, ...]
    joint: str = "\n\n"
    head: str = ""
    tail: str = ""

    def written(self, units: Sequence[str]) -> str:
        return self.head + self.joint.join(units) + self.tail

    def edits(self, count: int, seed: int) -> Iterator[str]:
        choose = random.Random(seed)
        for n in range(count):
            at = choose.choice(
                [i for i, unit in enumerate(self.units) if unit[:1] != "#"]
            )  # a heading is another thing
            like = self.units[at]
            other = like.replace(choose.choice(like.split() or ["x"]), f"edited{n}", 1)
            changed = [(other,), (like, f"New{n} {other}"), ()][n % 3]
            yield self.written([*self.units[:at], *changed, *self.units[at + 1 :]])


def texts(book: Path) -> Iterator[Text]:
    chapters = [file.read_text(encoding="utf-8") for file in sorted(book.glob("ch*.md"))]
    for chapter in sorted(chapters, key=len)[-2:]:
        yield Text(f"Rust book, {_title(chapter)}", ".md", _paragraphs(chapter))
    prose = [p for chapter in chapters for p in chapter.split("\n\n") if p[:1].isalpha() and len(p) > 40]
    yield Text("all the book's paragraphs, no headings", ".txt", tuple(prose[:1500]))
    yield Text("one paragraph of 1,500 sentences", ".txt", tuple(_sentences(prose)[:1500]), joint=" ")
    words = " ".join(prose).lower().replace(".", "").replace(",", "").split()
    yield Text("12,000 words without a stop", ".txt", tuple(words[:12_000]), joint=" ")
    rows = tuple(
        f"| {n} | item {n * 7919 % 1000} | {n * 31 % 97}.50 | {'yes' if n % 3 else 'no'} |" for n in range(2000)
    )
    header = "| id | name | price | stock |\n|---|---|---|---|\n"
    yield Text("a table of 2,000 rows", ".md", rows, joint="\n", head=header)
    code = inspect.getsource(argparse).splitlines() + inspect.getsource(inspect).splitlines()
    lines = tuple(line for line in code if not line.strip().startswith("```"))[:3000]
    yield Text("3,000 lines of Python", ".md", lines, joint="\n", head="```python\n", tail="\n```\n")
    word = iter(words)
    equal = tuple(" ".join(next(word) for _ in range(45)).capitalize() + "." for _ in range(500))
    yield Text("500 paragraphs of 45 words each", ".txt", equal)
    yield Text("500 times the same paragraph", ".txt", equal[:1] * 500)
    yield Text("100 times the same 5 paragraphs", ".txt", equal[:5] * 100)


def _title(chapter: str) -> str:
    return next(line for line in chapter.splitlines() if line.startswith("#")).strip("# ")


def _paragraphs(chapter: str) -> tuple[str, ...]:
    """Split at empty lines, but not within fenced code."""
    found: list[str] = []
    for part in chapter.split("\n\n"):
        if found and found[-1].count("```") % 2:
            found[-1] += f"\n\n{part}"
        else:
            found.append(part)
    return tuple(found)


def _sentences(paragraphs: list[str]) -> list[str]:
    return [s.rstrip(".") + "." for p in paragraphs for s in p.replace("\n", " ").split(". ") if len(s) > 20]


def filled(sizes: Sequence[int], _: Sequence[chunk.Key], limit: int) -> Iterator[slice]:
    """Groups filled from the start, each as full as it can be."""
    first = used = 0
    for unit, size in enumerate(sizes):
        if used and used + size > limit:
            yield slice(first, unit)
            first, used = unit, 0
        used += size
    yield slice(first, len(sizes))


def measure(text: Text, embedder: Embedder, settings: Settings, edits: int, seed: int) -> str:
    """passages, their tokens on average, and the new ones for an edit: median, 95th percentile, most."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"document{text.suffix}")

        def passages(content: str) -> list[NewPassage]:
            file.write_text(content, encoding="utf-8")
            return chunk.chunk(parse(file), folder, file.name, embedder, settings.chunk)

        before = passages(text.written(text.units))
        known = {new.embedded_text for new in before}
        counts = [len({new.embedded_text for new in passages(edited)} - known) for edited in text.edits(edits, seed)]
    tokens = mean(new.passage.tokens for new in before)
    most_often = quantiles(counts, n=20, method="inclusive")[-1]
    return f"{len(before)} | {tokens:.0f} | {median(counts):.0f} | {most_often:.0f} | {max(counts)}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=CODE.parent / "shared/data/collections/rust-book/src")
    parser.add_argument("--edits", type=int, default=30, help="of each document")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"No data at {options.data}: nothing measured.", file=sys.stderr)
        return 0
    ways: dict[str, Callable[..., Iterator[slice]]] = {"Cita": chunk.group_units, "filled": filled}
    rows = []
    with tempfile.TemporaryDirectory() as home:
        settings = Settings.load(home)
        embedder = open_embedder(settings)
        embedder.offsets = cache(embedder.offsets)  # type: ignore[method-assign]
        for text in texts(options.data):
            for way, group in ways.items():
                with patch.object(chunk, "group_units", group):
                    rows.append(
                        f"| {text.name} | {way} | {measure(text, embedder, settings, options.edits, options.seed)} |"
                    )
                print(rows[-1], flush=True)
    report = [
        "# Passages embedded anew for one edit",
        "",
        f"{date.today()}, {platform.machine()}, Python {platform.python_version()}, {options.edits} edits of each",
        f"document, seed {options.seed}, passages of at most {settings.chunk.tokens} tokens.",
        "Made by `python -m benchmarks.edits`; what is measured is said there.",
        "",
        "| document | grouping | passages | mean tokens | new: median | 95th percentile | most |",
        "|---|---|---|---|---|---|---|",
        *rows,
        "",
    ]
    (CODE / "benchmarks" / "results" / "edits.md").write_text("\n".join(report), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
