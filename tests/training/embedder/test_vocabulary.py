"""A vocabulary with pieces for Spanish, which begin where their translations are."""

import random

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from training.embedder import vocabulary
from training.embedder.vocabulary import first_embeddings, with_spanish, word_weights

ENGLISH = ["the house is red", "the dog is red", "the house is old", "a dog", "a house", "the old dog"] * 10
SPANISH = ["la casa es roja", "el perro es rojo", "la casa es vieja", "un perro", "una casa", "el perro viejo"] * 10
WORDS = sorted({word for text in ENGLISH for word in text.split()})
LETTERS = [*"abcdefghijklmnopqrstuvwxyz", *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")]


@pytest.fixture
def teacher() -> Tokenizer:
    pieces = ["[PAD]", *(f"[unused{place}]" for place in range(1, 5)), "[UNK]", "[CLS]", "[SEP]", *LETTERS]
    pieces += [word for word in WORDS if len(word) > 1]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 7), ("[CLS]", 6))
    return tokenizer


@pytest.fixture
def extended(teacher: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> Tokenizer:
    monkeypatch.setattr(vocabulary, "ADDED", 4)
    monkeypatch.setattr(vocabulary, "LEAST", 1)
    weights = (word_weights(teacher, {"one": texts}) for texts in (ENGLISH, SPANISH))
    return with_spanish(teacher, *weights)


def test_no_piece_of_the_teacher_is_lost_or_moved_and_unused_places_come_first(
    teacher: Tokenizer, extended: Tokenizer
) -> None:
    before, after = teacher.get_vocab(), extended.get_vocab()
    kept = {piece: place for piece, place in before.items() if not piece.startswith("[unused")}
    assert kept.items() <= after.items()
    new = {place for piece, place in after.items() if piece not in before}
    assert new == {1, 2, 3, 4, *range(len(before), len(before) + 4)}


def test_english_is_divided_as_before_and_spanish_into_fewer_pieces(teacher: Tokenizer, extended: Tokenizer) -> None:
    for text in ENGLISH:
        assert extended.encode(text).ids == teacher.encode(text).ids
    before, after = (sum(len(each.encode(text).ids) for text in SPANISH) for each in (teacher, extended))
    assert after < before / 1.5


def test_pieces_that_are_as_frequent_are_taken_the_same_each_time(
    teacher: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocabulary, "CANDIDATES", 400)
    monkeypatch.setattr(vocabulary, "ADDED", 100)
    choose = random.Random(0)
    words = {"".join(choose.choices("aeioulnrst", k=choose.randint(3, 8))): 1.0 for _ in range(1_000)}
    first, *others = [with_spanish(teacher, {"the": 1.0}, words).get_vocab() for _ in range(4)]
    assert all(other == first for other in others)


def test_a_piece_begins_at_its_translation(teacher: Tokenizer, extended: Tokenizer) -> None:
    known = np.eye(teacher.get_vocab_size(), dtype=np.float32)
    embeddings = first_embeddings(known, extended, ENGLISH, SPANISH, teacher=teacher)
    assert embeddings.shape == (extended.get_vocab_size(), teacher.get_vocab_size())
    before, after = teacher.get_vocab(), extended.get_vocab()
    for spanish, english in (("casa", "house"), ("perro", "dog")):
        assert embeddings[after[spanish]].argmax() == before[english], spanish
    for word in ("house", "dog", "red"):  # that Spanish does not use
        assert np.array_equal(embeddings[after[word]], known[before[word]])


def test_a_source_with_much_text_does_not_say_alone_which_words_there_are(teacher: Tokenizer) -> None:
    weights = word_weights(teacher, {"manual": ["función"] * 10_000, "book": ["casa"] * 100})
    assert weights == {"funcion": 100, "casa": 10}
