"""Ratings become questions with the answers and places that were good."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from errors import UsageError
from evaluation.dataset import Place
from evaluation.feedback import from_conversations, rated, read_pairs
from evaluation.run import evaluate
from rag.types import ABSTENTION, Citation, Conversation, Evidence, KeptTurn
from tests.fakes import FakeEngine
from tests.rag.test_export import EVIDENCE, conversation, turn
from tests.rag.test_history import CITATION, answer


def good(**changes: object) -> KeptTurn:
    return replace(turn(rating="good"), **changes)  # type: ignore[arg-type]


def test_a_good_answer_expects_itself_without_its_citations_at_the_places_that_it_cites() -> None:
    second = Citation(2, "other", "b.md", None, "", "Yes.", 0, 4, True)
    said = replace(answer("Thirty days. [1] Yes. [2]"), citations=(CITATION, second, replace(CITATION, n=3)))
    (question,) = from_conversations([conversation(good(answer=said))]).questions
    assert question.text == "What is the notice?"
    assert question.answers == ("Thirty days. Yes.",)
    assert question.places == (Place("contracts/lease.pdf", 2), Place("b.md"))


def test_a_follow_up_is_asked_as_it_was_understood() -> None:
    told = conversation(good(question="And that?", understood="And the notice?"))
    assert [question.text for question in from_conversations([told]).questions] == ["And the notice?"]


def test_a_good_abstention_is_a_question_without_an_answer() -> None:
    said = replace(answer(ABSTENTION["en"]), abstained=True, citations=())
    (question,) = from_conversations([conversation(good(answer=said))]).questions
    assert (question.unanswerable, question.answers, question.places) == (True, (), ())


def test_what_was_rated_bad_or_not_at_all_expects_nothing_and_the_last_rating_counts() -> None:
    bad, unrated = turn(rating="bad"), turn(question="Another?")
    assert from_conversations([conversation(bad, unrated)]).questions == ()
    earlier, later = good(), good(answer=answer("Sixty days. [1]"))
    (question,) = from_conversations([conversation(earlier), conversation(later)]).questions
    assert question.answers == ("Sixty days.",)


def test_a_file_that_moved_is_looked_for_where_it_is() -> None:
    moved: Evidence = replace(EVIDENCE, since="moved", now="new/lease.pdf")
    (question,) = from_conversations([conversation(good(evidence=(moved,)))]).questions
    assert question.places == (Place("new/lease.pdf", 2),)


def test_an_engine_is_measured_against_what_was_good() -> None:
    engine = FakeEngine()
    list(engine.ask("What is the notice period?", conversation="new"))
    list(engine.ask("Who won?", conversation="new"))
    with pytest.raises(UsageError, match="No answer was rated good"):
        rated(engine)
    engine.rate("c1", 1, "good")
    engine.rate("c2", 1, "good")
    run = evaluate(engine, rated(engine), answers=True)
    known, unknown = run.records
    assert (known.scores["answer_contains"], known.scores["cites_gold"], known.rank) == (1.0, 1.0, 1)
    assert unknown.scores == {"abstained": 1.0}


def test_conversations_without_a_good_answer_are_not_read() -> None:
    engine = FakeEngine()
    list(engine.ask("What is the notice period?", conversation="new"))
    list(engine.ask("What notice?", conversation="new"))
    engine.rate("c1", 1, "good")
    read: list[str] = []
    conversation_of = engine.conversation

    def noted(id: str) -> Conversation:
        read.append(id)
        return conversation_of(id)

    engine.conversation = noted  # type: ignore[method-assign]
    rated(engine)
    assert read == ["c1"]


def test_pairs_are_read_from_questions_and_from_chats(tmp_path: Path) -> None:
    lines = [
        {"question": "A?", "answer": "B."},
        {"question": "¿C?", "answers": ["D.", "E."], "source": "x.pdf"},
        {"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "F?\u2028"},
                      {"role": "assistant", "content": "G."}]},
    ]  # fmt: skip
    file = tmp_path / "pairs.jsonl"
    file.write_text("\ufeff\n" + "\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    assert read_pairs(file) == [("A?", "B."), ("¿C?", "D."), ("F?\u2028", "G.")]


@pytest.mark.parametrize(
    "line",
    ['{"question": "A?"}', "[]", "5", "not json", '{"question": "A?", "answer": 5}', '{"question": " ", "answer": "B"}',
     '{"messages": []}', '{"messages": [{"role": "user"}]}', '{"question": "A?", "answers": []}', "[" * 100_000],
)  # fmt: skip
def test_a_line_that_is_no_example_is_named(line: str, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(f'{{"question": "A?", "answer": "B."}}\n{line}\n')
    with pytest.raises(UsageError, match=r"Line 2 of 'pairs.jsonl'"):
        read_pairs(file)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00"])
def test_a_file_without_examples_is_an_error(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError):
        read_pairs(file)
