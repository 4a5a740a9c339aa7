"""Indexing: after a run the index is what a fresh index of the folders would be, and every file is accounted for."""

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import wait
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from errors import CitaError, EncryptedError, EngineClosedError, ParserDiedError, StorageFullError
from ingest import chunk, pipeline
from ingest import discover as discover_module
from ingest.catalog import Catalog, NewPassage
from ingest.discover import Listing, discover
from ingest.parse import parse as parse_file
from ingest.pipeline import differences, index_folders
from ingest.segments import Words
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

    def index(self, *, confirm: bool = False, read_data: bool = False) -> IndexReport:
        self.embedder.embedded.clear()
        report = index_folders(
            self.folders,
            self.catalog,
            self.embedder,
            self.parse,
            self.settings,
            self.progress.append,
            confirm=confirm,
            read_data=read_data,
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
    assert [(step.files_done, step.files) for step in library.progress] == [(n, 5) for n in range(6)]
    assert library.progress[-1].seconds_left == 0


def test_the_time_left_is_not_guessed_from_a_crumb_of_the_work(library: Library) -> None:
    library.write("a.md", "Text.\n")
    library.write("b.md", "Text. " * 500)
    library.write("c.md", "More. " * 500)
    _parse_one_after_the_other(library)
    library.index()
    start, first, second, _ = (step.seconds_left for step in library.progress)
    assert start is first is None
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
        if progress.files_done:
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        index_folders(library.folders, library.catalog, library.embedder, parse, library.settings, stop)
    assert time.monotonic() - started < 10
    go_on.set()
    assert [source.path for source in library.catalog.sources()] == ["a.md"]


def test_files_of_one_path_in_two_folders_are_two_sources(library: Library, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    library.folders.append(second)
    library.write("readme.md", NOTE)
    (second / "readme.md").write_text(NOTE)
    report = library.index()
    assert (report.added, report.passages, report.embedded) == (2, 4, 2)
    library.assert_equals_fresh_index(tmp_path)


def test_an_edit_that_sets_size_and_time_back_is_noticed(library: Library, tmp_path: Path) -> None:
    file = library.write("lease.md", NOTE)
    library.index()
    before = file.stat()
    file.write_text(NOTE.replace("900", "750"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert library.index().changed == 1
    library.assert_equals_fresh_index(tmp_path)


def test_a_change_that_no_time_tells_is_found_by_reading_the_data(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a disk fails, or a program writes past the file system."""
    file = library.write("lease.md", NOTE)
    monkeypatch.setattr(discover_module, "YOUNG", -1)
    library.index()
    (source,) = library.catalog.sources()
    file.write_text(NOTE.replace("900", "750"))
    status = file.stat()
    library.catalog.settle(touches=[replace(source, mtime_ns=status.st_mtime_ns, changed_ns=status.st_ctime_ns)])
    assert library.index().unchanged == 1
    assert differences(library.folders, library.catalog, library.settings) == []
    found = differences(library.folders, library.catalog, library.settings, read_data=True)
    assert found == ["lease.md has changed since it was indexed."]
    assert library.index(read_data=True).changed == 1
    library.assert_equals_fresh_index(tmp_path)


def test_a_title_that_happens_to_be_the_file_s_name_stays_when_the_file_is_renamed(
    library: Library, tmp_path: Path
) -> None:
    titled = library.write("lease.md", "---\ntitle: lease\n---\n\nThe rent is 900 euros.\n")
    untitled = library.write("note.md", "The rent is 950 euros.\n")
    library.index()
    titled.rename(library.folder / "contract.md")
    untitled.rename(library.folder / "memo.md")
    assert library.index().renamed == 2
    assert [source.title for source in library.catalog.sources()] == ["lease", ""]
    library.assert_equals_fresh_index(tmp_path)


def test_swapped_and_chained_renames_read_and_embed_nothing(library: Library, tmp_path: Path) -> None:
    names = ("a.md", "b.md", "c.md")
    for name in names:
        library.write(name, f"# {name}\n\nText of {name}.\n")
    library.index()
    library.parse = lambda path: pytest.fail(f"{path} was read again")
    aside = tmp_path / "aside"
    (library.folder / "a.md").rename(aside)
    (library.folder / "b.md").rename(library.folder / "a.md")
    aside.rename(library.folder / "b.md")
    (library.folder / "c.md").rename(library.folder / "d.md")
    report = library.index()
    assert (report.renamed, report.added, report.removed, report.embedded) == (3, 0, 0, 0)
    library.parse = parse_file
    library.assert_equals_fresh_index(tmp_path)


def test_files_that_share_passages_may_swap_names(library: Library, tmp_path: Path) -> None:
    shared = "# Pets\n\nNo pets are allowed.\n\n# Rent\n\n"
    one, other = library.write("a.md", f"{shared}900 euros."), library.write("b.md", f"{shared}950 euros.")
    library.index()
    aside = tmp_path / "aside"
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    assert library.index().renamed == 2
    library.assert_equals_fresh_index(tmp_path)


def test_a_renamed_folder_is_neither_read_nor_embedded_again(library: Library, tmp_path: Path) -> None:
    for n in range(30):
        library.write(f"old/{n % 3}/{n}.md", f"# {n}\n\nText number {n}.\n")
    library.index()
    library.parse = lambda path: pytest.fail(f"{path} was read again")
    (library.folder / "old").rename(library.folder / "new")
    report = library.index()
    assert (report.renamed, report.removed, report.held) == (30, 0, ())
    library.parse = parse_file
    library.assert_equals_fresh_index(tmp_path)


def test_a_folder_that_lost_most_of_its_files_keeps_them_until_confirmed(library: Library, tmp_path: Path) -> None:
    for n in range(15):
        library.write(f"{n}.md", f"# {n}\n\nText number {n}.\n")
    library.index()
    for n in range(14):
        (library.folder / f"{n}.md").unlink()
    library.write("new.md", NOTE)
    report = library.index()
    assert (report.removed, report.added, report.unchanged) == (0, 1, 1)
    assert [held.path for held in report.held] == [str(library.folder)]
    assert "14 of its 15 documents" in report.held[0].reason
    assert len(library.catalog.sources()) == 16
    assert list(library.catalog.held()) == [str(library.folder)]
    assert library.index(confirm=True).removed == 14
    assert library.catalog.held() == {}
    library.assert_equals_fresh_index(tmp_path)


def test_what_lies_in_a_folder_that_cannot_be_read_stays(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    library.write("closed/a.md", NOTE)
    library.write("b.md", "# Other\n\nText.\n")
    library.index()
    entries = discover_module._entries

    def refused(folder: Path | str) -> list[os.DirEntry[str]]:
        if str(folder).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return entries(folder)

    monkeypatch.setattr(discover_module, "_entries", refused)
    report = library.index()
    assert report.removed == 0
    assert [(entry.path, entry.reason) for entry in report.skipped] == [
        ("closed", "Folder cannot be read: Permission denied.")
    ]
    assert {path for path, *_ in library.state()} == {"closed/a.md", "b.md"}


def test_a_file_that_grows_while_it_is_read_is_read_until_it_is_whole(library: Library, tmp_path: Path) -> None:
    file = library.write("log.md", NOTE)
    growths = iter(range(2))

    def parse(path: Path) -> Document:
        document = parse_file(path)
        if next(growths, None) is not None:
            with file.open("a") as more:
                more.write("\n\nAnother line.\n")
        return document

    library.parse = parse
    assert library.index().added == 1
    library.parse = parse_file
    library.assert_equals_fresh_index(tmp_path)


def test_a_file_that_never_stops_changing_keeps_what_was_indexed(library: Library, tmp_path: Path) -> None:
    file = library.write("log.md", NOTE)
    library.index()
    before = library.state()

    def parse(path: Path) -> Document:
        with file.open("a") as more:
            more.write("\n\nAnother line.\n")
        return parse_file(path)

    library.parse = parse
    with file.open("a") as more:
        more.write("\n\nMore.\n")
    report = library.index()
    assert [entry.path for entry in report.failed] == ["log.md"]
    assert "still being written" in report.failed[0].reason
    assert library.state() == before
    library.parse = parse_file
    assert library.index().changed == 1
    library.assert_equals_fresh_index(tmp_path)


def test_a_disk_that_fails_keeps_what_was_indexed_and_lost_rights_do_not(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = library.write("lease.md", NOTE)
    library.index()
    file.write_text(NOTE + "More.\n")
    sha256 = pipeline._sha256

    def fail(number: int) -> Callable[[Path], str]:
        def refuse(path: Path) -> str:
            raise OSError(number, os.strerror(number), str(path))

        return refuse

    monkeypatch.setattr(pipeline, "_sha256", fail(errno.EIO))
    assert "is kept" in library.index().failed[0].reason
    assert len(library.state()) == 2
    monkeypatch.setattr(pipeline, "_sha256", fail(errno.EACCES))
    assert library.index().failed[0].reason == "Cannot be read: Permission denied."
    assert library.state() == set()
    monkeypatch.setattr(pipeline, "_sha256", sha256)
    assert library.index().changed == 1


def test_an_ignored_file_leaves_the_index(library: Library, tmp_path: Path) -> None:
    library.write("a.md", NOTE)
    library.write("b.md", "# Other\n\nText.\n")
    library.index()
    library.write(".citaignore", "a.md\n")
    report = library.index()
    assert (report.removed, [entry.path for entry in report.skipped]) == (1, ["a.md"])
    library.assert_equals_fresh_index(tmp_path)


def test_a_document_that_no_rule_foresaw_stops_no_other(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    library.write("a.md", NOTE)
    library.write("b.md", "# Other\n\nText.\n")
    divide = chunk.chunk

    def chunk_or_fail(document: Document, folder: str, path: str, *rest: Any) -> list[NewPassage]:
        if path == "a.md":
            raise ZeroDivisionError
        return divide(document, folder, path, *rest)

    monkeypatch.setattr(chunk, "chunk", chunk_or_fail)
    report = library.index()
    assert (report.added, [entry.path for entry in report.failed]) == (1, ["a.md"])


@pytest.mark.parametrize("error", [EngineClosedError("Closed."), StorageFullError("Full.")])
def test_what_is_not_a_document_s_doing_ends_the_run_and_blames_no_document(library: Library, error: CitaError) -> None:
    library.write("a.md", NOTE)

    def parse(path: Path) -> Document:
        raise error

    library.parse = parse
    with pytest.raises(type(error)):
        library.index()
    assert library.catalog.sources() == []
    library.parse = parse_file
    assert library.index().added == 1


def test_notes_of_one_passage_are_embedded_together(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        library.write(f"{number:02}.md", f"Note {'x' * number}.\n")
    _group_when_all_are_parsed(monkeypatch)
    groups: list[int] = []
    embed = library.embedder.embed_passages
    monkeypatch.setattr(library.embedder, "embed_passages", lambda texts: groups.append(len(texts)) or embed(texts))
    assert library.index().embedded == 30
    assert sorted(groups) == [6, 8, 16], "the first is small, for no core to wait; each after it may be twice as large"


def test_what_is_parsed_is_stored_while_the_next_file_is_being_parsed(library: Library) -> None:
    library.write("a.md", "First.\n")
    library.write("b.md", "Second.\n")

    def parse(path: Path) -> Document:
        until = time.monotonic() + 20
        while path.name == "b.md" and "a.md" not in {source.path for source in library.catalog.sources()}:
            assert time.monotonic() < until, "a.md waits for b.md"
            time.sleep(0.01)
        return parse_file(path)

    library.parse = parse
    assert library.index().added == 2


def test_a_vector_that_goes_while_another_file_counts_on_it_is_made_again(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """a.md loses the paragraph, b.md gets it; when b.md's group is embedded, a.md's change is not stored yet."""
    file = library.write("a.md", "# One\n\nShared paragraph.\n")
    library.index()
    file.write_text("# One\n\nSomething else altogether.\n")
    library.write("b.md", "# One\n\nShared paragraph.\n\n# Two\n\nMore.\n")
    monkeypatch.setattr(pipeline, "GROUP", 1)
    _parse_one_after_the_other(library)
    dividing_b, asked_for_b = threading.Event(), threading.Event()
    offsets, embed = library.embedder.offsets, library.embedder.embed_passages
    known, store = library.catalog.known_vectors, library.catalog.store_all
    stored: list[str] = []

    def known_vectors(keys: Any) -> set[str]:
        found = known(keys)
        if found:
            asked_for_b.set()
        return found

    def divide(text: str) -> list[tuple[int, int]]:
        if "Shared" in text:
            dividing_b.set()
        return offsets(text)

    def embed_passages(texts: Any) -> Any:
        assert dividing_b.wait(20)  # so that b.md's group follows before a.md is stored
        return embed(texts)

    def store_all(new: Any, vectors: Any) -> None:
        assert asked_for_b.wait(20)
        stored.append(new[0].source.path)
        store(new, vectors)

    monkeypatch.setattr(library.embedder, "offsets", divide)
    monkeypatch.setattr(library.embedder, "embed_passages", embed_passages)
    monkeypatch.setattr(library.catalog, "known_vectors", known_vectors)
    monkeypatch.setattr(library.catalog, "store_all", store_all)
    library.index()
    assert stored == ["a.md", "b.md"]
    assert library.catalog.problems(read_data=True) == []
    monkeypatch.undo()
    library.assert_equals_fresh_index(tmp_path)


def test_a_vector_that_an_earlier_file_of_the_group_drops_is_made_again(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """a.md loses the paragraph, b.md gets it, and both are stored in one transaction."""
    file = library.write("a.md", "# One\n\nShared paragraph.\n")
    library.index()
    file.write_text("# One\n\nSomething else altogether.\n")
    library.write("b.md", "# One\n\nShared paragraph.\n\n# Two\n\nMore.\n")
    _group_when_all_are_parsed(monkeypatch)
    report = library.index()
    assert (report.added, report.changed, report.embedded) == (1, 1, 3)
    assert library.catalog.problems(read_data=True) == []
    library.assert_equals_fresh_index(tmp_path)


def test_a_group_s_files_are_stored_in_one_transaction(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.md", "b.md", "c.md"):
        library.write(name, f"Note {name}.\n")
    _group_when_all_are_parsed(monkeypatch)
    store, seen = library.catalog.store_all, []

    def store_all(new: Any, vectors: Any) -> None:
        store(new, vectors)
        with closing(sqlite3.connect(f"file:{library.catalog.path}?mode=ro", uri=True)) as other:
            seen.append(other.execute("SELECT count(*) FROM sources").fetchone()[0])

    monkeypatch.setattr(library.catalog, "store_all", store_all)
    assert library.index().added == 3
    assert seen == [0, 0, 0]
    assert [now.files_done for now in library.progress] == [0, 1, 2, 3]


def test_full_text_is_analysed_while_the_run_goes_on_and_once(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("heron", "willow", "copper", "violin", "harbour", "lantern")
    for word in words:
        library.write(f"{word}.md", f"A note of a {word}.\n")
    monkeypatch.setattr(pipeline, "KEEP_UP", (2, 0.0))
    monkeypatch.setattr(pipeline, "GROUP", 1)
    build, analysed = Words.build, []

    def counted(words: Words, owners: Any) -> Any:
        analysed.append(sum(len(owner.rows) for owner in owners))
        return build(words, owners)

    monkeypatch.setattr(Words, "build", counted)
    library.index()
    assert analysed == [2, 2, 2]
    for word in words:
        assert len(library.catalog.search_terms(library.catalog.question_terms(word), 10)) == 1


def _group_when_all_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "wait", lambda under_way, **_: wait(under_way))


def _parse_one_after_the_other(library: Library) -> None:
    parse = library.settings.parse.model_copy(update={"workers": 1})
    library.settings = library.settings.model_copy(update={"parse": parse})


def test_a_file_that_takes_long_lets_the_others_go_before(library: Library) -> None:
    for name in ("a.md", "b.md", "c.md"):
        library.write(name, f"Note {name}.\n")

    def parse(path: Path) -> Document:
        if path.name == "a.md":
            deadline = time.monotonic() + 20
            while len(library.embedder.embedded) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        return parse_file(path)

    library.parse = parse
    assert library.index().added == 3
    assert "a.md" in library.embedder.embedded[-1]


def test_files_are_stored_in_their_order_whichever_takes_long(library: Library) -> None:
    names = [f"{number}.md" for number in range(8)]
    for name in names:
        library.write(name, f"Note {name}.\n")

    def parse(path: Path) -> Document:
        if path.name in ("0.md", "3.md"):
            time.sleep(0.2)
        return parse_file(path)

    library.parse = parse
    library.index()
    assert [now.path for now in library.progress][1:] == names


def test_texts_of_two_groups_are_embedded_at_the_same_time(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.md", "b.md"):
        library.write(name, f"Note {name}.\n")
    monkeypatch.setattr(pipeline, "GROUP", 1)
    both, embed = threading.Barrier(2), library.embedder.embed_passages

    def embed_passages(texts: Any) -> Any:
        both.wait(20)
        return embed(texts)

    monkeypatch.setattr(library.embedder, "embed_passages", embed_passages)
    assert library.index().embedded == 2


def test_texts_that_several_files_share_are_embedded_once(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(8):
        library.write(f"{number}.md", "# Head\n\nThe same in all.\n")
    monkeypatch.setattr(pipeline, "GROUP", 1)
    assert library.index().embedded == 1
    assert len(library.embedder.embedded) == 1


def test_no_more_is_parsed_ahead_than_fits(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        library.write(f"{number:02}.md", "word " * 100 + f"{number}\n")
    monkeypatch.setattr(pipeline, "AHEAD_BYTES", 1_000)
    monkeypatch.setattr(pipeline, "GROUP", 1)
    parsed: list[str] = []
    embed = library.embedder.embed_passages
    waiting = 1_000 // 500 + 1  # to be stored
    fits = pipeline.GROUPS + 2 * library.settings.parse.workers + waiting

    def parse(path: Path) -> Document:
        parsed.append(path.name)
        return parse_file(path)

    def embed_passages(texts: Any) -> Any:
        if not slow.is_set():
            slow.set()
            time.sleep(0.5)
            assert len(parsed) <= fits
        return embed(texts)

    slow = threading.Event()
    library.parse = parse
    monkeypatch.setattr(library.embedder, "embed_passages", embed_passages)
    assert library.index().added == 20
