"""Evaluation: eval."""

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from cli.opening import is_empty, load_settings, opened_engine
from cli.options import Json
from cli.writing import (
    clean,
    clean_name,
    place_words,
    print_json,
    print_line,
    print_table,
    progress,
    say,
    wrapped,
    write_new,
)
from errors import CitaError, UsageError

if TYPE_CHECKING:
    from engine import Engine
    from evaluation.dataset import Dataset
    from evaluation.run import Progress, Record, Run
    from rag.types import KeptTurn, RerankerInfo, Verdict

app = typer.Typer()
T = TypeVar("T")


@app.command(name="eval")
def evaluate(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Questions, JSON Lines; with --make, where to write the drafts."),
    ] = None,
    k: Annotated[int, typer.Option("-k", "--k", metavar="N", min=1, max=200, help="Passages for each question.")] = 10,
    answers: Annotated[bool, typer.Option("--answers", help="Have each question answered too.")] = False,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="The model that answers.")] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Compare with an earlier run (a file that --json wrote) or another home."),
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a report as Markdown.")] = None,
    failures: Annotated[int, typer.Option(metavar="N", min=0, help="How many questions to show that went wrong.")] = 10,
    make: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=10_000, help="Draft N questions from the documents, to be corrected."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another number drafts other questions.")] = 0,
    feedback: Annotated[
        bool,
        typer.Option(
            "--feedback", help="Measure on the answers that were rated good and list the bad ones, or write FILE."
        ),
    ] = False,
    rerankers: Annotated[
        bool | None,
        typer.Option(
            "--rerankers/--no-rerankers",
            help="Measure whether the rerankers that there are help: all or none; by itself those not measured yet."
            " Without FILE on drafted questions.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure on questions of your own how well passages are found, and questions answered.

    A reranker (a GGUF or a cross-encoder folder in the home's models) that helps by more than chance and is fast enough
    works from then on, unless rerank.model says otherwise.

    A line of FILE: {"question", "answers": [...], "source", "page", "unanswerable"}, all but the first optional
    (docs/evaluation.md). JSON: {"name", "k", "at", "version", "embedder", "model", "passages", "unknown": [path],
    "seconds": {"p50", "p95"}, "metrics": {name: {"value", "low", "high", "n"}}, "comparison": {"name", "at", "metrics":
    {name: {"before", "after", "p", "n", "better", "worse"}}}, "questions": [{"id", "question", "expected", "places",
    "unanswerable", "judged", "rank", "scores": {name: value}, "found": [{"rank", "source", "page", "section", "text"}],
    "seconds", "answer", "faults": [...]}], "rerankers": [as `cita status` has it]}; "comparison" with --against,
    "rerankers" where some were measured; with --feedback also "bad": [{"question", "answer", "reason", "at"}]. With
    --make, and with --feedback FILE: {"questions": [a line of a FILE]}.
    """
    if make:
        _draft(context, make, seed, file, as_json)
        return
    if feedback and file:
        _write_feedback(context, file, as_json)
        return
    if file is None and not feedback and not rerankers:
        raise UsageError("No question set was named.", hint="`cita eval --make 20 questions.jsonl` drafts one.")
    from evaluation.dataset import read_questions
    from evaluation.feedback import rated_bad
    from evaluation.report import markdown
    from evaluation.run import check_comparable, evaluate, to_json

    if feedback:
        dataset, answers = _rated(context), True
    else:
        dataset = read_questions(file) if file else _drafted(context, seed)

    def run_on(engine: "Engine", progress: "Progress") -> "Run":
        return evaluate(engine, dataset, k, answers=answers, model=model, progress=progress)

    before = _earlier(against, run_on) if against else None
    if before:
        check_comparable(before, [question.text for question in dataset.questions])
    with opened_engine(context) as engine:
        run = _with_questions(lambda show: run_on(engine, show))
        measured = _measured_rerankers(engine, dataset, load_settings(context).rerank.seconds, rerankers)
        bad = rated_bad(engine) if feedback else []
    if run.unknown:
        say(f"Not in the index, though questions name them: {', '.join(map(clean_name, run.unknown))}.")
    if as_json:
        rerankers_json = {"rerankers": [asdict(one) for one in measured]} if measured else {}
        bad_json = {"bad": [_bad_json(turn) for turn in bad]} if feedback else {}
        print_json({**to_json(run, before), **rerankers_json, **bad_json})
    else:
        _print_run(run, before, failures)
        _print_bad(bad)
        _print_rerankers(measured)
    if report:
        report.write_text(markdown(run, before, failures), encoding="utf-8")


def _rated(context: typer.Context) -> "Dataset":
    from evaluation.feedback import rated

    with opened_engine(context) as engine:
        return rated(engine)


def _bad_json(turn: "KeptTurn") -> dict[str, Any]:
    said = turn.answer.answer if turn.answer else ""
    return {"question": turn.question, "answer": said, "reason": turn.reason, "at": turn.at}


def _print_bad(turns: Sequence["KeptTurn"]) -> None:
    """Expects nothing, as nobody knows a better answer."""
    if turns:
        print_line("\nRated bad:")
    for turn in turns:
        reason = f": {turn.reason}" if turn.reason else ""
        print_line(wrapped(clean(f"{' '.join(turn.question.split())}{reason}"), "    ", "        "))


def _write_feedback(context: typer.Context, file: Path, as_json: bool) -> None:
    from evaluation.make import as_line

    lines = [as_line(question) for question in _rated(context).questions]
    write_new(file, "".join(f"{line}\n" for line in lines).encode())
    say(f"{len(lines)} questions in {clean_name(str(file))}.")
    if as_json:
        print_json({"questions": [json.loads(line) for line in lines]})


def _drafted(context: typer.Context, seed: int) -> "Dataset":
    """As many questions as the documents suggest, at most what a measurement asks for."""
    from evaluation.dataset import Dataset
    from evaluation.make import draft_questions
    from evaluation.rerankers import DRAFTED

    with opened_engine(context) as engine:
        questions = tuple(draft_questions(engine, DRAFTED, seed))
    if not questions:
        raise CitaError("The documents suggest no question.", hint="Write some: docs/evaluation.md says how.")
    return Dataset("drafted questions", questions)


def _measured_rerankers(
    engine: "Engine", dataset: "Dataset", seconds: float, wanted: bool | None
) -> list["RerankerInfo"]:
    """Measures all rerankers if `wanted`, those that were not yet if it is None; what is known of these then."""
    from evaluation.rerankers import is_measurable, measure, unmeasured

    there = engine.status().rerankers
    chosen = [*there] if wanted else unmeasured(there) if wanted is None else []
    if not is_measurable(dataset):
        return []
    for reranker in chosen:
        say(f"Measuring reranker {clean_name(reranker.name)}")

        def run(show: "Progress", reranker: "RerankerInfo" = reranker) -> "Verdict":
            return measure(engine, dataset, reranker, seconds, show)

        engine.keep_verdict(_with_questions(run))
    paths = {reranker.path for reranker in chosen}
    return [one for one in engine.status().rerankers if one.path in paths] if paths else []


def _print_rerankers(measured: Sequence["RerankerInfo"]) -> None:
    from evaluation.rerankers import described

    for one in measured:
        print_line("\n" + wrapped(clean(described(one)), "Reranker ", "    "))


def _earlier(against: Path, run_on: Callable[["Engine", "Progress"], "Run"]) -> "Run":
    """An earlier run, read from its file, or made now in another home."""
    from engine import open_engine
    from evaluation.run import read_run
    from settings import Settings

    if not against.is_dir():
        return read_run(against)
    settings = Settings.load(against)
    if not (settings.index / "catalog.db").is_file():
        raise UsageError(f"{str(against)!r} is not a home of Cita's.", hint="Name one that has index/catalog.db.")
    with closing(open_engine(settings)) as engine:
        run = _with_questions(lambda show: run_on(engine, show))
    return replace(run, name=str(against))


def _with_questions(run: Callable[["Progress"], T]) -> T:
    """Runs it and shows how far it has come."""
    with progress("Asking", "questions") as show:
        return run(show)


def _print_run(run: "Run", before: "Run | None", failures: int) -> None:
    from evaluation import report

    print_line(clean(report.facts(run)) + "\n")
    words = report.WORDS["en"]
    measured = [
        (report.metric_name(name), f"{one.value:.3f}", f"{one.low:.3f} - {one.high:.3f}", str(one.n))
        for name, one in report.shown_metrics(run).items()
    ]
    print_table((words.metric, words.value, words.interval, words.questions), measured)
    if before:
        at = f"{before.at[:16].replace('T', ' ')} UTC"
        print_line("\n" + wrapped(clean(words.compared.format(name=before.name, at=at))))
        compared = [
            (report.metric_name(name), f"{one.before:.3f}", f"{one.after:.3f}", f"{one.p:.3f}",
             f"{one.better} / {one.worse}")
            for name, one in report.shown_comparison(before, run).items()
        ]  # fmt: skip
        print_table((words.metric, words.before, words.now, words.p, words.changed), compared)
    _print_failures(run, failures)


def _print_failures(run: "Run", shown: int) -> None:
    from evaluation import report
    from evaluation.run import failures

    wrong: list[Record] = failures(run)
    if wrong and shown:
        print_line(f"\n{report.WORDS['en'].failures} ({min(shown, len(wrong))} of {len(wrong)}):")
    for record in wrong[:shown]:
        print_line("\n" + wrapped(clean(record.question)), "bold")
        print_line(wrapped("; ".join(report.fault_names(record)), "    ", "    "))
        print_line(wrapped(clean(report.expectation(record)), "    expected: ", "        "))
        for found in record.found:
            place = place_words(found.source, found.page, None, found.section)
            print_line(wrapped(f"{place}: {clean(report.excerpt(found))}", f"    {found.rank}. ", "        "))
        if record.answer is not None:
            print_line(wrapped(clean(" ".join(record.answer.split())), "    answer: ", "        "))


def _draft(context: typer.Context, n: int, seed: int, file: Path | None, as_json: bool) -> None:
    from evaluation.make import as_line, draft_questions

    if file and file.exists():
        raise UsageError(f"{str(file)!r} is there already.", hint="Name another file, or move it away.")
    with opened_engine(context) as engine:
        if is_empty(engine):
            raise CitaError("Nothing is indexed yet.", hint="`cita add FOLDER`, then `cita index`.")
        lines = [as_line(question) for question in draft_questions(engine, n, seed)]
    if not lines:
        raise CitaError("The documents suggest no question.", hint="Write some: docs/evaluation.md says how.")
    if file:
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        say(f"{len(lines)} questions in {clean_name(str(file))}. Correct them, then: cita eval {clean_name(str(file))}")
    elif len(lines) < n:
        say(f"The documents suggest no more than {len(lines)}.")
    if as_json:
        print_json({"questions": [json.loads(line) for line in lines]})
    elif not file:
        for line in lines:
            print_line(clean(line))
