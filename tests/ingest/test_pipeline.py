"""Indexing: after a run the index is what a fresh index of the folders would be, and every file is accounted for."""

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from errors import EncryptedError, ParserDiedError
from ingest import pipeline
from ingest.catalog import Catalog
from ingest.discover import Listing, discover
from ingest.parse import parse as parse_file
from ingest.pipeline import differences, index_folders
from ingest.types import Document, IndexProgress, IndexReport
from settings import Settings
from tests.fakes import WordEmbedder


@dataclass
class Library:
    """A folder and its index."""

    folder: Path
    settings: Settings
    embedder: WordEmbedder = field(default_factory=WordEmbedder)
    parse: Callable[[Path], Document] = parse_file
    progress: list[IndexProgress] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.catalog = Catalog(self.settings.index)
        self.folders = [self.folder]

    def write(self, path: str, text: str) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def index(self) -> IndexReport:
        self.embedder.embedded.clear()
        report = index_folders(
            self.folders, self.catalog, self.embedder, self.parse, self.settings, self.progress.append
        )
        assert self.catalog.problems() == []
        return report

    def state(self, catalog: Catalog | None = None) -> set[tuple[str, str, str, str]]:
        """(path, sha256, passage id, passage text) of everything indexed."""
        catalog = catalog or self.catalog
        return {
            (source.path, source.sha256, passage.id, passage.text)
            for source in catalog.sources()
            for passage in catalog.passages_of(source.folder, source.path)
        }

    def assert_equals_fresh_index(self, tmp_path: Path) -> None:
        fresh = Catalog(tmp_path / f"fresh{len(list(tmp_path.iterdir()))}")
        index_folders(self.folders, fresh, self.embedder, self.parse, self.settings, lambda _: None)
        assert self.state() == self.state(fresh)
        assert self.catalog.vector_keys() == fresh.vector_keys()
        fresh.close()


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    found = Library(tmp_path / "documents", Settings.load(tmp_path / "home"))
    yield found
    found.catalog.close()


NOTE = "# Lease\n\nThe rent is 900 euros.\n\n## Pets\n\nNo pets are allowed.\n"


def test_a_second_run_over_unchanged_folders_embeds_nothing(library: Library) -> None:
    library.write("lease.md", NOTE)
    first = library.index()
    assert (first.added, first.embedded, first.passages) == (1, 2, 2)
    second = library.index()
    assert (second.added, second.changed, second.unchanged, second.embedded) == (0, 0, 1, 0)
    assert library.embedder.embedded == []


def test_an_edited_note_embeds_only_what_changed(library: Library, tmp_path: Path) -> None:
    library.write("lease.md", NOTE)
    library.index()
    library.write("lease.md", NOTE.replace("900", "950"))
    report = library.index()
    assert (report.changed, report.embedded) == (1, 1)
    assert library.embedder.embedded == ["Lease\nThe rent is 950 euros."]
    library.assert_equals_fresh_index(tmp_path)


def test_a_deleted_file_is_gone_from_the_index(library: Library, tmp_path: Path) -> None:
    library.write("lease.md", NOTE)
    library.write("other.md", "# Other\n\nKeep me.\n")
    library.index()
    (library.folder / "lease.md").unlink()
    assert library.index().removed == 1
    assert {path for path, *_ in library.state()} == {"other.md"}
    assert not library.catalog.search_terms(library.catalog.question_terms("rent pets"), 10)
    library.assert_equals_fresh_index(tmp_path)


def test_a_renamed_file_is_neither_read_nor_embedded_again(library: Library, tmp_path: Path) -> None:
    file = library.write("lease.md", NOTE)
    library.index()
    library.parse = lambda path: pytest.fail(f"{path} was read again")
    (library.folder / "deep").mkdir()
    file.rename(library.folder / "deep" / "contract.md")
    report = library.index()
    assert (report.renamed, report.added, report.removed, report.embedded) == (1, 0, 0, 0)
    library.parse = parse_file
    library.assert_equals_fresh_index(tmp_path)


def test_a_copied_file_embeds_nothing(library: Library, tmp_path: Path) -> None:
    library.write("lease.md", NOTE)
    library.index()
    library.write("copy.md", NOTE)
    report = library.index()
    assert (report.added, report.embedded) == (1, 0)
    library.assert_equals_fresh_index(tmp_path)


def test_a_touched_file_is_unchanged(library: Library) -> None:
    file = library.write("lease.md", NOTE)
    library.index()
    os.utime(file, (1, 1))
    report = library.index()
    assert (report.unchanged, report.changed) == (1, 0)
    assert differences(library.folders, library.catalog, library.settings) == []


@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_bad_file_never_stops_the_others_and_is_named(library: Library, position: int) -> None:
    names = ["a.md", "b.md", "c.md"]
    for name in names:
        library.write(name, f"# {name}\n\nText of {name}.\n")

    def parse(path: Path) -> Document:
        if path.name == names[position]:
            raise ParserDiedError("It crashed with signal 11.")
        return parse_file(path)

    library.parse = parse
    report = library.index()
    assert report.added == 2
    assert [(item.path, item.reason) for item in report.failed] == [(names[position], "It crashed with signal 11.")]
    assert len(library.state()) == 2


def test_every_file_is_in_exactly_one_place_of_every_report(library: Library) -> None:
    library.write("good.md", NOTE)
    library.write("empty.txt", " \n")
    library.write("data.xyz", "1")
    library.write("locked.md", "secret")
    library.write(".hidden/x.md", NOTE)

    def parse(path: Path) -> Document:
        if path.name == "locked.md":
            raise EncryptedError("It needs a password.")
        return parse_file(path)

    library.parse = parse
    for counts in ((1, 0), (0, 1)):
        report = library.index()
        assert (report.added, report.unchanged) == counts
        assert [item.path for item in report.failed] == ["locked.md"]
        assert sorted(item.path for item in report.skipped) == [".hidden", "data.xyz", "empty.txt"]
        assert all(item.reason for item in (*report.failed, *report.skipped))


def test_a_file_that_failed_is_read_again_only_when_it_changes(library: Library) -> None:
    library.write("a.md", "# A\n\nText.\n")
    read = []

    def parse(path: Path) -> Document:
        read.append(path.name)
        raise ParserDiedError("It took longer than 60 s.")

    library.parse = parse
    library.index()
    library.index()
    assert read == ["a.md"]
    library.write("a.md", "# A\n\nOther text.\n")
    library.parse = parse_file
    assert library.index().changed == 1
    assert {text for *_, text in library.state()} == {"Other text."}


def test_a_file_over_the_size_limit_is_listed_not_read(library: Library) -> None:
    library.settings = Settings.load(library.settings.home, parse={"max_file_mb": 1})
    (library.folder / "big.txt").write_bytes(b"a" * 1_100_000)
    (skipped,) = library.index().skipped
    assert "1 MB" in skipped.reason
    assert library.catalog.sources()[0].status == "too-large"


def test_a_vanished_folder_deletes_nothing(library: Library, tmp_path: Path) -> None:
    library.write("lease.md", NOTE)
    library.index()
    library.folder.rename(tmp_path / "elsewhere")
    report = library.index()
    assert report.removed == 0
    assert "1 documents stay" in report.failed[0].reason
    assert library.state()
    (tmp_path / "elsewhere").rename(library.folder)
    assert library.index().unchanged == 1


def test_a_folder_no_longer_in_the_library_is_gone_from_the_index(library: Library) -> None:
    library.write("lease.md", NOTE)
    library.index()
    library.folders = []
    assert library.index().removed == 1
    assert not library.state()


def test_another_embedder_embeds_everything_anew(library: Library) -> None:
    library.write("lease.md", NOTE)
    library.index()
    library.embedder.fingerprint = "words/2"
    report = library.index()
    assert (report.added, report.embedded) == (1, 2)
    assert library.catalog.fact("embedder") == "words/2"


def test_links_out_of_the_folder_and_special_files_are_not_followed(library: Library, tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text(NOTE)
    (library.folder / "link.md").symlink_to(tmp_path / "secret.md")
    (library.folder / "folder").symlink_to(tmp_path)
    os.mkfifo(library.folder / "pipe.md")
    report = library.index()
    assert sorted(item.path for item in report.skipped) == ["folder", "link.md", "pipe.md"]
    assert not library.state()


def test_a_name_that_is_not_utf8_is_indexed_and_deleted_like_any_other(library: Library, tmp_path: Path) -> None:
    library.write("good.md", NOTE)
    odd = library.folder / os.fsdecode(b"bad\xff.md")
    odd.write_text(NOTE)
    report = library.index()
    assert (report.added, report.skipped) == (2, ())
    assert {path for path, *_ in library.state()} == {"good.md", "bad\uefff.md"}
    library.assert_equals_fresh_index(tmp_path)
    odd.unlink()
    assert library.index().removed == 1
    library.assert_equals_fresh_index(tmp_path)


def test_differences_name_what_the_next_run_would_change(library: Library) -> None:
    library.write("same.md", NOTE)
    library.write("gone.md", NOTE)
    library.write("edited.md", NOTE)
    library.index()
    assert differences(library.folders, library.catalog, library.settings) == []
    (library.folder / "gone.md").unlink()
    library.write("edited.md", NOTE + "More.\n")
    library.write("new.md", "Something else.\n")
    assert differences(library.folders, library.catalog, library.settings) == [
        "edited.md has changed since it was indexed.",
        "gone.md is in the index but no longer there.",
        "new.md is not in the index yet.",
    ]


def test_progress_counts_every_file_to_the_end(library: Library) -> None:
    for n in range(5):
        library.write(f"{n}.md", f"# {n}\n\nText.\n")
    library.index()
    assert [(step.files_done, step.files) for step in library.progress] == [(n, 5) for n in range(1, 6)]
    assert library.progress[-1].seconds_left == 0


def test_the_time_left_is_not_guessed_from_a_crumb_of_the_work(library: Library) -> None:
    library.write("a.md", "Text.\n")
    library.write("b.md", "Text. " * 500)
    library.write("c.md", "More. " * 500)
    library.index()
    first, second, _ = (step.seconds_left for step in library.progress)
    assert first is None
    assert second is not None
    assert second > 0


def test_a_file_that_cannot_be_opened_costs_that_file_only(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    library.write("good.md", NOTE)
    closed = library.write("closed.md", NOTE)

    def discover_then_lose(folder: Path, leave_out: Collection[Path]) -> Listing:
        listing = discover(folder, leave_out)
        closed.unlink(missing_ok=True)
        return listing

    with monkeypatch.context() as losing:
        losing.setattr(pipeline, "discover", discover_then_lose)
        report = library.index()
    assert (report.added, [entry.path for entry in report.skipped]) == (1, ["closed.md"])
    library.write("closed.md", NOTE)
    report = library.index()
    assert (report.added + report.changed, report.failed) == (1, ())
    library.assert_equals_fresh_index(library.settings.home)


def test_stopping_a_run_does_not_wait_for_the_documents_at_hand(library: Library) -> None:
    for name in ("a.md", "b.md"):
        library.write(name, NOTE)
    go_on = threading.Event()

    def parse(path: Path) -> Document:
        if path.name == "b.md":
            assert go_on.wait(30)
        return parse_file(path)

    def stop(progress: IndexProgress) -> None:
        raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        index_folders(library.folders, library.catalog, library.embedder, parse, library.settings, stop)
    assert time.monotonic() - started < 10
    go_on.set()
    assert [source.path for source in library.catalog.sources()] == ["a.md"]
