from pathlib import Path

import pytest

from errors import ParseError
from ingest.parse import html
from ingest.types import Document
from tests.documents import HTML


def parse(tmp_path: Path, page: str | bytes) -> Document:
    path = tmp_path / "page.html"
    path.write_bytes(page.encode() if isinstance(page, str) else page)
    return html.parse(path)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return parse(tmp_path_factory.mktemp("html"), HTML)


def test_a_page_is_its_content_in_blocks_with_their_headings(document: Document) -> None:
    assert [(block.kind, block.text, block.headings) for block in document.blocks] == [
        ("heading", "Normas", ()),
        ("paragraph", "El alquiler se paga el primer día del mes.", ("Normas",)),
        ("heading", "Fianza", ("Normas",)),
        ("list", "Guarde el recibo\nPida los intereses", ("Normas", "Fianza")),
        ("table", "Servicio  Precio\nLavandería  4,50 €", ("Normas", "Fianza")),
        ("code", "linea 1\n  linea 2", ("Normas", "Fianza")),
        ("heading", "Fin", ("Normas",)),
        ("paragraph", "Gracias.", ("Normas", "Fin")),
    ]


def test_title_author_and_language_are_the_page_s_own(document: Document) -> None:
    assert document.title == "Normas de la casa"
    assert document.metadata["language"] == "es"
    assert document.metadata["author"] == "Ada"


def test_the_declared_encoding_is_followed(tmp_path: Path) -> None:
    page = '<meta charset="koi8-u"><p>Ціна: два рублі.</p>'
    assert parse(tmp_path, page.encode("koi8-u")).blocks[0].text == "Ціна: два рублі."


def test_entities_of_the_page_s_own_are_not_expanded(tmp_path: Path) -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    page = (
        f'<?xml version="1.0"?><!DOCTYPE html [<!ENTITY l0 "ha">{laughs}<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
        "<html><body><p>Before &l9; &x; after.</p></body></html>"
    )
    text = "\n".join(block.text for block in parse(tmp_path, page).blocks)
    assert "after" in text
    assert "the secret" not in text
    assert len(text) < 5000


def test_character_references_to_no_character_do_not_come_through(tmp_path: Path) -> None:
    text = parse(tmp_path, "<p>a&#0;b&#xD800;c&#xFFFF;d is a sentence.</p>").blocks[0].text
    assert not set(text) & {"\x00", "\ud800", "\uffff"}
    text.encode("utf-8")


@pytest.mark.parametrize("page", ["", "   ", "<!-- nothing -->", "<html></html>", "<script>x</script>"])
def test_a_page_without_content_has_no_blocks(tmp_path: Path, page: str) -> None:
    assert parse(tmp_path, page).blocks == ()


def test_broken_markup_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    page = "<h1>Head<p>First<td>cell</h2><b>Second</p></html> and more &amp; <"
    text = " ".join(block.text for block in parse(tmp_path, page).blocks)
    assert all(word in text for word in ("Head", "First", "Second", "more &"))


def test_markup_too_deep_to_be_read_is_said_not_dropped(tmp_path: Path) -> None:
    page = "<div>" * 5000 + "<p>Deep.</p>" + "</div>" * 5000
    with pytest.raises(ParseError, match="too deeply"):
        parse(tmp_path, "<p>Top.</p>" + page)


def test_a_picture_written_out_in_the_page_does_not_keep_its_text_from_being_read(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<p>Above.</p><img src="data:image/png;base64,' + "QUJD" * 3_000_000 + '"><p>Below.'
    )
    assert [block.text for block in html.parse(tmp_path / "a.html").blocks] == ["Above.", "Below."]


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "idna", "cp037", "unicode_escape", "no-such"])
def test_a_declared_charset_that_the_declaration_gainsays_is_not_believed(charset: str, tmp_path: Path) -> None:
    page = f"<meta charset={charset}><p>El ñandú corre por la pampa. +ADw-b+AD4-</p>"
    assert parse(tmp_path, page.encode("latin-1")).blocks[0].text.endswith("corre por la pampa. +ADw-b+AD4-")
