"""Vocabularies without a model, of both kinds that chat models have, and llama.cpp's own reading of them."""

import ctypes
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import gguf
import llama_cpp

from rag.llama_worker import LlamaModel
from tests.gguf_files import BYTE, CONTROL, NORMAL, UNKNOWN

WORDS = ("user", "system", "assistant", "model", "the", "is", "Who", "are", "you", "Hello", "there", "INST", "SYS")


def vocab_gguf(path: Path, kind: str, special_tokens: Sequence[str], *, bos: str, eos: str, add_bos: bool) -> Path:
    """Writes a GGUF of a vocabulary alone, `kind` "spm" or "bpe", and returns `path`. `special_tokens` are control
    tokens; `bos` and `eos` are of them, or added to them."""
    special = list(dict.fromkeys(filter(None, (bos, eos, *special_tokens))))
    writer = gguf.GGUFWriter(path, "llama")
    if kind == "spm":
        space = "\u2581"
        plain = [chr(code) for code in range(33, 127)] + [space, *WORDS, *(space + word for word in WORDS)]
        tokens = ["<unk>", *special, *(f"<0x{byte:02X}>" for byte in range(256)), *plain]
        types = [UNKNOWN] + [CONTROL] * len(special) + [BYTE] * 256 + [NORMAL] * len(plain)
        writer.add_tokenizer_model("llama")
        writer.add_token_scores([0.0] * (len(tokens) - len(plain)) + [-float(n) for n in range(len(plain))])
        writer.add_unk_token_id(0)
    else:
        letters = _letters_of_bytes()
        merges = list(dict.fromkeys(f"{word[:n]} {word[n]}" for word in WORDS for n in range(1, len(word))))
        merged = list(dict.fromkeys(merge.replace(" ", "") for merge in merges))
        tokens = [*letters, *merged, *special]
        types = [NORMAL] * (len(letters) + len(merged)) + [CONTROL] * len(special)
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("llama-bpe")
        writer.add_token_merges(merges)
    writer.add_token_list([token.encode() for token in tokens])
    writer.add_token_types(types)
    writer.add_bos_token_id(tokens.index(bos or eos))
    writer.add_eos_token_id(tokens.index(eos))
    writer.add_add_bos_token(add_bos)
    for add in (writer.add_context_length, writer.add_embedding_length, writer.add_feed_forward_length):
        add(64)
    for add in (writer.add_block_count, writer.add_head_count, writer.add_head_count_kv):
        add(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _letters_of_bytes() -> list[str]:
    """What byte-level BPE writes for each byte (GPT-2's `bytes_to_unicode`)."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return [*map(chr, shown), *(chr(256 + n) for n in range(len(hidden)))]


class Vocabulary(LlamaModel):
    """As the worker has it, without a model: to make tokens of texts."""

    def __init__(self, path: Path) -> None:
        self.library = llama_cpp
        self._heard = deque(maxlen=3)
        self._listener = llama_cpp.llama_log_callback(self._hear)
        llama_cpp.llama_log_set(self._listener, None)
        parameters = llama_cpp.llama_model_default_params()
        parameters.vocab_only = True
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
        assert self._model, self._heard
        self.vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self._bos = llama_cpp.llama_vocab_bos(self.vocabulary)
        self._bos_text = self.piece(self._bos, special=True).decode()
        self._adds_bos = bool(llama_cpp.llama_vocab_get_add_bos(self.vocabulary))

    @property
    def bos(self) -> int:
        return self._bos

    def controls(self, tokens: Sequence[int]) -> list[str]:
        """The control tokens among them."""
        control = llama_cpp.llama_vocab_is_control
        return [self.piece(token, special=True).decode() for token in tokens if control(self.vocabulary, token)]

    def close(self) -> None:
        llama_cpp.llama_model_free(self._model)
        # llama.cpp holds a bare pointer to the listener: the next model that this process loads would call it.
        llama_cpp.llama_log_set(ctypes.cast(None, llama_cpp.llama_log_callback), None)


def applied(template: str, messages: Sequence[tuple[str, str]]) -> str:
    """What llama.cpp's own llama_chat_apply_template writes of messages, (role, text), for a chat template or the short
    name of one that it knows; '' where it knows none."""
    kept = [(role.encode(), text.encode()) for role, text in messages]
    chat = (llama_cpp.llama_chat_message * len(kept))(*(llama_cpp.llama_chat_message(*one) for one in kept))
    buffer = ctypes.create_string_buffer(10_000)
    size = llama_cpp.llama_chat_apply_template(template.encode(), chat, len(kept), True, buffer, len(buffer))
    assert size <= len(buffer)
    return buffer.raw[: max(size, 0)].decode()
