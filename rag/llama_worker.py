"""The process that holds a llama.cpp model: `python -m rag.llama_worker`, started by rag/generate.py.

It speaks JSON, one object a line. It is told first what to load, {"path", "settings"} (settings.Generate) and perhaps
a LoRA adapter to apply, {"adapter", "scale"}, and says how it runs it, {"event": "loaded", "runtime"}
(models.runtime.Runtime), with the bytes that are left of a graphics card, "card_free". Then what to do, each with its
own `id`:

    {"id", "do": "count", "text"}                  -> {"id", "event": "end", "tokens"}
    {"id", "do": "generate", ...} (Request)        -> {"id", "event": "piece", "text"} ...
                                                      {"id", "event": "end", "prompt", "reused", "said",      tokens
                                                       "reading", "writing"}                                 seconds
    {"id", "do": "cancel"}                         ends that request at once, also while its prompt is being read

and may answer {"id", "event": "error", "message"}, {"id", "event": "notice", "message"} and go on without the grammar,
or {"event": "unloadable", "message"} (and "hint", if it knows what to do; "too_large", if it needs more memory than is
free) and end. It ends when its standard input does, so it never outlives the process that started it. It opens no
connection.

What a prompt has in common with the one before it, answer included, is not evaluated again. There are two `slots` for
that: the answers to questions keep theirs while the model helps with something else in between.
"""

import codecs
import contextlib
import ctypes
import json
import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import numpy as np

from errors import CitaError, ModelTooLargeError
from models.fit import SLOTS, Weights
from models.runtime import Hardware, choose_runtime
from rag.process import be_the_first_to_go, own_standard_output, send
from settings import Generate

if TYPE_CHECKING:
    from numpy.typing import NDArray

Message = dict[str, Any]

GGML_LOG_LEVEL_ERROR = 4  # ggml.h
GGML_TYPES = {"f16": 1, "q8_0": 8, "q4_0": 2}
NO_ROOM, ABORTED = 1, 2  # of llama_decode
TOP_K = 40
REPEATED = 256  # tokens that the repeat penalty looks back
LIKELY = 256  # tokens that the grammar is asked about before it is asked about all


@dataclass(frozen=True, slots=True)
class Request:
    """What to answer, and how: `stop` are texts that end the answer, `grammar` is GBNF that it keeps to ('' for none).
    `thoughts` are the marks that open and close one: it stands before the answer, the grammar does not bind it, and
    after half of `max_tokens` it is closed. A `temperature` of 0 takes the likeliest token."""

    text: str
    slot: int = 0
    stop: tuple[str, ...] = ()
    max_tokens: int = 512
    grammar: str = ""
    thoughts: tuple[tuple[str, str], ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    seed: int = 0

    @classmethod
    def read(cls, message: Message) -> Self:
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in message.items() if name in known})


def main() -> None:
    replies = own_standard_output()
    be_the_first_to_go()
    inbox = Inbox(sys.stdin.buffer)
    try:
        model = LlamaModel(**inbox.next(), cancelled=inbox.is_cancelled)
    except CitaError as error:
        too_large = isinstance(error, ModelTooLargeError)
        send(
            replies,
            {"event": "unloadable", "message": error.message, "hint": error.hint, "too_large": too_large},
        )
        return
    except (ValueError, RuntimeError, OSError, AssertionError) as error:
        send(replies, {"event": "unloadable", "message": str(error)})
        return
    card_free = Hardware.look(model.library).card if model.runtime.gpu_layers else 0
    send(replies, {"event": "loaded", "runtime": asdict(model.runtime), "card_free": card_free})
    while True:
        request = inbox.next()
        try:
            for event in _serve(model, request):
                send(replies, {"id": request["id"], **event})
        except (ValueError, RuntimeError) as error:
            send(replies, {"id": request["id"], "event": "error", "message": str(error)})
        inbox.forget(request["id"])


def _serve(model: "LlamaModel", request: Message) -> Iterator[Message]:
    if request["do"] == "count":
        yield {"event": "end", "tokens": len(model.tokens(request["text"]))}
        return
    yield from model.generate(request["id"], Request.read(request))


class Inbox:
    """Requests in their order, read by a thread of its own so that a cancellation is heard during work."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._requests: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        threading.Thread(target=self._read, daemon=True).start()

    def next(self) -> Message:
        return self._requests.get()

    def is_cancelled(self, id: int) -> bool:
        return id in self._cancelled

    def forget(self, id: int) -> None:
        self._cancelled.discard(id)

    def _read(self) -> None:
        for line in self._stream:
            message = json.loads(line)
            if message.get("do") == "cancel":
                self._cancelled.add(message["id"])
            else:
                self._requests.put(message)
        os._exit(0)  # whoever started us has closed the pipe or is gone: end, whatever llama.cpp is doing


class CancelledError(Exception):
    """A request was cancelled in the middle of an evaluation."""


class LlamaModel:
    """A model in memory. Used by one thread only: two on one llama.cpp context crash it."""

    def __init__(
        self,
        path: str,
        settings: dict[str, Any],
        cancelled: Callable[[int], bool],
        adapter: str = "",
        scale: float = 1.0,
    ) -> None:
        import llama_cpp

        self.library = llama_cpp
        self._running = -1
        self._heard: deque[str] = deque(maxlen=3)
        # Callbacks are kept in attributes: llama.cpp holds bare pointers to them.
        self._listener = llama_cpp.llama_log_callback(self._hear)
        llama_cpp.llama_log_set(self._listener, None)
        llama_cpp.llama_backend_init()
        self._cancelled = cancelled
        self._abort = llama_cpp.ggml_abort_callback(lambda _: cancelled(self._running))
        weights = Weights.read(Path(path))
        self.runtime = choose_runtime(Generate(**settings), weights, Hardware.look(llama_cpp))
        self._model = self._load(path)
        self.context = self._open_context(self._model)
        if adapter:
            self._apply(adapter, scale)
        self.vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self.size = llama_cpp.llama_vocab_n_tokens(self.vocabulary)
        self._bos = llama_cpp.llama_vocab_bos(self.vocabulary)
        self._bos_text = self.piece(self._bos, special=True).decode("utf-8", "replace") if self._bos >= 0 else ""
        self._adds_bos = self._bos >= 0 and bool(llama_cpp.llama_vocab_get_add_bos(self.vocabulary))
        self._held: list[list[int]] = [[] for _ in range(SLOTS)]  # the tokens that are evaluated
        self._batch = llama_cpp.llama_batch_init(self.runtime.batch, 0, 1)

    def tokens(self, text: str) -> list[int]:
        """The tokens of a whole prompt, special ones included, the begin-of-sequence token once where there is one."""
        bare = text.removeprefix(self._bos_text) if self._bos_text else text
        begins = [self._bos] if self._adds_bos or bare != text else []
        return begins + self.tokenize(bare)

    def generate(self, id: int, request: Request) -> Iterator[Message]:
        """The events of an answer; its pieces are without the text that ended it. Ends early when `id` is cancelled."""
        tokens = self.tokens(request.text)
        room = self.runtime.context - len(tokens)
        if room < 1:
            raise ValueError(f"the prompt has {len(tokens)} tokens, the context {self.runtime.context}")
        self._running = id
        told: dict[str, float] = {"prompt": len(tokens), "reused": 0, "said": 0, "reading": 0.0, "writing": 0.0}
        text, begun = AnswerText(request.stop), time.monotonic()
        with contextlib.suppress(CancelledError), contextlib.closing(Chooser(self, request)) as chooser:
            told["reused"] = self._read(request.slot, tokens)
            self.library.llama_synchronize(self.context)  # a graphics card may still be at it
            read = time.monotonic()
            told["reading"] = read - begun
            for token in self._answer(request.slot, chooser, min(request.max_tokens, room)):
                told["said"] += 1
                if notice := chooser.take_notice():
                    yield {"event": "notice", "message": notice}
                if shown := text.feed(chooser.bytes_of(token)):
                    yield {"event": "piece", "text": shown}
                if text.stopped:
                    break
            if rest := text.end():
                yield {"event": "piece", "text": rest}
            told["writing"] = time.monotonic() - read
        yield {"event": "end", **told}

    def _answer(self, slot: int, chooser: "Chooser", most: int) -> Iterator[int]:
        for number in range(most):
            token = chooser.choose(number)
            if chooser.ends(token):
                return
            yield token
            if number + 1 < most:
                self._evaluate(slot, [token])

    def _read(self, slot: int, tokens: Sequence[int]) -> int:
        """Evaluates a prompt but for what the slot holds of it already; says how many tokens that is."""
        same = _common(self._held[slot], tokens[:-1])  # the last one's scores are wanted anew
        same = self._keep(slot, same)
        for start in range(same, len(tokens), self.runtime.batch):
            self._evaluate(slot, tokens[start : start + self.runtime.batch])
        return same

    def _keep(self, slot: int, count: int) -> int:
        """Forgets all but the first `count` tokens, or all where the model cannot go back; says how many are left."""
        if self.runtime.window_only and count < len(self._held[slot]):
            count = 0  # what the window of the first `count` saw is gone
        memory = self.library.llama_get_memory(self.context)
        if not self.library.llama_memory_seq_rm(memory, slot, count, -1):
            self.library.llama_memory_seq_rm(memory, slot, 0, -1)
            count = 0
        del self._held[slot][count:]
        return count

    def _evaluate(self, slot: int, tokens: Sequence[int]) -> None:
        if self._cancelled(self._running):
            raise CancelledError
        self._fill_batch(slot, tokens)
        outcome = self.library.llama_decode(self.context, self._batch)
        if outcome == NO_ROOM:  # the other slots take it
            for other in range(SLOTS):
                self._keep(other, len(self._held[slot]) if other == slot else 0)
            outcome = self.library.llama_decode(self.context, self._batch)
        if outcome:
            self._keep(slot, len(self._held[slot]))  # parts of the batch may have stayed behind
            if outcome == ABORTED:
                raise CancelledError
            raise RuntimeError(f"llama.cpp could not evaluate it (llama_decode returned {outcome})")
        self._held[slot] += tokens

    def _fill_batch(self, slot: int, tokens: Sequence[int]) -> None:
        """The next tokens of a slot; the scores after the last are wanted."""
        batch, begin = self._batch, len(self._held[slot])
        batch.n_tokens = len(tokens)
        for place, token in enumerate(tokens):
            batch.token[place], batch.pos[place] = token, begin + place
            batch.n_seq_id[place], batch.seq_id[place][0] = 1, slot
            batch.logits[place] = place + 1 == len(tokens)

    def _hear(self, level: int, text: bytes, _: object) -> None:
        if level == GGML_LOG_LEVEL_ERROR:
            self._heard.append(text.decode("utf-8", "replace").strip())

    def tokenize(self, text: str) -> list[int]:
        data = text.encode("utf-8", "replace")
        size = len(data) + 2
        while True:
            tokens = (self.library.llama_token * size)()
            count = self.library.llama_tokenize(self.vocabulary, data, len(data), tokens, size, False, True)
            if count >= 0:
                return list(tokens[:count])
            size = -count

    def piece(self, token: int, *, special: bool) -> bytes:
        size = 256
        while True:
            buffer = ctypes.create_string_buffer(size)
            written = self.library.llama_token_to_piece(self.vocabulary, token, buffer, size, 0, special)
            if written >= 0:
                return buffer.raw[:written]
            size = -written

    def _load(self, path: str) -> Any:
        parameters = self.library.llama_model_default_params()
        parameters.n_gpu_layers = self.runtime.gpu_layers
        parameters.use_extra_bufts = self.runtime.repack
        model = self.library.llama_model_load_from_file(path.encode(), parameters)
        if not model:
            raise ValueError(self._reason("the file cannot be loaded"))
        return model

    def _apply(self, adapter: str, scale: float) -> None:
        """The adapter is freed with the model."""
        loaded = self.library.llama_adapter_lora_init(self._model, adapter.encode())
        if not loaded:
            raise ValueError(f"the adapter {adapter!r} cannot be applied: {self._reason('llama.cpp does not say why')}")
        adapters = (self.library.llama_adapter_lora_p_ctypes * 1)(loaded)
        if self.library.llama_set_adapters_lora(self.context, adapters, 1, (ctypes.c_float * 1)(scale)):
            raise ValueError(f"the adapter {adapter!r} cannot be applied")

    def _open_context(self, model: Any) -> Any:
        runtime = self.runtime
        parameters = self.library.llama_context_default_params()
        parameters.n_ctx = runtime.context
        parameters.n_seq_max = SLOTS
        parameters.n_outputs_max = SLOTS  # scores are wanted of one token at a time; else there is room for a batch's
        parameters.swa_full = not runtime.window_only
        parameters.kv_unified = True  # the slots share the context
        parameters.n_batch = parameters.n_ubatch = runtime.batch
        parameters.n_threads = parameters.n_threads_batch = runtime.threads
        parameters.flash_attn_type = int(runtime.flash_attention)
        parameters.type_k = parameters.type_v = GGML_TYPES[runtime.cache]
        parameters.abort_callback = self._abort
        context = self.library.llama_init_from_model(model, parameters)
        if not context:
            raise ValueError(self._reason("there is no room for its context"))
        return context

    def _reason(self, otherwise: str) -> str:
        return "; ".join(self._heard) or otherwise


class Chooser:
    """Chooses the tokens of one answer by the scores of the last one evaluated."""

    def __init__(self, model: LlamaModel, request: Request) -> None:
        self._model = model
        self._request = request
        self._library = library = model.library
        self._greedy = request.temperature <= 0 and request.repeat_penalty == 1
        self._chain = library.llama_sampler_chain_init(library.llama_sampler_chain_default_params())
        for sampler in _samplers(library, model.size, request):
            library.llama_sampler_chain_add(self._chain, sampler)
        # Turn ends that are single tokens: as control tokens they never show in the text.
        self._stops = {tokens[0] for text in request.stop if len(tokens := model.tokenize(text)) == 1}
        marks = [(model.tokenize(opens), model.tokenize(closes)) for opens, closes in request.thoughts]
        self._marks = {opens[0]: closes[0] for opens, closes in marks if len(opens) == len(closes) == 1}
        self._closing: int | None = None  # what closes the thought that is being thought
        self._begun = False
        self._notice = ""
        self._grammar = None
        if request.grammar:
            self._grammar = library.llama_sampler_init_grammar(model.vocabulary, request.grammar.encode(), b"root")
            if not self._grammar:
                self._notice = "llama.cpp does not take the grammar"

    def close(self) -> None:
        self._library.llama_sampler_free(self._chain)
        self._drop_grammar()

    def take_notice(self) -> str:
        """Why there is no grammar any more, once."""
        notice, self._notice = self._notice, ""
        return notice

    def choose(self, number: int) -> int:
        """The `number`th token of the answer, from 0."""
        scores = self._scores()
        if self._closing is not None and 2 * number >= self._request.max_tokens:
            token = self._closing
        else:
            token = self._sample(scores)
        if self._is_bound(token) and not self._permitted(np.array([token])).any():
            token = self._sample_permitted(scores)
        self._accept(token)
        return token

    def ends(self, token: int) -> bool:
        return self._is_end(token) and self._closing is None

    def bytes_of(self, token: int) -> bytes:
        """What is shown of it; of the control tokens only the marks of a thought."""
        return self._model.piece(token, special=token in self._marks or token in self._marks.values())

    def _is_bound(self, token: int) -> bool:
        """By the grammar: all but a thought, which comes before anything else."""
        opens = token in self._marks and not self._begun
        return self._grammar is not None and self._closing is None and not opens

    def _accept(self, token: int) -> None:
        self._library.llama_sampler_accept(self._chain, token)
        if self._closing is not None:
            self._closing = None if token == self._closing or self._is_end(token) else self._closing
        elif token in self._marks and not self._begun:
            self._closing = self._marks[token]
        elif not self._is_end(token):
            self._begun = self._begun or bool(self._model.piece(token, special=False).strip())
            if self._grammar:
                self._library.llama_sampler_accept(self._grammar, token)

    def _is_end(self, token: int) -> bool:
        return token in self._stops or bool(self._library.llama_vocab_is_eog(self._model.vocabulary, token))

    def _scores(self) -> "NDArray[np.float32]":
        scores = self._library.llama_get_logits_ith(self._model.context, -1)
        return np.ctypeslib.as_array(scores, (self._model.size,))

    def _sample(self, scores: "NDArray[np.float32]", tokens: "NDArray[np.int32] | None" = None) -> int:
        """Of `tokens`, or of all."""
        if self._greedy:
            return int(scores.argmax()) if tokens is None else int(tokens[scores[tokens].argmax()])
        tokens = np.arange(self._model.size, dtype=np.int32) if tokens is None else tokens
        _kept, candidates = self._candidates(tokens, scores[tokens])
        self._library.llama_sampler_apply(self._chain, ctypes.byref(candidates))
        return int(candidates.data[candidates.selected].id)

    def _sample_permitted(self, scores: "NDArray[np.float32]") -> int:
        """Of the likeliest that the grammar permits, or where there are none of all that it permits."""
        likely = np.argpartition(scores, -min(LIKELY, len(scores)))[-LIKELY:].astype(np.int32)
        for tokens in (likely, np.arange(len(scores), dtype=np.int32)):
            permitted = tokens[self._permitted(tokens)]
            if len(permitted):
                return self._sample(scores, permitted)
        self._drop_grammar()
        self._notice = "the model has no token that the grammar permits"
        return self._sample(scores)

    def _permitted(self, tokens: "NDArray[np.int32]") -> "NDArray[np.bool_]":
        """Which tokens the grammar permits next. The text of a control token is no text of an answer."""
        library, vocabulary = self._library, self._model.vocabulary
        ends = np.array([self._is_end(int(token)) for token in tokens], dtype=bool)
        control = np.array([bool(library.llama_vocab_is_control(vocabulary, int(token))) for token in tokens])
        permitted = self._asked(tokens) & ~control
        return np.where(ends, self._may_end(), permitted)

    def _may_end(self) -> bool:
        end = self._library.llama_vocab_eos(self._model.vocabulary)
        return end < 0 or bool(self._asked(np.array([end], dtype=np.int32))[0])

    def _asked(self, tokens: "NDArray[np.int32]") -> "NDArray[np.bool_]":
        rows, candidates = self._candidates(tokens, np.zeros(len(tokens), dtype=np.float32))
        self._library.llama_sampler_apply(self._grammar, ctypes.byref(candidates))
        kept: NDArray[np.bool_] = rows["logit"] == 0
        return kept

    def _candidates(self, tokens: "NDArray[np.int32]", scores: "NDArray[np.float32]") -> tuple[Any, Any]:
        """llama.cpp's array of tokens with their scores: the memory, which must be kept, and what points to it."""
        rows = np.zeros(len(tokens), dtype=[("id", np.int32), ("logit", np.float32), ("p", np.float32)])
        rows["id"], rows["logit"] = tokens, scores
        data = rows.ctypes.data_as(self._library.llama_token_data_p)
        return rows, self._library.llama_token_data_array(data=data, size=len(rows), selected=-1, sorted=False)

    def _drop_grammar(self) -> None:
        if self._grammar:
            self._library.llama_sampler_free(self._grammar)
        self._grammar = None


def _samplers(library: Any, tokens: int, request: Request) -> Iterator[Any]:
    """In llama.cpp's own order."""
    if request.repeat_penalty != 1:
        yield library.llama_sampler_init_penalties(tokens, REPEATED, request.repeat_penalty, 0.0, 0.0)
    if request.temperature <= 0:
        yield library.llama_sampler_init_greedy()
        return
    yield library.llama_sampler_init_top_k(TOP_K)
    yield library.llama_sampler_init_top_p(request.top_p, 1)
    yield library.llama_sampler_init_min_p(request.min_p, 1)
    yield library.llama_sampler_init_temp(request.temperature)
    yield library.llama_sampler_init_dist(request.seed)


class AnswerText:
    """Bytes of tokens in, text to show out: whole characters, no space in front, and nothing of a stop text.

    Of several stop texts the one that is complete first ends the answer.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = stop
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._begun = False
        self.stopped = False

    def feed(self, piece: bytes) -> str:
        """What can be shown now: all but a character's first bytes and what may be the beginning of a stop text."""
        return self._take(self._decoder.decode(piece))

    def end(self) -> str:
        """What was held back when no more comes."""
        shown = self._take(self._decoder.decode(b"", final=True)) + self._held
        self._held = ""
        return shown

    def _take(self, text: str) -> str:
        text = text if self._begun else text.lstrip()
        self._begun = self._begun or bool(text)
        self._held += text
        ends = [(at + len(stop), at) for stop in self._stop if (at := self._held.find(stop)) >= 0]
        if ends:
            self.stopped = True
            shown, self._held = self._held[: min(ends)[1]], ""
            return shown
        keep = max((_overlap(self._held, stop) for stop in self._stop), default=0)
        cut = len(self._held) - keep
        shown, self._held = self._held[:cut], self._held[cut:]
        return shown


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` are the beginning of `stop`."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:size])), 0)


if __name__ == "__main__":
    main()
    os._exit(0)  # not through the interpreter's end: a thread still waits on standard input
