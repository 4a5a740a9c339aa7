"""Reranking by a GGUF with a classification head (bge-reranker, jina-reranker, Qwen3-Reranker) through llama.cpp.

It runs in a process of its own (rag/rank_worker.py), so that a crash or a lack of memory there is a message here.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from errors import ModelDiedError, ModelError, NotAModelError
from models.gguf import read_model
from models.registry import NO_RERANKER
from settings import CODE, Generate

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
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rag.rank_worker"],
            cwd=CODE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,  # Ctrl-C in the terminal is for us; we tell it what to do
        )

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply. Raises ModelDiedError if the process ends before it."""
        assert self._process.stdin
        assert self._process.stdout
        line = b""
        with contextlib.suppress(OSError, ValueError):  # of a process that is gone, or was closed meanwhile
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            self.dead = True
            raise self._cause_of_death()
        reply: dict[str, Any] = json.loads(line)
        return reply

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]
        self._stderr.close()

    def _cause_of_death(self) -> ModelDiedError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
        code = self._process.returncode or 0
        cause = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        if code == -signal.SIGKILL:
            cause += ", most likely for lack of memory"
        if said := self._last_words():
            cause += f"; it said {said!r}"
        return ModelDiedError(
            f"The process of reranker {self._name!r} ended before it had ranked: {cause}.",
            hint=f"Search again to start it anew. {_WITHOUT}.",
        )

    def _last_words(self) -> str:
        try:
            size = self._stderr.seek(0, os.SEEK_END)
            self._stderr.seek(max(0, size - 2000))
            lines = self._stderr.read().decode("utf-8", "replace").strip().splitlines()
        except ValueError:  # closed by close(): nobody will read it
            return ""
        return lines[-1] if lines else ""
