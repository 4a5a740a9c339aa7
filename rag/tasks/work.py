"""What tasks work with: the documents, what is said in them and where, and a model that writes where there is one."""

import json
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np

from errors import ModelError, UsageError
from ingest.catalog import Catalog
from ingest.embed import Embedder, Vectors
from ingest.types import Filters, Passage
from models.types import EXTRACTIVE
from rag.cite import Citer, citation
from rag.generate import Generator as Writer
from rag.pieces import pieces
from rag.prompt import fill_passages
from rag.retrieve import Retriever
from rag.tasks.types import Said
from rag.thoughts import ThoughtSplitter
from rag.types import Event, Hit, Language, Voice
from rag.verify import EntailmentModel, Similarity, verify
from settings import Generate, Verify

NAMED = 3  # places in a title
BATCH = 64  # texts that are embedded between two chances to stop

Answering = Callable[[str, Filters, Voice], Iterator[Event]]


@dataclass(frozen=True, slots=True)
class Means:
    """`answers` puts a question to the documents that fit the filters, as asking does, to be answered in a voice;
    `ways` are the settings that finding and answering depend on; `voice` is how what is written is to be said."""

    catalog: Catalog
    embedder: Embedder
    retriever: Retriever
    writer: Writer
    answers: Answering
    ways: str
    generate: Generate
    verifying: Verify
    similarity: Similarity | None = None
    entailment: EntailmentModel | None = None
    voice: Voice = Voice()

    @property
    def has_model(self) -> bool:
        return self.writer.info.name != EXTRACTIVE.name

    @property
    def fingerprint(self) -> str:
        """Of all that what is written depends on, beside what was asked and read."""
        info = self.writer.info
        if not self.has_model:
            return f"extractive {self.embedder.fingerprint} {self.ways}"
        file = Path(info.path)
        changed = file.stat().st_mtime_ns if info.path and file.is_file() else 0
        loaded = (info.path, str(info.size), str(changed), info.adapter, str(info.scale))
        served = (info.protocol, info.server, info.served_as) if info.protocol else ()
        model = (info.name, *loaded, *served, self.generate.model_dump_json())
        spoken = replace(self.voice, language="question")  # the language itself is asked of each part
        said = () if spoken == Voice() else (json.dumps(asdict(spoken)),)
        return " ".join((*model, self.verifying.model_dump_json(), self.embedder.fingerprint, self.ways, *said))


@dataclass(frozen=True, slots=True)
class File:
    """A document with passages, in reading order. `title` is its file's name where it has none."""

    path: str
    title: str
    passages: tuple[Passage, ...]

    def hits(self, passages: Sequence[Passage] | None = None) -> tuple[Hit, ...]:
        chosen = self.passages if passages is None else passages
        return tuple(Hit(n, 0.0, passage, self.title) for n, passage in enumerate(chosen, start=1))


@dataclass(frozen=True, slots=True)
class Sentence:
    """A piece of a passage: `shown` has a row's header before it."""

    passage: Passage
    start: int
    end: int
    header: tuple[int, int] | None = None

    @property
    def text(self) -> str:
        return self.passage.text[self.start : self.end]

    @property
    def shown(self) -> str:
        plain = " ".join(self.text.split())
        return f"{' '.join(self.passage.text[slice(*self.header)].split())}: {plain}" if self.header else plain

    @property
    def said(self) -> Said:
        """The piece, quoted."""
        cited = replace(citation(self.passage, self.start, self.end, 1), supported=True, verdict="supported")
        return Said(self.shown, (cited,))


def files(means: Means, filters: Filters) -> list[File]:
    """The documents that fit the filters and have text, by path. Raises UsageError if there are none."""
    with means.catalog.snapshot():
        rows = means.catalog.rows_within(filters)
        wanted = None
        if rows is not None:
            wanted = {passage.id for passage in means.catalog.passages([int(row) for row in rows]).values()}
        found = []
        for source in means.catalog.sources():
            passages = means.catalog.passages_of(source.folder, source.path) if source.passages else []
            chosen = tuple(passage for passage in passages if wanted is None or passage.id in wanted)
            if chosen:
                found.append(File(source.path, source.title or PurePosixPath(source.path).stem, chosen))
    if not found:
        raise UsageError("No document with text is indexed there.", hint="`cita list` shows what there is.")
    return sorted(found, key=lambda file: file.path)


def title_of(filters: Filters) -> str:
    """The places that were asked for, the first of many."""
    more = ("…",) if len(filters.within) > NAMED else ()
    return ", ".join((*filters.within[:NAMED], *more))


def language_of(passages: Sequence[Passage]) -> Language:
    """The language that most of the passages are in, of those that reports are written in."""
    most = Counter(passage.language for passage in passages).most_common(1)
    return "es" if most and most[0][0] == "es" else "en"


def sentences_of(passages: Sequence[Passage]) -> list[Sentence]:
    """All that the passages say, in order; a text that stands in two (passages may overlap) once."""
    found: dict[tuple[str, str], Sentence] = {}
    for passage in passages:
        for piece in pieces(passage.text):
            one = Sentence(passage, piece.start, piece.end, piece.header)
            if one.text.strip():
                found.setdefault((passage.path + passage.section, " ".join(one.text.split())), one)
    return list(found.values())


def embedded(means: Means, texts: Sequence[str]) -> Generator[None, None, Vectors]:
    """A unit vector for each text; yields between batches."""
    found = []
    for start in range(0, len(texts), BATCH):
        found.append(means.embedder.embed_passages(texts[start : start + BATCH]))
        yield
    return np.concatenate(found) if found else np.zeros((0, 1), np.float32)


def groups(means: Means, task: str, language: Language, hits: Sequence[Hit], **values: str) -> list[list[Hit]]:
    """The hits, in order, in as few groups as a prompt of the model takes, whatever the voice's instructions for their
    folders. Raises ModelError if one hit is too long."""
    if not hits:
        return []
    info, count = means.writer.info, means.writer.count_tokens
    room = min(means.generate.context, info.context or means.generate.context) - means.generate.max_tokens

    def tokens(some: Sequence[Hit]) -> int:
        return count(fill_passages(task, language, info, some, (), means.voice, hits, **values).text)

    frame = tokens(hits[:1]) - count(hits[0].passage.text)
    found: list[list[Hit]] = []
    used = room
    for hit in hits:
        own = tokens([hit]) - frame + _MARGIN
        if frame + own > room:
            raise ModelError(
                f"A passage does not fit the model: the prompt may have {room} tokens.",
                hint="Raise generate.context or lower generate.max_tokens in cita.toml, or choose another model.",
            )
        if used + own > room:
            found.append([])
            used = frame
        found[-1].append(hit)
        used += own
    return found


_MARGIN = 8  # tokens that joining two passages may cost


def written(
    means: Means, task: str, language: Language, hits: Sequence[Hit], notes: Sequence[str] = (), **values: str
) -> Generator[None, None, tuple[Said, ...]]:
    """What the model writes of the hits, its sentences with their citations, verified; nothing where it abstains.

    With `notes`, one for each hit, it reads these instead of the passages; what it cites are the passages still.
    """
    prompt = fill_passages(task, language, means.writer.info, hits, notes, means.voice, hits, **values)
    citer, splitter = Citer(hits), ThoughtSplitter()
    with closing(cast("Any", means.writer.generate(prompt))) as pieces_written:
        for piece in pieces_written:
            for text, is_thought in splitter.feed(piece):
                if not is_thought:
                    citer.feed(text)
            yield
    for text, is_thought in splitter.rest():
        if not is_thought:
            citer.feed(text)
    cited = citer.finish()
    judged = verify(cited, hits, language, means.verifying.unsupported, means.similarity, means.entailment)
    if judged.abstained:
        return ()
    numbered = {citation.n: citation for citation in judged.citations}
    return tuple(
        Said(
            " ".join(sentence.text.split()),
            tuple(numbered[n] for n in sentence.citations),
            sentence.verdict or "unsupported",
            sentence.reason,
        )
        for sentence in judged.sentences
    )


def carried(said: Sequence[Said]) -> list[Said]:
    """What can be written from: what a citation carries."""
    return [one for one in said if one.citations and one.verdict != "unsupported"]


def hits_of(said: Sequence[Said], means: Means) -> list[Hit]:
    """The passage that each cites first, so that what is written from it cites that. All have a citation."""
    return [Hit(n, 0.0, means.catalog.passage(one.citations[0].id)) for n, one in enumerate(said, start=1)]
