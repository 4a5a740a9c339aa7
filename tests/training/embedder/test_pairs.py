"""The text that the embedder is trained on: only what may be, and nothing that it is measured by."""

import json
import lzma
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import SHARED
from training.embedder.pairs import (
    EVALUATED,
    PASSAGE_WORDS,
    SHARE_ALIKE,
    Pair,
    by_source,
    letters,
    passages,
    read_pairs,
    sampled,
    without,
)

LINES = [
    ("Good morning.", "Buenos días.", "tatoeba"),
    ("The mass is 5 kg.", "La masa es 5 kg.", "openstax_fisica"),
    ("List files.", "Listar archivos.", "tldr_pages"),
    ("house", "casa", "wiktionary"),
    ("dog", "perro", "wordnet_mcr"),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with lzma.open(tmp_path / "all_train.tsv.xz", "wt", encoding="utf-8") as lines:
        lines.writelines(f"{english}\t{spanish}\n" for english, spanish, _ in LINES)
    with lzma.open(tmp_path / "all_train.source.txt.xz", "wt", encoding="utf-8") as sources:
        sources.writelines(f"{source}\n" for *_, source in LINES)
    return tmp_path


def document(count: int, words: int = 20) -> list[Pair]:
    """Pairs of one source whose Spanish is their English in capitals."""
    texts = [" ".join(f"w{line}x{word}" for word in range(words)) for line in range(count)]
    return [Pair(text, text.upper(), "openstax_fisica", "sentence") for text in texts]


def test_neither_share_alike_nor_what_is_measured_is_read(data: Path) -> None:
    pairs = read_pairs(data)
    assert [(pair.english, pair.kind) for pair in pairs] == [
        ("Good morning.", "sentence"),
        ("The mass is 5 kg.", "sentence"),
        ("dog", "term"),
    ]
    assert not {pair.source for pair in pairs} & {*SHARE_ALIKE, *EVALUATED}


def test_texts_left_out_are_known_by_their_letters_on_either_side() -> None:
    pairs = [Pair(english, spanish, source, "sentence") for english, spanish, source in LINES]
    kept = without(pairs, ["good MORNING", "¡Perro!"])
    assert [pair.english for pair in kept] == ["The mass is 5 kg.", "List files.", "house"]


@given(st.integers(1, 60), st.integers(1, 250), st.integers(0, 5))
def test_passages_hold_every_line_once_in_order_and_say_the_same_in_both_languages(
    count: int, words: int, seed: int
) -> None:
    pairs = document(count, words)
    found = list(passages(pairs, seed))
    assert " ".join(passage.english for passage in found) == " ".join(pair.english for pair in pairs)
    assert all(passage.spanish == passage.english.upper() for passage in found)
    assert {passage.kind for passage in found} == {"passage"}
    assert all(len(passage.english.split()) <= max(PASSAGE_WORDS[1], words) for passage in found)


def test_sources_without_order_make_no_passages() -> None:
    pairs = [Pair("Good morning.", "Buenos días.", "tatoeba", "sentence")] * 50
    assert list(passages(pairs, 0)) == []


def test_a_source_of_which_there_is_much_gives_a_share_in_runs_and_the_same_for_a_seed() -> None:
    pairs = [Pair(str(line), str(line), "php_manual", "sentence") for line in range(20_000)]
    kept = sampled(pairs, 0)
    assert 0.3 < len(kept) / len(pairs) < 0.5
    numbers = [int(pair.english) for pair in kept]
    gaps = sum(after != before + 1 for before, after in pairwise(numbers))
    assert gaps < len(kept) / 40
    assert kept == sampled(pairs, 0)
    assert kept != sampled(pairs, 1)


def test_texts_by_source_are_side_by_side() -> None:
    english, spanish = by_source(Pair(*line, "sentence") for line in LINES)
    assert english["tatoeba"] == ["Good morning."]
    assert spanish["tatoeba"] == ["Buenos días."]


def _squad(path: Path) -> list[str]:
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    return [text for paragraph in paragraphs for text in (*_asked(paragraph), *paragraph["context"].split(". "))]


def _asked(paragraph: dict[str, list[dict[str, str]]]) -> Sequence[str]:
    return [asked["question"] for asked in paragraph["qas"]]


@pytest.mark.needs_shared
@pytest.mark.slow
def test_nothing_that_is_measured_is_trained_on() -> None:
    if not SHARED.is_dir():
        pytest.skip("../shared is not here")
    measured = {line for path in (SHARED / "data/qa/squad-family").glob("*.json") for line in _squad(path)}
    for path in (SHARED / "data/parallel").glob("eval_*.tsv"):
        measured |= {side for line in path.read_text(encoding="utf-8").splitlines() for side in line.split("\t")}
    told = {letters(text) for text in measured if len(letters(text)) > 20}  # "Yes." is nobody's
    assert len(told) > 20_000
    found = [
        pair for pair in read_pairs(SHARED / "data/parallel") if {letters(pair.english), letters(pair.spanish)} & told
    ]
    assert found == []
