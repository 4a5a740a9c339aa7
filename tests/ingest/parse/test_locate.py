from hypothesis import given
from hypothesis import strategies as st

from ingest.parse.locate import Box, PageChars, locate
from ingest.types import Span

COLUMNS = 20


def page(text: str) -> PageChars:
    """Characters of 1 x 1, COLUMNS to a line, a line 2 high: character i stands at a place to be worked out by hand."""
    return PageChars(text, [box(index) for index in range(len(text))])


def box(index: int) -> Box:
    row, column = divmod(index, COLUMNS)
    return Box(column, -2.0 * row, column + 1, -2.0 * row + 1)


def covered(chars: PageChars, rectangles: list[Box]) -> set[int]:
    """The characters whose middle lies in a rectangle."""
    middles = [((b.left + b.right) / 2, (b.bottom + b.top) / 2) for b in chars.boxes]
    return {
        index
        for index, (x, y) in enumerate(middles)
        if any(r.left <= x <= r.right and r.bottom <= y <= r.top for r in rectangles)
    }


def solid(chars: PageChars, indices: set[int]) -> set[int]:
    return {index for index in indices if not chars.text[index].isspace()}


@given(st.text(alphabet="abc de", min_size=1, max_size=90), st.data())
def test_a_piece_of_a_page_is_covered_wholly_and_nothing_else(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    chars, quote = page(text), text[start:end]
    if not quote.strip():
        assert locate(chars, quote) == []
        return
    found = locate(chars, quote, [Span(1, start, end)])
    assert solid(chars, covered(chars, found)) == solid(chars, set(range(start, end)))


@given(st.text(alphabet="abcdefgh", min_size=1, max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_white_space_and_hyphenation_make_no_difference(word: str, places: list[int]) -> None:
    broken = word
    for place in places:
        broken = broken[:place] + "\x02\r\n"[place % 3 :] + broken[place:]
    assert locate(page(broken), word)
    assert locate(page(word), broken) == locate(page(word), word)


@given(st.text(max_size=60), st.text(max_size=30))
def test_any_text_can_be_sought_on_any_page(text: str, quote: str) -> None:
    found = locate(page(text), quote)
    assert all(rectangle.right > rectangle.left and rectangle.top > rectangle.bottom for rectangle in found)


def test_each_line_has_one_rectangle() -> None:
    assert locate(page("a" * 15 + " " + "b" * 30), "a" * 15 + "b" * 30) == [
        Box(0, 0, 20, 1), Box(0, -2, 20, -1), Box(0, -4, 6, -3),
    ]  # fmt: skip


def test_a_quote_not_on_the_page_has_no_rectangle() -> None:
    assert locate(page("The cat sat."), "dog") == []
    assert locate(page("The cat sat."), "  ") == []


def test_ligatures_and_letters_of_two_units_are_found() -> None:
    assert locate(page("the \ufb01rst of\ufb01ce"), "first office") == [Box(4, 0, 14, 1)]
    units = "x \ud83d\ude00 y"  # as PDFium gives it, in two halves
    assert locate(page(units), "\U0001f600 y") == [Box(2, 0, 6, 1)]


def test_case_counts_unless_nothing_else_fits() -> None:
    assert locate(page("Rent and rent"), "rent") == [Box(9, 0, 13, 1)]
    assert locate(page("RENT is due"), "rent") == [Box(0, 0, 4, 1)]


def test_of_several_places_the_one_in_the_span_counts() -> None:
    chars = page("rent rent rent")
    assert locate(chars, "rent") == [Box(0, 0, 4, 1)]
    assert locate(chars, "rent", [Span(1, 5, 9)]) == [Box(5, 0, 9, 1)]
    assert locate(chars, "rent", [Span(1, 6, 8)]) == [Box(0, 0, 4, 1)]


def test_of_a_quote_over_two_pages_each_page_shows_its_part() -> None:
    quote = "the notice period is ninety days"
    assert locate(page("foo. the notice perio"), quote) == [Box(5, 0, 20, 1), Box(0, -2, 1, -1)]
    assert locate(page("d is ninety days. bar"), quote) == [Box(0, 0, 16, 1)]
    assert locate(page("the dog"), quote) == [], "three letters are no part of a quote"


def test_a_quote_that_the_page_has_in_another_order_is_put_together_inside_its_span() -> None:
    written = "rent deposit parking 940 1880 31 rent deposit"
    chars = page(written)
    table = Span(1, 0, 32)
    found = locate(chars, "rent 940 deposit 1880", [table])
    assert solid(chars, covered(chars, found)) == solid(chars, {*range(12), *range(21, 29)})
    assert locate(chars, "rent 940 deposit 1880") == [], "without a span it could be anywhere"
    assert locate(chars, "rent 941 deposit 1880", [table]) == []


def test_of_equal_pieces_the_nearest_is_taken_and_none_twice() -> None:
    chars = page("total costs  15 15   income       15 29")  # 20 characters to a line
    found = locate(chars, "income 15 total costs 15 15", [Span(1, 0, 39)])
    assert solid(chars, covered(chars, found)) == solid(chars, {*range(36)})


def test_one_tall_sign_does_not_make_the_line_taller() -> None:
    boxes = [Box(0, -20, 1, 30), *(Box(at, 0, at + 1, 10) for at in range(1, 9))]
    assert locate(PageChars("_I accept", boxes), "_I accept") == [Box(0, 0, 9, 10)]
