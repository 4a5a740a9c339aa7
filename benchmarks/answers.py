"""Extractive answers on public sets: is the answer in them, how long they are, when they abstain, what they cite.

    python -m benchmarks.answers [--data ../shared/data] [--work FOLDER] [--questions 600] [--set NAME]... [--seed 0]

Each question is asked of all passages of its set, through the real retriever and generator. The reader learnt from one
half of the articles, the weights were fitted on a quarter (evaluation/answers_train.py); what is shown is the other
quarter. RGB, TAT-QA and FinanceBench were not fitted on. Vectors, and the answers to each set, are kept in --work
(default: a folder of its own, removed in the end), so that the sets can be measured one by one. Writes
benchmarks/results/answers.md.
"""

import argparse
import hashlib
import json
import platform
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from evaluation.answers import (
    Asker,
    Graded,
    abstention_f1,
    answered,
    balanced_accuracy,
    coverage_curve,
    graded,
    refused,
)
from evaluation.answers_sets import false_answers, load
from evaluation.answers_train import ACROSS, NEAR
from evaluation.dataset import Dataset, Question, quarters
from evaluation.library import CachedEmbedder, build_library
from evaluation.metrics import contains
from ingest.embed import open_embedder
from rag.answer_weights import WEIGHTS_FILE, read_weights
from rag.types import ABSTAIN, Abstain
from settings import CODE, Settings

SETS = (
    "squad-v1.1-en", "xquad-es", "squad-es-v1.1-small", *ACROSS, "squad-v2.0-en", "squad-es-v2.0-small", "clapnq",
    "tatqa", "hotpotqa-subset", "rgb", "rgb, negatives", "conflicts", "financebench",
)  # fmt: skip
WHOLE = ("tatqa", "rgb", "rgb, negatives", "hotpotqa-subset")  # nothing of these was fitted on
# Asked also with the sources kept out.
WITHOUT = ("squad-v1.1-en", "xquad-es", "squad-es-v1.1-small", *(name for name in ACROSS if name not in NEAR), "clapnq")
CONFLICTS = "conflicts"
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
SHOWN: Abstain = "balanced"
RESULTS = CODE / "benchmarks" / "results" / "answers.md"


@dataclass(frozen=True)
class Measured:
    """A set's answers; those to its answerable questions with their sources kept out; seconds beyond the search."""

    name: str
    found: list[Graded]
    without: list[Graded]
    seconds: list[float]


def chosen(dataset: Dataset, most: int, seed: int) -> list[Question]:
    """Of what neither was fitted on."""
    questions = list((dataset if dataset.name in WHOLE else quarters(dataset)[1]).questions)
    return random.Random(seed).sample(questions, most) if most and len(questions) > most else questions


def measure(
    name: str, data: Path, folder: Path, embedder: CachedEmbedder, settings: Settings, most: int, seed: int
) -> Measured:
    dataset = load(name, data)
    questions = chosen(dataset, most, seed)
    library = build_library(dataset, folder / re.sub(r"\W+", "-", name), embedder)
    asker = Asker(library, embedder, settings.retrieve)
    found = list(graded(asker, questions))
    without = list(graded(asker, questions[::2], without_source=True)) if name in WITHOUT else []
    seconds = []
    for question in questions[:100]:
        prompt = asker.prompt(question.text)
        started = time.process_time()
        asker.generator.extract(prompt)
        seconds.append(time.process_time() - started)
    library.catalog.close()
    return Measured(name, found, without, seconds)


def answer_row(one: Measured, least: float) -> str:
    """Of the answerable questions: abstentions count as wrong answers, and as no words."""
    asked = [answer for answer in one.found if not answer.unanswerable]
    given = [answer for answer in asked if answer.probability >= least]
    first = [answer.first for answer in given if answer.first is not None]
    cells = [
        str(len(asked)),
        _percent([answer.holds and answer.probability >= least for answer in asked]),
        _percent([answer.holds for answer in asked]),
        f"{_mean([answer.words for answer in given]):.0f}",
        f"{_mean([answer.f1 if answer.probability >= least else 0.0 for answer in asked]):.2f}",
        _percent([answer.quote_holds for answer in given]),
        _percent([answer.cites_gold for answer in given]),
        _percent([answer.first is not None for answer in given]),
        _percent(first),
    ]
    return f"| {one.name} | {' | '.join(cells)} |"


def abstention_rows(name: str, found: Sequence[Graded]) -> list[str]:
    rows = []
    for dial in ABSTAIN:
        least = read_weights().least[dial]
        right = [(answer.probability < least) == answer.unanswerable for answer in found]
        cells = [
            str(sum(not answer.unanswerable for answer in found)),
            str(sum(answer.unanswerable for answer in found)),
            *(f"{100 * value:.0f} %" for value in (answered(found, least), refused(found, least))),
            f"{100 * balanced_accuracy(found, least):.1f} %",
            _percent(right),
            f"{abstention_f1(found, least):.2f}",
        ]
        rows.append(f"| {name} | {dial} | {' | '.join(cells)} |")
    return rows


def curve_row(name: str, found: Sequence[Graded]) -> str:
    cells = [f"{100 * held:.0f} % (≥ {least:.2f})" for _, least, held in coverage_curve(found, SHARES)]
    return f"| {name} | {' | '.join(cells)} |"


def conflicts(data: Path, folder: Path, embedder: CachedEmbedder, settings: Settings) -> list[str]:
    """What is answered where one source says the truth and another the same of something else, and where none does."""
    lines = []
    false = false_answers(data)
    for name in ("rgb, counterfactual", "rgb"):
        dataset = load(name, data)
        library = build_library(dataset, folder / f"conflicts {name}", embedder)
        asker = Asker(library, embedder, settings.retrieve)
        both = shown = true_alone = false_alone = abstained = 0
        for question in dataset.questions:
            extract = asker.generator.extract(asker.prompt(question.text))
            said = " ".join(part.text for part in extract.quoted)
            has_true, has_false = contains(said, question.answers), contains(said, false[question.text])
            both += bool(extract.conflict) and has_true and has_false
            shown += bool(extract.conflict)
            abstained += extract.refusal is not None
            true_alone += has_true and not has_false
            false_alone += has_false and not has_true
        library.catalog.close()
        cells = (len(dataset.questions), shown, both, true_alone, false_alone, abstained)
        lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    return lines


def financebench(data: Path, home: Path) -> list[str]:
    """Answers from the filings themselves, each question asked of the file that it is about."""
    from engine import open_engine
    from evaluation.run import evaluate, own_sources, summary

    dataset = load("financebench", data)
    engine = open_engine(Settings.load(home))
    try:
        if dataset.documents is not None:
            engine.add_folders([dataset.documents])
        engine.index()
        found = summary(evaluate(engine, dataset, answers=True, filters=own_sources))
    finally:
        engine.close()
    names = ("answered", "answer_contains", "answer_f1", "cites_gold")
    return [f"| financebench ({len(dataset.questions)}) | {' | '.join(f'{found[name].value:.2f}' for name in names)} |"]


def _percent(values: Sequence[float | bool | None]) -> str:
    return f"{100 * _mean([float(value or 0) for value in values]):.1f} %" if values else "-"


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else float("nan")


def keep(one: Measured, file: Path) -> None:
    """Writes a set's answers, so that the sets can be measured one by one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"weights": _weights(), **asdict(one)}), encoding="utf-8")


def kept(file: Path) -> Measured | None:
    """What was written there, if it was made with the weights of now."""
    if not file.is_file():
        return None
    value = json.loads(file.read_text(encoding="utf-8"))
    if value.pop("weights") != _weights():
        return None
    found, without = ([Graded(**one) for one in value[name]] for name in ("found", "without"))
    return Measured(value["name"], found, without, value["seconds"])


def kept_lines(file: Path, measure_now: Callable[[], list[str]] | None) -> list[str]:
    """Rows of a table, as measured now, else as they were kept with the weights of now; none if they were not."""
    if measure_now:
        lines = measure_now()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"weights": _weights(), "lines": lines}), encoding="utf-8")
        return lines
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return list(found["lines"]) if found.get("weights") == _weights() else []


def _weights() -> str:
    return hashlib.sha256(WEIGHTS_FILE.read_bytes()).hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=CODE.parent / "shared" / "data")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--questions", type=int, default=600, help="at most of each set; 0: all")
    parser.add_argument("--set", action="append", dest="sets", help="measure only these; the rest as --work has it")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"No data at {options.data}: nothing measured.", file=sys.stderr)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        settings = Settings.load(work / "home")
        embedder = CachedEmbedder(open_embedder(settings), work / "vectors")
        wanted = options.sets or SETS
        lines = {
            name: kept_lines(work / "answers" / f"{name}.json", measured_now if name in wanted else None)
            for name, measured_now in (
                (CONFLICTS, lambda: conflicts(options.data, Path(folder), embedder, settings)),
                ("financebench", lambda: financebench(options.data, work / "financebench")),
            )
        }
        measured = []
        for name in SETS:
            file = work / "answers" / f"{re.sub(r'[^a-z0-9.]+', '-', name)}-{options.seed}.json"
            if name in lines:
                continue
            one = kept(file)
            if name in wanted:
                one = measure(name, options.data, Path(folder), embedder, settings, options.questions, options.seed)
                keep(one, file)
                print(f"{name}: {len(one.found)} questions", file=sys.stderr, flush=True)
            if one:
                measured.append(one)
    head = [
        "# Extractive answers",
        "",
        f"{date.today()}, {platform.machine()}, Python {platform.python_version()},",
        f"embedder {embedder.fingerprint}, seed {options.seed}.",
        "Made by `python -m benchmarks.answers`; what is measured is said there.",
        "",
    ]
    text = "\n".join([*head, *report(measured, lines[CONFLICTS], lines["financebench"]), ""])
    RESULTS.write_text(text, encoding="utf-8")
    print(text)
    return 0


def report(measured: Sequence[Measured], disputed: Sequence[str] = (), pages: Sequence[str] = ()) -> list[str]:
    least = read_weights().least[SHOWN]
    answerable = [one for one in measured if any(not answer.unanswerable for answer in one.found)]
    lines = [
        f"Answers to what can be answered, abstention `{SHOWN}`. The answer in it: where the expected answer's words",
        "stand in the answer one after the other (an abstention counts as wrong; then without abstaining). Quote holds",
        "it, cites gold: of the answers given. First: how often a value is put first, and how often it is right.",
        "",
        "| set | questions | answer in it | never abstaining | words | F1 | quote holds it | cites gold | first |"
        " it is right |",
        "|" + "---|" * 10,
        *(answer_row(one, least) for one in answerable),
        "",
        "Abstention: answered where the answer is there, refused where it is not. `without`: the question's article is",
        "kept out of the library; else the set itself says that its passages do not answer.",
        "",
        "| set | abstention | answerable | not | answered | refused | balanced accuracy | accuracy | F1, abstaining |",
        "|" + "---|" * 9,
    ]
    for one in measured:
        kept = [answer for answer in one.found if not answer.unanswerable]
        if any(answer.unanswerable for answer in one.found) and kept:
            lines += abstention_rows(one.name, one.found)
        if one.without:
            lines += abstention_rows(f"{one.name}, without", [*kept, *one.without])
    rgb = {one.name: one.found for one in measured}
    if "rgb" in rgb and "rgb, negatives" in rgb:
        lines += abstention_rows("rgb and its negatives", [*rgb["rgb"], *rgb["rgb, negatives"]])
    lines += [
        "",
        "Coverage and precision: where that share of all questions is answered, the surest first, the share of these",
        "answers that hold the expected answer (and how sure the last one is).",
        "",
        f"| set | {' | '.join(f'{100 * share:.0f} %' for share in SHARES)} |",
        "|" + "---|" * (len(SHARES) + 1),
        *(curve_row(one.name, [*one.found, *one.without]) for one in answerable),
        "",
        "Processor time of an answer beyond the search, milliseconds: "
        + "; ".join(f"{one.name} {1000 * statistics.median(one.seconds):.0f}" for one in measured if one.seconds)
        + " (median; sentences that were asked about before are not embedded again here).",
    ]
    if disputed:
        lines += [
            "",
            "Sources at odds (RGB): one true and one false source for each question; and true sources alone.",
            "",
            "| set | questions | conflict shown | with both values | true one alone | false one alone | abstained |",
            "|" + "---|" * 7,
            *disputed,
        ]
    if pages:
        lines += ["", "| | answered | answer in it | F1 | cites the page |", "|---|---|---|---|---|", *pages]
    return lines


if __name__ == "__main__":
    sys.exit(main())
