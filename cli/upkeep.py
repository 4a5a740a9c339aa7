"""The index proved, made anew, opened and kept: verify, rebuild, unlock, backup, restore."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.index import print_report, with_progress
from cli.opening import opened_engine
from cli.options import Json
from cli.writing import clean_name, print_verdict, say, sound

app = typer.Typer()


@app.command()
def verify(
    context: typer.Context,
    read_data: Annotated[
        bool,
        typer.Option("--read-data", help="Read every file and everything stored, trusting neither times nor disk."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Prove that the index is true; exit code 1 if it is not. Changes nothing.

    JSON: {"ok", "problems": [...]}.
    """
    with opened_engine(context) as engine:
        report = engine.verify(read_data)
    print_verdict(report, as_json, "The index is true.")
    if not report.ok:
        say(
            "cita: The index is not true. `cita index` puts right what differs from the folders (with --read-data, also"
            " where a file's time hides it), `cita rebuild` what is wrong in the index."
        )
        raise typer.Exit(1)


@app.command()
def rebuild(context: typer.Context, as_json: Json = False) -> None:
    """Make the index anew from the files, also where it is damaged; questions are answered meanwhile.

    What is sound of the old one is used again, so that little has to be embedded.

    JSON: {"ok", "problems": [...]}.
    """
    with opened_engine(context, mend=True) as engine:
        report = with_progress(engine.rebuild)
        verdict = engine.verify()
    if not as_json:
        print_report(report)
    print_verdict(verdict, as_json, "The index is true.")
    if not verdict.ok:
        raise typer.Exit(1)


File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]


@app.command()
def unlock(
    context: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="The document, as `cita list` names it.")],
    as_json: Json = False,
) -> None:
    """Give the password of a protected document, and index it.

    The password is asked for, or read from a pipe; the system's keyring keeps it. JSON: {"ok", "problems": [...]}.
    """
    password = _password(path)
    with opened_engine(context) as engine:
        kept = engine.unlock(path, password)
    where = "" if kept else " No keyring keeps the password: after a change of the file it is asked for again."
    print_verdict(sound(), as_json, f"{clean_name(path)} is open.{where}")


def _password(path: str) -> str:
    if sys.stdin.isatty():
        given: str = typer.prompt(f"Password of {clean_name(path)}", hide_input=True, err=True)
        return given
    return sys.stdin.readline().rstrip("\r\n")


@app.command()
def backup(context: typer.Context, file: File, as_json: Json = False) -> None:
    """Keep the index, the conversations and the examples in one file: who can read it can read your documents.

    JSON: {"ok", "problems": [...]}.
    """
    with opened_engine(context) as engine:
        engine.backup(file.absolute())
    print_verdict(sound(), as_json, f"The index is kept in {clean_name(str(file))}.")


@app.command()
def restore(context: typer.Context, file: File, as_json: Json = False) -> None:
    """Put a backup in place of the index; `cita index` then brings it in line with the folders.

    Its conversations and examples are added to those that are there, which stay as they are.

    JSON: {"ok", "problems": [...]}.
    """
    with opened_engine(context, mend=True) as engine:
        engine.restore(file.absolute())
    print_verdict(sound(), as_json, "The index is restored. `cita index` brings it in line with the folders.")
