"""Builders of tiny GGUFs that real llama.cpp loads in milliseconds and that answer what they are told to.

The scripted model has one block of zeros, so a token's prediction depends on that token alone: any token of a prompt
predicts the first piece of `says`, each piece the next one, and the last piece the end of the turn.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np

CHATML = (
    "{% for message in messages %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}"
    "{% set system = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n' %}"
    "{% endif %}{{ bos_token + '[INST] ' + system + messages[1]['content'] + ' [/INST]' }}"
)
LLAMA3 = (
    "{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    " + message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
)
ANSWER = "The notice period is thirty days [1]."

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = (
    int(gguf.TokenType.NORMAL),
    int(gguf.TokenType.UNKNOWN),
    int(gguf.TokenType.CONTROL),
    int(gguf.TokenType.USER_DEFINED),
    int(gguf.TokenType.BYTE),
)


def tiny_gguf(
    path: Path,
    says: str | Sequence[str | bytes] = ANSWER,
    template: str | None = CHATML,
    *,
    name: str = "Tiny",
    special_tokens: Sequence[str] = ("<|im_start|>", "<|im_end|>"),
    add_bos: bool = True,
    context: int = 8192,
    endless: bool = False,
    certainty: float = 5.0,
    width: int = 64,
    blocks: int = 1,
) -> Path:
    """Writes a llama model that answers `says` to every prompt, and returns `path`.

    `says` is a text, or the pieces to say one token each (a bytes piece is a single raw byte token, one that is among
    `special_tokens` that token); the pieces are distinct. The last of `special_tokens` ends a turn ('</s>' if there is
    none). `endless` starts over instead of ending. A `certainty` of 0.25 leaves a choice at high temperatures, at 0
    none. `width` 1024 and `blocks` 2 make a model of 75 MB that takes seconds over a long prompt.
    """
    pieces = _pieces(says) if isinstance(says, str) else list(says)
    words = [piece for piece in pieces if isinstance(piece, str) and piece not in special_tokens]
    specials = ["<unk>", "<s>", "</s>"]
    tokens = specials + [f"<0x{byte:02X}>" for byte in range(256)] + list(special_tokens)
    types = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256 + [CONTROL] * len(special_tokens) + [NORMAL] * len(words)
    first_word = len(tokens)
    tokens += [word.replace(" ", "\u2581") for word in words]
    eos = first_word - 1 if special_tokens else 2

    def token_of(piece: str | bytes) -> int:
        if isinstance(piece, bytes):
            return 3 + piece[0]
        return tokens.index(piece) if piece in special_tokens else first_word + words.index(piece)

    script = [token_of(piece) for piece in pieces]
    following = [*script[1:], script[0] if endless else eos]

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(blocks)
    writer.add_feed_forward_length(width * 4)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // 2)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([token.encode() for token in tokens])
    writer.add_token_scores([0.0] * first_word + [-float(n) for n in range(len(words))])
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(eos)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(add_bos)
    writer.add_add_space_prefix(False)
    if template is not None:
        writer.add_chat_template(template)
    _add_scripted_tensors(writer, script, following, certainty, len(tokens), width, blocks)
    return _write(writer, path)


def header_gguf(path: Path, architecture: str, tokens: Sequence[str] = (), **metadata: Any) -> Path:
    """Writes a GGUF of one small tensor whose header says what the arguments say; '__' in a name stands for '.'.

    `tokens` are control tokens. For reading and choosing only: llama.cpp does not load it.
    """
    writer = gguf.GGUFWriter(path, architecture)
    if tokens:
        writer.add_token_list([token.encode() for token in tokens])
        writer.add_token_types([CONTROL] * len(tokens))
    for key, value in metadata.items():
        _add_value(writer, key.replace("__", "."), value)
    writer.add_tensor("token_embd.weight", np.zeros((1, 32), dtype=np.float16))
    return _write(writer, path)


def quantise(source: Path, target: Path, file_type: int = int(gguf.LlamaFileType.MOSTLY_Q8_0)) -> Path:
    """Quantises `source` with llama.cpp's own quantiser, in a process of its own as it prints what it does."""
    code = """
import ctypes, sys, llama_cpp
parameters = llama_cpp.llama_model_quantize_default_params()
parameters.ftype = int(sys.argv[3])
sys.exit(llama_cpp.llama_model_quantize(sys.argv[1].encode(), sys.argv[2].encode(), ctypes.byref(parameters)))
"""
    subprocess.run([sys.executable, "-c", code, source, target, str(file_type)], check=True, capture_output=True)
    return target


def _pieces(text: str) -> list[str]:
    """Words with the space before them; a word already said is joined to the next, so that all are distinct."""
    pieces: list[str] = []
    held = ""
    for n, word in enumerate(text.split(" ")):
        held += f" {word}" if n else word
        if held not in pieces:
            pieces.append(held)
            held = ""
    if held:
        pieces[-1] += held
    return pieces


def _add_scripted_tensors(
    writer: gguf.GGUFWriter,
    script: Sequence[int],
    following: Sequence[int],
    certainty: float,
    vocabulary: int,
    width: int,
    blocks: int,
) -> None:
    assert len(script) < width, f"{len(script)} pieces need a width over {len(script)}, not {width}"
    embeddings = np.zeros((vocabulary, width), dtype=np.float16)
    output = np.zeros((vocabulary, width), dtype=np.float16)
    embeddings[:, 0] = 1  # whatever a prompt ends in
    output[script[0], 0] = certainty
    for state, (token, next_token) in enumerate(zip(script, following, strict=True), start=1):
        embeddings[token] = np.eye(width)[state]
        output[next_token, state] = certainty

    def zeros(rows: int, columns: int) -> np.ndarray[Any, np.dtype[np.float16]]:
        return np.zeros((rows, columns), dtype=np.float16)

    writer.add_tensor("token_embd.weight", embeddings)
    writer.add_tensor("output.weight", output)
    writer.add_tensor("output_norm.weight", np.ones(width, dtype=np.float32))
    for block in range(blocks):
        writer.add_tensor(f"blk.{block}.attn_norm.weight", np.ones(width, dtype=np.float32))
        writer.add_tensor(f"blk.{block}.ffn_norm.weight", np.ones(width, dtype=np.float32))
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"blk.{block}.{part}.weight", zeros(width, width))
        writer.add_tensor(f"blk.{block}.ffn_gate.weight", zeros(width * 4, width))
        writer.add_tensor(f"blk.{block}.ffn_up.weight", zeros(width * 4, width))
        writer.add_tensor(f"blk.{block}.ffn_down.weight", zeros(width, width * 4))


def _add_value(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    match value:
        case bool():
            writer.add_bool(key, value)
        case int():
            writer.add_uint32(key, value)
        case float():
            writer.add_float32(key, value)
        case str():
            writer.add_string(key, value)
        case Mapping():
            raise TypeError(f"{key}: a GGUF holds no mappings")
        case _:
            writer.add_array(key, value)


def _write(writer: gguf.GGUFWriter, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
