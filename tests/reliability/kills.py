"""Kills the engine at random moments, and counts what was lost by it.

    python -m tests.reliability.kills --kills 500 --steps 20

writes a table in Markdown. A driver that has imported everything forks a process for each kill, which opens the home
and works; it is killed (SIGKILL, with its group) at a random moment of its run, or of a named step. Then another
process opens the home, at once, while what the killed one had started may still be ending. It must serve a search, and
everything that was indexed before and is unchanged must be there. Now and then an index run ends in peace; then index
and fresh index of the same folders must be equal.

Real: the engine, SQLite, the parsers and their isolation, Chroma and its helper. Not: the embedder (words are counted,
so that vectors can be compared exactly), and the time that imports take; both are in the last row, `cita index` and
`cita search` as processes of their own with the embedder that is installed. Linux only.
"""

import argparse
import os
import random
import re
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from ingest.names import to_text
from settings import CODE, Chunk, Settings
from tests.fakes import WordEmbedder
from tests.reliability import steps
from tests.reliability.changes import Changed
from tests.reliability.forks import Fork, Report, adopt_orphans, descendants
from tests.reliability.quick import Image, image, opened
from tests.reliability.steps import STEPS, Step, digests

IMPORTS = (
    "chromadb", "remote", "rag.chain", "rag.retrieve", "rag.rerank", "models.registry", "ingest.pipeline",
    "ingest.vectors", "ingest.chroma", "ingest.isolate", "ingest.watch", "ingest.parse.tasks", "watchdog.observers",
)  # fmt: skip
SERVED = 5.0  # seconds from the start to the passages
GONE = 10.0  # seconds in which all processes of a killed engine are to end
PEACE = 25  # kills between two comparisons with a fresh index
LASTING = {"catalog.db", "engine.lock", "folders.json", "tmp"}  # in index/ when nobody has it open


@dataclass
class Row:
    """What was seen of one kind of kill. `inside`: it fell within the step."""

    name: str
    kills: int = 0
    inside: int = 0
    lost: int = 0
    twice: int = 0
    unsound: int = 0
    left: int = 0
    processes: int = 0
    compared: int = 0
    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def fail(self, words: str) -> None:
        self.failures.append(f"{self.name}, after {self.kills} kills: {words}")
        print(self.failures[-1], file=sys.stderr, flush=True)


@dataclass
class Victim:
    """What a process told before it was killed.

    `chosen`: the call of its step's functions within which it was to be killed; `alive`: until it was killed; `left`:
    the calls that had ended, and after how many seconds; `stored`: paths that are in the index for good; `before`:
    states one of which the index must be in.
    """

    chosen: int
    alive: bool = False
    removed: str = ""
    stored: list[str] = field(default_factory=list)
    before: list[dict[str, list[str]]] = field(default_factory=list)
    left: dict[int, float] = field(default_factory=dict)

    def hear(self, report: dict[str, Any]) -> None:
        match report:
            case {"kind": "stored", "path": path}:
                self.stored.append(path)
            case {"kind": "before", "sources": sources}:
                self.before.append(sources)
            case {"kind": "removed", "folder": folder}:
                self.removed = folder
            case {"kind": "left", "call": call, "seconds": seconds}:
                self.left[call] = seconds

    def is_within(self) -> bool:
        return self.chosen not in self.left


# --- what is compared


def differing(one: Image, other: Image) -> list[str]:
    """The paths of which the two hold something different, or one nothing."""
    return [path for path in sorted(one.keys() | other.keys()) if one.get(path) != other.get(path)]


def holding(folder: Path, words: Sequence[str]) -> list[str]:
    """Those of the words of which something stands in the bytes of any file of the folder.

    Of each the middle is looked for: full text keeps words shortened at the end, and at the start where the one before
    begins alike.
    """
    files = [path for path in folder.rglob("*") if path.is_file()]
    data = [path.read_bytes().lower() for path in files]
    return [word for word in words if any(word[3:-3].encode() in bytes_ for bytes_ in data)]


# --- the driver


class Kills:
    """A home over changing folders, killed again and again. What goes wrong is in the rows' `failures`."""

    def __init__(self, base: Path, files: int, seed: int, *, real: bool, rows: list[Row]) -> None:
        self.base = base
        self.folder: Changed = Changed(base, files, seed, real=real)
        self.random = random.Random(seed + 1)
        self.settings = quick_settings(base / "home")
        self.rows = rows
        self.known: dict[str, str] = {}  # what was seen of files that are as they were indexed
        self._limit = 1.0  # seconds: about how long an index run takes now
        self._lengths: dict[str, float] = {}  # of the steps, in seconds
        self._calls: dict[str, int] = {}
        (base / "cache").mkdir()

    # --- what happens between kills

    def rearrange(self) -> None:
        for _ in range(self.random.randint(2, 5)):
            self.random.choice((self.folder.rename, self.folder.rename_folder, self.folder.delete, self.folder.touch))()

    def rewrite(self) -> None:
        """So much that Chroma's folder falls behind."""
        self.folder.change(3)
        for _ in range(8):
            self.folder.edit()

    def damage(self) -> None:
        """Some pages of the catalogue, not the first ones: without those there is nothing to be read."""
        self.peace(Row(""), compare=False)
        path = self.settings.index / "catalog.db"
        with path.open("r+b") as file:
            pages = path.stat().st_size // 4096
            for page in self.random.sample(range(12, pages), max(1, pages // 50)):
                file.seek(page * 4096)
                file.write(self.random.randbytes(4096))
        shutil.rmtree(self.base / "undisturbed", ignore_errors=True)
        shutil.copytree(self.settings.index, self.base / "undisturbed")
        self.folder.change(4)

    def make_old(self) -> None:
        """The catalogue as version 3 had it, which took the words of a text for others."""
        self.peace(Row(""), compare=False)
        with closing(sqlite3.connect(self.settings.index / "catalog.db", isolation_level=None)) as connection:
            connection.executescript(
                "UPDATE terms SET body = 'other words'; ALTER TABLE sources DROP COLUMN hidden;"
                " UPDATE sources SET checksum = ''; PRAGMA user_version = 3;"
            )

    # --- one kill

    def kill(self, step: Step, row: Row) -> None:
        step.prepare(self)
        victim = Victim(self.random.randint(1, self._calls.setdefault(step.name, 3)))
        fork = self._fork(partial(_work, step, victim.chosen))
        if step.targets:
            self._wait_for_step(step, fork, victim)
        else:
            self._wait_anywhere(step, fork, victim)
        if step.helper:
            victim.alive &= _kill_helper(fork)
        else:
            fork.kill()
        for report in fork.reports(60.0):
            victim.hear(report)
        code = fork.bury()
        if code and (step.helper or not victim.alive):
            row.fail(f"the process ended with {code} {self._last_words()}")
        row.kills += victim.alive
        row.inside += victim.alive and (not step.targets or step.helper or victim.is_within())
        if step.work is steps.salvage:
            self._compare_salvaged(row)
        if seen := self._look(row):
            self._judge(row, step, seen, victim)
        self._wait_until_alone(row)

    def _fork(self, work: Callable[[Settings, Report], None]) -> Fork:
        return Fork(partial(work, self.settings), self.base / "log")

    def _wait_anywhere(self, step: Step, fork: Fork, victim: "Victim") -> None:
        limit = self._limit
        if step.work is steps.watch:
            limit = 2.5
            next((report for report in fork.reports(30.0) if report["kind"] == "watching"), None)
        until = time.monotonic() + self.random.uniform(0, limit)
        while not fork.ended and (seconds := until - time.monotonic()) > 0:
            for report in fork.reports(min(seconds, 0.2)):
                victim.hear(report)
            if step.work is steps.watch and self.random.random() < 0.5:
                self.folder.change(1)
        victim.alive = not fork.ended
        if step.work is steps.index:
            self._limit = min(6.0, max(0.15, self._limit * (1.1 if victim.alive else 0.6)))

    def _wait_for_step(self, step: Step, fork: Fork, victim: "Victim") -> None:
        """Until it is somewhere within the chosen call."""
        for report in fork.reports(120.0):
            victim.hear(report)
            if report["kind"] == "entered":
                victim.alive = True
                self._calls[step.name] = min(60, victim.chosen + 1)
                fork.go()
                time.sleep(self.random.uniform(0, self._lengths.get(step.name, 0.005)))
                return
        self._calls[step.name] = max(1, len(victim.left))
        if victim.left:
            self._lengths[step.name] = statistics.median(victim.left.values())

    # --- what the next start finds

    def _look(self, row: Row) -> dict[str, Any]:
        """What the next start served and saw; nothing if it failed, which is noted."""
        fork = self._fork(steps.serve)
        seen: dict[str, Any] = {}
        for report in fork.reports(60.0):
            if report["kind"] == "served":
                row.seconds.append(time.monotonic() - fork.started)
            seen |= report
        code = fork.bury()
        if code or "sources" not in seen:
            row.unsound += 1
            row.fail(f"the next start ended with {code} {self._last_words()}")
            self.known = {}
            return {}
        return seen

    def _judge(self, row: Row, step: Step, seen: dict[str, Any], victim: "Victim") -> None:
        if victim.removed:
            self.folder.touched |= {path for path in self.folder.files() if path.is_relative_to(victim.removed)}
        sources: dict[str, list[str]] = seen["sources"]
        touched = {to_text(str(path)) for path in self.folder.touched}
        lost = [
            path
            for path, digest in self.known.items()
            if path not in touched and (path not in sources or sources[path][1] != digest)
        ]
        roots = [to_text(str(root)) for root in self.folder.roots]
        lost += [path for path in victim.stored if not any(f"{root}/{path}" in sources for root in roots)]
        if victim.before and sources not in victim.before:
            lost.append(f"what {step.name} began with")
        self._note(row, "lost", len(lost), f"lost {lost[:5]}")
        hits = seen["hits"]
        doubles = seen["listed"] - len(sources) + len(hits) - len(set(hits))
        self._note(row, "twice", doubles, "something is there twice")
        problems = [one for one in seen["problems"] if step.work is not steps.salvage or "vectors without" not in one]
        self._note(row, "unsound", len(problems), f"problems {problems[:5]}")
        if seen["passages"] and not hits:
            self._note(row, "unsound", 1, "nothing was found")
        if row.seconds[-1] > SERVED * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)):  # others work here too
            self._note(row, "unsound", 1, f"the search was served after {row.seconds[-1]:.1f} s")
        self._note(row, "left", len(seen["left"]), f"index/tmp holds {seen['left'][:5]}")
        hashes = {to_text(path): sha256 for path, sha256 in self.folder.hashes().items()}
        self.known = {path: digest for path, (sha256, digest) in sources.items() if hashes.get(path) == sha256}
        self.folder.touched.clear()

    def _compare_salvaged(self, row: Row) -> None:
        """Killed or not, salvage keeps what it would have kept undisturbed."""
        undisturbed = self.settings.model_copy(update={"home": self.base / "undisturbed-home"})
        shutil.rmtree(undisturbed.home, ignore_errors=True)
        undisturbed.home.mkdir()
        (self.base / "undisturbed").rename(undisturbed.index)
        for settings in (undisturbed, self.settings):
            Fork(partial(steps.salvage, settings), self.base / "log").bury()
        wanted, there = digests(undisturbed), digests(self.settings)
        lost = [path for path, digest in wanted.items() if there.get(path) != digest]
        self._note(row, "lost", len(lost), f"salvage lost {lost[:5]}")
        self.known = {}

    def _wait_until_alone(self, row: Row) -> None:
        until = time.monotonic() + GONE
        while (left := descendants()) and time.monotonic() < until:
            time.sleep(0.01)
        if left:
            row.processes += len(left)
            row.fail(f"processes are left: {[process.cmdline() for process in left]}")
            for process in left:
                process.kill()

    @staticmethod
    def _note(row: Row, what: str, number: int, words: str) -> None:
        if number:
            setattr(row, what, getattr(row, what) + number)
            row.fail(words)

    def _last_words(self) -> str:
        lines = (self.base / "log").read_text(errors="replace").splitlines() if (self.base / "log").exists() else []
        return "\n".join(lines[-25:])

    # --- peace

    def peace(self, row: Row, *, compare: bool = True) -> None:
        """An index run that ends; then the index must be what a fresh one of the same folders is."""
        fork = self._fork(lambda settings, report: steps.finish(settings, self.folder.roots, report))
        problems = [problem for report in fork.reports(600.0) for problem in report["problems"]]
        if code := fork.bury():
            problems.append(f"it ended with {code} {self._last_words()}")
        if problems:
            row.unsound += len(problems)
            row.fail(f"after an index run: {problems[:5]}")
        self.known = {path: digest for path, (_, digest) in digests(self.settings).items()}
        self.folder.touched.clear()
        if compare:
            self._compare(row)

    def _compare(self, row: Row) -> None:
        fresh = quick_settings(self.base / "fresh")
        shutil.rmtree(fresh.home, ignore_errors=True)
        fork = Fork(
            lambda report: steps.index_afresh(fresh, self.folder.roots, self.base / "cache", report), self.base / "log"
        )
        if code := fork.bury(600.0):
            row.fail(f"the fresh index ended with {code} {self._last_words()}")
        row.compared += 1
        if paths := differing(image(self.settings.index), image(fresh.index)):
            row.unsound += len(paths)
            row.fail(f"differs from a fresh index in {paths[:5]}")
        names = {path.name for path in self.settings.index.iterdir()}
        made_again = re.compile(r"chroma.*|(postings|vectors)-[0-9a-f]{16}")
        if strange := {name for name in names - LASTING if not made_again.fullmatch(name)}:
            row.left += len(strange)
            row.fail(f"index/ holds {sorted(strange)}")
        if words := holding(self.settings.index, self.folder.dropped()):
            row.left += len(words)
            row.fail(f"deleted text is in the bytes of index/: {words[:5]}")
        self.folder.forget_dropped()

    # --- all of it

    def at_random(self, kills: int) -> None:
        """Half of the rounds begin with no index at all."""
        row = Row("any moment of index")
        self.rows.append(row)
        step = Step(row.name, steps.index)
        while row.kills < kills and len(row.failures) < 50:
            if row.kills % (2 * PEACE) == 0:
                shutil.rmtree(self.settings.index, ignore_errors=True)
                self._begin()
            goal = min(kills, row.kills + PEACE)
            while row.kills < goal and len(row.failures) < 50:
                self.kill(step, row)
            self.peace(row)
            progress(row)

    def in_step(self, step: Step, kills: int) -> None:
        row = Row(step.name)
        self.rows.append(row)
        self.peace(Row(""), compare=False)
        for _ in range(4 * kills + 6):
            self.kill(step, row)
            if row.inside >= kills or len(row.failures) >= 20:
                break
            if step.name == "remove a folder":
                self.peace(row, compare=False)
        self.peace(row)
        progress(row)

    def _begin(self) -> None:
        """A home that has the folders and no index."""
        self._fork(lambda settings, report: _add(settings, self.folder.roots)).bury()
        self.known = {}
        self._limit = 2.0


def _work(step: Step, chosen: int, settings: Settings, report: Report) -> None:
    steps.told(step.targets, chosen, report)
    step.work(settings, report)


def _kill_helper(fork: Fork) -> bool:
    """Kills the process that writes Chroma's folder, at once; whether there was one."""
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        for process in psutil.Process(fork.pid).children():
            with suppress(psutil.Error, ProcessLookupError):
                if process.cwd().endswith("index"):
                    os.kill(process.pid, signal.SIGKILL)
                    return True
        time.sleep(0.002)
    return False


def _add(settings: Settings, folders: Sequence[Path]) -> None:
    with opened(settings) as engine:
        engine.add_folders(folders)


def progress(row: Row) -> None:
    print(
        f"{row.name}: {row.kills} kills, {row.inside} within, {row.compared} compared, {len(row.failures)} failures",
        file=sys.stderr,
        flush=True,
    )


def quick_settings(home: Path) -> Settings:
    return Settings.load(home, chunk=Chunk(tokens=120))


def prepare_driver() -> None:
    """Imports all that the forks will need, and puts in the embedder that counts words."""
    import engine
    import ingest.embed
    from ingest import vectors
    from ingest.parse import SUFFIXES, warm

    for name in IMPORTS:
        import_module(name)
    for suffix in SUFFIXES:
        warm(Path(f"x{suffix}"))
    ingest.embed.open_embedder = lambda settings: WordEmbedder(256)
    vectors.SMALL, vectors._BEHIND = 50, 2  # else so few vectors are never written to Chroma
    engine.PREPARED = 5  # nor while others are made
    adopt_orphans()
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        raise SystemExit(f"The driver has {threads} threads: it cannot be forked safely.")


# --- processes of their own


def real_processes(base: Path, kills: int, seed: int, rows: list[Row]) -> None:
    """`cita index` killed, then `cita search`: with imports and the embedder that is installed."""
    row = Row("`cita index`, any moment")
    rows.append(row)
    chance = random.Random(seed)
    folder = Changed(base, 15, seed, real=False)
    environment = {**os.environ, "CITA_HOME": str(base / "home"), "PYTHONPATH": str(CODE)}
    cita = partial(_cita, environment)
    cita("add", *map(str, folder.roots))
    cita("search", "anything")  # exports the embedder, once
    limit = 4.0
    known: dict[str, str] = {}
    for _ in range(4 * kills):
        if row.kills >= kills:
            break
        folder.change(4)
        running = subprocess.Popen(
            [sys.executable, "-m", "cli", "index"], env=environment, cwd=CODE, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            running.wait(chance.uniform(0.3, limit))
            limit = max(1.0, limit * 0.9)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
            row.kills += 1
            limit = min(8.0, limit * 1.1)
        started = time.monotonic()
        done = cita("search", "--json", steps.QUESTION)
        row.seconds.append(time.monotonic() - started)
        there = digests(Settings.load(base / "home"))
        touched = {to_text(str(path)) for path in folder.touched}
        lost = [
            path for path, digest in known.items() if path not in touched and there.get(path, ["", ""])[1] != digest
        ]
        hashes = folder.hashes()
        known = {path: digest for path, (sha256, digest) in there.items() if hashes.get(path) == sha256}
        folder.touched.clear()
        row.lost += len(lost)
        if done.returncode or lost:
            row.unsound += bool(done.returncode)
            row.fail(f"lost {lost[:5]}; cita search: {done.stderr[-500:]}")
    cita("index")
    verified = cita("verify", "--read-data", "--json")
    if verified.returncode:
        row.unsound += 1
        row.fail(f"{verified.stdout[-500:]}")
    fresh = Settings.load(base / "fresh")
    (fresh.home).mkdir()
    shutil.copytree(base / "home" / "models", fresh.models)
    again = partial(_cita, {**environment, "CITA_HOME": str(fresh.home)})
    again("add", *map(str, folder.roots))
    again("index")
    row.compared += 1
    if paths := nearly_differing(image(base / "home" / "index"), image(fresh.index), 1e-5):
        row.unsound += len(paths)
        row.fail(f"differs from a fresh index in {paths[:5]}")
    progress(row)


def _cita(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", *words]
    return subprocess.run(command, env=environment, cwd=CODE, capture_output=True, text=True, timeout=300)


VECTOR = -4  # where the vector stands in what image() has of a passage


def nearly_differing(one: Image, other: Image, tolerance: float) -> list[str]:
    """As differing(), but numbers of vectors may differ by so much."""

    def same(path: str) -> bool:
        if path not in one or path not in other or len(one[path]) != len(other[path]):
            return False
        return all(_same(a, b, tolerance) for a, b in zip(one[path], other[path], strict=True))

    return [path for path in sorted(one.keys() | other.keys()) if not same(path)]


def _same(one: Any, other: Any, tolerance: float) -> bool:
    if not (isinstance(one, tuple) and isinstance(other, tuple)):
        return bool(one == other)
    a, b = (np.frombuffer(passage[VECTOR] or b"", np.float32) for passage in (one, other))
    rest = [(*passage[:VECTOR], *passage[VECTOR + 1 :]) for passage in (one, other)]
    return rest[0] == rest[1] and a.shape == b.shape and bool(np.allclose(a, b, atol=tolerance))


# --- the table


def table(rows: Sequence[Row], seed: int) -> str:
    lines = [
        "| killed in | kills (within the step) | lost | twice | unsound | left behind | processes left"
        " | search served after (median, most) | comparisons with a fresh index |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        times = f"{statistics.median(row.seconds):.2f} s, {max(row.seconds):.2f} s" if row.seconds else "-"
        lines.append(
            f"| {row.name} | {row.kills} ({row.inside}) | {row.lost} | {row.twice} | {row.unsound} | {row.left}"
            f" | {row.processes} | {times} | {row.compared} |"
        )
    kills = sum(row.kills for row in rows)
    lines += [
        "",
        f"{kills} kills; where a column says 0 of all, its rate is below {3 / max(1, kills):.2%} (3/n, 95 %).",
    ]
    lines += [f"Seed {seed}."]
    return "\n".join(lines)


@contextmanager
def _working_folder(keep: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cita-kills-"))
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.kills")
    parser.add_argument("--kills", type=int, default=500, help="at any moment of an index run")
    parser.add_argument("--steps", type=int, default=20, help="in each named step")
    parser.add_argument("--only", action="append", default=[], metavar="STEP", help="only this step")
    parser.add_argument("--processes", type=int, default=24, help="of `cita index` as a process of its own")
    parser.add_argument("--files", type=int, default=300, help="documents, and as many notes, for the kills at random")
    parser.add_argument("--few", type=int, default=40, help="the same for the kills in steps")
    parser.add_argument("--made", action="store_true", help="small files that are made, not the shared ones")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--keep", action="store_true", help="leave the working folder there")
    given = parser.parse_args()
    one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    if not one_thread.items() <= os.environ.items():  # a process with threads is not forked safely
        os.execve(sys.executable, [sys.executable, "-m", __spec__.name, *sys.argv[1:]], {**os.environ, **one_thread})
    print(f"Seed {given.seed}.", file=sys.stderr, flush=True)
    rows: list[Row] = []
    with suppress(KeyboardInterrupt), _working_folder(given.keep) as base:  # Ctrl-C: the table of what there is by then
        if given.kills or given.steps:
            prepare_driver()
        if given.kills:
            kills = Kills(base / "random", given.files, given.seed, real=not given.made, rows=rows)
            kills.at_random(given.kills)
        if given.steps:
            few = Kills(base / "steps", given.few, given.seed, real=not given.made, rows=rows)
            few._begin()
            for step in STEPS:
                if not given.only or step.name in given.only:
                    few.in_step(step, given.steps)
        if given.processes:
            real_processes(base / "processes", given.processes, given.seed, rows)
    print(table(rows, given.seed))
    return 1 if any(row.failures for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
