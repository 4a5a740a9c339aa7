"""Runs what a home's engine does in a process in which the Nth call of some kind fails (faults.c).

`python -m tests.reliability.faults` is that process: it forks a child for each order that it reads, so that a run costs
what it does and not what importing costs.
"""

import errno
import json
import mmap
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from engine import Engine
from errors import CitaError
from settings import CODE, Settings
from tests.reliability.quick import make_engines_quick, opened

WRITE, SYNC, RENAME, TRUNCATE, CREATE = 1, 2, 4, 8, 16
EIO, ENOSPC = errno.EIO, errno.ENOSPC
ORDERS = struct.Struct("5q4096s")  # as struct orders in faults.c
NEVER = (1 << 62) - 1
SECONDS = 60.0  # no run of these tests takes a tenth of it

KEPT = "kept.cita"
TASKS: dict[str, Callable[[Engine, Settings], object]] = {
    "index": lambda engine, settings: engine.index(),
    "rebuild": lambda engine, settings: engine.rebuild(),
    "backup": lambda engine, settings: engine.backup(settings.home / KEPT),
    "restore": lambda engine, settings: engine.restore(settings.home / KEPT),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: `done`, with one of our errors, by a `bug` (`message` is then its traceback), or by a signal."""

    end: str
    message: str = ""
    calls: int = 0


def _compiled(library: Path) -> Path:
    """faults.c; skips the test where it cannot be."""
    if sys.platform != "linux" or not shutil.which("cc"):
        pytest.skip("NO C COMPILER or no Linux: what happens when a write fails is not tested here")
    source = Path(__file__).with_name("faults.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source, "-ldl"], check=True)
    return library


class Faults:
    """The process of this module, and the orders that it and its children obey.

    `folder` is for its files; `before` are the words of a command by which it is started.
    """

    def __init__(self, folder: Path, *before: str) -> None:
        orders = folder / "orders"
        orders.write_bytes(bytes(ORDERS.size))
        with orders.open("r+b") as file:
            self._orders = mmap.mmap(file.fileno(), ORDERS.size)
        environment = {**os.environ, "LD_PRELOAD": str(_compiled(folder / "faults.so")), "FAULTS": str(orders)}
        self._process = subprocess.Popen(
            [*before, sys.executable, "-m", __name__],
            cwd=CODE,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, task: str, home: Path, kinds: int = 0, nth: int = NEVER, error: int = EIO, *, lasting: bool = False
    ) -> Outcome:
        """`lasting`: all calls from the Nth on fail. Only those concerning files in the home are counted."""
        ORDERS.pack_into(self._orders, 0, kinds, nth, error, lasting, 0, os.fsencode(home))
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps([task, str(home)]), file=self._process.stdin, flush=True)
        end, message = json.loads(self._process.stdout.readline())
        calls = ORDERS.unpack_from(self._orders)[4]
        ORDERS.pack_into(self._orders, 0, 0, 0, 0, 0, 0, b"")
        return Outcome(end, message, calls)

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        assert self._process.wait(SECONDS) == 0
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def main() -> None:
    make_engines_quick()
    _import_what_is_imported_late()
    for line in sys.stdin:
        task, home = json.loads(line)
        print(json.dumps(_in_a_child(task, Path(home))), flush=True)


def _import_what_is_imported_late() -> None:
    with tempfile.TemporaryDirectory() as home:
        settings = Settings.load(home)
        settings.library.mkdir()
        for file in ("one.md", "two.txt"):
            (settings.library / file).write_text("The rent is due.")
        with opened(settings) as engine:
            for task in TASKS.values():
                task(engine, settings)


def _in_a_child(task: str, home: Path) -> tuple[str, str]:
    told, tells = os.pipe()
    child = os.fork()
    if not child:
        os.close(told)
        with os.fdopen(tells, "w") as pipe:
            json.dump(_outcome(task, Settings.load(home)), pipe)
        os._exit(0)
    os.close(tells)
    with os.fdopen(told) as pipe:
        hangs = not select.select([pipe], [], [], SECONDS)[0]
        if hangs:
            os.kill(child, signal.SIGKILL)
        said = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if hangs or code or not said:
        return ("hang" if hangs else f"exit {code}"), ""
    end, message = json.loads(said)
    return end, message


def _outcome(task: str, settings: Settings) -> tuple[str, str]:
    try:
        with opened(settings) as engine:
            TASKS[task](engine, settings)
        return "done", ""
    except CitaError as error:
        return type(error).__name__, str(error)
    except BaseException:  # noqa: BLE001 - all that is left is a bug, to be shown by the test
        return "bug", traceback.format_exc()


if __name__ == "__main__":
    main()
