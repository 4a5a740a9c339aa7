"""The `cita` command: a door without logic. What each command prints with --json is a contract others script against.

Exit codes: 0 done; 1 could not do it, and the message says what to do next; 2 wrong usage. Standard output carries
the result only; progress and messages go to standard error. Everything that takes time to import is imported within
the command that needs it.
"""

import io
import os
import sys
from typing import Annotated

import typer

from cli import (
    catalogue,
    compare,
    conversations,
    evaluation,
    examples,
    folders,
    index,
    machine,
    models,
    profiles,
    questions,
    tasks,
    upkeep,
)
from cli.group import Commands, explained
from cli.opening import cita_version
from cli.writing import say

app = typer.Typer(cls=Commands, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
for part in (folders, index, upkeep, questions, tasks, evaluation, machine):
    app.add_typer(part.app)
for part in (catalogue, profiles, compare):
    models.app.add_typer(part.app)
app.add_typer(models.app, name="models")
app.add_typer(conversations.app, name="conversations")
app.add_typer(examples.app, name="examples")


def main() -> None:
    """What `cita` runs."""
    # What was closed (`cita list >&-`) is written to nowhere.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123 - open as long as the process
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter shows its number
    try:
        app(prog_name="cita")
    except OSError as error:  # --help is written before any command is there to catch it
        say(f"cita: {explained(error)}")
        sys.exit(1)


@app.callback(invoke_without_command=True)
def cita(
    context: typer.Context,
    home: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Where library/, index/, models/ and cita.toml lie (or CITA_HOME)."),
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Answers from your own documents, on your own machine, with the passage behind every claim.

    Exit codes: 0 done; 1 could not do it, and the message says what to do next; 2 wrong usage.
    """
    context.obj = home
    if version:
        print(f"cita {cita_version()}")
    elif context.invoked_subcommand is None:
        print(context.get_help())
    else:
        return
    raise typer.Exit
