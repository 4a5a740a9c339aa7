"""The process that holds a GGUF by the library of GPT4All, through LangChain: `python -m rag.gpt4all_worker`.

It speaks as rag/llama_worker.py does and is told first what to load, {"path", "settings"}. That library does not count
tokens, so they are estimated, and never too few. It fetches nothing and opens no connection.
"""

import contextlib
import os
import time
from collections.abc import Callable
from typing import Any

from models.runtime import physical_cores
from rag.answering import piece, serve
from rag.langchain_models import gpt4all
from rag.llama_worker import AnswerText, Message, Request
from rag.token_estimate import estimate_tokens
from settings import Generate


def main() -> None:
    serve(Gpt4AllModel, "See that the package is there, `pip install gpt4all`, and that it knows this kind of model.")


class _StoppedError(Exception):
    """The answer has ended, or nobody waits for it any more."""


class Gpt4AllModel:
    """A model in memory. LangChain's integration writes by a call-back, which raises where it is to stop."""

    def __init__(self, path: str, settings: dict[str, Any], cancelled: Callable[[int], bool]) -> None:
        chosen = Generate(**settings)
        self._cancelled = cancelled
        self._model = gpt4all(path, chosen.context, chosen.threads or physical_cores())

    def tokens(self, text: str) -> list[int]:
        return [0] * estimate_tokens(text)

    def generate(self, id: int, request: Request, tell: Callable[[Message], None]) -> Message:
        from langchain_core.callbacks import BaseCallbackHandler

        answer, begun, firsts, model = AnswerText(request.stop), time.monotonic(), list[float](), self

        class Listener(BaseCallbackHandler):
            raise_error = True

            def on_llm_new_token(self, token: Any, **_: Any) -> None:
                firsts.append(time.monotonic())
                if shown := answer.feed(str(token).encode("utf-8", "replace")):
                    tell(piece(id, shown))
                if answer.stopped or model._cancelled(id):
                    raise _StoppedError

        asked: dict[str, Any] = {
            "n_predict": request.max_tokens, "max_tokens": request.max_tokens, "temp": request.temperature,
            "top_p": request.top_p, "top_k": 40 if request.temperature > 0 else 1, "streaming": True,
            "repeat_penalty": request.repeat_penalty,
        }  # fmt: skip
        with contextlib.suppress(_StoppedError):
            self._model.invoke(request.text, config={"callbacks": [Listener()]}, **asked)
        if rest := answer.end():
            tell(piece(id, rest))
        now, first = time.monotonic(), firsts[0] if firsts else time.monotonic()
        told = {"prompt": len(self.tokens(request.text)), "reused": 0, "said": len(firsts)}
        return {"id": id, "event": "end", **told, "reading": first - begun, "writing": now - first}


if __name__ == "__main__":
    main()
    os._exit(0)  # not through the interpreter's end: a thread still waits on standard input
