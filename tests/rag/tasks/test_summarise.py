"""Which sentences a summary without a model takes, where their vectors leave it open."""

import numpy as np
import pytest

from ingest.types import Passage
from rag.tasks.summarise import choose, fits
from rag.tasks.work import Sentence


def sentence(text: str, position: int = 0, start: int = 0, section: str = "") -> Sentence:
    """`text` as it stands in its passage after `start` other characters."""
    headings = (section,) if section else ()
    whole = "x" * start + text
    passage = Passage(f"p{position}", "a.md", position, whole, headings, "paragraph", None, None, (), 9, "en")
    return Sentence(passage, start, start + len(text))


def chosen(sentences: list[Sentence], most: int = 1) -> list[str]:
    """The texts of what is chosen where all lie alike: none is nearer to the middle or more like another."""
    vectors = np.eye(len(sentences), dtype=np.float32)
    return [sentences[n].text for n in choose(sentences, vectors, most)]


def test_words_that_many_sentences_have_speak_for_one() -> None:
    said = ["The bridge of steel held.", "Lunch came late again.", "The bridge was steel.", "Steel made the bridge."]
    assert "Lunch came late again." not in chosen([sentence(text) for text in said], 3)


def test_of_sentences_that_say_as_much_the_early_one_is_taken() -> None:
    late, early = sentence("It rained in the north.", 9, 0, "B"), sentence("It rained in the south.", 0, 0, "A")
    assert chosen([late, early]) == ["It rained in the south."]
    after, before = sentence("We rode to the north.", 0, 90, "B"), sentence("We rode to the south.", 0, 0, "A")
    assert chosen([after, before]) == ["We rode to the south."]


def test_what_leans_on_the_sentence_before_or_does_not_end_stands_back() -> None:
    plain = "Ice was so cold."
    for worse in ("This ice was cold.", "Ice was so cold"):
        assert chosen([sentence(worse, section="A"), sentence(plain, section="B")]) == [plain]


def test_one_sentence_and_none_are_a_summary_of_themselves() -> None:
    assert chosen([sentence("Alone.")], 8) == ["Alone."]
    assert chosen([], 8) == []


@pytest.mark.parametrize(
    ("text", "fit"), [("Too short.", False), ("This is just long enough.", True), ("w " * 61, False)]
)
def test_a_sentence_is_neither_a_scrap_nor_endless(text: str, fit: bool) -> None:
    assert fits(sentence(text)) == fit
