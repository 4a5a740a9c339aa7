"""Makes the embedder from text in two languages:

    python -m training.embedder prepare DATA WORK [--seed 0]    the texts, the vocabulary, the teacher's vectors
    python -m training.embedder train WORK STUDENT [--seed 0]   the student, as a sentence-transformers folder
    python -m training.embedder package STUDENT OUT             what is shipped, with a graph for ONNX in int8

DATA is the folder of public sets, with the parallel text in `parallel`; WORK keeps what is prepared.
"""

import argparse
import time
from dataclasses import fields
from functools import partial
from pathlib import Path

from training.embedder.student import draw_back, examples_of, package, prepare, save, student_of
from training.embedder.train import Schedule, train

PLACES = {
    "prepare": ("data", "work"),
    "train": ("work", "student"),
    "package": ("student", "out"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.embedder", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, places in PLACES.items():
        command = commands.add_parser(name)
        for place in places:
            command.add_argument(place, type=Path)
        if name in ("prepare", "train"):
            command.add_argument("--seed", type=int, default=0)
        if name == "train":
            for setting in fields(Schedule):
                command.add_argument(f"--{setting.name.replace('_', '-')}", type=float, default=setting.default)
    given = parser.parse_args()
    started = time.monotonic()
    match given.command:
        case "prepare":
            prepare(given.data / "parallel", given.work, given.seed)
        case "train":
            student = student_of(given.work)
            schedule = Schedule(**{setting.name: getattr(given, setting.name) for setting in fields(Schedule)})
            keep = partial(save, student, given.work, given.student)
            train(student, examples_of(given.work, given.seed), schedule, given.seed, keep)
            draw_back(student, given.work)
            keep()
        case "package":
            package(given.student, given.out)
    print(f"{time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
