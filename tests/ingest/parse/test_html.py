import time
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
        ("list", "- Guarde el recibo\n- Pida los intereses", ("Normas", "Fianza")),
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


def texts(tmp_path: Path, page: str) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in parse(tmp_path, page).blocks]


def test_lists_keep_their_marks_numbers_and_levels(tmp_path: Path) -> None:
    page = """<ul><li>One<ol start=3 type=a><li>Deep</li><li>Deeper<br>still</li></ol></li>
        <li><p>Two</p><p>more</p></li></ul>
        <ol><li value=7>Seven<li>Eight</ol><dl><dt>Coffee</dt><dd>black</dd></dl>"""
    assert texts(tmp_path, page) == [
        ("list", "- One\n  c. Deep\n  d. Deeper\n     still\n- Two\n  more"),
        ("list", "7. Seven\n8. Eight"),
        ("list", "- Coffee\n  - black"),
    ]


def test_what_is_no_list_inside_an_item_stands_for_itself(tmp_path: Path) -> None:
    page = "<ul><li><h2>Card</h2><p>Its text.</p></li><li>Plain<pre>a\n  b</pre>after</li></ul>"
    assert texts(tmp_path, page) == [
        ("heading", "Card"), ("paragraph", "Its text."),
        ("list", "- Plain"), ("code", "a\n  b"), ("paragraph", "after"),
    ]  # fmt: skip


def test_a_cell_that_spans_rows_stands_in_each_and_an_empty_one_keeps_its_place(tmp_path: Path) -> None:
    page = """<table><caption>Sales</caption><tr><th>Year<th>Month<th>Cost<th>Note
        <tr><td rowspan=2>2025<td>May<td><td>none<tr><td>June<td>5<td></table>"""
    assert texts(tmp_path, page) == [
        ("caption", "Sales"), ("table", "Year  Month  Cost  Note\n2025  May    none\n2025  June  5"),
    ]  # fmt: skip


def test_a_row_of_cells_that_all_reach_down_is_not_said_twice(tmp_path: Path) -> None:
    page = "<table><tr><th>Year<th>Month<tr><th rowspan=3>2025<tr><td>May<tr><td>June</table>"
    assert texts(tmp_path, page) == [("table", "Year  Month\n2025  May\n2025  June")]


def test_a_table_that_only_places_things_is_read_as_what_is_in_it(tmp_path: Path) -> None:
    inner = "<table><tr><th>a<th>b<tr><td>1<td>2</table>"
    page = f"<table><tr><td>Menu<td><h1>Head</h1><p>{'Long text. ' * 40}</p>{inner}</table>"
    assert [kind for kind, _ in texts(tmp_path, page)] == ["paragraph", "heading", "paragraph", "table"]
    assert texts(tmp_path, "<table role=presentation><tr><td>a<td>b</table>") == [
        ("paragraph", "a"),
        ("paragraph", "b"),
    ]


def test_tables_and_lists_in_a_cell_stay_in_its_row(tmp_path: Path) -> None:
    page = "<table><tr><th>a<th>b<tr><td><table><tr><td>1<td>2</table><td><ul><li>x<li>y</ul></table>"
    assert texts(tmp_path, page) == [("table", "a  b\n1 2  - x - y")]


def test_breaks_part_lines_and_two_of_them_paragraphs(tmp_path: Path) -> None:
    assert texts(tmp_path, "<p>One<br>line<br>\n<br>Two&nbsp;&amp; more") == [
        ("paragraph", "One\nline"), ("paragraph", "Two & more"),
    ]  # fmt: skip


def test_a_power_does_not_become_another_number(tmp_path: Path) -> None:
    page = "<p>10<sup>6</sup> of CO<sub>2</sub>, m<sup>2</sup>, 5<sup>th</sup>, seen<sup><a href=#n>[3]</a></sup>"
    assert texts(tmp_path, page) == [("paragraph", "10^6 of CO2, m2, 5th, seen[3]")]


def test_pictures_are_called_what_they_show_where_no_text_does(tmp_path: Path) -> None:
    page = """<p><img alt="Sales by year"></p><p>See <img alt="icon"> here.</p><a href=b.html><img alt="Next page"></a>
        <figure><img alt=""><figcaption>Figure 1. Rain.</figcaption></figure>"""
    assert texts(tmp_path, page) == [
        ("caption", "Sales by year"), ("paragraph", "See here."),
        ("paragraph", "Next page"), ("caption", "Figure 1. Rain."),
    ]  # fmt: skip


ARTICLE = "<p>The lease ends in May, and the deposit comes back within thirty days of that.</p>" * 8
LINKS = "<a href=/1>One</a> <a href=/2>Two</a>"


@pytest.mark.parametrize(
    "frame",
    [
        f"<nav>{LINKS}</nav>", f"<div role=navigation>{LINKS}</div>", f"<header>Site {LINKS}</header>",
        "<footer>All rights reserved</footer>", f"<footer><h4>About</h4>{LINKS}</footer>", f"<aside>{LINKS}</aside>",
        f'<div id="main-nav"><ul><li>{LINKS}</ul></div>', f"<ul class=leftSidebar><li>{LINKS}</ul>",
        '<div class="cookie-banner">We use cookies. <button>Accept</button></div>',
        '<div style="display: none">Unseen</div>', "<p hidden>Unseen</p>", "<dialog>Sign up</dialog>",
    ],
)  # fmt: skip
def test_the_page_s_frame_and_hidden_parts_are_left_out(tmp_path: Path, frame: str) -> None:
    plain = texts(tmp_path, f"<h1>Lease</h1>{ARTICLE}")
    assert texts(tmp_path, f"{frame}<h1>Lease</h1>{ARTICLE}") == plain
    assert texts(tmp_path, f"<h1>Lease</h1>{ARTICLE}{frame}") == plain


def test_only_the_main_part_is_read_where_there_is_one(tmp_path: Path) -> None:
    page = f"<div>Top of the site</div><main><h1>Lease</h1>{ARTICLE}<aside>Mind the date.</aside></main><div>More</div>"
    found = texts(tmp_path, page)
    assert (found[0], found[-1]) == (("heading", "Lease"), ("paragraph", "Mind the date."))


@pytest.mark.parametrize(
    "page",
    [
        "<header>Only a header</header>", "<div class=menu><a href=a>Soup</a></div>",
        "<p style='display:none'>Shown</p><script>show()</script>",
        "<main></main><p>Text beside an empty main part.</p>", "<div id=footer>Call us</div>",
        f"<div class=sidebar>{ARTICLE}</div>", "<article><h1>One</h1>Text</article><article><h1>Two</h1>Text</article>",
    ],
)  # fmt: skip
def test_a_page_without_a_clear_main_part_loses_nothing(tmp_path: Path, page: str) -> None:
    words = page.replace(">", "> ").replace("<", " <").split()
    expected = [word for word in words if word in ("header", "Soup", "Shown", "beside", "us", "deposit", "One", "Two")]
    read = " ".join(text for _, text in texts(tmp_path, page))
    assert expected
    assert all(word in read for word in expected)


def test_what_a_page_says_of_itself(tmp_path: Path) -> None:
    page = """<html lang=es><head><meta property="og:title" content="El título">
        <meta name=keywords content="casa, piso">
        <meta property="article:published_time" content="2024-05-01T10:00:00Z">
        <meta property="article:tag" content="hogar, #uno">
        <script type="application/ld+json">{"@graph": [{"@type": "Article", "author": [{"name": "Ada"}, {"name": "Bo"}],
        "dateModified": "2024-06-02"}]}</script></head>
        <p>Texto. <a href="otra%20nota.html#s">Otra</a> <a href="http://x">x</a></p>"""
    document = parse(tmp_path, page)
    assert document.title == "El título"
    assert document.metadata == {
        "encoding": "utf-8", "author": "Ada, Bo", "keywords": "casa, piso", "language": "es",
        "created": "2024-05-01T10:00:00Z", "modified": "2024-06-02",
    }  # fmt: skip
    assert document.tags == ("hogar", "uno")
    assert document.links == ("otra nota.html",)


@pytest.mark.parametrize("data", ["{" * 5000, "[1, null]", '{"author": {"name": {}}}', "[" * 100_000])
def test_linked_data_that_is_none_harms_nothing(tmp_path: Path, data: str) -> None:
    assert texts(tmp_path, f'<script type="application/ld+json">{data}</script><p>Text.') == [("paragraph", "Text.")]


def test_dates_written_otherwise_than_iso_8601_are_left_out(tmp_path: Path) -> None:
    assert "created" not in parse(tmp_path, "<meta name=date content='May 1st'><p>Text.").metadata
    assert parse(tmp_path, "<p>On <time datetime='2024-5-1'>May 1st</time>").metadata["created"] == "2024-05-01"


def test_old_pages_that_never_close_their_tags_are_read(tmp_path: Path) -> None:
    assert len(texts(tmp_path, "<p><font size=2><b>Text." * 600)) == 600


@pytest.mark.parametrize(
    "page",
    [
        "<table>" + "<tr><td rowspan=1000>" * 3 + ("<tr>" + "<td rowspan=1000 colspan=1000>a" * 100) * 500,
        "<table><tr>" + "<td colspan=1000>a" * 50_000, "<table>" * 1500 + "cell", "<ul><li>" * 900 + "item",
        "<sup>1<a>" * 800, "<h1><a>¶" * 800,
    ],
    ids=["rowspans", "colspans", "tables", "lists", "superscripts", "permalinks"],
)  # fmt: skip
def test_pages_made_to_cost_time_are_read_in_seconds(tmp_path: Path, page: str) -> None:
    started = time.monotonic()
    assert sum(len(block.text) for block in parse(tmp_path, page).blocks) < 20 * len(page)
    assert time.monotonic() - started < 5
