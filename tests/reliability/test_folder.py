"""The index is the folder: whatever is done to the folder, and wherever an index run is killed, the next run ends with
what a fresh index of the same folders would hold.

Hypothesis draws the steps. CITA_LONG=1: 200 examples of 30 steps; CITA_LONG=2: 2,000 of 50.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ingest import discover, pipeline
from ingest.catalog import Catalog
from ingest.parse import parse
from ingest.pipeline import differences, index_folders
from ingest.types import IndexReport
from settings import Settings
from tests.documents import write_zip
from tests.fakes import WordEmbedder

EXAMPLES, STEPS = {"1": (200, 30), "2": (2_000, 50)}.get(os.environ.get("CITA_LONG", ""), (15, 20))

NAMES = (
    "a.md", "A.md", "b.txt", "note.md", "deep/a.md", "deep/er/c.md", "deep/er/d.html", "other/a.md", "x.bin",
    "caf\u00e9.md", "cafe\u0301.md", "🦊 e.md", "new\nline.md", os.fsdecode(b"b\xff.md"), "\u202eldr.md",
    f"{'n' * 250}.md", ".hidden.md", "~$lock.docx", "node_modules/p.md", "l.zip", "deep/m.zip",
)  # fmt: skip
FOLDERS = ("deep", "deep/er", "other", "moved", "deep/moved")
PARAGRAPHS = (
    "The rent is due.",
    "No pets are allowed here.",
    "El contrato dura un a\u00f1o.",
    "Call the owner.",
    "x " * 90,
)
BODIES = st.lists(st.sampled_from(PARAGRAPHS), max_size=4).map(lambda parts: "# Lease\n\n" + "\n\n".join(parts))
ANY = st.sampled_from(NAMES)
PLACES = st.sampled_from(FOLDERS)
IGNORED = st.lists(
    st.sampled_from(("*.txt", "deep/", "!deep/er/", "/a.md", "caf*", "moved/**", "[", "# note")), max_size=3
)


class Folder(RuleBasedStateMachine):
    """Two library folders and their index."""

    @initialize()
    def start(self) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="cita-test-"))
        self.roots = [self.base / "one", self.base / "two"]
        for root in self.roots:
            root.mkdir()
        self.settings = Settings.load(self.base / "home")
        self.embedder = WordEmbedder()
        self.catalog = Catalog(self.settings.index)
        self.young, discover.YOUNG = discover.YOUNG, 20_000_000  # else every file is compared by its bytes
        self.pause, pipeline.PAUSE = pipeline.PAUSE, 0.0

    def teardown(self) -> None:
        if hasattr(self, "base"):
            self.settle()
            self.catalog.close()
            discover.YOUNG, pipeline.PAUSE = self.young, self.pause
            shutil.rmtree(self.base)

    # --- what people do to a folder

    @rule(name=ANY, body=BODIES, second=st.booleans())
    def write(self, name: str, body: str, second: bool) -> None:
        path = self.roots[second] / name
        with possible():
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".zip":
                write_zip(path, {f"{len(part)}.md": part.encode() for part in body.split("\n\n")} | {"x.bin": b"1"})
            else:
                path.write_text(body, encoding="utf-8")

    @rule(name=ANY, body=BODIES)
    def edit_and_set_the_time_back(self, name: str, body: str) -> None:
        path = self.roots[0] / name
        with possible():
            before = path.stat()
            path.write_text(body, encoding="utf-8")
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    @rule(name=ANY)
    def edit_without_changing_size_or_time(self, name: str) -> None:
        path = self.roots[0] / name
        with possible():
            before, text = path.stat(), path.read_bytes()
            path.write_bytes(text.swapcase())
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    @rule(name=ANY, year=st.sampled_from((0, 10**9, 4 * 10**9)))
    def touch(self, name: str, year: int) -> None:
        with possible():
            os.utime(self.roots[0] / name, (year, year))

    @rule(old=ANY, new=ANY, second=st.booleans())
    def rename(self, old: str, new: str, second: bool) -> None:
        with possible():
            (self.roots[second] / new).parent.mkdir(parents=True, exist_ok=True)
            (self.roots[0] / old).rename(self.roots[second] / new)

    @rule(one=ANY, other=ANY)
    def swap(self, one: str, other: str) -> None:
        a, b, aside = self.roots[0] / one, self.roots[0] / other, self.base / "aside"
        with possible():
            if a.is_file() and b.is_file() and a != b:
                a.rename(aside)
                b.rename(a)
                aside.rename(b)

    @rule(old=PLACES, new=PLACES)
    def move_a_folder(self, old: str, new: str) -> None:
        with possible():
            (self.roots[0] / new).parent.mkdir(parents=True, exist_ok=True)
            (self.roots[0] / old).rename(self.roots[0] / new)

    @rule(old=ANY, new=ANY)
    def copy(self, old: str, new: str) -> None:
        with possible():
            (self.roots[0] / new).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.roots[0] / old, self.roots[0] / new)

    @rule(name=ANY)
    def delete(self, name: str) -> None:
        with possible():
            (self.roots[0] / name).unlink()

    @rule(place=PLACES)
    def delete_a_folder(self, place: str) -> None:
        with possible():
            shutil.rmtree(self.roots[0] / place)

    @rule(name=ANY)
    def put_a_folder_in_place_of_a_file(self, name: str) -> None:
        path = self.roots[0] / name
        with possible():
            path.unlink()
            path.mkdir()
            (path / "inside.md").write_text("# Inside\n\nA folder now.")

    @rule(name=ANY, to=ANY)
    def link(self, name: str, to: str) -> None:
        with possible():
            (self.roots[0] / name).symlink_to(self.roots[0] / to)

    @rule(patterns=IGNORED, place=st.sampled_from(("", *FOLDERS)))
    def ignore(self, patterns: list[str], place: str) -> None:
        with possible():
            (self.roots[0] / place / ".citaignore").write_text("\n".join(patterns))

    @rule()
    def disconnect_and_connect(self) -> None:
        away = self.base / "away"
        self.roots[0].rename(away)
        kept = [source for source in self.catalog.sources() if source.folder == str(self.roots[0])]
        self.index()
        assert [source for source in self.catalog.sources() if source.folder == str(self.roots[0])] == kept
        away.rename(self.roots[0])

    # --- what happens to Cita

    @rule()
    def restart(self) -> None:
        self.catalog.close()
        self.catalog = Catalog(self.settings.index)

    @rule(steps=st.integers(1, 3_000))
    def kill_an_index_run(self, steps: int) -> None:
        self.catalog.close()
        child = os.fork()
        if child == 0:
            self.run_until_killed(steps)
        os.waitpid(child, 0)
        self.catalog = Catalog(self.settings.index)
        assert self.catalog.problems(read_data=True) == []

    def run_until_killed(self, steps: int) -> None:
        """In the child: SIGKILL after so many hundred steps of SQLite's machine, in the midst of whatever it does."""
        try:
            self.catalog = Catalog(self.settings.index)
            left = iter(range(steps))

            def tick() -> int:
                if next(left, None) is None:
                    os.kill(os.getpid(), signal.SIGKILL)
                return 0

            self.catalog._db._writer.set_progress_handler(tick, 20)
            self.index()
        finally:
            os._exit(1)

    @rule()
    def rebuild(self) -> None:
        draft = self.catalog.draft()
        with closing(draft):
            self.index(draft)
        self.catalog.take_over(draft.path)
        draft.discard()

    @rule()
    def settle(self) -> None:
        """The promise."""
        self.index()
        assert differences(self.roots, self.catalog, self.settings, read_data=True) == []
        assert self.catalog.problems(read_data=True) == []
        again = self.index()
        assert (again.added, again.changed, again.renamed, again.removed, again.embedded) == (0, 0, 0, 0, 0)
        with tempfile.TemporaryDirectory() as empty, closing(Catalog(Path(empty))) as fresh:
            self.index(fresh)
            assert state(self.catalog) == state(fresh)
            assert vectors(self.catalog) == vectors(fresh)

    def index(self, catalog: Catalog | None = None) -> IndexReport:
        return index_folders(
            self.roots, catalog or self.catalog, self.embedder, parse, self.settings, lambda _: None, confirm=True
        )


@contextmanager
def possible() -> Iterator[None]:
    """What the file system refuses does not happen."""
    with suppress(OSError, shutil.Error):
        yield


def state(catalog: Catalog) -> dict[tuple[str, str], tuple[object, ...]]:
    """All that is known of every file, but when it was indexed and which of its times were noted."""
    found: dict[tuple[str, str], tuple[object, ...]] = {}
    for source in catalog.sources():
        passages = catalog.passages_of(source.folder, source.path)
        noted = replace(source, mtime_ns=0, changed_ns=0, indexed_at="")
        found[source.folder, source.path] = (noted, *passages)
    return found


def vectors(catalog: Catalog) -> dict[str, bytes]:
    keys, matrix, _ = catalog.vectors_after(0)
    return {key: vector.tobytes() for key, vector in zip(keys, matrix, strict=True)}


if not hasattr(os, "fork"):
    Folder.kill_an_index_run = precondition(lambda _: False)(Folder.kill_an_index_run)  # type: ignore[method-assign]

TestFolder = pytest.mark.slow(Folder.TestCase)
Folder.TestCase.settings = hypothesis_settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
