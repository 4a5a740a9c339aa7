"""What `cita search` takes where no engine runs: from the start of its process to its end, and what goes where.

    python -m benchmarks.cold_start [--notes 2000] [--data tldr-en-es.tar.gz] [--turns 7]

A home of so many notes is indexed; then the command is run so many times, each in a new process, with another
question. Beside the wall's time stands that of the processors, which other work on the machine lengthens less. The
parts come from a process that does the same step by step, without the command's output.

Writes benchmarks/results/cold_start.md, unless --notes asks for fewer. Exits with 1 if the median is over BOUND.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks.reindex import NOTES as ALL_NOTES
from benchmarks.reindex import TLDR, evenly, pages, write_notes
from errors import CitaError
from ingest.cores import usable_cores
from settings import CODE

BOUND = 1.5  # seconds
NOTES = 2_000
QUESTIONS = (
    "How do I list the files of an archive?",
    "¿Cómo se muestra el espacio libre del disco?",
    "convert a video to another format",
    "Which command shows open network connections?",
    "borrar una rama remota de git",
    "print the last lines of a file as it grows",
    "change the owner of a folder and all it holds",
)
PARTS = """
import json, sys, time
marks = [("", time.perf_counter(), time.process_time())]
def mark(name):
    marks.append((name, time.perf_counter(), time.process_time()))
import cli
mark("imports of the command")
from settings import Settings
settings = Settings.load(sys.argv[1])
mark("settings")
import engine
opened = engine.open_engine(settings)
mark("open the engine and the catalogue")
import ingest.embed as embed
model = embed.ModelFolder.read(embed.locate(settings.embed.model), settings.embed.model)
model.weights_sha256
mark("check the embedder's weights")
embed.read_tokenizer(model.path)
mark("its tokenizer")
import onnxruntime
mark("import onnxruntime")
opened._embedder
mark("its graph (with weights and tokenizer once more)")
opened._embedder.embed_query(sys.argv[2])
mark("embed the question")
opened._retriever
mark("imports of the retriever")
opened._vectors.search(opened._embedder.embed_query(sys.argv[2]), 10)
mark("open the vectors, nearest neighbours")
opened.search(sys.argv[2])
mark("search")
opened.close()
mark("close")
print(json.dumps([(b[0], b[1] - a[1], b[2] - a[2]) for a, b in zip(marks, marks[1:])]))
"""


@dataclass(frozen=True)
class Taken:
    """Seconds by the wall and of the processors."""

    wall: float
    processors: float


def run(command: list[str]) -> tuple[str, Taken]:
    """What a command wrote, and what it took, its own processes included."""
    before, started = os.times(), os.times().elapsed
    done = subprocess.run(command, cwd=CODE, capture_output=True, text=True, check=False)
    after = os.times()
    if done.returncode:
        raise CitaError(f"{' '.join(command[:6])} ended with {done.returncode}: {done.stderr[-1000:]}")
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return done.stdout, Taken(after.elapsed - started, used)


def _cita(home: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli", "--home", str(home), *arguments]


def search(home: Path, turns: int) -> list[Taken]:
    found = []
    for turn in range(turns):
        out, taken = run(_cita(home, "search", QUESTIONS[turn % len(QUESTIONS)], "--json"))
        if not json.loads(out)["passages"]:
            raise CitaError("A search found nothing.")
        found.append(taken)
    return found


def parts(home: Path, turns: int) -> dict[str, Taken]:
    """The medians of each step, in their order."""
    names: dict[str, list[tuple[float, float]]] = {}
    for turn in range(turns):
        out, _ = run([sys.executable, "-c", PARTS, str(home), QUESTIONS[turn % len(QUESTIONS)]])
        for name, wall, processors in json.loads(out):
            names.setdefault(name, []).append((wall, processors))
    return {
        name: Taken(statistics.median(wall for wall, _ in taken), statistics.median(cpu for _, cpu in taken))
        for name, taken in names.items()
    }


def report(passages: int, whole: list[Taken], python: list[Taken], steps: dict[str, Taken], load: float) -> str:
    def median(taken: list[Taken]) -> Taken:
        return Taken(statistics.median(one.wall for one in taken), statistics.median(one.processors for one in taken))

    slowest = max(one.wall for one in whole)
    rows = {"`cita search`, whole": median(whole), "Python alone": median(python), **steps}
    return "\n".join(
        [
            "# A search from a cold start",
            "",
            f"{date.today()}, {platform.machine()}, {usable_cores()} cores, Python {platform.python_version()}, load",
            f"before it began {load:.1f}. {passages:,} passages. Medians of {len(whole)} turns, in seconds; slowest",
            f"{slowest:.2f}. Made by `python -m benchmarks.cold_start`; what is measured is said there.",
            "",
            "|  | wall | processors |",
            "| --- | --- | --- |",
            *(f"| {name} | {taken.wall:.3f} | {taken.processors:.3f} |" for name, taken in rows.items()),
            "",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=TLDR)
    parser.add_argument("--notes", type=int, default=NOTES, help=f"up to {ALL_NOTES:,}")
    parser.add_argument("--turns", type=int, default=len(QUESTIONS))
    options = parser.parse_args()
    if not options.data.is_file():
        print(f"No notes at {options.data}: NOTHING MEASURED.", file=sys.stderr)
        return 0
    for name in [name for name in os.environ if name.startswith("CITA_")]:
        del os.environ[name]
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder).resolve() / "home"
        write_notes(home / "library", evenly(pages(options.data), options.notes))
        indexed, _ = run(_cita(home, "index", "--json"))
        run(_cita(home, "search", QUESTIONS[0], "--json"))  # what the disk holds is read once
        python = [run([sys.executable, "-c", "pass"])[1] for _ in range(options.turns)]
        whole = search(home, options.turns)
        text = report(json.loads(indexed)["passages"], whole, python, parts(home, options.turns), load)
    print(text)
    if options.notes >= NOTES:
        (CODE / "benchmarks" / "results" / "cold_start.md").write_text(text, encoding="utf-8")
    over = statistics.median(one.wall for one in whole) > BOUND
    print(f"Over {BOUND} s: {'yes' if over else 'no'}")
    return int(over)


if __name__ == "__main__":
    sys.exit(main())
