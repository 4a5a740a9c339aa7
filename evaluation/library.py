"""A catalogue of the passages that a set brings along, with vectors that are made once and kept."""

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from evaluation.dataset import Dataset, GivenPassage
from ingest.analyse import identify_language
from ingest.catalog import Catalog, NewPassage
from ingest.chunk import SPECIAL_TOKENS, chunk
from ingest.embed import Embedder, Vectors
from ingest.types import Block, Document, Passage, Source
from settings import Chunk

FOLDER = "/library"
PORTION = 256  # passages embedded at once


@dataclass(frozen=True)
class Library:
    """`given` names for each passage of the catalogue, by its id, the given passage that it is or is a part of."""

    catalog: Catalog
    given: dict[str, str]

    def ranking(self, ids: Sequence[str]) -> list[str]:
        """Given passages for ids of the catalogue's in their order, each once."""
        return list(dict.fromkeys(self.given[id] for id in ids))


def build_library(
    dataset: Dataset,
    folder: Path,
    embedder: Embedder,
    chunks: Chunk | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Library:
    """The passages of a set in a new catalogue in `folder` (empty or not there yet).

    Each is one passage, embedded with its title, by its beginning where it is over the embedder's window; with
    `chunks` it is cut as documents are, and nothing of it is left out. All is analysed for full text, so that the first
    questions are searched for as the last. `progress` hears how many texts are embedded, of how many.
    """
    given: dict[str, str] = {}
    sources = list(_sources(dataset, embedder, chunks, given))
    vectors = _embedded(embedder, [passage for _, passages in sources for passage in passages], progress)
    catalog = Catalog(folder)
    for source, passages in sources:
        catalog.store(source, passages, {passage.vector_key: vectors[passage.vector_key] for passage in passages})
    catalog.set_fact("embedder", embedder.fingerprint)
    catalog.keep_up()
    return Library(catalog, given)


def _sources(
    dataset: Dataset, embedder: Embedder, chunks: Chunk | None, given: dict[str, str]
) -> Iterator[tuple[Source, list[NewPassage]]]:
    """Each source with its passages, all of which are noted in `given`."""
    ordered = sorted(dataset.passages, key=lambda passage: passage.source)  # stable: a source keeps its order
    for path, group in groupby(ordered, key=lambda passage: passage.source):
        members = list(group)
        language = identify_language(" ".join(member.text for member in members[:200]))
        passages: list[NewPassage] = []
        for member in members:
            for part in _cut(member, embedder, chunks) if chunks else [_whole(member, embedder, language)]:
                given[part.passage.id] = member.id
                placed = replace(part.passage, path=path, position=len(passages))
                passages.append(replace(part, passage=placed))
        text = "\0".join(member.text for member in members)
        sha256, count = hashlib.sha256(text.encode()).hexdigest(), len(passages)
        title = members[0].title
        yield (
            Source(FOLDER, path, len(text), 0, sha256, "indexed", title=title, language=language, passages=count),
            passages,
        )


def _embedded(
    embedder: Embedder, passages: Sequence[NewPassage], progress: Callable[[int, int], None] | None
) -> Mapping[str, Vectors]:
    """Vectors by their keys; each text is embedded once."""
    texts = {passage.vector_key: passage.embedded_text for passage in passages}
    keys = list(texts)
    vectors: dict[str, Vectors] = {}
    for start in range(0, len(keys), PORTION):
        portion = keys[start : start + PORTION]
        vectors |= zip(portion, embedder.embed_passages([texts[key] for key in portion]), strict=True)
        if progress:
            progress(len(vectors), len(keys))
    return vectors


def _whole(given: GivenPassage, embedder: Embedder, language: str) -> NewPassage:
    embedded = f"{given.title}\n{given.text}" if given.title else given.text
    passage = Passage(
        id=given.id,
        path=given.source,
        position=0,
        text=given.text,
        headings=(),
        kind="paragraph",
        page=given.page,
        page_to=given.page,
        spans=(),
        tokens=min(len(embedder.offsets(embedded)) + SPECIAL_TOKENS, embedder.window),
        language=identify_language(given.text, lambda: language),
    )
    return NewPassage(passage, embedded)


def _cut(given: GivenPassage, embedder: Embedder, chunks: Chunk) -> list[NewPassage]:
    document = Document(given.title, "text/plain", "given", (Block("paragraph", given.text, given.page),))
    return chunk(document, FOLDER, f"{given.source}#{given.id}", embedder, chunks)


class CachedEmbedder:
    """An embedder that keeps what it embedded in a file in `folder`, by its fingerprint and the text: what is measured
    again embeds nothing again. Several processes may share a folder; who compares precisions, which a fingerprint does
    not name, takes a folder for each."""

    def __init__(self, embedder: Embedder, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.fingerprint = embedder.fingerprint
        self.window = embedder.window
        self._embedder = embedder
        self._lock = threading.Lock()
        self._db = sqlite3.connect(folder / "vectors.db", timeout=60, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")  # a lost cache is made again
        self._db.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB)")

    def offsets(self, text: str) -> Sequence[tuple[int, int]]:
        return self._embedder.offsets(text)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return self._kept("passage", texts, self._embedder.embed_passages)

    def embed_query(self, text: str) -> Vectors:
        vector: Vectors = self._kept("query", [text], lambda texts: self._embedder.embed_query(texts[0])[np.newaxis])[0]
        return vector

    def close(self) -> None:
        self._db.close()

    def _kept(self, kind: str, texts: Sequence[str], embed: Callable[[Sequence[str]], Vectors]) -> Vectors:
        keys = [hashlib.sha256(f"{self.fingerprint}\0{kind}\0{text}".encode()).digest() for text in texts]
        with self._lock:
            known = {key: vector for key in keys if (vector := self._read(key)) is not None}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            made = dict(zip(missing, embed(list(missing.values())), strict=True))
            with self._lock:
                rows = [(key, vector.astype("<f4").tobytes()) for key, vector in made.items()]
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
                self._db.execute("COMMIT")
            known |= made
        return np.stack([known[key] for key in keys]).astype(np.float32)

    def _read(self, key: bytes) -> Vectors | None:
        with closing(self._db.execute("SELECT vector FROM vectors WHERE key = ?", (key,))) as found:
            row = found.fetchone()
        return None if row is None else np.frombuffer(row[0], "<f4")
