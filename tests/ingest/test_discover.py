"""Which files are looked at: all of them, each with the reason when it is left out."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from errors import FolderError
from ingest import discover as module
from ingest.discover import IGNORE_FILE, discover


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def found(folder: Path) -> list[str]:
    return [file.path for file in discover(folder).found]


def reasons(folder: Path) -> dict[str, str]:
    return {entry.path: entry.reason for entry in discover(folder).skipped}


def test_files_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    write(tmp_path, "b.md", "a/z.md", "a.md", "a/b/c.md")
    assert found(tmp_path) == ["a.md", "a/b/c.md", "a/z.md", "b.md"]


def test_what_is_never_wanted_is_left_out_with_a_reason(tmp_path: Path) -> None:
    write(tmp_path, ".obsidian/app.json", ".git/HEAD", "node_modules/a.md", "~$lease.docx", "Thumbs.db", "ok.md")
    assert found(tmp_path) == ["ok.md"]
    assert reasons(tmp_path) == {
        ".git": "Hidden.",
        ".obsidian": "Hidden.",
        "Thumbs.db": "File of the system.",
        "node_modules": "Folder of program files.",
        "~$lease.docx": "Lock file of an open document.",
    }


def test_links_and_special_files_are_never_opened(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    write(tmp_path, "in/a.md", "out/secret.md")
    (inside / "file").symlink_to(outside / "secret.md")
    (inside / "folder").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    os.mkfifo(inside / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(inside / "socket"))
    assert found(inside) == ["a.md"]
    assert set(reasons(inside)) == {"file", "folder", "loop", "pipe", "socket"}


def test_ignored_files_name_the_pattern(tmp_path: Path) -> None:
    write(tmp_path, "a.tmp", "keep.tmp", "drafts/x.md", "deep/drafts/y.md", "b.md")
    (tmp_path / IGNORE_FILE).write_text("# not for answers\n*.tmp\n!keep.tmp\ndrafts/\n")
    assert found(tmp_path) == ["b.md", "keep.tmp"]
    assert reasons(tmp_path) == {
        "a.tmp": "Ignored by .citaignore: *.tmp",
        "drafts": "Ignored by .citaignore: drafts/",
        "deep/drafts": "Ignored by .citaignore: drafts/",
    }


def test_the_nearest_ignore_file_has_the_last_word(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "deep/a.txt", "deep/b.txt", "deep/er/a.txt")
    (tmp_path / IGNORE_FILE).write_text("*.txt")
    (tmp_path / "deep" / IGNORE_FILE).write_text("!*.txt\n/b.txt")
    assert found(tmp_path) == ["deep/a.txt", "deep/er/a.txt"]
    assert reasons(tmp_path)["deep/b.txt"] == "Ignored by deep/.citaignore: /b.txt"


def test_a_line_that_is_no_pattern_is_named_and_the_others_hold(tmp_path: Path) -> None:
    write(tmp_path, "a.tmp", "b.md")
    (tmp_path / IGNORE_FILE).write_text("!\n*.tmp\n")
    assert found(tmp_path) == ["b.md"]
    assert reasons(tmp_path)[IGNORE_FILE] == "Line 1 is no pattern: !"


def test_an_ignore_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    write(tmp_path, "b.md")
    (tmp_path / IGNORE_FILE).mkdir()
    assert found(tmp_path) == ["b.md"]
    assert "Cannot be read" in reasons(tmp_path)[IGNORE_FILE]


@pytest.fixture
def deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, int], Path]]:
    """Makes a file below so many folders of a name, one in the other."""

    def make(name: str, depth: int) -> Path:
        monkeypatch.chdir(tmp_path)
        for _ in range(depth):
            Path(name).mkdir()
            monkeypatch.chdir(name)
        Path("deep.md").write_text("x")
        return tmp_path

    yield make
    monkeypatch.undo()
    subprocess.run(["rm", "-rf", *tmp_path.iterdir()], check=True)  # Python's own would recurse too deep


def test_folders_nested_deeper_than_calls_can_be_are_read(deep: Callable[[str, int], Path]) -> None:
    assert found(deep("d", 1_500)) == ["d/" * 1_500 + "deep.md"]


def test_a_path_longer_than_the_system_takes_is_left_out_with_a_reason(deep: Callable[[str, int], Path]) -> None:
    listing = discover(deep("d" * 250, 20))
    assert not listing.found
    assert "too long" in listing.skipped[0].reason
    assert listing.unseen == (listing.skipped[0].path,)


def test_a_missing_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="nowhere"):
        discover(tmp_path / "nowhere")


def test_a_young_file_is_not_trusted_by_its_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.md")
    assert discover(tmp_path).found[0].changed_ns == 0
    monkeypatch.setattr(module, "YOUNG", -1)
    assert discover(tmp_path).found[0].changed_ns == (tmp_path / "a.md").stat().st_ctime_ns
