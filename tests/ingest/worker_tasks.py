"""Tasks that misbehave, for tests of ingest/isolate.py and confine.py: each is run in a worker as a parser would be."""

import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from errors import EncryptedError

warmed: list[str] = []


def warm(arguments: dict[str, Any]) -> None:
    warmed.append(arguments["path"])
    if arguments["path"].endswith("unwarmable.txt"):
        raise ImportError("a library is missing")


def echo(arguments: dict[str, Any]) -> bytes:
    return f"{os.getpid()} {os.getppid()} {len(warmed)} {arguments['path']}".encode()


def hang(arguments: dict[str, Any]) -> bytes:
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with Path(arguments["report"]).open("w") as report:
        report.write(f"{os.getpid()} {child.pid}")
    time.sleep(600)
    return b""


def allocate(arguments: dict[str, Any]) -> bytes:
    return bytes(bytearray(arguments["megabytes"] * 1_000_000)[:1])


def crash(arguments: dict[str, Any]) -> bytes:
    ctypes.string_at(0)
    return b""


def leave(arguments: dict[str, Any]) -> bytes:
    os._exit(3)


def kill_helper(arguments: dict[str, Any]) -> bytes:
    """Kills the helper, the first time only where `marker` can be removed."""
    marker = Path(arguments["marker"])
    if marker.exists():
        if not arguments["always"]:
            marker.unlink()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)
    return b"lived"


def babble(arguments: dict[str, Any]) -> bytes:
    print("noise")
    os.write(1, b"more noise")
    return bytes(arguments["bytes"])


def refuse(arguments: dict[str, Any]) -> bytes:
    raise EncryptedError("It is locked.", hint="Find the key.")


def fail(arguments: dict[str, Any]) -> bytes:
    raise ZeroDivisionError("by the parser")


def spend(arguments: dict[str, Any]) -> bytes:
    while True:
        pass


def processor_seconds(arguments: dict[str, Any]) -> bytes:
    return str(resource.getrlimit(resource.RLIMIT_CPU)[0]).encode()


def use_temporary_folder(arguments: dict[str, Any]) -> bytes:
    folder = Path(tempfile.gettempdir())
    with tempfile.TemporaryDirectory() as inner, tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(b"text")
        (Path(inner) / "page.png").write_bytes(bytes(1000))
        Path(file.name).rename(folder / "kept")
    assert (folder / "kept").read_bytes() == b"text"
    assert Path(os.environ["TMPDIR"]) == folder == Path.home()
    return f"{folder} {oct(folder.stat().st_mode & 0o777)}".encode()


def hang_there(arguments: dict[str, Any]) -> bytes:
    Path(tempfile.gettempdir(), "page.png").write_bytes(bytes(1000))
    time.sleep(600)
    return b""


def stain(arguments: dict[str, Any]) -> bytes:
    """What a document leaves behind in its process, for the next one to stumble over."""
    warmed.append("stain")
    return b"done"


def stumble(arguments: dict[str, Any]) -> bytes:
    if "stain" in warmed:
        os._exit(7)
    return b"clean"


def crash_there(arguments: dict[str, Any]) -> bytes:
    Path(tempfile.gettempdir(), "page.png").write_bytes(bytes(1000))
    return crash(arguments)


def dig(arguments: dict[str, Any]) -> bytes:
    os.chdir(tempfile.gettempdir())
    for _ in range(arguments["depth"]):
        Path("deep").mkdir()
        os.chdir("deep")
    Path("without rights").mkdir(mode=0)
    return str(arguments["depth"]).encode()


def descriptors(arguments: dict[str, Any]) -> bytes:
    listed = [path for path in Path("/proc/self/fd").iterdir() if path.exists()]  # without that of the listing itself
    return " ".join(path.name for path in listed).encode()


def environment(arguments: dict[str, Any]) -> bytes:
    return " ".join(os.environ).encode()


# What a parser taken over by its document would do. Each gives back that it could; confine.py makes it raise.


def read(arguments: dict[str, Any]) -> bytes:
    return Path(arguments["target"]).read_bytes()


def look_around(arguments: dict[str, Any]) -> bytes:
    return " ".join(path.name for path in Path(arguments["target"]).iterdir()).encode()


def write(arguments: dict[str, Any]) -> bytes:
    Path(arguments["target"]).write_text("written")
    return b"done"


def make_folder(arguments: dict[str, Any]) -> bytes:
    Path(arguments["target"]).mkdir()
    return b"done"


def remove(arguments: dict[str, Any]) -> bytes:
    Path(arguments["target"]).unlink()
    return b"done"


def truncate(arguments: dict[str, Any]) -> bytes:
    os.truncate(arguments["target"], 0)
    return b"done"


def open_up(arguments: dict[str, Any]) -> bytes:
    Path(arguments["target"]).chmod(0o777)
    return b"done"


def set_times(arguments: dict[str, Any]) -> bytes:
    os.utime(arguments["target"], (0, 0))
    return b"done"


def fill(arguments: dict[str, Any]) -> bytes:
    with Path(tempfile.gettempdir(), "sparse").open("wb") as file:
        file.truncate(arguments["megabytes"] * 1_000_000)
    return b"done"


def connect(arguments: dict[str, Any]) -> bytes:
    with socket.create_connection(("127.0.0.1", arguments["port"]), 5):
        return b"done"


def connect_locally(arguments: dict[str, Any]) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(arguments["address"])
        return b"done"


def send_datagram(arguments: dict[str, Any]) -> bytes:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendto(b"text", ("127.0.0.1", arguments["port"]))
        return b"done"


def fork(arguments: dict[str, Any]) -> bytes:
    started = []
    for _ in range(arguments["times"]):
        pid = os.fork()
        if not pid:
            time.sleep(600)
        started.append(pid)
    return b"done"


def execute(arguments: dict[str, Any]) -> bytes:
    os.execv("/bin/true", ["true"])


def start_thread(arguments: dict[str, Any]) -> bytes:
    said: list[bytes] = []
    thread = threading.Thread(target=said.append, args=[b"done"])
    thread.start()
    thread.join()
    return said[0]


def kill(arguments: dict[str, Any]) -> bytes:
    os.kill(arguments["pid"], signal.SIGTERM)
    return b"done"


def trace(arguments: dict[str, Any]) -> bytes:
    attach = 16
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(attach, arguments["pid"], None, None):
        raise OSError(ctypes.get_errno(), "ptrace")
    return b"done"


def raise_limits(arguments: dict[str, Any]) -> bytes:
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return b"done"


def call(arguments: dict[str, Any]) -> bytes:
    """A call of the system by its number; "done" if it knows and allows it, be the arguments wrong or not."""
    libc = ctypes.CDLL(None, use_errno=True)
    minus_one = ctypes.c_long(-1)
    if libc.syscall(ctypes.c_long(arguments["number"]), minus_one, minus_one, minus_one, minus_one, minus_one) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return b"done"


TASKS: dict[str, Callable[[dict[str, Any]], bytes]] = {
    task.__name__: task
    for task in (
        echo, hang, allocate, crash, leave, kill_helper, babble, refuse, fail, environment, spend, processor_seconds,
        use_temporary_folder, hang_there, crash_there, dig, descriptors, read, look_around, write, make_folder, remove,
        truncate, open_up, set_times, fill, connect, connect_locally, send_datagram, fork, execute, start_thread, kill,
        trace, raise_limits, call, stain, stumble,
    )
}  # fmt: skip
