"""Processes that cost no imports: forks of one driver that has imported everything, to be killed by the hundred.

The driver must have no threads when it forks. What a fork itself starts with `python -m MODULE` (the helpers that parse
and that write Chroma's folder) is forked as well, from a process beside it without threads: same arguments, descriptors
and environment, but no imports. Such a process is its starter's child like any other. Linux only.
"""

import ctypes
import fcntl
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_HIGH = 400  # descriptors from here on are in nobody's way


class Report:
    """A forked process's line to its driver."""

    def __init__(self, writer: int, reader: int) -> None:
        self._writer, self._reader = writer, reader
        self._lock = threading.Lock()

    def __call__(self, kind: str, **values: Any) -> None:
        line = json.dumps({"kind": kind, **values}).encode() + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._writer, line) :]

    def wait(self) -> None:
        """Until the driver says go."""
        os.read(self._reader, 1)


def adopt_orphans() -> None:
    """What a child leaves behind when it dies becomes this process's child, and so can be counted."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants() -> list[psutil.Process]:
    """The processes below this one that are alive; those that have ended are buried."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return psutil.Process().children(recursive=True)


class Fork:
    """A forked process that leads a group of its own and runs `work`, which tells by `report(kind, **values)`."""

    def __init__(self, work: Callable[[Report], None], log: Path) -> None:
        reader, writer = os.pipe()
        told, self._tell = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.started = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reader)
            os.close(self._tell)
            _live(work, Report(writer, told), log)
        os.close(writer)
        os.close(told)
        self._pipe, self._read = reader, b""
        self.ended = False

    def reports(self, seconds: float) -> Iterator[dict[str, Any]]:
        """What it tells, until it ends or `seconds` are over."""
        until = time.monotonic() + seconds
        while not self.ended:
            if b"\n" in self._read:
                line, self._read = self._read.split(b"\n", 1)
                yield json.loads(line)
                continue
            if not select.select([self._pipe], [], [], max(0.0, until - time.monotonic()))[0]:
                return
            piece = os.read(self._pipe, 1 << 20)
            self._read += piece
            self.ended = not piece

    def go(self) -> None:
        """It waits no longer."""
        with suppress(BrokenPipeError):
            os.write(self._tell, b".")

    def kill(self) -> None:
        """With its group, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def bury(self, seconds: float = 60.0) -> int:
        """Waits for its end and gives its exit code, or what is below 0: minus the signal that ended it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self._pipe)
                os.close(self._tell)
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        self.kill()
        raise TimeoutError(f"Process {self.pid} had not ended after {seconds:.0f} s.")


def _live(work: Callable[[Report], None], report: Report, log: Path) -> None:
    """The forked process's whole life."""
    code = 1
    try:
        os.setpgid(0, 0)
        errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(errors, 1)
        os.dup2(errors, 2)
        adopt_orphans()
        _start_helpers_warm()
        work(report)
        code = 0
    except BaseException:  # noqa: BLE001 - a fork must never run on into its driver's code
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


# --- helpers without imports


def _start_helpers_warm() -> None:
    """Lets subprocess.Popen fork `python -m MODULE` from a process that is forked here and now, before any thread."""
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        _serve(theirs)
    theirs.close()
    _WarmPopen.server = ours
    subprocess.Popen = _WarmPopen  # type: ignore[misc, assignment]


class _WarmPopen(subprocess.Popen[bytes]):
    server: socket.socket
    lock = threading.Lock()

    def _execute_child(self, args: Any, *rest: Any) -> None:
        names = (
            "executable preexec_fn close_fds pass_fds cwd env startupinfo creationflags shell p2cread p2cwrite c2pread"
            " c2pwrite errread errwrite restore_signals gid gids uid umask start_new_session process_group"
        )
        given = dict(zip(names.split(), rest, strict=True))
        if not (isinstance(args, list) and args[0] == sys.executable and "-m" in args):
            super()._execute_child(args, *rest)  # type: ignore[misc]
            return
        wanted = {0: given["p2cread"], 1: given["c2pwrite"], 2: given["errwrite"], **{n: n for n in given["pass_fds"]}}
        places = {place: number for place, number in wanted.items() if number >= 0}
        order = {
            "argv": args[args.index("-m") + 1 :],
            "env": dict(given["env"] if given["env"] is not None else os.environ),
            "cwd": str(given["cwd"] or Path.cwd()),
            "umask": given["umask"],
            "session": given["start_new_session"],
            "places": list(places),
        }
        message = json.dumps(order).encode()
        with self.lock:
            socket.send_fds(self.server, [len(message).to_bytes(4, "big")], list(places.values()))
            self.server.sendall(message)
            self.pid = int.from_bytes(self.server.recv(4, socket.MSG_WAITALL), "big")
        if not self.pid:
            raise OSError("The process that forks helpers has ended.")
        self._child_created = True
        self._close_pipe_fds(*(given[name] for name in names.split()[9:15]))  # type: ignore[attr-defined]


def _serve(control: socket.socket) -> None:
    """Forks one helper after the other until the other end is gone. Each becomes the child of who asked for it."""
    with suppress(OSError):
        while True:
            head, descriptors, _, _ = socket.recv_fds(control, 4, 16)
            if len(head) < 4:
                break
            order = json.loads(control.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
            reader, writer = os.pipe()
            between = os.fork()
            if between == 0:
                parent = os.getpid()
                pid = os.fork()
                if pid == 0:
                    control.close()
                    while os.getppid() == parent:  # whose end must not be taken for the asker's
                        time.sleep(0.0005)
                    _become(order, descriptors)
                os.write(writer, pid.to_bytes(4, "big"))
                os._exit(0)  # orphans its child, whom the asker adopts
            os.waitpid(between, 0)
            control.sendall(os.read(reader, 4))
            for number in (reader, writer, *descriptors):
                os.close(number)
    os._exit(0)


def _become(order: dict[str, Any], descriptors: list[int]) -> None:
    """Runs a module as `python -m` would, in this process."""
    code = 1
    try:
        if order["session"]:
            os.setsid()
        high = [fcntl.fcntl(number, fcntl.F_DUPFD, _HIGH) for number in descriptors]
        os.closerange(3, _HIGH)
        for place, number in zip(order["places"], high, strict=True):
            os.dup2(number, place, inheritable=True)
        os.closerange(_HIGH, _HIGH + 64)
        os.environ.clear()
        os.environ.update(order["env"])
        os.chdir(order["cwd"])
        if order["umask"] >= 0:
            os.umask(order["umask"])
        sys.argv = order["argv"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the module is imported already
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - its last words, as of any process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
