"""The watcher, over real files and real events, with an index run that looks at what is there and notes it."""

import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from errors import CatalogError, StorageFullError
from ingest import watch
from ingest.discover import discover
from ingest.types import IndexProgress, IndexReport, PathReason, WatchEvent
from ingest.watch import Events, Watcher, is_remote, matters
from settings import Watch
from tests.conftest import ROOT

QUICK = Watch(quiet=0.1, at_most=1.0)
Progress = Callable[[IndexProgress], None]


class FakeIndex:
    """Notes, run by run, the files that are there; `held` and `error` are what a run is to say."""

    def __init__(self, *folders: Path) -> None:
        self.folders = list(folders)
        self.runs = 0
        self.files: set[Path] = set()
        self.failed: tuple[PathReason, ...] = ()
        self.error: Exception | None = None
        self.seconds = 0.0
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, progress: Progress) -> IndexReport:
        self.runs += 1
        while not self.go_on.wait(0.02):
            progress(IndexProgress(1, 1, "a", 1, 1.0, None))
        if self.error:
            raise self.error
        files = {file.absolute for folder in self.folders if folder.is_dir() for file in discover(folder).found}
        added, removed = len(files - self.files), len(self.files - files)
        self.files = files
        return IndexReport(added, 0, 0, removed, 0, (), self.failed, 0, 0, self.seconds)

    def settles_on(self, *files: Path, seconds: float = 10) -> bool:
        return until(lambda: self.files == set(files), seconds)


def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def index(root: Path) -> FakeIndex:
    return FakeIndex(root)


@pytest.fixture
def watcher(index: FakeIndex) -> Iterator[Watcher]:
    with closing(Watcher(lambda: index.folders, index, QUICK)) as watcher:
        yield watcher


@pytest.fixture
def events(watcher: Watcher) -> Iterator[Events]:
    """Of a watcher that has had its first run."""
    with closing(watcher.events()) as events:
        assert [next(events).kind, next(events).kind] == ["watching", "indexed"]
        yield events


def write(path: Path, text: str = "text") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# What is seen


def test_it_begins_by_saying_what_it_watches_and_with_a_run(watcher: Watcher, root: Path) -> None:
    write(root / "a.md")
    with closing(watcher.events()) as events:
        watching, indexed = next(events), next(events)
    assert (watching.kind, watching.folders, watching.polled) == ("watching", (str(root),), ())
    assert indexed.report
    assert (indexed.kind, indexed.report.added) == ("indexed", 1)


CHANGES: dict[str, Callable[[Path, Path], object]] = {
    "a new file": lambda root, _: write(root / "new.md"),
    "a file in new folders": lambda root, _: write(root / "a" / "b" / "c" / "new.md"),
    "a deleted file": lambda root, _: (root / "sub" / "old.md").unlink(),
    "a renamed file": lambda root, _: (root / "sub" / "old.md").rename(root / "sub" / "new.md"),
    "a renamed folder": lambda root, _: (root / "sub").rename(root / "other"),
    "a folder moved out": lambda root, outside: (root / "sub").rename(outside / "sub"),
    "a folder moved in": lambda root, outside: (write(outside / "in" / "x.md").parent).rename(root / "in"),
    "a deleted folder": lambda root, _: shutil.rmtree(root / "sub"),
    "a file saved by renaming": lambda root, _: write(root / ".new.swp").rename(root / "new.md"),
    "a file hidden by renaming": lambda root, _: (root / "sub" / "old.md").rename(root / "sub" / ".old.md"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_indexed(change: str, root: Path, tmp_path: Path, index: FakeIndex, watcher: Watcher) -> None:
    write(root / "sub" / "old.md")
    outside = tmp_path / "outside"
    outside.mkdir()
    with closing(watcher.events()) as events:
        assert [next(events).kind, next(events).kind] == ["watching", "indexed"]
        before = index.files
        CHANGES[change](root, outside)
        report = next(events).report
    assert report
    assert (report.added, report.removed) == (len(index.files - before), len(before - index.files)) != (0, 0)
    assert index.files == {file.absolute for file in discover(root).found}


def test_what_happens_in_a_moved_folder_is_seen_at_its_new_place(root: Path, index: FakeIndex, events: Events) -> None:
    write(root / "a" / "deep" / "one.md")
    assert until(lambda: len(index.files) == 1)
    (root / "a").rename(root / "b")
    assert index.settles_on(root / "b" / "deep" / "one.md")
    two = write(root / "b" / "deep" / "two.md")
    assert index.settles_on(root / "b" / "deep" / "one.md", two)


@pytest.mark.parametrize("change", ["write", "chmod", "citaignore", "ignore below"])
def test_a_change_that_no_name_shows_asks_for_a_run(
    change: str, root: Path, index: FakeIndex, watcher: Watcher
) -> None:
    file = write(root / "sub" / "a.md")
    with closing(watcher.events()) as events:
        assert [next(events).kind, next(events).kind] == ["watching", "indexed"]
        if change == "write":
            write(file, "other text")
        elif change == "chmod":
            file.chmod(0o600)
        else:
            write((root if change == "citaignore" else root / "sub") / ".citaignore", "*.tmp")
        assert until(lambda: index.runs == 2)


def test_reading_asks_for_no_run(root: Path, index: FakeIndex, watcher: Watcher) -> None:
    file = write(root / "sub" / "a.md")
    with closing(watcher.events()) as events:
        assert [next(events).kind, next(events).kind] == ["watching", "indexed"]
        for _ in range(10):
            file.read_text()
            list(os.walk(root))
            time.sleep(0.05)
        assert index.runs == 1


@pytest.mark.parametrize("name", [".git/index", "node_modules/x/y.md", "~$lease.docx", ".hidden", "a/.obsidian/w.md"])
def test_what_is_never_indexed_asks_for_no_run(name: str, root: Path, index: FakeIndex, watcher: Watcher) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    with closing(watcher.events()) as events:
        assert [next(events).kind, next(events).kind] == ["watching", "indexed"]
        write(root / name)
        (root / name).unlink()
        time.sleep(0.5)
        assert index.runs == 1


def test_only_the_ignore_file_of_a_visible_folder_counts() -> None:
    root = Path("/r")
    assert matters(root, root / "a" / ".citaignore", False)
    assert not matters(root, root / ".git" / ".citaignore", False)
    assert matters(root, root, True)
    assert matters(root, root / "lost+found", False)
    assert not matters(root, root / "lost+found", True)


# When


def test_many_changes_in_a_row_are_one_run(root: Path, index: FakeIndex, events: Events) -> None:
    files = [write(root / f"{n}.md") for n in range(50)]
    assert index.settles_on(*files)
    assert index.runs <= 3


def test_changes_without_a_pause_are_indexed_meanwhile(root: Path, index: FakeIndex, events: Events) -> None:
    end = time.monotonic() + 3.5
    while time.monotonic() < end:
        write(root / "a.md", str(time.monotonic()))
        time.sleep(0.02)
    assert 3 <= index.runs <= 6  # of the first, and one a second


def test_a_change_during_a_run_is_indexed_by_the_next(root: Path, index: FakeIndex, events: Events) -> None:
    one = write(root / "1.md")
    assert index.settles_on(one)
    index.go_on.clear()
    two = write(root / "2.md")
    assert until(lambda: index.runs == 3)
    index.folders, files = [], index.folders  # this run looked before the third was there
    three = write(root / "3.md")
    index.go_on.set()
    assert until(lambda: index.runs == 4)
    index.folders = files
    assert index.settles_on(one, two, three)


def test_lost_events_cost_no_more_than_the_time_to_the_next_look(
    root: Path, index: FakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch._Handler, "dispatch", lambda *_: None)
    settings = QUICK.model_copy(update={"reconcile": 0.5})
    with closing(Watcher(lambda: index.folders, index, settings)) as watcher, closing(watcher.events()):
        assert until(lambda: index.runs == 1)
        assert index.settles_on(write(root / "a.md"), seconds=2)


def test_a_file_that_is_written_all_the_time_does_not_keep_the_machine_busy(
    root: Path, index: FakeIndex, events: Events
) -> None:
    write(root / "a.log")
    assert until(lambda: index.runs == 2)
    index.seconds = 0.2  # a run without changes: then it rests for a second
    runs, end = index.runs, time.monotonic() + 2.5
    while time.monotonic() < end:
        write(root / "a.log", str(time.monotonic()))
        time.sleep(0.15)
    assert 1 <= index.runs - runs <= 4


@pytest.mark.slow
@pytest.mark.parametrize("at_a_time", [1, 20_000], ids=["one by one", "moved in as one"])
def test_a_burst_of_20000_files_ends_with_all_of_them_after_a_few_runs(
    at_a_time: int, root: Path, tmp_path: Path, index: FakeIndex, events: Events
) -> None:
    """More than the kernel's queue of 16,384 events takes, where nobody reads it fast enough."""
    target = root if at_a_time == 1 else tmp_path / "burst"
    for n in range(20_000):
        write(target / f"{n % 100}" / f"{n}.md", "")
    if at_a_time > 1:
        target.rename(root / "burst")
    started = time.monotonic()
    assert until(lambda: len(index.files) == 20_000, 60)
    assert index.runs < 30
    print(f"complete {time.monotonic() - started:.1f} s after the last file, {index.runs} runs")


# Folders


def test_folders_added_and_removed_are_followed(root: Path, tmp_path: Path, index: FakeIndex, events: Events) -> None:
    other = tmp_path / "other"
    old = write(other / "a.md")
    index.folders.append(other)
    assert next(events).folders == (str(other), str(root))
    assert index.settles_on(old)
    new = write(other / "b.md")
    assert index.settles_on(old, new)
    index.folders.remove(other)
    assert index.settles_on()
    runs = index.runs
    write(other / "c.md")
    time.sleep(0.4)
    assert index.runs == runs


@pytest.mark.parametrize("how", ["moved", "deleted"])
def test_a_folder_that_went_and_came_back_is_watched_again(
    how: str, root: Path, tmp_path: Path, index: FakeIndex, events: Events
) -> None:
    one = write(root / "1.md")
    assert index.settles_on(one)
    if how == "moved":
        root.rename(tmp_path / "gone")
    else:
        shutil.rmtree(root)
    assert index.settles_on()
    if how == "moved":
        (tmp_path / "gone").rename(root)
    else:
        write(one)
    assert index.settles_on(one)
    two = write(root / "2.md")
    assert index.settles_on(one, two)


def test_a_folder_replaced_by_another_of_its_name_is_watched_again(
    root: Path, tmp_path: Path, index: FakeIndex, events: Events
) -> None:
    new = write(tmp_path / "new" / "1.md")
    root.rename(tmp_path / "old")
    new.parent.rename(root)
    assert index.settles_on(root / "1.md")
    assert index.settles_on(root / "1.md", write(root / "2.md"))


def test_a_link_out_of_the_folder_is_not_followed(root: Path, tmp_path: Path, index: FakeIndex, events: Events) -> None:
    (tmp_path / "outside").mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    assert until(lambda: index.runs == 2)
    write(tmp_path / "outside" / "a.md")
    time.sleep(0.4)
    assert index.runs == 2


# Polling


def polled(index: FakeIndex) -> Watcher:
    return Watcher(lambda: index.folders, index, QUICK.model_copy(update={"poll": 0.3}))


def test_a_folder_that_cannot_be_watched_is_polled_and_named(
    root: Path, index: FakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    from watchdog.observers import Observer

    def refuse(*_: object, **__: object) -> object:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(Observer, "schedule", refuse)
    with closing(polled(index)) as watcher, closing(watcher.events()) as events:
        assert next(events).polled == (str(root),)
        assert next(events).kind == "indexed"
        assert index.settles_on(write(root / "a.md"), seconds=2)


def test_without_any_events_all_is_polled(root: Path, index: FakeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    from watchdog.observers import Observer

    def refuse(*_: object) -> None:
        raise OSError(24, "inotify instance limit reached")

    monkeypatch.setattr(Observer, "start", refuse)
    with closing(polled(index)) as watcher, closing(watcher.events()) as events:
        assert next(events).polled == (str(root),)
        assert index.settles_on(write(root / "a.md"), seconds=2)


def test_a_folder_on_the_network_is_polled_and_its_neighbour_watched(
    root: Path, tmp_path: Path, index: FakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = tmp_path / "share"
    share.mkdir()
    index.folders.append(share)
    monkeypatch.setattr(watch, "is_remote", lambda folder: folder == share)
    with closing(polled(index)) as watcher, closing(watcher.events()) as events:
        assert next(events).polled == (str(share),)
        assert index.settles_on(write(share / "a.md"), seconds=2)


MOUNTS = [("/", "ext4"), ("/mnt", "ext4"), ("/mnt/nas", "cifs"), ("/mnt/nas/disk", "xfs"), ("/media/s", "fuse.sshfs"),
          ("/usb", "fuseblk"), ("/over", "nfs4"), ("/over", "ext4")]  # fmt: skip


@pytest.mark.parametrize(
    ("folder", "remote"),
    [("/mnt/nas", True), ("/mnt/nas/a/b", True), ("/mnt/nas2", False), ("/mnt/nas/disk/a", False), ("/usb/a", False),
     ("/media/s/notes", True), ("/media", False), ("/over/a", False)],
)  # fmt: skip
def test_the_nearest_mount_says_whether_a_folder_is_remote(
    folder: str, remote: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = [SimpleNamespace(mountpoint=place, fstype=kind, opts="rw") for place, kind in MOUNTS]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)
    assert is_remote(Path(folder)) == remote


LIMITED = """
import sys, time
from contextlib import closing
from pathlib import Path
sys.path.insert(0, {root!r})
from ingest import watch
from settings import Watch
from tests.ingest.test_watch import FakeIndex
big, small = Path(sys.argv[1]), Path(sys.argv[2])
index = FakeIndex(big, small)
watch.LOOK_SECONDS = 0.1
watcher = watch.Watcher(lambda: index.folders, index, Watch(quiet=0.1, poll=2.0))
with closing(watcher), closing(watcher.events()) as events:
    event = next(events)
    print(*(Path(name).name for name in event.polled), flush=True)
    assert next(events).kind == "indexed"
    time.sleep(0.2)  # the trial itself takes a watch for a moment
    for n in range(12):
        (small / f"new{{n}}").mkdir()
    while event.kind != "watching" or len(event.polled) < 2:
        event = next(events)
    print(*(Path(name).name for name in event.polled), flush=True)
    (small / "new11" / "a.md").touch()
    assert index.settles_on(small / "new11" / "a.md")
"""


def test_folders_that_the_system_has_no_watches_left_for_are_polled(tmp_path: Path) -> None:
    """watchdog itself passes over them in silence. The limit is that of a user namespace."""
    big, small = tmp_path / "big", tmp_path / "small"
    for n in range(20):
        (big / str(n)).mkdir(parents=True)
    small.mkdir()
    shell = 'echo 10 > /proc/sys/user/max_inotify_watches && exec "$@"'
    command = ["unshare", "-Ur", "sh", "-c", shell, "sh", sys.executable]
    tried = subprocess.run([*command, "-c", ""], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("USER NAMESPACES ABSENT: the limit of watches was not tried")
    done = subprocess.run(
        [*command, "-c", LIMITED.format(root=str(ROOT)), big, small], capture_output=True, text=True, timeout=60,
        cwd=ROOT, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.splitlines()) == (0, ["big", "big small"]), done.stderr


# What is told


def test_a_run_without_news_is_not_told(root: Path, index: FakeIndex, events: Events) -> None:
    index.failed = (PathReason("b.pdf", "Broken."),)
    write(root / "a.md")
    first = next(events)
    write(root / "a.md", "touched")
    assert until(lambda: index.runs == 3)
    index.failed = ()
    write(root / "a.md", "touched again")
    second = next(events)
    assert first.report
    assert second.report
    assert (first.report.added, first.report.failed) == (1, (PathReason("b.pdf", "Broken."),))
    assert (second.report.added, second.report.failed) == (0, ())
    assert index.runs == 4


@pytest.mark.parametrize("error", [StorageFullError("No space."), ZeroDivisionError("bug")])
def test_a_run_that_fails_is_told_once_tried_again_and_watching_goes_on(
    error: Exception, root: Path, index: FakeIndex, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "cita.watch")
    index.error = error
    with closing(polled(index)) as watcher, closing(watcher.events()) as events:
        assert next(events).kind == "watching"
        told = next(events)
        assert (told.kind, str(error) in told.problem) == ("problem", True)
        assert until(lambda: index.runs == 3)  # by itself, the cause may be gone
        index.error = None
        assert next(events).kind == "indexed"
        assert index.settles_on(write(root / "a.md"))


def test_folders_that_cannot_be_listed_are_a_problem_and_watching_goes_on(root: Path, index: FakeIndex) -> None:
    broken = [True]

    def folders() -> list[Path]:
        if broken:
            raise CatalogError("Busy.")
        return [root]

    with closing(Watcher(folders, index, QUICK)) as watcher, closing(watcher.events()) as events:
        assert next(events).problem == "Busy."
        broken.clear()
        assert any(event.kind == "watching" for event in events)
        assert index.settles_on(write(root / "a.md"))


# Readers


def test_all_readers_share_one_thread_and_the_last_stops_it(watcher: Watcher, root: Path, index: FakeIndex) -> None:
    def threads() -> int:
        return [thread.name for thread in threading.enumerate()].count("watch")

    first, second = watcher.events(), watcher.events()
    assert [next(first).kind, next(first).kind] == ["watching", "indexed"]
    assert next(second).kind == "watching"
    assert threads() == 1
    first.close()
    assert index.settles_on(write(root / "a.md"))
    second.close()
    assert until(lambda: threads() == 0)
    write(root / "b.md")
    with closing(watcher.events()) as third:
        assert [next(third).kind, next(third).kind] == ["watching", "indexed"]
    assert index.files == {root / "a.md", root / "b.md"}


def test_who_comes_later_is_told_what_is_watched(events: Events, watcher: Watcher, root: Path) -> None:
    with closing(watcher.events()) as later:
        assert next(later).folders == (str(root),)


def test_a_reader_who_does_not_read_holds_up_nobody_and_gets_the_latest(
    events: Events, watcher: Watcher, root: Path, index: FakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "KEPT", 3)
    with closing(watcher.events()) as slow:
        for n in range(6):
            write(root / f"{n}.md")
            assert until(lambda: len(index.files) == n + 1)  # noqa: B023
        assert next(events).kind == "indexed"  # the other reader has them all
        slow.end()
        reports = [event.report for event in slow]
    assert len(reports) == 3
    assert all(report and report.added == 1 for report in reports)


def test_closing_ends_a_reader_who_waits(events: Events) -> None:
    seen: list[WatchEvent] = []
    reader = threading.Thread(target=lambda: seen.extend(events))
    reader.start()
    time.sleep(0.1)
    started = time.monotonic()
    events.close()
    reader.join(5)
    assert not reader.is_alive()
    assert time.monotonic() - started < 0.5
    assert seen == []


def test_closing_the_watcher_ends_every_reader_and_a_run_that_is_under_way(root: Path, index: FakeIndex) -> None:
    index.go_on.clear()
    watcher = Watcher(lambda: index.folders, index, QUICK)
    events = watcher.events()
    assert next(events).kind == "watching"
    assert until(lambda: index.runs == 1)
    started = time.monotonic()
    watcher.close()
    assert time.monotonic() - started < 2
    assert list(events) == []
    assert list(watcher.events()) == []
    assert "watch" not in [thread.name for thread in threading.enumerate()]


def test_nothing_of_it_is_left_after_closing(root: Path, index: FakeIndex) -> None:
    process = psutil.Process()
    threads, files = process.num_threads(), process.num_fds()
    for _ in range(3):
        with closing(Watcher(lambda: index.folders, index, QUICK)) as watcher, closing(watcher.events()) as events:
            assert next(events).kind == "watching"
    assert until(lambda: (process.num_threads(), process.num_fds()) == (threads, files))
