"""An engine that is quick enough to be started a thousand times, and what an index holds, to be compared."""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import engine
import ingest.embed
import ingest.vectors
from engine import LocalEngine, open_engine
from ingest.isolate import Isolator
from ingest.parse import parse
from ingest.types import Document
from settings import Settings
from tests.fakes import WordEmbedder

Image = dict[str, tuple[Any, ...]]


def parse_here(
    isolator: Isolator,
    path: Path,
    member: Sequence[str] = (),
    recognised: Sequence[bytes] = (),
    *,
    password: str | None = None,
) -> Document:
    """Isolator.parse() in this process. Pages that are pictures stay unread."""
    assert not recognised
    return replace(parse(path, member, password=password), unread=())


def make_engines_quick(*, chroma: bool = False) -> None:
    """For good, in this process: words for embeddings, documents parsed in it, no Chroma but where asked for."""
    ingest.embed.open_embedder = lambda settings: WordEmbedder()
    Isolator.parse = parse_here  # type: ignore[method-assign]
    if chroma:
        ingest.vectors.SMALL = 0
    else:
        LocalEngine._update_chroma = lambda self: None  # type: ignore[method-assign]


@contextmanager
def opened(settings: Settings, *, mend: bool = False) -> Iterator[engine.Engine]:
    owner = open_engine(settings, mend=mend)
    try:
        yield owner
    finally:
        owner.close()


def image(index: Path, name: str = "catalog.db") -> Image:
    """By path, all that the catalogue holds of a source; read without the catalogue's code.

    When it was indexed and the file's change times are left out: they differ between two indexes of one folder.
    """
    with closing(sqlite3.connect(index / name)) as connection:
        sources = connection.execute(
            "SELECT id, folder || '/' || path, size, sha256, status, reason, media_type, title, language, pages,"
            " passages, parser, container, metadata, tags, links FROM sources"
        ).fetchall()
        return {path: (*rest, *_recognised(connection, id), *_passages(connection, id)) for id, path, *rest in sources}


def digest(image: Image) -> str:
    return hashlib.sha256(repr(sorted(image.items(), key=repr)).encode()).hexdigest()


def _recognised(connection: sqlite3.Connection, source: int) -> list[str]:
    query = "SELECT page || ' ' || hex(value) FROM recognised WHERE source = ? ORDER BY page"
    return [row for (row,) in connection.execute(query, (source,))]


def _passages(connection: sqlite3.Connection, source: int) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT p.id, p.position, p.text, p.headings, p.kind, p.page, p.page_to, p.spans, p.tokens, p.language,"
        " p.confidence, p.vector, v.value, t.title, t.headings, t.body"
        " FROM passages p LEFT JOIN vectors v ON v.key = p.vector LEFT JOIN terms t ON t.rowid = p.row"
        " WHERE p.source = ? ORDER BY p.position",
        (source,),
    ).fetchall()
