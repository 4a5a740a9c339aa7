"""A reranker is measured on questions before it is switched on."""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from engine import Engine, open_engine
from evaluation.dataset import Dataset, Place, Question
from evaluation.rerankers import PROBED, described, fingerprint, is_measurable, measure
from rag import rerankers
from rag.types import RerankerInfo, Verdict
from settings import Rerank, Settings
from tests.reranker_gguf import reranker_gguf

SUBJECTS = ("deposit", "garden", "parking", "heating", "garage", "balcony", "cellar", "lift")
DATASET = Dataset("own", tuple(Question(s, f"Who pays for the {s}?", {}, (Place(f"{s}-rule.txt"),)) for s in SUBJECTS))


class Words:
    """Scores by hand: 1 for a passage that has the word. `asked` is every question."""

    word, pause = "tenant", 0.0
    asked: list[str]

    def __init__(self, path: Path, _: object) -> None:
        self.path = path

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        self.asked.append(question)
        time.sleep(self.pause)
        return [float(self.word in text) for text in texts]

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home where the file that has each question's own words is not the one that answers it."""
    settings = Settings.load(tmp_path_factory.mktemp("indexed"))
    settings.library.mkdir()
    settings.models.mkdir()
    for subject in SUBJECTS:
        (settings.library / f"{subject}-talk.txt").write_text(f"Who pays for the {subject}? Nobody knows who pays.")
        (settings.library / f"{subject}-rule.txt").write_text(f"The {subject} is at the expense of the tenant.")
    reranker_gguf(settings.models / "words.gguf")
    with closing(open_engine(settings)) as engine:
        engine.index()
    return settings.home


@pytest.fixture
def settings(indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(rerankers, "GgufScorer", Words)
    monkeypatch.setattr(Words, "asked", [], raising=False)
    shutil.copytree(indexed, tmp_path / "home")
    return Settings.load(tmp_path / "home", rerank=Rerank(weight=2.0))


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    with closing(open_engine(settings)) as engine:
        yield engine


def the_reranker(engine: Engine) -> RerankerInfo:
    [reranker] = engine.status().rerankers
    return reranker


def first(engine: Engine, question: str) -> str:
    return engine.search(question).hits[0].passage.path


def test_one_that_helps_is_switched_on_and_says_by_how_much(engine: Engine, settings: Settings) -> None:
    assert first(engine, "Who pays for the garden?") == "garden-talk.txt"
    verdict = measure(engine, DATASET, the_reranker(engine), seconds=0.5)
    assert (verdict.n, verdict.before, verdict.after) == (len(SUBJECTS), 0.5, 1.0)
    assert verdict.p == 2 / 2 ** len(SUBJECTS)
    assert verdict.questions == fingerprint(DATASET)
    engine.keep_verdict(verdict)
    assert the_reranker(engine).active
    assert "0.500 without, 1.000 with it" in described(the_reranker(engine))
    assert first(engine, "Who pays for the garden?") == "garden-rule.txt"
    assert "garden" not in (settings.models / "rerankers.json").read_text()  # a home's questions are nobody's business


def test_one_that_does_not_help_stays_off(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Words, "word", "Nobody")
    verdict = measure(engine, DATASET, the_reranker(engine), seconds=0.5)
    assert verdict.after < verdict.before
    engine.keep_verdict(verdict)
    assert the_reranker(engine).reason == "no-gain"
    assert first(engine, "Who pays for the garden?") == "garden-talk.txt"


def test_one_that_takes_far_too_long_is_asked_a_few_questions_only(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Words, "pause", 0.2)
    verdict = measure(engine, DATASET, the_reranker(engine), seconds=0.01)
    assert verdict.n == PROBED
    assert verdict.seconds >= 0.15
    assert {*Words.asked} == {question.text for question in DATASET.questions[:PROBED]}


def test_one_that_is_slower_than_may_be_stays_off(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Words, "pause", 0.05)
    engine.keep_verdict(measure(engine, DATASET, the_reranker(engine), seconds=10))
    assert the_reranker(engine).reason == "helps"
    engine.close()
    impatient = settings.model_copy(update={"rerank": Rerank(weight=2.0, seconds=0.02)})
    with closing(open_engine(impatient)) as engine:
        assert the_reranker(engine).reason == "slow"
        assert first(engine, "Who pays for the garden?") == "garden-talk.txt"


def test_the_fingerprint_is_of_the_questions_and_their_answers_in_any_order() -> None:
    turned = Dataset("other name", DATASET.questions[::-1])
    fewer = Dataset("own", DATASET.questions[1:])
    assert fingerprint(turned) == fingerprint(DATASET) != fingerprint(fewer)


def test_questions_without_known_answers_measure_nothing() -> None:
    assert is_measurable(DATASET)
    assert not is_measurable(Dataset("own", (Question("1", "Why?"), Question("2", "Who?", unanswerable=True))))


def test_each_reason_is_said_in_words() -> None:
    verdict = Verdict("/m.gguf", "", "", "", 40, 0.6, 0.7, 0.01, 0.123, "")
    said = {
        reason: described(RerankerInfo("m", "/m.gguf", False, reason, verdict))  # type: ignore[arg-type]
        for reason in ("helps", "no-gain", "slow", "set", "not-set")
    }
    assert len({*said.values()}) == len(said)
    assert all("+123 ms a search" in text for text in said.values())
    assert "cita eval" in described(RerankerInfo("m", "/m.gguf", False, "unmeasured"))


def test_a_measurement_can_be_stopped_at_any_search(engine: Engine) -> None:
    told: list[tuple[int, int]] = []
    measure(engine, DATASET, the_reranker(engine), 10, lambda *where: told.append(where))
    asked = len(SUBJECTS)
    assert len(told) == 3 * PROBED + 3 * asked
    assert told[-asked:] == [(n, asked) for n in range(1, asked + 1)]  # those with it count
    assert set(told[:-asked]) == {(0, asked)}
