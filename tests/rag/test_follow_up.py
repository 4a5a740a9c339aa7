"""Follow-ups are made to stand alone; a question that stands alone is never touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.adapters import load
from evaluation.dataset import halves
from rag.follow_up import conversation, leans, stand_alone
from rag.types import Turn
from tests.conftest import shared_data

LEASE = Turn("What is the notice period of the lease?", "Thirty days [1].")
CONTRATO = Turn("¿Cuál es el plazo de preaviso del contrato?", "Treinta días [1].")
HAMLET = Turn("Who wrote Hamlet?", "William Shakespeare wrote Hamlet [1].")
QUIJOTE = Turn("¿Quién escribió Don Quijote?", "Miguel de Cervantes escribió Don Quijote [1].")


@pytest.mark.parametrize(
    ("turn", "question", "alone"),
    [
        (Turn("What was the revenue in 2021?"), "and in 2022?", "What was the revenue in 2022?"),
        (Turn("What was the revenue?"), "And in 2022?", "What was the revenue in 2022?"),
        (Turn("What was the revenue in May 2021?"), "What about June 2021?", "What was the revenue in June 2021?"),
        (Turn("¿Cuáles fueron los ingresos en 2021?"), "¿Y en 2022?", "¿Cuáles fueron los ingresos en 2022?"),
        (Turn("Who is the mayor of Madrid?"), "what about Lima?", "Who is the mayor of Lima?"),
        (Turn("¿Quién es el alcalde de Madrid?"), "¿Y de Lima?", "¿Quién es el alcalde de Lima?"),
        (LEASE, "And the deposit?", "What is the deposit of the lease?"),
        (LEASE, "And of the sublease?", "What is the notice period of the sublease?"),
        (CONTRATO, "¿Y la fianza?", "¿Cuál es la fianza del contrato?"),
    ],
)
def test_what_is_asked_instead_takes_its_place_in_the_last_question(turn: Turn, question: str, alone: str) -> None:
    assert stand_alone(question, [turn]) == alone


@pytest.mark.parametrize(
    ("turn", "question", "note"),
    [
        (LEASE, "When was it signed?", "notice period of the lease"),
        (LEASE, "Who signed it?", "notice period of the lease"),
        (LEASE, "Why?", "notice period of the lease"),
        (LEASE, "Is that clause binding?", "notice period of the lease"),
        (LEASE, "And when does it end?", "notice period of the lease"),
        (CONTRATO, "¿Quién lo firmó?", "plazo de preaviso del contrato"),
        (CONTRATO, "¿Cuándo termina?", "plazo de preaviso del contrato"),
        (CONTRATO, "¿Qué significa eso?", "plazo de preaviso del contrato"),
        (CONTRATO, "¿Por qué es conocido su autor?", "plazo de preaviso del contrato"),
        (HAMLET, "When was he born?", "William Shakespeare, wrote Hamlet"),
        (QUIJOTE, "¿Dónde nació?", "Miguel de Cervantes, escribió Don Quijote"),
        (Turn("What was the revenue in 2021?"), "How did it change in 2022?", "revenue"),
    ],
)
def test_what_a_pronoun_may_mean_is_noted_behind_the_question(turn: Turn, question: str, note: str) -> None:
    assert stand_alone(question, [turn]) == f"{question.rstrip('?')} ({note})?"


@pytest.mark.parametrize(
    "question",
    [
        "What is photosynthesis?",
        "What is the rent this year?",
        "How long does it take to index a folder?",
        "Is it possible to end the lease early?",
        "When was it decided that pets are allowed?",
        "Do tenants pay their rent monthly?",
        "What is a lease and how does it end?",
        "When did Einstein publish his theory?",
        "Which countries have laws that protect tenants?",
        "Who are those who signed the contract?",
        "And which countries border Peru?",
        "notice period lease",
        "E-mail address of the landlord?",
        "O.J. Simpson trial",
        "Summarize the lease of the office in Madrid",
        "¿Qué es la fotosíntesis?",
        "¿Dónde está la oficina de Lima?",
        "¿Cuándo publicó Einstein su teoría?",
        "¿Cuándo alcanzaron su máximo los precios?",
        "¿Cómo defiende el inquilino sus derechos?",
        "¿Qué países de Europa del Este tienen costa?",
        "¿Qué hizo este año la empresa?",
    ],
)
def test_a_question_that_stands_alone_is_left_as_it_is(question: str) -> None:
    assert stand_alone(question, [HAMLET, LEASE]) == question


@pytest.mark.parametrize(("name", "most"), [("hotpotqa-subset", 0.02), ("squad-es-v1.1-small", 0.01), ("scifact", 0.0)])
def test_real_questions_of_every_kind_are_left_as_they_are(name: str, most: float) -> None:
    questions = halves(load(name, shared_data()))[0].questions
    assert sum(leans(question.text) for question in questions) <= most * len(questions)


def test_a_pronoun_keeps_its_subject_over_several_turns() -> None:
    history = [LEASE, Turn("When was it signed?", "In May [1]."), Turn("And who signed it?", "Ana Ruiz [1].")]
    assert stand_alone("Where was it signed?", history) == "Where was it signed (notice period of the lease)?"


def test_a_new_question_changes_the_subject() -> None:
    assert stand_alone("How old is it?", [LEASE, Turn("Which castle stands in Lima?")]) == (
        "How old is it (castle stands in Lima)?"
    )


def test_what_was_asked_instead_is_what_is_asked_about_next() -> None:
    history = [Turn("What was the revenue of Acme in 2021?"), Turn("And in 2022?")]
    assert stand_alone("What about 2023?", history) == "What was the revenue of Acme in 2023?"


def test_without_a_conversation_nothing_is_added() -> None:
    assert stand_alone("When was it signed?", []) == "When was it signed?"


@given(st.lists(st.tuples(st.text(max_size=60), st.text(max_size=60)), max_size=3), st.text(max_size=60))
def test_any_text_is_a_conversation(turns: list[tuple[str, str]], question: str) -> None:
    alone = stand_alone(question, [Turn(*turn) for turn in turns])
    if not leans(question):
        assert alone == question


def test_a_model_is_shown_the_last_turns_without_citation_marks_and_cut() -> None:
    history = [Turn(f"Question {n}?", f"Answer {n} [1][2, 3]." + "x" * 1000) for n in range(9)]
    shown = conversation(history, most=2, characters=20)
    assert shown == [("Question 7?", "Answer 7." + "x" * 11), ("Question 8?", "Answer 8." + "x" * 11)]
