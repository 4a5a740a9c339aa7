"""Models and profiles in one table: counted right, kept as it goes, used again while nothing it depends on changed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine import Engine
from errors import ModelNotFoundError, UsageError
from evaluation.compare import (
    FILE,
    KeptResults,
    Result,
    compare_on,
    fingerprint,
    result_of,
    standing,
    standings,
)
from evaluation.dataset import parse_questions
from rag.types import ALIKE, Answer, AnswerSentence, Citation, Comparison, Contender, Timings, Usage
from settings import Settings
from tests.test_profiles import Write, engine, write

__all__ = ["engine", "write"]

QUESTIONS = b"""{"question": "What is the notice period?", "answers": ["thirty days"]}
{"question": "Who won the world cup in 1998?", "unanswerable": true}
{"question": "How much is the deposit?", "answers": ["1,200 euros"], "source": "lease.md"}
"""
DATASET = parse_questions(QUESTIONS, "own.jsonl")
QUOTE = Citation(1, "lease-0", "lease.md", None, "", "thirty days", 0, 11, True)


def said(model: str, *supported: bool, abstained: bool = False, speed: float = 10.0) -> Answer:
    sentences = tuple(AnswerSentence("It is thirty days.", (1,), each) for each in supported)
    citations = tuple(replace(QUOTE, n=n, supported=each, verdict=None) for n, each in enumerate(supported, 1))
    usage = Usage(10, 0, 10, 0.1, 10 / speed)
    return Answer("?", "It is.", abstained, citations, sentences, model, Timings(0.1, 0.2, 0.5), usage=usage)


def comparison(better: int | None, *contenders: Contender) -> Comparison:
    return Comparison("v1", "2026-01-01T00:00:00+00:00", "?", contenders, better=better)


def test_a_table_counts_what_the_answers_say() -> None:
    results = [
        replace(result_of(said("x", True, False, speed=10)), scores={"answer_contains": 1.0, "answer_f1": 0.5}),
        replace(result_of(said("x", True, speed=30)), scores={"answer_contains": 0.0, "answer_f1": 0.0}),
        replace(result_of(said("x", True, abstained=True, speed=20)), scores={"abstained": 1.0}),
    ]
    found = standing(Contender("x"), results)
    assert (found.questions, found.answered, found.abstained) == (3, 2, 1)
    assert (found.right, found.f1, found.refused) == (0.5, 0.25, 1.0)
    assert found.citation_precision == found.supported == pytest.approx(2 / 3)  # an abstention cites nothing
    assert found.tokens_per_second == pytest.approx(20.0)
    assert (found.first_token, found.seconds) == (0.2, 0.5)


def test_the_app_s_comparisons_say_who_was_preferred() -> None:
    small, deep = Contender("small", answer=said("small", True)), Contender("large", "deep", said("large", True, True))
    broken = Contender("small", error="Its file is gone.")
    judged = [
        comparison(1, small, deep), comparison(0, deep, small), comparison(ALIKE, small, deep),
        comparison(None, broken, deep),
    ]  # fmt: skip
    first, second = standings(judged)
    assert (first.name, first.model, first.questions, first.supported) == ("deep", "large", 4, 1.0)
    assert (first.preferred, first.alike, first.beaten) == (2, 1, 0)
    assert (second.name, second.questions) == ("small", 3)  # where it failed it said nothing
    assert (second.preferred, second.alike, second.beaten) == (0, 1, 2)
    assert standings([]) == []


def table(engine: Engine, settings: Settings, kept: KeptResults, *names: str) -> list[object]:
    models = engine.models()
    contenders = [Contender(profile=name) if name in settings.profiles else Contender(name) for name in names]
    return list(compare_on(engine, DATASET, contenders, lambda one: fingerprint(settings, one, models), kept))


def test_real_models_are_measured_and_what_was_answered_is_not_asked_again(
    engine: Engine, ready_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ready_settings.index / FILE
    first = table(engine, ready_settings, KeptResults(file), "one", "extractive")
    model, extractive = compare_on(
        engine, DATASET, [Contender("one"), Contender("extractive")], lambda one: one.model, None
    )
    assert (model.questions, model.right, model.refused) == (3, 0.5, 1.0)  # it only ever says the notice period
    assert model.tokens_per_second
    assert (extractive.right, extractive.refused, extractive.citation_precision) == (1.0, 1.0, 1.0)
    assert extractive.tokens_per_second is None
    assert "thirty" not in file.read_text("utf-8")  # numbers only
    assert file.stat().st_mode & 0o077 == 0

    monkeypatch.setattr(engine, "ask", None)
    kept = KeptResults(file)
    assert table(engine, ready_settings, kept, "one", "extractive") == first
    assert kept.used == 6


def test_a_run_that_was_stopped_goes_on_from_there(
    engine: Engine, ready_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, asked, ask = ready_settings.index / FILE, list[str](), engine.ask

    def asking(question: str, **how: object) -> Iterator[object]:
        if len(asked) == 4:
            raise KeyboardInterrupt
        asked.append(question)
        return ask(question, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "ask", asking)
    with pytest.raises(KeyboardInterrupt):
        table(engine, ready_settings, KeptResults(file), "extractive", "one")
    with file.open("a") as opened:
        opened.write('["cut in the midd')
    asked.clear()
    again = KeptResults(file)
    table(engine, ready_settings, again, "extractive", "one")
    assert (len(asked), again.used) == (2, 4)


def test_what_an_answer_depends_on_makes_another_question_of_it(
    engine: Engine, ready_settings: Settings, write: Write
) -> None:
    def of(one: Contender) -> str:
        return fingerprint(Settings.load(ready_settings.home), one, engine.models())

    write('[profiles.deep]\nmodel = "one"\n')
    before = of(Contender(profile="deep")), of(Contender("one"))
    assert before[0] == before[1]  # the same model by the same settings
    write('[profiles.deep]\nmodel = "one"\nk = 3\n')
    assert of(Contender(profile="deep")) != before[0]
    assert of(Contender("one")) == before[1] != of(Contender("two"))
    file = ready_settings.index / FILE
    table(engine, ready_settings, KeptResults(file), "extractive")
    (ready_settings.library / "lease.md").write_text("# Lease\n\nThe notice period is sixty days.\n")
    engine.index()
    changed = KeptResults(file)
    table(engine, ready_settings, changed, "extractive")
    assert changed.used == 0


def test_a_model_that_is_gone_ends_the_run_and_says_so(
    engine: Engine, ready_settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "one.gguf").unlink()
    kept = KeptResults(ready_settings.index / FILE)
    with pytest.raises(ModelNotFoundError, match="is gone"):
        table(engine, ready_settings, kept, "extractive", "one")
    table(engine, ready_settings, kept, "extractive")
    assert kept.used == 3


def test_a_question_that_cannot_be_asked_is_named(engine: Engine) -> None:
    wrong = parse_questions(b'{"question": "notice in:absent.md"}', "own.jsonl")
    with pytest.raises(UsageError, match=r"Question 'notice in:absent\.md'"):
        compare_on(engine, wrong, [Contender("extractive"), Contender("one")], lambda one: one.model)


def test_results_of_another_version_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / FILE
    kept = KeptResults(file)
    kept.put("a", Result(True, 0, 0, 0, 0, 0.5))
    with file.open("a") as opened:
        opened.write('["b", {"speed": 3}]\n[3]\nnull\n\xff\n')
    again = KeptResults(file)
    assert again.get("a") == Result(True, 0, 0, 0, 0, 0.5)
    assert again.get("b") is None
