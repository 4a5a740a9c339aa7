"""A generator over a folder of Hugging Face's Transformers, in a process of its own (rag/transformers_worker.py)."""

from pathlib import Path
from typing import Any

from errors import ModelTooLargeError
from models.runtime import SPARE, free_memory
from models.weights_folder import read_folder
from rag.generate import LlamaGenerator, ModelWorker
from rag.prompt import Prompt
from settings import Generate

WORK = 1.2  # of the size of the weights: they, the cache and what computing takes


class TransformersGenerator(LlamaGenerator):
    """As a GGUF is run, but for the library that holds the model. It has no grammar."""

    def _grammar_of(self, settings: Generate, prompt: Prompt) -> str:  # noqa: ARG002
        return ""

    def _start_worker(self) -> ModelWorker:
        """Raises ModelNotFoundError, NotAModelError or ModelTooLargeError."""
        path = Path(self.info.path).absolute()
        known = read_folder(path)  # a clear message for a folder that is gone or damaged by now
        needed, free = int(WORK * known.size), free_memory() - SPARE
        if needed > free:
            raise ModelTooLargeError(
                f"Model {self.info.name!r} needs {needed / 1e9:.1f} GB of memory; {max(free, 0) / 1e9:.1f} GB are"
                " free.",
                hint="Close other programs, or use a GGUF of it, which takes less.",
            )
        load: dict[str, Any] = {"path": str(path), "settings": self._settings.model_dump()}
        return ModelWorker(self.info.name, load, lambda: "", "rag.transformers_worker")
