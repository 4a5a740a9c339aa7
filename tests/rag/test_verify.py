"""Verification: what the passage does not say is not supported, and the reason is said; what it says is."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import SettingsError
from rag.cite import Cited, cite, find_quote
from rag.types import ABSTENTION, Hit, Language
from rag.verify import REASONS, Judged, Verdict, check, evidence_of, read_weights, verify
from tests.fakes import LEASE

TEXT = (
    "The tenant may not keep dogs. The fee is 45 euros, due on 3 March 2026. The school is 5 km away. "
    "Anna Smith signed the lease in Paris. The manager wrote: “we will re-\npair the roof”. Of the 12 flats, 5 are let."
)
PASSAGE = replace(LEASE, text=TEXT, headings=("Lease", "Rules of ACME"))
HITS = (Hit(1, 0.9, PASSAGE),)
OTHER = Hit(2, 0.5, replace(LEASE, id="other", text="The notice period is thirty days. The garden is shared by all."))


def judged(claim: str) -> Verdict:
    return check(claim, evidence_of(PASSAGE, *find_quote(claim, PASSAGE)))


def verified(draft: str, hits: Sequence[Hit] = HITS, language: Language = "en", **given: object) -> Cited:
    return verify(cite(draft, hits), hits, language, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "claim",
    [
        "The tenant may not keep dogs.",
        "Tenants cannot keep dogs.",
        "The fee is forty-five euros.",
        "The fee of €45 is due on 2026-03-03.",
        "The fee is due March 3rd, 2026.",
        "The school is 5000 m away.",
        "Anna Smith signed the lease in Paris.",
        "The rules of ACME: the tenant may not keep dogs.",
        "The manager wrote: 'we will repair the roof'.",
        'The manager wrote: "we will repair the roof".',
    ],
)
def test_what_the_passage_says_is_supported_however_it_is_written(claim: str) -> None:
    found = judged(claim)
    assert (found.support, found.told("en")) == ("supported", "")


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ("The fee is 54 euros.", "the number 54 euros is not in the passage"),
        ("The fee is due on 4 March 2026.", "the date 4 march 2026 is not in the passage"),
        ("The school is 5 miles away.", "the passage does not give 5 miles in this unit"),
        ("The fee is 45 dollars.", "the passage does not give 45 dollars in this unit"),
        ("Of the 12 flats, 7 are not let.", "the number 7 is worked out from others; the passage does not give it"),
        (
            'The manager wrote: "we will paint the roof".',
            "the quotation “we will paint the roof” is not in the passage",
        ),
    ],
)
def test_a_figure_or_quotation_that_is_not_there_is_unsupported(claim: str, reason: str) -> None:
    found = judged(claim)
    assert (found.support, found.told("en")) == ("unsupported", reason)


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ("Anna Jones signed the lease in Paris.", "the name Jones is not in the passage"),
        ("The tenant may keep dogs.", "the passage negates this, or this negates the passage"),
        ("The landlord lives abroad with two cats.", "the number two is not in the passage"),
        ("The landlord lives abroad with cats.", "not in the passage: landlord, lives, abroad, cats"),
    ],
)
def test_a_name_a_denial_or_words_that_are_not_there_are_not_supported(claim: str, reason: str) -> None:
    found = judged(claim)
    assert found.support != "supported"
    assert found.told("en") == reason


def test_every_reason_is_told_in_both_languages() -> None:
    assert REASONS["en"].keys() == REASONS["es"].keys()
    for reason in REASONS["en"]:
        holes = [set(re.findall(r"{\w*}", REASONS[language][reason])) for language in ("en", "es")]
        assert holes[0] == holes[1] <= {"{what}"}
    (sentence,) = verified("The fee is 54 euros [1].", language="es").sentences
    assert sentence.reason == "el número 54 euros no está en el pasaje"


def test_sentences_and_citations_carry_verdict_and_reason() -> None:
    cited = verified("The tenant may not keep dogs [1]. The fee is 54 euros [1].")
    assert [(s.supported, s.verdict, bool(s.reason)) for s in cited.sentences] == [
        (True, "supported", False), (False, "unsupported", True),
    ]  # fmt: skip
    assert [(c.supported, c.verdict, c.reason) for c in cited.citations] == [
        (s.supported, s.verdict, s.reason) for s in cited.sentences
    ]


def test_a_quote_that_two_sentences_cite_gets_the_worse_verdict() -> None:
    cited = verified("The fee of 45 euros [1]. The fee of 45 dollars [1].")
    (citation,) = cited.citations
    assert [sentence.supported for sentence in cited.sentences] == [True, False]
    assert (citation.supported, citation.reason) == (False, cited.sentences[1].reason)


def test_a_sentence_is_held_against_all_that_it_cites_together() -> None:
    cited = verified("The notice period is thirty days and the fee is 45 euros [1][2].", (*HITS, OTHER))
    assert [citation.supported for citation in cited.citations] == [False, False]
    assert cited.sentences[0].supported


def test_a_sentence_without_citation_gets_the_passage_that_carries_it() -> None:
    cited = verified("The notice period is thirty days. The fee is 45 euros [1].", (*HITS, OTHER))
    assert cited.answer == "The notice period is thirty days. [1] The fee is 45 euros [2]."
    assert [citation.id for citation in cited.citations] == ["other", LEASE.id]
    assert all(sentence.supported for sentence in cited.sentences)


def test_a_sentence_that_no_passage_carries_stays_without_citation() -> None:
    cited = verified("The fee is 54 euros.")
    assert (cited.answer, cited.citations) == ("The fee is 54 euros.", ())
    assert cited.sentences[0].reason == "no passage is cited, and none carries it"


def test_unsupported_sentences_are_dropped_where_that_is_set() -> None:
    draft = "The fee is 54 euros [1]. The tenant may not keep dogs [1].\n- The school is 5 miles away [1]."
    assert len(verified(draft).sentences) == 3
    cited = verified(draft, unsupported="drop")
    assert cited.answer == "The tenant may not keep dogs [1]."
    assert [(citation.n, citation.supported) for citation in cited.citations] == [(1, True)]


def test_an_answer_of_nothing_but_unsupported_sentences_is_dropped_for_an_abstention() -> None:
    cited = verified("The fee is 54 euros [1].", language="es", unsupported="drop")
    assert (cited.answer, cited.abstained, cited.citations) == (ABSTENTION["es"], True, ())


def test_an_abstention_is_left_alone() -> None:
    assert verified(ABSTENTION["en"]).abstained


def test_what_is_in_another_language_is_partly_supported_at_most() -> None:
    found = judged("El inquilino no puede tener perros en la casa.")
    assert (found.support, found.reason) == ("partly", "foreign")
    assert judged("La tasa es de 54 euros y se paga en marzo.").support == "unsupported"


class Model:
    """An entailment model that says the same of every claim, and remembers what it read."""

    def __init__(self, says: Judged) -> None:
        self._says = says
        self.read: list[tuple[str, str]] = []

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Judged]:
        self.read += pairs
        return [self._says for _ in pairs]


@pytest.mark.parametrize(
    ("claim", "says", "support"),
    [
        ("Pets that bark are out of the question.", Judged(0.99), "supported"),
        ("The tenant may not keep dogs.", Judged(0.01, 0.98), "unsupported"),
        ("The tenant may not keep dogs.", Judged(0.01), "partly"),
        ("The fee is 54 euros.", Judged(0.99), "unsupported"),
        ("El inquilino no puede tener perros en la casa.", Judged(0.99), "supported"),
    ],
)
def test_an_entailment_model_has_a_word_but_not_on_figures(claim: str, says: Judged, support: str) -> None:
    model = Model(says)
    assert verified(f"{claim} [1]", model=model).sentences[0].verdict == support
    assert model.read == [(f"Lease Rules of ACME\n{TEXT}", claim)]


def test_a_weights_file_that_cannot_be_read_is_an_error_that_says_which(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml"):
        read_weights(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("bias = 1\nfeatures = 2\n")
    with pytest.raises(SettingsError, match=r"bad\.toml"):
        read_weights(tmp_path / "bad.toml")


DRAFTS = st.lists(
    st.sampled_from(
        [
            "The fee is 45 euros", "The fee is 54 euros", "Dogs bark", "“dogs”", " [1]", " [2]", ". ", "\n- ", "\n",
        ]
    ),
    max_size=9,
).map("".join)  # fmt: skip


@given(DRAFTS, st.sampled_from(["mark", "drop"]))
def test_a_verified_answer_is_whole(draft: str, unsupported: str) -> None:
    cited = verified(draft, (*HITS, OTHER), unsupported=unsupported)
    text = {hit.passage.id: hit.passage.text for hit in (*HITS, OTHER)}
    assert [citation.n for citation in cited.citations] == list(range(1, len(cited.citations) + 1))
    assert all(text[c.id][c.start : c.end] == c.quote for c in cited.citations)
    assert all(f"[{citation.n}]" in cited.answer for citation in cited.citations)
    assert all(s.supported == (s.verdict == "supported") == (not s.reason) for s in cited.sentences)
    if unsupported == "drop":
        assert all(sentence.verdict != "unsupported" for sentence in cited.sentences)
    elif not cited.abstained:
        assert _letters(cited.answer) == _letters(draft)


def _letters(text: str) -> str:
    """Without citations and white space."""
    return "".join(re.sub(r"\[\d\]", "", text).split())
