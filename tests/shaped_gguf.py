"""Builders of GGUFs of a given shape with random weights, for what memory they take; what they say means nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

from tests.gguf_files import BYTE, CONTROL, NORMAL, UNKNOWN

Kind = gguf.GGMLQuantizationType


@dataclass(frozen=True, slots=True)
class Shape:
    """`kv_heads` of as many `heads`, each `head` wide. `window` is that of the layers that have one."""

    architecture: str = "llama"
    blocks: int = 4
    width: int = 512
    heads: int = 8
    kv_heads: int = 2
    head: int = 64
    inner: int = 1024
    tokens: int = 2000
    context: int = 32_768
    window: int = 0
    experts: int = 0
    tied: bool = False
    kind: Kind = Kind.F16

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Names and shapes, as llama.cpp's loaders of these architectures want them."""
        q, kv = self.heads * self.head, self.kv_heads * self.head
        yield "token_embd.weight", (self.tokens, self.width)
        yield f"{'token_embd' if self.architecture == 'lfm2' else 'output'}_norm.weight", (self.width,)
        if not self.tied:
            yield "output.weight", (self.tokens, self.width)
        for block in range(self.blocks):
            yield from ((f"blk.{block}.{name}.weight", shape) for name, shape in self._of_block(block, q, kv))
            if self.architecture == "qwen2":
                yield from ((f"blk.{block}.attn_{part}.bias", (q if part == "q" else kv,)) for part in "qkv")

    def _of_block(self, block: int, q: int, kv: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        width, inner = self.width, self.inner
        yield "attn_norm", (width,)
        yield "ffn_norm", (width,)
        if self.architecture == "lfm2" and not self.attends(block):
            yield from (("shortconv.conv", (width, 3)), ("shortconv.in_proj", (3 * width, width)))
            yield "shortconv.out_proj", (width, width)
        elif self.architecture == "phi3":
            yield from (("attn_qkv", (q + 2 * kv, width)), ("attn_output", (width, q)))
        else:
            yield from (("attn_q", (q, width)), ("attn_k", (kv, width)), ("attn_v", (kv, width)))
            yield "attn_output", (width, q)
            if self.architecture in ("qwen3", "qwen3moe", "gemma3", "lfm2"):
                yield from (("attn_q_norm", (self.head,)), ("attn_k_norm", (self.head,)))
        if self.architecture in ("gemma2", "gemma3"):
            yield from (("post_attention_norm", (width,)), ("post_ffw_norm", (width,)))
        if self.experts:
            yield "ffn_gate_inp", (self.experts, width)
            yield from ((f"ffn_{part}_exps", (self.experts, inner, width)) for part in ("gate", "up"))
            yield "ffn_down_exps", (self.experts, width, inner)
        elif self.architecture == "phi3":
            yield from (("ffn_up", (2 * inner, width)), ("ffn_down", (width, inner)))
        else:
            yield from (("ffn_gate", (inner, width)), ("ffn_up", (inner, width)), ("ffn_down", (width, inner)))

    def attends(self, block: int) -> bool:
        """In a hybrid every fourth block does, the others keep a small state."""
        return self.architecture != "lfm2" or block % 4 == 3


def shaped_gguf(path: Path, shape: Shape, *, sparse: bool = False) -> Path:
    """Writes a GGUF of that shape and returns `path`; a `sparse` one is all zeros and takes next to no disk."""
    writer = gguf.GGUFWriter(path, shape.architecture)
    _add_header(writer, shape)
    tensors = [(name, dimensions, _kind(dimensions, name, shape)) for name, dimensions in shape.tensors()]
    for name, dimensions, kind in tensors:
        stored = gguf.quant_shape_to_byte_shape(dimensions, kind) if kind > Kind.F16 else dimensions
        dtype = np.dtype({Kind.F32: np.float32, Kind.F16: np.float16}.get(kind, np.uint8))
        writer.add_tensor_info(name, stored, dtype, int(np.prod(stored)) * dtype.itemsize, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    rng = np.random.default_rng(0)
    with path.open("r+b") as file:
        file.seek(0, 2)
        for _, dimensions, kind in tensors:
            file.seek(-(-file.tell() // 32) * 32)
            size = _bytes(dimensions, kind)
            if sparse:
                file.truncate(file.tell() + size)
                file.seek(0, 2)
            else:
                file.write(_random(rng, dimensions, kind))
        file.truncate(-(-file.tell() // 32) * 32)
    return path


def _kind(dimensions: tuple[int, ...], name: str, shape: Shape) -> Kind:
    small = len(dimensions) == 1 or "gate_inp" in name or "shortconv.conv" in name
    return Kind.F32 if small else shape.kind


def _bytes(dimensions: tuple[int, ...], kind: Kind) -> int:
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    return int(np.prod(dimensions)) // elements * size


def _random(rng: np.random.Generator, dimensions: tuple[int, ...], kind: Kind) -> bytes:
    values = rng.standard_normal(dimensions, dtype=np.float32) * 0.02
    if kind in (Kind.F32, Kind.F16):
        return values.astype(np.float32 if kind == Kind.F32 else np.float16).tobytes()
    return gguf.quantize(values, kind).tobytes()


def _add_header(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name("Random weights")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.blocks)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    kept = [shape.kv_heads * shape.attends(block) for block in range(shape.blocks)]
    writer.add_head_count_kv(kept if shape.architecture == "lfm2" else shape.kv_heads)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(shape.tokens)
    if shape.window:
        writer.add_sliding_window(shape.window)
    if shape.experts:
        writer.add_expert_count(shape.experts)
        writer.add_expert_used_count(2)
        writer.add_expert_feed_forward_length(shape.inner)
    if shape.architecture == "lfm2":
        writer.add_shortconv_l_cache(3)
    writer.add_tokenizer_model("llama")
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokens += [f"\u2581word{number}" for number in range(shape.tokens - len(tokens))]
    writer.add_token_list([token.encode() for token in tokens])
    writer.add_token_scores([-float(number) for number in range(len(tokens))])
    writer.add_token_types([UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * (len(tokens) - 259))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
