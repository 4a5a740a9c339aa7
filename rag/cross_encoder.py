"""Reranking by a cross-encoder: a model that reads question and passage together.

That costs some 10 to 100 ms a passage on a CPU; so only the first `best` are read, and its word is added to the late
features'. The model is a folder of sentence-transformers, read here, or a GGUF (rag/gguf_reranker.py).
sentence_transformers is imported here and in ingest/embed.py.
"""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from errors import UsageError
from ingest.fulltext import Term
from rag.rerank import Candidate, Features, Reranker

NAME = "cross-encoder"
_BATCH = 8


class Scorer(Protocol):
    """A model that says how well a text answers a question, on a scale of its own."""

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """Higher is better. Raises UsageError or ModelError if the model cannot be loaded or used."""
        ...

    def close(self) -> None: ...


class CrossEncoderReranker:
    """Implements Reranker. `weight` is what the best of the passages that `scorer` reads gains over the worst."""

    def __init__(self, scorer: Scorer, first: Reranker, best: int, weight: float) -> None:
        self._scorer = scorer
        self._first = first
        self._best = best
        self._weight = weight

    def features(self, question: str, terms: Sequence[Term], candidates: Sequence[Candidate]) -> list[Features]:
        """Raises what the scorer raises."""
        found = [dict(known) for known in self._first.features(question, terms, candidates)]
        # Those that it does not read keep their place behind: all that it reads gain 0 or more.
        for known, score in zip(found, self._scores(question, candidates[: self._best]), strict=False):
            known[NAME] = self._weight * score
        return list(found)

    def close(self) -> None:
        self._scorer.close()

    def _scores(self, question: str, candidates: Sequence[Candidate]) -> list[float]:
        """From 0 for the worst to 1 for the best: a model's own scale says little about another's."""
        if not candidates:
            return []
        scores = self._scorer.scores(question, [_shown(candidate) for candidate in candidates])
        low, high = min(scores), max(scores)
        return [(score - low) / (high - low) if high > low else 0.0 for score in scores]


def _shown(candidate: Candidate) -> str:
    above = candidate.passage.section or candidate.title
    return f"{above}\n{candidate.passage.text}" if above else candidate.passage.text


class FolderScorer:
    """Implements Scorer by a one-label sequence classification model. It is loaded at the first question; threads take
    turns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._model: Any = None

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """Raises UsageError if the folder holds no such model."""
        pairs = [(question, text) for text in texts]
        with self._lock:
            if self._model is None:
                self._model = _load(self._folder)
            return [float(score) for score in self._model.predict(pairs, batch_size=_BATCH, show_progress_bar=False)]

    def close(self) -> None:
        self._model = None


def _load(folder: Path) -> Any:
    import torch
    from sentence_transformers import CrossEncoder

    hint = 'Set rerank.model to a folder with config.json, model.safetensors and a tokenizer, or to "off".'
    if not (folder / "config.json").is_file() or not (folder / "model.safetensors").is_file():
        raise UsageError(f"There is no cross-encoder at {str(folder)!r}.", hint=hint)
    try:
        model = CrossEncoder(
            str(folder),
            activation_fn=torch.nn.Identity(),
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )
    except Exception as error:  # of several libraries, without a base of their own
        raise UsageError(f"The cross-encoder at {str(folder)!r} cannot be loaded: {error}", hint=hint) from error
    if model.config.num_labels != 1:
        raise UsageError(
            f"The model at {str(folder)!r} gives {model.config.num_labels} scores for a passage, not one.", hint=hint
        )
    return model
