"""A model behind a server with OpenAI's protocol: Ollama, LM Studio, llama-server, GPT4All, vLLM and their like.

The server writes the model's turns; it is sent the messages of a prompt. What it takes beside them differs: what it
does not take is left out the next time. models/connection.py says what is wrong where it is gone or busy or no server.
"""

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from errors import ModelDiedError, ModelError, ModelRefusedError
from models.connection import Server, reason, remark
from models.servers import look_again
from models.types import ModelInfo
from rag.generate import Pieces
from rag.grammar import answer_grammar
from rag.prompt import Message, Prompt
from rag.thoughts import MARKS
from rag.token_estimate import estimate_tokens
from rag.types import Usage
from settings import Generate

LOOK_SECONDS = 2.0
FRAME = 192  # tokens that a server's own template may put around the messages, its preamble included
MOST_OF_A_TOKEN = 8192  # characters that a server sends to say one token, with all that it says beside it
THINKS, THOUGHT = MARKS[0]

# What is asked, the most first: what a program of that name takes; what all take; the same in one turn, as some
# templates have no system; and that answered in one piece.
FULL, COMMON, ONE_TURN, ONE_PIECE = range(4)

_log = logging.getLogger(__name__)


class ServedGenerator:
    """A model of a server. What the server says of it is asked once, when it is first of use.

    Closing what generate() gives closes the connection, upon which the server stops writing.
    """

    _ways: ClassVar[dict[tuple[str, str], int]] = {}  # what a model of a server took the last time

    def __init__(self, info: ModelInfo, settings: Generate, server: Server) -> None:
        self._info, self._settings, self._server = info, settings, server
        self._looked = False
        self._lock = threading.Lock()

    @property
    def info(self) -> ModelInfo:
        """With the length of the context that the server gives the model now, where it says so."""
        with self._lock:
            if not self._looked:
                self._looked = True
                self._info = look_again(self._server, self._info, LOOK_SECONDS)
            return self._info

    def count_tokens(self, text: str) -> int:
        """As the server counts them, with room for its template; never too few where it does not count."""
        return FRAME + (self._counted(text) or estimate_tokens(text))

    def generate(self, prompt: Prompt) -> Pieces:
        """Raises ModelError; ModelDiedError if the server cannot be reached or ends before its answer does."""
        known = (self._server.url, self._info.served_as)
        refused: ModelRefusedError | None = None
        for way in range(self._ways.get(known, FULL), ONE_PIECE + 1):
            answer = _Answer(self._server)
            try:
                with contextlib.closing(self._asked(prompt, way)) as lines:
                    yield from answer.pieces(lines)
            except ModelRefusedError as error:
                if answer.begun or "context" in error.message.lower():  # too long a prompt is so in any other words
                    raise self._explained(error) from error
                refused = refused or error
            else:
                if refused:
                    _log.warning("Something of what it was asked is not taken: %s", refused.message)
                self._ways[known] = way
                return answer.usage(self._parameters())
        assert refused
        raise self._explained(refused)

    def close(self) -> None:
        """Nothing is open between two answers."""

    def _asked(self, prompt: Prompt, way: int) -> Generator[str]:
        most = MOST_OF_A_TOKEN * (self._settings.max_tokens + 1)
        return self._server.stream("/v1/chat/completions", self._request(prompt, way), most)

    def _parameters(self) -> dict[str, str | bool | int | float]:
        settings = self._settings
        return {
            "context": min(settings.context, self.info.context or settings.context),
            "max_tokens": settings.max_tokens,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "seed": settings.seed,
        }

    def _explained(self, error: ModelRefusedError) -> ModelRefusedError:
        """What was too long is said with what makes it shorter."""
        if "context" not in error.message.lower():
            return error
        return ModelRefusedError(
            error.message,
            hint=f"Set generate.context in cita.toml to what the server gives {self._info.served_as}, or have it give"
            " more.",
        )

    def _request(self, prompt: Prompt, way: int) -> dict[str, Any]:
        settings = self._settings
        messages = _in_one_turn(prompt.messages) if way >= ONE_TURN else prompt.messages
        request: dict[str, Any] = {
            "model": self._info.served_as,
            "messages": [{"role": message.role, "content": message.text} for message in messages],
            "max_tokens": settings.max_tokens,
            "temperature": settings.temperature,
            "stream": way < ONE_PIECE,
        }
        if way <= ONE_TURN:
            request |= {"top_p": settings.top_p, "stop": list(prompt.stop)}
        if way <= COMMON:
            request["seed"] = settings.seed
        return request | (self._extras(prompt) if way == FULL else {})

    def _extras(self, prompt: Prompt) -> dict[str, Any]:
        """What the program takes beside what all take: a grammar, other ways to choose a token, no thoughts."""
        settings, program = self._settings, self._info.program
        extras: dict[str, Any] = {"stream_options": {"include_usage": True}}
        if program in ("llama-server", "llama-cpp-python"):
            extras |= {"min_p": settings.min_p, "repeat_penalty": settings.repeat_penalty}
            if settings.grammar and prompt.hits:
                extras["grammar"] = answer_grammar(len(prompt.hits))
        if program == "vLLM":
            extras |= {"min_p": settings.min_p, "repetition_penalty": settings.repeat_penalty}
        if program in ("llama-server", "vLLM"):  # an answer from passages is short, and a thought would use it up
            extras["chat_template_kwargs"] = {"enable_thinking": False}
        if program == "Ollama":
            extras["reasoning_effort"] = "none"
        return extras

    def _counted(self, text: str) -> int:
        """0 where the server does not count."""
        counting = _COUNTING.get(self.info.program)
        if not counting:
            return 0
        path, ask, count = counting
        try:
            answer = self._server.fetch(path, ask(self._info.served_as, text))
            return int(count(answer))
        except (ModelError, ValueError, TypeError, KeyError, AttributeError):
            return 0


# How a program counts tokens: where, what it is asked, and what it answers.
_COUNTING: dict[str, tuple[str, Callable[[str, str], dict[str, Any]], Callable[[Any], Any]]] = {
    "llama-server": ("/tokenize", lambda _, text: {"content": text, "add_special": True}, lambda it: len(it["tokens"])),
    "vLLM": ("/tokenize", lambda name, text: {"model": name, "prompt": text}, lambda it: it["count"]),
    "llama-cpp-python": ("/extras/tokenize/count", lambda _, text: {"input": text}, lambda it: it["count"]),
    "text-generation-webui": ("/v1/internal/token-count", lambda _, text: {"text": text}, lambda it: it["length"]),
}


def _in_one_turn(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The system's text before the first user's."""
    system, first, *rest = messages
    return (replace(first, text=f"{system.text}\n\n{first.text}"), *rest)


class _Answer:
    """What a server answers: its lines in, pieces out, and at the end what the answer took."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.begun = False
        self._thinks = self._ended = False
        self._told: dict[str, Any] = {}  # of what it took
        self._started = time.monotonic()
        self._first: float | None = None

    def pieces(self, lines: Iterator[str]) -> Iterator[str]:
        """A thought stands between its marks, the answer has nothing in front; '' while there is nothing to say.

        Raises ModelDiedError if it breaks off, ModelRefusedError if the server says why it does, ModelError if it is
        none.
        """
        whole = ""
        for line in lines:
            name, _, data = line.partition(":")
            if name == "data" and data.strip() == "[DONE]":
                return
            if name in ("data", "error"):  # the second is llama-server's, once it has begun
                yield self._read(data)
            else:
                whole += "" if name in ("", "event", "id", "retry") else line
                yield ""
        if whole:  # answered in one piece
            yield self._read(whole)
        if not self._ended:
            raise ModelDiedError(
                f"{self._server.name} ended before its answer did.",
                hint="See whether its program still runs, and ask again.",
            )

    def usage(self, parameters: dict[str, str | bool | int | float]) -> Usage:
        """As the server tells it; the seconds as they passed here where it does not."""
        now, first = time.monotonic(), self._first
        reused = (self._told.get("prompt_tokens_details") or {}).get("cached_tokens", self._told.get("cache_n"))
        reading, writing = self._told.get("prompt_ms"), self._told.get("predicted_ms")
        return Usage(
            _number(self._told.get("prompt_tokens")),
            _number(reused),
            _number(self._told.get("completion_tokens")),
            reading / 1000 if isinstance(reading, float | int) else (first or now) - self._started,
            writing / 1000 if isinstance(writing, float | int) else now - (first or now),
            parameters=parameters,
        )

    def _read(self, data: str) -> str:
        """The piece that one of its objects has."""
        try:
            chunk = json.loads(data)
            if said := reason({"error": chunk.get("error")}):
                raise ModelRefusedError(
                    f"{self._server.name} could not answer: {remark(said).rstrip('.')}.",
                    hint="Its program's own window or log may show more.",
                )
            self._told |= {**(chunk.get("usage") or {}), **(chunk.get("timings") or {})}
            if not chunk["choices"]:
                return ""
            choice = chunk["choices"][0]
            self._ended = self._ended or bool(choice.get("finish_reason"))
            written = choice.get("delta") or choice.get("message") or {}
            thought = written.get("reasoning_content") or written.get("reasoning") or ""
            return self._marked(str(thought), str(written.get("content") or ""))
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
            raise ModelError(
                f"{self._server.name} answers with what is no answer: {remark(data)[:80]!r}.",
                hint="See that the address is that of the server, and that its program is up to date.",
            ) from None

    def _marked(self, thought: str, text: str) -> str:
        if not self.begun and not self._thinks:
            text = text.lstrip()
        piece = ""
        if thought and not self.begun:
            piece = thought if self._thinks else f"{THINKS}{thought}"
            self._thinks = True
        if text:
            piece += f"{THOUGHT}{text}" if self._thinks else text
            self.begun, self._thinks = True, False
        if piece and self._first is None:
            self._first = time.monotonic()
        return piece


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None
