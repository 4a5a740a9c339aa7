"""One index run at a time, in a thread of its own, so that it outlives the page that started it."""

import logging
import threading

from engine import Engine
from errors import CitaError
from ingest.types import IndexProgress, IndexReport


class Indexing:
    """Where the run stands: `progress` while it runs; then `report`, or `error` if it could not be done."""

    def __init__(self) -> None:
        self.progress: IndexProgress | None = None
        self.report: IndexReport | None = None
        self.error: CitaError | None = None
        self._thread: threading.Thread | None = None
        self._again = False
        self._lock = threading.Lock()

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, engine: Engine) -> None:
        """Starts a run. If one is under way, another follows it, so that a file just dropped is never left out."""
        with self._lock:
            if self.running:
                self._again = True
                return
            self.progress, self.report, self.error = None, None, None
            self._thread = threading.Thread(target=self._run, args=(engine,), name="cita-index", daemon=True)
            self._thread.start()

    def wait(self, seconds: float | None = None) -> None:
        thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def _run(self, engine: Engine) -> None:
        while True:
            try:
                self.report = engine.index(self._keep)
            except CitaError as error:
                self.error = error
            except Exception as error:  # this thread has no caller that could tell the person
                logging.getLogger(__name__).exception("The index run ended")
                self.error = CitaError(f"The index run ended: {error!r}.", hint="`cita verify` says what is wrong.")
            with self._lock:
                if not self._again:
                    self._thread = None
                    return
                self._again = False

    def _keep(self, progress: IndexProgress) -> None:
        self.progress = progress
