"""The cell that a question names: the row by its label, the column by the year; none where that is not clear."""

import pytest

from ingest.analyse import content_words, stem
from ingest.fulltext import Term
from rag.answer_signs import Ask
from rag.cell import Cell, is_named, named_cell, names_known, years
from rag.tables import read_tables

TEXT = """(Dollars in millions)
December 31,  2018  2017
Net income  $ 3,033  $ 2,371
Deferred revenue  310  420
Revenue  9,000  8,500
Property, plant and equipment, net  12,645  12,672
Gross margin (%)  21 %  23 %
Earnings per share  $6.32  $5.01
Stores  908  931"""


def asking(question: str) -> Ask:
    terms = [Term(word, (stem(word, "en"),), 1.0, 1, 1.0) for word in content_words(question)]
    return Ask(question, terms, "en")


def cell(question: str) -> Cell | None:
    """Of the named rows, that of the most words."""
    ask = asking(question)
    (table,) = read_tables(TEXT)
    rows = [row for row in table.rows if is_named(row.label, question, "", "en")]
    found = [one for row in rows if (one := named_cell(ask, table, row, "en"))]
    return max(found, key=lambda one: (one.exact, one.weight), default=None)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("What was the net income in 2018?", "$3,033 (2018, in millions)"),
        ("What is the FY 2017 net property, plant, and equipment?", "12,672 (2017, in millions)"),
        ("What was deferred revenue at the end of 2018?", "310 (2018, in millions)"),
        ("What was the gross margin in 2017?", "23 % (2017)"),
        ("What were the earnings per share of 2018?", "$6.32 (2018)"),
        ("In which year was the net income larger?", "2018"),
        ("In which year was deferred revenue the lowest?", "2018"),
        ("In which year was revenue 8,500?", "2017"),
    ],
)
def test_the_cell_of_the_row_and_the_year_that_are_named(question: str, said: str) -> None:
    found = cell(question)
    assert found is not None
    assert found.exact
    assert found.said == said


@pytest.mark.parametrize(
    "question",
    [
        "What was the net income?",  # of which year?
        "What was the net income in 2016?",
        "What was the average revenue of 2017 and 2018?",
        "What was the change of net income in 2018?",
        "Did net income rise in 2018?",
        "How many net income shares are there in 2018?",
        "In which year was the revenue less than 8,800?",
        "Who wrote the gross margin of 2018?",
        "What was the goodwill in 2018?",
    ],
)
def test_no_cell_where_none_is_named_or_none_answers(question: str) -> None:
    assert cell(question) is None


def test_a_word_more_than_the_label_may_mean_another_row() -> None:
    loosely = cell("What was the adjusted net income in 2018?")
    assert loosely is not None
    assert not loosely.exact


def test_labels_that_say_nothing_or_name_the_document_name_no_row() -> None:
    assert not is_named("Total, net", "What was the total net amount?", "", "en")
    assert is_named("Best Buy", "How many stores has Best Buy?", "", "en")
    assert not is_named("Best Buy", "How many stores has Best Buy?", "Best Buy 2019", "en")


def test_a_name_that_the_passage_does_not_know_is_not_answered_for() -> None:
    ask = asking("What was the net income of Apple in 2018?")
    place = {term.word: n for n, term in enumerate(ask.terms)}
    assert names_known(ask, {place["net"], place["apple"]})
    assert not names_known(ask, {place["net"], place["income"]})


@pytest.mark.parametrize(
    ("text", "found"),
    [("FY2018", {"2018"}), ("FY18 and fiscal 2019", {"2018", "2019"}), ("in 2017", {"2017"}), ("120180", set())],
)
def test_the_years_that_a_text_names(text: str, found: set[str]) -> None:
    assert years(text) == found
