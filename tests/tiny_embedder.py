"""A sentence-transformers folder with a BERT of random weights, small enough to be made in a test."""

import json
import string
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LAYER = "encoder.layer.0"


def write_tiny_embedder(
    folder: Path,
    *,
    seed: int = 0,
    dimensions: int = 16,
    pooling: str = "mean",
    prompts: Mapping[str, str] = {},
) -> None:
    """One layer, two heads, a token a letter; every file that a published model has."""
    vocabulary = [*SPECIAL, *string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase), ":", "."]
    folder.mkdir(parents=True)
    (folder / "1_Pooling").mkdir()
    inner = 2 * dimensions
    config = {
        "architectures": ["BertModel"], "model_type": "bert", "hidden_size": dimensions, "intermediate_size": inner,
        "num_attention_heads": 2, "num_hidden_layers": 1, "max_position_embeddings": 64, "type_vocab_size": 2,
        "vocab_size": len(vocabulary), "hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 0,
    }  # fmt: skip
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    modes = {
        "word_embedding_dimension": dimensions,
        "pooling_mode_cls_token": pooling == "cls",
        "pooling_mode_mean_tokens": pooling == "mean",
    }
    files: dict[str, object] = {
        "config.json": config,
        "modules.json": modules,
        "1_Pooling/config.json": modes,
        "sentence_bert_config.json": {"max_seq_length": 64, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": dict(prompts)},
        "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "model_max_length": 64, "do_lower_case": True},
        "tokenizer.json": _tokenizer(vocabulary),
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    save_file(_weights(np.random.default_rng(seed), len(vocabulary), dimensions, inner), folder / "model.safetensors")


def _weights(random: np.random.Generator, words: int, dimensions: int, inner: int) -> dict[str, np.ndarray]:
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (words, dimensions),
        "embeddings.position_embeddings.weight": (64, dimensions),
        "embeddings.token_type_embeddings.weight": (2, dimensions),
        "pooler.dense.weight": (dimensions, dimensions),
        "pooler.dense.bias": (dimensions,),
    }
    linear = {
        f"{LAYER}.attention.self.query": (dimensions, dimensions),
        f"{LAYER}.attention.self.key": (dimensions, dimensions),
        f"{LAYER}.attention.self.value": (dimensions, dimensions),
        f"{LAYER}.attention.output.dense": (dimensions, dimensions),
        f"{LAYER}.intermediate.dense": (inner, dimensions),
        f"{LAYER}.output.dense": (dimensions, inner),
    }
    for name, shape in linear.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    weights = {name: random.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    for name in ("embeddings.LayerNorm", f"{LAYER}.attention.output.LayerNorm", f"{LAYER}.output.LayerNorm"):
        weights |= {f"{name}.weight": np.ones(dimensions, np.float32), f"{name}.bias": np.zeros(dimensions, np.float32)}
    return weights


def _tokenizer(vocabulary: list[str]) -> dict[str, object]:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    ids = {token: id for id, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    tokenizer.add_special_tokens(list(SPECIAL))
    made: dict[str, object] = json.loads(tokenizer.to_str())
    return made
