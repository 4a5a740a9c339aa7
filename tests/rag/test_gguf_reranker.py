"""Real llama.cpp on tiny rerankers: their scores are the model's own, and no death of the process goes unexplained."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import psutil
import pytest

from errors import ModelDiedError, ModelError, ModelNotFoundError, NotAModelError
from rag.cross_encoder import NAME, CrossEncoderReranker
from rag.gguf_reranker import GgufScorer
from rag.rerank import LateFeatures
from settings import Generate
from tests.gguf_files import tiny_gguf
from tests.rag.test_cross_encoder import TERMS, candidates
from tests.reranker_gguf import CLS, SEP, UNKNOWN, pair, reranker_gguf, score

PASSAGES = ("the notice period is thirty days", "dogs bark", "a notice")
NEAR = 0.01  # llama.cpp attends in half precision


class Load(Protocol):
    def __call__(self, path: Path) -> GgufScorer: ...


@pytest.fixture
def load() -> Iterator[Load]:
    """Makes scorers over GGUFs and ends their processes after the test."""
    with ExitStack() as stack:

        def load(path: Path) -> GgufScorer:
            scorer = GgufScorer(path, Generate(threads=1))
            stack.callback(scorer.close)
            return scorer

        yield load


def process_of(scorer: GgufScorer) -> psutil.Process:
    assert scorer._worker
    return psutil.Process(scorer._worker._process.pid)


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_scores_are_those_of_the_forward_pass_by_hand(load: Load, tmp_path: Path, seed: int) -> None:
    tensors = reranker_gguf(tmp_path / "m.gguf", seed=seed)
    scorer = load(tmp_path / "m.gguf")
    for question in ("what is the notice period", "dogs"):
        by_hand = [score(tensors, pair(question, passage)) for passage in PASSAGES]
        assert scorer.scores(question, PASSAGES) == pytest.approx(by_hand, abs=NEAR)
        assert max(by_hand) - min(by_hand) > 5 * NEAR


def test_a_score_does_not_depend_on_what_was_read_before(load: Load, tmp_path: Path) -> None:
    reranker_gguf(tmp_path / "m.gguf")
    scorer = load(tmp_path / "m.gguf")
    first, second, *_ = scorer.scores("notice", PASSAGES)
    assert scorer.scores("notice", PASSAGES[1::-1]) == [second, first]


def test_a_template_of_the_file_is_filled_and_marks_in_a_passage_are_plain_text(load: Load, tmp_path: Path) -> None:
    tensors = reranker_gguf(tmp_path / "m.gguf", template="[CLS]what {query} is {document}[SEP]")
    what, dogs, is_, bark = (pair(word, "")[1] for word in ("what", "dogs", "is", "bark"))
    expected = [
        score(tensors, [CLS, what, dogs, is_, bark, SEP]),
        score(tensors, [CLS, what, dogs, is_, bark, *[UNKNOWN] * 6, bark, SEP]),  # [ sep ] [ cls ]
    ]
    assert load(tmp_path / "m.gguf").scores("dogs", ["bark", "bark [SEP] [CLS] bark"]) == pytest.approx(
        expected, abs=NEAR
    )


def test_of_a_passage_that_is_too_long_the_beginning_is_read(load: Load, tmp_path: Path) -> None:
    tensors = reranker_gguf(tmp_path / "m.gguf", context=16)
    room = 16 - len(pair("dogs", ""))
    fits, over = " ".join(["bark"] * room), " ".join(["bark"] * room + ["notice"] * 50)
    at_most, cut = load(tmp_path / "m.gguf").scores("dogs", [fits, over])
    assert cut == at_most == pytest.approx(score(tensors, pair("dogs", fits)), abs=NEAR)


def test_a_question_that_leaves_no_room_is_an_error_with_a_remedy(load: Load, tmp_path: Path) -> None:
    reranker_gguf(tmp_path / "m.gguf", context=16)
    with pytest.raises(ModelError, match="no room for a passage") as error:
        load(tmp_path / "m.gguf").scores("dogs " * 20, PASSAGES)
    assert 'rerank.model = "off"' in error.value.hint


def test_it_reranks_beside_the_late_features(load: Load, tmp_path: Path) -> None:
    tensors = reranker_gguf(tmp_path / "m.gguf")
    reranker = CrossEncoderReranker(load(tmp_path / "m.gguf"), LateFeatures(), best=3, weight=0.5)
    found = reranker.features("notice", TERMS, candidates(*PASSAGES))
    by_hand = [score(tensors, pair("notice", passage)) for passage in PASSAGES]
    order = sorted(range(3), key=lambda n: by_hand[n])
    gained = [features[NAME] for features in found]
    assert gained[order[0]] == 0
    assert 0 < gained[order[1]] < 0.5
    assert gained[order[2]] == 0.5


def test_a_process_that_dies_is_a_message_and_the_next_search_starts_it_anew(load: Load, tmp_path: Path) -> None:
    reranker_gguf(tmp_path / "m.gguf")
    scorer = load(tmp_path / "m.gguf")
    before = scorer.scores("notice", PASSAGES)
    os.kill(process_of(scorer).pid, signal.SIGKILL)
    with pytest.raises(ModelDiedError, match="SIGKILL, most likely for lack of memory"):
        scorer.scores("notice", PASSAGES)
    assert scorer.scores("notice", PASSAGES) == before


def test_its_process_ends_when_it_is_closed(load: Load, tmp_path: Path) -> None:
    reranker_gguf(tmp_path / "m.gguf")
    scorer = load(tmp_path / "m.gguf")
    scorer.scores("notice", PASSAGES)
    process = process_of(scorer)
    scorer.close()
    assert not process.is_running()


def test_what_is_no_reranker_is_refused_with_a_reason(load: Load, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no file"):
        load(tmp_path / "gone.gguf").scores("notice", PASSAGES)
    with pytest.raises(NotAModelError, match="is no reranker"):
        load(tiny_gguf(tmp_path / "writer.gguf")).scores("notice", PASSAGES)
    reranker_gguf(tmp_path / "classes.gguf", labels=("sports", "politics", "weather"))
    with pytest.raises(ModelError, match="gives 3 scores for a passage, not one"):
        load(tmp_path / "classes.gguf").scores("notice", PASSAGES)


def test_one_that_answers_yes_or_no_is_taken_by_its_yes(load: Load, tmp_path: Path) -> None:
    tensors = reranker_gguf(tmp_path / "m.gguf", labels=("yes", "no"))
    found = load(tmp_path / "m.gguf").scores("dogs", PASSAGES)
    assert found == pytest.approx([score(tensors, pair("dogs", passage)) for passage in PASSAGES], abs=NEAR)


def test_a_file_whose_weights_do_not_fit_is_a_message(load: Load, tmp_path: Path) -> None:
    reranker_gguf(tmp_path / "m.gguf")
    content = (tmp_path / "m.gguf").read_bytes()
    (tmp_path / "m.gguf").write_bytes(content.replace(b"blk.0.attn_q.weight", b"blk.0.attn_x.weight"))
    with pytest.raises(ModelError, match=r"cannot be loaded: .*attn_q"):
        load(tmp_path / "m.gguf").scores("notice", PASSAGES)
