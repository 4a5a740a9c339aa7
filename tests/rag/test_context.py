"""What a generator is given: varied, whole, the best where a model reads best, and each passage citable by itself."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.types import Passage
from rag.context import SHORT, arrange, assemble, choose
from rag.types import Hit
from settings import Context
from tests.fakes import LEASE


def passage(path: str = "a.md", position: int = 0, text: str = "", **fields: Any) -> Passage:
    text = text or f"Sentence number {position} of {path} says something of its own."
    return replace(
        LEASE, id=f"{path}#{position}", path=path, position=position, text=text, **{"tokens": SHORT, **fields}
    )


def hit(rank: int, path: str = "a.md", position: int = 0, text: str = "", **fields: Any) -> Hit:
    return Hit(rank, 1 / rank, passage(path, position, text, **fields), path)


def beside(*passages: Passage) -> Any:
    """The neighbours of every passage are those of these that stand beside it."""

    def neighbours(ids: Sequence[str]) -> dict[str, list[Passage]]:
        asked = [(id.partition("#")[0], int(id.partition("#")[2]), id) for id in ids]
        return {
            id: [each for each in passages if each.path == path and abs(each.position - position) == 1]
            for path, position, id in asked
        }

    return neighbours


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.id for hit in hits]


def test_a_source_gives_way_to_others_after_so_many_passages() -> None:
    hits = [hit(rank, "book.md", 2 * rank) for rank in range(1, 6)] + [hit(6, "note.md"), hit(7, "letter.md")]
    assert ids(choose(hits, 5, per_source=3)) == ["book.md#2", "book.md#4", "book.md#6", "note.md#0", "letter.md#0"]


def test_a_source_goes_on_where_there_are_no_others() -> None:
    hits = [hit(1, "book.md", 2), hit(2, "book.md", 4), hit(3, "note.md"), hit(4, "book.md", 6)]
    assert ids(choose(hits, 4, per_source=1)) == ["book.md#2", "note.md#0", "book.md#4", "book.md#6"]
    assert ids(choose(hits[:2], 8, per_source=1)) == ["book.md#2", "book.md#4"]


def test_the_best_stand_first_and_last_and_the_least_in_the_middle() -> None:
    hits = [hit(rank, f"{rank}.md") for rank in range(1, 7)]
    assert [hit.rank for hit in arrange(hits)] == [1, 3, 5, 6, 4, 2]


def test_a_follow_up_begins_with_what_was_read_for_the_question_before_and_ends_in_its_best() -> None:
    hits = [hit(rank, f"{rank}.md") for rank in range(1, 7)]
    read = ids([hits[4], hits[2]])
    assert [hit.rank for hit in arrange(hits, [*read, "gone.md#0", hits[0].passage.id])] == [5, 3, 2, 6, 4, 1]
    assert arrange(hits, ["gone.md#0", *read]) == arrange(hits)


def test_passages_that_follow_one_another_stay_together_in_their_order() -> None:
    hits = [hit(1, "a.md", 7), hit(2, "b.md", 1), hit(3, "a.md", 6), hit(4, "a.md", 3), hit(5, "a.md", 8)]
    assert ids(arrange(hits)) == ["a.md#6", "a.md#7", "a.md#8", "a.md#3", "b.md#1"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), unique=True, max_size=12))
def test_arranging_loses_and_adds_nothing(places: list[tuple[str, int]]) -> None:
    hits = [hit(rank, path, position) for rank, (path, position) in enumerate(places, start=1)]
    assert sorted(ids(arrange(hits))) == sorted(ids(hits))
    if hits:
        first, best = arrange(hits)[0].passage, hits[0].passage
        before = [f"{best.path}#{position}" for position in range(first.position, best.position + 1)]
        assert ids(arrange(hits))[: len(before)] == before


@pytest.mark.parametrize(
    ("text", "fields", "wanted"),
    [
        ("It is a whole paragraph.", {}, []),
        ("of which it is the second half.", {}, ["a.md#4"]),
        ("It goes on after the following colon:", {}, ["a.md#6"]),
        ("in the middle, and cut", {}, ["a.md#4", "a.md#6"]),
        ("A few words.", {"tokens": SHORT - 1}, ["a.md#4", "a.md#6"]),
        ("| a | table |", {"kind": "table"}, []),
    ],
)
def test_a_passage_brings_its_neighbours_where_it_is_cut_or_short(
    text: str, fields: dict[str, Any], wanted: list[str]
) -> None:
    around = [passage("a.md", position) for position in (3, 4, 6, 7)]
    found = assemble([hit(1, "a.md", 5, text, **fields)], 8, beside(*around), Context())
    assert ids(found) == ["a.md#5", *wanted]


def test_neighbours_are_of_the_same_section_or_the_one_around_it() -> None:
    short = hit(1, "a.md", 5, headings=("Lease", "Deposit"), tokens=9)
    parent = passage("a.md", 4, headings=("Lease",))
    other = passage("a.md", 6, headings=("Lease", "Pets"))
    assert ids(assemble([short], 8, beside(parent, other), Context())) == ["a.md#5", "a.md#4"]


def test_only_the_best_bring_neighbours_and_these_come_after_all_that_was_found() -> None:
    hits = [hit(rank, f"{rank}.md", 5, tokens=9) for rank in (1, 2, 3)]
    around = [passage(f"{rank}.md", 4) for rank in (1, 2, 3)]
    assert ids(assemble(hits, 8, beside(*around), Context(neighbours=2))) == [
        "1.md#5", "2.md#5", "3.md#5", "1.md#4", "2.md#4",
    ]  # fmt: skip
    assert ids(assemble(hits, 8, beside(*around), Context(neighbours=0))) == ["1.md#5", "2.md#5", "3.md#5"]


def test_a_neighbour_that_was_found_itself_comes_once() -> None:
    hits = [hit(1, "a.md", 5, tokens=9), hit(2, "a.md", 6, tokens=9)]
    around = [passage("a.md", 6), passage("a.md", 5), passage("a.md", 7)]
    assert ids(assemble(hits, 8, beside(*around), Context())) == ["a.md#5", "a.md#6", "a.md#7"]


def test_near_duplicates_are_given_once_and_named_as_copies() -> None:
    text = "The notice period of this lease is thirty days from the first of the month."
    (found,) = assemble([hit(1, "a.md", 0, text), hit(2, "b.md", 0, text)], 8, beside(), Context())
    assert [copy.path for copy in found.copies] == ["b.md"]
