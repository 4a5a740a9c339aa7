"""Each layer bites: tried in a real worker as a parser taken over by its document would, alone and with the others."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from errors import ParseError, ParserDiedError
from ingest import confine
from ingest.confine import LAYERS
from ingest.isolate import Isolator
from settings import CODE, Parse

TASKS = "tests.ingest.worker_tasks"
ALL = ",".join(LAYERS)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="THESE LAYERS ARE LINUX'S")

LANDLOCK = confine._landlock_version() if sys.platform == "linux" else 0


def has_namespaces() -> bool:
    code = "import sys; from ingest.confine import cut_network; sys.exit(not cut_network())"
    return subprocess.run([sys.executable, "-c", code], cwd=CODE, check=False).returncode == 0


@pytest.fixture(scope="module")
def workers() -> Iterator[dict[str, Isolator]]:
    started: dict[str, Isolator] = {}
    yield started
    for isolator in started.values():
        isolator.close()


@pytest.fixture
def worker(request: pytest.FixtureRequest, workers: dict[str, Isolator]) -> Isolator:
    """Workers with the layers that the test names. Skips the test where the system lacks one that is alone."""
    layers = request.param
    if layers == "namespace" and not has_namespaces():
        pytest.skip("THIS SYSTEM ALLOWS NO NETWORK NAMESPACES")
    if layers == "landlock" and not LANDLOCK:
        pytest.skip("THIS KERNEL HAS NO LANDLOCK")
    if layers == "seccomp" and os.uname().machine not in confine._PROCESSORS:
        pytest.skip(f"NO SECCOMP FILTER IS WRITTEN FOR {os.uname().machine}")
    if layers not in workers:
        workers[layers] = Isolator(Parse(seconds=20, memory_mb=512), TASKS, layers=layers.split(","))
    return workers[layers]


def with_layers(*layers: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("worker", layers, indirect=True, ids=lambda names: "all" if names == ALL else names)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text("Text.")
    return path


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    path = tmp_path / "beside.txt"
    path.write_text("Another's.")
    return path


def refused(worker: Isolator, task: str, file: Path, error: str = "PermissionError", **arguments: object) -> bool:
    """Whether the worker was refused. Any other end than the answer "done" or this error fails the test."""
    try:
        answer = worker.run(task, file, **arguments)
    except ParseError as raised:
        if not re.search(error, raised.message):
            raise
        return True
    assert answer == b"done"
    return False


# Files


@with_layers("landlock", ALL)
def test_a_worker_reads_its_document_and_no_other_file(worker: Isolator, file: Path, beside: Path) -> None:
    key = Path.home() / ".ssh" / "id_ed25519"
    key.parent.mkdir(exist_ok=True)
    key.write_text("secret")
    assert worker.run("read", file, target=str(file)) == b"Text."
    assert refused(worker, "read", file, target=str(beside))
    assert refused(worker, "read", file, target=str(key))
    assert refused(worker, "read", file, target=f"/proc/self/root{beside}")
    assert refused(worker, "read", file, target=f"/proc/{os.getpid()}/environ")
    assert refused(worker, "look_around", file, target=str(file.parent))
    for private in ("/etc/shadow", str(CODE / "README.md")):
        assert refused(worker, "read", file, target=private)


@with_layers("landlock", ALL)
def test_a_link_beside_a_document_leads_nowhere(worker: Isolator, file: Path, beside: Path) -> None:
    link = file.with_name("link.txt")
    link.symlink_to(beside)
    assert refused(worker, "read", file, target=str(link))


@with_layers("landlock", ALL)
def test_the_default_home_beside_the_code_is_not_readable(worker: Isolator, file: Path) -> None:
    assert refused(worker, "look_around", file, target=str(CODE / "data"))


@with_layers("landlock", ALL)
def test_a_worker_writes_removes_and_truncates_nothing(worker: Isolator, file: Path, beside: Path) -> None:
    assert refused(worker, "write", file, target=str(beside))
    assert refused(worker, "write", file, target=str(file))
    assert refused(worker, "write", file, target=str(file.with_name("new.txt")))
    assert refused(worker, "make_folder", file, target=str(file.with_name("new")))
    assert refused(worker, "remove", file, target=str(file))
    if LANDLOCK >= 3 or "seccomp" in worker._layers:  # a string: the names with commas between
        assert refused(worker, "truncate", file, target=str(beside))
    assert (file.read_text(), beside.read_text()) == ("Text.", "Another's.")
    assert {path.name for path in file.parent.iterdir()} == {"a.txt", "beside.txt"}


@with_layers("limits")
def test_without_landlock_a_worker_writes_no_byte(worker: Isolator, file: Path) -> None:
    new = file.with_name("new.txt")
    assert refused(worker, "write", file, "OSError", target=str(new))
    assert not new.exists() or not new.read_bytes()


@with_layers(ALL)
def test_a_temporary_file_has_a_limit_too(worker: Isolator, file: Path) -> None:
    if not LANDLOCK:
        pytest.skip("THIS KERNEL HAS NO LANDLOCK")
    assert not refused(worker, "fill", file, megabytes=400)
    assert refused(worker, "fill", file, "OSError", megabytes=600)


@with_layers("seccomp", ALL)
def test_rights_and_times_of_a_file_cannot_be_changed(worker: Isolator, file: Path) -> None:
    before = file.stat()
    assert refused(worker, "open_up", file, target=str(file))
    assert refused(worker, "set_times", file, target=str(file))
    assert file.stat() == before


# Network


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@with_layers("limits")
def test_a_worker_without_these_layers_reaches_the_network(worker: Isolator, file: Path, port: int) -> None:
    """Or the tests below would prove nothing."""
    assert not refused(worker, "connect", file, port=port)
    assert not refused(worker, "send_datagram", file, port=port)


@with_layers("namespace", "landlock", "seccomp", ALL)
def test_a_worker_connects_to_nothing(worker: Isolator, file: Path, port: int) -> None:
    if worker._layers == "landlock" and LANDLOCK < 4:
        pytest.skip("THIS KERNEL'S LANDLOCK DOES NOT KNOW TCP")
    assert refused(worker, "connect", file, r"PermissionError|OSError: \[Errno 101\]", port=port)


@with_layers("namespace", "seccomp", ALL)
def test_a_worker_sends_nothing(worker: Isolator, file: Path, port: int) -> None:
    assert refused(worker, "send_datagram", file, r"PermissionError|OSError: \[Errno 101\]", port=port)


@with_layers("seccomp", ALL)
def test_a_worker_reaches_no_program_by_a_local_socket(worker: Isolator, file: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        server.listen()
        assert refused(worker, "connect_locally", file, address=str(tmp_path / "socket"))


@with_layers("namespace", "landlock", "seccomp", ALL)
def test_a_worker_reaches_no_program_by_an_abstract_socket(worker: Isolator, file: Path) -> None:
    if worker._layers == "landlock" and LANDLOCK < 6:
        pytest.skip("THIS KERNEL'S LANDLOCK DOES NOT KNOW ABSTRACT SOCKETS")
    name = f"\0cita-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        assert refused(worker, "connect_locally", file, "PermissionError|ConnectionRefused", address=name)


# Processes


@pytest.fixture
def neighbour() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


@with_layers("seccomp", ALL)
def test_a_worker_starts_no_process(worker: Isolator, file: Path) -> None:
    assert refused(worker, "fork", file, times=1000)
    assert refused(worker, "execute", file)


@with_layers("landlock")
def test_a_worker_runs_no_program(worker: Isolator, file: Path) -> None:
    assert refused(worker, "execute", file)


@with_layers(ALL)
def test_a_worker_has_threads(worker: Isolator, file: Path) -> None:
    assert worker.run("start_thread", file) == b"done"


@with_layers("limits")
def test_a_worker_without_these_layers_kills(worker: Isolator, file: Path, neighbour: subprocess.Popen[bytes]) -> None:
    assert not refused(worker, "kill", file, pid=neighbour.pid)
    assert neighbour.wait(5) == -signal.SIGTERM


@with_layers("landlock", "seccomp", ALL)
def test_a_worker_kills_nobody(worker: Isolator, file: Path, neighbour: subprocess.Popen[bytes]) -> None:
    if worker._layers == "landlock" and LANDLOCK < 6:
        pytest.skip("THIS KERNEL'S LANDLOCK DOES NOT KNOW SIGNALS")
    assert refused(worker, "kill", file, pid=neighbour.pid)
    time.sleep(0.1)
    assert neighbour.poll() is None


@with_layers("landlock", "seccomp", ALL)
def test_a_worker_traces_nobody(worker: Isolator, file: Path, neighbour: subprocess.Popen[bytes]) -> None:
    assert refused(worker, "trace", file, pid=neighbour.pid)


@pytest.mark.parametrize("name", confine._DENIED)
@with_layers("seccomp")
def test_the_filter_denies_the_call(worker: Isolator, file: Path, name: str) -> None:
    number = confine._DENIED[name][confine._PROCESSORS[os.uname().machine][1]]
    if number == confine._NONE:
        pytest.skip("THIS PROCESSOR HAS NO SUCH CALL")
    assert refused(worker, "call", file, r"PermissionError: \[Errno 1\]", number=number)


@with_layers("seccomp")
def test_the_filter_lets_other_calls_through(worker: Isolator, file: Path) -> None:
    number = {"x86_64": 39, "aarch64": 172}[os.uname().machine]
    assert worker.run("call", file, number=number) == b"done"  # getpid


@with_layers("seccomp")
def test_the_filter_knows_no_calls_of_another_convention(worker: Isolator, file: Path) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("ONLY x86-64 HAS ONE")
    assert refused(worker, "call", file, r"PermissionError: \[Errno 1\]", number=39 | confine._X32)


HEADERS = [("x86_64-linux-gnu/asm/unistd_64.h", 0), ("asm-generic/unistd.h", 1)]


@pytest.mark.parametrize(("header", "processor"), HEADERS)
def test_the_numbers_are_the_kernel_s_own(header: str, processor: int) -> None:
    path = Path("/usr/include", header)
    if not path.exists():
        pytest.skip(f"KERNEL HEADERS ABSENT: {path}")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", path.read_text())
    known = {name: int(number) for name, number in found}
    ours = confine._DENIED | confine._ON_ITSELF | {"clone": confine._CLONE, "clone3": confine._CLONE3}
    numbers = {name: pair[processor] for name, pair in ours.items()}
    newest = max(known.values())  # headers may be older than the kernel
    assert {name: number for name, number in numbers.items() if known.get(name, confine._NONE) != number} == {
        name: number for name, number in numbers.items() if number > newest
    }


# Limits


@with_layers("limits", ALL)
def test_eight_gigabytes_are_refused(worker: Isolator, file: Path) -> None:
    with pytest.raises(ParserDiedError, match="more than 512 MB"):
        worker.run("allocate", file, megabytes=8000)


@with_layers("limits", ALL)
def test_limits_cannot_be_raised_again(worker: Isolator, file: Path) -> None:
    assert refused(worker, "raise_limits", file, "ValueError|PermissionError")


# The proof that `cita doctor` shows


def test_what_is_proved_is_what_the_layers_do() -> None:
    with Isolator(Parse()) as isolator:
        proof = isolator.prove()
    if not (LANDLOCK >= 6 and has_namespaces() and os.uname().machine in confine._PROCESSORS):
        pytest.skip("THIS SYSTEM LACKS A LAYER")
    assert (proof.network, proof.files, proof.processes, proof.memory) == (True, True, True, True)
    assert proof.detail == f"network namespace, limits, Landlock ABI {LANDLOCK}, seccomp"


def test_without_layers_nothing_is_proved() -> None:
    with Isolator(Parse(), layers=()) as isolator:
        proof = isolator.prove()
    assert (proof.network, proof.files, proof.processes, proof.memory) == (False, False, False, False)
    assert proof.detail == "none"


KEPT_BY = {"namespace": {"network"}, "landlock": {"files"}, "seccomp": {"network", "processes"}, "limits": {"memory"}}


@pytest.mark.parametrize(("layer", "kept"), KEPT_BY.items(), ids=KEPT_BY)
def test_a_layer_alone_does_its_own(layer: str, kept: set[str]) -> None:
    if layer == "landlock" and not LANDLOCK:
        pytest.skip("THIS KERNEL HAS NO LANDLOCK")
    if layer == "namespace" and not has_namespaces():
        pytest.skip("THIS SYSTEM ALLOWS NO NETWORK NAMESPACES")
    with Isolator(Parse(), layers=(layer,)) as isolator:
        proof = isolator.prove()
    assert {name for name in ("network", "files", "processes", "memory") if getattr(proof, name)} == kept
