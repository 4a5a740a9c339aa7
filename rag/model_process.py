"""A model's own process seen from the one that started it: what is said to it, how it ends, and why it ended.

What such a process does is in rag/llama_worker.py and rag/rank_worker.py.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from typing import IO, Any

from settings import CODE

PATIENCE = 2.0  # seconds in which a process may end by itself


class ModelProcess:
    """Runs `module`. Who calls sees to it that no two threads write or read at once."""

    def __init__(self, module: str) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=CODE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, "GGML_NO_BACKTRACE": "1"},  # else one that llama.cpp aborts starts a debugger
            start_new_session=True,  # Ctrl-C in the terminal is for us; we tell it what to do
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def replies(self) -> IO[bytes]:
        """Its replies, one JSON object a line."""
        assert self._process.stdout
        return self._process.stdout

    def send(self, message: dict[str, Any]) -> None:
        """That a process is gone is noticed, with its cause, where its replies are read."""
        assert self._process.stdin
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def end(self) -> None:
        """Ends it, whatever it is doing; release() once nobody reads its replies any more."""
        assert self._process.stdin
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def release(self) -> None:
        self.replies.close()
        self._stderr.close()

    def wait(self, timeout: float | None = None) -> None:
        """Until it has ended, or so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)

    def cause_of_death(self) -> str:
        """How it ended, and the last line that it said."""
        code = self._process.returncode or 0
        cause = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        if code == -signal.SIGKILL:
            cause += ", most likely for lack of memory"
        said = self._last_words()
        return f"{cause}; it said {said!r}" if said else cause

    def _last_words(self) -> str:
        try:
            size = self._stderr.seek(0, os.SEEK_END)
            self._stderr.seek(max(0, size - 2000))
            lines = self._stderr.read().decode("utf-8", "replace").strip().splitlines()
        except ValueError:  # closed by release(): nobody will read it
            return ""
        return lines[-1] if lines else ""
