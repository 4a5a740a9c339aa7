"""What goes on while pages come and go: index runs that a page asked for, and the app's own watching."""

import logging
import threading
from datetime import UTC, datetime
from typing import Any

from engine import Engine
from errors import CitaError
from ingest.types import IndexProgress, IndexReport, WatchEvent

STOP_SECONDS = 5.0


class Indexing:
    """One index run at a time, in a thread of its own, so that it outlives the page that started it.

    Where it stands: `progress` while it runs; then `report` and when it was made, or `error` if it could not be done.
    """

    def __init__(self) -> None:
        self.progress: IndexProgress | None = None
        self.report: IndexReport | None = None
        self.at = ""
        self.error: CitaError | None = None
        self._thread: threading.Thread | None = None
        self._again = self._confirm = False
        self._lock = threading.Lock()

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, engine: Engine, confirm: bool = False) -> None:
        """Starts a run. If one is under way, another follows it, so that a file just dropped is never left out.

        `confirm`: it also removes what a folder has lost that suddenly lacks most of its files.
        """
        with self._lock:
            self._confirm |= confirm
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
            with self._lock:
                confirm, self._confirm = self._confirm, False
            try:
                self.report, self.at = engine.index(self._keep, confirm), datetime.now(UTC).isoformat()
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


class Watching:
    """The app's own watching, in a thread: what it watches, its last report, its last change and its last problem.

    `news` counts what it was told, so that a page sees when there is more.
    """

    def __init__(self) -> None:
        self.news = 0
        self.folders: tuple[str, ...] = ()
        self.polled: tuple[str, ...] = ()
        self.report: IndexReport | None = None
        self.at = ""
        self.change: WatchEvent | None = None
        self.problem = ""
        self._events: Any = None
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, engine: Engine) -> None:
        self._events = engine.watch()
        self._thread = threading.Thread(target=self._follow, name="cita-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread:
            self._events.close()
            self._thread.join(STOP_SECONDS)

    def _follow(self) -> None:
        try:
            for event in self._events:
                self._keep(event)
        except CitaError as error:
            self.problem = str(error)
            self.news += 1

    def _keep(self, event: WatchEvent) -> None:
        self.problem = event.problem
        if event.kind == "watching":
            self.folders, self.polled = event.folders, event.polled
        elif event.report:
            self.report, self.at = event.report, event.at
            if changed(event.report):
                self.change = event
        self.news += 1


def changed(report: IndexReport) -> bool:
    return bool(report.added or report.changed or report.renamed or report.removed)
