"""A real server of models on loopback: llama-cpp-python's, in a process of its own, serving a GGUF of the tests."""

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

KEY = "sk-sesame"
PATIENCE = 60.0


@dataclass
class Peer:
    url: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def processor_seconds(self) -> float:
        used = psutil.Process(self.process.pid).cpu_times()
        return float(used.user + used.system)


@contextmanager
def llama_peer(model: Path, folder: Path, context: int = 2048, key: str = KEY) -> Iterator[Peer]:
    """Skips the test, saying so, where what it needs is not installed."""
    if missing := [name for name in ("fastapi", "sse_starlette", "starlette_context") if not _there(name)]:
        pytest.skip(f"PEER ABSENT: llama-cpp-python's server needs {', '.join(missing)}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "llama_cpp.server", "--model", str(model), "--model_alias", "tiny", "--n_ctx",
        str(context), "--host", "127.0.0.1", "--port", str(port), "--api_key", key, "--n_threads", "1",
        "--n_threads_batch", "1", "--interrupt_requests", "False",
    ]  # fmt: skip
    with (folder / "peer.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})
    peer = Peer(f"http://127.0.0.1:{port}", process)
    try:
        _wait(peer, key, folder / "peer.log")
        yield peer
    finally:
        peer.kill()


def _there(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _wait(peer: Peer, key: str, log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + PATIENCE
    while True:
        try:
            request = urllib.request.Request(f"{peer.url}/v1/models", headers={"Authorization": f"Bearer {key}"})
            opener.open(request, timeout=5).close()
        except OSError:
            if peer.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(log.read_text(errors="replace")) from None
            time.sleep(0.1)
        else:
            return
