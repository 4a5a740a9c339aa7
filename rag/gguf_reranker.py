"""Reranking by a GGUF with a classification head (bge-reranker, jina-reranker, Qwen3-Reranker) through llama.cpp.

It runs in a process of its own (rag/rank_worker.py), so that a crash or a lack of memory there is a message here.
"""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from errors import ModelDiedError, ModelError, NotAModelError
from models.gguf import read_model
from models.registry import NO_RERANKER
from rag.model_process import PATIENCE, ModelProcess
from settings import Generate

CONTEXT = 1024  # tokens at most of question and passage: a passage has some 250
LEAST_CONTEXT = 512  # of a model that does not say how much it reads

_WITHOUT = 'Set rerank.model = "off" in cita.toml to search without it'


class GgufScorer:
    """Implements Scorer. The model is loaded at the first question, and again after its process died; threads take
    turns."""

    def __init__(self, path: Path, settings: Generate) -> None:
        self._path = path
        self._settings = settings
        self._lock = Lock()
        self._worker: _Worker | None = None

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """Raises ModelNotFoundError, NotAModelError or ModelError if the model cannot be loaded or used,
        ModelDiedError if its process ended."""
        with self._lock:
            if self._worker is None or self._worker.dead:
                self.close()
                self._worker = self._start()
            reply = self._worker.ask({"question": question, "texts": list(texts)})
        if why := reply.get("error"):
            raise ModelError(f"Reranker {str(self._path)!r} could not rank: {why}.", hint=f"{_WITHOUT}.")
        return [float(score) for score in reply["scores"]]

    def close(self) -> None:
        if self._worker:
            self._worker.close()
        self._worker = None

    def _start(self) -> "_Worker":
        info = read_model(self._path)  # a clear message for a file that is gone or damaged by now
        if not info.ranks:
            raise NotAModelError(f"{str(self._path)!r} is no reranker.", hint=NO_RERANKER)
        load = {
            "path": str(self._path.absolute()),
            "context": min(info.context or LEAST_CONTEXT, CONTEXT),
            "threads": self._settings.threads,
            "gpu_layers": self._settings.gpu_layers,
        }
        worker = _Worker(str(self._path))
        reply = worker.ask(load)
        if why := reply.get("unloadable"):
            worker.close()
            raise ModelError(
                f"Reranker {str(self._path)!r} cannot be loaded: {why}.",
                hint=f"The file may be damaged, no reranker, or newer than this llama.cpp. {_WITHOUT}.",
            )
        return worker


class _Worker:
    """The process, asked one thing at a time. `dead`: it is of no more use."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.dead = False
        self._process = ModelProcess("rag.rank_worker")

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply. Raises ModelDiedError if the process ends before it."""
        self._process.send(request)
        line = b""
        with contextlib.suppress(OSError, ValueError):  # of a process that is gone, or was closed meanwhile
            line = self._process.replies.readline()
        if not line.endswith(b"\n"):
            self.dead = True
            raise self._cause_of_death()
        reply: dict[str, Any] = json.loads(line)
        return reply

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        self._process.end()
        self._process.release()

    def _cause_of_death(self) -> ModelDiedError:
        self._process.wait(PATIENCE)
        return ModelDiedError(
            f"The process of reranker {self._name!r} ended before it had ranked: {self._process.cause_of_death()}.",
            hint=f"Search again to start it anew. {_WITHOUT}.",
        )
