"""The catalogue: all of a source or nothing of it, vectors shared by content, found by its terms."""

import os
import signal
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from errors import CatalogError, StorageFullError, UsageError
from ingest.catalog import Catalog, NewPassage, salvage
from ingest.types import HiddenText, Passage, Source


def store(catalog: Catalog, path: str, *texts: str, language: str = "en", **more: Any) -> Source:
    passages = [
        NewPassage(
            Passage(f"{path}#{n}", path, n, text, ("Head",), "paragraph", 1, 1, (), 5, language), f"Head\n{text}"
        )
        for n, text in enumerate(texts)
    ]
    known = catalog.known_vectors(new.vector_key for new in passages)
    vectors = {
        new.vector_key: np.full(4, len(new.passage.text), np.float32) for new in passages if new.vector_key not in known
    }
    source = Source("/library", path, 1, 1, f"sha-{path}", "indexed", passages=len(texts), **more)
    catalog.store(source, passages, vectors)
    return source


def found(catalog: Catalog, question: str) -> list[str]:
    scores = catalog.search_terms(catalog.question_terms(question), 10)
    passages = catalog.passages(list(scores))
    return [passages[row].id for row in sorted(scores, key=lambda row: -scores[row])]


def test_what_was_stored_is_there_after_reopening(catalog: Catalog, tmp_path: Path) -> None:
    source = store(catalog, "a.txt", "Rent is due.", "No pets.")
    again = Catalog(tmp_path / "index")
    assert again.sources() == [source]
    assert [passage.text for passage in again.passages_of("/library", "a.txt")] == ["Rent is due.", "No pets."]
    assert again.passage("a.txt#1").headings == ("Head",)
    again.close()


def test_hidden_text_is_kept_with_its_source_and_known_of_its_passages(catalog: Catalog) -> None:
    plain = store(catalog, "a.txt", "Rent is due.")
    source = store(catalog, "b.txt", "No pets.", hidden=(HiddenText("colour", 31, (1, 4), "Tell «ü»"),))
    assert catalog.sources() == [plain, source]
    assert [catalog.passage(f"{name}.txt#0").source_hides for name in "ab"] == [False, True]
    assert catalog.problems(read_data=True) == []


def test_storing_a_source_again_leaves_nothing_of_the_old_one(catalog: Catalog) -> None:
    store(catalog, "a.txt", "Rent is due.", "No pets.")
    store(catalog, "a.txt", "Pay by transfer.")
    assert catalog.count_passages() == 1
    assert len(catalog.vector_keys()) == 1
    assert found(catalog, "rent pets") == []


def test_equal_texts_of_two_files_share_one_vector(catalog: Catalog) -> None:
    first = store(catalog, "a.txt", "Rent is due.")
    second = store(catalog, "b.txt", "Rent is due.")
    assert len(catalog.vector_keys()) == 1
    catalog.settle(removals=[first])
    assert len(catalog.vector_keys()) == 1
    assert found(catalog, "rent") == ["b.txt#0"]
    catalog.settle(removals=[second])
    assert catalog.vector_keys() == set()


def test_a_failed_transaction_changes_nothing(catalog: Catalog) -> None:
    before = store(catalog, "a.txt", "Rent is due.")
    twice = NewPassage(Passage("same", "b.txt", 0, "x", (), "paragraph", None, None, (), 1, "en"), "x")
    with pytest.raises(CatalogError):
        catalog.store(replace(before, path="b.txt"), [twice, twice], {twice.vector_key: np.ones(4)})
    assert catalog.sources() == [before]
    assert found(catalog, "rent") == ["a.txt#0"]


def test_a_transaction_reads_what_it_wrote_and_others_do_not(catalog: Catalog) -> None:
    seen: list[int] = []
    with catalog.transaction():
        store(catalog, "a.txt", "Rent is due.")
        assert catalog.count_passages() == 1
        assert len(catalog.vector_keys()) == 1
        other = threading.Thread(target=lambda: seen.append(catalog.count_passages()))
        other.start()
        other.join()
        store(catalog, "b.txt", "No pets.")
    assert seen == [0]
    assert catalog.count_passages() == 2


def test_when_one_of_several_sources_fails_none_is_stored(catalog: Catalog) -> None:
    before = store(catalog, "a.txt", "Rent is due.")
    twice = NewPassage(Passage("same", "b.txt", 0, "x", (), "paragraph", None, None, (), 1, "en"), "x")
    with pytest.raises(CatalogError), catalog.transaction():  # noqa: PT012 - what went before is what matters
        store(catalog, "c.txt", "No pets.")
        catalog.store(replace(before, path="b.txt"), [twice, twice], {twice.vector_key: np.ones(4)})
    assert catalog.sources() == [before]
    assert catalog.problems(read_data=True) == []
    store(catalog, "c.txt", "No pets.")
    assert catalog.count_passages() == 2


def test_a_move_keeps_passages_and_vectors(catalog: Catalog) -> None:
    old = store(catalog, "a.txt", "Rent is due.")
    generation = catalog.generation
    catalog.settle(moves=[(old, replace(old, path="deep/b.txt"), ["new-id"])])
    assert [source.path for source in catalog.sources()] == ["deep/b.txt"]
    assert catalog.passage("new-id").path == "deep/b.txt"
    assert found(catalog, "deep") == ["new-id"]  # known by its new name
    assert catalog.generation == generation


def test_a_title_and_a_heading_are_found_too(catalog: Catalog) -> None:
    store(catalog, "a.txt", "Rent is due.", title="Lease of the mill")
    assert found(catalog, "mill") == ["a.txt#0"]
    assert found(catalog, "head") == ["a.txt#0"]


def test_a_file_is_found_by_its_name_and_folder(catalog: Catalog) -> None:
    store(catalog, "reports/ACME_2017_10K.pdf", "Rent is due.")
    store(catalog, "other.txt", "Rent is due.")
    assert found(catalog, "acme 2017") == ["reports/ACME_2017_10K.pdf#0"]
    assert found(catalog, "report") == ["reports/ACME_2017_10K.pdf#0"]


def test_a_spanish_passage_is_found_without_accents_and_across_inflection(catalog: Catalog) -> None:
    store(catalog, "p.txt", "Las pólizas cubren las habitaciones.", language="es")
    assert found(catalog, "¿Qué cubre la poliza de la habitacion?") == ["p.txt#0"]


def test_a_term_without_passages_has_no_bound(catalog: Catalog) -> None:
    store(catalog, "a.txt", "Rent is due.")
    (term,) = catalog.question_terms("zebra")
    assert (term.frequency, term.bound) == (0, 0.0)
    assert term.idf > 0


def test_threads_that_come_and_go_leave_no_connections_behind(catalog: Catalog) -> None:
    for _ in range(50):
        thread = threading.Thread(target=catalog.sources)
        thread.start()
        thread.join()
    assert len(catalog._db._idle) == 1


def test_quotes_in_a_question_are_no_query_language(catalog: Catalog) -> None:
    store(catalog, "a.txt", "Rent is due.")
    assert found(catalog, 'rent" OR * NEAR(') == ["a.txt#0"]


def test_the_neighbours_of_a_passage_are_those_beside_it_in_its_own_source(catalog: Catalog) -> None:
    store(catalog, "a.txt", "One.", "Two.", "Three.", "Four.")
    store(catalog, "b.txt", "Alone.")
    beside = catalog.neighbours(["a.txt#0", "a.txt#2", "b.txt#0", "gone"])
    assert {id: [passage.text for passage in passages] for id, passages in beside.items()} == {
        "a.txt#0": ["Two."],
        "a.txt#2": ["Two.", "Four."],
    }


def test_an_unknown_passage_is_named(catalog: Catalog) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        catalog.passage("nowhere")


def test_a_damage_that_sqlite_cannot_put_into_words_is_explained_and_mended(tmp_path: Path) -> None:
    Catalog(tmp_path).close()
    file = tmp_path / "catalog.db"
    file.write_bytes(file.read_bytes().replace(b"CREATE INDEX passages_by", b"CREATE \xc9NDEX passages_by"))
    with pytest.raises(CatalogError, match="is damaged"):
        Catalog(tmp_path)
    salvage(tmp_path)
    Catalog(tmp_path).close()


def test_a_damaged_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"This is no database." * 500)
    with pytest.raises(CatalogError, match="is damaged"):
        Catalog(tmp_path)


def test_a_file_of_a_later_version_is_not_touched(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "catalog.db") as later:
        later.execute("PRAGMA user_version = 99")
    later.close()
    with pytest.raises(CatalogError, match="version 99"):
        Catalog(tmp_path)


def test_a_full_disk_is_said_and_loses_nothing(catalog: Catalog) -> None:
    source = store(catalog, "a.txt", "Rent is due.")
    writer = catalog._db._writer
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageFullError, match="disk is full"):
        store(catalog, "b.txt", *(f"{n} words " * 200 for n in range(50)))
    assert catalog.sources() == [source]
    writer.execute("PRAGMA max_page_count = 1073741823")


def test_the_index_is_readable_by_its_owner_only(catalog: Catalog) -> None:
    assert catalog.path.stat().st_mode & 0o777 == 0o600
    assert catalog.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_question_of_unknown_words_asks_the_full_text_nothing(catalog: Catalog) -> None:
    unknown = catalog.question_terms("xylophone zeppelin")
    assert [term.frequency for term in unknown] == [0, 0]
    assert catalog.search_terms(unknown, 10) == {}


def test_what_a_killed_process_had_not_stored_yet_leaves_no_text_behind(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        catalog = Catalog(tmp_path)
        with catalog.transaction() as write:
            write.execute("PRAGMA cache_spill = 1")
            write.execute("PRAGMA cache_size = 1")
            for n in range(500):
                write.execute("INSERT INTO meta VALUES (?, ?)", (str(n), "zebrafish " * 100))
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert any(b"zebrafish" in file.read_bytes() for file in tmp_path.iterdir())
    with closing(Catalog(tmp_path)):
        assert not any(b"zebrafish" in file.read_bytes() for file in tmp_path.iterdir())


def test_what_storing_and_touching_a_source_costs_does_not_grow_with_the_library(catalog: Catalog) -> None:
    def steps() -> int:
        """Of SQLite, in tens, to store one source and to touch it."""
        counted = [0]

        def count() -> None:
            counted[0] += 1

        with catalog.transaction() as write:
            write.set_progress_handler(count, 10)
            source = store(catalog, "again.md", "One more.")
            catalog.settle(touches=[replace(source, mtime_ns=source.mtime_ns + 1)])
            write.set_progress_handler(None, 0)
        return counted[0]

    store(catalog, "again.md", "One.")
    few = steps()
    with catalog.transaction():
        for number in range(300):
            store(catalog, f"note {number}.md", f"Text {number}.")
    assert steps() < few + 30
