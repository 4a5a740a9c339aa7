"""A run: what counts as found, answered and cited, what all questions come to, and that a kept run is read again."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine import Status
from errors import CitaError, UsageError
from evaluation.dataset import Dataset, GivenPassage, Place, Question
from evaluation.run import (
    Record,
    Run,
    compare_runs,
    evaluate,
    evaluate_ranking,
    failures,
    faults,
    latency,
    own_sources,
    ranks,
    read_run,
    recall_curve,
    summary,
    to_json,
)
from ingest.types import Filters
from tests.evaluation.engines import ScriptedEngine, passage

LEASE = passage("lease.pdf", "The deposit is 1,200 euros.", 2, 3)
OTHER = passage("other.pdf", "Nothing of the kind.", 2)
NOTE = passage("note.md", "Remember the milk.")


def one(
    question: Question, *found: object, said: str = "", cited: int = 1, answers: bool = False, k: int = 10
) -> Record:
    engine = ScriptedEngine({question.text: found, "x": [NOTE]}, {question.text: said}, cited)  # type: ignore[dict-item]
    (record,) = evaluate(engine, Dataset("set", (question,)), k, answers=answers).records
    return record


def asked(*places: Place, answers: tuple[str, ...] = (), unanswerable: bool = False) -> Question:
    return Question("1", "How much?", {}, places, answers, unanswerable)


# What counts as found


@pytest.mark.parametrize(
    ("place", "rank"),
    [
        (Place("lease.pdf"), 2),
        (Place("lease.pdf", 2), 2),
        (Place("lease.pdf", 3), 2),
        (Place("lease.pdf", 4), None),
        (Place("lease.pdf", 1), None),
        (Place("note.md"), 3),
        (Place("note.md", 1), None),
        (Place("lease"), None),
    ],
)
def test_a_hit_counts_at_the_named_source_and_on_the_named_page(place: Place, rank: int | None) -> None:
    assert one(asked(place), OTHER, LEASE, NOTE).rank == rank


def test_a_source_without_its_page_still_counts_for_the_source() -> None:
    scores = one(asked(Place("lease.pdf", 9)), LEASE).scores
    assert (scores["recall@10"], scores["page_recall@10"], scores["source_recall@1"]) == (0, 0, 1)


def test_a_question_without_a_page_has_no_page_metrics_and_without_answers_no_answer_metrics() -> None:
    scores = one(asked(Place("lease.pdf")), LEASE).scores
    assert not [name for name in scores if name.startswith(("page", "answer"))]


def test_without_a_place_the_passage_that_holds_an_answer_counts() -> None:
    record = one(asked(answers=("1200 Euros",)), OTHER, LEASE)
    assert (record.rank, record.scores["mrr@10"], record.scores["answer_recall@3"]) == (2, 0.5, 1)


def test_a_copy_elsewhere_counts_as_the_passage_itself() -> None:
    engine = ScriptedEngine({"How much?": [OTHER]}, copies={OTHER.text: [LEASE]})
    (record,) = evaluate(engine, Dataset("set", (asked(Place("lease.pdf", 2)),))).records
    assert record.rank == 1


def test_of_several_places_recall_counts_each() -> None:
    scores = one(asked(Place("lease.pdf", 2), Place("note.md")), LEASE, OTHER, OTHER, NOTE).scores
    assert (scores["recall@3"], scores["success@3"], scores["complete@3"]) == (0.5, 1, 0)
    assert (scores["recall@5"], scores["complete@5"]) == (1, 1)


def test_an_unanswerable_question_counts_for_abstention_only() -> None:
    assert one(asked(unanswerable=True), LEASE).scores == {}
    assert one(asked(unanswerable=True), LEASE, answers=True).scores == {"abstained": 1}
    assert one(asked(unanswerable=True), LEASE, answers=True, said="12 euros.").scores == {"abstained": 0}


def test_a_question_with_nothing_known_is_searched_and_not_judged() -> None:
    record = one(asked(), LEASE)
    assert (record.judged, record.scores, faults(record)) == (False, {}, ())
    assert record.found[0].source == "lease.pdf"


def test_metrics_go_as_far_as_is_searched() -> None:
    scores = one(asked(Place("lease.pdf")), LEASE, k=4).scores
    assert [name for name in scores if name.startswith("recall")] == ["recall@1", "recall@3", "recall@4"]
    assert "mrr@4" in scores


# Answers


def test_an_answer_is_compared_and_its_citation_checked() -> None:
    question = asked(Place("lease.pdf", 3), answers=("1,200 euros",))
    scores = one(question, LEASE, answers=True, said="The deposit is 1200 euros.").scores
    assert (scores["answered"], scores["answer_contains"], scores["cites_gold"], scores["supported"]) == (1, 1, 1, 1)
    assert scores["answer_f1"] == pytest.approx(2 * 2 / (4 + 2))


def test_an_answer_that_cites_another_page_does_not_cite_gold() -> None:
    question = asked(Place("lease.pdf", 2))
    assert one(question, OTHER, LEASE, answers=True, said="So.").scores["cites_gold"] == 0
    assert one(question, OTHER, LEASE, answers=True, said="So.", cited=2).scores["cites_gold"] == 1


def test_an_abstention_answers_and_cites_nothing() -> None:
    """Its fixed sentence has words that an answer may have too."""
    record = one(asked(Place("lease.pdf"), answers=("say",)), LEASE, answers=True)
    assert {name: record.scores[name] for name in ("answered", "answer_contains", "answer_f1", "cites_gold")} == {
        "answered": 0, "answer_contains": 0, "answer_f1": 0, "cites_gold": 0
    }  # fmt: skip
    assert "supported" not in record.scores
    assert faults(record) == ("abstained",)


def test_the_model_that_is_named_answers() -> None:
    engine = ScriptedEngine({"How much?": [LEASE]})
    run = evaluate(engine, Dataset("set", (asked(),)), answers=True, model="tiny")
    assert (engine.asked, run.model) == ([("How much?", "tiny")], "tiny")


# All questions


def test_a_run_says_what_it_was_made_with_and_which_sources_are_not_there() -> None:
    engine = ScriptedEngine({"How much?": [LEASE]})
    seen: list[tuple[int, int]] = []
    questions = (asked(Place("lease.pdf")), asked(Place("gone.pdf"), Place("gone.pdf", 2)))
    run = evaluate(engine, Dataset("mine", questions), 5, progress=lambda done, of: seen.append((done, of)))
    assert (run.name, run.k, run.embedder, run.model, run.unknown) == ("mine", 5, "fake", "", ("gone.pdf",))
    assert engine.searched[0][1] == 5
    assert seen == [(1, 2), (2, 2)]
    assert latency(run) == {"p50": 0.25, "p95": 0.25}


def test_questions_can_be_kept_to_their_own_files() -> None:
    engine = ScriptedEngine({"How much?": [LEASE]})
    question = asked(Place("lease.pdf", 2), Place("lease.pdf", 3))
    evaluate(engine, Dataset("mine", (question,)), answers=True, filters=own_sources)
    assert [filters for *_, filters in engine.searched] == [Filters(within=("lease.pdf",))]
    assert engine.filtered == [Filters(within=("lease.pdf",))]


def test_a_question_that_cannot_be_searched_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UsageError("Nothing is indexed under 'x'.", hint="`cita list` shows what is.")

    engine = ScriptedEngine({"How much?": [LEASE]})
    monkeypatch.setattr(engine, "search", refuse)
    with pytest.raises(UsageError, match=r"Question 'How much\?': Nothing is indexed under 'x'") as raised:
        evaluate(engine, Dataset("set", (asked(),)))
    assert raised.value.hint


def test_nothing_indexed_is_an_error_with_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ScriptedEngine({})
    status = Status("/home", (), {}, 0, "", "exact", "extractive", "0.1.0", True, ())
    monkeypatch.setattr(engine, "status", lambda: status)
    with pytest.raises(CitaError, match="Nothing is indexed"):
        evaluate(engine, Dataset("set", (asked(),)))


GOLD = tuple(Question(str(n), f"Question {n}?", {f"p{n}": 1}) for n in range(4))
PASSAGES = tuple(GivenPassage(f"p{n}", "text", "", "doc") for n in range(4))
GIVEN = Dataset("given", (*GOLD, Question("u", "Unanswerable?", unanswerable=True)), PASSAGES)


def given_run(**ranking: list[str]) -> Run:
    return evaluate_ranking(GIVEN, lambda question: ranking.get(f"q{question[9]}", []), 10)


def test_rankings_of_given_passages_are_summed_up_in_the_order_in_which_they_are_read() -> None:
    run = given_run(q0=["p0"], q1=["p3", "p1"], q2=["p2", "p0"])
    metrics = summary(run)
    assert list(metrics)[:4] == ["recall@1", "recall@3", "recall@5", "recall@10"]
    assert list(metrics)[-2:] == ["mrr@10", "ndcg@10"]
    assert (metrics["recall@1"].value, metrics["recall@3"].value, metrics["mrr@10"].value) == (0.5, 0.75, 0.625)
    assert metrics["recall@1"].n == 4
    assert ranks(run) == {1: 2, 2: 1, **dict.fromkeys(range(3, 11), 0), None: 1}
    assert [recall_curve(run)[k] for k in (1, 2, 10)] == [0.5, 0.75, 0.75]


def test_failures_come_worst_first() -> None:
    run = given_run(q0=["p0"], q1=["p3", "p1"], q2=["p1", "p0", "p2"])
    assert [record.id for record in failures(run)] == ["3", "2", "1"]
    assert [faults(record) for record in failures(run)] == [("not-found",), ("not-first",), ("not-first",)]


@pytest.mark.parametrize(
    ("question", "said", "found", "fault"),
    [
        (asked(unanswerable=True), "12.", LEASE, ("said-unanswerable",)),
        (asked(answers=("1200 euros",)), "Twelve.", LEASE, ("wrong-answer",)),
        (asked(Place("lease.pdf")), "Twelve.", NOTE, ("not-found", "cites-elsewhere")),
    ],
)
def test_an_answer_that_is_amiss_is_a_failure(
    question: Question, said: str, found: object, fault: tuple[str, ...]
) -> None:
    assert faults(one(question, found, said=said, answers=True)) == fault


def test_runs_are_compared_on_the_questions_that_they_share() -> None:
    before = given_run(q0=["p3", "p0"], q1=["p1"])
    after = given_run(q0=["p0"], q1=["p1"], q2=["p2"])
    found = compare_runs(before, replace(after, records=after.records[:3]))["recall@1"]
    assert (found.before, found.after, found.better, found.worse, found.n) == (1 / 3, 1, 2, 0, 3)
    assert found.p == 0.5


def test_runs_without_a_common_question_are_not_compared() -> None:
    run = given_run(q0=["p0"])
    with pytest.raises(UsageError, match="no question in common"):
        compare_runs(run, replace(run, records=()))


# Kept in a file


def test_a_kept_run_is_read_again_as_it_was(tmp_path: Path) -> None:
    engine = ScriptedEngine({"How much?": [LEASE, OTHER]}, {"How much?": "1,200 euros."})
    questions = (asked(Place("lease.pdf", 2), answers=("1,200 euros",)), asked(unanswerable=True))
    run = evaluate(engine, Dataset("mine", questions), answers=True)
    value = to_json(run, before=run)
    (tmp_path / "run.json").write_text(json.dumps(value), encoding="utf-8")
    assert read_run(tmp_path / "run.json") == run
    assert value["metrics"]["recall@1"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 1}
    assert value["comparison"]["metrics"]["recall@1"]["p"] == 1.0
    assert value["questions"][1]["faults"] == ("said-unanswerable",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        '{"questions": [3], "unknown": []}',
        "{}",
        '{"questions": [{}]}',
        '{"questions": [], "unknown": 3}',
    ],
)
def test_a_file_that_is_no_run_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be read"):
        read_run(tmp_path / "run.json")
    with pytest.raises(UsageError, match="No such file"):
        read_run(tmp_path / "none.json")
