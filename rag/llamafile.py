"""A model behind llamafile's own protocol, through LangChain's integration. Cita writes the turns of the prompt."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from errors import ModelDiedError, ModelError
from models.connection import Server, remark
from models.types import ModelInfo
from rag.generate import Pieces
from rag.langchain_models import is_last, llamafile
from rag.prompt import Prompt
from rag.served import MOST_OF_A_TOKEN
from rag.token_estimate import estimate_tokens
from rag.types import Usage
from settings import Generate


class LlamafileGenerator:
    """Closing what generate() gives closes the connection, upon which the server stops writing."""

    def __init__(self, info: ModelInfo, settings: Generate, server: Server) -> None:
        self.info, self._settings, self._server = info, settings, server

    def count_tokens(self, text: str) -> int:
        """As the server counts them; never too few where it does not."""
        with contextlib.suppress(ModelError, TypeError, KeyError):
            return len(self._server.fetch("/tokenize", {"content": text})["tokens"]) + 1  # begin of sequence
        return estimate_tokens(text)

    def generate(self, prompt: Prompt) -> Pieces:
        """Raises ModelError; ModelDiedError if the server cannot be reached or ends before its answer does."""
        started, first, written, ended = time.monotonic(), 0.0, 0, False

        def transport(path: str, body: dict[str, Any]) -> Iterator[str]:
            nonlocal ended
            most = MOST_OF_A_TOKEN * (self._settings.max_tokens + 1)
            with contextlib.closing(self._server.stream(path, {**body, "cache_prompt": True}, most)) as lines:
                for line in lines:
                    ended = ended or is_last(line)
                    yield line

        model = llamafile(transport, **self._parameters())
        pieces = model.stream(prompt.text, stop=list(prompt.stop))
        try:
            for piece in pieces:
                said = piece if written else piece.lstrip()
                if said:
                    first, written = first or time.monotonic(), written + 1
                yield said
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{self._server.name} answers with what is no answer: {remark(str(error))}.",
                hint="See that a llamafile listens there; with other servers leave --protocol out.",
            ) from error
        finally:
            pieces.close()  # type: ignore[attr-defined]
        if not ended:
            raise ModelDiedError(
                f"{self._server.name} ended before its answer did.",
                hint="See whether its program still runs, and ask again.",
            )
        now = time.monotonic()
        first = first or now
        return Usage(written=written, reading=first - started, writing=now - first, parameters=self._parameters())

    def close(self) -> None:
        """Nothing is open between two answers."""

    def _parameters(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "n_predict": settings.max_tokens,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "min_p": settings.min_p,
            "seed": settings.seed,
            "repeat_penalty": settings.repeat_penalty,
        }
