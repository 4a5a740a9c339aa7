"""A damaged index never crashes, is detected or as before, and is rebuilt (damage.py). CITA_LONG=1: 2,000 damages."""

import os
import subprocess
import sys

import pytest

from settings import CODE
from tests.reliability.damage import not_in_both

NUMBER = 2_000 if os.environ.get("CITA_LONG") else 40


@pytest.mark.slow
@pytest.mark.timeout(6 * NUMBER)
@pytest.mark.skipif(sys.platform != "linux", reason="NOT LINUX: damaged indexes are not tested here")
def test_a_damaged_index_never_crashes_is_detected_or_as_before_and_is_rebuilt() -> None:
    command = [sys.executable, "-m", "tests.reliability.damage", "--number", str(NUMBER)]
    done = subprocess.run(command, cwd=CODE, capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert f"{NUMBER} damages, 0 failures." in done.stdout


def test_a_score_that_is_gone_new_or_another_is_seen_and_one_that_differs_by_rounding_is_not() -> None:
    scores = [0.99593501, 0.72012, 0.56588, 0.56588]
    assert not_in_both([0.99593498, 0.56588, 0.72012, 0.56588], scores) == 0
    assert not_in_both(scores[:-1], scores) == not_in_both(scores, scores[:-1]) == 1
    assert not_in_both([0.99596, *scores[1:]], scores) == 1
    assert not_in_both([1.0, 0.5], scores) == 4
