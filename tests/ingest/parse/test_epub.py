import contextlib
import random
from pathlib import Path

import pytest

from errors import EncryptedError, ParseError
from ingest.parse import epub as parser
from tests.documents import write_zip
from tests.ingest.parse.test_docx import zip_entries

_CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OPS/book.opf"/></rootfiles></container>'
)


def page(body: str) -> bytes:
    doctype = '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd">'
    html = f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{body}</body></html>'
    return f'<?xml version="1.0" encoding="utf-8"?>{doctype}{html}'.encode()


def write_book(path: Path, chapters: dict[str, str], contents: str, **extra: bytes) -> Path:
    """A book whose spine is the chapters' in reverse order of the manifest; `contents` is its NCX's points."""
    items = "".join(f'<item id="{n}" href="text%20{n}.xhtml" media-type="application/xhtml+xml"/>' for n in chapters)
    spine = "".join(f'<itemref idref="{n}"/>' for n in reversed(chapters))
    metadata = "<dc:title>Birds</dc:title><dc:creator>Ada</dc:creator><dc:creator>Bob</dc:creator>"
    book = (
        f'<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>{metadata}</metadata><manifest>{items}'
        '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/><item id="nav" href="nav.xhtml" '
        'media-type="application/xhtml+xml" properties="nav"/></manifest>'
        f'<spine><itemref idref="nav"/>{spine}</spine></package>'
    )
    entries = {
        "META-INF/container.xml": _CONTAINER.encode(),
        "OPS/book.opf": book.encode(),
        "OPS/toc.ncx": f"<!DOCTYPE ncx><ncx><navMap>{contents}</navMap></ncx>".encode(),
        "OPS/nav.xhtml": page("<p>Contents</p>"),
    }
    entries |= {f"OPS/text {name}.xhtml": page(body) for name, body in chapters.items()}
    return write_zip(path, entries | {name.replace("__", "/"): data for name, data in extra.items()})


CHAPTERS = {"b": "<p>No heading here.</p>", "a": "<h1>Swifts</h1><p>They came back.</p><h2>Counts</h2><p>Two.</p>"}
POINTS = (
    '<navPoint><navLabel><text>Second</text></navLabel><content src="text%20b.xhtml"/></navPoint>'
    '<navPoint><navLabel><text>First</text></navLabel><content src="text%20a.xhtml"/></navPoint>'
)


def test_chapters_are_read_in_the_book_s_order_under_their_headings_or_titles(tmp_path: Path) -> None:
    document = parser.parse(write_book(tmp_path / "a.epub", CHAPTERS, POINTS))
    assert document.title == "Birds"
    assert document.metadata["author"] == "Ada, Bob"
    assert [(block.kind, block.text, block.headings) for block in document.blocks] == [
        ("heading", "Swifts", ()),
        ("paragraph", "They came back.", ("Swifts",)),
        ("heading", "Counts", ("Swifts",)),
        ("paragraph", "Two.", ("Swifts", "Counts")),
        ("heading", "Second", ()),
        ("paragraph", "No heading here.", ("Second",)),
    ]


def test_protected_chapters_say_so_and_protected_fonts_do_not_matter(tmp_path: Path) -> None:
    for name, protected in (("OPS/font.otf", False), ("OPS/text%20a.xhtml", True)):
        sealed = f'<encryption><CipherReference URI="{name}"/></encryption>'.encode()
        path = write_book(tmp_path / "a.epub", CHAPTERS, POINTS, **{"META-INF__encryption.xml": sealed})
        with pytest.raises(EncryptedError, match="DRM") if protected else contextlib.nullcontext():
            assert parser.parse(path).blocks


def test_what_is_no_book_or_declares_entities_says_so(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="lacks its part"):
        parser.parse(write_zip(tmp_path / "a.epub", {"a.txt": b"hello"}))
    container = b'<!DOCTYPE a [<!ENTITY b "c">]>' + _CONTAINER.encode()
    with pytest.raises(ParseError, match="declares entities"):
        parser.parse(write_zip(tmp_path / "a.epub", {"META-INF/container.xml": container}))


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_part_ends_in_a_document_or_a_reason(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    entries = zip_entries(write_book(tmp_path / "a.epub", CHAPTERS, POINTS))
    name = chance.choice(sorted(entries))
    data = bytearray(entries[name])
    for _ in range(5):
        data[chance.randrange(len(data))] = chance.randrange(256)
    with contextlib.suppress(ParseError):
        parser.parse(write_zip(tmp_path / "b.epub", entries | {name: bytes(data)}))
