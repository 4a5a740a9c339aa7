"""The process that holds a llama.cpp model: `python -m rag.llama_worker`, started by rag/generate.py.

It speaks JSON, one object a line. It is told first what to load, then what to do, each request with its own `id`:

    {"path", "context", "threads", "gpu_layers", "temperature", "seed"}      threads 0: one per physical core
    {"id", "do": "count", "text"}                                            -> {"id", "event": "end", "tokens"}
    {"id", "do": "generate", "text", "stop", "max_tokens"}                   -> {"id", "event": "piece", "text"} ...
                                                                                {"id", "event": "end"}
    {"id", "do": "cancel"}                    ends that request at once, also while its prompt is being evaluated

and may answer {"id", "event": "error", "message"}, or {"event": "unloadable", "message"} and end. It ends when its
standard input does, so it never outlives the process that started it. It opens no connection.
"""

import codecs
import contextlib
import ctypes
import json
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

Message = dict[str, Any]

GGML_LOG_LEVEL_ERROR = 4  # ggml.h


def main() -> None:
    replies = _own_standard_output()
    _be_the_first_to_go()
    inbox = Inbox(sys.stdin.buffer)
    try:
        model = LlamaModel(**inbox.next(), cancelled=inbox.is_cancelled)
    except (ValueError, RuntimeError, OSError, AssertionError) as error:
        _send(replies, {"event": "unloadable", "message": str(error)})
        return
    while True:
        request = inbox.next()
        try:
            for event in _serve(model, request):
                _send(replies, {"id": request["id"], **event})
        except (ValueError, RuntimeError) as error:
            _send(replies, {"id": request["id"], "event": "error", "message": str(error)})
        inbox.forget(request["id"])


def _serve(model: "LlamaModel", request: Message) -> Iterator[Message]:
    tokens = model.tokens(request["text"])
    if request["do"] == "count":
        yield {"event": "end", "tokens": len(tokens)}
        return
    for piece in model.generate(request["id"], tokens, request["stop"], request["max_tokens"]):
        yield {"event": "piece", "text": piece}
    yield {"event": "end"}


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


class LlamaModel:
    """A model in memory. Used by one thread only: two on one llama.cpp context crash it."""

    def __init__(
        self,
        path: str,
        context: int,
        threads: int,
        gpu_layers: int,
        temperature: float,
        seed: int,
        cancelled: Callable[[int], bool],
    ) -> None:
        import llama_cpp

        self._library = llama_cpp
        self._temperature = temperature
        self._running = -1
        self._heard: deque[str] = deque(maxlen=3)
        # Callbacks are kept in attributes: llama.cpp holds bare pointers to them.
        self._listener = llama_cpp.llama_log_callback(self._hear)
        llama_cpp.llama_log_set(self._listener, None)
        try:
            self._llama = _load(llama_cpp, path, context, threads or _physical_cores(), gpu_layers)
        except (ValueError, RuntimeError) as error:  # says only that it does not load; the log says why
            raise ValueError("; ".join(self._heard) or str(error)) from error
        self._llama.set_seed(seed)  # as an argument of Llama() 0 would mean a random one
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._llama.model)
        self._bos = llama_cpp.llama_vocab_bos(self._vocabulary)
        self._bos_text = self._piece(self._bos, special=True).decode("utf-8", "replace") if self._bos >= 0 else ""
        self._adds_bos = self._bos >= 0 and bool(llama_cpp.llama_vocab_get_add_bos(self._vocabulary))
        self._abort = llama_cpp.ggml_abort_callback(lambda _: cancelled(self._running))
        self._cancelled = cancelled
        llama_cpp.llama_set_abort_callback(self._llama.ctx, self._abort, None)

    def tokens(self, text: str) -> list[int]:
        """The tokens of a whole prompt, special ones included, the begin-of-sequence token once where there is one."""
        bare = text.removeprefix(self._bos_text) if self._bos_text else text
        begins = [self._bos] if self._adds_bos or bare != text else []
        return begins + self._tokenize(bare)

    def generate(self, id: int, tokens: Sequence[int], stop: Sequence[str], max_tokens: int) -> Iterator[str]:
        """Pieces of the answer to a prompt, without the text that ended it. Ends early when `id` is cancelled."""
        room = self._llama.n_ctx() - len(tokens)
        if room < 1:
            raise ValueError(f"the prompt has {len(tokens)} tokens, the context {self._llama.n_ctx()}")
        self._running = id
        text = AnswerText(stop)
        try:
            for piece in self._answer_bytes(tokens, self._stop_tokens(stop), min(max_tokens, room)):
                if shown := text.feed(piece):
                    yield shown
                if text.stopped or self._cancelled(id):
                    return
            if rest := text.end():
                yield rest
        except RuntimeError:
            if not self._cancelled(id):  # an aborted evaluation is reported as a failed one
                raise

    def _answer_bytes(self, tokens: Sequence[int], stop_tokens: set[int], max_tokens: int) -> Iterator[bytes]:
        if self._cancelled(self._running):
            return
        answer = self._llama.generate(tokens, temp=self._temperature)
        with contextlib.closing(answer):
            for _ in range(max_tokens):
                token = next(answer)
                if token in stop_tokens or self._library.llama_vocab_is_eog(self._vocabulary, token):
                    return
                yield self._piece(token, special=False)

    def _hear(self, level: int, text: bytes, _: object) -> None:
        if level == GGML_LOG_LEVEL_ERROR:
            self._heard.append(text.decode("utf-8", "replace").strip())

    def _stop_tokens(self, stop: Sequence[str]) -> set[int]:
        """Turn ends that are single tokens: as control tokens they never show in the text."""
        return {tokens[0] for text in stop if len(tokens := self._tokenize(text)) == 1}

    def _tokenize(self, text: str) -> list[int]:
        return list(self._llama.tokenize(text.encode("utf-8", "replace"), add_bos=False, special=True))

    def _piece(self, token: int, *, special: bool) -> bytes:
        size = 256
        while True:
            buffer = ctypes.create_string_buffer(size)
            written = self._library.llama_token_to_piece(self._vocabulary, token, buffer, size, 0, special)
            if written >= 0:
                return buffer.raw[:written]
            size = -written


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


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` are the beginning of `stop`."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:size])), 0)


def _load(llama_cpp: Any, path: str, context: int, threads: int, gpu_layers: int) -> Any:
    # Llama() has no argument for it, and with repacked weights a build by gcc 12 for a processor with AMX crashes at
    # the first quantised matrix (ggml-org/llama.cpp#20824).
    defaults = llama_cpp.llama_cpp.llama_model_default_params

    def without_extra_buffers() -> Any:
        parameters = defaults()
        parameters.use_extra_bufts = False
        return parameters

    llama_cpp.llama_cpp.llama_model_default_params = without_extra_buffers
    # Llama() compiles the file's own chat template, which may be broken or hostile. The templates are ours.
    llama_cpp._internals.LlamaModel.metadata = lambda _: {}
    return llama_cpp.Llama(
        model_path=path,
        n_ctx=context,
        n_batch=512,
        n_threads=threads,
        n_threads_batch=threads,
        n_gpu_layers=gpu_layers,
        verbose=False,
    )


def _physical_cores() -> int:
    import psutil

    cores = psutil.cpu_count(logical=False) or 1
    return min(cores, len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else cores


def _own_standard_output() -> BinaryIO:
    """Our replies' channel. Whatever a library prints goes to standard error instead."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return replies


def _be_the_first_to_go() -> None:
    """When memory runs out, Linux is to end this process and not the one that started it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def _send(replies: BinaryIO, message: Message) -> None:
    replies.write(json.dumps(message).encode() + b"\n")
    replies.flush()


if __name__ == "__main__":
    main()
    os._exit(0)  # not through the interpreter's end: a thread still waits on standard input
