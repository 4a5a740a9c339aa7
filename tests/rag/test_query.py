"""Filters in a question: taken out as they were meant, and nothing else with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.types import Filters
from rag.query import WORDS, merge, parse


@pytest.mark.parametrize(
    ("question", "text", "filters"),
    [
        (
            'in:contracts type:pdf tag:work lang:es since:2024 until:2024-06 "notice period" of the lease',
            '"notice period" of the lease',
            Filters(("contracts",), ("pdf",), ("work",), ("es",), "2024", "2024-06"),
        ),
        ('What is due? in:"my folder"', "What is due?", Filters(("my folder",))),
        ("in:“my folder” in:«otra carpeta» rent", "rent", Filters(("my folder", "otra carpeta"))),
        ("what is planned in:[[Atlas plan]]?", "what is planned ?", Filters(("[[Atlas plan]]",))),
        ("rent in:home/lease.pdf?", "rent", Filters(("home/lease.pdf",))),
        ("rent since:2024, please", "rent please", Filters(since="2024")),
        ("type:pdf,docx rent", "rent", Filters(types=("pdf", "docx"))),
        ('in:"a, b" in:c,d rent', "rent", Filters(("a, b", "c,d"))),
        ("in:a rent in:b", "rent", Filters(("a", "b"))),
        ("tag:#work rent", "rent", Filters(tags=("#work",))),
        ("in:#work rent", "rent", Filters(("#work",))),
        ("tipo:pdf en:casa etiqueta:x idioma:es desde:2024 hasta:2025 fianza", "fianza",
         Filters(("casa",), ("pdf",), ("x",), ("es",), "2024", "2025")),
        ("in:contracts", "", Filters(("contracts",))),
    ],
)  # fmt: skip
def test_filters_are_taken_out_of_a_question(question: str, text: str, filters: Filters) -> None:
    query = parse(question)
    assert (query.text, query.filters) == (text, filters)
    assert query.written in question


@pytest.mark.parametrize(
    "question",
    [
        "note: the rent is due",
        "in: the contract",
        "a ratio of 3:1",
        "see http://example.com/in:x and mailto:me@example.com",
        'the words "in:contracts" and “type:pdf” and «tag:x»',
        "built-in:contracts",
        "Tag:work and TYPE:pdf",
        "in:",
        "since:?",
        'in:"" rent',
        '5" pipes, 6" pipes',
        "std::in:x",
        "¿Qué dice en: la póliza?",
        "  spaces   stay  ",
    ],
)
def test_ordinary_text_is_left_alone(question: str) -> None:
    assert parse(question).text == question
    assert parse(question).filters == Filters()


@given(st.text())
def test_any_question_can_be_read(question: str) -> None:
    query = parse(question)
    if not any(f"{word}:" in question for word in WORDS):
        assert query.text == question


@given(
    st.lists(st.tuples(st.sampled_from(sorted(WORDS)), st.from_regex(r"[a-z0-9/_-]{1,12}", fullmatch=True)), max_size=5)
)
def test_every_filter_that_is_written_is_found(written: list[tuple[str, str]]) -> None:
    query = parse(" ".join(["rent", *(f"{word}:{value}" for word, value in written), "due"]))
    assert query.text == "rent due"
    of_dates = {WORDS[word]: value for word, value in written if WORDS[word] in ("since", "until")}
    assert {name: getattr(query.filters, name) for name in of_dates} == of_dates
    for name in ("within", "types", "tags", "languages"):
        assert getattr(query.filters, name) == tuple(value for word, value in written if WORDS[word] == name)


def test_filters_beside_and_in_a_question_hold_together() -> None:
    beside, written = Filters(("a",), ("pdf",), since="2023", until="2025"), Filters(("b",), since="2024", until="2024")
    assert merge(beside, written) == Filters(("a", "b"), ("pdf",), since="2024", until="2024")
    year, month = Filters(since="2024", until="2024"), Filters(since="2024-05", until="2024-05")
    assert merge(year, month) == merge(month, year) == month
    assert merge(beside, Filters()) == merge(Filters(), beside) == beside
