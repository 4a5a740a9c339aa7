"""Many doors at once on one home, for minutes, while the one that owns it is ended or killed.

    python -m tests.reliability.soak --minutes 10

Real processes: the app, asked for its pages as a browser would, which indexes by watching; `cita watch --json`; two
loops of commands; and somebody who edits the folders. Every minute whoever owns the home gets SIGTERM, Ctrl-C or
SIGKILL in turn, and the app and the watcher are started again. Nothing may fail but by being busy: "is just starting or
ending", "ended before it had answered". All that is printed must be JSON, no source may be listed half, and at the end
the index must be what a fresh one of the same folders is. Linux only.
"""

import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import ingest.embed
from ingest.embed import Embedder, Vectors
from settings import CODE, Settings
from tests.reliability.changes import Changed
from tests.reliability.kills import nearly_differing
from tests.reliability.quick import image, opened

BUSY = ("or it is just starting or ending", "ended before it had answered", "does not answer", "The answer broke off")
DIFFERS = (
    "is not in the index yet",
    "has changed since",
    "is in the index as",
    "no longer there",
    "not there or cannot",
)
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
PATIENCE = 300.0  # seconds for a command on a busy machine
ENDING = 60.0  # seconds for a door to end that was asked to
STARTING = 60.0


@dataclass
class Tally:
    """What was counted. Threads share it."""

    counts: Counter[str] = field(default_factory=Counter)
    busy: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    def error(self, what: str) -> None:
        self.errors.append(what)
        print(what, file=sys.stderr, flush=True)


class Soak:
    """A home, its folders, and all who use them until `ended` is set."""

    def __init__(self, base: Path, seed: int, files: int, *, real: bool) -> None:
        self.base = base
        self.random = random.Random(seed)
        self.folder = Changed(base, files, seed, real=real)
        self.more = base / "more"
        self.more.mkdir()
        for number in range(5):
            (self.more / f"more-{number}.md").write_text(f"# More {number}\n\nThere is more of it: {number}.\n")
        self.home = base / "home"
        self.environment = {**os.environ, "CITA_HOME": str(self.home), "PYTHONPATH": _path(), "PYTHONUNBUFFERED": "1"}
        self.tally = Tally()
        self.ended = threading.Event()
        self.struck: dict[int, signal.Signals] = {}  # processes that were ended by us
        self.last_strike = 0.0
        self.versions: dict[str, set[bytes]] = defaultdict(set)  # what each file's name ever stood for
        self.listed: set[tuple[str, int]] = set()
        self.port = _free_port()
        self.doors: dict[str, subprocess.Popen[str]] = {}
        self._keep_versions()

    # --- commands

    def start(self, *words: str, errors: int = subprocess.PIPE) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "cli", *words]
        return subprocess.Popen(
            command, cwd=CODE, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=errors
        )

    def open_door(self, *words: str) -> "subprocess.Popen[str]":
        with (self.base / f"{words[0]}.log").open("w") as log:
            self.doors[words[0]] = self.start(*words, errors=log.fileno())
        return self.doors[words[0]]

    def run(self, *words: str) -> Any:
        """What a command printed with --json; None if it was ended, busy or failed, which is counted."""
        began = time.monotonic()
        process = self.start(*words, "--json")
        try:
            out, err = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            self.tally.error(f"cita {words[0]} had not ended after {PATIENCE:.0f} s: {process.communicate()[1][-500:]}")
            return None
        return self._judged(words, process, out, err, began)

    def _judged(self, words: Sequence[str], process: "subprocess.Popen[str]", out: str, err: str, began: float) -> Any:
        if process.pid in self.struck:
            self.tally.counts["commands ended by us"] += 1
            return None
        if process.returncode and any(said in err for said in BUSY):
            self.tally.busy[next(said for said in BUSY if said in err)] += 1
            return None
        if "not one of the added" in err and self.last_strike > began:
            return None  # was done, and asked again of the next owner
        try:
            answer = json.loads(out)
        except ValueError:
            self.tally.error(f"cita {' '.join(words)} ended with {process.returncode}: {out[-300:]!r} {err[-800:]}")
            return None
        if process.returncode and words[0] != "verify":
            self.tally.error(f"cita {' '.join(words)} ended with {process.returncode}: {err[-800:]}")
        self.tally.counts[f"cita {words[0]}"] += 1
        return answer

    def commands(self, seed: int, *, adds: bool) -> None:
        chance = random.Random(seed)
        added = False
        kinds: list[str] = []
        while not self.ended.is_set():
            if not kinds:
                kinds = ["search", "search", "ask", "list", "status", "index", "verify", *["add"] * adds]
                chance.shuffle(kinds)
            match kinds.pop():
                case "search":
                    self.run("search", "What was written later in the note?")
                case "ask":
                    self.run("ask", "--model", "extractive", "What does the note say that was written later?")
                case "list":
                    self._look_at_list(self.run("list"))
                case "status":
                    self._look_at_status(self.run("status"))
                case "verify":
                    self._look_at_problems(self.run("verify"))
                case "index":
                    self.run("index", "--confirm")
                case "add":
                    answer = self.run("remove" if added else "add", str(self.more))
                    if answer:
                        added = str(self.more) in answer["folders"]
                    else:
                        added = str(self.more) in (self.run("folders") or {"folders": []})["folders"]

    def _look_at_list(self, answer: Any) -> None:
        if answer:
            self.listed |= {(source["path"], source["passages"]) for source in answer["sources"]}

    def _look_at_status(self, answer: Any) -> None:
        if answer and not answer["healthy"]:
            self.tally.error(f"cita status: {answer['problems']}")

    def _look_at_problems(self, answer: Any) -> None:
        for problem in answer["problems"] if answer else ():
            if not any(said in problem for said in DIFFERS):
                self.tally.error(f"cita verify: {problem}")

    # --- the app and the watcher

    def keep_app(self) -> None:
        while not self.ended.is_set():
            app = self.open_door("app", "--port", str(self.port))
            self._browse(app)
            self._bury("app", app)

    def _browse(self, app: "subprocess.Popen[str]") -> None:
        started, up = time.monotonic(), False
        while app.poll() is None and not self.ended.is_set():
            for path in ("/", "/_stcore/health", "/library"):
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                        answer.read()
                        up = True
                        self.tally.counts["pages of the app"] += 1
                except (OSError, urllib.error.URLError) as error:
                    if app.pid in self.struck or self.ended.is_set() or app.poll() is not None:
                        break
                    if up or time.monotonic() - started > STARTING:
                        self.tally.error(f"the app at {path}: {error}")
            time.sleep(0.3)

    def keep_watching(self) -> None:
        while not self.ended.is_set():
            watcher = self.open_door("watch", "--json")
            assert watcher.stdout
            for line in watcher.stdout:
                self._look_at_event(line, watcher)
            self._bury("watch", watcher)

    def _look_at_event(self, line: str, watcher: "subprocess.Popen[str]") -> None:
        try:
            event = json.loads(line)
        except ValueError:
            if watcher.pid not in self.struck:
                self.tally.error(f"cita watch printed {line!r}")
            return
        self.tally.counts[f"watch: {event['kind']}"] += 1
        if event["kind"] == "problem":
            busy = next((said for said in BUSY if said in event["problem"]), None)
            if busy:
                self.tally.busy[busy] += 1
            else:
                self.tally.error(f"cita watch: {event['problem']}")

    def _bury(self, name: str, process: "subprocess.Popen[str]") -> None:
        """Waits for a door's end, which must have been asked for."""
        asked = process.pid in self.struck or self.ended.is_set()
        try:
            process.communicate(timeout=ENDING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            self.tally.error(f"cita {name} had not ended {ENDING:.0f} s after it was asked to")
        said = (self.base / f"{name}.log").read_text(errors="replace")
        if "Traceback" in said:
            self.tally.error(f"cita {name} wrote: {said[-1500:]}")
        if asked or process.pid in self.struck or self.ended.is_set():
            return
        if busy := next((words for words in BUSY if words in said), None):
            self.tally.busy[busy] += 1
        else:
            self.tally.error(f"cita {name} ended with {process.returncode}: {said[-800:]}")

    # --- who edits, and who kills

    def edit(self) -> None:
        while not self.ended.is_set():
            for _ in range(self.random.randint(1, 3)):
                self.folder.change(1)
                self._keep_versions()
            self.ended.wait(self.random.uniform(0.2, 2.0))

    def _keep_versions(self) -> None:
        for path in [*self.folder.files(), *self.more.iterdir()]:
            self.versions[path.name].add(path.read_bytes())

    def strike(self, number: int) -> None:
        """Ends whoever owns the home."""
        signal_ = SIGNALS[number % len(SIGNALS)]
        until = time.monotonic() + 20.0
        while time.monotonic() < until and not self.ended.is_set():
            if owner := self._owner():
                self.struck[owner.pid] = signal_
                self.last_strike = time.monotonic()
                name = _name(owner)
                with suppress(psutil.NoSuchProcess):
                    owner.send_signal(signal_)
                    self.tally.counts[f"{signal_.name} to {name}"] += 1
                return
            time.sleep(0.1)
        self.tally.counts["no owner to end"] += 1

    def _owner(self) -> psutil.Process | None:
        lock = str(self.home / "index" / "engine.lock")
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error, OSError):
                folder = Path(f"/proc/{process.pid}/fd")
                for handle in folder.iterdir():
                    if (
                        str(handle.readlink()) == lock
                        and "FLOCK" in (folder.parent / "fdinfo" / handle.name).read_text()
                    ):
                        return process
        return None

    # --- all of it

    def soak(self, seconds: float, every: float) -> None:
        self.run("add", *map(str, self.folder.roots))
        self.run("index")
        work: list[Callable[[], None]] = [
            self.keep_app, self.keep_watching, self.edit,
            lambda: self.commands(1, adds=True), lambda: self.commands(2, adds=False),
        ]  # fmt: skip
        threads = [threading.Thread(target=self._guarded, args=(one,)) for one in work]
        for thread in threads:
            thread.start()
        self._wait_for_doors()
        until = time.monotonic() + seconds
        number = 0
        while (left := until - time.monotonic()) > every:
            time.sleep(min(every, left))
            self.strike(number)
            number += 1
        time.sleep(max(0.0, until - time.monotonic()))
        self.ended.set()
        while any(thread.is_alive() for thread in threads):
            for door in self.doors.values():
                door.terminate()
            time.sleep(0.5)
        self._compare()

    def _wait_for_doors(self) -> None:
        until = time.monotonic() + STARTING
        while not (self.tally.counts["pages of the app"] and self.tally.counts["watch: watching"]):
            if time.monotonic() > until:
                self.tally.error(f"after {STARTING:.0f} s: {dict(self.tally.counts)}")
                return
            time.sleep(0.1)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - of this thread nobody else would hear
            self.tally.error(f"the soak itself: {error!r}")

    def _compare(self) -> None:
        """The index against a fresh one, and what was listed against an index of all versions."""
        self.struck.clear()
        self.run("index", "--confirm")
        self._look_at_problems(verified := self.run("verify", "--read-data"))
        if not verified or verified["problems"]:
            self.tally.error(f"at the end: {verified}")
        folders = (self.run("folders") or {"folders": []})["folders"]
        fresh = self._indexed_afresh(
            "fresh", [Path(folder) for folder in folders if Path(folder) != self.home / "library"]
        )
        if paths := nearly_differing(image(self.home / "index"), image(fresh), 1e-5):
            self.tally.error(f"differs from a fresh index in {paths[:5]}")
        versions = self.base / "versions"
        for name, contents in self.versions.items():
            for number, content in enumerate(sorted(contents)):
                (versions / str(number)).mkdir(parents=True, exist_ok=True)
                (versions / str(number) / name).write_bytes(content)
        whole: dict[str, set[int]] = defaultdict(set)
        for path, passages in self._passages_of(versions).items():
            whole[Path(path).name].add(passages)
        for path, passages in sorted(self.listed):
            self.tally.counts["listed states"] += 1
            if passages not in whole[Path(path).name]:
                self.tally.error(f"{path} was listed with {passages} passages; whole it has {whole[Path(path).name]}")

    def _indexed_afresh(self, name: str, folders: Sequence[Path]) -> Path:
        home = self.base / name
        home.mkdir()
        shutil.copytree(self.home / "models", home / "models")
        self.environment["CITA_HOME"] = str(home)
        self.run("add", *map(str, folders))
        self.run("index")
        self.environment["CITA_HOME"] = str(self.home)
        return home / "index"

    def _passages_of(self, folder: Path) -> dict[str, int]:
        """How many passages the files have, by path."""
        settings = Settings.load(self.base / "whole")
        shutil.copytree(self.home / "models", settings.models)
        embedder = ingest.embed.open_embedder(settings)
        ingest.embed.open_embedder = lambda settings: Tokens(embedder)
        with opened(settings) as engine:
            engine.add_folders([folder])
            engine.index()
            return {source.path: source.passages for source in engine.sources()}


class Tokens:
    """An embedder's tokens without its vectors: enough to divide documents into passages."""

    fingerprint = "tokens"

    def __init__(self, embedder: Embedder) -> None:
        self.window, self.offsets = embedder.window, embedder.offsets

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return np.ones((len(texts), 1), np.float32)

    def embed_query(self, text: str) -> Vectors:
        return np.ones(1, np.float32)


def _path() -> str:
    return os.pathsep.join([str(CODE), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        words = process.cmdline()
        return f"cita {words[words.index('cli') + 1]}"
    return "a command"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.soak")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two ends of the owner")
    parser.add_argument("--files", type=int, default=40, help="documents, and as many notes")
    parser.add_argument("--made", action="store_true", help="small files that are made, not the shared ones")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    given = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="cita-soak-"))
    try:
        soak = Soak(base, given.seed, given.files, real=not given.made)
        soak.soak(given.minutes * 60, given.every)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    print("| what | how often |\n|---|---:|")
    for what, number in sorted(soak.tally.counts.items()):
        print(f"| {what} | {number} |")
    for what, number in sorted(soak.tally.busy.items()):
        print(f"| busy: “{what}” | {number} |")
    print(f"| errors | {len(soak.tally.errors)} |\n\n{given.minutes:g} minutes, seed {given.seed}.")
    return 1 if soak.tally.errors else 0


if __name__ == "__main__":
    sys.exit(main())
