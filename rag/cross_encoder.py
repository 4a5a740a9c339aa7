"""Reranking by a cross-encoder: any such model folder of sentence-transformers, if the user has one.

It reads question and passage together, which costs some 10 to 100 ms a passage on a CPU; so only the first `best` are
read, and its word is added to the late features'. sentence_transformers is imported here and in ingest/embed.py.
"""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from errors import UsageError
from ingest.fulltext import Term
from rag.rerank import Candidate, Features, Reranker

NAME = "cross-encoder"
_BATCH = 8


class CrossEncoderReranker:
    """Implements Reranker. The model is loaded at the first question; threads take turns.

    `folder` holds a one-label sequence classification model; `weight` is what its best passage gains over its worst.
    Raises UsageError at the first question if the folder holds no such model.
    """

    def __init__(self, folder: Path, first: Reranker, best: int, weight: float) -> None:
        self._folder = folder
        self._first = first
        self._best = best
        self._weight = weight
        self._lock = Lock()
        self._model: Any = None

    def features(self, question: str, terms: Sequence[Term], candidates: Sequence[Candidate]) -> list[Features]:
        found = [dict(known) for known in self._first.features(question, terms, candidates)]
        # Those that it does not read keep their place behind: all that it reads gain 0 or more.
        for known, score in zip(found, self._scores(question, candidates[: self._best]), strict=False):
            known[NAME] = self._weight * score
        return list(found)

    def _scores(self, question: str, candidates: Sequence[Candidate]) -> list[float]:
        """From 0 for the worst to 1 for the best: a model's own scale says little about another's."""
        if not candidates:
            return []
        pairs = [(question, _shown(candidate)) for candidate in candidates]
        with self._lock:
            if self._model is None:
                self._model = _load(self._folder)
            scores = [float(score) for score in self._model.predict(pairs, batch_size=_BATCH, show_progress_bar=False)]
        low, high = min(scores), max(scores)
        return [(score - low) / (high - low) if high > low else 0.0 for score in scores]


def _shown(candidate: Candidate) -> str:
    above = candidate.passage.section or candidate.title
    return f"{above}\n{candidate.passage.text}" if above else candidate.passage.text


def _load(folder: Path) -> Any:
    import torch
    from sentence_transformers import CrossEncoder

    hint = "Set rerank.model to a folder with config.json, model.safetensors and a tokenizer, or to ''."
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
