"""App, watcher, commands and edits at once, while whoever owns the home is ended or killed: nothing fails but by being
busy, and the index ends as the folder is. tests/reliability/soak.py does it for minutes; here for seconds."""

import os
import subprocess
import sys

import pytest

from settings import CODE

MINUTES, EVERY = ("3", "20") if os.environ.get("CITA_LONG") else ("0.4", "8")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="THE SOAK NEEDS LINUX: /proc tells who owns the home")
def test_many_doors_at_once_see_one_index_whoever_of_them_is_killed() -> None:
    command = [sys.executable, "-m", "tests.reliability.soak", "--made", "--files=10", "--seed=5"]
    done = subprocess.run(
        [*command, f"--minutes={MINUTES}", f"--every={EVERY}"], cwd=CODE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    counts = {
        line.split("|")[1].strip(): int(line.split("|")[2]) for line in done.stdout.splitlines()[2:] if "|" in line
    }
    for what in ("pages of the app", "watch: indexed", "listed states"):
        assert counts[what] > 0, done.stdout
    assert sum(number for what, number in counts.items() if what.startswith("SIG")) >= 2, done.stdout
