"""The process that holds a GGUF reranker: `python -m rag.rank_worker`, started by rag/gguf_reranker.py.

It speaks JSON, one object a line. It is told first what to load, then what to score, one request after the other:

    {"path", "context", "threads", "gpu_layers"}      -> {"ready": true}, or {"unloadable": why} and it ends
    {"question", "texts": [...]}                      -> {"scores": [...]} or {"error": why}

It ends when its standard input does, so it does not outlive the process that started it. It opens no connection.
"""

import json
import math
import os
import re
import sys
from collections import deque
from typing import Any

from models.runtime import physical_cores
from rag.process import be_the_first_to_go, own_standard_output, send

GGML_LOG_LEVEL_ERROR = 4  # ggml.h
YES = "yes"  # the label of the first score of a reranker that answers yes or no (Qwen3-Reranker)

# The holes of a reranker's own template, as llama.cpp's converter writes it, with the white space around them: that
# belongs to the tokens of what fills them.
_HOLES = re.compile(r"(\s*\{(?:query|document)\}\s*)")
_TEXT = "{document}"


def main() -> None:
    replies = own_standard_output()
    be_the_first_to_go()
    model: LlamaReranker | None = None
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            if model is None:
                model = LlamaReranker(**request)
                reply: dict[str, Any] = {"ready": True}
            else:
                reply = {"scores": [model.score(request["question"], text) for text in request["texts"]]}
        except (ValueError, RuntimeError) as error:
            reply = {"error" if model else "unloadable": str(error)}
        send(replies, reply)
        if model is None:
            return


class LlamaReranker:
    """A reranker in memory, through llama.cpp's own functions. `context` is in tokens, of question and text together.

    Raises ValueError if it cannot be loaded or is no reranker.
    """

    def __init__(self, path: str, context: int, threads: int, gpu_layers: int) -> None:
        import llama_cpp

        self._library = llama_cpp
        self._limit = context
        self._heard: deque[str] = deque(maxlen=3)
        self._listener = llama_cpp.llama_log_callback(self._hear)  # kept: llama.cpp holds a bare pointer to it
        llama_cpp.llama_log_set(self._listener, None)
        llama_cpp.llama_backend_init()
        self._model = self._load(path, gpu_layers)
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self._context = self._open(threads or physical_cores())
        self._batch = llama_cpp.llama_batch_init(context, 0, 1)
        template = llama_cpp.llama_model_chat_template(self._model, b"rerank")
        self._template = template.decode("utf-8", "replace") if template else ""

    def score(self, question: str, text: str) -> float:
        """How well the text answers the question, on the model's own scale; of a longer text its beginning.

        Raises RuntimeError if llama.cpp fails.
        """
        self._read(self.pair(question, text))
        scores = self._library.llama_get_embeddings_seq(self._context, 0)
        if not scores or not math.isfinite(scores[0]):
            raise RuntimeError("it gives no number")
        return float(scores[0])

    def pair(self, question: str, text: str) -> list[int]:
        """The tokens of both as the model was trained to read them: in its own template; else, as llama.cpp's server
        has it, [BOS] question [EOS] [SEP] text [EOS], each of these where the vocabulary asks for it."""
        parts = self._in_template(question, text) if self._template else self._between_marks(question, text)
        room = self._limit - sum(len(tokens) for tokens, is_text in parts if not is_text)
        if room < 1:
            raise RuntimeError(f"the question leaves no room for a passage in {self._limit} tokens")
        return [token for tokens, is_text in parts for token in (tokens[:room] if is_text else tokens)]

    def _in_template(self, question: str, text: str) -> list[tuple[list[int], bool]]:
        """Tokens in their order, and whether they are the text's. Only the template's own marks are read as such."""
        parts = []
        for place, part in enumerate(_HOLES.split(self._template)):
            is_hole = place % 2 == 1
            filled = part.replace("{query}", question) if _TEXT not in part else part.replace(_TEXT, text)
            parts.append((self._tokens(filled if is_hole else part, special=not is_hole), is_hole and _TEXT in part))
        return parts

    def _between_marks(self, question: str, text: str) -> list[tuple[list[int], bool]]:
        bos, eos, sep = (self._mark(name) for name in ("bos", "eos", "sep"))
        return [([*bos, *self._tokens(question), *eos, *sep], False), (self._tokens(text), True), (eos, False)]

    def _mark(self, name: str) -> list[int]:
        """The token of that name, where the vocabulary asks for it; a vocabulary without an end has a separator."""
        library, vocabulary = self._library, self._vocabulary
        if not getattr(library, f"llama_vocab_get_add_{name}")(vocabulary):
            return []
        tokens = [getattr(library, f"llama_vocab_{name}")(vocabulary)]
        if name == "eos":
            tokens.append(library.llama_vocab_sep(vocabulary))
        return [token for token in tokens if token >= 0][:1]

    def _tokens(self, text: str, *, special: bool = False) -> list[int]:
        data = text.encode("utf-8", "replace")
        size = len(data) + 8  # more tokens than bytes there are not, but for a mark or two
        tokens = (self._library.llama_token * size)()
        count = self._library.llama_tokenize(self._vocabulary, data, len(data), tokens, size, False, special)
        if count < 0:
            raise RuntimeError(f"a text of {len(data)} bytes cannot be cut into tokens")
        return list(tokens[:count])

    def _read(self, tokens: list[int]) -> None:
        library, batch = self._library, self._batch
        batch.n_tokens = len(tokens)
        for place, token in enumerate(tokens):
            batch.token[place], batch.pos[place], batch.logits[place] = token, place, True
            batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
        if memory := library.llama_get_memory(self._context):  # a model that reads both ways has none
            library.llama_memory_clear(memory, True)
        if code := library.llama_decode(self._context, batch):
            raise RuntimeError(f"llama.cpp ends with {code}")

    def _load(self, path: str, gpu_layers: int) -> Any:
        library = self._library
        options = library.llama_model_default_params()
        options.n_gpu_layers = gpu_layers
        options.use_extra_bufts = False  # with them some builds crash at a quantised matrix (ggml-org/llama.cpp#20824)
        model = library.llama_model_load_from_file(os.fsencode(path), options)
        if not model:
            raise ValueError("; ".join(self._heard) or "llama.cpp does not say why")
        labels = [library.llama_model_cls_label(model, n) for n in range(library.llama_model_n_cls_out(model))]
        if len(labels) > 1 and (labels[0] or b"").decode("utf-8", "replace").lower() != YES:
            raise ValueError(f"it gives {len(labels)} scores for a passage, not one")
        return model

    def _open(self, threads: int) -> Any:
        library = self._library
        options = library.llama_context_default_params()
        options.n_ctx = options.n_batch = options.n_ubatch = self._limit  # a pair is read in one go
        options.n_seq_max = 1
        options.n_threads = options.n_threads_batch = threads
        options.embeddings = True
        options.pooling_type = library.LLAMA_POOLING_TYPE_RANK
        context = library.llama_init_from_model(self._model, options)
        if not context:
            raise ValueError("; ".join(self._heard) or "memory may be too short")
        return context

    def _hear(self, level: int, text: bytes, _: object) -> None:
        if level == GGML_LOG_LEVEL_ERROR:
            self._heard.append(text.decode("utf-8", "replace").strip())


if __name__ == "__main__":
    main()
