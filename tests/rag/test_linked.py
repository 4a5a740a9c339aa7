"""A question answered in two passages: the first names what the second is about, and both are quoted."""

from collections.abc import Callable, Iterator

import pytest

from ingest.catalog import Catalog, NewPassage
from ingest.embed import Embedder
from ingest.types import Passage, Source
from ingest.vectors import ExactIndex
from rag.extract import Extract, ExtractiveGenerator
from rag.linked import has, leading, linked
from rag.prompt import Prompt
from rag.rerank import LateFeatures
from rag.retrieve import Retriever
from rag.types import Hit, Length
from settings import Retrieve

# Title, heading, text.
NOTES = {
    "bridge.md": ("Harbour bridge", "", "The Harbour bridge was designed by Marta Quiles. It was opened in 1998."),
    "marta.md": ("Marta Quiles", "", "Marta Quiles is an engineer. She was born in Soria. She likes to swim."),
    "team.md": ("Handbook", "Night shift", "The Night shift is led by Tom Weaver. It ends at six."),
    "weaver.md": ("Handbook", "Tom Weaver", "Tom Weaver is reached under extension 4711, day and night."),
    "swim.md": ("Swimming", "", "Swimming is allowed in the lake from May on."),
}
QUESTION = "Where was the engineer who designed the Harbour bridge born?"

Quoting = Callable[..., Extract]


def passage(path: str, text: str, heading: str = "") -> Passage:
    headings = (heading,) if heading else ()
    return Passage(path, path, 0, text, headings, "paragraph", None, None, (), 9, "en")


def hit(title: str, text: str, heading: str = "") -> Hit:
    return Hit(1, 1.0, passage(f"{title}.md", text, heading), title)


@pytest.fixture(scope="module")
def quoted(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Iterator[Quoting]:
    catalog = Catalog(tmp_path_factory.mktemp("linked"))
    for path, (title, heading, text) in NOTES.items():
        one = passage(path, text, heading)
        new = NewPassage(one, f"{title}\n{text}")
        source = Source("/library", path, 1, 1, path, "indexed", passages=1, title=title)
        catalog.store(source, [new], {new.vector_key: embedder.embed_passages([new.embedded_text])[0]})
    exact = ExactIndex(catalog)
    retriever = Retriever(catalog, embedder, lambda: exact, LateFeatures(), Retrieve())

    def quote(question: str, length: Length = "middle") -> Extract:
        generator = ExtractiveGenerator(catalog, embedder, "helpful")
        hits = retriever.retrieve(question)
        return generator.quote(generator.judge(Prompt(question, "en", hits, "", (), "extractive")), length)

    yield quote
    catalog.close()


def test_the_passage_on_what_the_first_names_is_quoted_too(quoted: Quoting) -> None:
    extract = quoted(QUESTION)
    assert [part.citation.source for part in extract.quoted][:2] == ["bridge.md", "marta.md"]
    assert "She was born in Soria." in [part.text for part in extract.quoted]
    for part in extract.quoted:
        text = NOTES[part.citation.source][2]
        assert text[part.citation.start : part.citation.end] == part.citation.quote == part.text


def test_a_heading_names_what_a_passage_is_about_as_a_title_does(quoted: Quoting) -> None:
    extract = quoted("Under which extension is the head of the Night shift reached?")
    assert any("4711" in part.text for part in extract.quoted)
    assert {part.citation.source for part in extract.quoted} >= {"team.md", "weaver.md"}


def test_a_short_answer_stays_one_sentence(quoted: Quoting) -> None:
    assert len(quoted(QUESTION, "short").quoted) == 1


def test_a_passage_that_adds_nothing_asked_for_is_not_quoted(quoted: Quoting) -> None:
    """It is led to, but has neither another word of the question nor a date."""
    extract = quoted("When was the Harbour bridge opened?")
    assert extract.quoted[0].text == "It was opened in 1998."
    assert "marta.md" not in {part.citation.source for part in extract.quoted}


@pytest.mark.parametrize(
    ("text", "name", "stands"),
    [
        ("It was designed by Marta Quiles.", "Marta Quiles", True),
        ("MARTA QUILES designed it.", "Marta Quiles", True),
        ("Marta Quilesson designed it.", "Marta Quiles", False),
        ("He went swimming.", "Swimming", False),
        ("Swimming is fun.", "Swimming", False),  # any word has a capital there
        ("He wrote on Swimming.", "Swimming", True),
    ],
)
def test_a_name_stands_in_a_text_with_its_capital(text: str, name: str, stands: bool) -> None:
    assert has(text, name) == stands


def test_a_passage_leads_to_those_whose_title_it_names_and_the_question_does_not() -> None:
    first = hit("Winner", "Winner is a band from Newport. The Band of Winner was formed by Yang.")
    others = [hit("Newport, Rhode Island", "."), hit("Yang (producer)", "."), hit("Seoul", "."), hit("The", ".")]
    assert list(linked(0, "Who formed it?", [first, *others])) == [1, 2]
    assert list(linked(0, "Who is Yang?", [first, *others])) == [1]
    assert list(linked(0, "Who formed it?", [first, hit("Winner", ".")])) == []


def test_a_passage_is_led_to_by_those_that_name_what_it_is_about() -> None:
    hits = [hit("Newport, Rhode Island", "."), hit("Winner", "Winner is a band from Newport."), hit("Seoul", ".")]
    assert list(leading(0, "Who formed it?", hits)) == [1]
    assert list(leading(1, "Who formed it?", hits)) == []
