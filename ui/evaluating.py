"""A run over a question set in a thread of its own, so that the page stays alive and can stop it."""

import logging
import threading

from engine import Engine
from errors import CitaError
from evaluation.dataset import Dataset
from evaluation.run import Run, evaluate


class _Stopped(Exception):
    pass


class Evaluating:
    """One run at a time. Where it stands: `done` of `total` questions while it runs; then `run`, and in `before` the
    one that it replaced, or `error`. A run that was stopped leaves what was there."""

    def __init__(self) -> None:
        self.done = self.total = 0
        self.run: Run | None = None
        self.before: Run | None = None
        self.error: CitaError | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, engine: Engine, dataset: Dataset, k: int, answers: bool = False, model: str | None = None) -> None:
        """Does nothing while a run is under way."""
        if self.running:
            return
        self.done, self.total, self.error = 0, len(dataset.questions), None
        self._stop.clear()
        work = (engine, dataset, k, answers, model)
        self._thread = threading.Thread(target=self._work, args=work, name="cita-evaluate", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """The question that is being asked is the last."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> None:
        if self._thread is not None:
            self._thread.join(seconds)

    def _work(self, engine: Engine, dataset: Dataset, k: int, answers: bool, model: str | None) -> None:
        try:
            run = evaluate(engine, dataset, k, answers=answers, model=model, progress=self._keep)
            self.before, self.run = self.run, run
        except _Stopped:
            pass
        except CitaError as error:
            self.error = error
        except Exception as error:  # this thread has no caller that could tell the person
            logging.getLogger(__name__).exception("The evaluation ended")
            self.error = CitaError(f"The evaluation ended: {error!r}.", hint="Start it again.")

    def _keep(self, done: int, total: int) -> None:
        self.done, self.total = done, total
        if self._stop.is_set():
            raise _Stopped
