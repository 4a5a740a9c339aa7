import os
import subprocess
import sys

from models.live import memory_of


def test_the_memory_of_a_process_is_what_it_holds_and_of_one_that_has_ended_nothing() -> None:
    held = memory_of(os.getpid())
    block = bytearray(os.urandom(1 << 20) * 64)
    assert memory_of(os.getpid()) - held > 0.9 * len(block)
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert memory_of(done.pid) == 0
