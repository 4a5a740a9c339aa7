"""The home's socket: everything an engine does crosses it whole, and nobody else gets in."""

import json
import multiprocessing
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import errors
import remote
from engine import Engine, open_engine
from errors import CitaError, EngineError, EngineUnreachableError, FolderError, StorageFullError, UsageError
from ingest.types import Filters, IndexProgress, IndexReport, WatchEvent
from models.live import LoadedModel
from models.runtime import Runtime
from rag.tasks.types import Compare, Draft, Summarise, Tabulate
from rag.types import ComparisonEvent, Completed, Contender, Event, Retrieved, Token, Turn, Verdict
from remote import EngineServer, RemoteEngine, connect, start_server
from settings import Settings
from tests.conftest import ROOT
from tests.fakes import LEASE, FakeEngine


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    return FakeEngine([tmp_path])


@pytest.fixture
def server(engine: FakeEngine, settings: Settings) -> Iterator[EngineServer]:
    with closing(start_server(engine, settings)) as server:
        yield server


@pytest.fixture
def client(server: EngineServer, settings: Settings) -> RemoteEngine:
    return connect(settings)


def contact(settings: Settings) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((settings.index / "engine.json").read_text())
    return values


def raw(settings: Settings) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(str(settings.index / contact(settings)["socket"]))
    return connection


def answer_to(settings: Settings, line: bytes) -> dict[str, Any]:
    with raw(settings) as connection, connection.makefile("rb") as replies:
        connection.sendall(line)
        answer: dict[str, Any] = json.loads(replies.readline())
        return answer


def request(settings: Settings, **changes: Any) -> bytes:
    known = contact(settings)
    values = {"version": known["version"], "token": known["token"], "method": "folders", "arguments": {}}
    return json.dumps(values | changes).encode() + b"\n"


def first(events: Any) -> object:
    with closing(events):
        return next(events)


FILTERS = Filters(within=("contracts", "#ñ"), types=("pdf",), languages=("es",), since="2024-05")
VERDICT = Verdict("/m.gguf", "ab", "words/1", "cd", 40, 0.6, 0.7, 0.01, 0.1, "2026-01-02T03:04:05+00:00")


def kept(engine: Engine) -> list[Event]:
    return list(engine.ask("The notice?", conversation="new"))


def contest(engine: Engine) -> list[ComparisonEvent]:
    return list(engine.compare("The notice?", [Contender("broken"), Contender("x")]))


def told(engine: Engine) -> list[object]:
    return [(one, engine.conversation(one.id)) for one in engine.conversations()]


# Every method, over the wire and directly. Times differ between calls of a real engine, not of the fake.
CALLS: dict[str, Callable[[Engine, Path], object]] = {
    "folders": lambda engine, _: engine.folders(),
    "add_folders": lambda engine, folder: engine.add_folders([folder, folder.parent]),
    "remove_folders": lambda engine, folder: engine.remove_folders([folder]),
    "index": lambda engine, _: engine.index(),
    "sources": lambda engine, _: engine.sources(),
    "status": lambda engine, _: engine.status(),
    "watch": lambda engine, _: first(engine.watch()),
    "verify": lambda engine, _: engine.verify(read_data=True),
    "rebuild": lambda engine, _: engine.rebuild(),
    "unlock": lambda engine, _: engine.unlock("a.pdf", "open sesame"),
    "backup": lambda engine, folder: engine.backup(folder / "backup"),
    "restore": lambda engine, folder: engine.restore(folder / "backup"),
    "search": lambda engine, _: engine.search("notice", k=3, filters=FILTERS, explain=True, reranker="off"),
    "keep_verdict": lambda engine, _: engine.keep_verdict(VERDICT),
    "ask": lambda engine, _: list(
        engine.ask("And what is the notice?", k=3, filters=FILTERS, model="x", history=[Turn("The rent?", "1,200.")])
    ),
    "compare": lambda engine, _: list(
        engine.compare("The notice?", [Contender("broken"), Contender("x"), Contender(profile="deep")], 3, FILTERS)
    ),
    "comparisons": lambda engine, _: (contest(engine), engine.comparisons()),
    "prefer": lambda engine, _: (contest(engine), engine.prefer("v1", 1), engine.comparisons()),
    "delete_comparisons": lambda engine, _: (contest(engine), engine.delete_comparisons(["v1"]), engine.comparisons()),
    "work": lambda engine, _: [
        list(engine.work(task, "x"))
        for task in (Summarise(FILTERS), Compare("a", "b"), Tabulate(("Rent", "b=c?"), FILTERS), Draft("t", ("s",)))
    ],
    "conversations": lambda engine, _: engine.conversations("notice"),
    "conversation": lambda engine, _: (kept(engine), engine.conversation("c1")),
    "export_conversation": lambda engine, _: (kept(engine), engine.export_conversation("c1", "md", "es")),
    "rename_conversation": lambda engine, _: (kept(engine), engine.rename_conversation("c1", "Ñ"), told(engine)),
    "delete_conversations": lambda engine, _: (kept(engine), engine.delete_conversations(["c1"]), told(engine)),
    "forget_conversations": lambda engine, _: (kept(engine), engine.forget_conversations(), told(engine)),
    "rate": lambda engine, _: (kept(engine), engine.rate("c1", 1, "bad", "No."), told(engine)),
    "examples": lambda engine, _: (engine.add_examples([("A?", "B.")]), engine.examples()),
    "examples_like": lambda engine, _: (engine.add_examples([("A?", "B.")]), engine.examples_like("C?", 1)),
    "keep_example": lambda engine, _: (kept(engine), engine.keep_example("c1", 1), engine.examples()),
    "add_examples": lambda engine, _: (engine.add_examples([("A?", "B.")], imported=True), engine.examples()),
    "delete_examples": lambda engine, _: (
        engine.add_examples([("A?", "B.")]),
        engine.delete_examples(["e1"]),
        engine.examples(),
    ),
    "export_examples": lambda engine, _: (kept(engine), engine.keep_example("c1", 1), engine.export_examples()),
    "passage": lambda engine, _: engine.passage(LEASE.id),
    "page_image": lambda engine, _: engine.page_image(LEASE.path, 2, ["thirty days"], scale=1.5),
    "models": lambda engine, _: engine.models(),
    "loaded_models": lambda engine, _: engine.loaded_models(),
    "add_model": lambda engine, folder: engine.add_model(folder / "tiny.gguf", protocol="gpt4all"),
    "add_server": lambda engine, _: (
        engine.add_server("http://127.0.0.1:1", "m", "sk-key"),
        engine.add_server("https://models.example", off_machine=True, protocol="llamafile"),
    ),
    "use_model": lambda engine, _: engine.use_model("extractive"),
    "remove_model": lambda engine, _: engine.remove_model("tiny-reader", delete=True),
}


def test_every_method_of_the_engine_is_tried() -> None:
    assert set(CALLS) == set(remote.METHODS)


def test_what_is_in_memory_crosses_as_it_is() -> None:
    runtime = Runtime(4096, 2, 512, 0, flash_attention=True, cache="q8_0", repack=False)
    loaded = [LoadedModel("mini", 10, runtime, answering=True), LoadedModel("big", 20, None, answering=False)]
    coding = remote._coding("loaded_models").result
    assert coding.validate_python(coding.dump_python(loaded, mode="json")) == loaded


@pytest.mark.parametrize("method", CALLS)
def test_a_call_gives_what_the_engine_gives(method: str, client: RemoteEngine, tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF")
    call, own = CALLS[method], FakeEngine([tmp_path])
    assert call(client, tmp_path) == call(own, tmp_path)


def test_arguments_arrive_as_they_were_given(client: RemoteEngine, engine: FakeEngine) -> None:
    given: list[object] = []

    def search(
        question: str,
        k: int | None = None,
        filters: Filters = Filters(),
        explain: bool = False,
        reranker: str | None = None,
    ) -> object:
        given.extend([question, k, filters, explain, reranker])
        return FakeEngine().search(question)

    engine.search = search  # type: ignore[method-assign, assignment]
    client.search("¿Cuál es el plazo?\n\u2028\x1b", 7, FILTERS, explain=True, reranker="off")
    assert given == ["¿Cuál es el plazo?\n\u2028\x1b", 7, FILTERS, True, "off"]
    client.keep_verdict(VERDICT)
    assert engine.verdicts == [VERDICT]


def test_a_relative_folder_means_the_clients_current_folder(
    client: RemoteEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes").mkdir()
    monkeypatch.chdir(tmp_path)
    assert client.add_folders([Path("notes")])[-1] == tmp_path / "notes"


def test_progress_arrives_while_the_index_runs(client: RemoteEngine) -> None:
    seen: list[IndexProgress] = []
    client.index(seen.append)
    assert [step.files_done for step in seen] == [1, 2]


def test_tokens_arrive_one_by_one(client: RemoteEngine, engine: FakeEngine) -> None:
    first_was_read = threading.Event()

    def ask(question: str, **_: object) -> Iterator[Event]:
        yield Token("first")
        assert first_was_read.wait(10)
        yield Token("second")

    engine.ask = ask  # type: ignore[method-assign, assignment]
    events = client.ask("?")
    assert next(events) == Token("first")
    first_was_read.set()
    assert list(events) == [Token("second")]


FAMILY = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, CitaError)]


@pytest.mark.parametrize("kind", FAMILY)
def test_an_error_of_the_engine_is_raised_as_itself(
    kind: type[CitaError], client: RemoteEngine, engine: FakeEngine
) -> None:
    def fail() -> None:
        raise kind("What was wrong.", hint="What to do.")

    engine.sources = fail  # type: ignore[method-assign, assignment]
    with pytest.raises(CitaError) as raised:
        client.sources()
    assert type(raised.value) is kind
    assert (raised.value.message, raised.value.hint) == ("What was wrong.", "What to do.")


def test_an_error_before_the_first_event_is_raised(client: RemoteEngine) -> None:
    with pytest.raises(UsageError, match="empty"):
        next(client.ask(" "))


def test_an_error_in_mid_index_is_raised_after_its_progress(client: RemoteEngine, engine: FakeEngine) -> None:
    def index(progress: Callable[[IndexProgress], None], **_: object) -> IndexReport:
        progress(IndexProgress(2, 1, "a", 1, 1.0, None))
        raise StorageFullError("No space.")

    engine.index = index  # type: ignore[method-assign, assignment]
    seen: list[IndexProgress] = []
    with pytest.raises(StorageFullError, match="No space"):
        client.index(seen.append)
    assert len(seen) == 1


def test_a_bug_in_the_engine_is_an_error_and_the_next_call_works(client: RemoteEngine, engine: FakeEngine) -> None:
    def fail() -> None:
        raise ZeroDivisionError("by zero")

    engine.sources = fail  # type: ignore[method-assign, assignment]
    with pytest.raises(EngineError, match="ZeroDivisionError: by zero"):
        client.sources()
    assert client.passage(LEASE.id) == LEASE


def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether `condition` comes true in time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def endless(engine: FakeEngine) -> list[int]:
    """Makes ask() go on for ever; the list grows with every token, and ends with -1 when it is closed."""
    made: list[int] = []

    def ask(question: str, **_: object) -> Iterator[Event]:
        try:
            while True:
                made.append(len(made))
                yield Token("word ")
                time.sleep(0.005)
        finally:
            made.append(-1)

    engine.ask = ask  # type: ignore[method-assign, assignment]
    return made


def test_closing_the_events_stops_the_generation(client: RemoteEngine, engine: FakeEngine) -> None:
    made = endless(engine)
    events = client.ask("?")
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert until(lambda: made[-1] == -1)


def test_a_client_that_is_killed_stops_the_generation(settings: Settings, server: object, engine: FakeEngine) -> None:
    made = endless(engine)
    line = request(settings, method="ask", arguments={"question": "?"})
    with raw(settings) as connection:
        connection.sendall(line)
        assert connection.recv(10)
    assert until(lambda: made[-1] == -1)


def test_a_client_that_goes_away_stops_its_index_run(settings: Settings, server: object, engine: FakeEngine) -> None:
    stopped = threading.Event()

    def index(progress: Callable[[IndexProgress], None], **_: object) -> IndexReport:
        try:
            for done in range(10_000):
                progress(IndexProgress(10_000, done, "a", 1, 1.0, None))
                time.sleep(0.005)
        finally:
            stopped.set()
        raise AssertionError

    engine.index = index  # type: ignore[method-assign, assignment]
    with raw(settings) as connection:
        connection.sendall(request(settings, method="index"))
        assert connection.recv(10)
    assert stopped.wait(10)


# Who gets in


def test_a_door_that_read_where_a_killed_owner_listened_finds_its_successor(
    settings: Settings, server: object, engine: FakeEngine
) -> None:
    file = settings.index / "engine.json"
    current = file.read_text()
    file.write_text(json.dumps({**json.loads(current), "token": "of one who was killed"}))
    with FileLock(settings.index / "engine.lock"):  # the successor has it, and is just starting
        written = threading.Timer(0.3, file.write_text, [current])
        written.start()
        with closing(open_engine(settings)) as door:
            assert door.folders() == engine.folders()
        written.join()


@pytest.mark.parametrize("token", ["", "x", "ñ\ud800", None, 0])
def test_a_wrong_token_is_refused(token: object, settings: Settings, server: object) -> None:
    error = answer_to(settings, request(settings, token=token, method="sources"))["error"]
    assert (error["type"], "token" in error["message"]) == ("EngineUnreachableError", True)


def test_a_client_of_another_version_is_told_so(settings: Settings, server: object) -> None:
    error = answer_to(settings, request(settings, version="9.9.9"))["error"]
    assert error["type"] == "EngineError"
    assert "9.9.9" in error["message"]
    assert contact(settings)["version"] in error["message"]


def test_another_version_is_an_error_already_when_connecting(
    settings: Settings, server: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote.Contact, "request", lambda *_: request(settings, version="9.9.9", method="hello"))
    with pytest.raises(EngineError, match=r"open in Cita \d+\.\d+\.\d+; this is Cita 9\.9\.9") as raised:
        connect(settings)
    assert not isinstance(raised.value, EngineUnreachableError)


@pytest.mark.parametrize("method", ["close", "__init__", "_folders", "nothing", None])
def test_only_the_engines_methods_can_be_called(method: object, settings: Settings, server: object) -> None:
    error = answer_to(settings, request(settings, method=method))["error"]
    assert f"no method {method!r}" in error["message"]


@pytest.mark.parametrize("arguments", [{"k": 3}, {"question": 3}, {"question": "a", "x": 1}, [], None, "a"])
def test_arguments_that_do_not_fit_are_refused(arguments: object, settings: Settings, server: object) -> None:
    error = answer_to(settings, request(settings, method="search", arguments=arguments))["error"]
    assert "do not fit 'search'" in error["message"]


@pytest.mark.parametrize(
    "line", [b"\n", b"GET / HTTP/1.1\r\n", b"[]\n", b"{}\n", b"null\n", b"\xff\x00\xfe\n", b"[" * 200_000 + b"\n"]
)
def test_garbage_is_answered_with_an_error(line: bytes, settings: Settings, client: RemoteEngine) -> None:
    assert "not one that Cita makes" in answer_to(settings, line)["error"]["message"]
    assert client.passage(LEASE.id) == LEASE


def test_a_line_without_end_is_refused_and_the_next_call_works(settings: Settings, client: RemoteEngine) -> None:
    endless_line = b"x" * (64 * remote.MAX_REQUEST)
    with raw(settings) as connection, pytest.raises(OSError, match=r"reset|pipe"):
        connection.sendall(endless_line)
    assert client.passage(LEASE.id) == LEASE


def test_a_question_too_long_to_send_is_named(client: RemoteEngine) -> None:
    with pytest.raises(UsageError, match=str(remote.MAX_REQUEST)):
        client.search("x" * remote.MAX_REQUEST)


def test_a_client_that_says_nothing_does_not_hold_up_others_nor_the_end(
    settings: Settings, server: EngineServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote._Handler, "timeout", 0.3)
    with raw(settings):
        assert connect(settings).passage(LEASE.id) == LEASE
        server.close()


def test_many_clients_at_once_each_get_their_own_answer(client: RemoteEngine) -> None:
    questions = [f"notice {n}" for n in range(40)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda question: list(client.ask(question))[-1], questions))
    assert [answer.answer.question for answer in answers if isinstance(answer, Completed)] == questions


# Files and places


def test_only_the_user_can_reach_the_socket_and_the_token(settings: Settings, server: object) -> None:
    modes = {name: stat.S_IMODE((settings.index / name).stat().st_mode) for name in ("", "engine.sock", "engine.json")}
    assert modes == {"": 0o700, "engine.sock": 0o600, "engine.json": 0o600}


def test_a_folder_open_to_others_is_closed_to_them(settings: Settings, engine: FakeEngine) -> None:
    settings.index.mkdir(parents=True)
    settings.index.chmod(0o755)
    with closing(start_server(engine, settings)):
        assert stat.S_IMODE(settings.index.stat().st_mode) == 0o700


def test_nothing_is_left_after_closing(settings: Settings, engine: FakeEngine) -> None:
    start_server(engine, settings).close()
    assert list(settings.index.iterdir()) == []


def test_every_start_has_a_new_token(settings: Settings, engine: FakeEngine) -> None:
    tokens = set()
    for _ in range(3):
        with closing(start_server(engine, settings)):
            tokens.add(contact(settings)["token"])
    assert len(tokens) == 3
    assert min(map(len, tokens)) >= 43  # 32 random bytes


def test_what_a_crash_left_is_taken_over(settings: Settings, engine: FakeEngine) -> None:
    settings.index.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(settings.index / "engine.sock"))
    (settings.index / "engine.json").write_text("{half")
    (settings.index / "engine.json.new").write_text("")
    with closing(start_server(engine, settings)):
        assert connect(settings).passage(LEASE.id) == LEASE


@pytest.mark.parametrize("name", ["x" * 120, "ñ" * 60])
def test_a_home_with_a_long_path_is_served_from_a_private_folder(
    name: str, tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[Path] = []
    make = remote.tempfile.mkdtemp  # type: ignore[attr-defined]
    monkeypatch.setattr(remote.tempfile, "mkdtemp", lambda **names: places.append(Path(make(**names))) or places[-1])  # type: ignore[attr-defined, func-returns-value]
    settings = Settings.load(tmp_path / name)
    with closing(start_server(engine, settings)):
        assert stat.S_IMODE(places[0].stat().st_mode) == 0o700
        assert stat.S_IMODE(Path(contact(settings)["socket"]).stat().st_mode) == 0o600
        assert connect(settings).passage(LEASE.id) == LEASE
    assert not places[0].exists()


def test_without_local_sockets_loopback_is_used(
    settings: Settings, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "AF_UNIX")
    with closing(start_server(engine, settings)) as server:
        assert server._server.server_address[0] == "127.0.0.1"
        assert contact(settings)["port"] > 0
        assert connect(settings).passage(LEASE.id) == LEASE
        events = connect(settings).ask("notice")
        assert isinstance(next(events), Retrieved)


# Watching


PROBLEM = WatchEvent("problem", "2026-01-02T03:04:05+00:00", problem="No space.")


def watching(engine: FakeEngine) -> bool:
    """Whether the engine gives its events to anybody."""
    return any(not watch.closed for watch in engine.watches)


def test_what_is_watched_arrives_at_once_until_it_is_closed(client: RemoteEngine, engine: FakeEngine) -> None:
    events = client.watch()
    assert next(events).kind == "watching"
    engine.tell(PROBLEM)
    assert next(events) == PROBLEM
    assert watching(engine)
    events.close()  # type: ignore[attr-defined]
    assert list(events) == []
    assert until(lambda: not watching(engine), seconds=1)


def test_closing_ends_a_watcher_who_waits_for_the_next_event(client: RemoteEngine, engine: FakeEngine) -> None:
    events = client.watch()
    assert next(events).kind == "watching"
    waiting = threading.Thread(target=list, args=(events,))
    waiting.start()
    time.sleep(0.1)
    events.close()  # type: ignore[attr-defined]
    waiting.join(1)
    assert not waiting.is_alive()
    assert until(lambda: not watching(engine), seconds=1)


def test_closing_the_client_ends_its_watching(client: RemoteEngine, engine: FakeEngine) -> None:
    events = client.watch()
    assert next(events).kind == "watching"
    client.close()
    assert list(events) == []
    assert until(lambda: not watching(engine), seconds=1)


def test_a_watcher_that_is_killed_is_let_go_without_an_event(
    settings: Settings, server: object, engine: FakeEngine
) -> None:
    with raw(settings) as connection:
        connection.sendall(request(settings, method="watch"))
        assert connection.recv(10)
        assert watching(engine)
    assert until(lambda: not watching(engine), seconds=1)


def test_an_owner_that_closes_does_not_wait_for_watchers(
    settings: Settings, server: EngineServer, engine: FakeEngine
) -> None:
    watches = [connect(settings).watch() for _ in range(3)]
    assert [next(events).kind for events in watches] == ["watching"] * 3
    started = time.monotonic()
    engine.close()
    server.close()
    assert time.monotonic() - started < 1


def test_when_the_owner_ends_watching_goes_on_with_the_next(
    settings: Settings, server: EngineServer, engine: FakeEngine
) -> None:
    opened: list[FakeEngine] = []

    def reopen() -> FakeEngine:
        opened.append(FakeEngine([Path("/new")]))
        return opened[-1]

    client = connect(settings, reopen=reopen)
    events = client.watch()
    assert next(events).kind == "watching"
    engine.close()
    server.close()
    assert next(events).folders == ("/new",)
    opened[0].tell(PROBLEM)
    assert next(events) == PROBLEM
    client.close()
    assert list(events) == []
    assert opened[0].closed


def test_without_a_next_owner_watching_ends_with_an_error(settings: Settings, server: EngineServer) -> None:
    events = connect(settings).watch()
    assert next(events).kind == "watching"
    server._server.hang_up()
    server.close()
    with pytest.raises(EngineUnreachableError):
        next(events)


def test_a_home_that_cannot_be_opened_yet_is_a_problem_and_is_tried_again(
    settings: Settings, server: EngineServer, engine: FakeEngine
) -> None:
    tries: list[int] = []

    def reopen() -> FakeEngine:
        tries.append(1)
        if len(tries) == 1:
            raise EngineUnreachableError("It hangs.")
        return FakeEngine()

    with closing(connect(settings, reopen=reopen)) as client:
        events = client.watch()
        assert next(events).kind == "watching"
        engine.close()
        server.close()
        assert next(events).problem == "It hangs."
        assert next(events).kind == "watching"


WATCH = """
import sys
from contextlib import closing
from engine import open_engine
from settings import Settings
with closing(open_engine(Settings.load(sys.argv[1]))) as engine:
    for event in engine.watch():
        print(event.kind, event.report.added if event.report else type(engine).__name__, event.problem, flush=True)
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "ended"])
def test_when_the_owner_is_killed_or_ends_another_process_goes_on_watching(
    how: signal.Signals, ready_settings: Settings
) -> None:
    """Three processes over a real engine: the first owns the home, and one of the others follows it."""
    library = ready_settings.library
    library.mkdir(parents=True)
    (library / "1.md").write_text("The mill grinds wheat.")
    with ExitStack() as ending:
        processes = []
        for _ in range(3):
            command = [sys.executable, "-W", "ignore", "-c", WATCH, str(ready_settings.home)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
            processes.append(ending.enter_context(process))
            ending.callback(process.kill)
            assert line_of(process) in ("watching LocalEngine", "watching RemoteEngine")
        owner, *others = processes
        assert line_of(owner) == "indexed 1"
        owner.send_signal(how)
        owner.wait(20)
        for other in others:
            while not line_of(other).startswith("watching"):
                pass
        (library / "2.md").write_text("The deposit is 1,200 euros.")
        for other in others:
            while not (line := line_of(other)).startswith("indexed"):
                assert line.startswith("watching")
        with closing(open_engine(ready_settings)) as engine:
            assert until(lambda: engine.status().sources == {"indexed": 2})


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


# Beginning and end


def test_without_an_owner_connecting_fails_and_says_so(settings: Settings) -> None:
    with pytest.raises(EngineUnreachableError, match=str(settings.home)):
        connect(settings)


@pytest.fixture
def lock(settings: Settings) -> Iterator[FileLock]:
    """The home's lock in other hands."""
    settings.index.mkdir(parents=True)
    with FileLock(settings.index / "engine.lock", timeout=0, thread_local=False) as lock:
        yield lock


def test_an_owner_that_is_just_starting_is_waited_for(settings: Settings, engine: FakeEngine, lock: FileLock) -> None:
    servers: list[EngineServer] = []
    timer = threading.Timer(0.3, lambda: servers.append(start_server(engine, settings)))
    timer.start()
    assert open_engine(settings).passage(LEASE.id) == LEASE
    servers[0].close()


def test_an_owner_that_is_just_leaving_is_waited_for_and_followed(settings: Settings, lock: FileLock) -> None:
    timer = threading.Timer(0.3, lock.release)
    timer.start()
    with closing(open_engine(settings)) as opened:
        assert not isinstance(opened, RemoteEngine)
        assert opened.folders() == connect(settings).folders() == [settings.library]


def test_an_owner_that_never_answers_is_an_error(
    settings: Settings, lock: FileLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.PATIENCE", 0.2)
    with pytest.raises(EngineUnreachableError, match=str(settings.home)):
        open_engine(settings)


def test_an_owner_that_does_not_answer_is_given_up(
    settings: Settings, server: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "HELLO_SECONDS", 0.2)
    monkeypatch.setattr(remote._Handler, "handle", lambda self: time.sleep(1))
    with pytest.raises(EngineUnreachableError, match="does not answer"):
        connect(settings)


def test_a_new_owner_is_found_by_an_old_client(settings: Settings, client: RemoteEngine, server: EngineServer) -> None:
    server.close()
    with pytest.raises(EngineUnreachableError):
        client.folders()
    with closing(start_server(FakeEngine([Path("/new")]), settings)):
        assert client.folders() == [Path("/new")]


def test_closing_lets_what_was_asked_finish(
    settings: Settings, server: EngineServer, engine: FakeEngine, client: RemoteEngine
) -> None:
    go_on = threading.Event()

    def ask(question: str, **_: object) -> Iterator[Event]:
        yield Token("first")
        assert go_on.wait(10)
        yield Token("last")

    engine.ask = ask  # type: ignore[method-assign, assignment]
    events = client.ask("?")
    next(events)
    ending = threading.Thread(target=server.close)
    ending.start()
    ending.join(0.2)
    assert ending.is_alive()
    assert client.passage(LEASE.id) == LEASE  # who comes meanwhile is served
    go_on.set()
    assert list(events) == [Token("last")]
    ending.join(10)
    assert not ending.is_alive()


def test_an_impatient_end_cuts_what_was_asked(
    server: EngineServer, engine: FakeEngine, client: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = endless(engine)
    events = client.ask("?")
    next(events)

    def interrupted(timeout: float | None = None) -> bool:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(server._server, "wait_idle", interrupted)
    with pytest.raises(KeyboardInterrupt):
        server.close()
    assert made[-1] == -1
    with pytest.raises(EngineUnreachableError):
        list(events)


def test_when_the_owner_has_ended_the_home_is_opened_anew(
    settings: Settings, server: EngineServer, tmp_path: Path
) -> None:
    opened: list[FakeEngine] = []

    def reopen() -> FakeEngine:
        opened.append(FakeEngine([tmp_path / "new"]))
        return opened[-1]

    steps: list[IndexProgress] = []
    client = connect(settings, reopen=reopen)
    server.close()
    assert client.folders() == [tmp_path / "new"]
    assert client.index(steps.append) == FakeEngine().index()
    assert len(steps) == 2
    assert list(client.ask("notice")) == list(FakeEngine().ask("notice"))
    client.close()
    assert [engine.closed for engine in opened] == [True]


@pytest.mark.parametrize("first", ["ask", "index", "search"])
def test_the_call_that_finds_the_owner_ended_is_made_again(
    first: str, settings: Settings, server: EngineServer, tmp_path: Path
) -> None:
    client = connect(settings, reopen=FakeEngine)
    server.close()
    assert CALLS[first](client, tmp_path) == CALLS[first](FakeEngine(), tmp_path)


def test_an_answer_that_had_begun_is_not_begun_again(
    settings: Settings, server: EngineServer, engine: FakeEngine
) -> None:
    endless(engine)
    events = connect(settings, reopen=FakeEngine).ask("?")
    next(events)
    server._server.hang_up()
    with pytest.raises(EngineUnreachableError):
        list(events)


def test_an_error_of_the_engine_does_not_open_the_home_anew(settings: Settings, server: EngineServer) -> None:
    def reopen() -> FakeEngine:
        raise AssertionError

    with pytest.raises(UsageError):
        connect(settings, reopen=reopen).passage("absent")


def die_in_mid_answer(home: Path) -> None:
    def ask(question: str, **_: object) -> Iterator[Event]:
        yield Token("half an ")
        os.kill(os.getpid(), 9)

    engine = FakeEngine()
    engine.ask = ask  # type: ignore[method-assign, assignment]
    start_server(engine, Settings.load(home))
    time.sleep(60)


def test_an_owner_that_dies_in_mid_answer_is_an_error(settings: Settings) -> None:
    owner = multiprocessing.get_context("spawn").Process(target=die_in_mid_answer, args=(settings.home,))
    owner.start()
    try:
        assert until((settings.index / "engine.json").exists, seconds=60)
        events = connect(settings).ask("?")
        assert next(events) == Token("half an ")
        with pytest.raises(EngineUnreachableError, match="ended before it had answered"):
            next(events)
    finally:
        owner.kill()
        owner.join()


def test_a_folder_error_keeps_its_words(client: RemoteEngine, tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="does not exist") as raised:
        client.add_folders([tmp_path / "absent"])
    assert raised.value.hint == "Check the spelling."
