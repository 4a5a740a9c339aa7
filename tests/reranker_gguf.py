"""Tiny GGUF rerankers that real llama.cpp loads, and the same arithmetic in numpy.

The model is a BERT of one block with random weights (seeded) and a classification head; `score` reads its tensors.
"""

from collections.abc import Sequence
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

WORDS = ("notice", "period", "dogs", "bark", "the", "a", "is", "thirty", "days", "what")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
UNKNOWN, CLS, SEP = 1, 2, 3
WIDTH, HEADS, INNER, EPSILON = 32, 2, 64, 1e-5

Tensors = dict[str, NDArray[np.float32]]


def reranker_gguf(
    path: Path, *, seed: int = 3, context: int = 64, labels: Sequence[str] = (), template: str = ""
) -> Tensors:
    """Writes the model and returns its tensors. `labels` name its scores (one where there are none); `template` is the
    file's own way to put a pair."""
    tensors = _tensors(np.random.default_rng(seed), context, len(labels) or 1)
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_name("Tiny Reranker")
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(EPSILON)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.RANK)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_token_type_count(1)
    if labels:
        writer.add_classifier_output_labels(labels)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([token.encode() for token in (*SPECIAL, *(f"\u2581{word}" for word in WORDS))])
    writer.add_token_types([int(gguf.TokenType.CONTROL)] * len(SPECIAL) + [int(gguf.TokenType.NORMAL)] * len(WORDS))
    writer.add_bos_token_id(CLS)
    writer.add_eos_token_id(SEP)
    writer.add_sep_token_id(SEP)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)
    if template:
        writer.add_chat_template([{"name": "rerank", "template": template}])
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors


def pair(question: str, text: str) -> list[int]:
    """[CLS] question [SEP] [SEP] text [SEP], as llama.cpp's server puts a pair to such a vocabulary."""
    return [CLS, *_tokens(question), SEP, SEP, *_tokens(text), SEP]


def score(tensors: Tensors, tokens: Sequence[int]) -> float:
    """The first score that the model gives the tokens: BERT's forward pass, and its head over the first token."""
    x = tensors["token_embd.weight"][list(tokens)] + tensors["position_embd.weight"][: len(tokens)]
    x = _norm(x + tensors["token_types.weight"][0], tensors, "token_embd_norm")
    x = _norm(x + _attended(x, tensors), tensors, "blk.0.attn_output_norm")
    x = _norm(x + _linear(_gelu(_linear(x, tensors, "blk.0.ffn_up")), tensors, "blk.0.ffn_down"), tensors,
              "blk.0.layer_output_norm")  # fmt: skip
    return float(_linear(np.tanh(_linear(x[:1], tensors, "cls")), tensors, "cls.output")[0, 0])


def _tensors(random: np.random.Generator, context: int, labels: int) -> Tensors:
    tensors: Tensors = {}

    def add(name: str, *shape: int, scale: float = 0.5) -> None:
        tensors[name] = (random.standard_normal(shape) * scale).astype(np.float32)

    def linear(name: str, outputs: int, inputs: int) -> None:
        add(f"{name}.weight", outputs, inputs)
        add(f"{name}.bias", outputs, scale=0.1)

    def norm(name: str) -> None:
        add(f"{name}.weight", WIDTH, scale=1.0)
        add(f"{name}.bias", WIDTH)

    add("token_embd.weight", len(SPECIAL) + len(WORDS), WIDTH, scale=1.0)
    add("position_embd.weight", context, WIDTH)
    add("token_types.weight", 1, WIDTH)
    norm("token_embd_norm")
    for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
        linear(f"blk.0.{part}", WIDTH, WIDTH)
    norm("blk.0.attn_output_norm")
    linear("blk.0.ffn_up", INNER, WIDTH)
    linear("blk.0.ffn_down", WIDTH, INNER)
    norm("blk.0.layer_output_norm")
    linear("cls", WIDTH, WIDTH)
    tensors["cls.weight"] /= 5  # far from where tanh gives 1 to everything
    linear("cls.output", labels, WIDTH)
    return tensors


def _tokens(text: str) -> list[int]:
    return [len(SPECIAL) + WORDS.index(word) for word in text.split()]


def _attended(x: NDArray[np.float32], tensors: Tensors) -> NDArray[np.float32]:
    size = WIDTH // HEADS
    query, key, value = (_linear(x, tensors, f"blk.0.attn_{name}") for name in "qkv")
    heads = []
    for head in range(HEADS):
        part = slice(head * size, (head + 1) * size)
        weights = np.exp(query[:, part] @ key[:, part].T / np.sqrt(size))
        heads.append(weights / weights.sum(axis=1, keepdims=True) @ value[:, part])
    return _linear(np.concatenate(heads, axis=1), tensors, "blk.0.attn_output")


def _linear(x: NDArray[np.float32], tensors: Tensors, name: str) -> NDArray[np.float32]:
    return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]


def _norm(x: NDArray[np.float32], tensors: Tensors, name: str) -> NDArray[np.float32]:
    centred = x - x.mean(axis=-1, keepdims=True)
    unit = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPSILON)
    return unit * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]


def _gelu(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
