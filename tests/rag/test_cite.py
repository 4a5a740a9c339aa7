"""Citations: a number that names no passage is dropped, every quote is where it says, what is shown stays true."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.cite import Citer, cite, is_abstention, locate_quote
from rag.types import ABSTENTION, Hit
from tests.fakes import LEASE

HITS = (Hit(1, 0.9, LEASE),)


def test_a_sentence_is_cited_with_its_exact_quote() -> None:
    cited = cite("The notice period is thirty days. [1]", HITS)
    (citation,) = cited.citations
    assert (citation.quote, citation.start, citation.end) == ("The notice period is thirty days.", 0, 33)
    assert (citation.source, citation.page, citation.section) == (LEASE.path, 2, "Lease > Ending the lease")
    assert [(s.text, s.citations) for s in cited.sentences] == [("The notice period is thirty days.", (1,))]


def test_a_paraphrase_gets_the_sentence_that_carries_it() -> None:
    (citation,) = cite("A notice of thirty days applies [1].", HITS).citations
    assert citation.quote == "The notice period is thirty days."


def test_two_quotes_of_one_passage_are_two_citations() -> None:
    cited = cite("The notice period is thirty days. [1] The deposit is 1,200 euros. [1]", HITS)
    assert [citation.quote for citation in cited.citations] == [
        "The notice period is thirty days.",
        "The deposit is 1,200 euros.",
    ]
    assert cited.answer == "The notice period is thirty days. [1] The deposit is 1,200 euros. [2]"


def test_invented_numbers_are_dropped_and_counted() -> None:
    cited = cite("The notice period is thirty days. [1][7] The deposit is 1,200 euros. [0, 9]", HITS)
    assert cited.invented == 3
    assert cited.answer == "The notice period is thirty days. [1] The deposit is 1,200 euros."
    assert cited.sentences[1].citations == ()


def test_ranges_and_lists_of_numbers_are_read() -> None:
    hits = HITS * 4
    assert cite("The notice period is thirty days [1-3, 4].", hits).citations
    assert cite("The notice period is thirty days [1; 9].", hits).invented == 1


@pytest.mark.parametrize(
    "text", [*ABSTENTION.values(), "your documents don’t say", " “Tus documentos no lo dicen.” [1]"]
)
def test_an_abstention_is_known_and_cites_nothing(text: str) -> None:
    assert is_abstention(text)
    cited = cite(text, HITS)
    assert cited.abstained
    assert cited.citations == ()


def test_an_empty_draft_is_an_abstention() -> None:
    assert cite("  \n", HITS).abstained


def test_a_year_in_brackets_is_not_a_citation() -> None:
    cited = cite("The notice period is thirty days [2019].", HITS)
    assert (cited.invented, cited.citations) == (0, ())


def test_a_quote_is_found_whatever_its_white_space() -> None:
    assert locate_quote("thirty  days.\nThe", LEASE.text) == (21, 37)
    assert locate_quote("forty days", LEASE.text) is None


DRAFTS = st.text(alphabet=st.sampled_from("ab. [1]29,-\nThe deposit"), max_size=80)


@given(DRAFTS, st.integers(1, 7))
def test_what_is_shown_while_writing_is_the_answer_in_the_end(draft: str, size: int) -> None:
    citer = Citer(HITS)
    shown = "".join(citer.feed(draft[n : n + size]) for n in range(0, len(draft), size)) + citer.rest()
    cited = citer.finish()
    if not cited.abstained:
        assert shown.strip() == cited.answer
    assert cited == cite(draft, HITS)


@given(DRAFTS)
def test_every_quote_is_where_its_citation_says(draft: str) -> None:
    cited = cite(draft, HITS)
    for citation in cited.citations:
        assert LEASE.text[citation.start : citation.end] == citation.quote
    numbers = [citation.n for citation in cited.citations]
    assert numbers == list(range(1, len(numbers) + 1))
    assert all(n in numbers for sentence in cited.sentences for n in sentence.citations)
