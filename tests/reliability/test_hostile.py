"""Hostile files beside good ones in one folder: every file is accounted for, in the same words whichever way it came
in, the good ones are found, and nothing is left behind.

CITA_LONG=1 takes all hostile files instead of a sample.
python -m tests.reliability.test_hostile HOME FOLDER      the engine's side: indexes and prints what became of each file
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import psutil
import pytest

from ingest.embed import Embedder, OnnxEmbedder
from ingest.names import to_text
from tests.conftest import ROOT
from tests.documents import Item, write_docx, write_pdf
from tests.hostile import hostile_files, make_special, sample, write
from ui.drop import store

LONG = "CITA_LONG" in os.environ
SECONDS = 60 if LONG else 20  # for one document, and one more for each of its megabytes
MEMORY = 1.5  # times what the engine takes when its embedder and its language identifier are loaded
NEIGHBOURS = {
    "plover.md": "# Birds\n\nThe plover nests on open ground.\n",
    "quartz.txt": "Quartz is a hard mineral.\n",
    "zwieback.html": "<h1>Bread</h1><p>Zwieback is baked twice.</p>",
}
LIMITS = re.compile(r"took longer|crashed with|needed more than|ended without")
# A shell's way to the command line, but for the embedder.
CITA = (
    "import ingest.embed; from tests.fakes import WordEmbedder; "
    "ingest.embed.open_embedder = lambda settings: WordEmbedder(); import cli; cli.main()"
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="NO FIFOS OR LINKS ON THIS SYSTEM")]


@dataclass(frozen=True)
class Account:
    """What became of the files: path -> (status, reason), the paths that the report has in no or in several places,
    what search found, and what the run took."""

    files: dict[str, tuple[str, str]]
    misplaced: tuple[str, ...]
    found: tuple[str, ...]
    start_mb: float = 0.0
    peak_mb: float = 0.0


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with hostile and good files, and what is no file."""
    folder = tmp_path_factory.mktemp("corpus")
    fill(folder)
    return folder


def fill(folder: Path) -> None:
    files = hostile_files()
    write(folder, files if LONG else sample(files, 60))
    list(make_special(folder, folder.parent / "outside"))
    for name, text in NEIGHBOURS.items():
        (folder / "pdf" / name).write_text(text)
    write_docx(folder / "html" / "laundry.docx")
    write_pdf(folder / "docx" / "notice.pdf", [[Item("p", "The notice period is thirty days.")]])


@pytest.fixture(scope="module")
def scanned(corpus: Path, embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Account:
    return run_engine(tmp_path_factory.mktemp("scan"), corpus, embedder)


def run_engine(base: Path, folder: Path, embedder: Embedder) -> Account:
    assert isinstance(embedder, OnnxEmbedder)
    graphs = base / "home" / "models" / "embedder"
    graphs.mkdir(parents=True)
    (graphs / embedder.graph.name).symlink_to(embedder.graph)
    answer = json.loads(_run(base, sys.executable, "-m", __name__, str(base / "home"), str(folder)))
    files = {path: (status, reason) for path, status, reason in answer.pop("files")}
    return Account(files=files, misplaced=tuple(answer.pop("misplaced")), found=tuple(answer.pop("found")), **answer)


def _run(base: Path, *command: str) -> str:
    """What the command printed. Fails if it leaves a process or a temporary file."""
    temporary = base / "temporary"
    temporary.mkdir(exist_ok=True)
    environment = os.environ | _limits(temporary)
    done = subprocess.run(command, env=environment, cwd=base, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert _processes_in(temporary) == []
    assert list(temporary.iterdir()) == []
    return done.stdout


def _limits(temporary: Path) -> dict[str, str]:
    """The environment of a process under test."""
    paths = os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]])
    return {"CITA_PARSE__SECONDS": str(SECONDS), "TMPDIR": str(temporary), "PYTHONPATH": paths}


def _processes_in(temporary: Path) -> list[str]:
    """Those whose temporary files lie there; those that were just killed have a moment to go."""
    left: list[str] = []
    for _ in range(50):
        left = [" ".join(process.cmdline()) for process in psutil.process_iter() if _temporary_of(process) == temporary]
        if not left:
            break
        time.sleep(0.1)
    return left


def _temporary_of(process: psutil.Process) -> Path | None:
    try:
        return Path(process.environ()["TMPDIR"])
    except (psutil.Error, KeyError):
        return None


def _entries(folder: Path) -> set[str]:
    """Everything in the folder that is no folder, links to folders too, hidden files too."""
    found = set()
    for root, folders, files in os.walk(folder):
        for name in [*files, *(name for name in folders if Path(root, name).is_symlink())]:
            found.add(to_text(Path(root, name).relative_to(folder).as_posix()))
    return found


def _of_files(paths: Collection[str]) -> set[str]:
    """Without the documents inside files: 'mail.eml/offer.pdf'."""
    known = set(paths)
    return {path for path in known if not any(str(above) in known for above in PurePosixPath(path).parents)}


def _same(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """A limit may be reached at one time and not at another, and another limit first."""
    return one == other or bool(LIMITS.search(one[1]) or LIMITS.search(other[1]))


def test_every_file_is_accounted_for_exactly_once_with_a_reason(corpus: Path, scanned: Account) -> None:
    assert _of_files(scanned.files) == _entries(corpus)
    assert scanned.misplaced == ()
    assert [path for path, (status, reason) in scanned.files.items() if status != "indexed" and not reason] == []


def test_a_link_a_pipe_and_a_socket_are_neither_read_nor_followed(scanned: Account) -> None:
    special = {path: status for path, (status, _) in scanned.files.items() if path.startswith("special/")}
    indexed = {path for path, status in special.items() if status == "indexed"}
    assert {Path(path).name for path in indexed} == {"real.md", "hard.md", "inside.md", "down.md"}
    assert special["special/sparse.txt"] == "too-large"


def test_neighbours_of_hostile_files_are_found(scanned: Account) -> None:
    expected = {"pdf/plover.md", "pdf/quartz.txt", "pdf/zwieback.html", "html/laundry.docx", "docx/notice.pdf"}
    assert set(scanned.found) == expected


def test_the_engine_s_own_memory_stays_near_its_start(scanned: Account) -> None:
    assert scanned.peak_mb < MEMORY * scanned.start_mb


def test_an_uploaded_file_has_the_same_account(
    corpus: Path, scanned: Account, embedder: Embedder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.mktemp("upload")
    library = base / "home" / "library"
    names = {}
    for path in sorted(_of_files(scanned.files)):
        file = corpus / path
        if not path.startswith(("special/", "names/")) and file.is_file():
            names[store(library, file.name, file.read_bytes(), 200).path.name] = path
    account = run_engine(base, library, embedder)
    assert _of_files(account.files) == set(names)
    assert account.misplaced == ()
    assert [path for name, path in names.items() if not _same(account.files[name], scanned.files[path])] == []


def test_a_name_dropped_from_anywhere_is_kept_indexed_and_found_in_the_library(
    embedder: Embedder, tmp_path: Path
) -> None:
    library = tmp_path / "home" / "library"
    names = [file for file in hostile_files() if file.path.startswith("names/") and file.path.endswith(".md")]
    stored = {store(library, file.path.removeprefix("names/"), file.content(), 1).path.name for file in names}
    account = run_engine(tmp_path, library, embedder)
    assert set(account.files) == stored
    assert Counter(status for status, _ in account.files.values())["indexed"] > 0.9 * len(stored)


def test_the_command_line_gives_the_same_account(
    corpus: Path, scanned: Account, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.mktemp("cli")

    def cita(*words: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(
            _run(base, sys.executable, "-c", CITA, "--home", str(base / "home"), *words, "--json")
        )
        return answer

    cita("add", str(corpus))
    report = cita("index")
    sources = {source["path"]: (source["status"], source["reason"]) for source in cita("list")["sources"]}
    assert _misplaced(sources, report) == []
    told = {entry["path"]: entry["reason"] for entry in (*report["skipped"], *report["failed"])}
    files = {path: ("skipped", reason) for path, reason in told.items()} | sources
    assert set(files) == set(scanned.files)
    assert [path for path, account in files.items() if not _same(account, scanned.files[path])] == []
    assert cita("search", "zwieback")["passages"][0]["source"] == "pdf/zwieback.html"


def test_files_that_come_while_it_watches_get_the_same_account(
    scanned: Account, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.mktemp("watch")
    folder = base / "corpus"
    folder.mkdir()
    home = str(base / "home")
    _run(base, sys.executable, "-c", CITA, "--home", home, "add", str(folder))
    command = [sys.executable, "-c", CITA, "--home", home, "watch", "--json"]
    environment = os.environ | _limits(base / "temporary")
    files: dict[str, tuple[str, str]] = {}
    with subprocess.Popen(command, env=environment, cwd=base, stdout=subprocess.PIPE, text=True) as watcher:
        deadline = threading.Timer(500, watcher.kill)
        deadline.start()
        assert watcher.stdout is not None
        assert json.loads(watcher.stdout.readline())["kind"] == "watching"
        fill(folder)
        for line in watcher.stdout:
            event = json.loads(line)
            assert event["kind"] == "indexed", event
            files |= {entry["path"]: ("skipped", entry["reason"]) for entry in event["report"]["skipped"]}
            listed = json.loads(_run_beside(base, "list", "--json"))["sources"]
            files |= {source["path"]: (source["status"], source["reason"]) for source in listed}
            if set(files) >= set(scanned.files):
                break
        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(60) == 0
        deadline.cancel()
    assert set(files) == set(scanned.files)
    assert [path for path, account in files.items() if not _same(account, scanned.files[path])] == []
    assert _processes_in(base / "temporary") == []
    assert list((base / "temporary").iterdir()) == []


def _run_beside(base: Path, *words: str) -> str:
    """A command while another door owns the home."""
    command = [sys.executable, "-c", CITA, "--home", str(base / "home"), *words]
    return subprocess.run(
        command, env=os.environ | _limits(base / "temporary"), cwd=base, capture_output=True, text=True, check=True
    ).stdout


# The engine's side


def main(home: str, folder: str) -> None:
    import ingest.embed
    import ingest.languages
    from engine import open_engine
    from ingest.analyse import detect_language
    from settings import Settings
    from tests.fakes import WordEmbedder

    settings = Settings.load(home)
    loaded = ingest.embed.open_embedder(settings)  # its memory counts; its time would be another test's
    loaded.embed_passages(["What an engine at work has in memory. " * 20] * settings.embed.batch)
    # Unpacked, so that all of it is in memory now: of the mapped one more comes in with each language that is met.
    ingest.languages.LAID_OUT = Path(home)
    detect_language("lorem ipsum dolor sit amet consectetur")  # loads its model
    ingest.embed.open_embedder = lambda settings: WordEmbedder()
    engine = open_engine(settings)
    if Path(folder) != Path(home, "library"):
        engine.add_folders([Path(folder)])
    with _Memory() as memory:
        report = asdict(engine.index())
    sources = {source.path: (source.status, source.reason) for source in engine.sources()}
    told = {entry["path"]: ("skipped", entry["reason"]) for entry in report["skipped"]}
    words = ("plover", "quartz", "zwieback", "laundry", "notice")
    hits = [engine.search(word, 1).hits for word in words]
    found = [hit.passage.path for first in hits for hit in first]
    engine.close()
    assert not psutil.Process().children(recursive=True)
    files = [(path, *account) for path, account in (told | sources).items()]
    answer = {"files": files, "misplaced": _misplaced(sources, report), "found": found}
    print(json.dumps(answer | {"start_mb": memory.start / 1e6, "peak_mb": memory.peak / 1e6}))


def _misplaced(sources: dict[str, tuple[str, str]], report: dict[str, Any]) -> list[str]:
    """The paths that the report does not have exactly once: in a list, or in a count of what is indexed."""
    listed = Counter(entry["path"] for entry in (*report["skipped"], *report["failed"]))
    indexed = {path for path, (status, _) in sources.items() if status == "indexed"}
    wrong = [path for path, count in listed.items() if count > 1 or path in indexed]
    wrong += [path for path in sources if path not in indexed and path not in listed]
    counted = sum(report[name] for name in ("added", "changed", "renamed", "unchanged"))
    return wrong if counted == len(indexed) else [*wrong, f"{counted} counted, {len(indexed)} indexed"]


class _Memory:
    """What this process alone occupies, without the workers that parse: at first, and at most."""

    def __enter__(self) -> "_Memory":
        self._process = psutil.Process()
        self.start = self.peak = self._process.memory_info().rss
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self.peak = max(self.peak, self._process.memory_info().rss)

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
