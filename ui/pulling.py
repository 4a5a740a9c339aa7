"""A model that is fetched in a thread of its own, so that the pages stay alive, show how far it is and can stop it."""

import logging
import threading
from pathlib import Path

from errors import CitaError
from models.catalogue import Entry, Variant
from models.pull import Hub, Stage, pull


class Pulling:
    """One model at a time, whoever looks at the page. While it runs `stage`, `done` and `total` (bytes) say where it
    stands; then `place` is where the model lies, or `error` says why it does not; `stopped`, that it was stopped."""

    def __init__(self) -> None:
        self.name = ""
        self.entry: Entry | None = None
        self.stage: Stage = "fetch"
        self.done = self.total = 0
        self.place: Path | None = None
        self.error: CitaError | None = None
        self.stopped = False
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def stopping(self) -> bool:
        return self.running and self._stop.is_set()

    def start(self, entry: Entry, variant: Variant, folder: Path, hub: Hub) -> None:
        """Does nothing while another is under way."""
        with self._lock:
            if self.running:
                return
            self.name, self.entry = variant.file if not variant.also else entry.name, entry
            self.stage, self.done, self.total = "fetch", 0, variant.size
            self.place, self.error, self.stopped = None, None, False
            self._stop.clear()
            work = (entry, variant, folder, hub)
            self._thread = threading.Thread(target=self._pull, args=work, name="cita-pull", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """At the next block that comes; what came is kept."""
        self._stop.set()

    def take(self) -> tuple[Entry, Path] | None:
        """What has been fetched since this was asked last."""
        with self._lock:
            place, self.place = self.place, None
        return (self.entry, place) if self.entry and place else None

    def wait(self, seconds: float | None = None) -> None:
        if self._thread is not None:
            self._thread.join(seconds)

    def _pull(self, entry: Entry, variant: Variant, folder: Path, hub: Hub) -> None:
        try:
            self.place = pull(entry, variant, folder, hub, self._see, self._wait)
        except _Stopped:
            self.stopped = True
        except CitaError as error:
            self.error = error
        except Exception as error:  # this thread has no caller that could tell the person
            logging.getLogger(__name__).exception("The download ended")
            self.error = CitaError(f"The download ended: {error!r}.", hint="Start it again: what came is kept.")

    def _see(self, stage: Stage, done: int, total: int) -> None:
        if self._stop.is_set():
            raise _Stopped
        self.stage, self.done, self.total = stage, done, total or self.total

    def _wait(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise _Stopped


class _Stopped(Exception):
    pass
