"""The folders of the library: add, remove, folders."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cli.opening import opened_engine
from cli.options import Json
from cli.writing import clean_name, print_json, print_line

app = typer.Typer()


@app.command()
def add(
    context: typer.Context,
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER", help="Folders of documents.")],
    as_json: Json = False,
) -> None:
    """Add folders to the library; the next `cita index` reads them.

    JSON: {"folders": [...]}, all that are indexed now.
    """
    with opened_engine(context) as engine:
        _print_folders(engine.add_folders([folder.absolute() for folder in folders]), as_json)


@app.command()
def remove(
    context: typer.Context,
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER", help="Folders that were added.")],
    as_json: Json = False,
) -> None:
    """Take folders out of the library; their files stay where they are.

    JSON: {"folders": [...]}, all that are indexed now.
    """
    with opened_engine(context) as engine:
        _print_folders(engine.remove_folders([folder.absolute() for folder in folders]), as_json)


@app.command()
def folders(context: typer.Context, as_json: Json = False) -> None:
    """List the folders that are indexed.

    JSON: {"folders": [...]}.
    """
    with opened_engine(context) as engine:
        _print_folders(engine.folders(), as_json)


def _print_folders(folders: Sequence[Path], as_json: bool) -> None:
    if as_json:
        print_json({"folders": [str(folder) for folder in folders]})
    for folder in () if as_json else folders:
        print_line(clean_name(str(folder)))
