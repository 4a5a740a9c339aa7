"""The group of all commands: every error on its way out becomes a message and an exit code."""

import errno
import os
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from cli.writing import say
from errors import CitaError, StorageFullError


class Commands(TyperGroup):
    """All commands, with every error on its way out turned into a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            super().invoke(ctx)
            sys.stdout.flush()
        except (typer.Exit, typer.Abort, typer.TyperException):
            raise
        except KeyboardInterrupt as error:
            _fail(CitaError("Stopped."), error)
        except BrokenPipeError as error:  # the reader has enough: `cita list | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from error
        except Exception as error:  # noqa: BLE001 - the last stop: nobody above could say more
            _fail(explained(error), error)


def explained(error: Exception) -> CitaError:
    """Any error as one of ours: what is wrong, and what to do."""
    if isinstance(error, CitaError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFullError(
            f"There is no space left{f' for {error.filename!r}' if error.filename else ''}.",
            hint="Free some and run the command again; what was indexed is kept.",
        )
    if isinstance(error, OSError) and error.filename:
        return CitaError(f"{error.filename!r}: {error.strerror}.", hint="Check the path and its permissions.")
    return CitaError(
        f"Unexpected {type(error).__name__}: {error}.", hint="With CITA_DEBUG=1 set, Cita shows where it happened."
    )


def _fail(error: CitaError, cause: BaseException) -> NoReturn:
    if os.environ.get("CITA_DEBUG"):
        import traceback

        traceback.print_exception(cause)
    say(f"cita: {error}" if type(cause) is not KeyboardInterrupt else str(error))
    raise typer.Exit(error.exit_code) from cause
