"""Generators: a prompt in, an answer out, piece by piece.

llama.cpp runs in a process of its own (rag/llama_worker.py), so that a crash or a lack of memory there is a message
here, and so that it can be stopped at any moment.
"""

import contextlib
import itertools
import json
import logging
import queue
import threading
from collections import abc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from errors import ModelDiedError, ModelError, ModelTooLargeError
from models.gguf import check_adapter, read_header
from models.runtime import Runtime
from models.types import ModelInfo
from rag.grammar import answer_grammar
from rag.model_process import ModelProcess
from rag.prompt import Prompt
from rag.thoughts import MARKS
from rag.types import Usage
from settings import Generate

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

SIGN_OF_LIFE = 0.1  # seconds
ANSWERS, TASKS = 0, 1  # slots of the worker

_log = logging.getLogger(__name__)

Event = dict[str, Any]
Pieces = abc.Generator[str, None, Usage | None]  # of an answer, and at its end what it took


class Generator(Protocol):
    """Whatever writes answers. Methods may be called from several threads."""

    @property
    def info(self) -> ModelInfo: ...

    def count_tokens(self, text: str) -> int:
        """How many of the model's tokens `text` takes as a whole prompt."""
        ...

    def generate(self, prompt: Prompt) -> Iterator[str]:
        """Yields the answer in pieces, a thought before it between marks (rag.thoughts). Closing the iterator stops
        generation at once. Raises ModelError.

        A piece may be empty: while there is nothing to say, one comes every now and then, so that whoever reads has
        the chance to close. What is known of what the answer took is returned at the end: a Usage, or None.
        """
        ...

    def close(self) -> None: ...


class LlamaGenerator:
    """A GGUF through llama.cpp. The model is loaded at the first call, and again after its process died.

    An answer from passages is bound by a grammar (rag.grammar) if the settings say so and llama.cpp can.
    """

    def __init__(self, info: ModelInfo, settings: Generate, instead: Callable[[], str] = str) -> None:
        """`instead` says what to use where the model does not fit; it is asked only then."""
        self.info = info
        self._settings = settings
        self._instead = instead
        self._worker: ModelWorker | None = None
        self._lock = threading.Lock()
        self._grammar_works = True
        self._read: tuple[str, ...] = ()

    @property
    def runtime(self) -> Runtime | None:
        """How the model runs here, once it is loaded."""
        return self._worker.runtime if self._worker else None

    @property
    def card_free(self) -> int:
        """Bytes that were free on the graphics card when the model had been loaded; 0 without one."""
        return self._worker.card_free if self._worker else 0

    @property
    def pid(self) -> int:
        """Of the process that holds the model; 0 while there is none."""
        return self._worker.pid if self._worker else 0

    @property
    def passages_read(self) -> tuple[str, ...]:
        """The ids of the passages in the last prompt, in their order: what begins like it need not be read again."""
        return self._read

    def count_tokens(self, text: str) -> int:
        """Raises ModelError if the model cannot be loaded, ModelDiedError if its process ended."""
        replies = self._live_worker().ask(do="count", text=text)
        tokens: int = next(event["tokens"] for event in replies if event["event"] != "waiting")
        return tokens

    def generate(self, prompt: Prompt) -> Pieces:
        """Raises ModelError if the model cannot be loaded or used, ModelDiedError if its process ended."""
        return self.generate_by(self._settings, prompt)

    def generate_by(self, settings: Generate, prompt: Prompt) -> Pieces:
        """As generate(), by other settings; those of loading stay as they were when it was loaded."""
        grammar = self._grammar_of(settings, prompt)
        said = False
        pieces = self._pieces(settings, prompt, grammar)
        try:
            while True:
                piece = next(pieces)
                said = said or bool(piece)
                yield piece
        except StopIteration as end:
            usage: Usage | None = end.value
            return usage
        except ModelDiedError:
            if not grammar or said:
                raise
            self._give_up_grammar("its process ended")  # if that was not the cause, the next one ends as well
            return (yield from self._pieces(settings, prompt, ""))
        finally:
            pieces.close()

    def close(self) -> None:
        with self._lock:
            if self._worker:
                self._worker.close()
            self._worker = None

    def _pieces(self, settings: Generate, prompt: Prompt, grammar: str) -> Pieces:
        if prompt.hits:
            self._read = tuple(hit.passage.id for hit in prompt.hits)
        usage, worker = None, self._live_worker()
        request = {
            "text": prompt.text,
            "slot": ANSWERS if prompt.hits else TASKS,
            "stop": prompt.stop,
            "max_tokens": settings.max_tokens,
            "grammar": grammar,
            "thoughts": MARKS,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "min_p": settings.min_p,
            "repeat_penalty": settings.repeat_penalty,
            "seed": settings.seed,
        }
        with contextlib.closing(worker.ask(do="generate", **request)) as events:
            for event in events:
                if event["event"] == "notice":
                    self._give_up_grammar(event["message"])
                elif event["event"] in ("piece", "waiting"):
                    yield event.get("text", "")
                elif event["event"] == "end":
                    usage = Usage(
                        event["prompt"],
                        event["reused"],
                        event["said"],
                        event["reading"],
                        event["writing"],
                        parameters=_parameters(settings, worker.runtime),
                    )
        return usage

    def _grammar_of(self, settings: Generate, prompt: Prompt) -> str:
        if not (settings.grammar and self._grammar_works and prompt.hits):
            return ""
        return answer_grammar(len(prompt.hits))

    def _give_up_grammar(self, reason: str) -> None:
        self._grammar_works = False
        _log.warning("Model %r answers without the grammar that makes it cite: %s.", self.info.name, reason)

    def _live_worker(self) -> "ModelWorker":
        with self._lock:
            if self._worker is None or self._worker.death:
                if self._worker:
                    self._worker.close()
                self._worker = self._start_worker()
            return self._worker

    def _start_worker(self) -> "ModelWorker":
        path = Path(self.info.path).absolute()
        read_header(path)  # a clear message for a file that is gone or damaged by now
        load: dict[str, Any] = {"path": str(path), "settings": self._settings.model_dump()}
        if self.info.adapter:
            adapter = Path(self.info.adapter).absolute()
            check_adapter(adapter, path)
            load |= {"adapter": str(adapter), "scale": self.info.scale}
        return ModelWorker(self.info.name, load, self._instead)


# By what tokens are chosen, and of these by what only where they are drawn.
_CHOOSING = ("max_tokens", "temperature", "repeat_penalty", "grammar")
_DRAWING = ("top_p", "min_p", "seed")
# What a model is loaded with.
LOADING = ("context", "threads", "batch", "gpu_layers", "flash_attention", "cache")


def _parameters(settings: Generate, runtime: Runtime | None) -> dict[str, str | bool | int | float]:
    """What an answer ran with: of the settings those that counted, and what was chosen for this machine."""
    names = _CHOOSING + (_DRAWING if settings.temperature else ())
    chosen = {name: getattr(settings, name) for name in names}
    return chosen | ({name: getattr(runtime, name) for name in LOADING} if runtime else {})


class Tuned:
    """A model that is loaded, writing by settings of one's own. Closing it leaves the model as it is."""

    def __init__(self, loaded: LlamaGenerator, info: ModelInfo, settings: Generate) -> None:
        """`info`: the name that it is asked by, where its file has several."""
        self.info = info
        self._loaded = loaded
        self._settings = settings

    @property
    def passages_read(self) -> tuple[str, ...]:
        return self._loaded.passages_read

    def count_tokens(self, text: str) -> int:
        return self._loaded.count_tokens(text)

    def generate(self, prompt: Prompt) -> Pieces:
        return self._loaded.generate_by(self._settings, prompt)

    def close(self) -> None: ...


class ModelWorker:
    """One worker process. `death` is why it is of no more use, once it is."""

    def __init__(
        self, name: str, load: dict[str, Any], instead: Callable[[], str], module: str = "rag.llama_worker"
    ) -> None:
        self._name = name
        self._instead = instead
        self.death: ModelError | None = None
        self.runtime: Runtime | None = None
        self.card_free = 0
        self._unloadable: Event = {}
        self._ids = itertools.count(1)
        self._replies: dict[int, queue.SimpleQueue[Event | None]] = {}
        self._lock = threading.Lock()
        self._process = ModelProcess(module)
        self._send(load)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, **request: Any) -> abc.Generator[Event, None, None]:
        """Yields the replies to a request, its 'end' last, and 'waiting' while there are none.

        Closing the iterator cancels the request. Raises ModelError.
        """
        id = next(self._ids)
        replies: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        with self._lock:
            if self.death:
                raise self.death
            self._replies[id] = replies
        ended = False
        try:
            self._send({"id": id, **request})
            while not ended:
                try:
                    event = replies.get(timeout=SIGN_OF_LIFE)
                except queue.Empty:
                    yield {"event": "waiting"}
                    continue
                ended = event is None or event["event"] in ("end", "error")
                if event is None:
                    assert self.death
                    raise self.death
                if event["event"] == "error":
                    raise ModelError(
                        f"Model {self._name!r} could not answer: {event['message']}.",
                        hint="Choose another model with `cita models use NAME`.",
                    )
                yield event
        finally:
            self._replies.pop(id, None)
            if not ended:
                self._send({"id": id, "do": "cancel"})

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        self._process.end()
        self._reader.join()
        self._process.release()

    def _send(self, message: dict[str, Any]) -> None:
        with self._lock:
            self._process.send(message)

    def _read(self) -> None:
        for line in self._process.replies:
            if not line.endswith(b"\n"):  # killed in the middle of a word
                break
            event = json.loads(line)
            if event["event"] == "unloadable":
                self._unloadable = event
            elif event["event"] == "loaded":
                self.card_free = event.get("card_free", 0)
                self.runtime = Runtime(**event["runtime"]) if "runtime" in event else None
            elif replies := self._replies.get(event["id"]):  # else nobody waits for it any more
                replies.put(event)
        self._process.wait()
        cause = self._cause_of_death()
        with self._lock:
            self.death = cause
            waiting = list(self._replies.values())
        for replies in waiting:
            replies.put(None)

    def _cause_of_death(self) -> ModelError:
        if self._unloadable.get("too_large"):
            hint = " ".join(filter(None, (self._unloadable["hint"], self._instead())))
            return ModelTooLargeError(
                f"Model {self._name!r} cannot be loaded: {self._unloadable['message']}", hint=hint
            )
        if self._unloadable:
            return ModelError(
                f"Model {self._name!r} cannot be loaded: {self._unloadable['message'].rstrip('.')}.",
                hint=self._unloadable.get("hint")
                or "The file may be damaged or newer than this llama.cpp, or memory too short for it:"
                " try a smaller model, or lower generate.context in cita.toml.",
            )
        return ModelDiedError(
            f"The process of model {self._name!r} ended before its answer did: {self._process.cause_of_death()}.",
            hint="Ask again to start it anew; if it ends again, try a smaller model or lower generate.context.",
        )


def as_runnable(generator: Generator, tell: Callable[[Usage], None] = lambda _: None) -> "Runnable[Prompt, str]":
    """The generator as a LangChain runnable that streams; stopping the stream stops the generator. `tell` is told what
    an answer took, at its end, where the generator knows."""
    from langchain_core.language_models.llms import LLM
    from langchain_core.outputs import GenerationChunk
    from langchain_core.runnables import Runnable, RunnableLambda

    class LlamaLLM(LLM):
        """A LangChain model over a generator. The filled prompt comes bound: a generator may want its passages."""

        @property
        def _llm_type(self) -> str:
            return generator.info.name

        def _stream(
            self,
            prompt: str,  # noqa: ARG002 - `filled` holds it
            stop: list[str] | None = None,  # noqa: ARG002
            run_manager: Any = None,  # noqa: ARG002
            **bound: Any,
        ) -> Iterator[GenerationChunk]:
            for piece in _telling(generator.generate(bound["filled"]), tell):
                yield GenerationChunk(text=piece)

        def _call(self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **bound: Any) -> str:
            return "".join(chunk.text for chunk in self._stream(prompt, stop, run_manager, **bound))

    llm = LlamaLLM()

    def bind(prompt: Prompt) -> Runnable[Prompt, str]:
        return RunnableLambda[Prompt, str](lambda filled: filled.text) | llm.bind(filled=prompt)

    return RunnableLambda(bind)


def _telling(pieces: Iterator[str], tell: Callable[[Usage], None]) -> Iterator[str]:
    """The pieces; what they return at their end is told."""
    usage = yield from cast(Pieces, pieces)
    if usage is not None:
        tell(usage)
