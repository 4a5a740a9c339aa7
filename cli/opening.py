"""The settings and the engine that a command works with."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from engine import Engine
    from settings import Settings

NOTHING_INDEXED = "Nothing is indexed yet: `cita add FOLDER`, then `cita index`."


def load_settings(context: typer.Context) -> "Settings":
    """The settings of the home that --home names."""
    from settings import Settings

    return Settings.load(context.find_root().obj)


@contextmanager
def opened_engine(context: typer.Context, *, mend: bool = False) -> Iterator["Engine"]:
    """The engine of that home, closed afterwards; `mend` opens a damaged index too."""
    settings = load_settings(context)
    from engine import open_engine

    with closing(open_engine(settings, mend=mend)) as engine:
        yield engine


def cita_version() -> str:
    """As it is installed."""
    from importlib.metadata import version

    return version("cita")


def is_empty(engine: "Engine") -> bool:
    """Is no passage indexed?"""
    return not any(source.passages for source in engine.sources())
