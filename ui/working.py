"""A task in a thread of its own, so that the page stays alive and can stop it."""

import logging
import threading
from contextlib import closing
from typing import Any, cast

from engine import Engine
from errors import CitaError
from rag.tasks.types import Report, Task, TaskProgress


class Working:
    """One task at a time. Where it stands: `progress` while it runs; then `report`, or `error`. `stopped` is a task
    that was stopped: started again, it goes on from there. The report before stays until there is another."""

    def __init__(self) -> None:
        self.progress = TaskProgress(0, 0)
        self.report: Report | None = None
        self.error: CitaError | None = None
        self.stopped: Task | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def stopping(self) -> bool:
        return self.running and self._stop.is_set()

    def start(self, engine: Engine, task: Task, model: str | None = None) -> None:
        """Does nothing while a task is under way."""
        if self.running:
            return
        self.progress, self.error, self.stopped = TaskProgress(0, 0), None, None
        self._stop.clear()
        self._thread = threading.Thread(target=self._work, args=(engine, task, model), name="cita-task", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """At the next sign of life, which a model gives several times a second."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> None:
        if self._thread is not None:
            self._thread.join(seconds)

    def _work(self, engine: Engine, task: Task, model: str | None) -> None:
        try:
            with closing(cast("Any", engine.work(task, model))) as events:
                for event in events:
                    if self._stop.is_set():
                        self.stopped = task
                        return
                    if event.event == "finished":
                        self.report = event.report
                    else:
                        self.progress = event
        except CitaError as error:
            self.error = error
        except Exception as error:  # this thread has no caller that could tell the person
            logging.getLogger(__name__).exception("The task ended")
            self.error = CitaError(f"The task ended: {error!r}.", hint="Start it again: what is done is kept.")
