import time
from pathlib import Path

import pytest

from errors import ParseError
from ingest.parse import xml
from ingest.types import Document

ARTICLE = """<?xml version="1.0" encoding="iso-8859-1"?>
<!DOCTYPE article PUBLIC "-//NLM//DTD JATS//EN" "JATS.dtd">
<article xmlns:mml="http://www.w3.org/1998/Math/MathML"><front><journal-meta><journal-id>J</journal-id></journal-meta>
<article-meta><article-id>10.1/x</article-id><title-group><article-title>On <italic>Bread</italic></article-title>
</title-group><contrib-group><contrib contrib-type="author"><name><surname>N\xfa\xf1ez</surname>
<given-names>Ada</given-names>
</name></contrib><contrib contrib-type="editor"><name><surname>X</surname><given-names>Y</given-names></name></contrib>
<aff><label>1</label><institution>Mill</institution><country>Spain</country></aff></contrib-group>
<abstract><p>It rises.</p></abstract></article-meta></front>
<body><sec><label>1.</label><title>Dough</title><p>Flour and 10<sup>2</sup> g of H<sub>2</sub>O &ndash; &agr;
<list list-type="order"><list-item><p>mix</p></list-item><list-item><p>rest</p></list-item></list> then bake.</p>
<sec><title>Prices</title><table-wrap><label>Table 1.</label><caption><title>Costs.</title><p>In euros.</p></caption>
<table><thead><tr><th>Kind</th><th>Price</th></tr></thead><tbody><tr><td rowspan="2">Rye</td><td>3</td></tr>
<tr><td>4</td></tr></tbody></table></table-wrap>
<disp-formula><label>(1)</label><alternatives><tex-math>\\documentclass{x}\\begin{document}$x^2$\\end{document}</tex-math>
<mml:math><mml:mi>x</mml:mi><mml:mn>2</mml:mn></mml:math></alternatives></disp-formula></sec></sec></body>
<back><ref-list><ref><label>1</label><element-citation><name><surname>Rao</surname><given-names>R</given-names></name>
<year>2018</year><pub-id>10.2/y</pub-id></element-citation></ref></ref-list></back></article>
"""

BOOK = """<book xmlns="http://docbook.org/ns/docbook"><info><title>Bread</title><date>x</date></info><chapter><title>One</title>
<para>Text of it.</para><variablelist><varlistentry><term>Rye</term><listitem><para>A grain.</para></listitem>
</varlistentry></variablelist><programlisting>heat( 250 )
  wait</programlisting>
<table><title>Costs</title><tgroup cols="2"><thead><row><entry>Kind</entry>
<entry>Price</entry></row></thead><tbody><row><entry morerows="1">Rye</entry><entry>3</entry></row>
<row><entry>4</entry></row></tbody></tgroup></table></chapter></book>"""


def parse(tmp_path: Path, content: str | bytes) -> Document:
    path = tmp_path / "a.xml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return xml.parse(path)


def test_an_article_is_read_with_its_sections_tables_and_references(tmp_path: Path) -> None:
    document = parse(tmp_path, ARTICLE.encode("latin-1"))
    assert document.title == "On Bread"
    assert document.metadata["author"] == "Ada Núñez"
    assert [(block.kind, block.text, block.headings[1:]) for block in document.blocks] == [
        ("heading", "On Bread", ()),
        ("paragraph", "Ada Núñez", ()),
        ("paragraph", "1 Mill Spain", ()),
        ("heading", "Abstract", ()),
        ("paragraph", "It rises.", ("Abstract",)),
        ("heading", "1. Dough", ()),
        ("paragraph", "Flour and 10^2 g of H2O – α", ("1. Dough",)),
        ("list", "1. mix\n2. rest", ("1. Dough",)),
        ("paragraph", "then bake.", ("1. Dough",)),
        ("heading", "Prices", ("1. Dough",)),
        ("caption", "Table 1. Costs. In euros.", ("1. Dough", "Prices")),
        ("table", "Kind  Price\nRye  3\nRye  4", ("1. Dough", "Prices")),
        ("paragraph", "(1) x2", ("1. Dough", "Prices")),
        ("heading", "References", ()),
        ("list", "- 1 Rao R 2018 10.2/y", ("References",)),
    ]


def article(about: str, body: str = "") -> str:
    title = "<title-group><article-title>Rye</article-title></title-group>"
    return f"<article><front><article-meta>{title}{about}</article-meta></front><body>{body}</body></article>"


def test_the_authors_places_of_work_are_read_once_and_those_of_editors_are_not(tmp_path: Path) -> None:
    person = "<contrib contrib-type='{}'><name><surname>S</surname><given-names>G</given-names></name>{}</contrib>"
    mill = "<aff><institution-wrap><institution-id>https://ror.org/1</institution-id><institution>Mill</institution>"
    mill += "</institution-wrap>, <country>Spain</country></aff>"
    people = [
        person.format("author", mill), person.format("author", mill), person.format("editor", "<aff>Press</aff>"),
        person.format("author", "<xref ref-type='aff' rid='a1 a2'/>"),
        person.format("editor", "<xref ref-type='aff' rid='a2'/><xref ref-type='aff' rid='e1'/>")
    ]  # fmt: skip
    places = "<aff id='a1'>Bakery</aff><aff id='a2'>School</aff><aff id='e1'>Print</aff>"
    blocks = parse(tmp_path, article(f"<contrib-group>{''.join(people)}</contrib-group>{places}")).blocks
    assert [block.text for block in blocks] == ["Rye", "G S", "Mill, Spain", "Bakery", "School"]


def test_the_authors_notes_and_who_paid_are_read(tmp_path: Path) -> None:
    about = "<author-notes><fn><label>*</label><p>They own a mill.</p><p>Two.</p></fn></author-notes><funding-group>"
    about += (
        "<award-group><award-id>7</award-id></award-group><funding-statement>Paid by <b>Oats</b>.</funding-statement>"
    )
    document = parse(tmp_path, article(f"{about}</funding-group>", "<sec><title>Dough</title><p>It rises.</p></sec>"))
    assert [(block.text, block.headings[1:]) for block in document.blocks[1:]] == [
        ("* They own a mill.", ()),
        ("Two.", ()),
        ("Funding", ()),
        ("Paid by Oats.", ("Funding",)),
        ("Dough", ()),
        ("It rises.", ("Dough",)),
    ]


@pytest.mark.parametrize(
    "date",
    ["<pub-date><month>July</month><year>2020</year></pub-date><pub-date><day>1</day><month>6</month><year>2020</year>"
     "</pub-date>",
     "<pub-date iso-8601-date='2020-06-01'/>", "<pubdate>2020-06-01</pubdate>",
     "<publication-reference><document-id><n>20110039701</n><date>20200601</date></document-id></publication-reference>"],
    ids=["parts", "attribute", "text", "patent"],
)  # fmt: skip
def test_the_day_of_publication_and_keywords_are_metadata(tmp_path: Path, date: str) -> None:
    about = f"<history><date>2019-01-01</date></history>{date}<kwd-group><kwd>rye</kwd><kwd>oats</kwd></kwd-group>"
    metadata = parse(tmp_path, article(about)).metadata
    assert (metadata["date"], metadata["keywords"]) == ("2020-06-01", "rye, oats")


def test_the_names_in_a_reference_are_parted_as_they_are_written(tmp_path: Path) -> None:
    names = "<string-name><given-names>A.</given-names> <surname>Rao</surname></string-name>, "
    names += "<name><surname>Bo</surname><given-names>B</given-names></name>"
    back = f"<ref-list><ref><mixed-citation>{names} (2020)</mixed-citation></ref></ref-list>"
    assert parse(tmp_path, article("", back)).blocks[-1].text == "- A. Rao, Bo B (2020)"


def test_a_book_in_another_vocabulary_is_read_the_same_way(tmp_path: Path) -> None:
    assert [(block.kind, block.text, block.headings) for block in parse(tmp_path, BOOK).blocks] == [
        ("heading", "Bread", ()),
        ("heading", "One", ("Bread",)),
        ("paragraph", "Text of it.", ("Bread", "One")),
        ("list", "- Rye\n  - A grain.", ("Bread", "One")),
        ("code", "heat( 250 )\n  wait", ("Bread", "One")),
        ("caption", "Costs", ("Bread", "One")),
        ("table", "Kind  Price\nRye  3\nRye  4", ("Bread", "One")),
    ]


def test_data_is_read_as_values_with_their_keys(tmp_path: Path) -> None:
    countries = "".join(
        f"<country code='c{n}'><name>Land {n}</name><capital>City {n}</capital></country>" for n in range(3)
    )
    table = "code  name  capital\nc0  Land 0  City 0\nc1  Land 1  City 1\nc2  Land 2  City 2"
    found = parse(tmp_path, f"<facts>{countries}</facts>").blocks
    assert [(block.kind, block.text) for block in found] == [("heading", "facts"), ("table", table)]
    content = "<conf><host>mill</host><port unit='x'>80</port><a/><!-- no --><user>Ada</user><user>Bo</user></conf>"
    assert [block.text for block in parse(tmp_path, content).blocks] == [
        "conf.host: mill\nconf.port.unit: x\nconf.port.text: 80\nconf.user: Ada, Bo"
    ]


def test_html_in_a_feed_is_read_as_it_is_shown(tmp_path: Path) -> None:
    content = "<rss><channel><title>News</title><item><description>&lt;p&gt;A &lt;b&gt;new&lt;/b&gt; loaf&lt;/p&gt;</description></item></channel></rss>"  # fmt: skip  # noqa: E501
    document = parse(tmp_path, content)
    assert document.title == "News"
    assert document.blocks[0].text.endswith("item.description: A new loaf")


def test_no_entity_of_the_file_s_own_is_expanded_and_nothing_is_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    content = (
        f'<!DOCTYPE a [<!ENTITY l "ha"><!ENTITY x SYSTEM "{secret.as_uri()}">]>'
        "<a><p>Before &l; &x; after.</p><xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='secret.txt'/></a>"
    )
    text = "\n".join(block.text for block in parse(tmp_path, content).blocks)
    assert "after" in text
    assert "secret" not in text.replace("secret.txt", "")
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    with pytest.raises(ParseError, match="entities"):
        parse(tmp_path, f'<!DOCTYPE a [<!ENTITY l0 "ha">{laughs}]><a><p>Before &l9; after.</p></a>')


def test_a_damaged_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    assert "One" in "".join(block.text for block in parse(tmp_path, "<a><p>One</p><p>Two & three</a>").blocks)
    with pytest.raises(ParseError, match=r"no XML|damaged"):
        parse(tmp_path, "just text")


@pytest.mark.parametrize(
    "content",
    ["<a>" * 200 + "deep" + "</a>" * 200, "<r>" + "<p>Text.</p>" * 50_000 + "</r>",
     "<r>" + "<a>1</a>" * 50_000 + "</r>",
     "<r><p>" + "x<i>y</i>" * 50_000 + "</p></r>",
     "<r>" + "<sec><title>t</title>" * 99 + "<p>a</p></sec></r>",
     "<r " + " ".join(f"a{n}='1'" for n in range(20_000)) + "/>"],
)  # fmt: skip
def test_files_made_to_cost_time_are_read_in_seconds(tmp_path: Path, content: str) -> None:
    started = time.monotonic()
    assert parse(tmp_path, content).blocks
    assert time.monotonic() - started < 6


def test_xml_that_is_nested_too_deeply_is_said(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="too deeply"):
        parse(tmp_path, "<a>" * 50_000)
