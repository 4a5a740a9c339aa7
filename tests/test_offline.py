"""The first promise: nothing leaves. The whole demo, once where there is no network and once watched by strace."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.no_network import is_local

DEMO = [sys.executable, str(ROOT / "data" / "demo.py")]
NAMESPACE = ["unshare", "--user", "--map-root-user", "--net"]
# connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.0.2.1")}, 16)
REACH = re.compile(r'(?:connect|sendto|sendmsg|sendmmsg)\(.*?(?:inet_addr\("|inet_pton\(AF_INET6, ")([^"]+)"')


def can_leave_the_network() -> bool:
    return bool(shutil.which("unshare")) and subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode == 0


def run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_demo_works_where_there_is_no_network() -> None:
    if not can_leave_the_network():
        pytest.skip("NAMESPACES ABSENT: this machine lets nobody make a network namespace with unshare")
    # Not even loopback is up in there: what needs it would have to say so.
    output = run([*NAMESPACE, *DEMO])
    assert output.count("[1] ") >= 3
    assert "All four are as they should be." in output


@pytest.mark.slow
def test_no_system_call_of_the_demo_reaches_for_another_machine(tmp_path: Path) -> None:
    """strace sees native code as well, and calls that fail."""
    if not shutil.which("strace"):
        pytest.skip("STRACE ABSENT: install it to watch the system calls of the demo")
    trace = tmp_path / "trace"
    run(["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(trace), *DEMO])
    reached = REACH.findall(trace.read_text(encoding="utf-8", errors="replace"))
    assert [address for address in reached if not is_local(address)] == []


def test_the_watch_would_see_a_connection(tmp_path: Path) -> None:
    if not shutil.which("strace"):
        pytest.skip("STRACE ABSENT: install it to watch the system calls of the demo")
    reach = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.connect(('127.0.0.9', 9))"
    trace = tmp_path / "trace"
    run(["strace", "-f", "-qq", "-e", "trace=connect", "-o", str(trace), sys.executable, "-c", reach])
    assert "127.0.0.9" in REACH.findall(trace.read_text(encoding="utf-8"))
