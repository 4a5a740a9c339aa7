"""Which rerankers a home has, which one works, and why.

A reranker is used because the settings name it, or because `cita eval` measured it to help (rag.types.Verdict). What
was measured is kept in the home's models/rerankers.json and holds for these files, this embedder and these settings
only: where one of them changes it is forgotten.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Lock

from errors import ModelError, UsageError
from models.registry import Registry, write_atomically
from rag.cross_encoder import CrossEncoderReranker, FolderScorer, Scorer
from rag.gguf_reranker import GgufScorer
from rag.rerank import LateFeatures, Reranker
from rag.types import RerankerInfo, RerankerReason, Verdict
from settings import Settings

AUTO, OFF = "auto", "off"  # values of rerank.model that name none
CHANCE = 0.05

_log = logging.getLogger(__name__)


class Rerankers:
    """Of one home. What is opened stays open until close(). Threads may share it."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry
        self._file = settings.models / "rerankers.json"
        self._plain = LateFeatures()
        self._opened: dict[str, CrossEncoderReranker] = {}
        self._lock = Lock()

    def open(self, embedder: str, name: str | None = None) -> Reranker:
        """The reranker `name`, 'off' for the late features alone; None: the one that works beside that embedder.

        Raises UsageError if there is none of that name.
        """
        wanted = name or self._settings.rerank.model
        path = self._measured(embedder) if wanted == AUTO else self._found(wanted)
        if path is None:
            return self._plain
        fingerprint = self.fingerprint(path)
        with self._lock:
            if fingerprint not in self._opened:
                self._opened[fingerprint] = self._reranker(path)
            return self._opened[fingerprint]

    def known(self, embedder: str) -> tuple[RerankerInfo, ...]:
        """All that the home has or the settings name, each with what was measured beside that embedder, and why it
        works or does not. Raises UsageError if the settings name one that is not there."""
        model = self._settings.rerank.model
        named = self._found(model) if model != AUTO else None
        active = self._measured(embedder) if model == AUTO else named
        found = {path: name for name, path in self._there()}
        if named:
            found.setdefault(named, named.stem if named.is_file() else named.name)
        verdicts = self._verdicts(embedder)
        return tuple(
            RerankerInfo(
                name,
                str(path),
                path == active,
                self._reason(path, named, verdicts.get(path)),
                verdicts.get(path),
                self.fingerprint(path),
            )
            for path, name in found.items()
        )

    def keep(self, verdict: Verdict) -> None:
        """Keeps what was measured; of a reranker and embedder the last word counts. Raises ModelError if it cannot be
        written."""
        with self._lock:
            kept = [one for one in self._read() if (one.path, one.embedder) != (verdict.path, verdict.embedder)]
            content = json.dumps({"verdicts": [asdict(one) for one in (*kept, verdict)]}, indent=2)
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(self._file, content + "\n")
            except OSError as error:
                raise ModelError(
                    f"What was measured cannot be kept in {str(self._file)!r}: {error.strerror}.",
                    hint="Check the folder's permissions and the space left on its disk.",
                ) from error

    def fingerprint(self, path: Path) -> str:
        """Of the model's files by their sizes and times of change, and of how its word is counted; '' if it is gone."""
        hashed = hashlib.sha256(f"{self._settings.rerank.best} {self._settings.rerank.weight}".encode())
        try:
            for file in sorted(path.iterdir()) if path.is_dir() else [path]:
                known = file.stat()
                hashed.update(f"\n{file.name} {known.st_size} {known.st_mtime_ns}".encode(errors="surrogateescape"))
        except OSError:
            return ""
        return hashed.hexdigest()[:16]

    def close(self) -> None:
        while self._opened:
            self._opened.popitem()[1].close()

    def _reranker(self, path: Path) -> CrossEncoderReranker:
        scorer: Scorer = FolderScorer(path) if path.is_dir() else GgufScorer(path, self._settings.generate)
        rerank = self._settings.rerank
        return CrossEncoderReranker(scorer, self._plain, rerank.best, rerank.weight)

    def _found(self, model: str) -> Path | None:
        """Where the reranker of that name or path is; None for 'off'."""
        if model == OFF:
            return None
        for path in (Path(model).expanduser().absolute(), self._settings.models / model):
            if path.exists():
                return path
        try:
            return Path(self._registry.reranker(model).path)
        except ModelError as error:
            raise UsageError(
                f"There is no reranker {model!r}: {error.message}",
                hint='Set rerank.model to a cross-encoder folder, a GGUF, a name in `cita models list`, or "off".',
            ) from error

    def _there(self) -> list[tuple[str, Path]]:
        """Names and places: the GGUFs that the registry knows, and the folders beside them."""
        found = [(info.name, Path(info.path)) for info in self._registry.list() if info.ranks]
        with suppress(OSError):
            found += [(path.name, path) for path in sorted(self._settings.models.iterdir()) if _is_cross_encoder(path)]
        return found

    def _measured(self, embedder: str) -> Path | None:
        """The reranker that gained most, of those that help."""
        gains = {
            path: verdict.after - verdict.before
            for path, verdict in self._verdicts(embedder).items()
            if self._judged(verdict) == "helps"
        }
        return max(gains, key=gains.__getitem__, default=None)

    def _reason(self, path: Path, named: Path | None, verdict: Verdict | None) -> RerankerReason:
        if self._settings.rerank.model != AUTO:
            return "set" if path == named else "not-set"
        return "unmeasured" if verdict is None else self._judged(verdict)

    def _judged(self, verdict: Verdict) -> RerankerReason:
        if verdict.after <= verdict.before or verdict.p >= CHANCE:
            return "no-gain"
        return "slow" if verdict.seconds > self._settings.rerank.seconds else "helps"

    def _verdicts(self, embedder: str) -> dict[Path, Verdict]:
        """Those that still hold, by the reranker's place."""
        return {
            Path(one.path): one
            for one in self._read()
            if one.embedder == embedder and one.fingerprint == self.fingerprint(Path(one.path))
        }

    def _read(self) -> Sequence[Verdict]:
        try:
            return [Verdict(**one) for one in json.loads(self._file.read_text("utf-8"))["verdicts"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("What was measured of rerankers cannot be read (%s); `cita eval` measures them anew.", error)
            return []


def _is_cross_encoder(folder: Path) -> bool:
    """Whether it is a folder of transformers with a sequence classification model of one label."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        kinds, labels = config.get("architectures") or [], config.get("id2label") or {}
    except (OSError, ValueError, AttributeError):
        return False
    is_classifier = any(str(kind).endswith("ForSequenceClassification") for kind in kinds)
    return is_classifier and len(labels) == 1 and (folder / "model.safetensors").is_file()
