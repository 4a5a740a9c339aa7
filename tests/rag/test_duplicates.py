"""Near-duplicates: what says the same is shown once, with its places; what differs in a number is not the same."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rag.duplicates import collapse
from tests.fakes import LEASE

HEADER = "Acme Property Management, 12 Harbour Street, Porto. Registered office and correspondence for all tenants."


def ranked(*texts: str):
    return [(row, 1 / (row + 1), replace(LEASE, id=str(row), text=text)) for row, text in enumerate(texts)]


def test_the_same_header_on_many_letters_is_one_result_with_all_its_places() -> None:
    groups = list(collapse(ranked(*[HEADER] * 300, "Something else."), 10))
    assert [(group.row, len(group.copies)) for group in groups] == [(0, 299), (300, 0)]
    assert [copy.id for copy in groups[0].copies[:2]] == ["1", "2"]


def test_a_word_more_or_another_case_makes_no_other_passage() -> None:
    text = (
        f"{HEADER} Please quote your reference in every letter, and write to the office and not to the caretaker. "
        "Keys are handed out on working days from nine to noon."
    )
    other = text.upper().replace("ALL TENANTS", "all our tenants")
    (group,) = collapse(ranked(text, other), 10)
    assert [copy.text for copy in group.copies] == [other]


def test_letters_that_differ_in_an_amount_or_a_date_are_both_shown() -> None:
    letters = [
        f"Dear tenant, the rent from {day} May on is {amount} euros a month, as agreed in the contract between us."
        for day, amount in ((1, 900), (1, 950), (2, 900))
    ]
    assert len(list(collapse(ranked(*letters), 10))) == 3


def test_no_more_groups_than_are_wanted_are_made() -> None:
    assert [group.row for group in collapse(ranked("One thing.", "Another thing.", "A third."), 2)] == [0, 1]


@given(st.lists(st.text("ab 1", max_size=12), max_size=12))
def test_every_passage_is_in_one_group_in_order_and_equal_ones_are_together(texts: list[str]) -> None:
    groups = list(collapse(ranked(*texts), len(texts) + 1))
    rows = [[group.row, *(int(copy.id) for copy in group.copies)] for group in groups]
    assert sorted(row for group in rows for row in group) == list(range(len(texts)))
    assert [group[0] for group in rows] == sorted(group[0] for group in rows)
    assert all(group == sorted(group) for group in rows)
    of = {row: number for number, group in enumerate(rows) for row in group}
    assert all(of[a] == of[b] for a, text in enumerate(texts) for b, other in enumerate(texts) if text == other)
