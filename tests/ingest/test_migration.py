"""An index that an earlier Cita made opens, is searched at once, and ends like a fresh one; a later one's is left.

catalog_1.sql is a catalogue of schema version 1, of the documents here.
"""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from errors import CatalogError
from ingest import schema
from ingest.catalog import Catalog, NewPassage
from ingest.parse import parse
from ingest.pipeline import differences, index_folders
from ingest.types import IndexReport, Passage, Source
from settings import Settings
from tests.fakes import WordEmbedder
from tests.reliability.quick import image

DOCUMENTS = {
    "lease.md": "# Lease\n\nThe rent is 900 euros.\n\n## Pets\n\nNo pets are allowed.\n",
    "póliza.md": "# Póliza\n\nLa franquicia por daños por agua es de cien euros.\n",
    "empty.txt": " \n",
    "data.xyz": "1",
}


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    for name, text in DOCUMENTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def old(settings: Settings, documents: Path) -> Path:
    """A home's index folder with a catalogue of version 1."""
    script = Path(__file__).with_name("catalog_1.sql").read_text(encoding="utf-8")
    settings.index.mkdir(parents=True)
    with closing(sqlite3.connect(settings.index / "catalog.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(script.replace("'/documents'", f"'{documents}'"))
        connection.commit()
    return settings.index


def index(catalog: Catalog, documents: Path, settings: Settings, embedder: WordEmbedder) -> IndexReport:
    return index_folders([documents], catalog, embedder, parse, settings, lambda _: None)


def test_an_index_of_version_1_is_searched_at_once(old: Path, documents: Path) -> None:
    with closing(Catalog(old)) as catalog:
        assert catalog.problems(read_data=True) == []
        assert catalog.folders() == [documents]
        assert {source.path: source.status for source in catalog.sources()} == {
            "lease.md": "indexed", "póliza.md": "indexed", "empty.txt": "empty", "data.xyz": "unsupported"
        }  # fmt: skip
        (row,) = catalog.search_terms(catalog.question_terms("¿Cuál es la franquicia de la poliza?"), 10)
        assert catalog.passages([row])[row].path == "póliza.md"
        keys, matrix, last = catalog.vectors_after(0)
        assert (len(keys), matrix.shape, last) == (3, (3, 16), 3)


def test_an_index_of_version_1_becomes_a_fresh_one_and_embeds_nothing_that_it_knew(
    old: Path, documents: Path, settings: Settings, tmp_path: Path
) -> None:
    embedder = WordEmbedder()
    with closing(Catalog(old)) as catalog:
        report = index(catalog, documents, settings, embedder)
        assert (report.failed, report.removed, embedder.embedded) == ((), 0, [])
        assert differences([documents], catalog, settings, read_data=True) == []
        assert catalog.problems(read_data=True) == []
        again = index(catalog, documents, settings, embedder)
        assert (again.unchanged, again.added + again.changed) == (2, 0)
    with closing(Catalog(tmp_path / "fresh")) as fresh:
        index(fresh, documents, settings, embedder)
    assert image(old) == image(tmp_path / "fresh")


def test_an_index_of_version_1_has_the_tables_of_a_new_one(old: Path, tmp_path: Path) -> None:
    for folder in (old, tmp_path / "fresh"):
        Catalog(folder).close()
    shapes = []
    for folder in (old, tmp_path / "fresh"):
        with closing(sqlite3.connect(folder / "catalog.db")) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
            shapes.append({name: connection.execute(f"PRAGMA table_info({name})").fetchall() for (name,) in tables})
            assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
            assert connection.execute("PRAGMA application_id").fetchone() == (schema.APPLICATION_ID,)
    assert shapes[0] == shapes[1]


def test_a_migration_that_is_stopped_leaves_the_old_index(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(schema, "renew", fail)
        with pytest.raises(CatalogError, match="disk is full"):
            Catalog(old)
    with closing(sqlite3.connect(old / "catalog.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    with closing(Catalog(old)) as catalog:
        assert catalog.problems(read_data=True) == []
        assert catalog.count_passages() == 3


def test_an_index_of_a_later_version_is_refused_and_not_touched(old: Path) -> None:
    with closing(sqlite3.connect(old / "catalog.db")) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    before = hashlib.sha256((old / "catalog.db").read_bytes()).digest()
    with pytest.raises(CatalogError, match=rf"schema version {schema.VERSION + 1}; this Cita knows {schema.VERSION}"):
        Catalog(old)
    assert hashlib.sha256((old / "catalog.db").read_bytes()).digest() == before


def take_back_to_4(connection: sqlite3.Connection) -> None:
    """The tables as version 4 had them, with its checksums."""
    connection.execute("ALTER TABLE sources DROP COLUMN hidden")
    for (id,) in connection.execute("SELECT id FROM sources").fetchall():
        checksum = schema._checksum_of(connection, id, schema._SOURCE_COLUMNS_4)
        connection.execute("UPDATE sources SET checksum = ? WHERE id = ?", (checksum, id))
    connection.execute("PRAGMA user_version = 4")


def test_version_4_knew_of_no_hidden_text_and_what_was_damaged_in_it_stays_so(tmp_path: Path) -> None:
    with closing(Catalog(tmp_path)) as catalog:
        for name in ("good.md", "damaged.md"):
            passage = Passage(f"{name}#0", name, 0, "The rent is due.", (), "paragraph", None, None, (), 9, "en")
            new = NewPassage(passage, passage.text)
            source = Source("/library", name, 1, 1, "sha", "indexed", passages=1)
            catalog.store(source, [new], {new.vector_key: np.ones(4, np.float32)})
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as connection:
        take_back_to_4(connection)
        connection.execute("UPDATE passages SET text = 'The rent is paid.' WHERE id = 'damaged.md#0'")
        connection.commit()
    with closing(Catalog(tmp_path)) as catalog:
        assert {source.path: source.hidden for source in catalog.sources()} == {"good.md": (), "damaged.md": ()}
        problems = catalog.problems(read_data=True)
        assert problems
        assert all("damaged.md" in problem for problem in problems)


def test_the_full_text_of_version_3_is_made_anew_and_no_vector(tmp_path: Path) -> None:
    passage = Passage("a#0", "bill.md", 0, "The bill of the WHO is 1,200.00 euros.", (), "paragraph", 1, 1, (), 9, "en")
    new = NewPassage(passage, passage.text)
    with closing(Catalog(tmp_path)) as catalog:
        source = Source("/library", "bill.md", 1, 1, "sha", "indexed", passages=1)
        catalog.store(source, [new], {new.vector_key: np.ones(4, np.float32)})
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as connection:
        fresh = connection.execute("SELECT title, headings, body FROM terms").fetchall()
        assert "who" in fresh[0][2].split()
        connection.execute("UPDATE terms SET body = 'bill 1200_00 euro'")
        take_back_to_4(connection)
        connection.execute("PRAGMA user_version = 3")
        connection.commit()
    with closing(Catalog(tmp_path)) as catalog:
        assert catalog.problems(read_data=True) == []
        assert catalog.vector_keys() == {new.vector_key}
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as connection:
        assert connection.execute("SELECT title, headings, body FROM terms").fetchall() == fresh
