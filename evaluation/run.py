"""A question set put to an engine or to any ranking: what each question scored, and what that says of all."""

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from errors import CitaError, UsageError
from evaluation import metrics
from evaluation.dataset import Dataset, Place, Question
from evaluation.metrics import Comparison, Estimate, Judged, judge
from ingest.types import Filters, Passage
from rag.types import Answer, Completed, Event, Hit, Retrieved

if TYPE_CHECKING:
    from collections.abc import Generator

    from engine import Engine

K = 10
CUTOFFS = (1, 3, 5, 10)
SHOWN = 3  # passages that are kept of what a question found
EXCERPT = 300  # characters of each

Progress = Callable[[int, int], None]
Scores = dict[str, float]


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that a question found, to look at: `text` is its beginning."""

    rank: int
    source: str
    page: int | None
    section: str
    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """What became of a question. `scores` has each metric that applies to it; `rank` is that of the first gold, None
    where it was not found or none is known (`judged` says which). `answer` is None unless it was asked for."""

    id: str
    question: str
    expected: tuple[str, ...]
    places: tuple[Place, ...]
    unanswerable: bool
    judged: bool
    rank: int | None
    scores: Scores
    found: tuple[Found, ...] = ()
    seconds: float = 0.0
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """The records of a set, and what they were made with. `unknown` are the sources that questions name and that are
    not in the index. `at` is ISO 8601 in UTC."""

    name: str
    records: tuple[Record, ...]
    k: int
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    version: str = ""
    embedder: str = ""
    model: str = ""
    passages: int = 0
    unknown: tuple[str, ...] = ()


def evaluate(
    engine: "Engine",
    dataset: Dataset,
    k: int = K,
    *,
    answers: bool = False,
    model: str | None = None,
    filters: Callable[[Question], Filters] = lambda _: Filters(),
    reranker: str | None = None,
    progress: Progress | None = None,
) -> Run:
    """Searches `k` passages for every question, and with `answers` has each answered too, by `model` if it is named;
    both within the question's `filters`. `reranker` as in Engine.search, for the searches.

    A hit counts where it, or a copy of it elsewhere, is at a place that the question names; of a question without
    places, where it holds one of the expected answers. Unanswerable questions count for abstention only. Raises
    CitaError if nothing is indexed, and what searching and asking raise.
    """
    status = engine.status()
    if not status.passages:
        raise CitaError("Nothing is indexed yet.", hint="`cita add FOLDER`, then `cita index`.")
    records = []
    for done, question in enumerate(dataset.questions, 1):
        try:
            result = engine.search(question.text, k, filters(question), reranker=reranker)
            asking = partial(engine.ask, model=model, filters=filters(question))
            answered = ask(asking, question.text) if answers else None
        except UsageError as error:
            raise UsageError(f"Question {question.text!r}: {error.message}", hint=error.hint) from error
        records.append(_record(question, result.hits, k, result.seconds, answered))
        if progress:
            progress(done, len(dataset.questions))
    there = {source.path for source in engine.sources()}
    named = dict.fromkeys(place.source for question in dataset.questions for place in question.places)
    return Run(
        name=dataset.name,
        records=tuple(records),
        k=k,
        version=status.version,
        embedder=status.embedder,
        model=(model or status.model) if answers else "",
        passages=status.passages,
        unknown=tuple(source for source in named if source not in there),
    )


def evaluate_ranking(
    dataset: Dataset, rank: Callable[[str], Sequence[str]], k: int = K, progress: Progress | None = None
) -> Run:
    """The same for a set's own passages: `rank` gives their ids for a question, best first."""
    asked = [question for question in dataset.questions if question.gold]
    records = []
    for done, question in enumerate(asked, 1):
        started = time.monotonic()
        ranking = list(rank(question.text))[:k]
        seconds = time.monotonic() - started
        judged = judge(question.gold, ranking)
        records.append(_recorded(question, judged, retrieval_scores(judged, k), (), seconds, None))
        if progress:
            progress(done, len(asked))
    return Run(dataset.name, tuple(records), k, passages=len(dataset.passages))


def own_sources(question: Question) -> Filters:
    """Only the files that the question's answer stands in, as one who names them asks."""
    return Filters(within=tuple(dict.fromkeys(place.source for place in question.places)))


# One question


def _record(question: Question, hits: Sequence[Hit], k: int, seconds: float, answered: "Answered | None") -> Record:
    judged = () if question.unanswerable else judge_hits(question, hits)
    scores = retrieval_scores(judged, k)
    if places := tuple(Place(place.source) for place in question.places):
        by_source = [_judged_at(place, hits) for place in dict.fromkeys(places)]
        scores |= {f"source_recall@{cut}": metrics.recall(by_source, cut) for cut in _cutoffs(k)}
    if pages := [place for place in question.places if place.page]:
        by_page = [_judged_at(place, hits) for place in pages]
        scores |= {f"page_recall@{cut}": metrics.recall(by_page, cut) for cut in _cutoffs(k)}
    if question.answers and not question.unanswerable:
        holds = [_judged_by(lambda passage: metrics.contains(passage.text, question.answers), hits)]
        scores |= {f"answer_recall@{cut}": metrics.recall(holds, cut) for cut in _cutoffs(k)}
    if answered:
        scores |= answer_scores(question, answered)
    found = tuple(map(_found, hits[:SHOWN]))
    return _recorded(question, judged, scores, found, seconds, answered.answer.answer if answered else None)


def _recorded(
    question: Question,
    judged: Sequence[Judged],
    scores: Scores,
    found: tuple[Found, ...],
    seconds: float,
    answer: str | None,
) -> Record:
    return Record(
        id=question.id,
        question=question.text,
        expected=question.answers,
        places=question.places,
        unanswerable=question.unanswerable,
        judged=bool(judged),
        rank=min((one.rank for one in judged if one.rank), default=None),
        scores=scores,
        found=found,
        seconds=seconds,
        answer=answer,
    )


def judge_hits(question: Question, hits: Sequence[Hit]) -> tuple[Judged, ...]:
    """Where the places of a question stand among the hits; without places, where the first is that holds one of its
    answers. Empty where neither is known."""
    if question.places:
        return tuple(_judged_at(place, hits) for place in question.places)
    if question.answers:
        return (_judged_by(lambda passage: metrics.contains(passage.text, question.answers), hits),)
    return ()


def _judged_at(place: Place, hits: Sequence[Hit]) -> Judged:
    return _judged_by(lambda passage: _is_at(passage, place), hits)


def _judged_by(answers: Callable[[Passage], bool], hits: Sequence[Hit]) -> Judged:
    ranks = (hit.rank for hit in hits if any(map(answers, (hit.passage, *hit.copies))))
    return Judged(1, next(ranks, None))


def _is_at(passage: Passage, place: Place) -> bool:
    if passage.path != place.source:
        return False
    if place.page is None:
        return True
    return passage.page is not None and passage.page <= place.page <= (passage.page_to or passage.page)


def _cutoffs(k: int) -> list[int]:
    return sorted({*(cut for cut in CUTOFFS if cut <= k), k})


def retrieval_scores(judged: Sequence[Judged], k: int = K) -> Scores:
    """Every metric of one ranking by its name, none where there is no gold. MRR and nDCG look at 10 at most."""
    if not judged:
        return {}
    depth = min(k, 10)
    return {
        **{f"recall@{cut}": metrics.recall(judged, cut) for cut in _cutoffs(k)},
        **{f"success@{cut}": metrics.success(judged, cut) for cut in _cutoffs(k)},
        **{f"complete@{cut}": metrics.complete(judged, cut) for cut in _cutoffs(k)},
        f"mrr@{depth}": metrics.reciprocal_rank(judged, depth),
        f"ndcg@{depth}": metrics.ndcg(judged, depth),
    }


def _found(hit: Hit) -> Found:
    passage = hit.passage
    return Found(hit.rank, passage.path, passage.page, passage.section, passage.text[:EXCERPT])


# Answers


@dataclass(frozen=True, slots=True)
class Answered:
    answer: Answer
    hits: tuple[Hit, ...]


def ask(asking: Callable[[str], Iterator[Event]], question: str) -> Answered:
    """What a question is answered, and what was found for it."""
    hits: tuple[Hit, ...] = ()
    events = cast("Generator[Any]", asking(question))
    with closing(events):
        for event in events:
            if isinstance(event, Retrieved):
                hits = event.hits
            elif isinstance(event, Completed):
                return Answered(event.answer, hits)
    raise CitaError(f"The answer to {question!r} broke off.", hint="Try again.")


def answer_scores(question: Question, answered: Answered) -> Scores:
    """An abstention counts as an answer that holds and cites nothing."""
    answer = answered.answer
    if question.unanswerable:
        return {"abstained": float(answer.abstained)}
    scores = {"answered": float(not answer.abstained)}
    if not answer.abstained and answer.sentences:
        scores["supported"] = sum(sentence.supported for sentence in answer.sentences) / len(answer.sentences)
    said = "" if answer.abstained else " ".join(sentence.text for sentence in answer.sentences)
    if question.answers:
        scores["answer_contains"] = float(metrics.contains(said, question.answers))
        scores["answer_f1"] = metrics.token_f1(said, question.answers)
    if question.places:
        scores["cites_gold"] = float(_cites(answered, question.places))
    return scores


def _cites(answered: Answered, places: Sequence[Place]) -> bool:
    cited = {citation.id for citation in answered.answer.citations if citation.supported}
    passages = [p for hit in answered.hits if hit.passage.id in cited for p in (hit.passage, *hit.copies)]
    return any(_is_at(passage, place) for passage in passages for place in places)


# All questions


def summary(run: Run) -> dict[str, Estimate]:
    """Each metric over the questions that it applies to, in the order in which they are read."""
    names = dict.fromkeys(name for record in run.records for name in record.scores)
    return metrics.estimates({name: _values(run, name) for name in sorted(names, key=_order)})


_ORDER = (
    "recall", "success", "complete", "mrr", "ndcg", "source_recall", "page_recall", "answer_recall",
    "answered", "abstained", "answer_contains", "answer_f1", "cites_gold", "supported",
)  # fmt: skip


def _order(metric: str) -> tuple[int, int]:
    name, _, cut = metric.partition("@")
    return _ORDER.index(name), int(cut or 0)


def _values(run: Run, name: str) -> list[float]:
    return [record.scores[name] for record in run.records if name in record.scores]


def compare_runs(before: Run, after: Run) -> dict[str, Comparison]:
    """Each metric of both runs, on the questions (by their words) that it applies to in both.

    Raises UsageError if the runs share none.
    """
    check_comparable(before, [record.question for record in after.records])
    earlier, later = _scores_by_question(before), _scores_by_question(after)
    pairs = [(earlier[key], scores) for key, scores in later.items() if key in earlier]
    names = dict.fromkeys(name for old, new in pairs for name in new if name in old)
    compared = {}
    for name in sorted(names, key=_order):
        both = [(old[name], new[name]) for old, new in pairs if name in old and name in new]
        compared[name] = metrics.compare([old for old, _ in both], [new for _, new in both])
    return compared


def check_comparable(before: Run, questions: Sequence[str]) -> None:
    """Raises UsageError if none of the questions was asked in the run before."""
    if not {record.question for record in before.records} & set(questions):
        raise UsageError(
            f"The run {before.name!r} has no question in common with this one.",
            hint="Compare two runs of the same question set.",
        )


def _scores_by_question(run: Run) -> dict[tuple[str, int], Scores]:
    """By the question's words and a counter of those that are asked again."""
    seen: Counter[str] = Counter()
    scores = {}
    for record in run.records:
        scores[record.question, seen[record.question]] = record.scores
        seen[record.question] += 1
    return scores


def latency(run: Run) -> dict[str, float]:
    """Seconds of a search: the median and the 95th percentile."""
    times = sorted(record.seconds for record in run.records)
    return {f"p{p}": times[max(0, math.ceil(p / 100 * len(times)) - 1)] for p in (50, 95)} if times else {}


# What went wrong

FAULTS = ("not-found", "not-first", "said-unanswerable", "abstained", "wrong-answer", "cites-elsewhere")


def faults(record: Record) -> tuple[str, ...]:
    """What was not as expected, of FAULTS."""
    scores = record.scores
    wrong = {
        "not-found": record.judged and record.rank is None,
        "not-first": record.judged and record.rank is not None and record.rank > 1,
        "said-unanswerable": scores.get("abstained") == 0,
        "abstained": scores.get("answered") == 0,
        "wrong-answer": scores.get("answered") == 1 and scores.get("answer_contains") == 0,
        "cites-elsewhere": scores.get("answered") == 1 and scores.get("cites_gold") == 0,
    }
    return tuple(name for name in FAULTS if wrong[name])


def failures(run: Run) -> list[Record]:
    """The records with faults, the worst first: not found, then by rank, then those whose answers alone are amiss."""

    def badness(record: Record) -> float:
        if not record.judged:
            return 0.5
        return 1000.0 if record.rank is None else record.rank - 1

    return sorted(filter(faults, run.records), key=lambda record: -badness(record))


def ranks(run: Run) -> dict[int | None, int]:
    """How many questions have their first gold at each rank up to k, and last at none (None)."""
    counts: dict[int | None, int] = {**dict.fromkeys(range(1, run.k + 1), 0), None: 0}
    for record in run.records:
        if record.judged:
            counts[record.rank] += 1
    return counts


def recall_curve(run: Run) -> dict[int, float]:
    """The share of questions whose first gold is among the first 1, 2, ... k."""
    counts = ranks(run)
    total = sum(counts.values())
    found = 0
    curve = {}
    for rank in range(1, run.k + 1):
        found += counts[rank]
        curve[rank] = found / total if total else 0.0
    return curve


# Kept in a file


def to_json(run: Run, before: Run | None = None) -> dict[str, Any]:
    """What `cita eval --json` prints; read_run() reads it again. With `before`, compared with that run."""
    value = {key: each for key, each in asdict(run).items() if key != "records"}
    value["seconds"] = latency(run)
    value["metrics"] = {name: asdict(found) for name, found in summary(run).items()}
    if before:
        compared = {name: asdict(found) for name, found in compare_runs(before, run).items()}
        value["comparison"] = {"name": before.name, "at": before.at, "metrics": compared}
    value["questions"] = [{**asdict(record), "faults": faults(record)} for record in run.records]
    return value


def read_run(file: Path) -> Run:
    """A run that `cita eval --json` printed.

    Raises UsageError if the file cannot be read or is something else.
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        return Run(
            records=tuple(_read_record(entry) for entry in value["questions"]),
            unknown=tuple(value["unknown"]),
            **{key: value[key] for key in ("name", "k", "at", "version", "embedder", "model", "passages")},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not what `cita eval --json` prints"
        raise UsageError(
            f"Run {str(file)!r} cannot be read: {reason}.", hint="Make one: cita eval FILE --json > run.json."
        ) from error


def _read_record(entry: dict[str, Any]) -> Record:
    known = {name: value for name, value in entry.items() if name != "faults"}
    known["expected"] = tuple(known["expected"])
    known["places"] = tuple(Place(**place) for place in known["places"])
    known["found"] = tuple(Found(**found) for found in known["found"])
    known["scores"] = {str(name): float(value) for name, value in known["scores"].items() if _order(name)}
    return Record(**known)
