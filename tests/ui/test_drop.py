import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import CitaError, FolderError, StorageFullError, TooLargeError
from ui import drop
from ui.drop import safe_name, store

HOSTILE = [
    "../../etc/passwd", "..\\..\\boot.ini", "/etc/passwd", "C:\\x.pdf", "\\\\server\\share\\x.pdf", "..", ".", "",
    ".hidden.pdf", "name.exe:x.pdf", "a\x00b.pdf", "a\nb.pdf", "evil\u202efdp.exe", "con.pdf", "NUL", "lpt1.txt",
    "x" * 300 + ".pdf", "é" * 200 + ".pdf", "😀" * 100 + ".pdf", "a." + "b" * 300, " . .pdf", "a.pdf. . ", "-rf",
    "<img src=x onerror=alert(1)>.pdf", "%2e%2e%2fx.pdf", "~/.ssh/id", "a\u2028b.txt", ".\u200b.", "..\u200b",
]  # fmt: skip


@given(st.one_of(st.text(), st.sampled_from(HOSTILE), st.text(alphabet="./\\:. \u202e\u200bcon", min_size=1)))
def test_a_dropped_name_is_always_a_plain_visible_file_name(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert not set(safe) & set('/\\<>:"|?*\x00')
    assert not any(unicodedata.category(c)[0] == "C" for c in safe)
    assert not safe.startswith((".", " "))
    assert not safe.endswith((".", " "))
    assert len(safe.encode()) <= 255
    assert safe.split(".")[0].strip().lower() not in drop._RESERVED
    assert Path("library", safe).parent == Path("library")
    assert safe_name(safe) == safe


@pytest.mark.parametrize("name", ["Lease.pdf", "año nuevo.txt", "notes.v2.md", "天気.html", "a (2).pdf"])
def test_an_ordinary_name_is_kept(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize("name", HOSTILE)
def test_a_dropped_file_never_lands_outside_the_library(name: str, tmp_path: Path) -> None:
    library = tmp_path / "library"
    stored = store(library, name, b"content", 1)
    assert stored.path.parent == library
    assert stored.path.read_bytes() == b"content"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [stored.path]


def test_another_file_of_the_same_name_is_kept_and_the_new_one_gets_a_new_name(tmp_path: Path) -> None:
    first = store(tmp_path, "a.txt", b"one", 1)
    second = store(tmp_path, "a.txt", b"two", 1)
    again = store(tmp_path, "a.txt", b"two", 1)
    assert (first.path.name, second.path.name) == ("a.txt", "a (2).txt")
    assert first.path.read_bytes() == b"one"
    assert (again.path, again.known) == (second.path, True)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_link_in_the_library_is_not_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    library = tmp_path / "library"
    library.mkdir()
    (library / "a.txt").symlink_to(outside)
    stored = store(library, "a.txt", b"content", 1)
    assert stored.path.name == "a (2).txt"
    assert not outside.exists()


def test_a_file_over_the_limit_is_refused_with_the_limit(tmp_path: Path) -> None:
    with pytest.raises(TooLargeError, match="limit is 1 MB"):
        store(tmp_path, "a.txt", b"x" * 1_000_001, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "error"), [(28, StorageFullError), (13, FolderError)])
def test_a_failed_write_leaves_nothing_behind_and_says_why(
    number: int, error: type[CitaError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(drop.os, "fsync", fail)
    with pytest.raises(error, match=r"a\.txt"):
        store(tmp_path, "a.txt", b"content", 1)
    assert list(tmp_path.iterdir()) == []
