"""Real servers of models on loopback, each in a process of its own, serving a GGUF of the tests: that of
llama-cpp-python, and llama.cpp's own llama-server where it is on the path."""

import importlib.util
import os
import shutil
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
def llama_peer(
    model: Path, folder: Path, context: int = 2048, key: str = KEY, program: str = "llama-cpp-python"
) -> Iterator[Peer]:
    """Skips the test, saying so, where what it needs is not installed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = _COMMANDS[program](model, context, port, key)
    with (folder / "peer.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})
    peer = Peer(f"http://127.0.0.1:{port}", process)
    try:
        _wait(peer, key, folder / "peer.log")
        yield peer
    finally:
        peer.kill()


def _llama_cpp_python(model: Path, context: int, port: int, key: str) -> list[str]:
    if missing := [name for name in ("fastapi", "sse_starlette", "starlette_context") if not _there(name)]:
        pytest.skip(f"PEER ABSENT: llama-cpp-python's server needs {', '.join(missing)}")
    return [
        sys.executable, "-m", "llama_cpp.server", "--model", str(model), "--model_alias", "tiny", "--n_ctx",
        str(context), "--host", "127.0.0.1", "--port", str(port), "--api_key", key, "--n_threads", "1",
        "--n_threads_batch", "1", "--interrupt_requests", "False",
    ]  # fmt: skip


def _llama_server(model: Path, context: int, port: int, key: str) -> list[str]:
    program = shutil.which("llama-server")
    if program is None:
        pytest.skip("PEER ABSENT: llama.cpp's llama-server is not on the path")
    return [
        program, "--model", str(model), "--alias", "tiny", "--ctx-size", str(context), "--host", "127.0.0.1", "--port",
        str(port), "--api-key", key, "--threads", "1", "--threads-batch", "1", "--parallel", "1", "--offline",
    ]  # fmt: skip


_COMMANDS = {"llama-cpp-python": _llama_cpp_python, "llama-server": _llama_server}


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
