"""A run over a question set, or a measurement of rerankers, in the background."""

from collections.abc import Callable, Sequence
from functools import partial

from engine import Engine
from evaluation.dataset import Dataset
from evaluation.rerankers import measure
from evaluation.run import Run, evaluate
from rag.types import RerankerInfo
from ui.background import Background


class Evaluating(Background):
    """One work at a time. Where it stands: `done` of `total` questions of a run, or with the reranker `measured`, while
    it is under way; then `run`, and in `before` the one that it replaced, or `error`. Work that was stopped leaves what
    was there; of rerankers the verdicts that were reached."""

    what = "evaluation"

    def __init__(self) -> None:
        super().__init__()
        self.done = self.total = 0
        self.measured = ""
        self.run: Run | None = None
        self.before: Run | None = None

    def start(self, engine: Engine, dataset: Dataset, k: int, answers: bool = False, model: str | None = None) -> None:
        """Does nothing while there is work under way."""
        self._start(len(dataset.questions), partial(self._evaluate, engine, dataset, k, answers, model))

    def measure(self, engine: Engine, dataset: Dataset, rerankers: Sequence[RerankerInfo], seconds: float) -> None:
        """`seconds` is what one may add to a search. Does nothing while there is work under way."""
        self._start(len(dataset.questions), partial(self._measure, engine, dataset, tuple(rerankers), seconds))

    def _start(self, questions: int, work: Callable[[], None]) -> None:
        def prepare() -> None:
            self.done, self.total, self.measured = 0, questions, ""

        self.begin(prepare, work)

    def _evaluate(self, engine: Engine, dataset: Dataset, k: int, answers: bool, model: str | None) -> None:
        run = evaluate(engine, dataset, k, answers=answers, model=model, progress=self._keep)
        self.before, self.run = self.run, run

    def _measure(self, engine: Engine, dataset: Dataset, rerankers: Sequence[RerankerInfo], seconds: float) -> None:
        for reranker in rerankers:
            self.measured = reranker.name
            engine.keep_verdict(measure(engine, dataset, reranker, seconds, self._keep))

    def _keep(self, done: int, total: int) -> None:
        self.done, self.total = done, total
        self.heed()
