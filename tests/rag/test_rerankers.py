"""A reranker works where it was measured to help, or where the settings name it; what was measured holds for the very
files, embedder and settings that it was measured with."""

import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from errors import UsageError
from models.registry import Registry
from rag.cross_encoder import CrossEncoderReranker
from rag.rerank import LateFeatures
from rag.rerankers import Rerankers
from rag.types import RerankerInfo, Verdict
from settings import Rerank, Settings
from tests.gguf_files import tiny_gguf
from tests.reranker_gguf import reranker_gguf

EMBEDDER = "words/1"


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """With a generator, two GGUF rerankers and a folder of a cross-encoder among its models."""
    settings = Settings.load(tmp_path / "home")
    settings.models.mkdir(parents=True)
    tiny_gguf(settings.models / "writer.gguf")
    reranker_gguf(settings.models / "one.gguf", seed=3)
    reranker_gguf(settings.models / "two.gguf", seed=4)
    folder_of(settings.models / "folder", "BertForSequenceClassification", 1)
    return settings


def folder_of(folder: Path, kind: str, labels: int) -> Path:
    folder.mkdir()
    config = {"architectures": [kind], "id2label": {str(n): f"LABEL_{n}" for n in range(labels)}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def rerankers(home: Settings, **rerank: object) -> Rerankers:
    settings = home.model_copy(update={"rerank": Rerank(**rerank)})
    return Rerankers(settings, Registry(settings.models))


def verdict(known: Rerankers, name: str, before: float = 0.6, after: float = 0.7, **more: object) -> Verdict:
    info = named(known, name)
    found = Verdict(info.path, info.fingerprint, EMBEDDER, "ab", 40, before, after, 0.01, 0.1, "2026-01-02T03:04:05")
    return replace(found, **more)  # type: ignore[arg-type]


def named(known: Rerankers, name: str, embedder: str = EMBEDDER) -> RerankerInfo:
    return next(one for one in known.known(embedder) if Path(one.path).stem == name)


def test_those_that_rank_are_known_and_none_works_before_it_is_measured(home: Settings) -> None:
    folder_of(home.models / "entailment", "BertForSequenceClassification", 3)
    folder_of(home.models / "masked", "BertForMaskedLM", 1)
    known = rerankers(home)
    assert {Path(one.path).name for one in known.known(EMBEDDER)} == {"one.gguf", "two.gguf", "folder"}
    assert {(one.active, one.reason) for one in known.known(EMBEDDER)} == {(False, "unmeasured")}
    assert isinstance(known.open(EMBEDDER), LateFeatures)


def test_one_that_helps_works_by_itself_also_in_the_next_process(home: Settings) -> None:
    known = rerankers(home)
    known.keep(verdict(known, "one"))
    for again in (known, rerankers(home)):
        assert named(again, "one").active
        assert named(again, "one").reason == "helps"
        assert isinstance(again.open(EMBEDDER), CrossEncoderReranker)
        assert again.open(EMBEDDER) is again.open(EMBEDDER)  # one model in memory
        assert isinstance(again.open(EMBEDDER, "off"), LateFeatures)


@pytest.mark.parametrize(
    ("measured", "reason"),
    [
        pytest.param({"p": 0.05}, "no-gain", id="may be chance"),
        pytest.param({"before": 0.7, "after": 0.6}, "no-gain", id="worse"),
        pytest.param({"seconds": 0.6}, "slow", id="too slow"),
    ],
)
def test_one_that_does_not_help_or_is_too_slow_stays_off_and_says_why(
    home: Settings, measured: dict[str, float], reason: str
) -> None:
    known = rerankers(home)
    known.keep(replace(verdict(known, "one"), **measured))
    assert named(known, "one").reason == reason
    assert not named(known, "one").active
    assert isinstance(known.open(EMBEDDER), LateFeatures)


def test_of_several_that_help_the_one_that_gains_most_works(home: Settings) -> None:
    known = rerankers(home)
    known.keep(verdict(known, "one", after=0.7))
    known.keep(verdict(known, "two", after=0.8))
    assert [named(known, name).active for name in ("one", "two")] == [False, True]
    known.keep(verdict(known, "two", after=0.5))  # measured again
    assert [named(known, name).active for name in ("one", "two")] == [True, False]


def test_a_change_of_model_embedder_or_its_use_forgets_what_was_measured(home: Settings) -> None:
    known = rerankers(home)
    known.keep(verdict(known, "one"))
    assert named(known, "one", embedder="another").reason == "unmeasured"
    assert named(rerankers(home, best=10), "one").reason == "unmeasured"
    assert named(rerankers(home, weight=0.3), "one").reason == "unmeasured"
    assert named(known, "one").reason == "helps"
    reranker_gguf(home.models / "one.gguf", seed=9)
    os.utime(home.models / "one.gguf", ns=(1, 1))  # of the same size, another time
    assert named(known, "one").reason == "unmeasured"
    assert isinstance(known.open(EMBEDDER), LateFeatures)


def test_what_is_set_by_hand_overrides_what_was_measured(home: Settings, tmp_path: Path) -> None:
    measured = rerankers(home)
    measured.keep(verdict(measured, "one"))
    off = rerankers(home, model="off")
    assert isinstance(off.open(EMBEDDER), LateFeatures)
    assert {(one.active, one.reason) for one in off.known(EMBEDDER)} == {(False, "not-set")}
    reranker_gguf(tmp_path / "elsewhere.gguf")
    registered = Registry(home.models).add(tmp_path / "elsewhere.gguf").name
    for model in ("two.gguf", "folder", registered, str(tmp_path / "elsewhere.gguf")):
        by_hand = rerankers(home, model=model)
        assert isinstance(by_hand.open(EMBEDDER), CrossEncoderReranker)
        active = [one for one in by_hand.known(EMBEDDER) if one.active]
        assert [one.reason for one in active] == ["set"]
        assert Path(active[0].path).name == {registered: "elsewhere.gguf"}.get(model, Path(model).name)


@pytest.mark.parametrize("model", ["none-such", "writer", "extractive"])
def test_a_name_that_is_no_reranker_is_an_error_that_says_what_to_set(home: Settings, model: str) -> None:
    with pytest.raises(UsageError, match=f"no reranker '{model}'") as error:
        rerankers(home, model=model).open(EMBEDDER)
    assert "rerank.model" in error.value.hint


def test_a_damaged_file_of_verdicts_is_measured_anew(home: Settings, caplog: pytest.LogCaptureFixture) -> None:
    known = rerankers(home)
    (home.models / "rerankers.json").write_text('{"verdicts": [{"path": 1}]}')
    with caplog.at_level(logging.WARNING):
        assert named(known, "one").reason == "unmeasured"
    assert "cita eval" in caplog.text
    known.keep(verdict(known, "one"))
    assert named(known, "one").reason == "helps"
