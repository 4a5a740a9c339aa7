"""A cross-encoder is measured on questions before it is recommended."""

from pathlib import Path

import pytest

from engine import open_engine
from evaluation.dataset import read_questions
from evaluation.metrics import Comparison
from evaluation.rerankers import compare_reranker, helps
from rag import cross_encoder
from settings import Settings
from tests.rag.test_cross_encoder import model_folder


def test_both_runs_are_over_the_same_questions_and_only_one_uses_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Path] = []
    load = cross_encoder._load
    monkeypatch.setattr(cross_encoder, "_load", lambda folder: loaded.append(folder) or load(folder))
    settings = Settings.load(tmp_path / "home")
    settings.library.mkdir(parents=True)
    for name, text in (("lease", "The notice period is thirty days."), ("dogs", "Dogs bark at the notice board.")):
        (settings.library / f"{name}.txt").write_text(text)
    engine = open_engine(settings)
    engine.index()
    engine.close()
    questions = tmp_path / "questions.jsonl"
    questions.write_text('{"question": "What is the notice period?", "source": "lease.txt"}\n')
    dataset = read_questions(questions)
    without, with_model = compare_reranker(settings, dataset, str(model_folder(tmp_path / "model")))
    assert [record.question for record in without.records] == [record.question for record in with_model.records]
    assert loaded == [tmp_path / "model"]


@pytest.mark.parametrize(
    ("before", "after", "p", "expected"),
    [(0.5, 0.7, 0.01, True), (0.5, 0.7, 0.2, False), (0.7, 0.5, 0.01, False)],
)
def test_it_helps_if_it_gains_by_more_than_chance(before: float, after: float, p: float, expected: bool) -> None:
    assert helps({"MRR@10": Comparison(before, after, p, 100, 30, 10)}) is expected
    assert not helps({})
