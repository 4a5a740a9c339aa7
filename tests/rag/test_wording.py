"""A question is searched in the words that documents use, and nothing is read into it that is not there."""

from collections.abc import Sequence

import pytest

from ingest.analyse import words
from ingest.fulltext import Term
from rag.wording import reworded

TEXT = "free cash flow and the cost of goods sold; the flow of cash in a note book; transport by air"


def terms_of(text: str) -> Sequence[Term]:
    """As a library of TEXT answers, without stems: every word counts, and phrases in quotes."""
    found = [Term(word, (word,), 1.0, words(TEXT).count(word)) for word in words(text)]
    quoted = text.strip('"').lower()
    return [*found, Term(quoted, (), 0.0, 0, 1.0, phrase=quoted)] if text[0] == '"' and quoted in TEXT else found


@pytest.mark.parametrize(
    ("question", "searched"),
    [
        ("free cashflow", "free cash flow"),
        ("Cashflow?", "Cash flow?"),
        ("the notebooks", "the notebooks"),  # 'books' is nowhere
        ("flowcash", "flowcash"),  # both are there, but never side by side
        ("transport", "transport"),
        ("the flow", "the flow"),
        ("COGS in 2017", "COGS in 2017 cost of goods sold"),
        ("cogs, cost of goods sold", "cogs, cost of goods sold"),  # said already
        ("What is the P&L?", "What is the P&L? profit and loss"),
        ("¿Cuál es el PIB de la región?", "¿Cuál es el PIB de la región? producto interior bruto"),
        ("¿Qué hace el CEO de la empresa?", "¿Qué hace el CEO de la empresa?"),  # none of Spanish
        ("Whose cog is it?", "Whose cog is it?"),
    ],
)
def test_words_run_together_are_taken_apart_and_abbreviations_written_out(question: str, searched: str) -> None:
    assert reworded(question, terms_of) == searched
