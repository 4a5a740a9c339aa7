"""Tasks on whole documents: summarise, compare, extract, draft."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from cli.opening import NOTHING_INDEXED, is_empty, opened_engine
from cli.options import Json, Within, asked_question, chosen_voice
from cli.writing import clean, print_json, print_line, progress, say, write_new
from errors import CitaError, UsageError
from ingest.types import Filters
from rag.types import AnswerLanguage, Length, Tone

if TYPE_CHECKING:
    from rag.tasks.types import Report, Task, TaskEvent
    from rag.types import Voice

app = typer.Typer()


Writer = Annotated[str | None, typer.Option("--model", metavar="NAME", help="The model that writes, or `extractive`.")]
SaidTone = Annotated[
    Tone | None,
    typer.Option("--tone", metavar="TONE", help="How a model says it: neutral, formal, plain, technical, friendly."),
]
SaidLength = Annotated[
    Length | None, typer.Option("--length", metavar="LENGTH", help="How long it is: short, middle or long.")
]
SaidLanguage = Annotated[
    AnswerLanguage | None,
    typer.Option(
        "--language",
        metavar="LANGUAGE",
        help="What it is written in: en, es; `question`: as the documents.",
    ),
]


@app.command()
def summarise(
    context: typer.Context,
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Files or folders of the library, or '#tag'.")],
    model: Writer = None,
    tone: SaidTone = None,
    length: SaidLength = None,
    language: SaidLanguage = None,
    as_json: Json = False,
) -> None:
    """Summarise files or folders as Markdown, each sentence with a footnote.

    Of several files there is a summary of all and one of each. Ctrl-C stops; the same command goes on from there.
    --tone, --length and --language stand in the place of the settings' own (`[voice]`); quotes stay as they are.

    JSON: {"kind", "title", "language", "model", "sections": [{"kind": "overview" or "document", "title", "sentences":
    [as `cita ask` has them]}], "citations": [as `cita ask` has them], "columns", "rows", "parts", "reused", "seconds"};
    of `parts` steps `reused` were done before.
    """
    from rag.tasks.types import Summarise

    voice = chosen_voice(context, tone, length, language)
    _print_task(context, Summarise(Filters(within=tuple(paths))), model, as_json, voice)


@app.command()
def compare(
    context: typer.Context,
    first: Annotated[str, typer.Argument(metavar="A", help="A file of the library, as `cita list` shows it.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The other.")],
    model: Writer = None,
    tone: SaidTone = None,
    length: SaidLength = None,
    language: SaidLanguage = None,
    as_json: Json = False,
) -> None:
    """Compare two files as Markdown: what changed, what only one says, what is the same.

    A change is of facts (figures, dates, names, a negation) or of words only. Each piece has a footnote.

    JSON: as for `cita summarise`; the kinds of sections are "overview" (with a model), "changed", "reworded", "first",
    "second", "same". What is not alone cites both files.
    """
    from rag.tasks.types import Compare

    _print_task(context, Compare(first, second), model, as_json, chosen_voice(context, tone, length, language))


@app.command()
def extract(
    context: typer.Context,
    columns: Annotated[
        list[str],
        typer.Option("--column", metavar="NAME", help="What to look for in each file, or NAME=QUESTION; repeat it."),
    ],
    within: Within = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the table to a file that is not there yet.")
    ] = None,
    model: Writer = None,
    as_json: Json = False,
) -> None:
    """Make a table of facts: a row for each file, a cited cell for each column.

    A cell that its file does not answer stays empty. In CSV each column is followed by where its cells stand, and a
    cell that begins like a formula has an apostrophe before it. Ctrl-C stops; the same command goes on from there. A
    cell heeds the instructions for folders, but neither tone nor language: it says what its file says.

    JSON: as for `cita summarise`, with "columns": [name] and "rows": [{"source", "cells": [{"text", "citations",
    "supported", "verdict", "reason"}]}].
    """
    from rag.tasks.report import as_csv
    from rag.tasks.types import Tabulate

    if csv is not None and csv.exists():
        raise UsageError(f"{str(csv)!r} is there already.", hint="Name another file, or move it away.")
    report = _print_task(
        context, Tabulate(tuple(columns), Filters(within=tuple(within or ()))), model, as_json, printed=csv is None
    )
    if csv is not None:
        write_new(csv, as_csv(report).encode("utf-8-sig"))  # without the mark Excel takes it for another encoding
        say(f"{len(report.rows)} rows written to {csv}.")


@app.command()
def draft(
    context: typer.Context,
    topic: Annotated[list[str], typer.Argument(metavar="TOPIC", help="What to write about; quotes are not needed.")],
    sections: Annotated[
        list[str] | None,
        typer.Option("--section", metavar="NAME", help="A section of the draft; can be repeated."),
    ] = None,
    within: Within = None,
    model: Writer = None,
    tone: SaidTone = None,
    length: SaidLength = None,
    language: SaidLanguage = None,
    as_json: Json = False,
) -> None:
    """Draft a text on a topic as Markdown from what the documents say, each sentence with a footnote.

    Without --section it has the headings under which the documents say most of it; without a model it is an outline of
    quotes. Ctrl-C stops; the same command goes on from there.

    JSON: as for `cita summarise`, the kind of its sections is "asked". Without sections the documents have nothing.
    """
    from rag.tasks.types import Draft

    task = Draft(asked_question(topic), tuple(sections or ()), Filters(within=tuple(within or ())))
    _print_task(context, task, model, as_json, chosen_voice(context, tone, length, language))


def _print_task(
    context: typer.Context,
    task: "Task",
    model: str | None,
    as_json: bool,
    voice: "Voice | None" = None,
    printed: bool = True,
) -> "Report":
    from rag.tasks.report import markdown

    with opened_engine(context) as engine:
        if is_empty(engine):
            raise UsageError(NOTHING_INDEXED)
        try:
            report = _worked(cast("Generator[TaskEvent]", engine.work(task, model, voice)))
        except KeyboardInterrupt as error:
            raise CitaError("Stopped.", hint="What is done is kept: the same command goes on from there.") from error
    if as_json:
        print_json(asdict(report))
    elif printed:
        print_line(clean(markdown(report)).rstrip("\n"))
    return report


def _worked(events: "Generator[TaskEvent]") -> "Report":
    """Runs a task to its end and shows how far it has come."""
    with closing(events), progress("Working", "parts") as show:
        for event in events:
            if event.event == "finished":
                return event.report
            show(event.done, event.total, name=event.doing)
    raise CitaError("The task broke off.", hint="Start it again: what is done is kept.")
