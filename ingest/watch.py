"""Follows the folders. Events of the file system are hints that something changed; an index run is the truth.

So nothing hangs on an event that comes late, twice or never (a full queue drops them): the run looks at everything,
and there is one at the start and then every `reconcile` seconds at the latest. Network drives, and folders that the
system gives no watches for, are looked at every `poll` seconds instead.

Not covered: a change that sets back the file's times, and comes without an event; `cita verify --read-data` finds it.
"""

import logging
import os
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from errors import CitaError
from ingest.discover import IGNORE_FILE, is_left_out, without_nested
from ingest.names import to_text
from ingest.types import IndexProgress, IndexReport, WatchEvent
from settings import Watch

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver, ObservedWatch

log = logging.getLogger("cita.watch")

Index = Callable[[Callable[[IndexProgress], None]], IndexReport]

LOOK_SECONDS = 1.0  # how often it is seen that a folder was added, went, came back or was replaced
REST = 5  # a run that found nothing is followed by a rest of so many times its length, whatever the hints
KEPT = 1000  # events for one reader who does not read
CLOSE_SECONDS = 5.0  # for a run to end at the file it is at

REMOTE = frozenset(
    {"nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "virtiofs", "vboxsf", "prl_fs", "davfs", "webdav",
     "afpfs", "afs", "ceph", "glusterfs", "lustre", "ncpfs", "drvfs"}
)  # fmt: skip


class Events:
    """What one reader sees of the watcher, from now on. `close` ends the iteration; any thread may call it.

    A reader who falls behind loses the oldest events.
    """

    def __init__(self, on_close: Callable[["Events"], None]) -> None:
        self._events: deque[WatchEvent] = deque(maxlen=KEPT)
        self._changed = threading.Condition()
        self._ended = False
        self._on_close = on_close

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> WatchEvent:
        with self._changed:
            while not self._events and not self._ended:
                self._changed.wait(1.0)  # Windows: Ctrl-C does not wake an endless wait
            if not self._events:
                raise StopIteration
            return self._events.popleft()

    def put(self, event: WatchEvent) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify()

    def end(self) -> None:
        """No more will come; what is there can still be read."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def close(self) -> None:
        self.end()
        with self._changed:
            self._events.clear()
        self._on_close(self)


class Watcher:
    """One thread that follows the folders for as long as anybody reads its events."""

    def __init__(self, folders: Callable[[], list[Path]], index: Index, settings: Watch) -> None:
        self._folders, self._index, self._settings = folders, index, settings
        self._readers: list[Events] = []
        self._follower: _Follower | None = None
        self._watching: WatchEvent | None = None
        self._closed = False
        self._lock = threading.Lock()

    def events(self) -> Events:
        """The first is `watching`, the second tells of the first run; later ones only of what is new."""
        events = Events(self._leave)
        with self._lock:
            if self._closed:
                events.end()
                return events
            self._readers.append(events)
            if self._follower is None or self._follower.stopped:
                self._watching = None
                self._follower = _Follower(self._folders, self._index, self._settings, self._tell)
                self._follower.start()
            elif self._watching:
                events.put(self._watching)
        return events

    def close(self) -> None:
        """Ends all readers' events; a run that is under way ends after the file it is at."""
        with self._lock:
            self._closed = True
            for events in self._readers:
                events.end()
            follower = self._follower
        if follower:
            follower.stop()
            follower.join(CLOSE_SECONDS)

    def _tell(self, follower: "_Follower", event: WatchEvent) -> None:
        with self._lock:
            if follower is not self._follower or follower.stopped:
                return
            if event.kind == "watching":
                self._watching = event
            for events in self._readers:
                events.put(event)

    def _leave(self, events: Events) -> None:
        with self._lock:
            if events in self._readers:
                self._readers.remove(events)
            if not self._readers and self._follower:
                self._follower.stop()


class _Stopped(Exception):
    """Raised into an index run that nobody waits for any more."""


class _Follower(threading.Thread):
    """Runs the index when it is due: after hints, and now and then without."""

    def __init__(
        self,
        folders: Callable[[], list[Path]],
        index: Index,
        settings: Watch,
        tell: Callable[["_Follower", WatchEvent], None],
    ) -> None:
        super().__init__(name="watch", daemon=True)
        self._folders, self._run_index, self._settings, self._to_readers = folders, index, settings, tell
        self._woken = threading.Condition()
        self.stopped = False
        self._first_hint = self._last_hint = inf
        self._next_run = self._rest_until = 0.0
        self._reported: object = None
        self._problem = ""

    def stop(self) -> None:
        with self._woken:
            self.stopped = True
            self._woken.notify()

    def run(self) -> None:
        with closing(_Roots(self._hint)) as roots:
            while not self.stopped:
                self._look(roots)
                if self._due() <= time.monotonic():
                    self._index(roots)
                with self._woken:
                    if not self.stopped:
                        self._woken.wait(max(0.0, min(LOOK_SECONDS, self._due() - time.monotonic())))

    def _hint(self) -> None:
        with self._woken:
            self._last_hint = time.monotonic()
            if self._first_hint == inf:
                self._first_hint = self._last_hint
                self._woken.notify()

    def _due(self) -> float:
        hinted = min(self._last_hint + self._settings.quiet, self._first_hint + self._settings.at_most)
        return max(min(hinted, self._next_run), self._rest_until)

    def _look(self, roots: "_Roots") -> None:
        try:
            folders = without_nested(self._folders())
        except CitaError as error:
            self._tell_problem(str(error))
            return
        if roots.follow(folders):
            names, polled = ([to_text(str(folder)) for folder in some] for some in (folders, roots.polled))
            self._tell("watching", folders=tuple(names), polled=tuple(polled))
            self._next_run = 0.0

    def _index(self, roots: "_Roots") -> None:
        with self._woken:
            self._first_hint = self._last_hint = inf  # what is hinted from here on asks for another run
        every, rest = self._settings.poll, 0.0
        try:
            report = self._run_index(self._go_on)
        except _Stopped:
            return
        except CitaError as error:
            self._tell_problem(str(error))
        except Exception as error:  # this thread has no caller that could tell the person
            if self.stopped:  # and the engine was closed without waiting any longer
                return
            log.exception("The index run ended.")
            self._tell_problem(f"The index run ended: {error!r}. `cita verify` says what is wrong.")
        else:
            rest = 0.0 if _changes(report) else REST * report.seconds
            self._tell_report(report)
            every = self._settings.poll if roots.polled else self._settings.reconcile
            roots.check()
        self._next_run = time.monotonic() + every
        self._rest_until = time.monotonic() + rest

    def _go_on(self, _: IndexProgress) -> None:
        if self.stopped:
            raise _Stopped

    def _tell_report(self, report: IndexReport) -> None:
        """Only what is news: not the same files left out as last time."""
        self._problem = ""
        left_out = report.skipped, report.failed, report.held
        if _changes(report) or left_out != self._reported:
            self._tell("indexed", report=report)
        self._reported = left_out

    def _tell_problem(self, problem: str) -> None:
        if problem != self._problem:
            self._tell("problem", problem=problem)
        self._problem = problem

    def _tell(self, kind: Literal["watching", "indexed", "problem"], **what: Any) -> None:
        self._to_readers(self, WatchEvent(kind, datetime.now(UTC).isoformat(timespec="seconds"), **what))


def _changes(report: IndexReport) -> int:
    return report.added + report.changed + report.renamed + report.removed


@dataclass(frozen=True, slots=True)
class _Root:
    """A folder as it was when watching began: which it is (None: not there), and its watch (None: there is none)."""

    identity: tuple[int, int] | None
    watch: "ObservedWatch | None" = None


class _Roots:
    """The library folders, watched by events where that is possible. Raises no error: what fails is polled."""

    def __init__(self, hint: Callable[[], None]) -> None:
        self._hint = hint
        self._roots: dict[Path, _Root] = {}
        self._observer = _start_observer()

    @property
    def polled(self) -> list[Path]:
        return [folder for folder, root in self._roots.items() if root.identity and root.watch is None]

    def follow(self, folders: Sequence[Path]) -> bool:
        """Watches these folders and no others; anew those that went, came back or were replaced. Whether any did."""
        stale = [
            folder for folder, root in self._roots.items() if folder not in folders or not self._holds(root, folder)
        ]
        for folder in stale:
            self._unwatch(self._roots.pop(folder).watch)
        new = [folder for folder in folders if folder not in self._roots]
        for folder in new:
            self._roots[folder] = self._watched(folder)
        return bool(stale or new)

    def check(self) -> None:
        """watchdog says nothing when the system has no watch left for a new folder: begins anew with all of them."""
        try:
            self._check_limit()
        except OSError:
            for folder in [folder for folder, root in self._roots.items() if root.watch]:
                self._unwatch(self._roots.pop(folder).watch)

    def close(self) -> None:
        if self._observer:
            self._observer.stop()
            self._observer.join()

    def _holds(self, root: _Root, folder: Path) -> bool:
        """A watch ends with its folder, whose number may be given to the next of that name."""
        emitters = self._observer.emitters if self._observer else ()
        alive = root.watch is None or any(one.watch == root.watch and one.is_alive() for one in emitters)
        return alive and root.identity == _identity(folder)

    def _watched(self, folder: Path) -> _Root:
        identity = _identity(folder)
        if identity is None or self._observer is None or is_remote(folder):
            return _Root(identity)
        watch = None
        try:
            handler = cast(Any, _Handler(folder, self._hint))
            watch = self._observer.schedule(handler, str(folder), recursive=True, event_filter=_changing_events())
            self._check_limit()
        except OSError as error:
            log.info("No events for %s: %s", folder, error)
            self._unwatch(watch)
            watch = None
        return _Root(identity, watch)

    def _unwatch(self, watch: "ObservedWatch | None") -> None:
        if self._observer and watch:
            self._observer.unschedule(watch)

    def _check_limit(self) -> None:
        """Raises OSError if there is not a single watch left: a folder below a root may have gone without.

        Not seen: a folder made in the moment in which this trial itself takes the last one. The next look finds it.
        """
        if self._observer and sys.platform == "linux":
            self._unwatch(self._observer.schedule(cast(Any, _Handler(Path(os.sep), lambda: None)), os.sep))


class _Handler:
    """Hints at changes below one root. watchdog calls `dispatch` for every event."""

    def __init__(self, root: Path, hint: Callable[[], None]) -> None:
        self._root, self._hint = root, hint

    def dispatch(self, event: "FileSystemEvent") -> None:
        paths = (os.fsdecode(path) for path in (event.src_path, event.dest_path) if path)
        if any(matters(self._root, Path(path), event.is_directory) for path in paths):
            self._hint()


def matters(root: Path, path: Path, is_folder: bool) -> bool:
    """Whether a change of this file or folder can change the index: not below hidden folders and their like."""
    if not path.is_relative_to(root) or path == root:
        return True
    *above, name = path.relative_to(root).parts
    return not any(is_left_out(part, is_folder=True) for part in above) and (
        name == IGNORE_FILE or not is_left_out(name, is_folder=is_folder)
    )


def is_remote(folder: Path) -> bool:
    """Whether the folder lies on a file system that others change without an event here."""
    import psutil

    folder = folder.resolve()
    if str(folder).startswith("\\\\"):
        return True
    mounts = [mount for mount in psutil.disk_partitions(all=True) if folder.is_relative_to(mount.mountpoint)]
    if not mounts:
        return False
    nearest = max(reversed(mounts), key=lambda mount: len(mount.mountpoint))  # of two at one place the later is seen
    kind = nearest.fstype.lower()
    return kind in REMOTE or kind.startswith("fuse.") or "remote" in nearest.opts.split(",")


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if folder.is_dir() else None


def _start_observer() -> "BaseObserver | None":
    """None where the system gives no events."""
    from watchdog.observers import Observer

    # A folder that is made while its parent is being looked through is added twice, which is as it should be.
    warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"watchdog\.")
    logging.getLogger("watchdog").setLevel(logging.ERROR)  # not that hints were lost
    try:
        observer = Observer()
        observer.start()
    except OSError as error:
        log.info("No events: %s", error)
        return None
    return observer


def _changing_events() -> list[type["FileSystemEvent"]]:
    """All but those that reading a file makes, and those of a folder that one of its files makes as well."""
    from watchdog import events

    return [
        events.FileCreatedEvent, events.FileModifiedEvent, events.FileClosedEvent, events.FileMovedEvent,
        events.FileDeletedEvent, events.FileAttribEvent, events.DirCreatedEvent, events.DirMovedEvent,
        events.DirDeletedEvent, events.DirAttribEvent,
    ]  # fmt: skip
