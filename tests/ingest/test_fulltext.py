"""Full text: the very form before its like, identifiers whole and in parts, phrases, slips; exact as full scoring."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import segments
from ingest.analyse import compounds, forms, stem
from ingest.catalog import Catalog
from ingest.fulltext import FORM_WEIGHT, Term, _best
from ingest.segments import FORM, impacts
from tests.ingest.test_catalog import store


@pytest.fixture(params=["inverted index", "table"])
def either(request: pytest.FixtureRequest, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """The catalogue as it is searched when the index is made, and before."""
    if request.param == "table":
        monkeypatch.setattr(catalog.full_text.segments, "view", lambda: None)
    return catalog


def found(catalog: Catalog, question: str, limit: int = 10) -> list[str]:
    """Names of the files found, best first."""
    scores = catalog.search_terms(catalog.question_terms(question), limit)
    passages = catalog.passages(list(scores))
    return [passages[row].path for row in scores]


def library(catalog: Catalog, language: str = "en", **texts: str) -> None:
    for name, text in texts.items():
        store(catalog, name, text, language=language)


@pytest.mark.parametrize(("asked", "best"), [("año", "year"), ("AÑO", "year"), ("ano", "ring")])
def test_of_two_words_that_differ_by_an_accent_the_one_that_is_asked_for_is_first(
    catalog: Catalog, asked: str, best: str
) -> None:
    library(catalog, "es", year="Un año de plazo.", ring="Un ano de plazo.")
    assert found(catalog, asked) == [best, "ring" if best == "year" else "year"]


def test_the_very_inflection_is_first(catalog: Catalog) -> None:
    library(catalog, singular="The contract ended.", plural="The contracts ended.")
    assert found(catalog, "contracts")[0] == "plural"
    assert found(catalog, "contract")[0] == "singular"


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Set max_seq_length here.", ["max_seq_length", "maxSeqLength", "seq length"]),
        ("We use GPT-4 here.", ["GPT-4", "gpt4", "gpt"]),
        ("Figures of FY2018 here.", ["FY2018", "fy 2018", "2018"]),
        ("Order part AB-1234/7 here.", ["AB-1234/7", "AB 1234 7", "ab12347"]),
        ("It ends on 2021-06-30 here.", ["30 June 2021", "30/06/2021", "30 de junio de 2021", "June 30, 2021"]),
        ("As § 12.3 says here.", ["section 12.3", "sección 12.3", "§12.3"]),
        ("As Art. 5 says here.", ["article 5", "artículo 5"]),
        ("It costs 1,200.50 euros here.", ["1.200,50", "1200.50"]),
    ],
)
def test_an_identifier_is_found_however_it_is_written(catalog: Catalog, text: str, asked: list[str]) -> None:
    library(catalog, this=text, other="Nothing of the kind stands in this one.")
    for question in asked:
        assert found(catalog, question) == ["this"], question


def test_an_identifier_whole_is_before_its_parts(catalog: Catalog) -> None:
    library(catalog, parts="The max of a seq is its length.", whole="Use max_seq_length for that.")
    assert found(catalog, "max_seq_length") == ["whole", "parts"]
    library(catalog, year="In 2018 it rained.", name="In FY2018 it rained.")
    assert found(catalog, "FY2018") == ["name", "year"]


def test_a_name_in_capitals_is_found(either: Catalog) -> None:
    library(either, who="The WHO met.", people="People who met.")
    assert found(either, "WHO") == ["who"]


def test_a_phrase_in_quotes_is_demanded_where_it_is_all_that_is_asked(catalog: Catalog) -> None:
    library(catalog, this="The period of notice is long.", that="The notice period is long.", more="A notice, period.")
    assert set(found(catalog, "notice period")) == {"this", "that", "more"}
    for question in ('"notice period"', "What is the «Notice Period»?", "“notice period”"):
        assert set(found(catalog, question)) == {"that", "more"}, question
    assert found(catalog, '"period of notice"') == ["this"]  # stop words count in it


def test_a_phrase_in_quotes_is_preferred_where_more_is_asked(catalog: Catalog) -> None:
    library(catalog, this="Period of long notice, landlord.", that="The notice period is long.", more="The landlord.")
    assert found(catalog, "landlord notice period")[0] == "this"
    assert found(catalog, 'landlord "notice period"') == ["that", "this", "more"]
    terms = catalog.question_terms('landlord "notice period"')
    best = catalog.search_terms(terms, 0)
    for limit in (1, 2, 3):
        assert list(catalog.search_terms(terms, limit).items()) == list(best.items())[:limit]


def test_a_phrase_that_nothing_has_is_looked_for_by_its_words(catalog: Catalog) -> None:
    library(catalog, this="The period of notice is long.")
    assert found(catalog, '"notice period"') == ["this"]


def test_a_phrase_is_demanded_of_the_passages_that_are_asked_about(catalog: Catalog) -> None:
    library(catalog, this="The period of notice.", that="The notice period.")
    terms = catalog.question_terms('"notice period"')
    assert list(catalog.search_terms(terms, 0, [1])) == []
    assert list(catalog.search_terms(terms, 0, [1, 2])) == [2]


def test_a_phrase_in_a_heading_or_a_title_counts(catalog: Catalog) -> None:
    store(catalog, "a", "Nothing else.", title="Notice period")
    assert found(catalog, '"notice period"') == ["a"]


@pytest.mark.parametrize("slip", ["mortage", "motrgage", "mortgagge", "mortgahe", "mortga"])
def test_a_slip_is_forgiven_where_nothing_has_the_word(catalog: Catalog, slip: str) -> None:
    library(catalog, this="The mortgage is paid.", other="The garden is green.")
    (word, *_) = catalog.question_terms(slip)
    assert (word.word, word.frequency) == (slip, 0)  # nobody takes it for found
    assert found(catalog, slip) == ["this"]


def test_a_word_that_is_there_is_not_taken_for_another(catalog: Catalog) -> None:
    library(catalog, this="The house is red.", other="The mouse is grey.")
    assert found(catalog, "mouse") == ["other"]


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("cashflow", "cash flow"),
        ("cashflows", "cash flows"),  # in any form
        ("flowcash", "flowcash"),  # never side by side
        ("notebook", "notebook"),  # there is one
        ("bookmark", "bookmark"),  # of two words one is nowhere
        ("airmail", "airmail"),  # parts too short to mean anything
    ],
)
def test_two_words_run_together_are_taken_apart_where_some_passage_has_them_so(
    catalog: Catalog, word: str, read: str
) -> None:
    library(
        catalog, report="Free cash flow is cash; cash flows.", shop="A notebook is a book of notes.", post="Air mail."
    )
    assert catalog.taken_apart(word) == read


def test_other_readings_weigh_nothing_to_later_stages(catalog: Catalog) -> None:
    library(catalog, this="The mortgage of GPT-4 ended on 2021-06-30, or FY2018, by notice period.")
    terms = catalog.question_terms('mortage GPT-4 30 June 2021 FY2018 "notice period"')
    readings = [term for term in terms if term.idf == 0]
    assert {term.word for term in readings} >= {"mortgage", "gpt4", "day_2021_06_30", "fy", "2018", "notice period"}
    assert [term.word for term in terms if term.idf] == [
        "mortage", "gpt", "4", "30", "june", "2021", "fy2018", "notice", "period"
    ]  # fmt: skip


def test_other_readings_come_in_the_order_of_the_question(catalog: Catalog) -> None:
    parts = ["alpha", "beta", "gamma", "delta", "omega", "sigma"]
    library(catalog, this=f"Set {'_'.join(parts)} here.")
    terms = catalog.question_terms("".join([parts[0], *map(str.title, parts[1:])]))
    assert [term.word for term in terms if term.word in parts] == parts


WORDS = ["rent", "rents", "house", "houses", "garden", "GPT-4", "gpt4", "año", "ano", "2021-06-30", "well-known", "x1"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join), min_size=1, max_size=30)


def scored_in_full(catalog: Catalog, terms: tuple[Term, ...]) -> dict[int, float]:
    """Each passage for itself, from its text."""
    (rows,) = (catalog._db.read("SELECT row FROM passages ORDER BY row"),)
    scores = {}
    for row, passage in catalog.passages([row for (row,) in rows]).items():
        own = impacts("", passage.path, passage.headings, passage.text, passage.language)
        score = sum(weight * own.get(key, 0.0) for term in terms for key, weight in term.weights)
        if score:
            scores[row] = score
    return scores


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=TEXTS, asked=st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), limit=st.integers(1, 12))
def test_the_best_are_those_of_full_scoring(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], asked: list[str], limit: int
) -> None:
    catalog = Catalog(tmp_path_factory.mktemp("index"))
    for number, text in enumerate(texts):
        store(catalog, f"n{number}", *text.split(" gpt4 "))
    terms = catalog.question_terms(" ".join(asked))
    full = scored_in_full(catalog, terms)
    best = catalog.search_terms(terms, limit)
    assert len(best) == min(limit, len(full))
    assert list(best.values()) == pytest.approx(sorted(full.values(), reverse=True)[:limit], rel=2e-3)
    for row, score in best.items():
        assert score == pytest.approx(full[row], rel=2e-3)
    rows = sorted(full)[::2]
    within = catalog.search_terms(terms, 0, rows)
    assert within.keys() == set(rows)
    assert all(score == pytest.approx(full[row], rel=2e-3) for row, score in within.items())
    bound = sum(term.bound for term in terms)
    assert all(score <= bound * 1.001 for score in full.values()) or any(len(term.stems) > 1 for term in terms)
    catalog.close()


@given(
    scores=st.lists(st.integers(0, 6), max_size=400),
    limit=st.integers(0, 12),
)
def test_passing_over_blocks_loses_nothing(scores: list[int], limit: int) -> None:
    rows = np.arange(len(scores), dtype=np.int64) * 3
    best = sorted(((-score, row) for score, row in zip(scores, rows.tolist(), strict=True) if score))[: limit or None]
    assert list(_best(rows, np.array(scores, np.float32), limit).items()) == [(row, -score) for score, row in best]


def test_the_index_and_the_table_agree_on_what_is_found(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    library(catalog, a="The rent of the house.", b="The garden of the house.", c="A lease.")
    with_index = set(found(catalog, "rent of a house with a garden"))
    monkeypatch.setattr(catalog.full_text.segments, "view", lambda: None)
    assert set(found(catalog, "rent of a house with a garden")) == with_index == {"a", "b"}


def test_a_passage_has_the_keys_that_its_question_asks_for() -> None:
    """Where one side's analysis is changed and the other's is not, this fails."""
    text = "The mortgage of GPT-4 ended on 30 June 2021, as Art. 5 says."
    keys = impacts("", "a", (), text, "en").keys()
    assert {FORM + form for form in forms(text, "en")} <= keys
    assert {compound.whole for compound in compounds(text, "en")} <= keys
    assert stem("mortgage", "en") in keys
    assert all(0 < impact <= segments.K1 + 1 for impact in impacts("", "a", (), text, "en").values())
    assert 0 < FORM_WEIGHT < 1
