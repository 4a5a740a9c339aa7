"""Weights of search: whole or an error, and chosen by what the embedder knows."""

from pathlib import Path

import pytest

from errors import SettingsError
from rag.fusion import MATCHES, language_match, read_weights

BILINGUAL = "cita-minilm-en-es/0/256/0"
MINILM = "all-MiniLM-L6-v2/53aa51172d142c89/256/6e340b9c"


@pytest.mark.parametrize(
    ("asked", "written", "embedder", "match"),
    [
        ("en", "en", MINILM, "known"),
        ("es", "es", MINILM, "unknown"),
        ("es", "en", MINILM, "to_unknown"),
        ("en", "es", MINILM, "to_unknown"),
        ("es", "es", BILINGUAL, "known"),
        ("es", "en", BILINGUAL, "to_known"),
        ("en", "es", BILINGUAL, "to_known"),
        ("fr", "es", BILINGUAL, "to_unknown"),
        ("es", "es", "multilingual-e5-small/0/512/0", "known"),  # any other is taken to know all languages
        ("es", "en", "multilingual-e5-small/0/512/0", "to_known"),
    ],
)
def test_trust_follows_the_languages_and_the_embedder(asked: str, written: str, embedder: str, match: str) -> None:
    assert language_match(asked, written, embedder) == match


def test_an_embedders_own_language_is_trusted_most() -> None:
    weights = read_weights()
    assert set(weights.cosine) == set(weights.features) == set(MATCHES)
    assert weights.cosine["known"] > weights.cosine["unknown"] >= 0


@pytest.mark.parametrize(
    "text", ["", "cosine = 3", "[cosine]\nknown = 1\nunknown = 1\nacross = 'much'", "\0", "[cosine]\nknown = 1"]
)
def test_weights_that_cannot_be_read_are_an_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "fusion.toml"
    with pytest.raises(SettingsError, match=r"fusion\.toml"):
        read_weights(file)
    file.write_text(text)
    with pytest.raises(SettingsError, match=r"fusion\.toml"):
        read_weights(file)
