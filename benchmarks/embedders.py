"""The embedders that come with the install, side by side: how fast each embeds, is opened, and what memory it takes.

    python -m benchmarks.embedders [--data ../shared/data] [--turns 5]

They take turns, each turn in a process of its own, and medians count. Texts: 200 paragraphs of squad-v1.1-en, which
both divide into the same tokens but for a few, the paragraphs of xquad-es, 200 English questions. `opened`: until the
first question's vector is there. Memory (Linux): what the process holds before, taken from what it holds then, and from
the most it ever held.

Writes benchmarks/results/embedders.md.
"""

import argparse
import json
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from statistics import median

from evaluation.adapters import load
from ingest.cores import usable_cores
from ingest.embed import ENGLISH, SHIPPED, open_embedder
from settings import CODE, Embed, Settings

TIMED = 200
FIGURES = {
    "opened": "opened, s",
    "english": "English paragraphs a second",
    "spanish": "Spanish paragraphs a second",
    "questions": "questions a second",
    "held": "memory with it open, MB",
    "most": "most memory, MB",
}


def memory(key: str) -> float:
    """MB that this process holds (VmRSS) or has held at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024


def turn(name: str, home: Path, texts: dict[str, list[str]]) -> dict[str, float]:
    """Of one embedder, in this process, which has not opened any."""
    before, started = memory("VmRSS"), time.perf_counter()
    embedder = open_embedder(Settings.load(home, embed=Embed(model=name)))
    embedder.embed_query("How long is the notice period?")
    found = {"opened": time.perf_counter() - started, "held": memory("VmRSS") - before}
    for kind, some in texts.items():
        started = time.perf_counter()
        embedder.embed_passages(some)
        found[kind] = len(some) / (time.perf_counter() - started)
    return found | {"most": memory("VmHWM") - before}


def measured(data: Path, turns: int) -> dict[str, dict[str, float]]:
    """By embedder the median of each figure."""
    english, spanish = load("squad-v1.1-en", data), load("xquad-es", data)
    chance = random.Random(0)
    texts = {
        "english": [passage.text for passage in chance.sample(english.passages, TIMED)],
        "spanish": [passage.text for passage in spanish.passages],
        "questions": [question.text for question in chance.sample(english.questions, TIMED)],
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in SHIPPED}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.json"
        file.write_text(json.dumps(texts), encoding="utf-8")
        for number in range(turns + 1):  # in the first a graph is exported, where none comes with the install
            for name in SHIPPED:
                command = [sys.executable, "-m", "benchmarks.embedders", "--alone", name, folder]
                done = subprocess.run(command, cwd=CODE, capture_output=True, text=True, check=True)
                if number:
                    found[name].append(json.loads(done.stdout))
                    print(name, done.stdout, flush=True)
    return {name: {key: median(each[key] for each in some) for key in FIGURES} for name, some in found.items()}


def report(found: dict[str, dict[str, float]], turns: int) -> str:
    lines = [
        "# The embedders that come with the install",
        "",
        f"{date.today()}, {platform.machine()}, {usable_cores()} cores, Python {platform.python_version()}, medians of "
        f"{turns} turns.",
        "Made by `python -m benchmarks.embedders`; what is measured is said there.",
        "",
        f"| | {' | '.join(found)} | beside {ENGLISH} |",
        "|---" * (len(found) + 2) + "|",
    ]
    for key, title in FIGURES.items():
        values = [some[key] for some in found.values()]
        ratio = next(some[key] for name, some in found.items() if name != ENGLISH) / found[ENGLISH][key]
        lines.append(f"| {title} | {' | '.join(f'{value:.3g}' for value in values)} | {ratio:.2f} |")
    return "\n".join([*lines, ""])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=CODE.parent / "shared" / "data")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--alone", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.alone:
        name, folder = options.alone
        texts = json.loads((Path(folder) / "texts.json").read_text(encoding="utf-8"))
        print(json.dumps(turn(name, Path(folder), texts)))
        return
    text = report(measured(options.data, options.turns), options.turns)
    print(text)
    (CODE / "benchmarks" / "results" / "embedders.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
