"""Small documents that one worker process reads one after the other: to start a process takes longer than to read one.

Only documents whose parsers are written in Python alone are read so (ingest.parse.is_pure()), and in such a worker
there is no library in C that a document could take over the process by. One that needs such a library all the same
(HTML inside Markdown) is read in a process of its own, like all others; so is one that the worker did not survive, in
case that was an earlier one's doing. On Linux the worker can open none of the library's files: it is given a
document's bytes, and keeps them in its temporary folder, under the document's name, while it reads them. It ends after
so many documents or seconds of work, when it has grown, and when it has waited in vain.
"""

import contextlib
import errno
import json
import os
import selectors
import socket
import stat
import struct
import sys
import time
import weakref
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

MAX_BYTES = 500_000  # of a document; a larger one takes longer to read than to start a process for
MAX_DOCUMENTS = 500
MAX_GROWTH = 100_000_000  # bytes of memory
MAX_IDLE = 30.0  # seconds
ALONE = b"L"  # the answer where a document is to be read in a process of its own

# What may be imported besides Python's own library.
_OURS = ("__main__", "errors", "ingest", "settings")
_PURE = ("charset_normalizer", "markdown_it", "mdurl", "yaml")  # the first is compiled Python, the last has a C part
_FOR_THE_ANSWER = ("annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection")
_ALLOWED = sys.stdlib_module_names | {*_OURS, *_PURE, *_FOR_THE_ANSWER}

_HEAD = struct.Struct(">II")
_READY = _HEAD.pack(0, 0)


class ForbiddenLibraryError(ImportError):
    """The document needs a library that is not for a shared worker."""


class LateError(Exception):
    """No answer in time."""


def small_file(path: Path) -> bytes | None:
    """The bytes of a document that may be read so; None where it is too large, or cannot simply be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return None
    with os.fdopen(descriptor, "rb", 0) as file, contextlib.suppress(OSError):
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_BYTES:
            data = file.read(MAX_BYTES + 1)
            return data if len(data) <= MAX_BYTES else None
    return None


class SharedWorker:
    """One worker, seen from the process that asks it; by one thread at a time.

    `answers` and `life` are this side's ends of the sockets that the worker and its helper have the others of: the
    helper kills the worker when `life` is closed. Raises EOFError where the worker is dead, LateError where it was not
    ready by `deadline` (monotonic).
    """

    def __init__(self, answers: socket.socket, life: socket.socket, folder: Path, deadline: float) -> None:
        self._answers, self.folder = answers, folder
        self._end = weakref.finalize(self, _close, answers, life)
        self.is_last = False  # it ends after the answer that it gave
        self._receive(_HEAD.size, deadline)

    def ask(self, task: str, arguments: dict[str, Any], data: bytes, seconds: float, limit: int) -> bytes:
        """The answer, cut off after `limit` bytes and one more. Raises EOFError, LateError."""
        deadline = time.monotonic() + seconds
        request = json.dumps([task, arguments]).encode()
        self._answers.settimeout(seconds)
        with contextlib.suppress(OSError):  # dead, or it does not listen: it gives no answer
            self._answers.sendall(_HEAD.pack(len(request), len(data)) + request + data)
        length, self.is_last = _HEAD.unpack(self._receive(_HEAD.size, deadline))
        return self._receive(min(length, limit + 1), deadline)

    def _receive(self, length: int, deadline: float) -> bytes:
        pieces: list[bytes] = []
        while length:
            self._answers.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                piece = self._answers.recv(min(length, 1 << 20))
            except TimeoutError as error:
                raise LateError from error
            except OSError as error:
                raise EOFError from error
            if not piece:
                raise EOFError
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)

    def is_alive(self) -> bool:
        """While it is not asked it has nothing to say but that it ends."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            return not selector.select(0)

    def close(self) -> None:
        """Its helper kills it if it still runs."""
        self._end()


def _close(*ends: socket.socket) -> None:
    for end in ends:
        end.close()


# From here on: the worker's side.


def serve(attempt: Callable[[str, dict[str, Any]], bytes], pipe: int, folder: Path, seconds: float) -> None:
    """Answers until nothing more comes, or a limit is met. `attempt` gives a task's answer, and ALONE where it meets
    ForbiddenLibraryError; `folder` is the worker's own."""
    import resource

    _forbid_libraries()
    unit = 1 if sys.platform == "darwin" else 1024
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + MAX_GROWTH // unit
    ends = time.process_time() + seconds
    with socket.socket(fileno=pipe) as parent:
        parent.settimeout(MAX_IDLE)
        parent.sendall(_READY)
        for number in range(1, MAX_DOCUMENTS + 1):
            received = _received(parent)
            if received is None:
                return
            answer = _answered(attempt, folder, *received)
            used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            is_last = number == MAX_DOCUMENTS or used > grown or time.process_time() > ends
            parent.settimeout(None)
            parent.sendall(_HEAD.pack(len(answer), is_last) + answer)
            if is_last:
                return
            parent.settimeout(MAX_IDLE)


def _forbid_libraries() -> None:
    for name in list(sys.modules):
        if _is_forbidden(name):
            del sys.modules[name]
    sys.meta_path.insert(0, _Forbidding())


def _is_forbidden(name: str) -> bool:
    top = name.partition(".")[0]
    return top not in _ALLOWED and not top.endswith("__mypyc")  # of charset_normalizer


class _Forbidding(MetaPathFinder):
    def find_spec(self, fullname: str, path: object, target: object = None) -> None:  # noqa: ARG002 - its contract
        if _is_forbidden(fullname):
            raise ForbiddenLibraryError(fullname)


def _received(parent: socket.socket) -> tuple[str, dict[str, Any], bytes] | None:
    try:
        request, data = _HEAD.unpack(_exactly(parent, _HEAD.size))
        task, arguments = json.loads(_exactly(parent, request))
        return task, arguments, _exactly(parent, data)
    except (TimeoutError, EOFError):
        return None


def _exactly(parent: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        piece = parent.recv(length - len(data))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def _answered(
    attempt: Callable[[str, dict[str, Any]], bytes], folder: Path, task: str, arguments: dict[str, Any], data: bytes
) -> bytes:
    file = folder / Path(arguments["path"]).name
    try:
        file.write_bytes(data)
        arguments = {**arguments, "path": str(file)}
    except OSError as error:
        if error.errno != errno.EFBIG:  # the name is too long there, or the disk is full
            return ALONE
        # Where nothing keeps it from other files than its own it may read these, but write none (ingest/confine.py).
    try:
        return attempt(task, arguments)
    finally:
        for left in list(folder.iterdir()):
            with contextlib.suppress(OSError):
                left.unlink()
