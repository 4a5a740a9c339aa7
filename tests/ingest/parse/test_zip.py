"""ZIP archives: what is in one is named, given out by that name, and never written by it."""

import random
from pathlib import Path

import pytest

from errors import EncryptedError, ParseError, TooLargeError
from ingest.parse import archive, parse, read_member
from ingest.parse.members import MAX_NAME, unique_names
from tests.documents import write_zip


def test_the_files_of_an_archive_are_named_and_read_by_these_names(tmp_path: Path) -> None:
    files = {"lease.md": b"# Lease", "bills/2026/water.txt": b"Water: 30 euros", "data.bin": b"\x00\x01"}
    path = write_zip(tmp_path / "a.zip", files)
    document = parse(path)
    assert (document.blocks, document.members) == ((), tuple(files))
    assert {name: read_member(path, name) for name in document.members} == files


def test_hidden_files_and_what_systems_leave_in_archives_are_left_out(tmp_path: Path) -> None:
    names = [".hidden", "__MACOSX/._a.txt", "a/.git/config", "Thumbs.db", "folder/", "kept.txt", "..txt"]
    assert parse(write_zip(tmp_path / "a.zip", dict.fromkeys(names, b"x"))).members == ("kept.txt",)


def test_names_that_lead_out_of_the_archive_do_not(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"../../etc/passwd": b"1", "/etc/passwd": b"2", "C:\\x\\passwd": b"3"})
    assert parse(path).members == ("etc/passwd", "etc/passwd (2)", "C:/x/passwd")
    assert read_member(path, "etc/passwd (2)") == b"2"


def test_a_name_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="There is no"):
        read_member(write_zip(tmp_path / "a.zip", {"a.txt": b"x"}), "b.txt")


def test_an_archive_that_inflates_beyond_measure_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(TooLargeError, match="inflates"):
        parse(write_zip(tmp_path / "bomb.zip", {"a.txt": bytes(30_000_000)}))


def test_xml_with_a_document_type_may_lie_in_an_archive_that_is_no_office_file(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.xml": b"<!DOCTYPE a><a/>"})
    assert parse(path).members == ("a.xml",)
    with pytest.raises(ParseError, match="document type"):
        archive.check(path.read_bytes())


def test_an_archive_with_a_password_says_so(tmp_path: Path) -> None:
    data = bytearray(write_zip(tmp_path / "a.zip", {"a.txt": b"text"}).read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(EncryptedError, match="password"):
        parse(tmp_path / "a.zip")


def test_damaged_archives_are_read_or_refused(tmp_path: Path) -> None:
    sound = write_zip(tmp_path / "a.zip", {"a.txt": b"text " * 100, "b/c.md": b"# More"}).read_bytes()
    chance = random.Random(4)
    for _ in range(200):
        data = bytearray(sound[: chance.randrange(len(sound))] if chance.random() < 0.3 else sound)
        for _ in range(chance.randrange(3)):
            if data:
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        (tmp_path / "a.zip").write_bytes(data)
        try:
            for name in parse(tmp_path / "a.zip").members:
                read_member(tmp_path / "a.zip", name)
        except ParseError:
            continue


def test_every_name_is_shown_once_and_harmless() -> None:
    raw = ["a.pdf", "a.pdf", "a (2).pdf", "", "..", "x\x00\ny.txt", "b\\c.txt", "n" * 500 + ".docx", "a.pdf"]
    names = unique_names(raw)
    assert names[:4] == ["a.pdf", "a (2).pdf", "a (2) (2).pdf", "unnamed"]
    assert names[5:7] == ["x y.txt", "b/c.txt"]
    assert len(set(names)) == len(raw)
    assert all(len(name) <= MAX_NAME + 10 and name.isprintable() and ".." not in name for name in names)
    assert names[7].endswith(".docx")
