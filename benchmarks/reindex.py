"""How fast the index follows the folder: many small notes, one thing changed at a time.

    python -m benchmarks.reindex [--notes 10000] [--share 500] [--data tldr-en-es.tar.gz]

First Cita over all notes; then, over a share of them, Cita beside a script of the kind that tutorials show and beside
LangChain's indexing API (benchmarks/peers/tutorial_rag.py), all with the same embedder. Each thing is measured warm (a
process that has everything open and loaded) and as a command (from the start of a process to its end). Memory is the
resident set, looked at five times a second from outside; the parsers' processes are counted apart, with every page
that they share.

Writes benchmarks/results/reindex.md, unless --notes asks for fewer. Exits with 1 if Cita is over one of the BOUNDS, or
if what it holds at the end is not what lies in the folder.
"""

import argparse
import contextlib
import importlib.metadata
import multiprocessing
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import psutil

from benchmarks.peers.tutorial_rag import IndexingApi, Tutorial
from engine import open_engine
from errors import CitaError
from ingest.embed import open_embedder
from settings import CODE, Settings

TLDR = CODE.parent / "shared" / "data" / "collections" / "tldr-en-es" / "tldr-en-es.tar.gz"
FIRST = "first index"
NOTES = 10_000
SHARE = 500
REPEATS = 3
BOUNDS = {"nothing changed": 2.0, "one note changed": 1.0}  # seconds, warm, over all notes
LIBRARIES = ("chromadb", "langchain-core", "langchain-community", "onnxruntime")


class Indexer(Protocol):
    """One way to keep an index of a folder, opened once and then warm."""

    def index(self) -> int:
        """Brings the index in line with the folder; how many passages were embedded for it."""
        ...

    def passages(self) -> int: ...
    def documents(self) -> set[str]:
        """Paths, relative to the folder, of the files that the index has passages of."""
        ...

    def close(self) -> None: ...


class Cita:
    def __init__(self, notes: Path, home: Path) -> None:
        self._engine = open_engine(Settings.load(home))
        self._engine.add_folders([notes])

    def index(self) -> int:
        report = self._engine.index()
        if report.failed or report.skipped:
            raise CitaError(f"Notes were left out: {(report.failed + report.skipped)[:3]}.")
        return report.embedded

    def passages(self) -> int:
        return self._engine.status().passages

    def documents(self) -> set[str]:
        return {source.path for source in self._engine.sources()}

    def close(self) -> None:
        self._engine.close()


@dataclass(frozen=True)
class Way:
    """How an index is kept: the warm one, and the command that does the same in a new process."""

    name: str
    indexer: Callable[[Path, Path], Indexer]
    command: Callable[[Path, Path], Sequence[str]]


def _peer(way: str) -> Callable[[Path, Path], Sequence[str]]:
    return lambda notes, home: [sys.executable, "-m", "benchmarks.peers.tutorial_rag", way, str(notes), str(home)]


CITA = Way("Cita", Cita, lambda _, home: [sys.executable, "-m", "cli", "--home", str(home), "index", "--json"])
INDEXING_API = Way("indexing API", IndexingApi, _peer("indexing-api"))
TUTORIAL = Way("tutorial", Tutorial, _peer("tutorial"))


# --- what happens to the folder


def change_note(notes: Path, turn: int) -> None:
    note = _note(notes, turn, 0.2)
    note.write_text(f"{note.read_text(encoding='utf-8')}\n- A line that was not there before, {turn}.\n", "utf-8")


def rename_note(notes: Path, turn: int) -> None:
    note = _note(notes, turn, 0.4)
    note.rename(note.with_name(f"renamed-{turn}-{note.name}"))


def rename_folder(notes: Path, turn: int) -> None:
    """The folder that holds the most notes."""
    sizes = Counter(note.parent for note in notes.rglob("*.md"))
    folder = max(sorted(sizes), key=lambda folder: sizes[folder])
    folder.rename(folder.with_name(f"renamed-{turn}-{folder.name}"))


def delete_note(notes: Path, turn: int) -> None:
    _note(notes, turn, 0.6).unlink()


def add_note(notes: Path, turn: int) -> None:
    (notes / f"new-{turn}.md").write_text(f"# New {turn}\n\nWhere the spare key for shed {turn} hangs.\n", "utf-8")


def _note(notes: Path, turn: int, where: float) -> Path:
    """Another note each turn, from the same part of the folder."""
    files = sorted(notes.rglob("*.md"))
    return files[(int(where * len(files)) + turn) % len(files)]


STEPS: dict[str, Callable[[Path, int], None]] = {
    "nothing changed": lambda _notes, _turn: None,
    "one note changed": change_note,
    "one note renamed": rename_note,
    "the largest folder renamed": rename_folder,
    "one note deleted": delete_note,
    "one note new": add_note,
}


# --- measuring


@dataclass
class Figures:
    """What was measured of one way. Seconds by step, `embedded` passages in one turn of it, memory and size in bytes.

    `astray` counts files of the index that are not in the folder, and of the folder that are not in the index.
    """

    way: str
    notes: int
    warm: dict[str, list[float]] = field(default_factory=dict)
    command: dict[str, float] = field(default_factory=dict)
    embedded: dict[str, int] = field(default_factory=dict)
    passages_first: int = 0
    passages_unchanged: int = 0
    passages_last: int = 0
    astray: int = 0
    size: int = 0
    memory: int = 0
    memory_workers: int = 0

    def shown(self, step: str) -> str:
        """The median of the turns, and the slowest in brackets."""
        turns = self.warm.get(step)
        if not turns:
            return "–"
        return f"{statistics.median(turns):.2f}" + (f" ({max(turns):.2f})" if len(turns) > 1 else "")

    def ratio(self, other: "Figures", step: str) -> str:
        """How many times as long the other takes."""
        if step not in self.warm or step not in other.warm:
            return "–"
        return f"{statistics.median(other.warm[step]) / statistics.median(self.warm[step]):.1f}"


def measure(way: Way, notes: Path, home: Path, steps: Sequence[str], turns: int, commands: Sequence[str]) -> Figures:
    """Indexes the folder, then does the steps to it: `turns` times with a warm indexer, then once with a command."""
    figures = Figures(way.name, sum(1 for _ in notes.rglob("*.md")))
    with _Warm(way, notes, home) as warm:
        seconds, figures.embedded[FIRST], figures.passages_first = warm.index()
        figures.warm[FIRST] = [seconds]
        _say(f"{way.name}, {FIRST} of {figures.notes:,} notes: {figures.shown(FIRST)} s")
        for step in steps:
            figures.warm[step] = []
            for turn in range(turns):
                STEPS[step](notes, turn)
                seconds, figures.embedded[step], passages = warm.index()
                figures.warm[step].append(seconds)
            if step == "nothing changed":
                figures.passages_unchanged = passages
            _say(f"{way.name}, {step}: {figures.shown(step)} s")
        figures.passages_last = passages
        figures.astray = len(warm.documents() ^ {path.relative_to(notes).as_posix() for path in notes.rglob("*.md")})
    figures.size = sum(path.stat().st_size for path in (home / "index").rglob("*") if path.is_file())
    figures.memory, figures.memory_workers = warm.memory, warm.memory_workers
    for step in commands:
        STEPS[step](notes, turns)
        figures.command[step] = _timed(way.command(notes, home))
        _say(f"{way.name}, {step}, as a command: {figures.command[step]:.2f} s")
    return figures


def _timed(command: Sequence[str]) -> float:
    started = time.monotonic()
    done = subprocess.run(command, cwd=CODE, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CitaError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-1000:]}")
    return time.monotonic() - started


class _Warm:
    """An indexer in a process of its own, so that its memory is its own too."""

    def __init__(self, way: Way, notes: Path, home: Path) -> None:
        spawn = multiprocessing.get_context("spawn")  # nothing of ours is in its memory
        self._pipe, self._theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(way.indexer, notes, home, self._theirs))
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch_memory)
        self.memory = self.memory_workers = 0

    def __enter__(self) -> "_Warm":
        self._process.start()
        self._theirs.close()  # so that its death ends what we read
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()
        with contextlib.suppress(OSError):  # it died, and said why on standard error
            self._pipe.send("close")
        self._process.join(60)
        self._process.kill()

    def index(self) -> tuple[float, int, int]:
        """Seconds, passages embedded, passages held after it."""
        seconds, embedded, passages = self._ask("index")
        return float(seconds), int(embedded), int(passages)

    def documents(self) -> set[str]:
        return set(self._ask("documents"))

    def _ask(self, what: str) -> Any:
        try:
            self._pipe.send(what)
            return self._pipe.recv()
        except (EOFError, OSError) as error:
            raise CitaError("The process that indexes died.", hint="Why stands above.") from error

    def _watch_memory(self) -> None:
        process = psutil.Process(self._process.pid)
        while not self._over.wait(0.2):
            self.memory = max(self.memory, _resident(process))
            workers = sum(map(_resident, process.children(recursive=True)))
            self.memory_workers = max(self.memory_workers, workers)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _serve(indexer: Callable[[Path, Path], Indexer], notes: Path, home: Path, pipe: Connection) -> None:
    warm = indexer(notes, home)
    while (asked := pipe.recv()) != "close":
        if asked == "documents":
            pipe.send(tuple(warm.documents()))
            continue
        started = time.monotonic()
        embedded = warm.index()
        seconds = time.monotonic() - started
        pipe.send((seconds, embedded, warm.passages()))
    warm.close()


# --- the run


def pages(archive: Path) -> list[tuple[str, bytes]]:
    """Path and content of every page in the collection, in the archive's order; two are of the command `.`, and so
    called `..md`: hidden files, which are not indexed."""
    with tarfile.open(archive) as tar:
        members = [member for member in tar if member.isfile() and member.name.endswith(".md")]
        members = [member for member in members if not Path(member.name).name.startswith(".")]
        return [
            (member.name.partition("/")[2], file.read())
            for member in members
            if member.name.count("/") >= 3 and (file := tar.extractfile(member))
        ]


def evenly(items: list[tuple[str, bytes]], count: int) -> list[tuple[str, bytes]]:
    """`count` of the items, or all, from every part of the list alike."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def write_notes(notes: Path, chosen: Sequence[tuple[str, bytes]]) -> None:
    for path, content in chosen:
        (notes / path).parent.mkdir(parents=True, exist_ok=True)
        (notes / path).write_bytes(content)


def run(all_pages: list[tuple[str, bytes]], notes: int, share: int, work: Path) -> tuple[Figures, list[Figures], float]:
    """The figures of Cita over all notes, and of each way over the share."""
    everything = list(STEPS)
    exported = time.monotonic()
    open_embedder(Settings.load(work / "embedder"))  # its graph is exported once, and is no part of any figure
    _say(f"Embedder exported in {time.monotonic() - exported:.0f} s")

    def figures(
        way: Way, count: int, steps: Sequence[str], turns: int = REPEATS, commands: Sequence[str] = ()
    ) -> Figures:
        folder = work / f"{way.name}-{count}"
        write_notes(folder / "notes", evenly(all_pages, count))
        (folder / "home" / "models").mkdir(parents=True)
        (folder / "home" / "models" / "embedder").symlink_to(work / "embedder" / "models" / "embedder")
        done = measure(way, folder / "notes", folder / "home", steps, turns, commands)
        shutil.rmtree(folder)
        return done

    started = time.monotonic()
    whole = figures(CITA, notes, everything, commands=everything)
    side_by_side = [
        figures(CITA, share, everything, commands=everything),
        figures(INDEXING_API, share, everything, commands=("nothing changed", "one note changed")),
        figures(TUTORIAL, share, ("nothing changed", "one note deleted"), turns=1),
    ]
    return whole, side_by_side, time.monotonic() - started


def report(whole: Figures, side_by_side: Sequence[Figures], seconds: float, load: float) -> str:
    head = [
        "# The index follows the folder",
        "",
        f"{date.today()}, {_machine()}, load before it began {load:.1f}.",
        f"Made by `python -m benchmarks.reindex` in {seconds / 60:.0f} minutes; what is measured is said there.",
        f"Times are seconds; the warm ones are the median of {REPEATS} turns, the slowest in brackets. The notes are",
        "pages of tldr in English and Spanish, some 550 characters each.",
    ]
    return "\n".join([*head, "", *_alone(whole), "", *_beside(*side_by_side), ""])


def _alone(cita: Figures) -> list[str]:
    rows = [
        [step, cita.shown(step), f"{cita.command[step]:.2f}" if step in cita.command else "–", f"{count:,}"]
        for step, count in cita.embedded.items()
    ]
    return [
        f"## Cita, {cita.notes:,} notes, {cita.passages_first:,} passages",
        "",
        *_table(["", "warm", "as a command", "passages embedded"], rows),
        "",
        f"Peak memory: the engine {_mb(cita.memory)}, the parsers' processes together {_mb(cita.memory_workers)}.",
        f"Index on disk: {_mb(cita.size)}, {cita.size / cita.notes / 1000:.1f} KB a note.",
    ]


def _beside(cita: Figures, api: Figures, tutorial: Figures) -> list[str]:
    ways = (cita, api, tutorial)

    def row(title: str, value: Callable[[Figures], str]) -> list[str]:
        return [title, *map(value, ways)]

    def warm(step: str) -> list[str]:
        return [*row(step, lambda way: way.shown(step)), cita.ratio(api, step), cita.ratio(tutorial, step)]

    def embedded(step: str) -> list[str]:
        return row(f"embedded: {step}", lambda way: f"{way.embedded[step]:,}" if step in way.embedded else "–")

    commands = [[step, f"{cita.command[step]:.2f}", f"{seconds:.2f}"] for step, seconds in api.command.items()]
    held = [
        row("passages after the first index", lambda way: f"{way.passages_first:,}"),
        row("passages after the same again", lambda way: f"{way.passages_unchanged:,}"),
        *map(embedded, STEPS),
        row("files astray at the end", lambda way: f"{way.astray:,}"),
        row("index on disk at the end", lambda way: _mb(way.size)),
        row("peak memory", lambda way: _mb(way.memory)),
        row("peak memory of its helpers", lambda way: _mb(way.memory_workers)),
    ]
    return [
        f"## Side by side, {cita.notes:,} of the notes",
        "",
        "The tutorial: DirectoryLoader, TextLoader, RecursiveCharacterTextSplitter (1,000 characters, 200 shared),",
        "Chroma.from_documents; to follow the folder it does that again. The indexing API: the same, but for",
        '`langchain_core.indexing.index` with an SQLRecordManager and cleanup="full". All three embed with Cita\'s',
        "embedder on ONNX Runtime. Astray are files in the index that are no longer in the folder,",
        "and the reverse.",
        "",
        *_table(
            ["warm", *(way.way for way in ways), "indexing API / Cita", "tutorial / Cita"], map(warm, (FIRST, *STEPS))
        ),
        "",
        *_table(["as a command", cita.way, api.way], commands),
        "",
        *_table(["", *(way.way for way in ways)], held),
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


def _machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GB of memory, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {versions}"
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def missed(whole: Figures, side_by_side: Sequence[Figures]) -> list[str]:
    """What was promised and not kept, in words."""
    cita = side_by_side[0]
    late = [
        f"{step}: {statistics.median(whole.warm[step]):.2f} s, not under {bound} s"
        for step, bound in BOUNDS.items()
        if statistics.median(whole.warm[step]) >= bound
    ]
    astray = [f"{way.astray} files astray of {way.notes}" for way in (whole, cita) if way.astray]
    return late + astray


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data",
        type=Path,
        default=CODE.parent / "shared" / "data" / "collections" / "tldr-en-es" / "tldr-en-es.tar.gz",
    )
    parser.add_argument("--notes", type=int, default=NOTES, help="all there are if there are fewer")
    parser.add_argument("--share", type=int, default=SHARE, help="of them for the comparison")
    options = parser.parse_args()
    if not options.data.is_file():
        _say(f"No notes at {options.data}: NOTHING MEASURED.")
        return 0
    for name in [name for name in os.environ if name.startswith("CITA_")]:
        del os.environ[name]  # a setting of one's own would be measured too
    load = psutil.getloadavg()[0]  # what others do on the machine meanwhile is in every figure
    with tempfile.TemporaryDirectory() as work:
        share = min(options.share, options.notes)
        whole, side_by_side, seconds = run(pages(options.data), options.notes, share, Path(work).resolve())
    text = report(whole, side_by_side, seconds, load)
    print(text)
    if options.notes >= NOTES:
        (CODE / "benchmarks" / "results" / "reindex.md").write_text(text, encoding="utf-8")
    promises = missed(whole, side_by_side)
    print(f"Missed: {'; '.join(promises) or 'nothing'}")
    return 1 if promises else 0


if __name__ == "__main__":
    sys.exit(main())
