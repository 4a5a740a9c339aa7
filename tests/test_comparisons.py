"""Side by side through the engine: two real models, the same passages, what each took, through every door."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from engine import Engine, open_engine
from errors import UsageError
from rag.types import Comparison, ComparisonFinished, Contended, Contender, ContenderFailed, Retrieved
from settings import History, Settings
from tests.test_profiles import QUESTION, Write, engine, write

__all__ = ["engine", "write"]


def compared(engine: Engine, *contenders: Contender) -> Comparison:
    *_, last = engine.compare(QUESTION, contenders)
    assert isinstance(last, ComparisonFinished)
    assert last.problem == ""
    return last.comparison


def test_two_models_answer_from_the_same_passages_and_say_what_it_took(engine: Engine) -> None:
    events = list(engine.compare(QUESTION, [Contender("one"), Contender("extractive")]))
    found = [
        (event.n, [hit.passage.id for hit in event.of.hits])
        for event in events
        if isinstance(event, Contended) and isinstance(event.of, Retrieved)
    ]
    assert [n for n, _ in found] == [0, 1]
    assert found[0][1] == found[1][1] != []
    (kept,) = engine.comparisons()
    first, second = (one.answer for one in kept.contenders)
    assert first is not None
    assert second is not None
    assert (first.model, second.model) == ("one", "extractive")
    assert first.usage is not None
    assert second.usage is not None
    assert first.usage.tokens_per_second
    assert second.usage.prompt is None
    engine.prefer(kept.id, 1)
    assert engine.comparisons()[0].better == 1
    engine.delete_comparisons([kept.id])
    assert engine.comparisons() == []


def test_a_model_is_loaded_before_its_time_is_taken(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Sequence[str] = []
    from rag.generate import LlamaGenerator

    live = LlamaGenerator._live_worker

    def loading(self: LlamaGenerator) -> object:
        if self._worker is None:
            asked.append(self.info.name)  # type: ignore[attr-defined]
        return live(self)

    monkeypatch.setattr(LlamaGenerator, "_live_worker", loading)
    order: list[object] = []
    for event in engine.compare(QUESTION, [Contender("one"), Contender("two")]):
        if isinstance(event, Contended) and isinstance(event.of, Retrieved):
            order.append((event.n, list(asked)))
    assert order == [(0, ["one"]), (1, ["one", "two"])]


def test_profiles_compete_with_what_they_set_and_models_without_the_one_that_is_set(
    engine: Engine, write: Write
) -> None:
    write('[answer]\nprofile = "brief"\n[profiles.brief]\nmodel = "one"\nk = 2\n')
    brief, plain = compared(engine, Contender(profile="brief"), Contender("one")).contenders
    assert brief.answer is not None
    assert plain.answer is not None
    assert brief.answer.usage is not None
    assert plain.answer.usage is not None
    assert (brief.model, brief.profile, plain.profile) == ("one", "brief", "")
    assert (brief.answer.usage.parameters["k"], plain.answer.usage.parameters["k"]) == (2, 8)
    assert (brief.answer.usage.profile, plain.answer.usage.profile) == ("brief", "")


def test_one_whose_file_is_gone_is_told_of_and_the_other_answers(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "one.gguf").unlink()
    failed, *_ = engine.compare(QUESTION, [Contender("one"), Contender("two")])
    assert isinstance(failed, ContenderFailed)
    assert "one.gguf" in failed.error
    gone, there = engine.comparisons()[0].contenders
    assert gone.error == failed.error
    assert there.answer is not None


def test_other_doors_compare_as_well(engine: Engine, ready_settings: Settings) -> None:
    with closing(open_engine(ready_settings)) as other:
        kept = compared(other, Contender("one"), Contender("two"))
        other.prefer(kept.id, 0)
        assert other.comparisons() == engine.comparisons()
        with pytest.raises(UsageError, match="needs two"):
            list(other.compare(QUESTION, [Contender("one")]))
        other.delete_comparisons([kept.id])
        assert engine.comparisons() == []


def test_nothing_is_kept_where_history_is_off(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    off = engine._settings.model_copy(update={"history": History(on=False)})  # type: ignore[attr-defined]
    monkeypatch.setattr(engine, "_settings", off)
    assert compared(engine, Contender("one"), Contender("extractive")).id == ""
    assert engine.comparisons() == []
