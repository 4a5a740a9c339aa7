"""What llama.cpp lets a model write under the grammar: sentences that each cite a passage that is there, or the
abstention."""

import ctypes
import random
from collections.abc import Iterator
from typing import Any

import pytest

from ingest.sentences import sentences
from rag.cite import cite
from rag.grammar import answer_grammar
from rag.types import ABSTENTION, Hit
from tests.fakes import LEASE
from tests.gguf_files import tiny_gguf

FIRST_BYTE, END = 3, 2  # in the tiny model's vocabulary


class Judge:
    """Asks llama.cpp's own grammar about texts, byte by byte."""

    def __init__(self, library: Any, vocabulary: Any, grammar: str) -> None:
        self._library = library
        self._grammar = library.llama_sampler_init_grammar(vocabulary, grammar.encode(), b"root")
        assert self._grammar

    def permits(self, token: int) -> bool:
        row = (self._library.llama_token_data * 1)(self._library.llama_token_data(id=token, logit=0.0, p=0.0))
        data = ctypes.cast(row, self._library.llama_token_data_p)
        candidates = self._library.llama_token_data_array(data=data, size=1, selected=-1, sorted=False)
        self._library.llama_sampler_apply(self._grammar, ctypes.byref(candidates))
        return bool(row[0].logit == 0)

    def write(self, text: str) -> bool:
        """Whether all of `text` may be written next; if so it is."""
        for byte in text.encode():
            if not self.permits(FIRST_BYTE + byte):
                return False
            self._library.llama_sampler_accept(self._grammar, FIRST_BYTE + byte)
        return True

    def may_end(self) -> bool:
        return self.permits(END)

    def close(self) -> None:
        self._library.llama_sampler_free(self._grammar)


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    import llama_cpp

    path = tiny_gguf(tmp_path_factory.mktemp("vocabulary") / "m.gguf", template=None, special_tokens=())
    parameters = llama_cpp.llama_model_default_params()
    parameters.vocab_only = True
    listener = llama_cpp.llama_log_callback(lambda *_: None)
    llama_cpp.llama_log_set(listener, None)
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
    yield llama_cpp, llama_cpp.llama_model_get_vocab(model)
    llama_cpp.llama_model_free(model)
    llama_cpp.llama_log_set(ctypes.cast(None, llama_cpp.llama_log_callback), None)


def accepts(vocabulary: tuple[Any, Any], text: str, passages: int = 3) -> bool:
    judge = Judge(*vocabulary, answer_grammar(passages))
    try:
        return judge.write(text) and judge.may_end()
    finally:
        judge.close()


@pytest.mark.parametrize(
    "text",
    [
        "The lease ends in 2021 [1].",
        " The lease ends in 2021. [2]",
        "The lease ends in 2021[1][3].",
        "The lease ends in 2021 [1, 2].",
        "It ends in 2021 [1]. The deposit is 3.50 euros [2].",
        "It ends in 2021 [1], and the deposit is 900 euros [2].",
        "Dr. A. Smith of Acme Inc. Spain signed at 5 p.m. Monday [1].",
        'She said "no" (twice) [1].',
        "- thirty days [1]\n- 900 euros [2]",
        "1. thirty days [1]\n2. 900 euros [2]\n",
        "**Thirty days** [1].",
        "See node.js and section 4.2.1 [3].",
        'It reads "sic [sic] transit" [1].',
        "El plazo es de 30 días [1]. La fianza es de 900 € [2].",
        *ABSTENTION.values(),
    ],
)
def test_an_answer_that_cites_each_sentence_may_be_written(vocabulary: tuple[Any, Any], text: str) -> None:
    assert accepts(vocabulary, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The lease ends in 2021.",
        "The lease ends in 2021 [1]. The deposit is 900 euros.",
        "The lease ends in 2021. The deposit is 900 euros [1].",
        'He said: "It ends." Then he left [1].',
        "Does it end? Yes [1].",
        "The lease ends in 2021 [4].",
        "The lease ends in 2021 [0].",
        "The lease ends in 2021 [1-3].",
        "The terms:\n- thirty days [1]",
        "[1]",
        f"{ABSTENTION['en']} But it may be 2021.",
        "I don't know.",
    ],
)
def test_an_answer_with_a_sentence_that_does_not_cite_may_not_be_written(
    vocabulary: tuple[Any, Any], text: str
) -> None:
    assert not accepts(vocabulary, text)


def test_every_number_of_a_passage_may_be_cited_and_no_other(vocabulary: tuple[Any, Any]) -> None:
    cited = [number for number in range(30) if accepts(vocabulary, f"Yes [{number}].", passages=12)]
    assert cited == list(range(1, 13))


def test_whatever_is_written_under_the_grammar_cites_in_every_sentence(vocabulary: tuple[Any, Any]) -> None:
    hits = [Hit(number, 1.0, LEASE) for number in range(1, 4)]
    rng = random.Random(0)
    written = 0
    for _ in range(60):
        draft = random_answer(vocabulary, rng)
        if draft.strip() and draft.strip() not in ABSTENTION.values():
            written += 1
            cited = cite(draft, hits)
            assert cited.invented == 0
            assert all(sentence.citations for sentence in cited.sentences), draft
            assert sentences(draft)
    assert written > 40


def random_answer(vocabulary: tuple[Any, Any], rng: random.Random) -> str:
    """Characters drawn by lot among those that the grammar permits, until it may end and the lot says so."""
    judge = Judge(*vocabulary, answer_grammar(3))
    text = ""
    try:
        while len(text) < 400:
            if judge.may_end() and rng.random() < 0.3:
                return text
            letters = rng.choices("abcA 1.[]?!\n\"')-,123", k=60)
            char = next((char for char in letters if judge.permits(FIRST_BYTE + ord(char))), None)
            if char is None:
                return text if judge.may_end() else ""
            judge.write(char)
            text += char
        return ""
    finally:
        judge.close()
