"""Drafted questions: what suggests one, in which language, with which place and answer; that no two are alike."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine import open_engine
from evaluation.dataset import Place, Question, read_questions
from evaluation.make import as_line, draft_questions
from ingest.types import Filters, Passage
from settings import Settings
from tests.conftest import ROOT
from tests.evaluation.engines import ScriptedEngine, passage


def library(*passages: Passage) -> ScriptedEngine:
    """Documents are found by their files' names, for they have no titles."""
    found: dict[str, list[Passage]] = {}
    for one in passages:
        found.setdefault(Path(one.path).stem, []).append(one)
    return ScriptedEngine(found)


def drafts(text: str, language: str = "en", headings: tuple[str, ...] = (), **more: Any) -> list[tuple[str, str]]:
    one = passage("lease.pdf", text, 3, 3, language=language, headings=headings, **more)
    return [(q.text, *q.answers, "")[:2] for q in draft_questions(library(one), 20)]


@pytest.mark.parametrize(
    ("text", "question", "answer"),
    [
        ("The deposit is 1,880 euros, two months of rent.", "What is the deposit?", "1,880 euros"),
        ("As agreed. The notice period is thirty days.", "What is the notice period?", "thirty days"),
        ("Parental leave is 20 weeks at full pay.", "What is parental leave?", "20 weeks at full pay"),
        ("Pimienta is a tabby cat that likes milk.", "What is Pimienta?", "a tabby cat"),
        ("The aim is a better world in which all have books.", "What is the aim?", "a better world"),
        ("The landlords are Ann Lee and Bo Lee.", "What are the landlords?", "Ann Lee and Bo Lee"),
        ("- Chassis number: WB-88213-K", "What does “lease” give for “Chassis number”?", "WB-88213-K"),
        ("**Press office**: Nadia Petrov.", "What does “lease” give for “Press office”?", "Nadia Petrov"),
    ],
)
def test_a_sentence_that_says_what_something_is_suggests_a_question(text: str, question: str, answer: str) -> None:
    assert drafts(text) == [(question, answer)]


@pytest.mark.parametrize(
    ("text", "question", "answer"),
    [
        ("La prima anual es de 218,40 euros.", "¿Cuál es la prima anual?", "218,40 euros"),
        ("Pimienta es una gata tricolor, nacida en 2021.", "¿Qué es Pimienta?", "una gata tricolor"),
        ("Los tomates son una verdura de verano.", "¿Qué son los tomates?", "una verdura de verano"),
        ("Los inquilinos son Marta Cole y otro.", "¿Cuáles son los inquilinos?", "Marta Cole y otro"),
        ("Presión de las ruedas: 4,5 bar.", "¿Qué da «lease» para «Presión de las ruedas»?", "4,5 bar"),
    ],
)
def test_in_spanish_too(text: str, question: str, answer: str) -> None:
    assert drafts(text, "es") == [(question, answer)]


@pytest.mark.parametrize(
    "text",
    [
        "It is a tabby cat.",
        "There are two doors.",
        "What matters is the price.",
        "The rent is paid by bank transfer.",
        "Wednesday is the day when all meet.",
        "The aim is a world of people with the time for books on all of their days in the sun.",
        "Dear Mr Prats,\nthe boiler is out.",
        "DEADLINE: 2026-03-31",
        "Hello, Marta: how are you today",
        "The dwelling has 78 square metres: living room, two bedrooms.",
        "Note:\nthe next line",
    ],
)
def test_what_cannot_be_asked_for_suggests_nothing(text: str) -> None:
    assert drafts(text) == []


@pytest.mark.parametrize(
    ("headings", "question"),
    [
        (("Lease", "5. Deposit"), "What does “lease” say about “Deposit”?"),
        (("Annex A. Inventory",), "What does “lease” say about “Inventory”?"),
        (("How do I pay the rent?",), "How do I pay the rent?"),
    ],
)
def test_a_heading_suggests_a_question_without_an_answer(headings: tuple[str, ...], question: str) -> None:
    assert drafts("Nothing in here. " * 3, headings=headings) == [(question, "")]


@pytest.mark.parametrize("heading", ["Lease", "Introduction", "2.1", "x" * 100])
def test_a_heading_that_says_nothing_suggests_nothing(heading: str) -> None:
    assert drafts("Nothing in here. " * 3, headings=(heading,)) == []


def test_a_section_of_hardly_any_text_is_not_asked_for() -> None:
    assert drafts("![[Trips.base]]", headings=("Trips",)) == []


@pytest.mark.parametrize("more", [{"language": "fr"}, {"kind": "code"}, {"kind": "note"}])
def test_code_notes_and_other_languages_are_left_out(more: dict[str, str]) -> None:
    assert drafts("The deposit is 1,880 euros.", **more) == []


def test_a_draft_names_its_place_and_is_a_line_that_is_read_again(tmp_path: Path) -> None:
    (draft,) = draft_questions(library(passage("a/lease.pdf", "The deposit is 1,880 euros.", 3, 3, headings=())), 5)
    assert (draft.places, draft.answers) == ((Place("a/lease.pdf", 3),), ("1,880 euros",))
    (tmp_path / "q.jsonl").write_text(as_line(draft), encoding="utf-8")
    (read,) = read_questions(tmp_path / "q.jsonl").questions
    assert (read.text, read.places, read.answers) == (draft.text, draft.places, draft.answers)


def test_every_kind_of_question_is_a_line_that_is_read_again(tmp_path: Path) -> None:
    questions = [
        Question("1", "¿Quién?", {}, (), (), False, "¿Quién?"),
        Question("2", "Who?", {}, (Place("a.md"),), ("Ann", "Bo"), False, "a.md"),
        Question("3", "Why?", unanswerable=True, group="Why?"),
    ]
    (tmp_path / "q.jsonl").write_text("\n".join(map(as_line, questions)), encoding="utf-8")
    assert list(read_questions(tmp_path / "q.jsonl").questions) == questions


FACTS = [passage(f"d{d}.md", f"The {what} {d} is {d + 7} euros.", headings=())
         for d in range(6) for what in ("rent", "deposit", "fee", "levy")]  # fmt: skip


def test_drafts_are_spread_over_the_documents() -> None:
    found = draft_questions(library(*FACTS), 12)
    assert Counter(question.group for question in found) == {f"d{d}.md": 2 for d in range(6)}


def test_only_documents_whose_turn_comes_are_read() -> None:
    engine = library(*FACTS)
    draft_questions(engine, 2)
    assert len(engine.searched) == 2
    assert all(filters == Filters(within=(f"{stem}.md",)) for stem, _, filters in engine.searched)


def test_drafts_are_the_same_for_a_seed_and_others_for_another() -> None:
    first, again, other = (draft_questions(library(*FACTS), 5, seed) for seed in (0, 0, 1))
    assert first == again != other


def test_no_two_drafts_are_alike() -> None:
    same = [passage(f"d{d}.md", "The deposit is 100 euros.", headings=()) for d in range(5)]
    assert len(draft_questions(library(*same, passage("e.md", "The rent is 9 euros.", headings=())), 20)) == 2


def test_drafts_of_hostile_names_end_in_drafts() -> None:
    text = "The deposit is 5 euros."
    names = ["#tag.md", "[[note]].md", "{title}.md", "….md"]
    found = draft_questions(library(*(passage(name, text, headings=(f"About {name}",)) for name in names)), 20)
    assert {question.group for question in found} <= {"{title}.md", "….md"}


@pytest.mark.slow
def test_the_samples_give_drafts_whose_answers_stand_where_they_say(ready_settings: Settings) -> None:
    engine = open_engine(ready_settings)
    try:
        engine.add_folders([ROOT / "data" / "samples"])
        engine.index()
        found = draft_questions(engine, 60)
        texts = {hit.passage.text for question in found
                 for hit in engine.search(question.text, 200, Filters(within=(question.group,))).hits}  # fmt: skip
    finally:
        engine.close()
    assert len(found) == 60
    assert len({question.group for question in found}) >= 35
    assert sum(question.text.startswith("¿") for question in found) >= 20
    answers = [answer for question in found for answer in question.answers]
    assert len(answers) >= 30
    assert all(any(answer in text for text in texts) for answer in answers)
