"""A generator over a GGUF that the package gpt4all runs, in a process of its own (rag/gpt4all_worker.py)."""

import importlib.util
from pathlib import Path

from errors import ModelError
from models.gguf import read_header
from rag.generate import LlamaGenerator, ModelWorker
from rag.prompt import Prompt
from settings import Generate


class Gpt4AllGenerator(LlamaGenerator):
    """As a GGUF is run by llama.cpp, but for the library that holds the model. It has no grammar."""

    def _grammar_of(self, settings: Generate, prompt: Prompt) -> str:  # noqa: ARG002
        return ""

    def _start_worker(self) -> ModelWorker:
        """Raises ModelError if the package is not there, ModelNotFoundError or NotAModelError."""
        path = Path(self.info.path).absolute()
        read_header(path)
        if importlib.util.find_spec("gpt4all") is None:
            raise ModelError(
                f"Model {self.info.name!r} needs the package gpt4all, which is not installed.",
                hint=f"`pip install gpt4all`, or let Cita run the file itself: cita models add {path}",
            )
        load = {"path": str(path), "settings": self._settings.model_dump()}
        return ModelWorker(self.info.name, load, lambda: "", "rag.gpt4all_worker")
