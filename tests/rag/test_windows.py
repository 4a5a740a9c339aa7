"""A passage in windows."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ingest.sentences import sentences
from rag.windows import windows

words = st.text("abcde", min_size=1, max_size=6)
sentence = st.lists(words, min_size=1, max_size=12).map(lambda some: " ".join(some).capitalize() + ".")
texts = st.lists(sentence, min_size=1, max_size=30).map(" ".join)


@given(texts, st.integers(1, 40))
def test_windows_are_runs_of_whole_sentences_that_leave_none_out(text: str, most: int) -> None:
    places, found = sentences(text), windows(text, most)
    starts, ends = {start for start, _ in places}, {end for _, end in places}
    assert all(start in starts and end in ends for start, end in found)
    assert all(any(first <= start and end <= last for first, last in found) for start, end in places)


@given(texts, st.integers(1, 40))
def test_a_window_is_too_long_only_where_its_one_sentence_is(text: str, most: int) -> None:
    places = set(sentences(text))
    assert all(len(text[slice(*window)].split()) <= most or window in places for window in windows(text, most))


@given(texts, st.integers(1, 40))
def test_each_window_goes_on_from_the_one_before(text: str, most: int) -> None:
    found = windows(text, most)
    assert found == sorted(set(found))
    assert all(start < after and end < last for (start, end), (after, last) in pairwise(found))


def test_a_text_without_words_has_none() -> None:
    assert windows(" \n ") == []
