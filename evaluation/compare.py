"""Models and profiles in one table: over a question set, or over what was compared side by side in the app.

A run over a question set asks one after the other, each all questions, so that a model is loaded once. What came of
each question is kept as numbers (no text of a document, none of an answer), by what it was made of: the question, who
answered and by which settings, and the library. A run that was stopped goes on from there.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from errors import EngineError, UsageError
from evaluation.dataset import Dataset, Question
from evaluation.run import Progress, Scores, answer_scores, ask
from models.types import ModelInfo
from rag.types import ALIKE, Answer, Comparison, Contender
from settings import Settings

if TYPE_CHECKING:
    from engine import Engine

FILE = "compare.jsonl"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one question: the scores that apply to it (evaluation.run), how much of the answer was carried by
    passages, and what it took. `tokens_per_second` and `first_token` are None where they are not known."""

    abstained: bool
    citations: int
    supported_citations: int
    sentences: int
    supported_sentences: int
    seconds: float
    first_token: float | None = None
    tokens_per_second: float | None = None
    scores: Scores = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a contender did on `questions`. `right` is the share of those with an expected answer that it gave, `f1` how
    near it came to it, `refused` the share of unanswerable ones that it did not answer; None where there were none.
    Seconds and tokens a second are medians, `memory` bytes that the model takes. Of the comparisons that the person
    judged it was `preferred`, `alike` and `beaten` in so many."""

    model: str
    profile: str
    questions: int
    answered: int
    abstained: int
    right: float | None = None
    f1: float | None = None
    refused: float | None = None
    citation_precision: float | None = None
    supported: float | None = None
    tokens_per_second: float | None = None
    first_token: float | None = None
    seconds: float | None = None
    memory: int | None = None
    preferred: int = 0
    alike: int = 0
    beaten: int = 0

    @property
    def name(self) -> str:
        return self.profile or self.model


def result_of(answer: Answer, scores: Scores | None = None) -> Result:
    said = () if answer.abstained else answer.sentences
    citations = () if answer.abstained else answer.citations
    return Result(
        answer.abstained,
        len(citations),
        sum(one.supported for one in citations),
        len(said),
        sum(one.supported for one in said),
        answer.timings.total,
        answer.timings.first_token,
        answer.usage.tokens_per_second if answer.usage else None,
        scores or {},
    )


# Over a question set


class KeptResults:
    """Results by their keys, in a file to which each is added at once. What cannot be read of it is left out."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known = dict(_lines(file))
        self.used = 0  # how many were asked for and known

    def get(self, key: str) -> Result | None:
        found = self._known.get(key)
        self.used += found is not None
        return found

    def begin_anew(self) -> None:
        """What was known is not used any more."""
        self._known.clear()

    def put(self, key: str, result: Result) -> None:
        """Raises EngineError if it cannot be written."""
        self._known[key] = result
        try:
            handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(json.dumps([key, asdict(result)]) + "\n")
        except OSError as error:
            raise EngineError(
                f"What was compared cannot be kept in {str(self._file)!r}: {error.strerror}.",
                hint="See that the disk has space; that file may be deleted.",
            ) from error


def _lines(file: Path) -> Iterator[tuple[str, Result]]:
    try:
        lines = file.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            key, values = json.loads(line)
            yield str(key), Result(**values)
        except (ValueError, TypeError, RecursionError):  # cut in the middle of a word, or of another version
            continue


def compare_on(
    engine: "Engine",
    dataset: Dataset,
    contenders: Sequence[Contender],
    fingerprint: Callable[[Contender], str],
    kept: KeptResults | None = None,
    progress: Progress | None = None,
) -> list[Standing]:
    """Has every contender answer every question that none of `kept` is known of. `fingerprint` is of all that an
    answer of one depends on beside the question and the library. Raises what asking raises; what was answered until
    then is kept."""
    library, done, standings = _library(engine), 0, []
    for one in contenders:
        results = []
        for question in dataset.questions:
            key = _digest(question.text, question.answers, question.places, library, fingerprint(one))
            result = kept.get(key) if kept else None
            if result is None:
                result = _result(engine, question, one)
                if kept:
                    kept.put(key, result)
            results.append(result)
            done += 1
            if progress:
                progress(done, len(dataset.questions) * len(contenders))
        standings.append(standing(one, results))
    return standings


def _result(engine: "Engine", question: Question, one: Contender) -> Result:
    try:
        answered = ask(partial(engine.ask, model=one.model or None, profile=one.profile), question.text)
    except UsageError as error:
        raise UsageError(f"Question {question.text!r}: {error.message}", hint=error.hint) from error
    return result_of(answered.answer, answer_scores(question, answered))


def fingerprint(settings: Settings, one: Contender, models: Sequence[ModelInfo]) -> str:
    """Of all that an answer depends on beside the question and the library. Raises UsageError if there is no such
    profile."""
    by = settings.with_profile(one.profile)
    name = one.model or by.generate.model or next((model.name for model in models if model.active), "")
    model = next((model for model in models if model.name == name), None)
    others = {"home", "profiles", "app", "watch", "history", "parse", "ocr", "chunk"}
    groups = by.model_dump(mode="json", exclude=others)
    groups["generate"]["model"], groups["answer"] = "", by.answer.abstain  # who it is called by is no matter
    changed = Path(model.path).stat().st_mtime_ns if model and model.path and Path(model.path).exists() else 0
    return _digest(name, groups, asdict(model) | {"active": None} if model else None, changed)


def _library(engine: "Engine") -> str:
    status = engine.status()
    return _digest(status.version, status.embedder, sorted((one.path, one.sha256) for one in engine.sources()))


def _digest(*values: object) -> str:
    return hashlib.sha256(json.dumps(values, default=str, sort_keys=True).encode()).hexdigest()


# In one table


def standing(one: Contender, results: Sequence[Result], memory: int | None = None) -> Standing:
    citations, sentences = sum(each.citations for each in results), sum(each.sentences for each in results)
    return Standing(
        one.model,
        one.profile,
        len(results),
        sum(not each.abstained for each in results),
        sum(each.abstained for each in results),
        _mean([each.scores["answer_contains"] for each in results if "answer_contains" in each.scores]),
        _mean([each.scores["answer_f1"] for each in results if "answer_f1" in each.scores]),
        _mean([each.scores["abstained"] for each in results if "abstained" in each.scores]),
        sum(each.supported_citations for each in results) / citations if citations else None,
        sum(each.supported_sentences for each in results) / sentences if sentences else None,
        _median([each.tokens_per_second for each in results]),
        _median([each.first_token for each in results]),
        _median([each.seconds for each in results]),
        memory,
    )


def standings(comparisons: Sequence[Comparison]) -> list[Standing]:
    """What the contenders of the app's comparisons did, the one that was preferred most often first. A profile that was
    changed to another model since is another contender."""
    results: dict[tuple[str, str], list[Result]] = {}
    judged: dict[tuple[str, str], list[int]] = {}
    for comparison in comparisons:
        for place, one in enumerate(comparison.contenders):
            who = (one.model, one.profile)
            results.setdefault(who, []).extend([result_of(one.answer)] if one.answer else [])
            counts = judged.setdefault(who, [0, 0, 0])
            if comparison.better is not None:
                counts[0 if comparison.better == place else 1 if comparison.better == ALIKE else 2] += 1
    found = []
    for (model, profile), own in results.items():
        preferred, alike, beaten = judged[model, profile]
        counted = standing(Contender(model, profile), own)
        found.append(replace(counted, preferred=preferred, alike=alike, beaten=beaten))
    return sorted(found, key=lambda one: (-one.preferred, one.beaten))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
