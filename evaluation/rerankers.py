"""Whether a reranker helps: a question set searched without it and with it, and what that says.

`cita eval` measures the rerankers that a home has; one that gains by more than chance and is fast enough works from
then on (rag/rerankers.py).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from evaluation.dataset import Dataset
from evaluation.run import K, Progress, Run, compare_runs, evaluate
from rag.types import RerankerInfo, RerankerReason, Verdict

if TYPE_CHECKING:
    from engine import Engine

DRAFTED = 100  # questions, where a person has none of their own
PROBED = 5  # questions, before all are asked
HOPELESS = 4.0  # times the seconds that may be added: then a few questions are enough

OFF = "off"


def measure(
    engine: "Engine", dataset: Dataset, reranker: RerankerInfo, seconds: float, progress: Progress | None = None
) -> Verdict:
    """What the reranker does on the questions whose answers' places are known; `seconds` is what it may add to a
    search. One that takes far longer is measured on a few only. `progress` counts the questions asked with it, and is
    told of every other search too, so that it can stop at any. Raises what searching raises."""
    judged = tuple(question for question in dataset.questions if question.places or question.answers)
    few = replace(dataset, questions=judged[:PROBED])
    asked = replace(dataset, questions=judged)

    def waiting(*_: int) -> None:
        if progress:
            progress(0, len(judged))

    evaluate(engine, few, reranker=reranker.path, progress=waiting)  # loads the model
    if added_seconds(*_both(engine, few, reranker, waiting, waiting)) > HOPELESS * seconds:
        asked = few
    evaluate(engine, asked, reranker=OFF, progress=waiting)  # the embedder then knows the questions in both runs
    without, with_it = _both(engine, asked, reranker, waiting, progress)
    decisive = compare_runs(without, with_it)[f"mrr@{K}"]
    return Verdict(
        path=reranker.path,
        fingerprint=reranker.fingerprint,
        embedder=with_it.embedder,
        questions=fingerprint(dataset),
        n=decisive.n,
        before=decisive.before,
        after=decisive.after,
        p=decisive.p,
        seconds=added_seconds(without, with_it),
        at=with_it.at,
    )


def is_measurable(dataset: Dataset) -> bool:
    """Whether it is known of a question where its answer stands."""
    return any((question.places or question.answers) and not question.unanswerable for question in dataset.questions)


def added_seconds(without: Run, with_it: Run) -> float:
    """The median over the questions."""
    return median(
        after.seconds - before.seconds for before, after in zip(without.records, with_it.records, strict=True)
    )


def fingerprint(dataset: Dataset) -> str:
    """Of the questions and what is known of their answers, in any order."""
    lines = sorted(
        json.dumps([one.text, one.answers, [(place.source, place.page) for place in one.places], one.unanswerable])
        for one in dataset.questions
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def described(reranker: RerankerInfo) -> str:
    """What was measured of a reranker, and what follows."""
    verdict = reranker.verdict
    if verdict is None:
        return f"{reranker.name}: {outcome(reranker)}"
    return (
        f"{reranker.name}: MRR@{K} {verdict.before:.3f} without, {verdict.after:.3f} with it (p {verdict.p:.3f},"
        f" {verdict.n} questions), {1000 * verdict.seconds:+.0f} ms a search. {outcome(reranker)}"
    )


def outcome(reranker: RerankerInfo) -> str:
    """Why it works or does not."""
    said: dict[RerankerReason, str] = {
        "helps": "On, as it helps.",
        "no-gain": "Off, as it does not help by more than chance.",
        "slow": "Off, as it helps but takes longer than rerank.seconds allows.",
        "unmeasured": "Off until `cita eval FILE` has measured whether it helps.",
        "set": "On, as rerank.model names it.",
        "not-set": "Off, as rerank.model says so.",
    }
    return said[reranker.reason]


def unmeasured(rerankers: Sequence[RerankerInfo]) -> list[RerankerInfo]:
    return [one for one in rerankers if one.reason == "unmeasured"]


def _both(
    engine: "Engine", dataset: Dataset, reranker: RerankerInfo, before: Progress, after: Progress | None
) -> tuple[Run, Run]:
    """The runs without and with it, and what each tells."""
    without = evaluate(engine, dataset, reranker=OFF, progress=before)
    return without, evaluate(engine, dataset, reranker=reranker.path, progress=after)
