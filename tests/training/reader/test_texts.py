"""What the reader learns from."""

import json
import lzma
from pathlib import Path

import pytest

from evaluation.dataset import is_to_tune
from tests.conftest import SHARED
from training.reader.texts import (
    PARAGRAPH_WORDS,
    asked_of_qed,
    asked_of_squad,
    paragraphs,
    read_prose,
    synonyms,
)

ARTICLES = [f"article{n}" for n in range(8)]


def squad(title: str, *questions: tuple[str, bool]) -> dict[str, object]:
    qas = [
        {
            "id": f"{title}-{text}",
            "question": text,
            "is_impossible": not answered,
            "answers": [{"answer_start": 0, "text": "The"}] if answered else [],
        }
        for text, answered in questions
    ]
    return {"title": title, "paragraphs": [{"context": f"The text of {title}.", "qas": qas}]}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "qa/squad-family"
    folder.mkdir(parents=True)
    for name in ("squad-v2.0-en", "squad-v1.1-en", "squad-es-v2.0-small", "squad-es-v1.1-small"):
        content = [squad(title, ("Which?", True), (f"Why {name}?", False)) for title in ARTICLES]
        (folder / f"{name}.json").write_text(json.dumps({"data": content}))
    return tmp_path


def test_the_halves_share_no_article(data: Path) -> None:
    tune, report = ({one.article for one in asked_of_squad(data, tune=half)} for half in (True, False))
    assert tune | report == set(ARTICLES)
    assert tune == {name for name in ARTICLES if is_to_tune(name)}
    assert not tune & report


def test_a_question_that_two_sets_have_counts_once_and_one_without_answers_has_none(data: Path) -> None:
    found = [one for one in asked_of_squad(data, tune=True) if one.article == next(filter(is_to_tune, ARTICLES))]
    assert sorted(one.question for one in found) == [
        "Which?",
        "Why squad-es-v1.1-small?",
        "Why squad-es-v2.0-small?",
        "Why squad-v1.1-en?",
        "Why squad-v2.0-en?",
    ]
    assert {bool(one.answers) for one in found if one.question.startswith("Why")} == {False}


def test_words_that_share_two_translations_are_alike() -> None:
    pairs = [("house", "casa"), ("dwelling", "casa"), ("house", "vivienda"), ("dwelling", "vivienda"), ("cat", "gato")]
    english, spanish = synonyms([*pairs, ("New York", "Nueva York"), ("home", "casa")])
    assert english == {"house": ["dwelling"], "dwelling": ["house"]}
    assert spanish == {"casa": ["vivienda"], "vivienda": ["casa"]}


def test_neighbouring_lines_of_a_source_make_paragraphs_of_two_and_more() -> None:
    lines = [("a", f"line {n} " + "word " * 20, f"línea {n}") for n in range(7)]
    found = list(paragraphs([*lines, ("b", "alone", "sola"), ("c", "x", "y"), ("c", "z", "w")]))
    assert all(len(one.english) == len(one.spanish) > 1 for one in found)
    assert all(sum(len(line.split()) for line in one.english) <= PARAGRAPH_WORDS for one in found)
    assert [one.spanish for one in found][:2] == [("línea 0", "línea 1", "línea 2"), ("línea 3", "línea 4", "línea 5")]


def test_prose_and_synonyms_are_read_from_parallel_text(tmp_path: Path) -> None:
    (tmp_path / "parallel").mkdir()
    rows = [
        ("openstax_fisica", f"A sentence of physics that is long enough, number {n}.", f"Frase {n}.") for n in range(3)
    ]
    rows += [("wordnet_mcr", "house", "casa"), ("php_manual", "Not prose, but long enough to be taken for it.", "No.")]
    for name, column in (("all_train.source.txt.xz", 0), ("all_train.tsv.xz", 1)):
        with lzma.open(tmp_path / "parallel" / name, "wt", encoding="utf-8") as file:
            file.writelines(f"{row[0]}\n" if not column else f"{row[1]}\t{row[2]}\n" for row in rows)
    (prose,), alike = read_prose(tmp_path)
    assert prose.of("es") == ("Frase 0.", "Frase 1.", "Frase 2.")
    assert set(alike) == {"en", "es"}


@pytest.mark.needs_shared
def test_it_learns_from_no_article_that_is_reported_on() -> None:
    if not SHARED.is_dir():
        pytest.skip("../shared is not here")
    data = SHARED / "data"
    learnt, reported = asked_of_squad(data, tune=True), asked_of_squad(data, tune=False)
    assert len(learnt) > 6000
    assert not {one.article for one in learnt} & {one.article for one in reported}
    assert not {one.paragraph for one in [*learnt, *asked_of_qed(data)]} & {one.paragraph for one in reported}
