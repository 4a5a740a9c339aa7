"""Documents inside files: each is a source of its own, comes and goes with its file, and cites its own path."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ingest import catalog as catalog_module
from ingest import pipeline
from ingest.catalog import Catalog, salvage
from ingest.isolate import Isolator
from ingest.parse import parse, text
from ingest.pipeline import differences, index_folders
from settings import Settings
from tests.documents import write_zip
from tests.fakes import WordEmbedder
from tests.reliability.quick import image

LEASE = b"# Lease\n\nThe rent is 900 euros.\n\n## Pets\n\nNo pets are allowed.\n"
WATER = b"The water bill of May is 31 euros."


class Library:
    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.settings = folder, settings
        folder.mkdir()
        self.catalog = Catalog(settings.index)
        self.embedder = WordEmbedder()
        self.isolator = Isolator(settings.parse)

    def index(self, catalog: Catalog | None = None) -> pipeline.IndexReport:
        self.embedder.embedded.clear()
        chosen = catalog or self.catalog
        report = index_folders(
            [self.folder], chosen, self.embedder, self.isolator.parse, self.settings, lambda _: None, confirm=True
        )
        assert chosen.problems(read_data=True) == []
        assert differences([self.folder], chosen, self.settings, read_data=True) == []
        return report

    def statuses(self) -> dict[str, str]:
        return {source.path: source.status for source in self.catalog.sources()}

    def assert_equals_fresh_index(self, other: Path) -> None:
        with closing(Catalog(other)) as fresh:
            self.index(fresh)
        assert image(self.settings.index) == image(other)


@pytest.fixture
def library(tmp_path: Path, settings: Settings) -> Library:
    library = Library(tmp_path / "documents", settings)
    yield library
    library.isolator.close()
    library.catalog.close()


def letters(library: Library, name: str = "letters.zip", **more: bytes) -> Path:
    files = {"lease.md": LEASE, "bills/water.txt": WATER, "photo.xyz": b"\x00"}
    return write_zip(library.folder / name, files | more)


def test_what_is_inside_a_file_is_indexed_under_its_own_path(library: Library, tmp_path: Path) -> None:
    letters(library)
    report = library.index()
    assert library.statuses() == {
        "letters.zip": "indexed", "letters.zip/lease.md": "indexed", "letters.zip/bills/water.txt": "indexed",
        "letters.zip/photo.xyz": "unsupported",
    }  # fmt: skip
    assert (report.added, [skipped.path for skipped in report.skipped]) == (3, ["letters.zip/photo.xyz"])
    (row,) = library.catalog.search_terms(library.catalog.question_terms("water bill"), 5)
    assert library.catalog.passages([row])[row].path == "letters.zip/bills/water.txt"
    again = library.index()
    assert (again.unchanged, again.added + again.changed, len(again.skipped), again.embedded) == (3, 0, 1, 0)
    library.assert_equals_fresh_index(tmp_path / "fresh")


def test_a_changed_archive_embeds_only_what_changed_in_it_and_drops_what_left_it(
    library: Library, tmp_path: Path
) -> None:
    letters(library, **{"old.txt": b"An old letter."})
    library.index()
    letters(library, **{"new.txt": b"A new letter."})
    report = library.index()
    assert library.embedder.embedded == ["A new letter."]
    assert (report.added, report.changed, report.removed) == (1, 3, 1)
    assert "letters.zip/old.txt" not in library.statuses()
    library.assert_equals_fresh_index(tmp_path / "fresh")


def test_a_renamed_archive_is_neither_read_nor_embedded_and_neither_is_a_swapped_one(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = letters(library, "a.zip")
    b = write_zip(library.folder / "b.zip", {"lease.md": b"# Another lease\n\nThe rent is 700 euros."})
    library.index()
    monkeypatch.setattr(library.isolator, "parse", lambda *_: pytest.fail("It was read."))
    a.rename(library.folder / "c.zip")
    b.rename(library.folder / "a.zip")
    (library.folder / "c.zip").rename(library.folder / "b.zip")
    report = library.index()
    assert (report.renamed, report.embedded) == (6, 0)
    assert library.statuses()["b.zip/bills/water.txt"] == "indexed"
    monkeypatch.undo()
    library.assert_equals_fresh_index(tmp_path / "fresh")


def test_with_a_file_goes_all_that_was_inside_it(library: Library) -> None:
    letters(library)
    library.index()
    (library.folder / "letters.zip").unlink()
    assert library.index().removed == 4
    assert (library.catalog.sources(), library.catalog.count_passages()) == ([], 0)


@pytest.mark.parametrize("by", ["a folder", "a damaged archive"])
def test_what_takes_the_place_of_an_archive_leaves_nothing_of_it(library: Library, by: str, tmp_path: Path) -> None:
    path = letters(library)
    library.index()
    path.unlink()
    if by == "a folder":
        path.mkdir()
        (path / "lease.md").write_bytes(LEASE)
    else:
        path.write_bytes(b"PK\x03\x04 and no more")
    library.index()
    assert library.statuses() == (
        {"letters.zip/lease.md": "indexed"} if by == "a folder" else {"letters.zip": "failed"}
    )
    library.assert_equals_fresh_index(tmp_path / "fresh")


def test_an_archive_inside_an_archive_is_named_and_not_opened(library: Library) -> None:
    inner = write_zip(library.folder / "inner.zip", {"a.txt": WATER}).read_bytes()
    write_zip(library.folder / "outer.zip", {"inner.zip": inner, "b.txt": WATER})
    report = library.index()
    assert library.statuses()["outer.zip/inner.zip"] == "unsupported"
    assert library.statuses()["outer.zip/b.txt"] == "indexed"
    (reason,) = [skipped.reason for skipped in report.skipped if skipped.path == "outer.zip/inner.zip"]
    assert "archive inside an archive" in reason


def test_more_than_is_read_of_one_file_is_named(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "MAX_INSIDE", 2)
    write_zip(library.folder / "a.zip", {f"{n}.txt": WATER for n in range(4)})
    library.index()
    statuses = library.statuses()
    assert [statuses[f"a.zip/{n}.txt"] for n in range(4)] == ["indexed", "indexed", "too-large", "too-large"]


def test_an_archive_is_read_again_when_any_parser_changes(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    letters(library)
    library.index()
    monkeypatch.setattr(library.isolator, "parse", parse)  # the workers' parsers cannot be changed from here
    monkeypatch.setattr(text, "parser_version", lambda: "text/999")
    assert library.index().changed == 3


def test_a_damaged_document_inside_a_file_is_read_again_with_it(
    library: Library, tmp_path: Path, settings: Settings
) -> None:
    letters(library)
    library.index()
    library.catalog.close()
    with closing(sqlite3.connect(settings.index / catalog_module.FILE)) as connection:
        connection.execute("UPDATE passages SET text = 'forged' WHERE text LIKE '%31 euros%'")
        connection.commit()
    salvage(settings.index)
    library.catalog = Catalog(settings.index)
    library.index()
    library.assert_equals_fresh_index(tmp_path / "fresh")
