"""A question is searched in the words that documents use, and nothing is read into it that is not there."""

import pytest

from rag.wording import reworded


def taken_apart(word: str) -> str:
    return {"cashflow": "cash flow", "produccionanual": "produccion anual"}.get(word, word)


@pytest.mark.parametrize(
    ("question", "searched"),
    [
        ("free cashflow", "free cash flow"),
        ("Cashflow?", "cash flow?"),
        ("la producciónanual", "la produccion anual"),
        ("The Flow of Cash", "The Flow of Cash"),  # as it was
        ("COGS in 2017", "COGS in 2017 cost of goods sold"),
        ("cogs, cost of goods sold", "cogs, cost of goods sold"),  # said already
        ("What is the P&L?", "What is the P&L? profit and loss"),
        ("¿Cuál es el PIB de la región?", "¿Cuál es el PIB de la región? producto interior bruto"),
        ("¿Qué hace el CEO de la empresa?", "¿Qué hace el CEO de la empresa?"),  # none of Spanish
        ("Whose cog is it?", "Whose cog is it?"),
    ],
)
def test_words_run_together_are_taken_apart_and_abbreviations_written_out(question: str, searched: str) -> None:
    assert reworded(question, taken_apart) == searched
