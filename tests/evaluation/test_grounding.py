"""True and false claims: a statement says what question and answer say, and what is made false is false."""

import csv
import json
import random
from pathlib import Path

import pytest

from evaluation.grounding import (
    FALSE,
    TRUE,
    Pair,
    Text,
    begin_pairs,
    made_pairs,
    negated,
    statement,
    with_other_name,
    with_other_number,
)  # fmt: skip

TEXT = "Anna Smith signed the lease in Paris in 1995. It was ended by Bob Jones in 2001, after 14 days."


@pytest.mark.parametrize(
    ("question", "answer", "said"),
    [
        ("Who wrote the lease?", "Anna", "Anna wrote the lease."),
        ("What is the capital of Spain?", "Madrid", "The capital of Spain is Madrid."),
        ("Who was killed in the fire?", "Bob", "Bob was killed in the fire."),
        ("When was the school founded by nuns?", "1910", "The school was founded by nuns in 1910."),
        ("When did the fair begin?", "in May", "The fair begin in May."),
        ("How many flats are let?", "12", "12 flats are let."),
        ("Which team won the cup?", "Betis", ""),
        ("Why?", "because", ""),
    ],
)
def test_a_question_and_its_answer_become_a_statement(question: str, answer: str, said: str) -> None:
    assert statement(question, answer, "en") == said


@pytest.mark.parametrize(
    ("question", "answer", "said"),
    [
        ("¿Quién escribió el contrato?", "Ana", "Ana escribió el contrato."),
        ("¿Cuál es la capital de España?", "Madrid", "La capital de España es Madrid."),
        ("¿Cuándo nació Ana?", "1910", "Nació Ana en 1910."),
        ("¿Cuántos pisos hay?", "12", "12 pisos hay."),
    ],
)
def test_spanish_questions_too(question: str, answer: str, said: str) -> None:
    assert statement(question, answer, "es") == said


def test_a_number_is_changed_to_another() -> None:
    for seed in range(20):
        changed = with_other_number("It was ended in 2001.", TEXT, random.Random(seed))
        assert changed.startswith("It was ended in ")
        assert "2001" not in changed
    assert with_other_number("It was ended.", TEXT, random.Random(1)) == ""


def test_a_name_is_changed_to_another() -> None:
    claims = {
        with_other_name("The lease is by Anna Smith.", TEXT, "It is by Eve Adams.", random.Random(n)) for n in range(20)
    }
    assert claims == {"The lease is by Paris.", "The lease is by Bob Jones.", "The lease is by Eve Adams."}
    assert with_other_name("It was ended.", TEXT, TEXT, random.Random(1)) == ""


@pytest.mark.parametrize(
    ("claim", "language", "said"),
    [
        ("The fee is due.", "en", "The fee is not due."),
        ("The fee is not due.", "en", "The fee is due."),
        ("Anna signed the lease.", "en", "Anna did not sign the lease."),
        ("La tasa es alta.", "es", "La tasa no es alta."),
        ("La tasa no es alta.", "es", "La tasa es alta."),
        ("Yes!", "en", ""),
    ],
)
def test_a_claim_is_denied(claim: str, language: str, said: str) -> None:
    assert negated(claim, language) == said


def test_the_pairs_of_an_article_are_in_one_half() -> None:
    halves = {Pair("a", kind, "x", Text("t", "", "en", "Tesla"), True).half for kind in (*TRUE, *FALSE)}
    assert len(halves) == 1
    assert {Pair("a", "x", "x", Text("t", "", "en", str(n)), True).half for n in range(20)} == {"tune", "report"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One small set of each kind, as their makers publish them."""
    articles = [
        {
            "title": f"Lease {number}",
            "paragraphs": [
                {
                    "context": f"The lease number {number}{part} was signed by Anna Smith in {1900 + number} in Paris.",
                    "qas": [
                        {
                            "id": f"{number}{part}", "question": f"Who signed the lease number {number}{part}?",
                            "answers": [{"text": "Anna Smith", "answer_start": 0}],
                        }
                    ],
                }
                for part in range(2)
            ],
        }
        for number in range(4)
    ]  # fmt: skip
    squad = tmp_path / "qa" / "squad-family"
    squad.mkdir(parents=True)
    for name in ("squad-v1.1-en", "squad-v2.0-en", "squad-es-v1.1-small", "xquad-es"):
        (squad / f"{name}.json").write_text(json.dumps({"data": articles}))
    qed = {
        "paragraph_text": "The fee , 45 euros , was paid by Bob Jones .", "title_text": "Fee",
        "question_text": "who paid the fee",
        "annotation": {
            "explanation_type": "single_sentence",
            "answer": [{"paragraph_reference": {"string": "Bob Jones"}}],
            "selected_sentence": {"string": "The fee , 45 euros , was paid by Bob Jones ."},
        },
    }  # fmt: skip
    (tmp_path / "qa" / "qed").mkdir()
    (tmp_path / "qa" / "qed" / "qed-dev.jsonlines").write_text(json.dumps(qed) + "\n")
    for file in ("wow/begin_dev_wow", "wow/begin_test_wow", "cmu-dog/begin_dev_cmu", "topicalchat/begin_dev_tc"):
        path = tmp_path / "grounding" / "begin" / f"{file}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as opened:
            rows = csv.writer(opened, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None)
            rows.writerow(["knowledge", "response", "begin_label"])
            rows.writerow(["the fee is 45 euros.", "it is 45 euros", "Fully attributable"])
            rows.writerow(["the fee is 45 euros.", 'i like "fees"', "Not fully attributable"])
            rows.writerow(["the fee is 45 euros.", "ok", "Generic"])
    return tmp_path


def test_true_claims_stay_true_and_false_ones_are_of_each_kind(data: Path) -> None:
    pairs = made_pairs(data, 50)
    assert {pair.kind for pair in pairs} == {*TRUE, *FALSE}
    assert all(pair.carried == (pair.kind in TRUE) for pair in pairs)
    sentences = [pair for pair in pairs if pair.kind == "sentence"]
    assert all(pair.claim in pair.cited.text for pair in sentences)
    assert "The fee, 45 euros, was paid by Bob Jones." in {pair.claim for pair in sentences}
    assert all(pair.claim not in pair.cited.text for pair in pairs if not pair.carried)
    assert pairs == made_pairs(data, 50)


def test_begin_keeps_the_labels_of_people_but_generic_ones(data: Path) -> None:
    pairs = begin_pairs(data)
    assert len(pairs) == 8
    assert {(pair.claim, pair.carried) for pair in pairs} == {("it is 45 euros", True), ('i like "fees"', False)}
    assert all(pair.is_labelled for pair in pairs)
