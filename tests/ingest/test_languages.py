"""The identifier's own walk and ours count the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import languages

TEXTS = [
    "The tenant pays the rent on the first day of each month.",
    "El inquilino paga el alquiler el primer día de cada mes.",
    "Der Mieter zahlt die Miete am ersten Tag eines jeden Monats.",
    "家賃は月曜日に支払われます。",
    "a",
    "word " * 2000,
]


@given(st.binary(max_size=200))
@pytest.mark.filterwarnings("error")
def test_a_walk_in_many_places_counts_what_one_walk_counts(text: bytes) -> None:
    _assert_counted_alike(text)


@pytest.mark.parametrize("text", TEXTS)
def test_texts_are_counted_and_identified_as_by_the_library(text: str) -> None:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    _assert_counted_alike(text.encode())
    known = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    language, probability = known.classify(text)
    assert languages.classify(text) == (language, pytest.approx(probability, abs=1e-3))


def test_one_of_several_languages_is_chosen() -> None:
    assert languages.likeliest("Der Mieter zahlt die Miete.", ("en", "es")) in ("en", "es")
    assert languages.likeliest("El inquilino paga el alquiler.", ("en", "es")) == "es"


def _assert_counted_alike(text: bytes) -> None:
    from py3langid.langid import visit_counts

    known = languages._identifier()
    counted = visit_counts(known.tk_nextmove, known._rowbase, known.tk_output, text)
    features, counts = known._walk.counts(text)
    assert dict(zip(features.tolist(), counts.tolist(), strict=True)) == dict(counted or {})
