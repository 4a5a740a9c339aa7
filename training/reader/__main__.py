"""Makes the reader:

    python -m training.reader train DATA LEARNT [--seed 0]   learns; LEARNT is a file of weights
    python -m training.reader package LEARNT OUT             what is shipped, with a graph for ONNX Runtime

DATA is the folder of public sets.
"""

import argparse
import time
from dataclasses import fields
from pathlib import Path

import torch
from safetensors.torch import load_model, save_model

from ingest.embed import BILINGUAL, locate, read_tokenizer
from training.reader.examples import Texts
from training.reader.measure import measured
from training.reader.model import ReaderModel
from training.reader.package import package
from training.reader.texts import asked_of_squad
from training.reader.train import Schedule, train

ADVERSARIAL = ("squad-v2.0-en", "squad-es-v2.0-small")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.reader", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    learn = commands.add_parser("train")
    learn.add_argument("data", type=Path)
    learn.add_argument("learnt", type=Path)
    learn.add_argument("--seed", type=int, default=0)
    for setting in fields(Schedule):
        default = setting.default
        learn.add_argument(f"--{setting.name.replace('_', '-')}", type=type(default), default=default)
    pack = commands.add_parser("package")
    pack.add_argument("learnt", type=Path)
    pack.add_argument("out", type=Path)
    given = parser.parse_args()
    started = time.monotonic()
    embedder = locate(BILINGUAL)
    torch.manual_seed(getattr(given, "seed", 0))
    model = ReaderModel(embedder)
    if given.command == "package":
        load_model(model, given.learnt)
        package(model, given.out)
    else:
        tokenizer, texts = read_tokenizer(embedder), Texts.read(given.data)
        others = asked_of_squad(given.data, tune=False, names=ADVERSARIAL)

        def keep(step: int) -> None:
            save_model(model, str(given.learnt))
            print(f"{step}: AUC {measured(model, tokenizer, others)}", flush=True)

        schedule = Schedule(**{setting.name: getattr(given, setting.name) for setting in fields(Schedule)})
        train(model, tokenizer, texts, schedule, given.seed, keep)
    print(f"{time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
