"""Work in a thread of its own, so that the pages stay alive and can stop it."""

import logging
import threading
from collections.abc import Callable

from errors import CitaError


class Stopped(Exception):
    """Raised within work that was told to stop."""


class Background:
    """One work at a time, whoever looks at the page. Of the last that ended: `error`, if it could not be done;
    `stopped`, that it was stopped."""

    what = "work"  # what ended, in a message
    hint = "Start it again."

    def __init__(self) -> None:
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

    def stop(self) -> None:
        """At the work's next sign of life."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> None:
        if self._thread is not None:
            self._thread.join(seconds)

    def begin(self, prepare: Callable[[], None], work: Callable[[], None]) -> None:
        """`prepare` is done at once, before `work` in its thread; neither while there is other work under way."""
        with self._lock:
            if self.running:
                return
            prepare()
            self.error, self.stopped = None, False
            self._stop.clear()
            name = f"cita-{type(self).__name__.lower()}"
            self._thread = threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
            self._thread.start()

    def heed(self) -> None:
        """Raises Stopped where it was told to stop."""
        if self._stop.is_set():
            raise Stopped

    def pause(self, seconds: float) -> None:
        """Waits so long; raises Stopped as soon as it is told to stop."""
        if self._stop.wait(seconds):
            raise Stopped

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Stopped:
            self.stopped = True
        except CitaError as error:
            self.error = error
        except Exception as error:  # this thread has no caller that could tell the person
            logging.getLogger(__name__).exception("The %s ended", self.what)
            self.error = CitaError(f"The {self.what} ended: {error!r}.", hint=self.hint)
