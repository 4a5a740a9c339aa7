"""Whether a cross-encoder helps: a question set searched without it and with it.

    python -m evaluation.rerankers QUESTIONS MODEL [--home DIR]

QUESTIONS is a file as `cita eval` reads it (`cita eval --make` drafts one), MODEL a folder as rerank.model names it.
Says both means of each metric, whether the difference is more than chance, and what it costs. Exits with 0 where the
model is worth being switched on: MRR@10 gains, and by more than chance.
"""

import argparse
import sys
from pathlib import Path

from engine import open_engine
from errors import CitaError
from evaluation.dataset import Dataset, read_questions
from evaluation.metrics import Comparison
from evaluation.run import Run, compare_runs, evaluate, latency
from settings import Rerank, Settings

DECISIVE = "MRR@10"
CHANCE = 0.05


def compare_reranker(settings: Settings, dataset: Dataset, model: str) -> tuple[Run, Run]:
    """The runs without and with the model over the settings' home. Raises what opening and searching raise."""
    runs = []
    for rerank in (Rerank(), settings.rerank.model_copy(update={"model": model})):
        engine = open_engine(settings.model_copy(update={"rerank": rerank}))
        try:
            runs.append(evaluate(engine, dataset))
        finally:
            engine.close()
    return runs[0], runs[1]


def helps(compared: dict[str, Comparison]) -> bool:
    """Whether the later run is better by more than chance."""
    decisive = compared.get(DECISIVE)
    return decisive is not None and decisive.after > decisive.before and decisive.p < CHANCE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path)
    parser.add_argument("model")
    parser.add_argument("--home", type=Path)
    options = parser.parse_args()
    try:
        without, with_model = compare_reranker(
            Settings.load(options.home), read_questions(options.questions), options.model
        )
    except CitaError as error:
        print(f"{error.message} {error.hint}".strip(), file=sys.stderr)
        return 2
    compared = compare_runs(without, with_model)
    for name, one in compared.items():
        print(f"{name}: {one.before:.3f} without, {one.after:.3f} with it (p {one.p:.3f}, {one.n} questions)")
    for said, run in (("without", without), ("with it", with_model)):
        print(f"seconds a search {said}: {', '.join(f'{name} {value:.3f}' for name, value in latency(run).items())}")
    is_worth = helps(compared)
    print("It helps: set rerank.model." if is_worth else "It does not help by more than chance: leave it off.")
    return 0 if is_worth else 1


if __name__ == "__main__":
    sys.exit(main())
