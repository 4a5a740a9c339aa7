"""Does a passage entail a claim? Any NLI or MiniCheck-type folder of sequence classification, if the user has one.

It reads passage and claim together. What its scores mean is read from the labels in its config (id2label).
sentence_transformers is imported here, in rag/cross_encoder.py and in ingest/embed.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from errors import UsageError
from rag.verify import Judged

_BATCH = 8
_ENTAILED = ("entailment", "entailed", "entails", "supported", "consistent", "faithful", "attributable")
_CONTRADICTED = ("contradiction", "contradicted", "contradicts", "refuted", "refutes")
_HINT = (
    "Set verify.model to a folder with config.json, model.safetensors and a tokenizer, whose labels are those of an "
    "NLI model (entailment, ...) or two (LABEL_1: supported), or to ''."
)


@dataclass(frozen=True, slots=True)
class Labels:
    """Which of a model's scores says what. None: it has no such label; `entailed` None: its one score says it."""

    entailed: int | None
    contradicted: int | None = None


def read_labels(names: Mapping[int, str], folder: Path) -> Labels:
    """From the names of a model's labels by number; two nameless ones are MiniCheck's, of which the second is
    'supported'. Raises UsageError where none says that a claim is entailed."""
    plain = {number: name.lower().strip() for number, name in names.items()}
    entailed = next((number for number, name in plain.items() if name in _ENTAILED), None)
    contradicted = next((number for number, name in plain.items() if name in _CONTRADICTED), None)
    if entailed is not None:
        return Labels(entailed, contradicted)
    nameless = all(name.startswith("label_") for name in plain.values())
    if nameless and len(plain) == 2:
        return Labels(1)
    if nameless and len(plain) == 1:
        return Labels(None)
    raise UsageError(
        f"The model at {str(folder)!r} has no label for what is entailed, only {', '.join(names.values())}.", hint=_HINT
    )


class FolderEntailment:
    """Implements rag.verify.EntailmentModel. The model is loaded at the first claim; threads take turns.

    Raises UsageError at the first claim if the folder holds no such model.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._model: Any = None
        self._labels = Labels(None)

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Judged]:
        """What each (evidence, claim) comes to. Evidence longer than the model's window is cut by its tokenizer."""
        if not pairs:
            return []
        with self._lock:
            if self._model is None:
                self._model, self._labels = _load(self._folder)
            scores = self._model.predict(list(pairs), batch_size=_BATCH, show_progress_bar=False)
        return [_judged([float(value) for value in row], self._labels) for row in scores.reshape(len(pairs), -1)]


def _judged(scores: Sequence[float], labels: Labels) -> Judged:
    """From probabilities: of one label its own, of several those that sum up to 1."""
    if labels.entailed is None:
        return Judged(scores[0])
    return Judged(scores[labels.entailed], 0.0 if labels.contradicted is None else scores[labels.contradicted])


def _load(folder: Path) -> tuple[Any, Labels]:
    import torch
    from sentence_transformers import CrossEncoder

    if not (folder / "config.json").is_file() or not (folder / "model.safetensors").is_file():
        raise UsageError(f"There is no entailment model at {str(folder)!r}.", hint=_HINT)
    try:
        model: Any = CrossEncoder(
            str(folder), trust_remote_code=False, local_files_only=True, model_kwargs={"use_safetensors": True}
        )
        labels = {int(number): str(name) for number, name in model.config.id2label.items()}
        model.activation_fn = torch.nn.Sigmoid() if len(labels) == 1 else torch.nn.Softmax(dim=-1)
    except Exception as error:  # of several libraries, without a base of their own
        raise UsageError(f"The entailment model at {str(folder)!r} cannot be loaded: {error}", hint=_HINT) from error
    return model, read_labels(labels, folder)
