"""One home, one engine: the owner serves it on a local socket, every other door talks to it through RemoteEngine.

The owner writes index/engine.json (mode 0600): its version, where it listens and a token made anew at every start.
It listens on an AF_UNIX socket that only this user can reach; where there are none, on loopback TCP. A connection
carries one request and its replies, each a line of JSON:

    -> {"version", "token", "method", "arguments"}
    <- {"item": ...}     any number, from methods that stream: events of `ask` and `watch`, the progress of `index`
    <- {"result": ...}   the end, or
    <- {"error": {"type", "message", "hint"}}   the end; raised again on the other side as the same class

Values cross as the types that Engine's methods declare, checked on arrival; nothing is unpickled.

A client that hangs up stops what it asked for, as Ctrl-C would in the owner's own process: `ask` ends at its next
token, `index` after the file it is at, `watch` at once; what was stored stays. An owner that closes first finishes
what it was asked; only `watch` it ends, and who watched opens the home anew and goes on.

Covered: other users of this machine, web pages that reach loopback, garbage, a client that stalls. Not covered:
other programs of the same user, who can read the same files anyway.
"""

import hmac
import inspect
import json
import logging
import os
import secrets
import select
import shutil
import socket
import socketserver
import tempfile
import threading
import typing
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from pydantic import Base64Bytes, BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model

import errors
from engine import VERSION, Engine, Status
from errors import CitaError, EngineError, EngineUnreachableError, UsageError
from ingest.types import Filters, IndexProgress, IndexReport, Passage, Source, VerifyReport, WatchEvent
from models.live import LoadedModel
from models.types import ModelInfo, ModelProtocol
from rag.tasks.types import Task, TaskEvent
from rag.types import (
    Abstain,
    Comparison,
    ComparisonEvent,
    Contender,
    Conversation,
    ConversationSummary,
    Event,
    Example,
    ExportForm,
    Language,
    Rating,
    SearchResult,
    Turn,
    Verdict,
    Voice,
)
from settings import Settings

METHODS = tuple(name for name in vars(Engine) if not name.startswith("_") and name != "close")

MAX_REQUEST = 1 << 20
MAX_REPLY = 1 << 28  # the list of a million sources is about 250 MB
MAX_SOCKET_PATH = 100  # bytes; Linux takes 107, macOS 103
REQUEST_SECONDS = 5.0  # to send a request once connected
STALL_SECONDS = 60.0  # a client that reads nothing for so long has gone
HELLO_SECONDS = 5.0
RETRY_SECONDS = 0.2  # between two looks whether the owner that ended its watching has gone

_HELLO = "hello"  # answered without touching the engine

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


def start_server(engine: Engine, settings: Settings) -> "EngineServer":
    """Serves `engine` to the other doors of its home. Only the process that holds the home's lock may call this.

    Raises EngineError if this machine has no way to listen.
    """
    return EngineServer(engine, settings)


def connect(settings: Settings, reopen: Callable[[], Engine] | None = None) -> "RemoteEngine":
    """The engine that another process has open for this home; `reopen` as in RemoteEngine.

    Raises EngineUnreachableError if none answers, EngineError if it is another version of Cita.
    """
    remote = RemoteEngine(settings, reopen)
    remote.hello()
    return remote


@dataclass(frozen=True, slots=True)
class Contact:
    """What index/engine.json says. `socket` is a path, from that folder on; if empty, `port` is on loopback."""

    version: str
    token: str
    socket: str = ""
    port: int = 0

    def request(self, method: str, arguments: dict[str, Any]) -> bytes:
        """A request's line. Raises UsageError if it is longer than the owner takes."""
        request = {"version": VERSION, "token": self.token, "method": method, "arguments": arguments}
        line = json.dumps(request).encode() + b"\n"
        if len(line) > MAX_REQUEST:
            raise UsageError(f"The request is {len(line)} bytes long; at most {MAX_REQUEST} are taken.")
        return line


def _contact_file(settings: Settings) -> Path:
    return settings.index / "engine.json"


def _write_private(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:  # of writing, which does not name the file
        raise OSError(error.errno, error.strerror, str(path)) from error
    temporary.replace(path)


class _Coding:
    """How one method of Engine crosses: its arguments, what it streams (or None), what it returns (or None)."""

    def __init__(self, name: str) -> None:
        function = getattr(Engine, name)
        hints = typing.get_type_hints(function)
        returned = hints.pop("return")
        streamed = None
        if typing.get_origin(returned) is Iterator:
            streamed, returned = typing.get_args(returned)[0], None
        self.reports = hints.pop("progress", None) is not None
        if self.reports:
            streamed = IndexProgress
        parameters = inspect.signature(function).parameters
        fields: dict[str, Any] = {
            name: (hint, ... if parameters[name].default is inspect.Parameter.empty else parameters[name].default)
            for name, hint in hints.items()
        }
        self.arguments: type[BaseModel] = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
        self.streams = streamed is not None
        self.item: TypeAdapter[Any] = TypeAdapter(typing.cast(Any, streamed))
        self.result: TypeAdapter[Any] = TypeAdapter(typing.cast(Any, Base64Bytes if returned is bytes else returned))

    def write_arguments(self, **values: Any) -> dict[str, Any]:
        return self.arguments(**values).model_dump(mode="json")

    def read_arguments(self, values: dict[str, Any]) -> dict[str, Any]:
        model = self.arguments.model_validate(values)
        return {name: getattr(model, name) for name in self.arguments.model_fields}


@cache
def _coding(name: str) -> _Coding:
    return _Coding(name)


# The owner's side


class EngineServer:
    """Serves one engine until `close`, which first finishes what was asked of it (Ctrl-C cuts that short)."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._file = _contact_file(settings)
        self._temporary: Path | None = None
        self._make_private(settings.index)
        token = secrets.token_urlsafe(32)
        self._server, contact = self._listen(engine, token)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="engine", daemon=True)
        self._thread.start()
        try:
            _write_private(self._file, json.dumps(asdict(contact)))
        except BaseException:
            self._stop_listening()
            raise

    def close(self) -> None:
        """Returns once nothing that was asked is still under way and nobody can ask any more."""
        try:
            if not self._server.wait_idle(1.0):
                _log.warning("Finishing what another Cita asked of this one. Ctrl-C ends it.")
            self._server.wait_idle()  # new clients are served as well: they could not open the home themselves
            self._stop_listening()
            self._server.wait_idle()
        finally:
            self._stop_listening()
            self._server.hang_up()

    def _stop_listening(self) -> None:
        if not self._thread.is_alive():
            return
        self._file.unlink(missing_ok=True)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        (self._file.parent / "engine.sock").unlink(missing_ok=True)
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)

    @staticmethod
    def _make_private(folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(OSError):  # some file systems have no modes
            folder.chmod(0o700)

    def _listen(self, engine: Engine, token: str) -> tuple["_Server", Contact]:
        for path in self._socket_paths():
            with suppress(OSError):  # no AF_UNIX on this file system: the next place
                path.unlink(missing_ok=True)  # left by a crash: whoever holds the lock may take it away
                server = _Server(socket.AF_UNIX, str(path), engine, token)
                return server, Contact(VERSION, token, socket=str(path) if self._temporary else path.name)
        try:
            server = _Server(socket.AF_INET, ("127.0.0.1", 0), engine, token)
        except OSError as error:
            raise EngineError(f"Cita cannot listen on this machine: {error}.") from error
        return server, Contact(VERSION, token, port=server.server_address[1])

    def _socket_paths(self) -> Iterator[Path]:
        if not hasattr(socket, "AF_UNIX"):
            return
        path = self._file.parent / "engine.sock"
        if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
            yield path
        self._temporary = Path(tempfile.mkdtemp(prefix="cita-"))  # mode 0700
        yield self._temporary / "engine.sock"


class _ClientGone(Exception):
    """Raised into the engine's work when nobody waits for it any more."""


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, family: int, address: Any, engine: Engine, token: str) -> None:
        self.address_family = family
        self.engine = engine
        self.token = token
        self._active: set[socket.socket] = set()
        self._idle = threading.Condition()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        super().server_bind()
        if isinstance(self.server_address, str):
            Path(self.server_address).chmod(0o600)  # before anyone can connect: listen comes after bind

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._idle:
            self._active.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._idle:
            self._active.discard(request)
            self._idle.notify_all()

    def wait_idle(self, timeout: float | None = None) -> bool:
        with self._idle:
            return self._idle.wait_for(lambda: not self._active, timeout)

    def hang_up(self) -> None:
        """Cuts the connections that are left, which ends their work, and gives it a moment to end."""
        with self._idle:
            for connection in self._active:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.wait_idle(2.0)

    def handle_error(self, *_: Any) -> None:
        _log.exception("A request could not be served.")


class _Handler(socketserver.StreamRequestHandler):
    server: _Server
    timeout = REQUEST_SECONDS

    def handle(self) -> None:
        with suppress(_ClientGone):
            line = self._read()
            self.connection.settimeout(STALL_SECONDS)
            try:
                self._send("result", self._answer(line))
            except CitaError as error:
                self._send("error", {"type": type(error).__name__, "message": error.message, "hint": error.hint})

    def _read(self) -> bytes:
        try:
            return self.rfile.readline(MAX_REQUEST + 1)
        except OSError as error:
            raise _ClientGone from error

    def _answer(self, line: bytes) -> Any:
        """Does what one request asks for and gives its result as JSON; what it streams is sent on the way."""
        request = self._admitted(line)
        if request["method"] == _HELLO:
            return None
        coding = _coding(request["method"])
        try:
            arguments = coding.read_arguments(request["arguments"])
        except ValidationError as error:
            raise EngineError(f"The request's arguments do not fit {request['method']!r}: {error}.") from error
        try:
            return coding.result.dump_python(self._run(request["method"], coding, arguments), mode="json")
        except (CitaError, _ClientGone):
            raise
        except Exception as error:
            _log.exception("The engine failed at %r.", request["method"])
            raise EngineError(
                f"The engine failed at {request['method']!r}: {type(error).__name__}: {error}.",
                hint="The terminal where that Cita runs shows more.",
            ) from error

    def _admitted(self, line: bytes) -> dict[str, Any]:
        if len(line) > MAX_REQUEST:
            raise EngineError(f"The request is longer than {MAX_REQUEST} bytes.")
        try:
            request = json.loads(line)
            token, version = str(request["token"]), request["version"]
            method, arguments = request["method"], request["arguments"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise EngineError("The request is not one that Cita makes.") from error
        if not hmac.compare_digest(token.encode(errors="replace"), self.server.token.encode()):
            # Unreachable: what the client read of where the owner listens was an earlier owner's, who was killed.
            raise EngineUnreachableError("The request does not carry this home's token.", hint="Try again.")
        if version != VERSION:
            raise EngineError(
                f"This home is open in Cita {VERSION}; this is Cita {version}.",
                hint="Close the other one and try again.",
            )
        if method != _HELLO and method not in METHODS:
            raise EngineError(f"The engine has no method {method!r}.")
        return {"method": method, "arguments": arguments}

    def _run(self, name: str, coding: _Coding, arguments: dict[str, Any]) -> Any:
        method: Callable[..., Any] = getattr(self.server.engine, name)

        def send_item(value: Any) -> None:
            self._send("item", coding.item.dump_python(value, mode="json"))

        if coding.reports:
            return method(**arguments, progress=send_item)
        if not coding.streams:
            return method(**arguments)
        with closing(method(**arguments)) as items, self._until_hung_up(name, items):
            for item in items:
                send_item(item)
        return None

    @contextmanager
    def _until_hung_up(self, name: str, items: Any) -> Iterator[None]:
        """Closes what `watch` gives as soon as the client hangs up: its next event may be hours away."""
        if name != "watch":
            yield
            return
        end, ended = socket.socketpair()

        def close_when_hung_up() -> None:
            if ended not in select.select([self.connection, ended], [], [])[0]:
                items.close()

        thread = threading.Thread(target=close_when_hung_up, name="hang-up", daemon=True)
        thread.start()
        try:
            yield
        finally:
            end.close()
            thread.join()
            ended.close()

    def _send(self, kind: str, value: Any) -> None:
        """Raises _ClientGone if the client hung up: a client sends nothing after its request but the end."""
        try:
            if select.select([self.connection], [], [], 0)[0] and not self.connection.recv(1, socket.MSG_PEEK):
                raise _ClientGone
            self.connection.sendall(json.dumps({kind: value}).encode() + b"\n")
        except (OSError, ValueError) as error:
            raise _ClientGone from error


# The other doors' side


class RemoteEngine:
    """The Engine protocol over the home's socket. It looks up the owner at every call, so a new owner is found.

    When the owner has ended, `reopen` opens the home anew, perhaps in this process, and the call is made there. Only
    an answer that had begun is lost. Without `reopen`, or where it finds no engine either, every method raises
    EngineUnreachableError. Otherwise it raises the errors of the engine itself. Calls wait as long as the engine works.
    """

    def __init__(self, settings: Settings, reopen: Callable[[], Engine] | None = None) -> None:
        self._home = settings.home
        self._file = _contact_file(settings)
        self._reopen = reopen
        self._successor: Engine | None = None
        self._lock = threading.Lock()
        self._watches: set[_Watch] = set()
        self._closed = False

    def hello(self) -> None:
        """Raises EngineUnreachableError unless an engine answers within seconds."""
        try:
            contact = self._contact()
            with self._open(contact) as connection, connection.makefile("rb") as replies:
                connection.settimeout(HELLO_SECONDS)
                connection.sendall(contact.request(_HELLO, {}))
                self._reply(replies.readline(MAX_REPLY))
        except OSError as error:
            raise self._unreachable(error) from error

    def folders(self) -> list[Path]:
        return self._call(Engine.folders)

    def add_folders(self, folders: Sequence[Path]) -> list[Path]:
        return self._call(Engine.add_folders, _absolute(folders))

    def remove_folders(self, folders: Sequence[Path]) -> list[Path]:
        return self._call(Engine.remove_folders, _absolute(folders))

    def index(
        self, progress: Callable[[IndexProgress], None] | None = None, confirm: bool = False, read_data: bool = False
    ) -> IndexReport:
        return self._call(Engine.index, progress, confirm, read_data)

    def watch(self) -> Iterator[WatchEvent]:
        watch = _Watch(self)
        self._watches.add(watch)
        return watch

    def sources(self) -> list[Source]:
        return self._call(Engine.sources)

    def status(self) -> Status:
        return self._call(Engine.status)

    def verify(self, read_data: bool = False) -> VerifyReport:
        return self._call(Engine.verify, read_data)

    def rebuild(self, progress: Callable[[IndexProgress], None] | None = None) -> IndexReport:
        return self._call(Engine.rebuild, progress)

    def unlock(self, path: str, password: str) -> bool:
        return self._call(Engine.unlock, path, password)

    def backup(self, file: Path) -> None:
        self._call(Engine.backup, *_absolute([file]))

    def restore(self, file: Path) -> None:
        self._call(Engine.restore, *_absolute([file]))

    def search(
        self,
        question: str,
        k: int | None = None,
        filters: Filters = Filters(),
        explain: bool = False,
        reranker: str | None = None,
    ) -> SearchResult:
        return self._call(Engine.search, question, k, filters, explain, reranker)

    def keep_verdict(self, verdict: Verdict) -> None:
        self._call(Engine.keep_verdict, verdict)

    def ask(
        self,
        question: str,
        k: int | None = None,
        filters: Filters = Filters(),
        model: str | None = None,
        history: Sequence[Turn] = (),
        conversation: str = "",
        abstain: Abstain | None = None,
        voice: Voice | None = None,
        profile: str | None = None,
    ) -> Iterator[Event]:
        begun = False
        asked = {
            "question": question, "k": k, "filters": filters, "model": model, "history": history,
            "conversation": conversation, "abstain": abstain, "voice": voice, "profile": profile,
        }  # fmt: skip
        engine = self._successor
        if engine is None:
            try:
                with closing(self._exchange("ask", **asked)) as events:
                    for event in events:
                        begun = True
                        yield event
                return
            except EngineUnreachableError as error:
                if begun:
                    raise
                engine = self._succeeded(error)
        yield from engine.ask(question, k, filters, model, history, conversation, abstain, voice, profile)

    def compare(
        self, question: str, contenders: Sequence[Contender], k: int | None = None, filters: Filters = Filters()
    ) -> Iterator[ComparisonEvent]:
        begun = False
        engine = self._successor
        if engine is None:
            asked = {"question": question, "contenders": contenders, "k": k, "filters": filters}
            try:
                with closing(self._exchange("compare", **asked)) as events:
                    for event in events:
                        begun = True
                        yield event
                return
            except EngineUnreachableError as error:
                if begun:
                    raise
                engine = self._succeeded(error)
        yield from engine.compare(question, contenders, k, filters)

    def comparisons(self) -> list[Comparison]:
        return self._call(Engine.comparisons)

    def prefer(self, comparison: str, better: int | None) -> None:
        self._call(Engine.prefer, comparison, better)

    def delete_comparisons(self, ids: Sequence[str]) -> None:
        self._call(Engine.delete_comparisons, ids)

    def work(self, task: Task, model: str | None = None, voice: Voice | None = None) -> Iterator[TaskEvent]:
        engine = self._successor
        if engine is None:
            try:
                with closing(self._exchange("work", task=task, model=model, voice=voice)) as events:
                    yield from events
                return
            except EngineUnreachableError as error:
                engine = self._succeeded(error)  # which has the parts that are finished
        yield from engine.work(task, model, voice)

    def conversations(self, matching: str = "") -> list[ConversationSummary]:
        return self._call(Engine.conversations, matching)

    def conversation(self, id: str) -> Conversation:
        return self._call(Engine.conversation, id)

    def export_conversation(self, id: str, form: ExportForm, language: Language = "en") -> bytes:
        return self._call(Engine.export_conversation, id, form, language)

    def rename_conversation(self, id: str, title: str) -> None:
        self._call(Engine.rename_conversation, id, title)

    def delete_conversations(self, ids: Sequence[str]) -> None:
        self._call(Engine.delete_conversations, ids)

    def forget_conversations(self) -> None:
        self._call(Engine.forget_conversations)

    def rate(self, conversation: str, turn: int, rating: Rating | None, reason: str = "") -> None:
        self._call(Engine.rate, conversation, turn, rating, reason)

    def examples(self) -> list[Example]:
        return self._call(Engine.examples)

    def examples_like(self, question: str, k: int) -> list[Example]:
        return self._call(Engine.examples_like, question, k)

    def keep_example(self, conversation: str, turn: int) -> None:
        self._call(Engine.keep_example, conversation, turn)

    def add_examples(self, pairs: Sequence[tuple[str, str]], imported: bool = False) -> int:
        return self._call(Engine.add_examples, pairs, imported)

    def delete_examples(self, ids: Sequence[str]) -> None:
        self._call(Engine.delete_examples, ids)

    def export_examples(self) -> bytes:
        return self._call(Engine.export_examples)

    def passage(self, id: str) -> Passage:
        return self._call(Engine.passage, id)

    def page_image(self, path: str, page: int, quotes: Sequence[str] = (), scale: float = 2.0) -> bytes:
        return self._call(Engine.page_image, path, page, quotes, scale)

    def loaded_models(self) -> list[LoadedModel]:
        return self._call(Engine.loaded_models)

    def models(self) -> list[ModelInfo]:
        return self._call(Engine.models)

    def add_model(self, path: Path, base: str = "", scale: float = 1.0, protocol: ModelProtocol = "") -> ModelInfo:
        return self._call(Engine.add_model, path.absolute(), base, scale, protocol)

    def add_server(
        self, url: str, model: str = "", key: str = "", off_machine: bool = False, protocol: ModelProtocol = "openai"
    ) -> list[ModelInfo]:
        return self._call(Engine.add_server, url, model, key, off_machine, protocol)

    def use_model(self, name: str) -> ModelInfo:
        return self._call(Engine.use_model, name)

    def remove_model(self, name: str, delete: bool = False) -> None:
        self._call(Engine.remove_model, name, delete)

    def close(self) -> None:
        """The owner's engine stays open; nothing is kept open between calls, but watches and an engine of our own."""
        self._closed = True
        for watch in tuple(self._watches):
            watch.close()
        with self._lock:
            if self._successor:
                self._successor.close()

    def _call(self, method: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        arguments = inspect.signature(method).bind(self, *args, **kwargs).arguments
        progress = arguments.pop("progress", None)
        del arguments["self"]
        engine = self._successor
        if engine is None:
            try:
                return typing.cast(T, _finish(self._exchange(method.__name__, **arguments), progress))
            except EngineUnreachableError as error:
                engine = self._succeeded(error)
        return typing.cast(T, getattr(engine, method.__name__)(*args, **kwargs))

    def _succeeded(self, error: EngineUnreachableError) -> Engine:
        with self._lock:
            if self._reopen is None or self._closed:
                raise error
            if self._successor is None:
                self._successor = self._reopen()
            return self._successor

    def _exchange(
        self, method: str, opened: Callable[[socket.socket], None] = lambda _: None, /, **arguments: Any
    ) -> Generator[Any, None, Any]:
        """Sends one request, yields what is streamed and returns the result. Closing it hangs up."""
        coding = _coding(method)
        try:
            contact = self._contact()
            line = contact.request(method, coding.write_arguments(**arguments))
            with self._open(contact) as connection, connection.makefile("rb") as replies:
                opened(connection)
                connection.sendall(line)
                while "result" not in (reply := self._reply(replies.readline(MAX_REPLY))):
                    yield self._read(coding.item, reply["item"])
                return self._read(coding.result, reply["result"])
        except OSError as error:
            raise self._unreachable(error) from error

    def _contact(self) -> Contact:
        try:
            return TypeAdapter(Contact).validate_json(self._file.read_bytes())
        except (OSError, ValidationError) as error:
            raise EngineUnreachableError(
                f"No Cita has {str(self._home)!r} open, or it is just starting or ending.", hint="Try again."
            ) from error

    def _open(self, contact: Contact) -> socket.socket:
        if not contact.socket:
            connection = socket.create_connection(("127.0.0.1", contact.port), HELLO_SECONDS)
        else:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(HELLO_SECONDS)
            try:
                connection.connect(str(self._file.parent / contact.socket))
            except OSError:
                connection.close()
                raise
        connection.settimeout(None)
        return connection

    def _reply(self, line: bytes) -> dict[str, Any]:
        if not line.endswith(b"\n"):
            raise EngineUnreachableError(
                f"The Cita that had {str(self._home)!r} open ended before it had answered.", hint="Try again."
            )
        try:
            reply: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise EngineError(f"The engine's answer cannot be read: {error}.") from error
        if "error" in reply:
            raise _raised(reply["error"])
        return reply

    def _read(self, adapter: TypeAdapter[Any], value: Any) -> Any:
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            raise EngineError(f"The engine's answer cannot be read: {error}.") from error

    def _unreachable(self, error: OSError) -> EngineUnreachableError:
        return EngineUnreachableError(
            f"The Cita that has {str(self._home)!r} open does not answer: {error}.",
            hint="Try again, or close that Cita first.",
        )


class _Watch:
    """watch() through the socket: when the owner ends it goes on with the next, perhaps this process.

    A new owner begins with an index run, so nothing is lost in between. `close` ends it; any thread may call it.
    """

    def __init__(self, engine: RemoteEngine) -> None:
        self._engine = engine
        self._events = self._follow()
        self._closed = threading.Event()
        self._wake: Callable[[], None] = lambda: None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> WatchEvent:
        return next(self._events)

    def close(self) -> None:
        self._closed.set()
        self._wake()
        self._engine._watches.discard(self)
        with suppress(ValueError):  # another thread is waiting in it, and has been woken
            self._events.close()

    def _follow(self) -> Generator[WatchEvent]:
        while not self._closed.is_set():
            successor = self._engine._successor
            try:
                yield from self._woken_by_close(successor.watch()) if successor else self._owners()
                if successor:  # an engine of our own, which was closed
                    return
                self._closed.wait(RETRY_SECONDS)
            except EngineUnreachableError as error:
                if self._closed.is_set():
                    return
                yield from self._succeed(error)

    def _owners(self) -> Generator[WatchEvent]:
        with closing(self._engine._exchange("watch", self._hang_up_on_close)) as events:
            yield from events

    def _hang_up_on_close(self, connection: socket.socket) -> None:
        def hang_up() -> None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

        self._wake = hang_up
        if self._closed.is_set():
            hang_up()

    def _woken_by_close(self, events: Any) -> Any:
        self._wake = events.close
        if self._closed.is_set():
            events.close()
        return events

    def _succeed(self, error: EngineUnreachableError) -> Generator[WatchEvent]:
        """Opens the home anew. What holds it and does not answer now may do so later."""
        try:
            self._engine._succeeded(error)
        except EngineUnreachableError as unreachable:
            if unreachable is error:  # nothing can open it
                raise
            yield WatchEvent("problem", datetime.now(UTC).isoformat(timespec="seconds"), problem=str(unreachable))
            self._closed.wait(RETRY_SECONDS)


def _finish(replies: Generator[Any, None, Any], progress: Callable[[Any], None] | None = None) -> Any:
    """What `replies` returns, having told `progress` of all that they yield."""
    with closing(replies):
        while True:
            try:
                item = next(replies)
            except StopIteration as end:
                return end.value
            if progress:
                progress(item)


def _absolute(folders: Sequence[Path]) -> list[Path]:
    """The owner has another current folder than we."""
    return [folder.absolute() for folder in folders]


def _raised(error: dict[str, str]) -> CitaError:
    known = getattr(errors, error["type"], EngineError)
    return typing.cast(CitaError, known(error["message"], hint=error["hint"]))
