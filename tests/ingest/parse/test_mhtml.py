from pathlib import Path

import pytest

from errors import ParseError
from ingest.parse import mhtml
from ingest.types import Document

PAGE = """From: <Saved by Blink>
Subject: =?utf-8?Q?El_t=C3=ADtulo?=
Date: Wed, 1 May 2024 10:00:00 +0200
MIME-Version: 1.0
Content-Type: multipart/related; type="text/html"; boundary="b"; start="<main@x>"

--b
Content-Type: text/html; charset=utf-8
Content-ID: <frame@x>

<p>A frame.</p>
--b
Content-Type: text/html; charset=iso-8859-1
Content-ID: <main@x>
Content-Transfer-Encoding: quoted-printable

<h1>Fianza</h1><p>El a=F1o que vie=
ne.</p><img src=3D"cid:p@x">
--b
Content-Type: image/png
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--b--
"""


def parse(tmp_path: Path, content: bytes) -> Document:
    path = tmp_path / "a.mhtml"
    path.write_bytes(content)
    return mhtml.parse(path)


def test_the_page_that_the_file_begins_with_is_read(tmp_path: Path) -> None:
    document = parse(tmp_path, PAGE.replace("\n", "\r\n").encode())
    assert [(block.kind, block.text) for block in document.blocks] == [
        ("heading", "Fianza"), ("paragraph", "El año que viene."),
    ]  # fmt: skip
    assert document.metadata["date"] == "2024-05-01T10:00:00+02:00"
    assert document.media_type == "multipart/related"


def test_the_subject_is_the_title_of_a_page_without_one(tmp_path: Path) -> None:
    assert parse(tmp_path, PAGE.replace("<h1>Fianza</h1>", "").encode()).title == "El título"


def test_without_a_named_part_the_first_page_is_read(tmp_path: Path) -> None:
    document = parse(tmp_path, PAGE.replace('; start="<main@x>"', "").encode())
    assert [block.text for block in document.blocks] == ["A frame."]


def test_a_file_without_a_page_is_said(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="no web page"):
        parse(tmp_path, b"Subject: x\n\nOnly text.")


def test_damaged_files_end_in_a_document_or_an_error(tmp_path: Path) -> None:
    data = PAGE.encode()
    for n in range(0, len(data), 7):
        for damaged in (data[:n], data[:n] + bytes([data[n] ^ 0x55]) + data[n + 1 :]):
            try:
                parse(tmp_path, damaged)
            except ParseError as error:
                assert error.hint  # noqa: PT017 - most are read
