"""A run over a question set, or a measurement of rerankers, in a thread of its own, so that the page stays alive and
can stop it."""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial

from engine import Engine
from errors import CitaError
from evaluation.dataset import Dataset
from evaluation.rerankers import measure
from evaluation.run import Run, evaluate
from rag.types import RerankerInfo


class _Stopped(Exception):
    pass


class Evaluating:
    """One work at a time. Where it stands: `done` of `total` questions of a run, or with the reranker `measured`, while
    it is under way; then `run`, and in `before` the one that it replaced, or `error`. Work that was stopped leaves what
    was there; of rerankers the verdicts that were reached."""

    def __init__(self) -> None:
        self.done = self.total = 0
        self.measured = ""
        self.run: Run | None = None
        self.before: Run | None = None
        self.error: CitaError | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, engine: Engine, dataset: Dataset, k: int, answers: bool = False, model: str | None = None) -> None:
        """Does nothing while there is work under way."""
        self._begin(len(dataset.questions), partial(self._evaluate, engine, dataset, k, answers, model))

    def measure(self, engine: Engine, dataset: Dataset, rerankers: Sequence[RerankerInfo], seconds: float) -> None:
        """`seconds` is what one may add to a search. Does nothing while there is work under way."""
        self._begin(len(dataset.questions), partial(self._measure, engine, dataset, tuple(rerankers), seconds))

    def stop(self) -> None:
        """The question that is being asked is the last."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> None:
        if self._thread is not None:
            self._thread.join(seconds)

    def _begin(self, questions: int, work: Callable[[], None]) -> None:
        if self.running:
            return
        self.done, self.total, self.measured, self.error = 0, questions, "", None
        self._stop.clear()
        self._thread = threading.Thread(target=self._work, args=(work,), name="cita-evaluate", daemon=True)
        self._thread.start()

    def _work(self, work: Callable[[], None]) -> None:
        try:
            work()
        except _Stopped:
            pass
        except CitaError as error:
            self.error = error
        except Exception as error:  # this thread has no caller that could tell the person
            logging.getLogger(__name__).exception("The evaluation ended")
            self.error = CitaError(f"The evaluation ended: {error!r}.", hint="Start it again.")

    def _evaluate(self, engine: Engine, dataset: Dataset, k: int, answers: bool, model: str | None) -> None:
        run = evaluate(engine, dataset, k, answers=answers, model=model, progress=self._keep)
        self.before, self.run = self.run, run

    def _measure(self, engine: Engine, dataset: Dataset, rerankers: Sequence[RerankerInfo], seconds: float) -> None:
        for reranker in rerankers:
            self.measured = reranker.name
            engine.keep_verdict(measure(engine, dataset, reranker, seconds, self._keep))

    def _keep(self, done: int, total: int) -> None:
        self.done, self.total = done, total
        if self._stop.is_set():
            raise _Stopped
