"""How fast a first index is made: Cita beside its own embedder alone, and beside the pipeline that tutorials show.

    python -m benchmarks.indexing [--data ../shared/data] [--notes 1000] [--turns 3]

Three collections, each indexed from nothing: notes (pages of tldr, some 550 characters each), a book (The Rust
Programming Language, in Markdown) and PDFs (of py-pdf's sample files those without a password). In turns, one after the
other on the same files:

- Cita: one whole index run of a new home, its embedder loaded: look, plan, parse in worker processes, chunk, embed,
  store, Chroma's folder.
- The embedder alone: the same texts that the run embedded, all at once, in the same process right after it.
- The tutorial (benchmarks/peers/tutorial_indexing.py): LangChain's loaders and splitter, sentence-transformers, Chroma,
  its model loaded too.

Seconds by the wall, and of the processors with those of child processes: on a busy machine only the latter compare.
Writes benchmarks/results/indexing.md, unless --notes asks for fewer. Exits with 1 if by the wall, over all three
collections together, Cita reaches less than 90 % of its embedder alone, or less than 2.5 times the tutorial's speed.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks.reindex import evenly, pages, write_notes
from engine import LocalEngine, open_engine
from errors import CitaError
from ingest.cores import usable_cores
from ingest.embed import Embedder, Vectors, open_embedder
from settings import CODE, Settings

NOTES = 1_000
OF_EMBEDDER, OF_TUTORIAL = 0.9, 2.5
LOCKED = {"005-libreoffice-writer-password"}


@dataclass(frozen=True)
class Taken:
    wall: float
    processors: float


@dataclass(frozen=True)
class Turn:
    """One turn of one collection."""

    files: int
    passages: int
    chunks: int
    cita: Taken
    embedder: Taken
    tutorial: Taken


class Recorded:
    """An embedder that keeps the texts it was given."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.fingerprint, self.window = embedder.fingerprint, embedder.window
        self.texts: list[str] = []

    def offsets(self, text: str) -> Sequence[tuple[int, int]]:
        return self._embedder.offsets(text)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        return self._embedder.embed_passages(texts)

    def embed_query(self, text: str) -> Vectors:
        return self._embedder.embed_query(text)


class _Clock:
    """The wall's seconds, and those of this process and of its children that have ended."""

    def __init__(self) -> None:
        self._wall, self._processors = time.monotonic(), _processor_seconds()

    def read(self) -> Taken:
        return Taken(time.monotonic() - self._wall, _processor_seconds() - self._processors)


def _processor_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def index(folder: Path, home: Path) -> tuple[int, int, Taken, list[str]]:
    """Files and passages of a whole run, what it took, and the texts that it embedded."""
    settings = Settings.load(home)
    recorded = Recorded(open_embedder(settings))
    recorded.embed_query("warm")
    engine = open_engine(settings)
    if not isinstance(engine, LocalEngine):
        raise CitaError("Another process has the home.")
    engine.__dict__["_embedder"] = recorded  # in place of its own, which it would open at this point
    engine.add_folders([folder])
    clock = _Clock()
    report = engine.index()
    engine.close()  # its workers end, and so their time is counted
    return report.added, report.passages, clock.read(), recorded.texts


def turn(folder: Path, home: Path) -> Turn:
    files, passages, cita, texts = index(folder, home)
    embedder = open_embedder(Settings.load(home))
    embedder.embed_query("warm")
    clock = _Clock()
    embedder.embed_passages(texts)
    alone = clock.read()
    command = [sys.executable, "-m", "benchmarks.peers.tutorial_indexing", str(folder), str(home / "tutorial")]
    done = subprocess.run(command, cwd=CODE, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CitaError(f"The tutorial ended with {done.returncode}: {done.stderr[-1000:]}")
    tutorial = json.loads(done.stdout.splitlines()[-1])
    taken = Taken(tutorial["seconds"], tutorial["processor_seconds"])
    return Turn(files, passages, tutorial["chunks"], cita, alone, taken)


def collections(data: Path, notes: int, work: Path) -> dict[str, Path]:
    """Writes the three collections; their folders."""
    folders = {name: work / name for name in ("notes", "book", "PDFs")}
    write_notes(folders["notes"], evenly(pages(data / "collections" / "tldr-en-es" / "tldr-en-es.tar.gz"), notes))
    for name, source, pattern in (
        ("book", data / "collections" / "rust-book", "*.md"),
        ("PDFs", data / "documents" / "py-pdf-sample-files", "*.pdf"),
    ):
        for file in sorted(source.rglob(pattern)):
            if not LOCKED & set(file.parts):
                copy = folders[name] / file.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
    return folders


def measured(folder: Path, home: Path, graphs: Path, turns: int) -> list[Turn]:
    found = []
    for number in range(turns):
        models = home / str(number) / "models"
        models.mkdir(parents=True)
        (models / "embedder").symlink_to(graphs)
        found.append(turn(folder, home / str(number)))
        shutil.rmtree(home / str(number))
    return found


def _median(turns: list[Turn], what: str, measure: str) -> float:
    return statistics.median(getattr(getattr(one, what), measure) for one in turns)


def _row(name: str, turns: list[Turn]) -> list[str]:
    first = turns[0]
    row = [name, f"{first.files:,}", f"{first.passages:,}", f"{first.chunks:,}"]
    for measure in ("wall", "processors"):
        cita, embedder, tutorial = (_median(turns, what, measure) for what in ("cita", "embedder", "tutorial"))
        row += [f"{cita:.1f}", f"{embedder:.1f}", f"{tutorial:.1f}", f"{embedder / cita:.0%}", f"{tutorial / cita:.1f}"]
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=CODE.parent / "shared" / "data")
    parser.add_argument("--notes", type=int, default=NOTES)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"No data at {options.data}: NOTHING MEASURED.", file=sys.stderr)
        return 0
    for name in [name for name in os.environ if name.startswith("CITA_")]:
        del os.environ[name]
    load = os.getloadavg()[0]
    turns: dict[str, list[Turn]] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder).resolve()
        open_embedder(Settings.load(work / "embedder"))  # its graph is exported once, and is no part of any figure
        graphs = work / "embedder" / "models" / "embedder"
        for name, documents in collections(options.data, options.notes, work / "documents").items():
            turns[name] = measured(documents, work / "home" / name, graphs, options.turns)
            print("\t".join(_row(name, turns[name])), file=sys.stderr, flush=True)
    sums = {
        what: sum(_median(each, what, "wall") for each in turns.values()) for what in ("cita", "embedder", "tutorial")
    }
    of_embedder, of_tutorial = sums["embedder"] / sums["cita"], sums["tutorial"] / sums["cita"]
    header = ["", "files", "passages", "tutorial's chunks"]
    for unit in ("s", "processor s"):
        header += [f"Cita, {unit}", f"embedder alone, {unit}", f"tutorial, {unit}", "of embedder", "x tutorial"]
    report = [
        "# The first index",
        "",
        f"{date.today()}, {platform.machine()}, {usable_cores()} cores, Python {platform.python_version()}, load",
        f"before it began {load:.1f}. Medians of {options.turns} turns. Made by `python -m benchmarks.indexing`;",
        "what is measured is said there.",
        "",
        *(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header))),
        *(f"| {' | '.join(_row(name, each))} |" for name, each in turns.items()),
        "",
        f"All three together, by the wall: {of_embedder:.0%} of the embedder alone (promised: {OF_EMBEDDER:.0%}),",
        f"{of_tutorial:.1f} times as fast as the tutorial (promised: {OF_TUTORIAL}).",
        "",
    ]
    text = "\n".join(report)
    print(text)
    if options.notes >= NOTES:
        (CODE / "benchmarks" / "results" / "indexing.md").write_text(text, encoding="utf-8")
    return int(of_embedder < OF_EMBEDDER or of_tutorial < OF_TUTORIAL)


if __name__ == "__main__":
    sys.exit(main())
