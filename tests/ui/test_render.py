import os
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ingest.names import to_text
from rag.types import Answer, AnswerSentence, Timings
from ui import render

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "![x](http://evil.example/x.png)",
    "[click](http://evil.example)",
    "[x][1]\n\n[1]: http://evil.example/x.png",
    "<http://evil.example>",
    "http://evil.example www.evil.example me@evil.example",
    ":material/home: :smile: :red[text] $\\includegraphics{x}$",
    "</div></span><iframe src=//evil.example>",
    '" onmouseover="alert(1)',
    "&lt;img src=x&gt;",
    "**bold** `code` # heading\n- list",
]
ANY_TEXT = st.one_of(st.text(), st.sampled_from(HOSTILE), st.lists(st.sampled_from(HOSTILE)).map(" ".join))
TAGS = {"div", "span", "mark"}


class Parsed(HTMLParser):
    """The tags, attributes and text that a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.tags.add("!--")


def seen(html: str) -> Parsed:
    parsed = Parsed(html)
    assert parsed.tags <= TAGS
    assert parsed.attributes <= {"class", "title"}
    return parsed


def answer(text: str, *sentences: AnswerSentence) -> Answer:
    return Answer("q", text, False, (), sentences, "fake", Timings(0, 0, 0))


@given(ANY_TEXT)
def test_an_answer_is_shown_as_written_and_never_as_markup(text: str) -> None:
    expected = render.CITATION.sub(r"\1", text)
    assert seen(render.answer(answer(text), "hint", "partly")).text == expected
    assert seen(render.draft(text)).text == expected
    assert seen(render.stopped(text)).text == expected


@given(ANY_TEXT, st.integers(0, 60), st.integers(0, 60))
def test_a_passage_is_shown_whole_with_the_quote_marked(text: str, one: int, other: int) -> None:
    start, end = sorted((min(one, len(text)), min(other, len(text))))
    parsed = seen(render.marked(text, start, end))
    assert parsed.text == text
    assert ("mark" in parsed.tags) == (start < end)


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_a_file_name_a_section_and_a_quote_are_never_markup(path: str, section: str, quote: str) -> None:
    text = seen(render.source_card("1", path, "page 2", section, quote, "warning")).text
    assert path.rpartition("/")[2] in text
    assert section in text
    assert quote in text


@given(ANY_TEXT)
def test_every_other_text_on_a_page_is_never_markup(text: str) -> None:
    for html in (
        render.span("t", text, text),
        render.counts([(text, text)]),
        render.folder_row(text, text),
        render.facts([(text, text)]),
        render.model_card(text, text, text, text),
    ):
        assert text in seen(html).text


@given(ANY_TEXT)
def test_a_label_holds_no_link_no_picture_no_markup_and_every_word(text: str) -> None:
    markdown = MarkdownIt("commonmark").enable(["strikethrough", "table"])
    inline = [child for token in markdown.parse(render.label(text)) for child in token.children or [token]]
    assert {token.type for token in inline} <= {
        "text", "text_special", "paragraph_open", "paragraph_close", "softbreak",
    }  # fmt: skip
    shown = "".join(token.content for token in inline if token.type.startswith("text"))
    assert shown.replace("\u2060", "").split() == text.replace("\u2060", "").replace("\x00", "\ufffd").split()


@pytest.mark.parametrize("text", [":material/home:", ":smile:", "http://evil.example", "a@evil.example"])
def test_a_label_breaks_what_streamlit_interprets_after_escaping(text: str) -> None:
    shown = MarkdownIt().renderInline(render.label(text))
    assert text not in shown
    assert shown.replace("\u2060", "") == text


def test_a_sentence_that_no_passage_carries_is_marked_and_kept() -> None:
    value = answer(
        "True. [1] False. [2]", AnswerSentence("True. [1]", (1,), True), AnswerSentence("False. [2]", (2,), False)
    )
    html = render.answer(value, "Not confirmed", "Partly confirmed")
    before, _, after = html.partition('<span class="cita-unsupported" title="Not confirmed">')
    assert "True." in before
    assert "False." not in before
    assert after.startswith("False.")


def test_a_verdict_is_a_mark_and_its_reason_in_words() -> None:
    value = answer(
        "The fee [1] is 54 euros [1]. It is due soon. [2]",
        AnswerSentence("The fee is 54 euros.", (1,), False, "unsupported", "the number <54> is not there"),
        AnswerSentence("It is due soon.", (2,), False, "partly", "not in the passage: soon"),
    )
    html = render.answer(value, "Not confirmed", "Partly confirmed")
    assert 'title="Not confirmed: the number &lt;54&gt; is not there">The fee <span class="cita-n">1</span>' in html
    shown = seen(html).text
    assert "⚠ Not confirmed: the number <54> is not there – “The fee is 54 euros.”" in shown
    assert "◑ Partly confirmed: not in the passage: soon – “It is due soon.”" in shown


def test_a_name_with_bytes_that_are_no_characters_is_shown_by_their_numbers() -> None:
    path = to_text(os.fsdecode(b"a/caf\xe9.md"))
    assert "caf\\xe9.md" in render.source_card("1", path, "", "", "")
    assert render.label(path) == "a\\/caf\\\\xe9\\.md"


@given(ANY_TEXT, st.lists(st.integers(0, 60), max_size=8))
def test_matched_words_are_marked_and_nothing_else_changes(text: str, places: list[int]) -> None:
    ends = sorted({min(place, len(text)) for place in places})
    ranges = list(zip(ends[::2], ends[1::2], strict=False))
    made = render.matched(text, ranges)
    assert seen(made).text == seen(render.matched(text, [])).text
    assert made.count("<mark>") == len(ranges)
