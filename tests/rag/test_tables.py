"""Tables in a passage's text: header, columns, rows, and what amounts are counted in, however a document sets them."""

from decimal import Decimal

import pytest

from rag.tables import Table, amount, cells, read_tables, unit_in, with_columns

STATEMENT = """$ in millions, except per share amounts

Year Ended December 31,
2017  2018  2019
Net sales  $ 177,866  $ 232,887  $ 280,522
Operating expenses:
Cost of sales  111,934  139,156  165,536
Interest  —  (1)  $  565"""


def only(text: str) -> Table:
    (table,) = read_tables(text)
    return table


@pytest.mark.parametrize(
    ("line", "found"),
    [("| a | b |", ["a", "b"]), ("a\tb", ["a", "b"]), ("a b  c", ["a b", "c"]), ("a b", ["a b"])],
)
def test_the_cells_of_a_row(line: str, found: list[str]) -> None:
    assert cells(line) == found


def test_a_statement_has_its_years_for_columns_and_its_unit_from_above() -> None:
    table = only(STATEMENT)
    assert (table.columns, table.unit) == (("2017", "2018", "2019"), "in millions")
    assert [row.label for row in table.rows] == ["Net sales", "Cost of sales", "Interest"]
    assert table.rows[1].section == "Operating expenses"
    assert table.rows[2].values == ("—", "(1)", "$565")


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("| Room | Price | Beds |\n|---|---|---|\n| Blue | 40 | 2 |", ("Price", "Beds")),
        ("Room  Price  Beds\nBlue  40 euros  2", ("Price", "Beds")),
        ("-  Fiscal  -\n-  2019  2018\n-  (in millions)  -\nSensors  914  918", ("Fiscal 2019", "Fiscal 2018")),
        ("Three months ended  Year ended\n2019  2018  2019  2018\nSales  1  2  3  4",
         ("Three months ended 2019", "Three months ended 2018", "Year ended 2019", "Year ended 2018")),
        ("-  2019  -  2018  -\n-  Amount  %  Amount  %\nCosts  9  3 %  8  2 %",
         ("2019 Amount", "2019 %", "2018 Amount", "2018 %")),
        ("Rent  400\nWater  30", ()),
        ("A  B  C  D\nRent  400\nWater  30", ()),
    ],
)  # fmt: skip
def test_what_the_rows_of_a_header_call_each_value(text: str, columns: tuple[str, ...]) -> None:
    assert only(text).columns == columns


def test_a_table_that_goes_on_has_the_columns_of_the_one_before() -> None:
    first, second = read_tables("August 29,  August 30,\n2021  2020\n\nCash  $ 11  $ 12\nDebt  3  4")
    assert first.columns == second.columns == ("August 29, 2021", "August 30, 2020")
    repeated = only("2017  2018\nDebt  3  4")
    assert with_columns(repeated, only("(in millions)\n2017  2018\nCash  1  2")).unit == "in millions"
    wider = only("Cash  1  2  3\nDebt  4  5  6")
    assert with_columns(wider, first) == wider


def test_text_is_no_table() -> None:
    assert read_tables("One sentence.  Another one.\nA third.\n\nA fourth.") == []


@pytest.mark.parametrize(
    ("cell", "number"),
    [("$ 1,577", "1577"), ("(1,160)", "-1160"), ("1.234,5", "1234.5"), ("65 euros", "65"), ("8.9 %", "8.9"),
     ("-3", "-3"), ("2019", None), ("—", None), ("2021-2022", None), ("Mexico", None), ("9" * 100_000, None)],
)  # fmt: skip
def test_amounts_are_numbers_and_years_are_none(cell: str, number: str | None) -> None:
    assert amount(cell) == (Decimal(number) if number else None)


@pytest.mark.parametrize(
    ("text", "unit"),
    [("(in millions, except per share data)", "in millions"), ("(Dollars in thousands)", "in thousands"),
     ("$ million", "in millions"), ("(en miles de euros)", "en miles"), ("2 million people", "")],
)  # fmt: skip
def test_what_amounts_are_counted_in(text: str, unit: str) -> None:
    assert unit_in(text) == unit
