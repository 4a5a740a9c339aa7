"""Tasks that misbehave, for tests of ingest/isolate.py: each is run in a worker as a parser would be."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from errors import EncryptedError

warmed: list[str] = []


def warm(arguments: dict[str, Any]) -> None:
    warmed.append(arguments["path"])
    if arguments["path"].endswith("unwarmable.txt"):
        raise ImportError("a library is missing")


def echo(arguments: dict[str, Any]) -> bytes:
    return f"{os.getpid()} {os.getppid()} {len(warmed)} {arguments['path']}".encode()


def hang(arguments: dict[str, Any]) -> bytes:
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with Path(arguments["report"]).open("w") as report:
        report.write(f"{os.getpid()} {child.pid}")
    time.sleep(600)
    return b""


def allocate(arguments: dict[str, Any]) -> bytes:
    return bytes(bytearray(arguments["megabytes"] * 1_000_000)[:1])


def crash(arguments: dict[str, Any]) -> bytes:
    ctypes.string_at(0)
    return b""


def leave(arguments: dict[str, Any]) -> bytes:
    os._exit(3)


def kill_helper(arguments: dict[str, Any]) -> bytes:
    """Kills the helper, the first time only where `marker` can be removed."""
    marker = Path(arguments["marker"])
    if marker.exists():
        if not arguments["always"]:
            marker.unlink()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)
    return b"lived"


def babble(arguments: dict[str, Any]) -> bytes:
    print("noise")
    os.write(1, b"more noise")
    return bytes(arguments["bytes"])


def refuse(arguments: dict[str, Any]) -> bytes:
    raise EncryptedError("It is locked.", hint="Find the key.")


def fail(arguments: dict[str, Any]) -> bytes:
    raise ZeroDivisionError("by the parser")


def write(arguments: dict[str, Any]) -> bytes:
    Path(arguments["target"]).write_text("written")
    return b"written"


def connect(arguments: dict[str, Any]) -> bytes:
    with socket.create_connection(("127.0.0.1", arguments["port"]), 5):
        return b"connected"


def environment(arguments: dict[str, Any]) -> bytes:
    return " ".join(os.environ).encode()


TASKS: dict[str, Callable[[dict[str, Any]], bytes]] = {
    task.__name__: task
    for task in (
        echo, hang, allocate, crash, leave, kill_helper, babble, refuse, fail, write, connect, environment
    )
}  # fmt: skip
