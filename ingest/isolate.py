"""Parsing in worker processes, with limits on time and memory: one process per document, but for small ones whose
parsers are written in Python alone; of these a process reads many, one after the other (ingest/shared.py).

A helper process ("zygote") imports the parsers' libraries once and forks a child for each document, so that a
document costs milliseconds, not the seconds of the imports. There are two helpers, one for the formats whose
libraries are heavy: the others neither wait for those imports nor pay for forking a large process. Where there is
no fork, each document gets a new process. Children answer in JSON or PNG over a pipe, never in pickles.

Covered: a parser that hangs, crashes, or asks for too much time, memory or text costs its own document and says so;
what it wrote to its temporary folder is gone with it. On Linux a parser taken over by its document can neither read
another file nor reach the network: ingest/confine.py says with which layers, and what they do not cover.
"""

import contextlib
import errno
import gc
import json
import math
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Collection, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

import errors
from errors import CitaError, EngineClosedError, ParseError, ParserDiedError, StorageFullError
from ingest import confine
from ingest.confine import LAYERS, Isolation
from ingest.parse import is_heavy, is_pure
from ingest.parse.tasks import document_adapter, recognised_page_adapter
from ingest.shared import ALONE, ForbiddenLibraryError, LateError, SharedWorker, serve, small_file
from ingest.types import Document, RecognisedPage, Span

if TYPE_CHECKING:
    from ingest.parse.ocr import Recogniser
    from settings import Parse

MAX_ANSWER = 256_000_000  # bytes
MAX_SECONDS = 600.0  # for one document of whatever size
GRACE = 60.0  # seconds that the helper may be late: it may have to import libraries first

_MB = 1_000_000
_FOLDER = "cita-"  # how a document's temporary folder is called, and something random
_ANSWER, _ERROR, _NO_MEMORY = b"A", b"E", b"M"  # the first byte of what a child sends
_SHARE = "share"  # the task of a child that reads many documents
_ALL_DESCRIPTORS = 4096  # more than a helper has; the system's limit may be a billion, and each would be tried
_OUT_OF_TIME = f"signal {getattr(signal, 'SIGXCPU', 0):d}"
_RESAVE = "Open it with its program and save it anew, or leave it out."


class Isolator:
    """Runs parsers in processes of their own. Threads may share it; several documents are then parsed at once.

    `tasks` names the module whose TASKS run in the children and whose warm() runs before the fork. A helper
    starts when it is first needed, and again after close() or after its death; it ends with this process. Each
    document has a private folder for temporary files below `temporary` (by default the system's). A `temporary` that
    is given belongs to this object alone: what a killed process left there is wiped. `layers` are those of
    ingest/confine.py to put on.
    """

    def __init__(
        self,
        limits: "Parse",
        tasks: str = "ingest.parse.tasks",
        *,
        temporary: Path | None = None,
        layers: Collection[str] = LAYERS,
        fork: bool = hasattr(os, "fork"),
    ) -> None:
        self._limits = limits
        self._tasks = tasks
        self._temporary = temporary
        self._layers = ",".join(layers)
        self._fork = fork
        for left_behind in temporary.glob(f"{_FOLDER}*") if temporary is not None else ():
            _wipe(left_behind)
        self._lock = threading.Lock()
        self._zygotes: dict[bool, _Zygote] = {}
        self._waiting: list[SharedWorker] = []  # for a document
        self._closed = 0  # so many times

    def parse(
        self,
        path: Path,
        member: Sequence[str] = (),
        recognised: Sequence[bytes] = (),
        *,
        password: str | None = None,
    ) -> Document:
        """`member`: the names that lead to a document inside the file (ingest.parse.opened_member()); `recognised`:
        what recognise() gave for pages of it; `password`: the document's own.

        Raises the parser's ParseErrors, TooLargeError over the size limit, ParserDiedError over the others.
        """
        from pydantic import ValidationError

        shared = is_pure(path) and not (member or recognised)
        answer = self.run("parse", path, b"\n".join(recognised), shared=shared, member=list(member), password=password)
        try:
            return document_adapter().validate_json(answer)
        except ValidationError as error:
            raise ParserDiedError("The parser's answer is no document.", hint=_RESAVE) from error

    def extract(self, path: Path, member: Sequence[str]) -> bytes:
        """The bytes of a document inside the file. Raises as parse() does."""
        return self.run("extract", path, member=list(member))

    def recognise(
        self,
        path: Path,
        page: int,
        recogniser: "Recogniser",
        member: Sequence[str] = (),
        *,
        password: str | None = None,
    ) -> bytes:
        """The text on a page (1-based) that is a picture, for parse(). Raises as parse() does."""
        which: dict[str, Any] = {"member": list(member), "page": page, "password": password}
        return self.run("recognise", path, recogniser=astuple(recogniser), **which)

    def render_page(
        self,
        path: Path,
        page: int,
        quotes: Sequence[str] = (),
        spans: Sequence[Span] = (),
        scale: float = 2.0,
        *,
        member: Sequence[str] = (),
        recognised: RecognisedPage | None = None,
        password: str | None = None,
    ) -> bytes:
        """ingest.parse.render_page(), isolated."""
        which: dict[str, Any] = {"page": page, "member": list(member), "password": password}
        shown: dict[str, Any] = {"quotes": list(quotes), "spans": [astuple(span) for span in spans], "scale": scale}
        words = recognised_page_adapter().dump_json(recognised) if recognised else b""
        return self.run("render_page", path, words, **which, **shown)

    def prove(self) -> Isolation:
        """What a worker on this system is kept from, tried out in one. Raises CitaError if none can be started."""
        with _private_folder(None) as folder:
            (folder / "document").touch()
            (folder / "beside").touch()
            return Isolation(**json.loads(self.run("prove", folder / "document", memory_mb=self._limits.memory_mb)))

    def run(self, task: str, path: Path, attachment: bytes = b"", *, shared: bool = False, **arguments: Any) -> bytes:
        """One task on one file, in a process of its own: its answer, or its CitaError raised here. An `attachment` is
        given to it as a file, which the argument of that name is the path of. `shared`: where it can be, in a process
        that has read other files.

        Raises StorageFullError where there is no room for its temporary folder.
        """
        if shared and self._fork and not attachment and (data := small_file(path)) is not None:
            answer = self._run_shared(self._request(task, path, arguments, len(data)), data)
            if answer is not None:
                return answer
        with _private_folder(self._temporary) as folder:
            if attachment:
                arguments["attachment"] = str(_attached(folder, attachment))
            return self._run(replace(self._request(task, path, arguments, _size(path)), temporary=str(folder)))

    def _request(self, task: str, path: Path, arguments: dict[str, Any], size: int) -> "_Request":
        return _Request(
            task,
            {"path": str(path.absolute()), "max_mb": self._limits.max_file_mb, **arguments},
            seconds=min(self._limits.seconds + size / _MB, max(MAX_SECONDS, self._limits.seconds)),
            memory_mb=self._limits.memory_mb,
        )

    def _run(self, request: "_Request") -> bytes:
        if not self._fork:
            return _outcome(request, *_spawn_once(self._tasks, self._layers, request))
        try:
            return _outcome(request, *self._ask(request))
        except _ZygoteDiedError:  # by the system's hand, say; a second death in a row is this document's doing
            try:
                return _outcome(request, *self._ask(request))
            except _ZygoteDiedError as error:
                raise ParserDiedError(f"The parsers' helper process ended: {error}.", hint=_RESAVE) from error

    def _run_shared(self, request: "_Request", data: bytes) -> bytes | None:
        """None where the document is to be read in a process of its own."""
        closed = self._closed
        worker = self._shared_worker(request)
        answer = b""
        try:
            if worker is not None:
                answer = worker.ask(request.task, request.arguments, data, request.seconds, MAX_ANSWER)
        except LateError:
            return _outcome(request, b"", "late")
        except EOFError:  # it is dead
            if self._closed != closed:
                raise _stopped() from None
        finally:
            if worker is not None:
                self._put_back(worker, answer, closed)
        return _outcome(request, answer, "exit 0") if answer[:1] in (_ANSWER, _ERROR) else None

    def _put_back(self, worker: SharedWorker, answer: bytes, closed: int) -> None:
        """`closed`: how often this had been closed when the worker was taken."""
        with self._lock:
            is_sound = answer[:1] in (_ANSWER, _ERROR, ALONE) and len(answer) <= MAX_ANSWER
            if is_sound and not worker.is_last and self._closed == closed:
                self._waiting.append(worker)
                return
        self._end(worker)

    @staticmethod
    def _end(worker: SharedWorker) -> None:
        worker.close()
        _wipe(worker.folder)

    def _shared_worker(self, request: "_Request") -> SharedWorker | None:
        """One that waits, or a new one; None where none starts."""
        while True:
            with self._lock:
                worker = self._waiting.pop() if self._waiting else None
            if worker is None or worker.is_alive():
                return worker or self._new_shared_worker(request)
            self._end(worker)

    def _new_shared_worker(self, request: "_Request") -> SharedWorker | None:
        folder = _made_folder(self._temporary)
        seconds = 2 * request.seconds  # of work for all of them; after the half it takes no other document
        request = replace(request, task=_SHARE, seconds=seconds, temporary=str(folder))
        answers, theirs = socket.socketpair()
        life, held = socket.socketpair()
        try:
            with theirs, held, self._lock:
                self._zygote(heavy=False).send(request, [theirs.fileno(), held.fileno()])
            return SharedWorker(answers, life, folder, time.monotonic() + GRACE)
        except (EOFError, LateError, EngineClosedError) as error:
            answers.close()
            life.close()
            _wipe(folder)
            if isinstance(error, EngineClosedError):
                raise
            return None

    def close(self) -> None:
        """Ends the helpers and what they still run."""
        with self._lock:
            self._closed += 1
            waiting, self._waiting = self._waiting, []
        for worker in waiting:
            self._end(worker)
        with self._lock:
            for zygote in self._zygotes.values():
                zygote.stopped = True
                zygote.close()
            self._zygotes.clear()

    def __enter__(self) -> "Isolator":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, request: "_Request") -> tuple[bytes, str]:
        names = (request.arguments["path"], *request.arguments.get("member", ()))
        heavy = any(is_heavy(Path(name)) for name in names)
        with contextlib.ExitStack() as pipes:
            answer, answer_end = _pipe(pipes)
            verdict, verdict_end = _pipe(pipes)
            with self._lock:
                zygote = self._zygote(heavy)
                zygote.send(request, [answer_end.fileno(), verdict_end.fileno()])
            answer_end.close()
            verdict_end.close()
            late = time.monotonic() + request.seconds + GRACE
            read = _read(answer, late, MAX_ANSWER)
            answer.close()  # a child that still writes ends by it
            ended = _read(verdict, late, 1000).decode()
        if not ended and zygote.stopped:
            raise _stopped()
        if not ended:
            raise _ZygoteDiedError(zygote.close())
        return read, ended

    def _zygote(self, heavy: bool) -> "_Zygote":
        """The helper for such documents, alive a moment ago; the lock is held."""
        zygote = self._zygotes.get(heavy)
        if zygote is None or not zygote.alive():
            zygote = self._zygotes[heavy] = _Zygote(self._tasks, self._layers)
        return zygote


@dataclass(frozen=True, slots=True)
class _Request:
    task: str
    arguments: dict[str, Any]
    seconds: float
    memory_mb: int
    temporary: str = ""

    def to_json(self) -> bytes:
        return json.dumps(astuple(self)).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "_Request":
        return cls(*json.loads(data))


class _ZygoteDiedError(Exception):
    pass


def _stopped() -> EngineClosedError:
    return EngineClosedError("Reading was stopped.", hint="The next index run reads the file.")


def _outcome(request: _Request, answer: bytes, verdict: str) -> bytes:
    """The task's answer; or, from how the child ended, the error to raise."""
    if verdict in ("late", _OUT_OF_TIME):
        raise ParserDiedError(f"The parser took longer than {request.seconds:.0f} s.", hint=_RESAVE)
    if answer[:1] == _NO_MEMORY:
        raise ParserDiedError(f"The parser needed more than {request.memory_mb} MB of memory.", hint=_RESAVE)
    if len(answer) > MAX_ANSWER:
        raise ParserDiedError(f"The parser's answer is longer than {MAX_ANSWER // _MB} MB.", hint=_RESAVE)
    if verdict.startswith("signal "):
        raise ParserDiedError(f"The parser crashed with {verdict}.", hint=_RESAVE)
    if verdict != "exit 0" or answer[:1] not in (_ANSWER, _ERROR):
        raise ParserDiedError(f"The parser ended without an answer ({verdict}).", hint=_RESAVE)
    if answer[:1] == _ERROR:
        name, message, hint = json.loads(answer[1:])
        raise _error_named(name)(str(message), hint=str(hint))
    return answer[1:]


def _error_named(name: str) -> type[CitaError]:
    """A child may name errors of ours, nothing else."""
    family = getattr(errors, name, None)
    return family if isinstance(family, type) and issubclass(family, CitaError) else ParseError


class _Zygote:
    """The parent's side of the helper process."""

    def __init__(self, tasks: str, layers: str) -> None:
        self._control, theirs = socket.socketpair()
        words = tempfile.TemporaryFile()  # noqa: SIM115 - closed by _end_zygote()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    _command(tasks, layers, str(theirs.fileno())),
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=words,
                    env=_environment(),
                    start_new_session=True,
                )
            except OSError as error:  # the interpreter is gone, say: by no means is the document
                self._control.close()
                words.close()
                raise EngineClosedError(
                    f"The parsers' helper process cannot be started: {error.strerror}.", hint="Start Cita anew."
                ) from error
        self._end = weakref.finalize(self, _end_zygote, self._process, self._control, words)
        self.stopped = False

    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, request: _Request, descriptors: list[int]) -> None:
        message = request.to_json()
        with contextlib.suppress(OSError):  # a dead helper shows by its missing verdict
            socket.send_fds(self._control, [len(message).to_bytes(4, "big")], descriptors)
            self._control.sendall(message)

    def close(self) -> str:
        """Ends the helper; its last words, the first time."""
        return self._end() or "it was closed"


def _end_zygote(process: subprocess.Popen[bytes], control: socket.socket, words: IO[bytes]) -> str:
    control.close()  # by this the helper knows: it kills its children and ends
    try:
        process.wait(1)  # longer only while it still imports: it has no children then
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with words:
        words.seek(0)
        lines = words.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), f"exit code {process.returncode}")


def _command(tasks: str, layers: str, how: str) -> list[str]:
    return confine.command("ingest.isolate", tasks, layers, how)


def _environment() -> dict[str, str]:
    # One thread: a process with more cannot be forked safely, and documents already share the cores.
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return confine.environment() | one_thread


def _spawn_once(tasks: str, layers: str, request: _Request) -> tuple[bytes, str]:
    process = subprocess.Popen(
        _command(tasks, layers, "once"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        start_new_session=True,
    )
    with process:
        try:
            answer, _ = process.communicate(request.to_json(), request.seconds + 30)  # the imports come on top
        except subprocess.TimeoutExpired:
            process.kill()
            return b"", "late"
    code = process.returncode
    return answer, f"signal {-code}" if code < 0 else f"exit {code}"


def _pipe(stack: contextlib.ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    reader, writer = os.pipe()
    return stack.enter_context(os.fdopen(reader, "rb", 0)), stack.enter_context(os.fdopen(writer, "wb", 0))


def _read(pipe: IO[bytes], deadline: float, limit: int) -> bytes:
    """What comes through the pipe until its end, the deadline, or one piece over the limit."""
    pieces, length = [], 0
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while length <= limit and selector.select(max(0.0, deadline - time.monotonic())):
            piece = os.read(pipe.fileno(), 1 << 20)
            if not piece:
                break
            pieces.append(piece)
            length += len(piece)
    return b"".join(pieces)


@contextlib.contextmanager
def _private_folder(parent: Path | None) -> Iterator[Path]:
    """_made_folder(), gone afterwards with whatever is in it by then."""
    folder = _made_folder(parent)
    try:
        yield folder
    finally:
        _wipe(folder)


def _made_folder(parent: Path | None) -> Path:
    """A folder of mode 0700."""
    try:
        if parent is not None:
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=_FOLDER, dir=parent))
    except OSError as error:
        kind = StorageFullError if error.errno in (errno.ENOSPC, errno.EDQUOT) else CitaError
        where = str(parent or tempfile.gettempdir())
        raise kind(f"No folder can be made in {where!r}: {error.strerror}.", hint="Free some space there.") from error


def _attached(folder: Path, attachment: bytes) -> Path:
    file = folder / "attachment"
    try:
        file.write_bytes(attachment)
    except OSError as error:
        kind = StorageFullError if error.errno in (errno.ENOSPC, errno.EDQUOT) else CitaError
        raise kind(f"{str(file)!r} cannot be written: {error.strerror}.", hint="Free some space there.") from error
    return file


def _wipe(folder: Path) -> None:
    """Removes a folder as far as it can. Folders in it are emptied into it: they may lie too deep for any path."""
    with contextlib.suppress(OSError):
        while entries := list(folder.iterdir()):
            for entry in entries:
                if entry.is_symlink() or not entry.is_dir():
                    entry.unlink()
                    continue
                entry.chmod(0o700)
                for inner in list(entry.iterdir()):
                    inner.rename(folder / uuid4().hex)
                entry.rmdir()
        folder.rmdir()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # the worker says what is wrong
        return 0


# From here on: the helper's side.


@dataclass(slots=True)
class _Child:
    """`verdict`: where the parent is told how it ended; a shared one is killed when the parent closes its end."""

    verdict: int
    deadline: float
    late: bool = False

    @property
    def is_shared(self) -> bool:
        return self.deadline == math.inf


@dataclass(frozen=True, slots=True)
class _Helper:
    """What its children share: the module of tasks, the layers to put on, and those that the helper itself has on."""

    tasks: Any
    layers: Sequence[str]
    on: tuple[str, ...]


def _serve(helper: _Helper, control: socket.socket) -> None:
    """Forks a child per request until the parent is gone."""
    children: dict[int, _Child] = {}
    with _child_signals() as ended:
        try:
            while True:
                now = time.monotonic()
                running = [child for child in children.values() if not child.late]
                wait = min((child.deadline - now for child in running if not child.is_shared), default=None)
                lives = [child.verdict for child in running if child.is_shared]
                watched = [control.fileno(), ended, *lives]
                ready, _, _ = select.select(watched, [], [], wait if wait is None else max(0.0, wait))
                if ended in ready:
                    os.read(ended, 4096)
                for child in running:
                    if child.is_shared and child.verdict in ready:
                        child.deadline = now
                _reap(children)
                if control.fileno() in ready:
                    received = _receive(control)
                    if received is None:
                        return
                    _start(helper, *received, children)
        finally:
            for pid in children:
                _kill(pid)


@contextlib.contextmanager
def _child_signals() -> Iterator[int]:
    """A descriptor that becomes readable when a child ends."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(-1)
        os.close(reader)
        os.close(writer)


def _receive(control: socket.socket) -> tuple[_Request, int, int] | None:
    head, descriptors, _, _ = socket.recv_fds(control, 4, 2)
    if len(head) < 4 or len(descriptors) < 2:
        return None
    length, data = int.from_bytes(head, "big"), b""
    while len(data) < length:
        piece = control.recv(length - len(data))
        if not piece:
            return None
        data += piece
    return _Request.from_json(data), descriptors[0], descriptors[1]


def _start(helper: _Helper, request: _Request, answer: int, verdict: int, children: dict[int, _Child]) -> None:
    _warm(helper.tasks, request)
    gc.freeze()  # what is there already is not looked through, and so not copied, in the children
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        os.closerange(3, answer)
        os.closerange(answer + 1, _ALL_DESCRIPTORS)
        os.setsid()
        confine.end_with_parent()
        _answer(helper, request, answer)
    os.close(answer)
    children[pid] = _Child(verdict, math.inf if request.task == _SHARE else time.monotonic() + request.seconds)


def _warm(tasks: Any, request: _Request) -> None:
    with contextlib.suppress(Exception):  # the task meets the same error and reports it
        tasks.warm(request.arguments)


def _reap(children: dict[int, _Child]) -> None:
    """Kills what is late, and tells the parent how each child that has ended did."""
    for pid, child in list(children.items()):
        if not child.late and time.monotonic() >= child.deadline:
            child.late = True
            _kill(pid)
        ended, status = os.waitpid(pid, os.WNOHANG)
        if not ended:
            continue
        del children[pid]
        _kill(pid)  # what the child may have left behind in its group
        code = os.waitstatus_to_exitcode(status)
        verdict = "late" if child.late else f"signal {-code}" if code < 0 else f"exit {code}"
        with contextlib.suppress(OSError), os.fdopen(child.verdict, "wb", 0) as pipe:
            pipe.write(verdict.encode())


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _answer(helper: _Helper, request: _Request, pipe: int) -> None:
    """The child's whole life: layers on, run the task, write its answer, end without clean-up. A shared one gets its
    documents by the pipe, too."""
    code = 1
    try:
        silence = os.open(os.devnull, os.O_RDWR)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        os.close(silence)
        shared = request.task == _SHARE
        temporary = Path(request.temporary)
        document = temporary if shared else Path(request.arguments["path"])
        seconds, memory_mb = request.seconds, request.memory_mb
        on = confine.confine(helper.layers, document, temporary, seconds=seconds, memory_mb=memory_mb)
        layers = [*helper.on, *on]
        if shared:
            serve(partial(_attempt, helper, layers), pipe, temporary, seconds / 2)
        else:
            reply = _attempt(helper, layers, request.task, request.arguments)
            with os.fdopen(pipe, "wb") as file:
                file.write(reply)
        code = 0
    finally:
        os._exit(code)


def _attempt(helper: _Helper, layers: Sequence[str], task: str, arguments: dict[str, Any]) -> bytes:
    try:
        done: bytes = helper.tasks.TASKS[task]({**arguments, "layers": layers})
        return _ANSWER + done
    except MemoryError:
        return _NO_MEMORY
    except CitaError as error:
        return _ERROR + json.dumps([type(error).__name__, error.message, error.hint]).encode()
    except RecursionError:
        return _ERROR + json.dumps(["ParseError", "The file is nested too deeply.", _RESAVE]).encode()
    except ForbiddenLibraryError:
        return ALONE
    except Exception as error:  # noqa: BLE001 - whatever a library raises on a broken file is a message, not a silent death
        said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return _ERROR + json.dumps(["ParseError", f"The parser failed: {said}.", _RESAVE]).encode()


def main() -> None:
    """`python -m ingest.isolate TASKS LAYERS DESCRIPTOR` is the helper; with "once" for a descriptor, one worker."""
    name, layers, how = sys.argv[1:]
    on = ("network namespace",) if "namespace" in layers and confine.cut_network() else ()
    helper = _Helper(import_module(name), layers.split(","), on)
    confine.prepare()
    if how == "once":
        request = _Request.from_json(sys.stdin.buffer.read())
        _warm(helper.tasks, request)
        _answer(helper, request, os.dup(1))
    with socket.socket(fileno=int(how)) as control:
        _serve(helper, control)


if __name__ == "__main__":
    main()
