"""Models and profiles beside each other: over a question set, or what was compared in the app."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.opening import load_settings, opened_engine
from cli.options import Json
from cli.writing import clean, clean_name, print_json, print_line, print_table, progress, say, size_words, write_new
from errors import UsageError

if TYPE_CHECKING:
    from engine import Engine
    from evaluation.compare import Standing
    from rag.types import Comparison, Contender
    from settings import Settings

app = typer.Typer()


@app.command(name="compare")
def compare_models(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Questions, JSON Lines; without it, what the app compared.")
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="NAME", help="A model or a profile; at least two, each with its own --with."),
    ] = None,
    table: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the table as CSV too.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask all anew, also what was answered before.")] = False,
    as_json: Json = False,
) -> None:
    """Compare models and profiles on questions of your own, one after the other; Ctrl-C stops, and the same command
    goes on from there.

    A line of FILE is one of `cita eval` (docs/evaluation.md). Without FILE: over the comparisons made side by side in
    the app, with which answer was found better. --with takes profile:NAME or model:NAME where both have that name.

    JSON: {"questions": how many, "standings": [{"name", "model", "profile", "questions", "answered", "abstained",
    "right", "f1", "refused", "citation_precision", "supported", "tokens_per_second", "first_token", "seconds",
    "memory", "preferred", "alike", "beaten"}]}; "right" and "f1" (0 to 1) are over the questions with an expected
    answer, "refused" over the unanswerable ones, "supported" over sentences; seconds and tokens a second are medians,
    "memory" bytes; null where nothing is known. Without FILE also "comparisons": [{"id", "at", "question", "better":
    the place in "contenders" (from 0), -1 for alike or null, "contenders": [{"model", "profile", "answer", "abstained",
    "sentences", "supported", "seconds", "usage": as `cita ask` has it, "error"}]}].
    """
    with opened_engine(context) as engine:
        if file is None:
            if names:
                raise UsageError("No question set was named.", hint="cita models compare FILE --with A --with B")
            comparisons = engine.comparisons()
            found, more = _compared(comparisons)
        else:
            found, more = _run(engine, load_settings(context), file, names or [], fresh), {}
    if table:
        write_new(table, _csv(found).encode())
    if as_json:
        questions = max((one.questions for one in found), default=0) if file else len(comparisons)
        print_json({"questions": questions, "standings": [_json(one) for one in found], **more})
        return
    if not found:
        print_line(
            "Nothing was compared yet: the app's page Compare does, and cita models compare FILE --with A --with B."
        )
        return
    _print(found, judged=file is None)


def _run(engine: "Engine", settings: "Settings", file: Path, names: Sequence[str], fresh: bool) -> "list[Standing]":
    from evaluation.compare import FILE, KeptResults, compare_on, fingerprint
    from evaluation.dataset import read_questions
    from models.doctor import how_it_runs

    if len(dict.fromkeys(names)) < 2:
        raise UsageError("A comparison needs two.", hint="cita models compare FILE --with A --with B")
    models = engine.models()
    contenders = [_contender(name, settings, [model.name for model in models]) for name in names]
    dataset = read_questions(file)
    kept = KeptResults(settings.index / FILE)
    if fresh:
        kept.begin_anew()
    with progress("Asking", "questions") as show:
        found = compare_on(engine, dataset, contenders, lambda one: fingerprint(settings, one, models), kept, show)
    if known := kept.used:
        say(f"{known} of the answers were known from before (--fresh asks all anew).")
    infos = {model.name: model for model in models}
    active = engine.status().model
    weighed = []
    for one in found:
        by = settings.with_profile(one.profile)
        info = infos.get(one.model or by.generate.model or active)
        memory = how_it_runs(by, info).memory if info and info.path else None
        weighed.append(replace(one, memory=memory.total if memory else None))
    return weighed


def _contender(name: str, settings: "Settings", models: Sequence[str]) -> "Contender":
    """Raises UsageError if there is neither a profile nor a model of that name, or both."""
    from rag.types import Contender

    kind, _, rest = name.partition(":")
    if kind == "profile" and rest in settings.profiles:
        return Contender(profile=rest)
    if kind == "model" and rest in models:
        return Contender(model=rest)
    if name in settings.profiles and name in models:
        raise UsageError(f"{name!r} is a profile and a model.", hint=f"Write profile:{name} or model:{name}.")
    if name in settings.profiles:
        return Contender(profile=name)
    if name in models:
        return Contender(model=name)
    raise UsageError(
        f"There is no profile and no model {name!r}.",
        hint="`cita models list` and `cita models profiles` name those there are.",
    )


def _compared(comparisons: "Sequence[Comparison]") -> "tuple[list[Standing], dict[str, Any]]":
    from evaluation.compare import result_of, standings

    def said(one: "Contender") -> dict[str, Any]:
        answer = one.answer
        result = result_of(answer) if answer else None
        return {
            "model": one.model,
            "profile": one.profile,
            "answer": answer.answer if answer else None,
            "abstained": answer.abstained if answer else None,
            "sentences": result.sentences if result else None,
            "supported": result.supported_sentences if result else None,
            "seconds": result.seconds if result else None,
            "usage": answer.usage.json if answer and answer.usage else None,
            "error": one.error,
        }

    rows = [
        {
            "id": one.id, "at": one.at, "question": one.question, "better": one.better,
            "contenders": [said(each) for each in one.contenders],
        }
        for one in comparisons
    ]  # fmt: skip
    return standings(comparisons), {"comparisons": rows}


def _json(one: "Standing") -> dict[str, Any]:
    return {"name": one.name, **asdict(one)}


def _csv(found: "Sequence[Standing]") -> str:
    rows = [_json(one) for one in found]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]) if rows else ["name"])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _print(found: "Sequence[Standing]", judged: bool) -> None:
    """The columns in which anything is known."""
    columns: list[tuple[str, list[str]]] = [
        ("Name", [clean_name(one.name) for one in found]),
        ("Model", [clean_name(one.model) if one.profile else "" for one in found]),
        ("Better", [f"{one.preferred} of {one.preferred + one.alike + one.beaten}" if judged else "" for one in found]),
        ("Answered", [str(one.answered) for one in found]),
        ("Abstained", [str(one.abstained) for one in found]),
        ("Right", [_share(one.right) for one in found]),
        ("F1", [_share(one.f1) for one in found]),
        ("Refused", [_share(one.refused) for one in found]),
        ("Citations", [_share(one.citation_precision) for one in found]),
        ("Sentences", [_share(one.supported) for one in found]),
        ("Tokens/s", [f"{one.tokens_per_second:.1f}" if one.tokens_per_second else "" for one in found]),
        ("First", [_seconds(one.first_token) for one in found]),
        ("Whole", [_seconds(one.seconds) for one in found]),
        ("Memory", [size_words(one.memory) if one.memory else "" for one in found]),
    ]
    shown = [(header, cells) for header, cells in columns if any(cells)]
    print_table([header for header, _ in shown], list(zip(*(cells for _, cells in shown), strict=True)))
    print_line(clean("Right, F1: of the questions with an expected answer; Citations, Sentences: carried by passages."))


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"
