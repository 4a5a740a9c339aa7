import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

import ingest.isolate
from errors import (
    CitaError,
    EncryptedError,
    EngineClosedError,
    ParseError,
    ParserDiedError,
    TooLargeError,
    UnsupportedError,
    UsageError,
)
from ingest.isolate import Isolator
from ingest.parse import parse
from settings import Parse
from tests.conftest import ROOT, shared_data
from tests.documents import HTML, MARKDOWN, Item, write_docx, write_pdf
from tests.processes import have_ended

TASKS = "tests.ingest.worker_tasks"
# Enough for a task that misbehaves to start processes, and to report to the test by a pipe.
LOOSE = ("namespace", "limits")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="NO FORK ON THIS SYSTEM")


@pytest.fixture(scope="module")
def parsers() -> Iterator[Isolator]:
    with Isolator(Parse()) as isolator:
        yield isolator


@pytest.fixture(scope="module", params=[True, False], ids=["forked", "spawned"])
def tasks(request: pytest.FixtureRequest) -> Iterator[Isolator]:
    with Isolator(Parse(seconds=20, memory_mb=512), TASKS, fork=request.param) as isolator:
        yield isolator


@pytest.fixture
def forked() -> Iterator[Isolator]:
    with Isolator(Parse(seconds=1, memory_mb=512), TASKS) as isolator:
        yield isolator


@pytest.fixture
def loose() -> Iterator[Isolator]:
    with Isolator(Parse(seconds=1, memory_mb=512), TASKS, layers=LOOSE) as isolator:
        yield isolator


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text("Text.")
    return path


def test_a_document_comes_back_as_the_parser_made_it(parsers: Isolator, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(MARKDOWN)
    (tmp_path / "a.html").write_text(HTML)
    paths = [tmp_path / "a.md", tmp_path / "a.html", write_docx(tmp_path / "a.docx")]
    page = [Item("h1", "Head"), Item("p", "Words of a ñandú.")]
    paths.append(write_pdf(tmp_path / "a.pdf", [page], outline=[(0, "Head", 1)]))
    for path in paths:
        assert parsers.parse(path) == parse(path)


def test_a_page_is_rendered_in_a_worker(parsers: Isolator, tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [[Item("p", "Words.")]])
    span = parse(path).blocks[0].span
    assert span is not None
    assert parsers.render_page(path, 1, ["Words."], [span], 1.0).startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="no page 7"):
        parsers.render_page(path, 7)
    with pytest.raises(UnsupportedError, match="no pages"):
        parsers.render_page(write_docx(tmp_path / "a.docx"), 1)


def test_a_parser_s_error_comes_back_with_message_and_hint(parsers: Isolator, tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [[Item("p", "Words.")]], user_password="secret")
    with pytest.raises(EncryptedError, match="password") as raised:
        parsers.parse(path)
    assert "without the password" in raised.value.hint
    with pytest.raises(ParseError, match="cannot be read"):
        parsers.parse(tmp_path / "gone.txt")


def test_a_file_over_the_size_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.txt"
    path.write_bytes(b"word " * 300_000)
    with Isolator(Parse(max_file_mb=1)) as isolator, pytest.raises(TooLargeError, match="1 MB are allowed"):
        isolator.parse(path)


def test_a_fifo_does_not_hold_anything_up(parsers: Isolator, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(ParseError, match="not a regular file"):
        parsers.parse(tmp_path / "pipe.txt")


def test_a_task_s_error_keeps_its_class(tasks: Isolator, file: Path) -> None:
    with pytest.raises(EncryptedError, match="locked") as raised:
        tasks.run("refuse", file)
    assert raised.value.hint == "Find the key."


def test_an_error_of_a_library_is_a_parse_error_that_quotes_it(tasks: Isolator, file: Path) -> None:
    with pytest.raises(ParseError, match="ZeroDivisionError: by the parser"):
        tasks.run("fail", file)


def test_a_crash_is_named(tasks: Isolator, file: Path) -> None:
    with pytest.raises(ParserDiedError, match=f"crashed with signal {signal.SIGSEGV:d}"):
        tasks.run("crash", file)


def test_an_exit_without_an_answer_is_named(tasks: Isolator, file: Path) -> None:
    with pytest.raises(ParserDiedError, match="exit 3"):
        tasks.run("leave", file)


@pytest.mark.skipif(sys.platform != "linux", reason="MEMORY IS LIMITED ON LINUX ONLY")
def test_too_much_memory_is_refused_and_enough_is_not(tasks: Isolator, file: Path) -> None:
    with pytest.raises(ParserDiedError, match="more than 512 MB"):
        tasks.run("allocate", file, megabytes=600)
    assert tasks.run("allocate", file, megabytes=300) == b"\0"


@pytest.mark.slow
def test_endless_work_is_stopped_by_its_processor_time_too(file: Path) -> None:
    # A process spawned for one document may take 30 s longer by the clock, as it has to import libraries.
    with (
        Isolator(Parse(seconds=1), TASKS, fork=False) as isolator,
        pytest.raises(ParserDiedError, match="took longer than 1 s"),
    ):
        isolator.run("spend", file)


def test_the_time_limit_grows_with_the_file_up_to_ten_minutes(forked: Isolator, tmp_path: Path) -> None:
    def seconds(megabytes: int, isolator: Isolator = forked) -> float:
        path = tmp_path / "sparse.txt"
        with path.open("wb") as file:
            file.truncate(megabytes * 1_000_000)
        # What the worker was given of processor time is the limit by the clock and five seconds.
        return int(isolator.run("processor_seconds", path)) - 5

    assert [seconds(megabytes) for megabytes in (0, 10, 5000)] == pytest.approx([1, 11, 600], abs=1)
    with Isolator(Parse(seconds=900), TASKS) as patient:
        assert seconds(5000, patient) == pytest.approx(900, abs=1)


def test_a_document_with_too_much_text_is_too_large(parsers: Isolator, tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("word " * 10_100_000)
    with pytest.raises(TooLargeError, match="50,000,000 are allowed"):
        parsers.parse(path)


def test_what_a_parser_prints_is_not_its_answer(tasks: Isolator, file: Path) -> None:
    assert tasks.run("babble", file, bytes=3_000_000) == bytes(3_000_000)


def test_an_endless_answer_is_cut_off(forked: Isolator, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest.isolate, "MAX_ANSWER", 1_000_000)
    with pytest.raises(ParserDiedError, match="longer than 1 MB"):
        forked.run("babble", file, bytes=20_000_000)


def test_a_parser_sees_none_of_the_user_s_environment(
    forked: Isolator, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITA_SECRET", "x")
    assert "CITA_SECRET" not in forked.run("environment", file).decode().split()


def _hang(isolator: Isolator, file: Path, report: Path, found: list[BaseException]) -> threading.Thread:
    def run() -> None:
        try:
            isolator.run("hang", file, report=str(report))
        except CitaError as error:
            found.append(error)

    os.mkfifo(report)
    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_parser_that_hangs_is_killed_with_all_it_started(loose: Isolator, file: Path, tmp_path: Path) -> None:
    found: list[BaseException] = []
    start = time.monotonic()
    thread = _hang(loose, file, tmp_path / "report", found)
    pids = [int(pid) for pid in (tmp_path / "report").read_text().split()]
    thread.join(20)
    assert "took longer than 1 s" in str(found[0])
    assert time.monotonic() - start < 15
    assert have_ended(pids)


def test_closing_ends_what_still_runs(file: Path, tmp_path: Path) -> None:
    isolator = Isolator(Parse(seconds=300), TASKS, layers=LOOSE)
    found: list[BaseException] = []
    thread = _hang(isolator, file, tmp_path / "report", found)
    pids = [int(pid) for pid in (tmp_path / "report").read_text().split()]
    isolator.close()
    thread.join(10)
    assert isinstance(found[0], EngineClosedError)  # nothing that is said of the document
    assert have_ended(pids)
    isolator.close()


def test_the_death_of_this_process_ends_helper_and_children(file: Path, tmp_path: Path) -> None:
    report = tmp_path / "report"
    os.mkfifo(report)
    code = (
        "import sys; from pathlib import Path; from ingest.isolate import Isolator; from settings import Parse;"
        f"Isolator(Parse(seconds=300), {TASKS!r}, layers={LOOSE}).run('hang', Path(sys.argv[1]), report=sys.argv[2])"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(file), str(report)], cwd=ROOT)
    pids = [int(pid) for pid in report.read_text().split()]
    helpers = [child.pid for child in psutil.Process(owner.pid).children()]
    owner.kill()
    owner.wait()
    assert helpers
    assert have_ended([*helpers, *pids])


def test_a_helper_that_dies_is_replaced(loose: Isolator, file: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    first = loose.run("echo", file).split()[1]
    # Such a worker may write no file, but remove one: it kills its helper once, and lives the second time.
    assert loose.run("kill_helper", file, marker=str(marker), always=False) == b"lived"
    assert loose.run("echo", file).split()[1] != first


def test_a_document_that_kills_the_helper_twice_is_given_up(loose: Isolator, file: Path, tmp_path: Path) -> None:
    (tmp_path / "marker").touch()
    with pytest.raises(ParserDiedError, match="helper process ended"):
        loose.run("kill_helper", file, marker=str(tmp_path / "marker"), always=True)
    assert loose.run("echo", file)


def test_each_document_has_a_process_of_its_own_from_one_warm_helper(forked: Isolator, file: Path) -> None:
    answers = [forked.run("echo", file).decode().split() for _ in range(3)]
    assert len({pid for pid, *_ in answers}) == 3
    assert len({helper for _, helper, *_ in answers}) == 1
    assert [int(warmed) for _, _, warmed, _ in answers] == [1, 2, 3]


@pytest.mark.parametrize("module", ["ingest.isolate", "ingest.parse.tasks", "ingest.chroma"])
def test_a_helper_starts_without_the_settings(module: str) -> None:
    """Their library takes longer to import than most of what a helper needs."""
    code = f"import sys, {module}; sys.exit('pydantic_settings' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_library_that_cannot_be_imported_does_not_end_the_helper(forked: Isolator, tmp_path: Path) -> None:
    path = tmp_path / "unwarmable.txt"
    path.touch()
    assert forked.run("echo", path)
    assert forked.run("echo", path)


def test_threads_share_a_helper_and_never_each_other_s_answers(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.txt" for number in range(60)]
    for path in paths:
        path.touch()
    with Isolator(Parse(), TASKS) as isolator, ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda path: isolator.run("echo", path).decode().split()[3], paths))
    assert answers == [str(path) for path in paths]


def test_a_slow_document_does_not_hold_up_others(loose: Isolator, file: Path, tmp_path: Path) -> None:
    found: list[BaseException] = []
    thread = _hang(loose, file, tmp_path / "report", found)
    (tmp_path / "report").read_text()
    assert loose.run("echo", file)
    assert not found
    thread.join(20)
    assert found


def test_a_temporary_folder_is_private_and_gone_with_its_document(file: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "index" / "tmp"
    with Isolator(Parse(), TASKS, temporary=temporary) as isolator:
        folder, mode = isolator.run("use_temporary_folder", file).decode().split()
        assert (Path(folder).parent, mode) == (temporary, "0o700")
        assert list(temporary.iterdir()) == []
        assert isolator.run("use_temporary_folder", file).decode().split()[0] != folder
    assert temporary.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("end", ["hang_there", "crash_there"])
def test_a_temporary_folder_is_gone_when_the_parser_is_killed(file: Path, tmp_path: Path, end: str) -> None:
    with Isolator(Parse(seconds=1), TASKS, temporary=tmp_path / "tmp") as isolator:
        with pytest.raises(ParserDiedError):
            isolator.run(end, file)
        assert list((tmp_path / "tmp").iterdir()) == []


def test_folders_too_deep_for_a_path_and_without_rights_are_removed_too(file: Path, tmp_path: Path) -> None:
    with Isolator(Parse(), TASKS, temporary=tmp_path / "tmp") as isolator:
        assert isolator.run("dig", file, depth=3000) == b"3000"
        assert list((tmp_path / "tmp").iterdir()) == []


def test_what_a_killed_process_left_is_wiped_and_nothing_else(tmp_path: Path) -> None:
    with Isolator(Parse(), TASKS, temporary=tmp_path):
        pass
    (tmp_path / "cita-abc" / "deep").mkdir(parents=True)
    (tmp_path / "cita-abc" / "deep" / "page.png").touch()
    (tmp_path / "else").touch()
    (tmp_path / "cita-abc" / "link").symlink_to(tmp_path)
    Isolator(Parse(), TASKS, temporary=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["else"]


def test_no_room_for_a_temporary_folder_is_not_the_document_s_fault(file: Path, tmp_path: Path) -> None:
    (tmp_path / "full").touch()
    with Isolator(Parse(), TASKS, temporary=tmp_path / "full") as isolator:
        with pytest.raises(CitaError, match="No folder can be made") as raised:
            isolator.run("echo", file)
        assert not isinstance(raised.value, ParseError)


def test_no_descriptors_are_left_behind(forked: Isolator, file: Path) -> None:
    # A worker has its answer's pipe and those of standard input, output and error.
    assert len(forked.run("descriptors", file).split()) == 4
    before = psutil.Process().num_fds()
    for _ in range(20):
        forked.run("echo", file)
    with pytest.raises(ParserDiedError):
        forked.run("crash", file)
    assert psutil.Process().num_fds() == before


def test_every_shared_document_ends_as_a_document_or_a_reason() -> None:
    folder = shared_data("documents")
    kinds = (".pdf", ".docx", ".html", ".md", ".txt")
    files = sorted(path for path in folder.rglob("*") if path.suffix in kinds and path.stat().st_size < 200_000)
    sample = files[:: max(1, len(files) // 80)]
    read, unread = [], []
    with Isolator(Parse(seconds=20, memory_mb=2048)) as isolator:
        for path in sample:
            try:
                read.append(isolator.parse(path))
            except ParseError as error:
                unread.append(error)
    assert len(read) > len(sample) / 2
    assert all(error.message for error in unread)
