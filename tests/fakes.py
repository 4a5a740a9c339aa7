"""Stand-ins that can be computed by hand."""

import queue
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

import numpy as np

from engine import Status
from errors import EncryptedError, FolderError, ModelNotFoundError, UsageError
from ingest.embed import Vectors
from ingest.types import Filters, IndexProgress, IndexReport, Passage, PathReason, Source, VerifyReport, WatchEvent
from models.live import LoadedModel
from models.types import EXTRACTIVE, ModelInfo, ModelProtocol
from rag.comparisons import compare
from rag.export import export, fine_tuning_set
from rag.tasks.types import Report, Row, Section, SectionKind, Task, TaskEvent, TaskFinished, TaskProgress
from rag.types import (
    ABSTENTION,
    Abstain,
    Answer,
    AnswerSentence,
    CandidateScores,
    Citation,
    Comparison,
    ComparisonEvent,
    Completed,
    Contender,
    Conversation,
    ConversationSummary,
    Dropped,
    Event,
    Evidence,
    Example,
    Explanation,
    ExportForm,
    Hit,
    KeptTurn,
    Language,
    Match,
    QuestionTerm,
    Rating,
    Recorded,
    Retrieved,
    SearchExplanation,
    SearchResult,
    Timings,
    Token,
    Turn,
    Usage,
    Verdict,
    Voice,
)

LEASE = Passage(
    id="lease-0",
    path="contracts/lease.pdf",
    position=0,
    text="The notice period is thirty days. The deposit is 1,200 euros.",
    headings=("Lease", "Ending the lease"),
    kind="paragraph",
    page=2,
    page_to=2,
    spans=(),
    tokens=18,
    language="en",
)


AT = "2026-01-01T00:00:{:02}"


class FakeWatch:
    """What FakeEngine.watch() gives: the events that FakeEngine.tell() tells, until it is closed."""

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[WatchEvent | None] = queue.SimpleQueue()
        self.closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> WatchEvent:
        event = self._events.get()
        if event is None or self.closed:
            raise StopIteration
        return event

    def put(self, event: WatchEvent) -> None:
        self._events.put(event)

    def close(self) -> None:
        self.closed = True
        self._events.put(None)


EXPLANATION = Explanation(1, None, 2, 0.5, 0.2, 0.6, {"best sentence": 0.3}, (Match("notice", 4, 10),))
SEARCH_EXPLANATION = SearchExplanation(
    (QuestionTerm("notice", 1, 2.5),),
    (
        Dropped(
            replace(LEASE, id="copy", path="old/lease.pdf"), "duplicate", replace(EXPLANATION, lexical_rank=2), LEASE.id
        ),
        Dropped(replace(LEASE, id="far", path="work/other.pdf"), "beyond", replace(EXPLANATION, features={})),
        Dropped(replace(LEASE, id="out", path="mail/other.eml"), "filtered", replace(EXPLANATION, features={})),
    ),
    (CandidateScores(0.5, 0.2, 0.9, True), CandidateScores(0.1, 0.3, 0.2, False)),
    {"lexical": 0.001, "dense": 0.002},
)


class FakeEngine:
    """An engine over one passage: it answers questions that contain 'notice' and abstains from all others."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._folders = list(folders)
        self.closed = False
        self.stopped = False
        self.history: tuple[Turn, ...] = ()
        self.voice: Voice | None = None
        self.profile: str | None = None
        self.compared: list[Comparison] = []
        self.used = EXTRACTIVE.name
        self.keys: dict[str, str] = {}
        self._models = [EXTRACTIVE]
        self.removed: list[tuple[str, bool]] = []
        self.loaded: list[LoadedModel] = []
        self.indexed: list[tuple[bool, bool]] = []
        self.kept: list[tuple[str, Path]] = []
        self.unlocked: list[str] = []
        self.tasks: list[Task] = []
        self.working = threading.Event()
        self.working.set()
        self.watches: list[FakeWatch] = []
        self.keeping = True
        self.told: dict[str, Conversation] = {}
        self.shown: list[Example] = []
        self._asked = 0
        self.verdicts: list[Verdict] = []

    def folders(self) -> list[Path]:
        return list(self._folders)

    def add_folders(self, folders: Sequence[Path]) -> list[Path]:
        for folder in folders:
            if not folder.is_dir():
                raise FolderError(f"Folder {str(folder)!r} does not exist.", hint="Check the spelling.")
        self._folders += [folder for folder in folders if folder not in self._folders]
        return self.folders()

    def remove_folders(self, folders: Sequence[Path]) -> list[Path]:
        self._folders = [folder for folder in self._folders if folder not in folders]
        return self.folders()

    def index(
        self, progress: Callable[[IndexProgress], None] | None = None, confirm: bool = False, read_data: bool = False
    ) -> IndexReport:
        self.indexed.append((confirm, read_data))
        if progress:
            progress(IndexProgress(2, 1, "contracts/lease.pdf", 1, 10.0, 0.1))
            progress(IndexProgress(2, 2, "broken.pdf", 1, 10.0, 0.0))
        return IndexReport(1, 0, 0, 0, 0, (), (PathReason("broken.pdf", "Not a PDF."),), 1, 1, 0.1)

    def sources(self) -> list[Source]:
        lease = Source("/library", LEASE.path, 1000, 0, "ab" * 32, "indexed", pages=3, passages=1, title="Lease")
        broken = Source("/library", "broken.pdf", 10, 0, "cd" * 32, "failed", reason="Not a PDF.")
        return [lease, broken]

    def status(self) -> Status:
        return Status(
            "/home", tuple(map(str, self._folders)), {"indexed": 1, "failed": 1}, 1, "fake", "exact", self.used,
            "0.1.0", True, (), host=next((model.host for model in self._models if model.name == self.used), ""),
            hosts=tuple(model.host for model in self._models if model.host),
        )  # fmt: skip

    def watch(self) -> Iterator[WatchEvent]:
        self.watches.append(FakeWatch())
        self.watches[-1].put(WatchEvent("watching", "2026-01-02T03:04:05+00:00", tuple(map(str, self._folders))))
        return self.watches[-1]

    def tell(self, event: WatchEvent) -> None:
        """To all who watch."""
        for watch in self.watches:
            watch.put(event)

    def verify(self, read_data: bool = False) -> VerifyReport:
        return VerifyReport(not read_data, ("The data was read.",) if read_data else ())

    def rebuild(self, progress: Callable[[IndexProgress], None] | None = None) -> IndexReport:
        return self.index(progress)

    def unlock(self, path: str, password: str) -> bool:
        if password != "open sesame":
            raise EncryptedError("The password does not open the file.", hint="Try another one.")
        self.unlocked.append(path)
        return False

    def backup(self, file: Path) -> None:
        self.kept.append(("backup", file))

    def restore(self, file: Path) -> None:
        self.kept.append(("restore", file))

    def search(
        self,
        question: str,
        k: int | None = None,
        filters: Filters = Filters(),
        explain: bool = False,
        reranker: str | None = None,
    ) -> SearchResult:
        if not question.strip():
            raise UsageError("The question is empty.", hint="Type a question.")
        if not explain:
            return SearchResult(question, (Hit(1, 0.9, LEASE, "Lease"),), 0.01)
        hit = Hit(1, 0.9, LEASE, "Lease", explanation=EXPLANATION)
        return SearchResult(question, (hit,), 0.01, SEARCH_EXPLANATION)

    def keep_verdict(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)

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
        self.voice, self.profile = voice, profile
        hits = self.search(question, k, filters).hits
        self.history = tuple(history)
        understood = f"{question} (after {len(history)})" if history else ""
        if conversation and self.keeping:
            yield self._kept_turn(conversation, question, understood, hits)
        yield Retrieved(hits, 0.01, understood)
        try:
            for event in self._answer(question, model or self.used):
                if isinstance(event, Completed) and conversation and self.keeping:
                    self._keep_answer(event.answer)
                yield event
        except GeneratorExit:
            self.stopped = True
            raise

    def compare(
        self, question: str, contenders: Sequence[Contender], k: int | None = None, filters: Filters = Filters()
    ) -> Iterator[ComparisonEvent]:
        """'broken' cannot answer; all others answer as ask() does."""

        def answer(one: Contender) -> Iterator[Event]:
            if one.model == "broken":
                raise ModelNotFoundError("The file of model 'broken' is gone.", hint="Put it back.")
            usage = Usage(100, 20, 12, 0.5, 0.5, one.profile, {"k": k or 8})
            for event in self.ask(question, k, filters, one.model or None, profile=one.profile):
                if isinstance(event, Completed):
                    event = replace(event, answer=replace(event.answer, usage=usage))
                yield event

        return compare(question, contenders, k, filters, answer, self._keep_comparison if self.keeping else None)

    def _keep_comparison(self, comparison: Comparison) -> Comparison:
        self.compared.append(replace(comparison, id=f"v{len(self.compared) + 1}", at=AT.format(len(self.compared))))
        return self.compared[-1]

    def comparisons(self) -> list[Comparison]:
        return list(reversed(self.compared))

    def prefer(self, comparison: str, better: int | None) -> None:
        self.compared = [replace(one, better=better) if one.id == comparison else one for one in self.compared]

    def delete_comparisons(self, ids: Sequence[str]) -> None:
        self.compared = [one for one in self.compared if one.id not in ids]

    def work(self, task: Task, model: str | None = None, voice: Voice | None = None) -> Iterator[TaskEvent]:
        """Two parts, for each of which it waits on `working`; then the lease's quote as a summary, draft and
        comparison, and as the only cell of each column."""
        self.tasks.append(task)
        self.voice = voice
        for part in range(2):
            yield TaskProgress(part, 2, LEASE.path)
            while not self.working.wait(0.02):
                yield TaskProgress(part, 2, LEASE.path)
        yield TaskProgress(2, 2)
        said = AnswerSentence("The notice period is thirty days.", (1,), True)
        doubt = AnswerSentence("It is long.", (1,), False, "partly", "not in the passage: long")
        cited = (Citation(1, LEASE.id, LEASE.path, 2, LEASE.section, said.text, 0, len(said.text), True),)
        report = Report(task.kind, LEASE.path, "en", model or self.used, (), cited, parts=2)
        if task.kind == "tabulate":
            columns = tuple(column.partition("=")[0] for column in task.columns)
            none = AnswerSentence("", (), True, None, ABSTENTION["en"])
            rows = (Row(LEASE.path, (said,) * len(columns)), Row("empty.md", (none,) * len(columns)))
            report = replace(report, columns=columns, rows=rows)
        else:
            kind: SectionKind = "changed" if task.kind == "compare" else "document"
            report = replace(report, sections=(Section(kind, LEASE.path, (said, doubt)),))
        yield TaskFinished(report)

    def _kept_turn(self, conversation: str, question: str, understood: str, hits: tuple[Hit, ...]) -> Recorded:
        """As a turn of the conversation 'c1', 'c2', ..., a second after the one before (the first at midnight)."""
        id = f"c{len(self.told) + 1}" if conversation == "new" else self.conversation(conversation).id
        known = self.told.pop(id, Conversation(id, question, AT.format(self._asked), ""))
        turn = KeptTurn(
            len(known.turns) + 1, AT.format(self._asked), question, understood=understood,
            evidence=tuple(Evidence(hit, "ab" * 32) for hit in hits),
        )  # fmt: skip
        self.told[id] = replace(known, changed_at=turn.at, turns=(*known.turns, turn))  # the last is the newest
        self._asked += 1
        return Recorded(id, turn.n)

    def _keep_answer(self, answer: Answer) -> None:
        id, known = list(self.told.items())[-1]
        last = replace(known.turns[-1], state="answered", answer=answer)
        self.told[id] = replace(known, turns=(*known.turns[:-1], last))

    def conversations(self, matching: str = "") -> list[ConversationSummary]:
        """Those that have the words as they are written, in any question or answer or in the title."""

        def said(one: Conversation) -> str:
            return repr((one.title, [(turn.question, turn.answer and turn.answer.answer) for turn in one.turns]))

        return [
            ConversationSummary(
                one.id, one.title, one.started_at, one.changed_at, len(one.turns),
                sum(turn.rating == "good" for turn in one.turns), sum(turn.rating == "bad" for turn in one.turns),
                matching,
            )
            for one in reversed(self.told.values())
            if matching in said(one)
        ]  # fmt: skip

    def conversation(self, id: str) -> Conversation:
        if id == "last" and self.told:
            return list(self.told.values())[-1]
        if id not in self.told:
            raise UsageError(
                f"There is no conversation {id!r}.", hint="`cita conversations list` shows those there are."
            )
        return self.told[id]

    def export_conversation(self, id: str, form: ExportForm, language: Language = "en") -> bytes:
        return export(self.conversation(id), form, language)

    def rename_conversation(self, id: str, title: str) -> None:
        self.told[id] = replace(self.conversation(id), title=title)

    def delete_conversations(self, ids: Sequence[str]) -> None:
        for id in ids:
            del self.told[self.conversation(id).id]

    def forget_conversations(self) -> None:
        self.told.clear()
        self.compared.clear()

    def rate(self, conversation: str, turn: int, rating: Rating | None, reason: str = "") -> None:
        one = self.conversation(conversation)
        rated = [replace(each, rating=rating, reason=reason) if each.n == turn else each for each in one.turns]
        self.told[one.id] = replace(one, turns=tuple(rated))

    def examples(self) -> list[Example]:
        return list(reversed(self.shown))

    def examples_like(self, question: str, k: int) -> list[Example]:
        return [replace(example, similarity=0.5) for example in self.examples()[:k]]

    def keep_example(self, conversation: str, turn: int) -> None:
        one = self.conversation(conversation).turns[turn - 1]
        assert one.answer
        hits = tuple(evidence.hit for evidence in one.evidence)
        self.shown.append(Example(f"e{len(self.shown) + 1}", one.question, one.answer.answer, "kept", one.at, hits))

    def add_examples(self, pairs: Sequence[tuple[str, str]], imported: bool = False) -> int:
        for question, answer in pairs:
            origin: Literal["imported", "written"] = "imported" if imported else "written"
            self.shown.append(Example(f"e{len(self.shown) + 1}", question, answer, origin, AT.format(0)))
        return len(pairs)

    def delete_examples(self, ids: Sequence[str]) -> None:
        if missing := [id for id in ids if id not in {example.id for example in self.shown}]:
            raise UsageError(f"There is no example {missing[0]!r}.", hint="`cita examples list` shows those there are.")
        self.shown = [example for example in self.shown if example.id not in ids]

    def export_examples(self) -> bytes:
        return fine_tuning_set(self.examples())

    def _answer(self, question: str, model: str) -> Iterator[Event]:
        timings = Timings(0.01, 0.02, 0.03)
        if "notice" not in question.lower():
            yield Token(ABSTENTION["en"])
            sentence = AnswerSentence(ABSTENTION["en"], (), True)
            yield Completed(Answer(question, ABSTENTION["en"], True, (), (sentence,), model, timings))
            return
        text = "The notice period is thirty days. [1]"
        for word in text.split(" "):
            yield Token(word + " ")
        quote = "The notice period is thirty days."
        citation = Citation(1, LEASE.id, LEASE.path, 2, LEASE.section, quote, 0, len(quote), True)
        sentence = AnswerSentence(quote, (1,), True)
        yield Completed(Answer(question, text, False, (citation,), (sentence,), model, timings))

    def passage(self, id: str) -> Passage:
        if id != LEASE.id:
            raise UsageError(f"There is no passage {id!r}.")
        return LEASE

    def page_image(self, path: str, page: int, quotes: Sequence[str] = (), scale: float = 2.0) -> bytes:
        one_pixel = (
            "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154"
            "789c6360f8cf500f0003860180b0f3c7a30000000049454e44ae426082"
        )
        return bytes.fromhex(one_pixel)

    def models(self) -> list[ModelInfo]:
        return list(self._models)

    def add_model(self, path: Path, base: str = "", scale: float = 1.0, protocol: ModelProtocol = "") -> ModelInfo:
        if not path.is_file():
            raise ModelNotFoundError(f"There is no file {str(path)!r}.", hint="Check the path.")
        adapter = str(path) if base else ""
        named = base or str(path)
        self._models.append(ModelInfo(name=path.stem, path=named, adapter=adapter, scale=scale, protocol=protocol))
        return self._models[-1]

    def loaded_models(self) -> list[LoadedModel]:
        return self.loaded

    def add_server(
        self, url: str, model: str = "", key: str = "", off_machine: bool = False, protocol: ModelProtocol = "openai"
    ) -> list[ModelInfo]:
        if not off_machine and not url.startswith("http://127.0.0.1"):
            raise UsageError(f"{url} was not added.", hint="If that may be, add --off-this-machine.")
        served = ModelInfo(
            f"served-{model or 'llama'}", protocol=protocol, server=url, served_as=model, off_machine=off_machine
        )
        self.keys[url] = key
        self._models.append(served)
        return [served]

    def use_model(self, name: str) -> ModelInfo:
        for model in self._models:
            if model.name == name:
                self.used = name
                return model
        raise ModelNotFoundError(f"There is no model {name!r}.", hint="`cita models list` names those there are.")

    def remove_model(self, name: str, delete: bool = False) -> None:
        self._models = [model for model in self._models if model.name != name or name == EXTRACTIVE.name]
        self.removed.append((name, delete))

    def close(self) -> None:
        self.closed = True
        for watch in self.watches:
            watch.close()


class WordEmbedder:
    """A token is a run of letters or digits; dimension d of a vector counts the words of length d + 1 (of 16)."""

    fingerprint = "words/1"
    dimensions = 16

    def __init__(self, window: int = 64) -> None:
        self.window = window
        self.embedded: list[str] = []

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.embedded += texts
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> Vectors:
        vector = np.full(self.dimensions, 1e-6, np.float32)
        for start, end in self.offsets(text):
            vector[min(end - start, self.dimensions) - 1] += 1
        unit: Vectors = vector / np.linalg.norm(vector)
        return unit
