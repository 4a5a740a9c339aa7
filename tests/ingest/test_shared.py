"""Small documents that one worker reads one after the other: each of them costs no other one anything."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from errors import CitaError, EncryptedError, EngineClosedError, ParseError, ParserDiedError
from ingest import shared
from ingest.isolate import Isolator
from ingest.parse import FORMATS, is_pure, parse
from settings import Parse
from tests.documents import Item, write_pdf
from tests.processes import have_ended

TASKS = "tests.ingest.worker_tasks"
LOOSE = ("namespace", "limits")  # enough for a task that misbehaves to start processes, and to report by a pipe

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="NO FORK ON THIS SYSTEM")


@pytest.fixture
def worker() -> Iterator[Isolator]:
    with Isolator(Parse(seconds=2, memory_mb=512), TASKS) as isolator:
        yield isolator


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text("Text.")
    return path


def process_of(worker: Isolator, file: Path) -> int:
    return int(worker.run("echo", file, shared=True).split()[0])


@pytest.fixture
def parsers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Isolator]:
    """One whose `alone` counts the documents that had a process of their own."""
    with Isolator(Parse()) as isolator:
        run = isolator._run
        isolator.alone = 0  # type: ignore[attr-defined]

        def counted(request: object) -> bytes:
            isolator.alone += 1  # type: ignore[attr-defined]
            return run(request)  # type: ignore[arg-type]

        monkeypatch.setattr(isolator, "_run", counted)
        yield isolator


def test_one_process_reads_many_documents_as_each_parser_would(parsers: Isolator, tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / f"{number}.md"
        path.write_text(f"# Note {number}\n\nWords of a ñandú.\n\n```\ncode\n```\n")
        assert parsers.parse(path) == parse(path)
    (tmp_path / "b.txt").write_bytes("Año.\n\nPáramo.".encode("latin-1"))
    assert parsers.parse(tmp_path / "b.txt") == parse(tmp_path / "b.txt")
    assert parsers.alone == 0  # type: ignore[attr-defined]


def test_what_needs_a_library_in_c_has_a_process_of_its_own(parsers: Isolator, tmp_path: Path) -> None:
    note = tmp_path / "a.md"
    note.write_text("Before.\n\n<table><tr><td>Cell</td><td>Other</td></tr></table>\n\nAfter.\n")
    disguised = write_pdf(tmp_path / "a.pdf", [[Item("p", "Words of a page.")]]).rename(tmp_path / "b.txt")
    for number, path in enumerate((note, disguised), start=1):
        assert parsers.parse(path) == parse(path)
        assert parsers.alone == number  # type: ignore[attr-defined]
    (tmp_path / "c.txt").write_text("Words.")
    assert parsers.parse(tmp_path / "c.txt") == parse(tmp_path / "c.txt")
    assert parsers.alone == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("suffix", [suffix for one in FORMATS if one.pure for suffix in one.suffixes[:1]])
def test_parsers_in_python_need_no_library_in_c(parsers: Isolator, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    notebook = '{"cells": [{"cell_type": "markdown", "source": ["# Words"]}], "nodes": [], "metadata": {}, "edges": []}'
    path.write_text(
        notebook if suffix in (".ipynb", ".canvas", ".json") else "Title\n=====\n\nSome words: of a text.\n"
    )
    try:
        assert parsers.parse(path) == parse(path)
    except ParseError as error:
        with pytest.raises(ParseError, match=error.message[:20]):
            parse(path)
    assert parsers.alone == 0  # type: ignore[attr-defined]


def test_only_parsers_in_python_share_a_process() -> None:
    pure = {suffix for suffix in (".md", ".txt", ".py", ".json", ".org") if is_pure(Path(f"a{suffix}"))}
    assert len(pure) == 5
    assert not any(is_pure(Path(f"a{suffix}")) for suffix in (".pdf", ".html", ".docx", ".png", ".eml", ".zip", ""))


def test_a_document_that_is_large_a_link_or_no_file_is_not_shared(worker: Isolator, tmp_path: Path) -> None:
    (tmp_path / "large.txt").write_bytes(bytes(shared.MAX_BYTES + 1))
    (tmp_path / "link.txt").symlink_to(tmp_path / "large.txt")
    os.mkfifo(tmp_path / "fifo.txt")
    for name in ("large.txt", "link.txt", "fifo.txt", "gone.txt"):
        assert shared.small_file(tmp_path / name) is None
    first = process_of(worker, tmp_path / "large.txt")
    assert process_of(worker, tmp_path / "large.txt") != first


def test_a_task_s_error_comes_back_and_the_worker_goes_on(worker: Isolator, file: Path) -> None:
    first = process_of(worker, file)
    with pytest.raises(EncryptedError, match="locked") as raised:
        worker.run("refuse", file, shared=True)
    assert raised.value.hint == "Find the key."
    with pytest.raises(ParseError, match="ZeroDivisionError: by the parser"):
        worker.run("fail", file, shared=True)
    assert process_of(worker, file) == first


def test_a_crash_costs_one_document_and_is_named(worker: Isolator, file: Path) -> None:
    first = process_of(worker, file)
    with pytest.raises(ParserDiedError, match=f"crashed with signal {signal.SIGSEGV:d}"):
        worker.run("crash", file, shared=True)
    with pytest.raises(ParserDiedError, match="exit 3"):
        worker.run("leave", file, shared=True)
    assert process_of(worker, file) != first


def test_what_stumbles_over_an_earlier_document_is_read_alone(worker: Isolator, file: Path) -> None:
    assert worker.run("stain", file, shared=True) == b"done"
    assert worker.run("stumble", file, shared=True) == b"clean"


@pytest.mark.skipif(sys.platform != "linux", reason="MEMORY IS LIMITED ON LINUX ONLY")
def test_too_much_memory_is_refused_and_a_worker_that_grew_ends(worker: Isolator, file: Path) -> None:
    first = process_of(worker, file)
    with pytest.raises(ParserDiedError, match="more than 512 MB"):
        worker.run("allocate", file, shared=True, megabytes=600)
    second = process_of(worker, file)
    assert second != first
    assert worker.run("allocate", file, shared=True, megabytes=200) == b"\0"
    assert process_of(worker, file) != second


def test_a_parser_that_hangs_is_killed_with_all_it_started(file: Path, tmp_path: Path) -> None:
    with Isolator(Parse(seconds=1, memory_mb=512), TASKS, layers=LOOSE) as loose:
        first = process_of(loose, file)
        thread, found, pids = _hanging(loose, file, tmp_path / "report")
        assert pids[0] == first
        thread.join(20)
        assert "took longer than 1 s" in str(found[0])
        assert have_ended(pids)
        assert process_of(loose, file) != first


def test_closing_ends_what_still_runs(file: Path, tmp_path: Path) -> None:
    isolator = Isolator(Parse(seconds=300), TASKS, layers=LOOSE)
    thread, found, pids = _hanging(isolator, file, tmp_path / "report")
    isolator.close()
    thread.join(10)
    assert isinstance(found[0], EngineClosedError)  # nothing that is said of the document
    assert have_ended(pids)


def test_closing_ends_what_waits_and_leaves_nothing(file: Path, tmp_path: Path) -> None:
    before = psutil.Process().num_fds()
    isolator = Isolator(Parse(), TASKS, temporary=tmp_path / "tmp")
    process = process_of(isolator, file)
    assert len(worker_files := list((tmp_path / "tmp").iterdir())) == 1
    assert list(worker_files[0].iterdir()) == []  # its document is gone as soon as it is read
    isolator.close()
    assert have_ended([process])
    assert list((tmp_path / "tmp").iterdir()) == []
    assert psutil.Process().num_fds() == before


def test_a_worker_that_was_killed_while_it_waited_costs_nothing(worker: Isolator, file: Path) -> None:
    first = process_of(worker, file)
    os.kill(first, signal.SIGKILL)
    assert have_ended([first])
    assert process_of(worker, file) != first


def test_without_a_fork_each_document_has_a_process(file: Path) -> None:
    with Isolator(Parse(), TASKS, fork=False) as isolator:
        assert process_of(isolator, file) != process_of(isolator, file)


@pytest.mark.skipif(sys.platform != "linux", reason="THESE LAYERS ARE LINUX'S")
def test_a_worker_reads_no_file_of_the_library_and_nothing_of_the_documents_before(
    worker: Isolator, file: Path
) -> None:
    beside = file.with_name("beside.txt")
    beside.write_text("Another's.")
    for target in (file, beside):
        with pytest.raises(ParseError, match="PermissionError"):
            worker.run("read", file, shared=True, target=str(target))
    with pytest.raises(ParseError, match="PermissionError"):
        worker.run("connect", file, shared=True, port=9)
    folder = Path(worker.run("echo", file, shared=True).decode().split()[3]).parent
    assert folder != file.parent
    assert worker.run("look_around", beside, shared=True, target=str(folder)) == b"beside.txt"


def _hanging(isolator: Isolator, file: Path, report: Path) -> tuple[threading.Thread, list[BaseException], list[int]]:
    found: list[BaseException] = []

    def run() -> None:
        try:
            isolator.run("hang", file, shared=True, report=str(report))
        except CitaError as error:
            found.append(error)

    os.mkfifo(report)
    thread = threading.Thread(target=run)
    thread.start()
    return thread, found, [int(pid) for pid in report.read_text().split()]
