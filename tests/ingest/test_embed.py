"""The embedder: both runtimes agree, the weights are the official ones, nothing is fetched."""

from pathlib import Path

import numpy as np
import pytest

from errors import EmbedderError
from ingest.embed import (
    DEFAULT_WEIGHTS_SHA256,
    Embedder,
    ModelFolder,
    OnnxEmbedder,
    TorchEmbedder,
    locate,
    open_embedder,
)
from settings import Embed, Settings

TEXTS = ["The notice period is thirty days.", "El plazo es de treinta días.", "rent " * 200, "", "🙂 naïve ﬁle"]


@pytest.fixture(scope="session")
def torch_embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    settings = Settings.load(tmp_path_factory.mktemp("torch"), embed=Embed(runtime="torch"))
    return open_embedder(settings)


def test_onnx_is_the_default_runtime(embedder: Embedder) -> None:
    assert isinstance(embedder, OnnxEmbedder)


@pytest.mark.slow
def test_both_runtimes_give_the_same_vectors_and_fingerprint(embedder: Embedder, torch_embedder: Embedder) -> None:
    assert isinstance(torch_embedder, TorchEmbedder)
    assert embedder.fingerprint == torch_embedder.fingerprint
    np.testing.assert_allclose(embedder.embed_passages(TEXTS), torch_embedder.embed_passages(TEXTS), atol=2e-5)
    np.testing.assert_allclose(embedder.embed_query("rent"), torch_embedder.embed_query("rent"), atol=2e-5)


def test_vectors_have_unit_length_and_keep_their_order(embedder: Embedder) -> None:
    together = embedder.embed_passages(TEXTS)
    assert together.shape == (len(TEXTS), 384)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for text, vector in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(embedder.embed_query(text), vector, atol=2e-5)


def test_meaning_is_nearer_than_form(embedder: Embedder) -> None:
    question = embedder.embed_query("What does the apartment cost each month?")
    near, far = embedder.embed_passages(["The rent of the flat is 940 euros.", "The moon circles us each month."])
    assert question @ near > question @ far


def test_a_token_has_its_place_in_the_text(embedder: Embedder) -> None:
    text = "Notice: thirty days."
    assert [text[a:b] for a, b in embedder.offsets(text)] == ["Notice", ":", "thirty", "days", "."]


def test_token_counts_are_neither_cut_nor_padded(embedder: Embedder) -> None:
    assert len(embedder.offsets("day " * 1000)) == 1000
    assert len(embedder.offsets("day")) == 1


def test_a_question_over_the_window_is_cut_not_refused(embedder: Embedder) -> None:
    assert embedder.embed_query("why " * 1000).shape == (384,)


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    for file in locate("all-MiniLM-L6-v2").rglob("*"):
        if file.is_file() and file.suffix == ".json":
            copy = tmp_path / "all-MiniLM-L6-v2" / file.relative_to(locate("all-MiniLM-L6-v2"))
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    (tmp_path / "all-MiniLM-L6-v2" / "model.safetensors").write_bytes(b"not the weights")
    folder = ModelFolder.read(tmp_path / "all-MiniLM-L6-v2", "all-MiniLM-L6-v2")
    with pytest.raises(EmbedderError, match="damaged"):
        _ = folder.weights_sha256


def test_the_install_carries_the_official_weights() -> None:
    assert ModelFolder.read(locate("all-MiniLM-L6-v2"), "all-MiniLM-L6-v2").weights_sha256 == DEFAULT_WEIGHTS_SHA256


def test_a_missing_embedder_is_named_and_never_downloaded(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="intfloat/multilingual-e5-small"):
        open_embedder(Settings.load(tmp_path, embed=Embed(model="intfloat/multilingual-e5-small")))


def test_a_damaged_graph_is_exported_again(ready_settings: Settings, embedder: Embedder) -> None:
    assert isinstance(embedder, OnnxEmbedder)
    graph = ready_settings.models / "embedder" / embedder.graph.name
    graph.unlink()
    graph.write_bytes(b"torn")
    again = open_embedder(ready_settings)
    np.testing.assert_allclose(again.embed_query("rent"), embedder.embed_query("rent"), atol=1e-6)
