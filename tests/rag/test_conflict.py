"""Sources at odds are found word for word and in other words; those that speak of different things are none."""

from collections.abc import Sequence

import pytest

from ingest.analyse import content_words, stem
from ingest.fulltext import Term
from ingest.types import Passage
from rag.abstain import Ranked
from rag.answer_signs import Around, Ask, rated_values, word_signs
from rag.candidates import Candidate
from rag.cell import Cell
from rag.conflict import find_conflict
from rag.pieces import Piece
from rag.reader import Read
from rag.types import Hit


def values(
    question: str,
    *texts: str,
    same_source: bool = False,
    below: float = 1.0,
    cells: Sequence[Cell] = (),
    read: Sequence[tuple[str, float]] = (),
) -> list[str]:
    """What is shown side by side of passages of one piece each, the best first; each `below` the one before it. With
    `cells` the pieces are rows of tables, and the question names the first's cell; `read` is what the reader takes for
    the answer in each, and how surely (log-odds)."""
    terms = [Term(word, (stem(word, "en"),), 1.0, 1, 1.0) for word in content_words(question)]
    ask = Ask(question, terms, "en")
    candidates, hits = [], []
    for n, text in enumerate(texts):
        path = "one.txt" if same_source else f"{n}.txt"
        passage = Passage(f"p{n}", path, 0, text, (), "paragraph", None, None, (), 9, "en")
        hits.append(Hit(n + 1, 1.0, passage))
        places = set(ask.places(text, "en")) - {-1}
        signs = word_signs(ask, text, "en", Around(set(), places, set())) | {"cosine": 0.7}
        rated = tuple(rated_values(ask, text, "en"))
        seen = [Read(odds, odds, text.index(said), text.index(said) + len(said)) for said, odds in read[n : n + 1]]
        cell = cells[n] if n < len(cells) else None
        candidates.append(Candidate(n + 1, Piece(0, len(text)), text, signs, rated, cell, *seen))
    ranked = Ranked(tuple(candidates), tuple(-below * n for n in range(len(texts))))
    row = candidates[0] if cells else None
    return [claim.value.text for claim in find_conflict(ask, ranked, hits, row)]


HUX = "Who plays General Hux in the film?"
GLEESON = "General Hux, an officer, is played in the film by Domhnall Gleeson."


@pytest.mark.parametrize(
    ("question", "one", "other", "shown"),
    [
        ("Where does the club meet?", "The club meets on Friday in Tampa.", "The club meets on Friday in Denver.",
         ["Tampa", "Denver"]),
        ("Who leads the choir?", "The choir of the town is led by Maria Gil.",
         "The choir of the town is led by Mario Gil.", ["Maria Gil", "Mario Gil"]),
        ("What is the colour of the gate?", "The gate of the mill is painted green.",
         "The gate of the mill is painted blue.", ["green", "blue"]),
        ("When was the old mill built?", "The old mill was built by monks in May 1890.",
         "The old mill was built by monks in May 1895.", ["May 1890", "May 1895"]),
        ("Are dogs allowed in the flat?", "Dogs are allowed in the flat.", "Dogs are not allowed in the flat.",
         ["are allowed", "are not allowed"]),
    ],
)  # fmt: skip
def test_the_same_words_but_for_one_thing_are_a_conflict(question: str, one: str, other: str, shown: list[str]) -> None:
    assert values(question, one, other) == shown


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        ("Who won the cup in 2019?", "Ana Ruiz won the cup of the club in 2019.",
         "Eva Gil won the cup of the club in 2018."),
        ("What does the blue room cost?", "The blue room costs 40 euros a night.",
         "The red room costs 40 euros a night."),
        ("When was Ana born?", "The painter Ana Ruiz was born here in 1990.",
         "The painter Ana Gil was born here in 1990."),
        ("When was the mill built?", "The mill of the monks was built in 1890.",
         "The mill of the monks was built in May 1890."),
        ("How many days is the notice?", "The notice of the lease is thirty days.",
         "The notice of the lease is 30 days."),
        ("Who leads the choir?", "The choir of the town is led by Cristophe Gans.",
         "The choir of the town is led by Christophe Gans."),
    ],
)  # fmt: skip
def test_another_thing_or_the_same_written_otherwise_is_none(question: str, one: str, other: str) -> None:
    assert values(question, one, other) == []


def test_values_in_other_words_are_a_conflict_if_both_speak_of_all_that_is_asked() -> None:
    driver = "In that film it is Adam Driver who plays the villain General Hux."
    assert values(HUX, GLEESON, driver, below=3.0) == ["Domhnall Gleeson", "Adam Driver"]
    assert values(HUX, GLEESON, "In that film Adam Driver has a part.", below=3.0) == []
    assert values(HUX, GLEESON, driver, below=9.0) == []


def test_a_source_that_has_the_value_of_the_other_as_well_is_no_conflict() -> None:
    both = "Adam Driver plays Ren, and General Hux is played in the film by Domhnall Gleeson."
    assert values(HUX, GLEESON, both) == []


def test_where_each_of_three_says_something_else_there_is_no_single_value() -> None:
    texts = ["Adam Driver plays General Hux in that film.", "General Hux of the film: Oscar Isaac plays him well."]
    assert values(HUX, GLEESON, *texts) == []


def test_one_source_does_not_contradict_itself() -> None:
    texts = ["The club meets on Friday in Tampa.", "The club meets on Friday in Denver."]
    assert values("Where does the club meet?", *texts, same_source=True) == []


def test_different_measures_are_no_conflict() -> None:
    question = "How much is the mill?"
    assert (
        values(question, "The mill is, all in all, 30 metres high.", "In the books the mill is 400 euros a month.")
        == []
    )


def test_the_same_row_of_two_tables_but_for_one_cell_is_a_conflict() -> None:
    question = "How much is the red room with sea view?"
    rows = ["Red room with sea view  65 euros  3", "Red room with sea view  70 euros  3"]
    named = [Cell("65 euros", "", "", 1.0, True), Cell("70 euros", "", "", 1.0, True)]
    assert values(question, *rows, cells=named) == ["65 euros", "70 euros"]
    assert values(question, *rows, cells=named[:1]) == []  # the other is of another year, or of no column that is known
    assert values(question, rows[0], "Red room with sea view  90 euros  8", cells=named) == []


ROOF = "Which metal covers the roof of the chapel?"
COPPER, ZINC = (
    "Since the fire the roof of the chapel is covered with copper.",
    "A metal, zinc, covers the chapel's roof.",
)


def test_what_the_reader_takes_for_the_answer_in_two_sources_is_a_conflict() -> None:
    assert values(ROOF, COPPER, ZINC) == []
    assert values(ROOF, COPPER, ZINC, read=[("copper", 6.0), ("zinc", 1.5)]) == ["copper", "zinc"]
    assert values(ROOF, COPPER, ZINC, read=[("copper", 1.5), ("zinc", 6.0)]) == ["zinc", "copper"], "the surest first"


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        (("copper", 2.5), ("zinc", 2.5), "of neither it is sure"),
        (("copper", 6.0), ("zinc", 0.5), "of one it is not"),
        (("copper", 6.0), ("A metal, zinc, covers the chapel's roof", 6.0), "a whole sentence is no value"),
        (("copper", 6.0), ("chapel's roof", 6.0), "the question says that itself"),
    ],
)
def test_where_the_reader_is_not_sure_of_two_values_there_is_none(
    one: tuple[str, float], other: tuple[str, float], why: str
) -> None:
    assert values(ROOF, COPPER, ZINC, read=[one, other]) == [], why


def test_what_the_reader_sees_in_a_sentence_about_something_else_is_none() -> None:
    bridge = "Since the flood a bridge is made of zinc."
    assert values(ROOF, COPPER, bridge, read=[("copper", 6.0), ("zinc", 6.0)]) == []


def test_a_source_that_has_what_the_reader_sees_in_the_other_is_none() -> None:
    both = "The roof of the chapel: copper, which covers what a metal like zinc covered before."
    assert values(ROOF, both, ZINC, read=[("copper", 6.0), ("zinc", 6.0)]) == []


def test_a_name_in_two_spellings_is_one() -> None:
    texts = ["The film on Hux has one director, Cristophe Gans.", "Christophe Gans is the director of the film on Hux."]
    read = [("Cristophe Gans", 6.0), ("Christophe Gans", 6.0)]
    assert values("Who is the director of the film on Hux?", *texts, read=read) == []


def test_where_the_reader_sees_three_values_there_is_no_single_one() -> None:
    lead = "The chapel: its roof lead covers, a metal."
    read = [("copper", 6.0), ("zinc", 6.0), ("lead", 6.0)]
    assert values(ROOF, COPPER, ZINC, lead, read=read) == []
