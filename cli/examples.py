"""Examples: list, add, import, keep, export, delete."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.opening import opened_engine
from cli.options import Export, Id, Json
from cli.writing import clean, clean_name, confirm, pick, print_json, print_line, print_table, say, write_new
from errors import UsageError

if TYPE_CHECKING:
    from rag.types import Example

app = typer.Typer()


@app.callback()
def examples() -> None:
    """Questions with the answers that you want for them: list, add, import, keep, export, delete."""


@app.command(name="list")
def list_examples(context: typer.Context, as_json: Json = False) -> None:
    """List the examples, the newest first.

    JSON: {"examples": [{"id", "question", "answer", "origin", "at"}]}; `origin` is "kept", "written" or "imported".
    """
    with opened_engine(context) as engine:
        _print_examples(engine.examples(), as_json)


@app.command(name="add")
def add_example(
    context: typer.Context,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What is asked.")],
    answer: Annotated[str, typer.Argument(metavar="ANSWER", help="The answer that you want for it.")],
    as_json: Json = False,
) -> None:
    """Write an example.

    JSON: as `cita examples list`.
    """
    with opened_engine(context) as engine:
        if not engine.add_examples([(question, answer)]):
            say("This example is there already.")
        _print_examples(engine.examples(), as_json)


IMPORTED_AT_ONCE = 10  # examples of at most 20,000 characters each, so that a portion crosses to another process


@app.command(name="import")
def import_examples(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON Lines.")],
    as_json: Json = False,
) -> None:
    """Add the examples of a file of lines like {"question": "...", "answer": "..."}, or of chats with "messages".

    JSON: as `cita examples list`.
    """
    from evaluation.feedback import read_pairs

    pairs = read_pairs(file)
    with opened_engine(context) as engine:
        added = sum(
            engine.add_examples(pairs[start : start + IMPORTED_AT_ONCE], imported=True)
            for start in range(0, len(pairs), IMPORTED_AT_ONCE)
        )
        say(f"{added} of {len(pairs)} examples are new.")
        _print_examples(engine.examples(), as_json)


@app.command(name="keep")
def keep_example(
    context: typer.Context,
    id: Id,
    turn: Annotated[int, typer.Argument(metavar="N", min=1, help="The number of the question in it.")],
    as_json: Json = False,
) -> None:
    """Keep an answer of a conversation as an example, with the passages that it cites.

    JSON: as `cita examples list`.
    """
    with opened_engine(context) as engine:
        engine.keep_example(id, turn)
        _print_examples(engine.examples(), as_json)


@app.command(name="export")
def export_examples(context: typer.Context, file: Export = None, as_json: Json = False) -> None:
    """Write the examples as a set to fine-tune a model on: JSON Lines of chats; without FILE to standard output.

    JSON: {"file", "examples": [a line of it]}.
    """
    with opened_engine(context) as engine:
        content = engine.export_examples()
    lines = content.decode().splitlines()
    if file:
        write_new(file, content)
        say(f"{len(lines)} examples are in {clean_name(str(file))}.")
    if as_json:
        print_json({"file": str(file) if file else None, "examples": [json.loads(line) for line in lines]})
    elif not file:
        for line in lines:
            print_line(line)


@app.command(name="delete")
def delete_examples(
    context: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="As `cita examples list` shows them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --all: do not ask first.")] = False,
    as_json: Json = False,
) -> None:
    """Delete examples for good.

    JSON: as `cita examples list`, those that are left.
    """
    if bool(ids) is every:
        raise UsageError("Name the examples to delete, or --all.", hint="`cita examples list` shows them.")
    if every:
        confirm("Delete all examples for good?", yes)
    with opened_engine(context) as engine:
        if wanted := [example.id for example in engine.examples()] if every else ids:
            engine.delete_examples(wanted)
        _print_examples(engine.examples(), as_json)


def _print_examples(examples: Sequence["Example"], as_json: bool) -> None:
    if as_json:
        print_json({"examples": [pick(one, ("id", "question", "answer", "origin", "at")) for one in examples]})
        return
    if not examples:
        say("None yet. `cita examples add QUESTION ANSWER` writes one.")
        return
    rows = [(one.id, one.origin, clean(one.question), clean(one.answer)) for one in examples]
    print_table(("Id", "Origin", "Question", "Answer"), rows)
