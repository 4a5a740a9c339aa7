"""The embedder: runtimes and precisions agree, the weights are the official ones, nothing is fetched."""

import json
import platform
import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from errors import EmbedderError
from ingest import embed
from ingest.embed import (
    BILINGUAL,
    SHIPPED,
    SHIPPED_GRAPH,
    Embedder,
    ModelFolder,
    OnnxEmbedder,
    TorchEmbedder,
    _longest,
    _pooling,
    has_int8_gain,
    locate,
    open_embedder,
    precision_of,
    runtime_of,
)
from settings import Embed, Settings
from tests.tiny_embedder import write_tiny_embedder

TEXTS = ["The notice period is thirty days.", "El plazo es de treinta días.", "rent " * 200, "", "🙂 naïve ﬁle"]


@pytest.fixture(scope="session", params=SHIPPED)
def shipped(request: pytest.FixtureRequest) -> str:
    """An embedder that comes with the install."""
    return str(request.param)


@pytest.fixture(scope="session")
def torch_embedder(shipped: str, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return open_embedder(Settings.load(tmp_path_factory.mktemp("torch"), embed=Embed(model=shipped, runtime="torch")))


def test_onnx_is_the_default_runtime(embedder: Embedder) -> None:
    assert isinstance(embedder, OnnxEmbedder)


@pytest.fixture(scope="session")
def fp32_embedder(shipped: str, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return open_embedder(Settings.load(tmp_path_factory.mktemp("fp32"), embed=Embed(model=shipped, precision="fp32")))


@pytest.fixture(scope="session")
def int8_embedder(shipped: str, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    if not has_int8_gain():
        pytest.skip("NO INT8: this processor has no instructions for it")
    return open_embedder(Settings.load(tmp_path_factory.mktemp("int8"), embed=Embed(model=shipped, precision="int8")))


@pytest.mark.slow
def test_both_runtimes_give_the_same_vectors_and_fingerprint(fp32_embedder: Embedder, torch_embedder: Embedder) -> None:
    assert isinstance(torch_embedder, TorchEmbedder)
    assert fp32_embedder.fingerprint == torch_embedder.fingerprint
    np.testing.assert_allclose(fp32_embedder.embed_passages(TEXTS), torch_embedder.embed_passages(TEXTS), atol=2e-5)
    np.testing.assert_allclose(fp32_embedder.embed_query("rent"), torch_embedder.embed_query("rent"), atol=2e-5)


def test_int8_vectors_compare_with_those_of_fp32(int8_embedder: Embedder, fp32_embedder: Embedder) -> None:
    texts = [text for text in TEXTS if text]
    cosines = np.sum(int8_embedder.embed_passages(texts) * fp32_embedder.embed_passages(texts), axis=1)
    assert cosines.min() > 0.985  # the plain quantisation: .98 and less
    assert int8_embedder.fingerprint == fp32_embedder.fingerprint


def test_a_model_of_the_install_runs_in_int8_where_the_processor_gains_by_it(
    shipped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ModelFolder.read(locate(shipped), shipped)
    another = replace(model, name="another")
    monkeypatch.setattr(embed, "has_int8_gain", lambda: True)
    assert precision_of(model, Embed()) == "int8"
    assert precision_of(model, Embed(precision="fp32")) == "fp32"
    assert precision_of(another, Embed()) == "fp32"  # not measured with it
    assert precision_of(another, Embed(precision="int8")) == "int8"
    monkeypatch.setattr(embed, "has_int8_gain", lambda: False)
    assert precision_of(model, Embed()) == "fp32"
    with pytest.raises(EmbedderError, match="int8"):
        precision_of(model, Embed(precision="int8"))


@pytest.mark.skipif(platform.system() == "Darwin", reason="NOT LINUX: there is no /proc/cpuinfo")
def test_the_processor_is_asked_for_its_instructions(tmp_path: Path) -> None:
    for line, gains in (
        ("flags\t\t: fpu sse2 avx2 avx512f avx512_vnni", True),
        ("flags\t\t: fpu sse2 avx2 avx_vnni", True),
        ("flags\t\t: fpu sse2 avx2 avx512f", False),
        ("Features\t: fp asimd evtstrm asimddp", True),
        ("model name\t: avx512_vnni", False),
    ):
        (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{line}\n")
        assert has_int8_gain(tmp_path / "cpuinfo") is gains, line
    assert has_int8_gain(tmp_path / "absent") is False


def test_a_text_has_one_vector_whatever_it_is_embedded_with(embedder: Embedder) -> None:
    alone = embedder.embed_passages([TEXTS[0]])[0]
    np.testing.assert_allclose(embedder.embed_passages([*TEXTS, "rent " * 250])[0], alone, atol=2e-5)


def test_a_text_that_was_counted_before_has_the_same_vector(embedder: OnnxEmbedder) -> None:
    vectors = embedder.embed_passages(TEXTS)
    for text in TEXTS[1:]:
        len(embedder.offsets(text))
    assert np.array_equal(embedder.embed_passages(TEXTS), vectors)
    assert tuple(map(list, embedder._special_tokens)) == ([101], [102])  # [CLS] and [SEP]


def test_a_few_texts_have_the_tokens_that_they_have_among_many(embedder: OnnxEmbedder) -> None:
    many = [f"{text} {number}" for number in range(embed.FEW_LINES) for text in TEXTS]
    together = embed._Tokens(embedder._tokenizer, embedder.window).ids(many)
    assert [embed._Tokens(embedder._tokenizer, embedder.window).ids([text])[0] for text in many] == together


def test_a_text_has_the_tokens_of_its_lines_and_of_the_whole(embedder: OnnxEmbedder) -> None:
    texts = [
        "One\n\ntwo, three.",
        "\n",
        "",
        "One\r\ntwo",
        "e\u0301\n\u0301e",
        "[SEP]\n[CLS] x",
        "año\t\n  ﬁn\x00\n日本語",
    ]
    for text in [*texts, "\n".join(texts)]:
        whole = embedder._tokenizer.encode(text, add_special_tokens=False)
        for _ in range(2):  # the second time from what was kept
            assert len(embedder.offsets(text)) == len(whole.ids)
            assert list(embedder.offsets(text)) == list(embedder.offsets(text)[:]) == whole.offsets
            assert list(embedder._tokens.ids([text])[0]) == whole.ids


def test_a_tokenizer_that_joins_what_is_on_two_lines_gets_them_whole(embedder: OnnxEmbedder) -> None:
    from tokenizers import Tokenizer, pre_tokenizers

    tokenizer = Tokenizer.from_str(embedder._tokenizer.to_str())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokens = embed._Tokens(tokenizer, 256)
    tokens.ids(["two", "lines"])
    text = "two\nlines"
    assert list(tokens.ids([text])[0]) == tokenizer.encode(text, add_special_tokens=False).ids


def test_of_the_lines_that_were_counted_only_the_last_and_short_are_kept(embedder: OnnxEmbedder) -> None:
    len(embedder.offsets("word " * 1000))
    for number in range(embed.LINES_KEPT + 10):
        len(embedder.offsets(f"text {number}"))
    kept = embedder._tokens._kept
    assert len(kept) == embed.LINES_KEPT
    assert "text 9" not in kept
    assert list(kept["text 10"]) == embedder._tokenizer.encode("text 10").ids[1:-1]


def test_no_texts_have_no_vectors(embedder: Embedder) -> None:
    assert embedder.embed_passages([]).shape[0] == 0


def test_a_question_asked_again_is_not_embedded_again(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    first = embedder.embed_query("asked for the first time")
    monkeypatch.setattr(embedder, "_embed", lambda _: pytest.fail("embedded again"))
    assert embedder.embed_query("asked for the first time") is first
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1


def test_texts_embedded_by_several_threads_keep_their_order(ready_settings: Settings, embedder: Embedder) -> None:
    several = open_embedder(ready_settings.model_copy(update={"embed": Embed(threads=4)}))
    texts = [f"note {i} " * (i % 7 + 1) for i in range(40)]
    np.testing.assert_allclose(several.embed_passages(texts), [embedder.embed_query(t) for t in texts], atol=2e-5)


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, "mean_sqrt_len"),
        ({"pooling_mode": "mean", "embedding_dimension": 8}, "mean"),
        ({"pooling_mode": ["cls", "max"]}, "cls+max"),
        ({"pooling_mode": "mean", "include_prompt": False}, "mean+without prompt"),
    ],
)
def test_old_and_new_pooling_files_are_understood(config: dict[str, object], pooling: str) -> None:
    assert _pooling(config) == pooling


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


def copied(shipped: str, folder: Path) -> Path:
    """The embedder's folder, somewhere else, under its name."""
    return Path(shutil.copytree(locate(shipped), folder / shipped))


def test_damaged_weights_are_refused(shipped: str, tmp_path: Path) -> None:
    folder = copied(shipped, tmp_path)
    with (folder / "model.safetensors").open("r+b") as weights:
        weights.seek(1_000_000)
        weights.write(b"not the weights")
    with pytest.raises(EmbedderError, match=f"{shipped}.* damaged"):
        _ = ModelFolder.read(folder, shipped).weights_sha256


def test_the_install_carries_the_weights_that_were_released(shipped: str) -> None:
    assert ModelFolder.read(locate(shipped), shipped).weights_sha256 == SHIPPED[shipped]


def test_what_is_shipped_takes_at_most_50_mb() -> None:
    assert sum(file.stat().st_size for file in locate(BILINGUAL).rglob("*") if file.is_file()) < 50e6


def test_the_graph_that_is_shipped_gives_the_vectors_of_one_that_is_exported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not has_int8_gain():
        pytest.skip("NO INT8: this processor has no instructions for it")
    settings = Settings.load(tmp_path, embed=Embed(model=BILINGUAL))
    shipped = open_embedder(settings)
    assert isinstance(shipped, OnnxEmbedder)
    assert shipped.graph == locate(BILINGUAL) / SHIPPED_GRAPH
    monkeypatch.setattr(embed, "SHIPPED_GRAPH", "absent.onnx")
    exported = open_embedder(settings)
    assert isinstance(exported, OnnxEmbedder)
    assert exported.graph.parent == settings.models / "embedder"
    texts = [text for text in TEXTS if text]
    cosines = np.sum(shipped.embed_passages(texts) * exported.embed_passages(texts), axis=1)
    assert cosines.min() > 0.99


def test_a_damaged_graph_in_the_install_is_replaced_by_an_exported_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not has_int8_gain():
        pytest.skip("NO INT8: this processor has no instructions for it")
    folder = copied(BILINGUAL, tmp_path)
    (folder / SHIPPED_GRAPH).write_bytes(b"torn")
    monkeypatch.setattr(embed, "locate", lambda *_: folder)
    settings = Settings.load(tmp_path / "home", embed=Embed(model=BILINGUAL))
    found = open_embedder(settings)
    assert isinstance(found, OnnxEmbedder)
    assert found.graph.parent == settings.models / "embedder"
    assert np.linalg.norm(found.embed_query("rent")) == pytest.approx(1, abs=1e-5)


def test_a_question_finds_its_answer_in_the_other_language(tmp_path: Path) -> None:
    found = open_embedder(Settings.load(tmp_path, embed=Embed(model=BILINGUAL)))
    texts = {
        "en": [
            "The notice period is thirty days.",
            "Pets are not allowed.",
            "The rent is 900 euros a month.",
        ],
        "es": [
            "El plazo de preaviso es de treinta días.",
            "No se admiten animales.",
            "El alquiler es de 900 euros al mes.",
        ],
    }
    questions = {
        "en": ["How long before must I give notice?", "May I keep a dog?", "How much is the rent each month?"],
        "es": ["¿Con cuánta antelación debo avisar?", "¿Puedo tener un perro?", "¿Cuánto se paga de alquiler al mes?"],
    }
    for asked, written in product(questions, texts):
        scores = np.stack([found.embed_query(question) for question in questions[asked]]) @ (
            found.embed_passages(texts[written]).T
        )
        assert scores.argmax(1).tolist() == [0, 1, 2], (asked, written)


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


def _without(folder: Path, *names: str) -> ModelFolder:
    for name in names:
        (folder / name).unlink()
    return ModelFolder.read(folder, str(folder))


def test_a_folder_without_its_optional_files_is_read(tmp_path: Path) -> None:
    write_tiny_embedder(tmp_path / "tiny")
    model = _without(tmp_path / "tiny", "sentence_bert_config.json", "config_sentence_transformers.json")
    assert (model.window, model.query_prefix, model.passage_prefix) == (64, "", "")
    model = _without(tmp_path / "tiny", "tokenizer_config.json")
    assert (model.window, model.pooling, model.is_exportable) == (64, "mean", True)
    with pytest.raises(EmbedderError, match="tiny"):
        _without(tmp_path / "tiny", "config.json")


def test_a_robertas_first_positions_do_not_count() -> None:
    assert _longest({"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}, {}) == 512
    assert _longest({"model_type": "bert", "max_position_embeddings": 512}, {"model_max_length": 10**30}) == 512
    assert _longest({"model_type": "bert", "max_position_embeddings": 512}, {"model_max_length": 256}) == 256


@pytest.mark.parametrize(
    ("published", "query", "passage"),
    [
        ({"prompts": {"query": "query: ", "passage": "passage: "}}, "query: ", "passage: "),
        ({"prompts": {"query": "q: ", "document": "d: "}}, "q: ", "d: "),
        ({"prompts": {"retrieval": "r: "}, "default_prompt_name": "retrieval"}, "r: ", "r: "),
        ({"prompts": {"query": "q: "}, "default_prompt_name": None}, "q: ", ""),
        ({"prompts": None}, "", ""),
    ],
)
def test_the_prefixes_that_a_model_wants_are_its_own(
    tmp_path: Path, published: dict[str, object], query: str, passage: str
) -> None:
    write_tiny_embedder(tmp_path / "tiny")
    (tmp_path / "tiny" / "config_sentence_transformers.json").write_text(json.dumps(published))
    model = ModelFolder.read(tmp_path / "tiny", "tiny")
    assert (model.query_prefix, model.passage_prefix) == (query, passage)
    chosen = model.prefixed(Embed(query_prefix="ask: "))
    assert (chosen.query_prefix, chosen.passage_prefix) == ("ask: ", passage)
    assert chosen.fingerprint != model.fingerprint


def test_a_model_with_more_than_pooling_runs_on_torch(tmp_path: Path) -> None:
    write_tiny_embedder(tmp_path / "tiny")
    modules = tmp_path / "tiny" / "modules.json"
    dense = {"idx": 3, "name": "3", "path": "3_Dense", "type": "sentence_transformers.models.Dense"}
    modules.write_text(json.dumps([*json.loads(modules.read_text()), dense]))
    model = ModelFolder.read(tmp_path / "tiny", "tiny")
    assert runtime_of(model, Embed()) == "torch"
    with pytest.raises(EmbedderError, match="'tiny'"):
        runtime_of(model, Embed(runtime="onnx"))


@pytest.mark.slow
def test_a_passage_of_the_windows_length_is_not_cut_by_its_prefix(tmp_path: Path) -> None:
    write_tiny_embedder(tmp_path / "tiny", prompts={"passage": "ab: "})
    embedder = open_embedder(Settings.load(tmp_path, embed=Embed(model=str(tmp_path / "tiny"))))
    assert embedder.window == 64 - 3  # a, ##b, :
    words = ["a"] * (embedder.window - 2)  # and [CLS], [SEP]
    last = embedder.embed_passages([" ".join([*words[:-1], end]) for end in ("b", "c")])
    assert np.abs(last[0] - last[1]).max() > 1e-4
