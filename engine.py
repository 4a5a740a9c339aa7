"""open_engine(settings): the one owner of a home, in this process or by its local socket."""

import importlib.metadata
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from errors import (
    CatalogDamagedError,
    CatalogError,
    CitaError,
    EncryptedError,
    EngineError,
    EngineUnreachableError,
    FolderError,
    HistoryError,
    ModelError,
    SettingsError,
    UsageError,
    VectorIndexError,
)
from ingest.types import Document, Filters, IndexProgress, IndexReport, Passage, Source, VerifyReport, WatchEvent
from models.live import LoadedModel
from models.types import EXTRACTIVE, ModelInfo, ModelProtocol
from rag.tasks.types import Task, TaskEvent, TaskProgress
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
    Hit,
    Language,
    Rating,
    RerankerInfo,
    SearchResult,
    Token,
    Turn,
    Usage,
    Verdict,
    Voice,
)
from settings import Generate, Settings

if TYPE_CHECKING:
    from filelock import FileLock

    from ingest.catalog import Catalog
    from ingest.embed import Embedder
    from rag.entail import FolderEntailment
    from rag.extract import ExtractiveGenerator
    from rag.generate import Generator
    from rag.rerank import Reranker
    from rag.rerankers import Rerankers
    from rag.retrieve import Retriever

log = logging.getLogger("cita.engine")

T = TypeVar("T")

VERSION = importlib.metadata.version("cita")
PATIENCE = 20.0  # seconds for a home's owner that is just starting or leaving, on a busy machine
PREPARED = 100  # passages of an index run after which Chroma's folder takes in what came since
WAITING = 0.2  # seconds between two signs of life of an answer that waits for memory


@dataclass(frozen=True, slots=True)
class Status:
    """Totals, versions, folders and health of a home. `indexed_at`: when the last index run ended (ISO 8601, UTC).
    `rerankers`: those that there are, each with why it works or does not. `hidden`: how many sources have text that a
    reader does not see. `host`: the machine that the model which answers is on, where the user agreed that it is not
    this one; '' if nothing leaves. `hosts`: all machines but this one that models are on, which a profile or a
    comparison may ask."""

    home: str
    folders: tuple[str, ...]
    sources: dict[str, int]
    passages: int
    embedder: str
    vector_index: str
    model: str
    version: str
    healthy: bool
    problems: tuple[str, ...]
    indexed_at: str = ""
    rerankers: tuple[RerankerInfo, ...] = ()
    hidden: int = 0
    host: str = ""
    hosts: tuple[str, ...] = ()


class Engine(Protocol):
    """What every door (page, command, API) calls. Paths within an engine are relative to their library folder.

    All methods may raise the errors of errors.py. Methods may be called from several threads.
    """

    def folders(self) -> list[Path]: ...
    def add_folders(self, folders: Sequence[Path]) -> list[Path]: ...
    def remove_folders(self, folders: Sequence[Path]) -> list[Path]: ...

    def index(
        self, progress: Callable[[IndexProgress], None] | None = None, confirm: bool = False, read_data: bool = False
    ) -> IndexReport:
        """Waits for its turn while another run is under way. `confirm`: also remove what a folder that suddenly lacks
        most of its files has lost; `read_data`: compare every file's bytes, trusting neither size nor time."""
        ...

    def watch(self) -> Iterator[WatchEvent]:
        """Indexes whenever the folders change, until the iterator is closed. Any number may watch at once."""
        ...

    def sources(self) -> list[Source]: ...
    def status(self) -> Status: ...
    def verify(self, read_data: bool = False) -> VerifyReport:
        """`read_data`: also the bytes of every file, and every stored passage and vector against its checksum."""
        ...

    def rebuild(self, progress: Callable[[IndexProgress], None] | None = None) -> IndexReport:
        """Reads every file anew into a new catalogue, which then takes the old one's place at once."""
        ...

    def unlock(self, path: str, password: str) -> bool:
        """Opens a document that waits for a password, and indexes it. Whether the system's keyring keeps the password:
        otherwise it is known until this engine ends, and what was indexed stays."""
        ...

    def backup(self, file: Path) -> None: ...
    def restore(self, file: Path) -> None: ...

    def search(
        self,
        question: str,
        k: int | None = None,
        filters: Filters = Filters(),
        explain: bool = False,
        reranker: str | None = None,
    ) -> SearchResult:
        """`explain`: also why each passage stands where it does, and what was dropped. `reranker`: the name or path of
        another one than works now, 'off' for none."""
        ...

    def keep_verdict(self, verdict: Verdict) -> None:
        """Keeps what was measured of a reranker, which decides whether it works from now on."""
        ...

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
        """Yields Retrieved, Tokens as they come, and last Completed. Closing the iterator stops generation.

        `history` is the conversation so far, oldest turn first: the question may lean on it. `conversation` is the id
        of the one that it is kept in ('new', 'last'): then a Recorded comes first, unless the settings keep nothing,
        and without a `history` its own turns are leaned on. Raises UsageError if there is none of that id.

        `k`, `model`, `abstain` and `voice` None take those of the `profile`, and what it does not set, the settings'
        own. A `profile` of None is the one that is set, '' none. Raises UsageError if there is none of that name. Empty
        Tokens come while other models hold the memory that the one asked for needs.
        """
        ...

    def compare(
        self, question: str, contenders: Sequence[Contender], k: int | None = None, filters: Filters = Filters()
    ) -> Iterator[ComparisonEvent]:
        """The question answered by each, one after the other, so that none takes the other's time; a model is loaded
        before its time is taken. Yields the events of each answer, and last ComparisonFinished. `k` as in ask().
        Closing the iterator stops it, and then nothing is kept. Raises UsageError if there are not two, or one names
        nothing."""
        ...

    def comparisons(self) -> list[Comparison]:
        """Those that are kept, newest first."""
        ...

    def prefer(self, comparison: str, better: int | None) -> None:
        """Keeps which contender's answer is the better one, ALIKE for none; None takes it back."""
        ...

    def delete_comparisons(self, ids: Sequence[str]) -> None: ...

    def work(self, task: Task, model: str | None = None, voice: Voice | None = None) -> Iterator[TaskEvent]:
        """Yields TaskProgress as parts are done, and last TaskFinished. Closing the iterator stops the work: what is
        finished is kept, and the same task goes on from there. `voice` None takes the settings' own."""
        ...

    def conversations(self, matching: str = "") -> list[ConversationSummary]:
        """Newest first; `matching`: those with these words in their title or within a question and its answer."""
        ...

    def conversation(self, id: str) -> Conversation:
        """As it was shown, with what has become of its evidence. Raises UsageError if there is none of that id."""
        ...

    def export_conversation(self, id: str, form: ExportForm, language: Language = "en") -> bytes: ...
    def rename_conversation(self, id: str, title: str) -> None: ...
    def delete_conversations(self, ids: Sequence[str]) -> None: ...
    def forget_conversations(self) -> None:
        """Deletes all of them, with their ratings, and all comparisons; examples stay."""
        ...

    def rate(self, conversation: str, turn: int, rating: Rating | None, reason: str = "") -> None: ...

    def examples(self) -> list[Example]:
        """Questions with the answers wanted for them, newest first."""
        ...

    def examples_like(self, question: str, k: int) -> list[Example]:
        """Those whose questions are most like this one, best first."""
        ...

    def keep_example(self, conversation: str, turn: int) -> None:
        """Keeps the answer of a turn as an example, with the passages that it cites."""
        ...

    def add_examples(self, pairs: Sequence[tuple[str, str]], imported: bool = False) -> int:
        """How many of the questions with their answers are new."""
        ...

    def delete_examples(self, ids: Sequence[str]) -> None: ...
    def export_examples(self) -> bytes:
        """As a set to fine-tune a model on: JSON Lines of chats."""
        ...

    def passage(self, id: str) -> Passage: ...
    def page_image(self, path: str, page: int, quotes: Sequence[str] = (), scale: float = 2.0) -> bytes:
        """A PNG of a page (1-based) of a PDF or a picture, the quotes highlighted; `scale` 1.0 is 72 dots per inch."""
        ...

    def models(self) -> list[ModelInfo]: ...
    def loaded_models(self) -> list[LoadedModel]:
        """Those that are held in memory now, and what they take of it."""
        ...

    def add_model(self, path: Path, base: str = "", scale: float = 1.0, protocol: ModelProtocol = "") -> ModelInfo:
        """Makes a GGUF, or a folder of Transformers, known. With `base`, the name of a model, it is a LoRA adapter for
        that: both together are a model of their own, `scale` the weight of what the adapter adds. `protocol` 'gpt4all':
        it is run by that package."""
        ...

    def add_server(
        self, url: str, model: str = "", key: str = "", off_machine: bool = False, protocol: ModelProtocol = "openai"
    ) -> list[ModelInfo]:
        """Makes the models of a running server known, or the one that it calls `model`. Its `key` is kept in a file of
        its own. `off_machine`: the person agreed that questions and passages are sent to another machine; without that
        only servers on this one are spoken to. `protocol`: 'openai', or 'llamafile' for its own."""
        ...

    def use_model(self, name: str) -> ModelInfo: ...
    def remove_model(self, name: str, delete: bool = False) -> None:
        """Forgets a model, and a server's key with its last; with `delete` a file in the home's own folder goes too.
        Raises ModelError."""
        ...

    def close(self) -> None: ...


def open_engine(settings: Settings, *, mend: bool = False) -> Engine:
    """The engine of settings.home: this process's own, or a connection to the process that owns the home.

    Raises EngineUnreachableError if another process holds the home but does not answer, FolderError if the home
    cannot be made, CatalogDamagedError if its catalogue is damaged. With `mend` a damaged catalogue is replaced by
    what is sound of it; the next index run reads the rest anew.
    """
    _keep_private()
    _make_home(settings)
    until = time.monotonic() + PATIENCE
    while True:
        if lock := _take_lock(settings):
            return _owned(settings, lock, mend)
        try:
            return remote_engine(settings)
        except EngineUnreachableError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def remote_engine(settings: Settings) -> Engine:
    import remote

    return remote.connect(settings, reopen=lambda: open_engine(settings))


def _owned(settings: Settings, lock: "FileLock", mend: bool) -> "LocalEngine":
    import remote

    with ExitStack() as undo:
        undo.callback(lock.release)
        engine = _sound(settings, mend)
        undo.callback(engine.close)
        try:
            server = remote.start_server(engine, settings)
        except OSError as error:
            raise _unusable(settings, error) from error
        undo.pop_all()
    engine.on_close(server.close)
    engine.on_close(lock.release)
    return engine


def _sound(settings: Settings, mend: bool) -> "LocalEngine":
    from ingest.catalog import salvage

    try:
        return LocalEngine(settings)
    except CatalogDamagedError:
        if not mend:
            raise
        salvage(settings.index)
        return LocalEngine(settings)


def _take_lock(settings: Settings) -> "FileLock | None":
    """The home's lock; the system lets go of it when this process ends, however it ends."""
    from filelock import FileLock, Timeout

    lock = FileLock(settings.index / "engine.lock", timeout=0, thread_local=False, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        return None
    except OSError as error:
        raise _unusable(settings, error) from error
    return lock


def _unusable(settings: Settings, error: OSError) -> EngineError:
    return EngineError(
        f"Home {str(settings.home)!r} cannot be used: {error.strerror}.",
        hint="See that its disk has space and that you may write there, or choose another with --home.",
    )


def _make_home(settings: Settings) -> None:
    try:
        for folder in (settings.library, settings.models):
            folder.mkdir(parents=True, exist_ok=True)
        settings.index.mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise FolderError(
            f"Home {str(settings.home)!r} cannot be made: {error.strerror}.",
            hint="Choose another with --home or CITA_HOME.",
        ) from error


def _keep_private() -> None:
    """Switches off what our dependencies would send, before any of them is imported."""
    os.environ.update(
        HF_HUB_OFFLINE="1",
        TRANSFORMERS_OFFLINE="1",
        HF_HUB_DISABLE_TELEMETRY="1",
        DO_NOT_TRACK="1",
        SCARF_NO_ANALYTICS="1",
        ANONYMIZED_TELEMETRY="False",
        ORT_DISABLE_TELEMETRY="1",
        OTEL_SDK_DISABLED="true",
        LANGSMITH_TRACING="false",
        LANGCHAIN_TRACING_V2="false",
    )


def _check_question(question: str) -> None:
    if not question.strip():
        raise UsageError("The question is empty.", hint="Type a question.")
    if not any(character.isalnum() for character in question):
        raise UsageError(f"The question {question.strip()!r} has no words.", hint="Type a question in words.")


def _as_asked(
    question: str, profile: str, parameters: dict[str, str | int], events: Iterator[Event]
) -> Iterator[Event]:
    """The events with the question as it was typed, with its filters, and what it was asked by."""
    with closing(cast("Any", events)):
        for event in events:
            if event.event == "completed":
                usage = event.answer.usage or Usage()
                usage = replace(usage, profile=profile, parameters={**parameters, **usage.parameters})
                event = replace(event, answer=replace(event.answer, question=question, usage=usage))
            yield event


class _Progress:
    """An index run's progress, from the run itself and from the threads that recognise pages, one at a time."""

    def __init__(self, progress: Callable[[IndexProgress], None]) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._last: IndexProgress | None = None

    def tell(self, now: IndexProgress) -> None:
        with self._lock:
            self._last = now
            self._progress(now)

    def tell_page(self, name: str, page: int, pages: int) -> None:
        with self._lock:
            if self._last is not None:
                self._progress(replace(self._last, path=name, page=page, pages=pages))


class LocalEngine:
    """The engine in the process that owns the home. What is costly is opened at its first use."""

    def __init__(self, settings: Settings) -> None:
        from ingest.catalog import Catalog
        from ingest.isolate import Isolator
        from ingest.passwords import Passwords
        from ingest.recognise import Reader
        from ingest.switch import Embedders
        from ingest.vectors import LiveIndex
        from ingest.watch import Watcher
        from models.registry import Registry
        from rag.generators import open_generator
        from rag.history import History
        from rag.loaded import LoadedModels
        from rag.tasks.kept import Kept

        self._settings = settings
        self._catalog = Catalog(settings.index)
        self._history = History(settings.home)
        self._tasks = Kept(settings.index)
        self._registry = Registry(settings.models)
        self._isolator = Isolator(settings.parse, temporary=settings.index / "tmp")
        self._passwords = Passwords()
        self._reader = Reader(self._isolator, settings, self._recognised, self._passwords)
        self._watcher = Watcher(self.folders, self.index, settings.watch)
        self._at_close: list[Callable[[], None]] = []
        self._lock = threading.RLock()  # guards what is opened late
        self._indexing = threading.Lock()
        self._vectors = LiveIndex(settings.index, self._catalog, lazy=True)
        self._embedders = Embedders(settings, self._catalog, lambda: self._embedder)
        self._models = LoadedModels(
            settings.generate.loaded, lambda info, generate: open_generator(info, generate, settings.models)
        )
        self._retrieving: tuple[Embedder, dict[Reranker, Retriever]] | None = None
        self._progress = _Progress(lambda _: None)

    # --- folders

    def folders(self) -> list[Path]:
        return [self._settings.library, *self._catalog.folders()]

    def add_folders(self, folders: Sequence[Path]) -> list[Path]:
        """Raises FolderError if one does not exist or holds the home itself. One inside another adds nothing."""
        from ingest.discover import without_nested

        wanted = [self._checked(folder) for folder in folders]
        kept = without_nested([self._settings.library, *self._catalog.folders(), *wanted])
        self._catalog.set_folders(folder for folder in kept if folder != self._settings.library)
        return self.folders()

    def _checked(self, folder: Path) -> Path:
        folder = folder.expanduser().absolute()
        if not folder.is_dir():
            what = "is not a folder" if folder.exists() else "does not exist"
            raise FolderError(f"{str(folder)!r} {what}.", hint="Check the spelling.")
        if self._settings.index.is_relative_to(folder):
            raise FolderError(
                f"Folder {str(folder)!r} holds Cita's own home.", hint="Add the folders inside it that hold documents."
            )
        return folder.resolve()

    def remove_folders(self, folders: Sequence[Path]) -> list[Path]:
        """What they held is gone from every answer at once. Raises FolderError if one is not in the library."""
        from ingest.names import to_text

        for folder in folders:
            folder = folder.expanduser().absolute()
            known = next((path for path in self._catalog.folders() if path in (folder, folder.resolve())), None)
            if known is None:
                raise FolderError(
                    f"Folder {str(folder)!r} is not one of the added ones.", hint="`cita folders` lists them."
                )
            self._catalog.set_folders(path for path in self._catalog.folders() if path != known)
            self._catalog.remove_folder(to_text(str(known)))
            self._catalog.scrub()
        self._tasks.forget_gone(self._catalog.present)
        self._forget_stopped_change()
        return self.folders()

    def _forget_stopped_change(self) -> None:
        """The catalogue that a stopped change of the embedder left has the text of removed documents too. While one is
        under way, the run itself takes out what is no longer wanted."""
        if self._indexing.acquire(blocking=False):
            try:
                self._embedders.forget_draft()
            finally:
                self._indexing.release()

    # --- index

    def index(
        self, progress: Callable[[IndexProgress], None] | None = None, confirm: bool = False, read_data: bool = False
    ) -> IndexReport:
        with self._indexing:
            if self._embedders.changed():
                return self._switch_embedder(progress)
            self._embedders.forget_draft()
            return self._index(self._catalog, progress, confirm=confirm, read_data=read_data)

    def _switch_embedder(self, progress: Callable[[IndexProgress], None] | None) -> IndexReport:
        """Makes the index anew with another embedder, while the old one answers from the old index."""
        self._embedders.check_folders()
        draft = self._embedders.draft()

        def read(path: Path, member: Sequence[str] = ()) -> Document:
            return self._reader.read(path, member, known=partial(self._embedders.recognised, path, member))

        try:
            report = self._index(draft, progress, read=read)
        finally:
            draft.close()
        self._embedders.check_folders()
        self._take_over(draft)
        return report

    def _take_over(self, draft: "Catalog") -> None:
        self._catalog.take_over(draft.path)
        draft.discard()
        self._follow_catalog()

    def _index(
        self,
        catalog: "Catalog",
        progress: Callable[[IndexProgress], None] | None,
        *,
        confirm: bool = False,
        read_data: bool = False,
        read: Callable[..., Document] | None = None,
    ) -> IndexReport:
        from ingest.pipeline import index_folders

        self._progress = _Progress(progress or (lambda _: None))
        is_served = catalog is self._catalog
        try:
            report = index_folders(
                self.folders(),
                catalog,
                self._embedder,
                read or self._reader.read,
                self._settings,
                self._telling_and_preparing() if is_served else self._progress.tell,
                confirm=confirm,
                read_data=read_data,
                unlocked=lambda source: self._password_of(source) is not None,
            )
            self._forget_removed_folders(catalog)
            if is_served:
                self._follow_catalog()
            return report
        finally:
            if is_served:
                self._vectors.unprepare()

    def _telling_and_preparing(self) -> Callable[[IndexProgress], None]:
        """Tells the progress of a run, and while one makes much, has Chroma's folder written beside it."""
        prepared = 0

        def tell(now: IndexProgress) -> None:
            nonlocal prepared
            self._progress.tell(now)
            if now.passages >= prepared + PREPARED:
                prepared = now.passages
                more = now.passages * (now.files - now.files_done) / now.files_done
                self._vectors.prepare(round(more))

        return tell

    def _recognised(self, path: Path, page: int, pages: int) -> None:
        self._progress.tell_page(path.name, page, pages)

    def _forget_removed_folders(self, catalog: "Catalog") -> None:
        """A folder may have been taken out of the library while its files were being indexed."""
        from ingest.discover import without_nested
        from ingest.names import to_text

        wanted = {to_text(str(folder)) for folder in without_nested(self.folders())}
        for folder in catalog.source_folders() - wanted:
            catalog.remove_folder(folder)
            catalog.scrub()

    def rebuild(self, progress: Callable[[IndexProgress], None] | None = None) -> IndexReport:
        """Searches go on in the old catalogue until the new one is whole. Vectors that fit their checksums are used
        again; everything else is made anew. Raises CatalogError if the new one is not sound either."""
        with self._indexing:
            draft = self._catalog.draft()
            try:
                if draft.folders() != self._catalog.folders():  # the copy beside it knew better
                    self._catalog.set_folders(draft.folders())
                report = self._index(draft, progress)
                if problems := draft.problems(read_data=True):
                    raise CatalogError(f"The new index is not sound: {problems[0]}.", hint="Check the disk.")
            finally:
                draft.close()
            self._take_over(draft)
            return report

    def unlock(self, path: str, password: str) -> bool:
        """Raises UsageError if no document of that path waits for a password, EncryptedError if it is not this one."""
        from ingest.names import absolute

        locked = [source for source in self._catalog.sources_at(path) if source.status == "encrypted"]
        if not locked:
            raise UsageError(
                f"No document {path!r} waits for a password.", hint="`cita list --failed` shows which documents do."
            )
        kept = True
        for source in locked:
            names = self._catalog.names_inside(source)
            self._reader.read(absolute(source.folder, source.container or source.path), names, password=password)
            kept = self._passwords.keep(source.sha256, password, names) and kept
        self.index()
        return kept

    def _password_of(self, source: Source) -> str | None:
        return self._passwords.get(source.sha256, self._catalog.names_inside(source))

    def backup(self, file: Path) -> None:
        """Writes the index, the conversations and the examples to one file, while others read and write. Raises as
        Catalog.backup() does, and HistoryDamagedError."""
        self._catalog.backup(file.expanduser().absolute(), self._history.lines())

    def restore(self, file: Path) -> None:
        """Puts a backup in the place of the index, while others read, and adds its conversations and examples to those
        that are there. Raises as Catalog.restore() does, and HistoryDamagedError; then nothing has changed. Where the
        conversations alone cannot be written (HistoryError, StorageFullError), the same restore adds them later."""
        file = file.expanduser().absolute()
        with self._indexing:
            self._history.check_lines(self._catalog.beside(file))
            self._catalog.restore(file)
            self._follow_catalog()
            self._history.merge(self._catalog.beside(file))

    def watch(self) -> Iterator[WatchEvent]:
        return self._watcher.events()

    def _follow_catalog(self) -> None:
        """What is derived from its passages, or quotes them, is as they are now."""
        self._update_chroma()
        self._tasks.forget_gone(self._catalog.present)

    def _update_chroma(self) -> None:
        try:
            self._vectors.update()
        except VectorIndexError as error:
            log.warning("%s", error)

    @cached_property
    def _embedder(self) -> "Embedder":
        from ingest.embed import open_embedder

        with self._lock:
            return open_embedder(self._settings)

    def sources(self) -> list[Source]:
        return self._catalog.sources()

    def status(self) -> Status:
        sources = self._catalog.sources()
        from ingest.discover import why_unreadable

        problems = [
            f"Folder {str(folder)!r} cannot be read ({reason}); its documents stay in the index."
            for folder in self.folders()
            if (reason := why_unreadable(folder))
        ]
        problems += [f"{folder}: {reason}" for folder, reason in self._catalog.held().items()]
        problems += self._catalog.problems()
        problems += self._history.problems()
        if change := self._embedders.problem():
            problems.append(change)
        model = host = ""
        hosts: tuple[str, ...] = ()
        try:
            hosts = self._registry.hosts()
            model = self._model_name(self._settings_by(None))
            host = self._registry.get(model).host
        except (ModelError, SettingsError) as error:
            problems.append(str(error))
        rerankers: tuple[RerankerInfo, ...] = ()
        try:
            rerankers = self._rerankers.known(self._catalog.fact("embedder"))
        except CitaError as error:
            problems.append(str(error))
        return Status(
            home=str(self._settings.home),
            folders=tuple(map(str, self.folders())),
            sources=dict(sorted(Counter(source.status for source in sources).items())),
            passages=self._catalog.count_passages(),
            embedder=self._catalog.fact("embedder"),
            vector_index=self._vectors.name,
            model=model,
            version=VERSION,
            healthy=not problems,
            problems=tuple(problems),
            indexed_at=self._catalog.fact("indexed_at"),
            rerankers=rerankers,
            hidden=sum(bool(source.hidden) for source in sources),
            host=host,
            hosts=hosts,
        )

    def verify(self, read_data: bool = False) -> VerifyReport:
        """Checks the catalogue against itself, the folders against it, and Chroma against it. Changes
        nothing, but for Chroma's seal where it is not true: the next index run writes that folder anew."""
        from ingest.pipeline import differences

        with self._indexing:
            problems = self._catalog.problems(read_data=read_data)
            try:
                problems += differences(self.folders(), self._catalog, self._settings, read_data=read_data)
                problems += self._vectors.problems(read_data=read_data)
            except CatalogDamagedError as error:
                problems = problems or [str(error)]
        return VerifyReport(not problems, tuple(problems))

    # --- ask

    @cached_property
    def _rerankers(self) -> "Rerankers":
        from rag.rerankers import Rerankers

        with self._lock:
            return Rerankers(self._settings, self._registry)

    def keep_verdict(self, verdict: Verdict) -> None:
        self._rerankers.keep(verdict)

    @cached_property
    def _entailment(self) -> "FolderEntailment | None":
        if not self._settings.verify.model:
            return None
        from rag.entail import FolderEntailment

        return FolderEntailment(Path(self._settings.verify.model).expanduser())

    @property
    def _retriever(self) -> "Retriever":
        return self._retriever_with(None)

    def _retriever_with(self, reranker: str | None) -> "Retriever":
        """With the embedder that made the vectors: another one after a change of it."""
        embedder = self._embedders.of_index()
        chosen = self._rerankers.open(embedder.fingerprint, reranker)
        with self._lock:
            if self._retrieving is None or self._retrieving[0] is not embedder:
                self._retrieving = (embedder, {})
            retrievers = self._retrieving[1]
            if chosen not in retrievers:
                retrievers[chosen] = self._open_retriever(embedder, chosen)
            return retrievers[chosen]

    def _open_retriever(self, embedder: "Embedder", reranker: "Reranker") -> "Retriever":
        from rag.retrieve import Retriever

        return Retriever(self._catalog, embedder, lambda: self._vectors, reranker, self._settings.retrieve)

    def search(
        self,
        question: str,
        k: int | None = None,
        filters: Filters = Filters(),
        explain: bool = False,
        reranker: str | None = None,
    ) -> SearchResult:
        from rag.explain import explain_all
        from rag.rewrite import retrieve_all, rewrite

        started, explanation = time.monotonic(), None
        text, filters = self._narrowed(question, filters)
        with self._query_writer() as writer:
            rewritten = rewrite(text, self._settings.rewrite, generator=writer)
        with self._catalog.snapshot():  # its embedder and its vectors
            retriever = self._retriever_with(reranker)
            wanted = retriever.wanted(k)
            if explain:
                hits, explanation = explain_all(rewritten, partial(retriever.explain, filters=filters), wanted)
            else:
                hits = retrieve_all(rewritten, partial(retriever.retrieve, filters=filters), wanted)
        return SearchResult(question, hits, time.monotonic() - started, explanation)

    def _narrowed(self, question: str, filters: Filters) -> tuple[str, Filters]:
        """The question without the filters in it, and these added to those beside it. Raises UsageError if a filter
        names nothing that is indexed, or nothing is left to ask."""
        from rag.query import merge, parse

        query = parse(question)
        if query.written and not query.text:
            raise UsageError(
                "The question has only filters.", hint=f"Add what to look for: {query.written} notice period"
            )
        _check_question(query.text)
        filters = merge(filters, query.filters)
        try:
            self._catalog.rows_within(filters)
        except UsageError as error:
            if not query.written:
                raise
            words = query.written.replace('"', "")
            quoted = f'To look for such words themselves, put them in quotes: "{words}".'
            raise UsageError(error.message, hint=f"{error.hint} {quoted}") from error
        return query.text, filters

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
        return self._ask(question, k, filters, model, history, conversation, abstain, voice, profile)

    def compare(
        self, question: str, contenders: Sequence[Contender], k: int | None = None, filters: Filters = Filters()
    ) -> Iterator[ComparisonEvent]:
        from rag.comparisons import compare

        def answer(one: Contender) -> Iterator[Event]:
            return self._ask(question, k, filters, one.model or None, profile=one.profile, loaded_first=True)

        self.search(question, k, filters)  # so that the first does not pay for what it opens
        keep = self._history.comparisons.keep if self._settings.history.on else None
        return compare(question, contenders, k, filters, answer, keep)

    def comparisons(self) -> list[Comparison]:
        return self._history.comparisons.all()

    def prefer(self, comparison: str, better: int | None) -> None:
        self._history.comparisons.prefer(comparison, better)

    def delete_comparisons(self, ids: Sequence[str]) -> None:
        self._history.comparisons.delete(ids)

    def _ask(
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
        loaded_first: bool = False,
    ) -> Iterator[Event]:
        """As ask(). `loaded_first`: the model is loaded before the answer's time begins."""
        from rag.chain import ask
        from rag.verify import EmbedderSimilarity
        from rag.voice import Manner

        if conversation:
            conversation = self._history.check(conversation)
            history = history or self._history.turns(conversation)
        given = filters
        text, filters = self._narrowed(question, filters)
        settings = self._settings_by(profile)
        passages, dial = k or settings.retrieve.k, abstain or settings.answer.abstain
        retriever, judge = self._retriever, self._extractive(dial)

        def asked(generator: "Generator") -> Iterator[Event]:
            if loaded_first and generator is not judge:
                generator.count_tokens(text)
            return ask(
                text,
                retriever,
                generator,
                settings.generate,
                passages,
                filters,
                history,
                rewriting=settings.rewrite,
                context=settings.context,
                judge=judge,
                verifying=settings.verify,
                similarity=EmbedderSimilarity(self._embedders.of_index()),
                entailment=self._entailment,
                manner=Manner(voice or settings.voice_of(), self._examples_shown),
            )

        waiting: Event = Token("")
        events = self._written_by(model or self._model_name(settings), settings.generate, judge, asked, waiting)
        named = self._profile_name(profile)
        events = _as_asked(question, named, {"k": passages, "abstain": dial}, events)
        if not conversation or not self._settings.history.on:
            return events
        return self._history.record(conversation, question, given, k, events, self._sha256_of)

    def _examples_shown(self, question: str) -> list[Example]:
        """Those that a model may be shown; none where they cannot be read, as an answer needs none."""
        if not self._settings.voice.examples:
            return []
        try:
            return self.examples_like(question, self._settings.voice.examples)
        except HistoryError as error:
            log.warning("The question is answered without examples: %s", error)
            return []

    def work(self, task: Task, model: str | None = None, voice: Voice | None = None) -> Iterator[TaskEvent]:
        from rag.tasks.run import work
        from rag.tasks.work import Means
        from rag.verify import EmbedderSimilarity

        settings, embedder, retriever = self._settings, self._embedders.of_index(), self._retriever
        name, extractive = model or self._model_name(settings), self._extractive(settings.answer.abstain)

        def answers(question: str, filters: Filters, voice: Voice) -> Iterator[Event]:
            return self.ask(question, filters=filters, model=name, voice=voice)

        ways = (settings.retrieve, settings.rerank, settings.rewrite, settings.context, settings.answer)

        def worked(generator: "Generator") -> Iterator[TaskEvent]:
            means = Means(
                self._catalog,
                embedder,
                retriever,
                generator,
                answers,
                " ".join(group.model_dump_json() for group in ways),
                settings.generate,
                settings.verify,
                EmbedderSimilarity(embedder),
                self._entailment,
                voice or settings.voice_of(),
            )
            return work(task, means, self._tasks)

        return self._written_by(name, settings.generate, extractive, worked, TaskProgress(0, 0))

    def _sha256_of(self, hit: Hit) -> str:
        from rag.evidence import sha256_of

        return sha256_of(self._catalog, hit)

    def _settings_by(self, profile: str | None) -> Settings:
        """The settings as a profile changes them: the one of that name as it is written now, for None the one that is
        set. Raises UsageError if there is none of that name."""
        written = Settings.load(self._settings.home)
        named = written.answer.profile if profile is None else profile
        return self._settings.model_copy(update={"profiles": written.profiles}).with_profile(named)

    def _profile_name(self, asked: str | None) -> str:
        return Settings.load(self._settings.home).answer.profile if asked is None else asked

    def _model_name(self, settings: Settings) -> str:
        return settings.generate.model or self._registry.active_name()

    def _extractive(self, abstain: Abstain) -> "ExtractiveGenerator":
        from rag.extract import ExtractiveGenerator

        return ExtractiveGenerator(self._catalog, self._embedders.of_index(), abstain)

    def _written_by(
        self,
        name: str,
        settings: Generate,
        extractive: "ExtractiveGenerator",
        events: Callable[["Generator"], Iterator[T]],
        waiting: T,
    ) -> Iterator[T]:
        """What comes of a model, which is held in memory until that has ended; `waiting` again and again while there is
        no room for it. Raises ModelError if there is no such model."""
        if name == EXTRACTIVE.name:
            return events(extractive)
        info = self._registry.get(name)

        def written() -> Iterator[T]:
            with self._models.lend(info, settings) as loan:
                while (generator := loan.wait(WAITING)) is None:
                    yield waiting
                yield from events(generator)

        return written()

    @contextmanager
    def _query_writer(self) -> "Iterator[Generator | None]":
        """What writes phrasings and a translation of a question, where these are wanted and a model answers."""
        settings, generator = self._settings, None
        wanted = settings.rewrite.phrasings or settings.rewrite.translation
        name = self._model_name(settings) if wanted else EXTRACTIVE.name
        with ExitStack() as lent:
            try:
                if name != EXTRACTIVE.name:
                    loan = lent.enter_context(self._models.lend(self._registry.get(name), settings.generate))
                    generator = loan.wait(settings.rewrite.seconds)
            except ModelError as error:
                log.warning("A question is searched for as it is: %s", error)
            yield generator

    def passage(self, id: str) -> Passage:
        return self._catalog.passage(id)

    def page_image(self, path: str, page: int, quotes: Sequence[str] = (), scale: float = 2.0) -> bytes:
        from ingest.names import absolute

        sources = self._catalog.sources_at(path)
        if not sources:
            raise UsageError(f"There is no document {path!r} in the index.", hint="`cita list` shows what there is.")
        for source in sources:  # of one path in several library folders, the one that has the quotes
            cited = [
                span
                for passage in self._catalog.passages_of(source.folder, source.path)
                if any(quote in passage.text for quote in quotes)
                for span in passage.spans
            ]
            if cited:
                break
        file = absolute(source.folder, source.container or source.path)
        names = self._catalog.names_inside(source)
        recognised = self._catalog.recognised_page(source.folder, source.path, page)

        def render(password: str | None = None) -> bytes:
            return self._isolator.render_page(
                file, page, quotes, cited, scale, member=names, recognised=recognised, password=password
            )

        try:
            return render()
        except EncryptedError:
            password = self._password_of(source)
            if password is None:
                raise
            return render(password)

    # --- what is kept

    def conversations(self, matching: str = "") -> list[ConversationSummary]:
        return self._history.conversations(matching)

    def conversation(self, id: str) -> Conversation:
        from rag.evidence import look

        return self._history.conversation(id, lambda evidence: look(self._catalog, evidence))

    def export_conversation(self, id: str, form: ExportForm, language: Language = "en") -> bytes:
        """Raises UsageError if there is none of that id, or such a file cannot be made."""
        from rag.export import export

        return export(self.conversation(id), form, language)

    def rename_conversation(self, id: str, title: str) -> None:
        self._history.rename(id, title)

    def delete_conversations(self, ids: Sequence[str]) -> None:
        self._history.delete(ids)

    def forget_conversations(self) -> None:
        self._history.forget()

    def rate(self, conversation: str, turn: int, rating: Rating | None, reason: str = "") -> None:
        self._history.rate(conversation, turn, rating, reason)

    def examples(self) -> list[Example]:
        return self._history.examples.all()

    def examples_like(self, question: str, k: int) -> list[Example]:
        return self._history.examples.like(question, k, self._embedder)

    def keep_example(self, conversation: str, turn: int) -> None:
        self._history.keep_example(conversation, turn)

    def add_examples(self, pairs: Sequence[tuple[str, str]], imported: bool = False) -> int:
        return self._history.examples.add(pairs, "imported" if imported else "written")

    def delete_examples(self, ids: Sequence[str]) -> None:
        self._history.examples.delete(ids)

    def export_examples(self) -> bytes:
        from rag.export import fine_tuning_set

        return fine_tuning_set(self.examples())

    # --- models

    def loaded_models(self) -> list[LoadedModel]:
        return self._models.live()

    def models(self) -> list[ModelInfo]:
        return self._registry.list()

    def add_model(self, path: Path, base: str = "", scale: float = 1.0, protocol: ModelProtocol = "") -> ModelInfo:
        if protocol == "gpt4all":
            return self._registry.add_gpt4all(path)
        return self._registry.add_adapter(path, base, scale) if base else self._registry.add(path)

    def add_server(
        self, url: str, model: str = "", key: str = "", off_machine: bool = False, protocol: ModelProtocol = "openai"
    ) -> list[ModelInfo]:
        from models.servers import Keys, Server, consent_needed, served_models, server_url

        url, keys = server_url(url), Keys(self._settings.models)
        server = Server(url, key or keys.get(url), off_machine and bool(consent_needed(url)))
        found = served_models(server, model, protocol)
        if key:
            keys.keep(url, key)
        return list(self._registry.add_served(found))

    def use_model(self, name: str) -> ModelInfo:
        return self._registry.use(name)

    def remove_model(self, name: str, delete: bool = False) -> None:
        from models.servers import Keys

        before = {model.server for model in self._registry.list()}
        self._registry.remove(name, delete=delete)
        for server in before - {model.server for model in self._registry.list()}:
            Keys(self._settings.models).forget(server)

    # --- end

    def on_close(self, callback: Callable[[], None]) -> None:
        self._at_close.append(callback)

    def close(self) -> None:
        """Ends what was started; the home's lock goes last."""
        self._watcher.close()  # other doors that watch go on by opening the home themselves
        if self._at_close:
            self._at_close.pop(0)()  # no more requests from other doors
        self._models.close()
        self._rerankers.close()
        self._vectors.close()
        self._reader.close()
        self._isolator.close()
        self._history.close()
        self._catalog.close()
        while self._at_close:
            self._at_close.pop(0)()
