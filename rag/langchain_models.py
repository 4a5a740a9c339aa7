"""LangChain's community integrations of GPT4All and of llamafile: the one place that imports that package.

It is about to end and says so when it is imported; that is silenced here. What it would open itself it does not: its
llamafile speaks through a connection of ours (models/connection.py), which never follows a redirect or uses a proxy.
"""

import json
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.language_models.llms import LLM

Transport = Callable[[str, dict[str, Any]], Iterator[str]]  # path and body to the lines of the answer


def gpt4all(path: str, context: int, threads: int) -> "LLM":
    """A GGUF by the package gpt4all, which fetches nothing. Raises ImportError if it is not installed, and whatever it
    raises where it cannot load the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from langchain_community.llms import GPT4All

    model: LLM = GPT4All(model=path, max_tokens=context, n_threads=threads, allow_download=False)
    return model


def llamafile(transport: Transport, **parameters: Any) -> "LLM":
    """llamafile's own protocol with the parameters that it has; what is streamed comes by `transport`, a '' in it as a
    piece that is empty. A line that is not of that protocol is a ValueError or a KeyError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from langchain_community.llms import Llamafile
    from langchain_core.outputs import GenerationChunk

    class OverOurs(Llamafile):  # type: ignore[misc]
        def _stream(
            self,
            prompt: str,
            stop: list[str] | None = None,
            run_manager: Any = None,  # noqa: ARG002
            **also: Any,
        ) -> Iterator[GenerationChunk]:
            asked = {"prompt": prompt, **self._get_parameters(stop=stop, **also), "stream": True}
            for line in transport("/completion", asked):
                yield GenerationChunk(text=self._get_chunk_content(line) if line.startswith("data:") else "")

    return OverOurs(**parameters)


def is_last(line: str) -> bool:
    """Whether a line of llamafile's stream says that the answer ends with it."""
    return line.startswith("data:") and json.loads(line.removeprefix("data:")).get("stop") is True
