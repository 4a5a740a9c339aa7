"""Late features: words in one sentence, beside each other and in the very form count more, and so does what a passage
is known by."""

from dataclasses import replace

import pytest

from ingest.fulltext import Term
from rag.fusion import MATCHES, Weights, read_weights
from rag.rerank import MENTIONED, Asked, Candidate, LateFeatures, signs
from tests.fakes import LEASE

NOTICE = Term("notice", ("notic",), 2.0, 1)
PERIOD = Term("period", ("period",), 1.0, 1)
QUESTION = "When does the notice period of 2021 end?"


def candidate(text: str, **known: object) -> Candidate:
    passage = replace(LEASE, text=text, headings=())
    return replace(Candidate(passage, "known", 0.3, 0.4, 0.5, 0.6, 0.8), **known)  # type: ignore[arg-type]


def sign(name: str, text: str, *terms: Term, **known: object) -> float:
    return signs(Asked(terms or (NOTICE, PERIOD)), candidate(text, **known))[name]


def test_shares_are_of_the_weight_of_the_questions_words() -> None:
    assert sign("words with headings", "A notice.") == pytest.approx(2 / 3)
    assert sign("words with headings", "The notice period.") == pytest.approx(1)
    assert sign("words with headings", "Nothing of it.") == 0


def test_words_in_one_sentence_beat_words_in_two() -> None:
    assert sign("best sentence", "A notice for a period.") > sign("best sentence", "A notice. Then a period.")
    assert sign("best two sentences", "A notice. Then a period.") == pytest.approx(1)
    assert sign("best two sentences", "A notice. Dogs bark. Then a period.") == pytest.approx(2 / 3)


def test_words_beside_each_other_beat_words_apart() -> None:
    assert sign("words side by side", "The notice period ends.") == pytest.approx(0.5)
    assert sign("words side by side", "The notice ends a period.") == 0
    near, far = "A notice ends periods.", "A notice grandly ends three periods."
    assert 0.5 > sign("words near each other", near) > sign("words near each other", far) > 0


def test_the_very_form_beats_another_of_the_stem() -> None:
    assert sign("exact forms", "A notice.") > sign("exact forms", "Some notices.") == 0


def test_headings_title_and_the_end_of_the_passage_before_are_seen_beside_the_text() -> None:
    text = "Thirty days."
    assert sign("best sentence", text, title="Notice") == 0
    assert sign("words with headings", text, title="Notice") == pytest.approx(2 / 3)
    assert sign("words with headings", text, before="The period") == 0
    assert sign("words with what stands before", text, title="Notice", before="The period") == pytest.approx(1)


def test_scores_are_given_as_they_are_and_over_the_best() -> None:
    assert sign("bm25", "") == 0.3
    assert sign("bm25 over the best", "") == pytest.approx(0.5)
    assert sign("cosine over the best", "") == pytest.approx(0.5)
    assert sign("cosine over the best", "", best_cosine=-0.1) == 0


def test_words_that_no_document_has_change_nothing() -> None:
    unknown = Term("zebra", ("zebra",), 5.0, 0)
    assert signs(Asked([NOTICE, unknown]), candidate("A notice.")) == signs(Asked([NOTICE]), candidate("A notice."))
    assert sign("words with headings", "A notice.", unknown) == 0


def test_each_sign_adds_its_value_times_the_weight_for_its_languages() -> None:
    weights = Weights(
        dict.fromkeys(MATCHES, 1.0),
        {match: {} for match in MATCHES}
        | {"known": {"best sentence": 0.5, "exact forms": -1.0}, "to_known": {"best sentence": 2.0}},
    )
    passages = [candidate("A notice."), candidate("A notice.", match="to_known")]
    found = LateFeatures(weights).features(QUESTION, [NOTICE], passages)
    assert found == [{"best sentence": 0.5, "exact forms": -1.0}, {"best sentence": 2.0}]


def scores(*candidates: Candidate) -> list[float]:
    found = LateFeatures(Weights(dict.fromkeys(MATCHES, 1.0), {match: {} for match in MATCHES}))
    features = found.features(QUESTION, [NOTICE], candidates)
    return [one.fused + sum(own.values()) for one, own in zip(candidates, features, strict=True)]


def test_what_a_better_passage_mentions_follows_it_and_never_passes_it() -> None:
    first, other = candidate("A.", fused=1.0), candidate("B.", fused=0.9)
    near, far = candidate("C.", fused=0.7, mentioned_by=0), candidate("D.", fused=0.1, mentioned_by=0)
    found = scores(first, other, near, far)
    assert found[0] > found[2] > found[1]
    assert found[3] == pytest.approx(0.1 + MENTIONED)
    assert scores(first, candidate("E.", fused=1.2, mentioned_by=0)) == [1.0, 1.2]


def test_every_weight_is_of_a_sign_that_there_is() -> None:
    known = signs(Asked([NOTICE]), candidate("A notice."))
    for match in MATCHES:
        assert read_weights().features[match].keys() <= known.keys()
