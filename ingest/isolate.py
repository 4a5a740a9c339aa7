"""Parsing in worker processes: one process per document, with limits on time and memory.

A helper process ("zygote") imports the parsers' libraries once and forks a child for each document, so that a
document costs milliseconds, not the seconds of the imports. There are two helpers, one for the formats whose
libraries are heavy: the others neither wait for those imports nor pay for forking a large process. Where there is
no fork, each document gets a new process. Children answer in JSON or PNG over a pipe, never in pickles.

Covered: a parser that hangs, crashes, or asks for too much memory costs its own document and says so; it reads
with few open files, writes no file, leaves no core, and has no network where the system allows cutting it (Linux
with user namespaces). Not covered: a parser taken over by its document can still read what the user can read. The
memory limit holds on Linux only.
"""

import contextlib
import ctypes
import gc
import json
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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import errors
from errors import CitaError, ParseError, ParserDiedError
from ingest.parse import is_heavy
from ingest.parse.tasks import document_adapter
from ingest.types import Document, Span
from settings import CODE, Parse

MAX_ANSWER = 256_000_000  # bytes
MAX_OPEN_FILES = 256
GRACE = 60.0  # seconds that the helper may be late: it may have to import libraries first

_MB = 1_000_000
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT", "TEMP")
_ANSWER, _ERROR, _NO_MEMORY = b"A", b"E", b"M"  # the first byte of what a child sends
_RESAVE = "Open it with its program and save it anew, or leave it out."


class Isolator:
    """Runs parsers in processes of their own. Threads may share it; several documents are then parsed at once.

    `tasks` names the module whose TASKS run in the children and whose warm() runs before the fork. A helper
    starts when it is first needed, and again after close() or after its death; it ends with this process.
    """

    def __init__(self, limits: Parse, tasks: str = "ingest.parse.tasks", *, fork: bool = hasattr(os, "fork")) -> None:
        self._limits = limits
        self._tasks = tasks
        self._fork = fork
        self._lock = threading.Lock()
        self._zygotes: dict[bool, _Zygote] = {}

    def parse(self, path: Path) -> Document:
        """Raises the parser's ParseErrors, TooLargeError over the size limit, ParserDiedError over the others."""
        from pydantic import ValidationError

        answer = self.run("parse", path)
        try:
            return document_adapter().validate_json(answer)
        except ValidationError as error:
            raise ParserDiedError("The parser's answer is no document.", hint=_RESAVE) from error

    def render_page(
        self, path: Path, page: int, quotes: Sequence[str] = (), spans: Sequence[Span] = (), scale: float = 2.0
    ) -> bytes:
        """ingest.parse.pdf.render_page(), isolated."""
        arguments = {"page": page, "quotes": list(quotes), "spans": [astuple(span) for span in spans], "scale": scale}
        return self.run("render_page", path, **arguments)

    def run(self, task: str, path: Path, **arguments: Any) -> bytes:
        """One task on one file, in a process of its own: its answer, or its CitaError raised here."""
        request = _Request(
            task,
            {"path": str(path.absolute()), "max_mb": self._limits.max_file_mb, **arguments},
            seconds=self._limits.seconds + _size(path) / _MB,
            memory_mb=self._limits.memory_mb,
        )
        if not self._fork:
            return _outcome(request, *_spawn_once(self._tasks, request))
        try:
            return _outcome(request, *self._ask(request))
        except _ZygoteDiedError:  # by the system's hand, say; a second death in a row is this document's doing
            try:
                return _outcome(request, *self._ask(request))
            except _ZygoteDiedError as error:
                raise ParserDiedError(f"The parsers' helper process ended: {error}.", hint=_RESAVE) from error

    def close(self) -> None:
        """Ends the helpers and what they still run."""
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
        heavy = is_heavy(Path(request.arguments["path"]))
        with contextlib.ExitStack() as pipes:
            answer, answer_end = _pipe(pipes)
            verdict, verdict_end = _pipe(pipes)
            with self._lock:
                zygote = self._zygotes.get(heavy)
                if zygote is None or not zygote.alive():
                    zygote = self._zygotes[heavy] = _Zygote(self._tasks)
                zygote.send(request, [answer_end.fileno(), verdict_end.fileno()])
            answer_end.close()
            verdict_end.close()
            late = time.monotonic() + request.seconds + GRACE
            read = _read(answer, late, MAX_ANSWER)
            answer.close()  # a child that still writes ends by it
            ended = _read(verdict, late, 1000).decode()
        if not ended and zygote.stopped:
            raise ParserDiedError("Parsing was stopped.", hint="Index again to read the file.")
        if not ended:
            raise _ZygoteDiedError(zygote.close())
        return read, ended


@dataclass(frozen=True, slots=True)
class _Request:
    task: str
    arguments: dict[str, Any]
    seconds: float
    memory_mb: int

    def to_json(self) -> bytes:
        return json.dumps([self.task, self.arguments, self.seconds, self.memory_mb]).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "_Request":
        return cls(*json.loads(data))


class _ZygoteDiedError(Exception):
    pass


def _outcome(request: _Request, answer: bytes, verdict: str) -> bytes:
    """The task's answer; or, from how the child ended, the error to raise."""
    if verdict == "late":
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

    def __init__(self, tasks: str) -> None:
        self._control, theirs = socket.socketpair()
        words = tempfile.TemporaryFile()  # noqa: SIM115 - closed by _end_zygote()
        with theirs:
            self._process = subprocess.Popen(
                _command(tasks, str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=words,
                env=_environment(),
                start_new_session=True,
            )
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


def _command(tasks: str, how: str) -> list[str]:
    # -P: a module that lies in the current folder, which may be anybody's, is not imported for ours
    return [sys.executable, "-P", "-m", "ingest.isolate", tasks, how]


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    paths = [str(CODE), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    # One thread: a process with more cannot be forked safely, and documents already share the cores.
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return kept | one_thread | {"PYTHONPATH": os.pathsep.join(paths)}


def _spawn_once(tasks: str, request: _Request) -> tuple[bytes, str]:
    process = subprocess.Popen(
        _command(tasks, "once"),
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


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # the worker says what is wrong
        return 0


# From here on: the helper's side.


@dataclass(slots=True)
class _Child:
    verdict: int
    deadline: float
    late: bool = False


def _serve(tasks: Any, control: socket.socket) -> None:
    """Forks a child per request until the parent is gone."""
    children: dict[int, _Child] = {}
    with _child_signals() as ended:
        try:
            while True:
                now = time.monotonic()
                wait = min((child.deadline - now for child in children.values() if not child.late), default=None)
                ready, _, _ = select.select([control.fileno(), ended], [], [], wait if wait is None else max(0.0, wait))
                if ended in ready:
                    os.read(ended, 4096)
                _reap(children)
                if control.fileno() in ready:
                    received = _receive(control)
                    if received is None:
                        return
                    _start(tasks, *received, children, [control.fileno(), ended])
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


def _start(
    tasks: Any, request: _Request, answer: int, verdict: int, children: dict[int, _Child], ours: list[int]
) -> None:
    _warm(tasks, request)
    gc.freeze()  # what is there already is not looked through, and so not copied, in the children
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        for descriptor in [*ours, verdict, *(child.verdict for child in children.values())]:
            os.close(descriptor)
        os.setsid()
        _end_with_parent()
        _answer(tasks, request, answer)
    os.close(answer)
    children[pid] = _Child(verdict, time.monotonic() + request.seconds)


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


def _answer(tasks: Any, request: _Request, pipe: int) -> None:
    """The child's whole life: limits on, run the task, write its answer, end without clean-up."""
    code = 1
    try:
        _limit(request.memory_mb)
        silence = os.open(os.devnull, os.O_RDWR)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        reply = _attempt(tasks.TASKS[request.task], request.arguments)
        with os.fdopen(pipe, "wb") as file:
            file.write(reply)
        code = 0
    finally:
        os._exit(code)


def _attempt(task: Callable[[dict[str, Any]], bytes], arguments: dict[str, Any]) -> bytes:
    try:
        return _ANSWER + task(arguments)
    except MemoryError:
        return _NO_MEMORY
    except CitaError as error:
        return _ERROR + json.dumps([type(error).__name__, error.message, error.hint]).encode()
    except RecursionError:
        return _ERROR + json.dumps(["ParseError", "The file is nested too deeply.", _RESAVE]).encode()
    except Exception as error:  # noqa: BLE001 - whatever a library raises on a broken file is a message, not a silent death
        said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return _ERROR + json.dumps(["ParseError", f"The parser failed: {said}.", _RESAVE]).encode()


def _limit(memory_mb: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_NOFILE: MAX_OPEN_FILES}
    with contextlib.suppress(OSError):  # no /proc: macOS, which does not keep RLIMIT_AS either
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        limits[resource.RLIMIT_AS] = mapped + memory_mb * _MB  # the libraries are not the document's doing
    for limit, value in limits.items():
        _, hard = resource.getrlimit(limit)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))


def _end_with_parent() -> None:
    """Linux: the child is killed when the helper dies, and can gain no rights."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
        libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS


def _cut_network() -> None:
    """Linux, where allowed: a network namespace without any network. Elsewhere nothing, as parsers use none."""
    if sys.platform == "linux":
        new_user, new_network = 0x10000000, 0x40000000
        # Root needs no user namespace, and would lose in it the right to read other users' files.
        ctypes.CDLL(None).unshare(new_network if os.geteuid() == 0 else new_user | new_network)


def main() -> None:
    """`python -m ingest.isolate TASKS DESCRIPTOR` is the helper; with "once" for a descriptor, one worker."""
    name, how = sys.argv[1:]
    _cut_network()
    tasks = import_module(name)
    if how == "once":
        request = _Request.from_json(sys.stdin.buffer.read())
        _warm(tasks, request)
        _answer(tasks, request, os.dup(1))
    with socket.socket(fileno=int(how)) as control:
        _serve(tasks, control)


if __name__ == "__main__":
    main()
