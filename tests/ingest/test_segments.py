"""The inverted index is that of the catalogue: with its files, with old ones, with damaged ones, and without any."""

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ingest import segments
from ingest.catalog import Catalog
from ingest.types import Source
from tests.ingest.conftest import with_flipped_bits
from tests.ingest.test_catalog import store

WORDS = ["rent", "house", "garden", "lease", "tenant", "deposit", "GPT-4", "notice"]


pytestmark = pytest.mark.usefixtures("files_of_anything")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def catalog(folder: Path) -> Iterator[Catalog]:
    with closing(Catalog(folder)) as found:
        yield found


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("postings-*"))


def found(catalog: Catalog, question: str) -> dict[str, float]:
    """Scores of the passages found, by what does not depend on how the catalogue came about."""
    scores = catalog.search_terms(catalog.question_terms(question), 50)
    passages = catalog.passages(list(scores))
    return {passages[row].id: round(score, 6) for row, score in scores.items()}


def without_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a passage is analysed that is in a file")

    monkeypatch.setattr(segments, "impacts", refuse)


def test_what_is_in_a_file_is_not_analysed_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Catalog(folder)) as catalog:
        store(catalog, "a", "The rent.", "The house.")
        before = found(catalog, "rent house")
        catalog.note_run({})
    without_analysis(monkeypatch)
    with closing(Catalog(folder)) as catalog:
        assert found(catalog, "rent house") == before
        assert len(before) == 2


def test_a_small_library_has_no_file(catalog: Catalog, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "WORTH_A_FILE", 3)
    store(catalog, "a", "The rent.", "The house.")
    catalog.note_run({})
    assert files(folder) == []
    store(catalog, "b", "The garden.")
    catalog.note_run({})
    assert len(files(folder)) == 1


def test_a_source_that_takes_the_rows_of_another_is_not_taken_for_it(catalog: Catalog) -> None:
    store(catalog, "a", "The rent.")
    gone = store(catalog, "b", "The house.")
    catalog.note_run({})
    catalog.settle(removals=[gone])
    store(catalog, "c", "The garden.")
    assert found(catalog, "house") == {}
    assert list(found(catalog, "garden")) == ["c#0"]


def test_a_moved_source_is_found_by_its_new_name_only(catalog: Catalog) -> None:
    old = store(catalog, "invoices.txt", "It is due.")
    catalog.note_run({})
    new = Source("/library", "receipts.txt", 1, 1, old.sha256, "indexed", passages=1)
    catalog.settle(moves=[(old, new, ["new#0"])])
    assert found(catalog, "invoices") == {}
    assert list(found(catalog, "receipts")) == ["new#0"]


def test_many_small_runs_leave_few_files(catalog: Catalog, folder: Path) -> None:
    for number in range(60):
        store(catalog, f"n{number}", f"The rent of {number}.")
        catalog.note_run({})
    assert len(files(folder)) <= 4
    assert len(found(catalog, "rent")) == 50
    sizes = sorted(file.stat().st_size for file in files(folder))
    assert sum(sizes[:-1]) < sizes[-1] * 2


def test_a_damaged_file_is_replaced_and_nothing_is_missed(folder: Path) -> None:
    with closing(Catalog(folder)) as catalog:
        for number in range(30):
            store(catalog, f"n{number}", f"The {WORDS[number % 7]} and the {WORDS[number % 5]}.")
        expected = {word: found(catalog, word) for word in WORDS}
        catalog.note_run({})
    (file,) = files(folder)
    for _ in with_flipped_bits(file, "postings-*"):
        with closing(Catalog(folder)) as catalog:
            assert {word: found(catalog, word) for word in WORDS} == expected
            catalog.note_run({})
            assert {word: found(catalog, word) for word in WORDS} == expected
        assert len(files(folder)) == 1


def test_what_a_killed_process_left_is_removed(folder: Path) -> None:
    folder.mkdir()
    (folder / "postings-0123456789abcdef.new").write_bytes(b"zebrafish")
    with closing(Catalog(folder)) as catalog:
        found(catalog, "rent")
    assert files(folder) == []


def test_what_was_deleted_leaves_the_files(folder: Path) -> None:
    with closing(Catalog(folder)) as catalog:
        gone = store(catalog, "zebrafish.txt", "The zebrafish swims.", "Zebrafish-12 and zebrafishes.")
        store(catalog, "b", "The rent.")
        catalog.note_run({})
        assert any(b"zebrafish" in file.read_bytes() for file in files(folder))
        catalog.settle(removals=[gone])
        catalog.scrub()
        assert not any(b"zebra" in file.read_bytes() for file in folder.iterdir() if file.name != "catalog.db-shm")
        assert list(found(catalog, "rent")) == ["b#0"]


def test_where_all_was_deleted_there_is_no_file(catalog: Catalog, folder: Path) -> None:
    store(catalog, "a", "The rent.")
    catalog.note_run({})
    catalog.forget_vectors()
    catalog.scrub()
    assert files(folder) == []
    assert found(catalog, "rent") == {}


def test_a_file_that_holds_what_was_deleted_in_a_restored_catalogue_is_scrubbed(folder: Path, tmp_path: Path) -> None:
    with closing(Catalog(folder)) as catalog:
        store(catalog, "a", "The rent.")
        catalog.note_run({})
        catalog.backup(tmp_path / "backup")
        store(catalog, "b", "The zebrafish.")
        catalog.note_run({})
        catalog.restore(tmp_path / "backup")
        assert not any(b"zebra" in file.read_bytes() for file in files(folder))
        assert list(found(catalog, "rent zebrafish")) == ["a#0"]


def test_where_much_is_not_made_yet_the_table_answers_and_it_is_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "AT_ONCE", 5)
    monkeypatch.setattr(segments, "PORTION", 4)
    with closing(Catalog(folder)) as catalog:
        for number in range(20):
            store(catalog, f"n{number}", f"The {WORDS[number % 7]} of GPT-4.")
        assert catalog.question_terms("gpt4")[0].frequency == 0  # the table does not know identifiers
        worker = catalog.full_text.segments._worker
        assert worker is not None
        worker.join(20)
        assert not worker.is_alive()
        assert catalog.question_terms("gpt4")[0].frequency == 20
        assert len(files(folder)) == 1


def test_closing_stops_what_is_made_in_the_background(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "AT_ONCE", 5)
    monkeypatch.setattr(segments, "PORTION", 1)
    with closing(Catalog(folder)) as catalog:
        for number in range(20):
            store(catalog, f"n{number}", "The rent.")
        found(catalog, "rent")
        worker = catalog.full_text.segments._worker
    assert worker is not None
    assert not worker.is_alive()


def test_a_snapshot_is_searched_as_it_was(catalog: Catalog) -> None:
    store(catalog, "a", "The rent.")
    with catalog.snapshot():
        assert list(found(catalog, "rent")) == ["a#0"]
        store(catalog, "b", "The rent.")
        assert list(found(catalog, "rent")) == ["a#0"]
    assert set(found(catalog, "rent")) == {"a#0", "b#0"}


@pytest.mark.parametrize("seed", range(4))
def test_whatever_was_done_to_a_library_it_is_searched_like_a_fresh_one(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "MOST_IN_MEMORY", 2)
    chance = random.Random(seed)
    texts: dict[str, tuple[Source, list[str]]] = {}
    catalog = Catalog(tmp_path / "index")
    for step in range(120):
        match chance.choice(["store", "store", "store", "remove", "move", "save", "scrub", "reopen", "search"]):
            case "store":
                name = f"n{chance.randrange(12)}"
                words = [" ".join(chance.choices(WORDS, k=chance.randint(1, 6))) for _ in range(chance.randint(0, 4))]
                texts[name] = store(catalog, name, *words), words
            case "remove" if texts:
                catalog.settle(removals=[texts.pop(chance.choice(sorted(texts)))[0]])
            case "move" if texts:
                old, words = texts.pop(chance.choice(sorted(texts)))
                name = f"n{chance.randrange(12)}"
                new = Source("/library", name, 1, 1, old.sha256, "indexed", passages=len(words))
                if name != old.path:
                    catalog.settle(moves=[(old, new, [f"{name}#{n}" for n in range(len(words))])])
                texts[name] = new, words
            case "save":
                catalog.note_run({})
            case "scrub":
                catalog.scrub()
            case "reopen":
                catalog.close()
                catalog = Catalog(tmp_path / "index")
            case "search":
                with closing(Catalog(tmp_path / f"fresh{step}")) as fresh:
                    for name, (_, words) in sorted(texts.items(), key=lambda _: chance.random()):
                        store(fresh, name, *words)
                    for word in WORDS:
                        assert found(catalog, word) == found(fresh, word)
    assert catalog.problems(read_data=True) == []
    catalog.close()


@pytest.mark.parametrize("value", [1 << 62, -1, 0.5, "x", b"", b"\xff"])
@pytest.mark.parametrize("column", ["passages", "checksum"])
def test_a_source_with_a_spoilt_value_is_searched_all_the_same(catalog: Catalog, column: str, value: object) -> None:
    store(catalog, "a", "The rent.", "The house.")
    expected = found(catalog, "rent house")
    with catalog.transaction() as write:
        write.execute(f"UPDATE sources SET {column} = ?", (value,))
        write.execute("UPDATE meta SET value = 'other' WHERE key = 'revision'")
    assert found(catalog, "rent house") == expected


def test_passages_whose_source_is_spoilt_are_passed_over(catalog: Catalog) -> None:
    store(catalog, "a", "The rent.", "The house.", "The garden.")
    with catalog.transaction() as write:
        write.execute("UPDATE passages SET source = -1 WHERE position = 1")
        write.execute("UPDATE meta SET value = 'other' WHERE key = 'revision'")
    assert list(found(catalog, "rent house garden")) == ["a#0", "a#2"]
