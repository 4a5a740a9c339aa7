"""How fast a model will write on this machine, told before it is here.

For each token that it writes a model reads its weights once, so what limits it on a processor is how fast memory is
read. That is measured; which part of it a model makes use of was measured too.
"""

import threading
import time

from models.catalogue import Entry, Variant

MEASURED_OVER = 256 << 20  # bytes, more than any cache holds
ROUNDS = 4
# Of the speed at which memory is read: from random weights as F16, Q8_0 and Q4_0 (llama.cpp 0c1e57098 on two busy
# cores: 0.35, 0.58, 0.44), and from what others report of whole models (0.5 to 0.7).
LEAST, MOST = 0.35, 0.7


def memory_speed(threads: int) -> float:
    """Bytes a second that so many threads read from memory together; takes about half a second."""
    import numpy as np

    arrays = [np.ones(MEASURED_OVER // threads // 8) for _ in range(threads)]
    best = 0.0
    for _ in range(ROUNDS):
        readers = [threading.Thread(target=array.sum) for array in arrays]
        begun = time.perf_counter()
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        best = max(best, MEASURED_OVER / (time.perf_counter() - begun))
    return best


def tokens_per_second(entry: Entry, variant: Variant, speed: float) -> tuple[float, float]:
    """From how many to how many tokens it writes a second where memory is read at `speed` (bytes a second). Of a
    mixture of experts only those that work on a token are read."""
    share = entry.active / entry.parameters if entry.active else 1.0
    return rate(variant.size * share, speed)


def rate(per_token: float, speed: float) -> tuple[float, float]:
    """The same of a model that reads so many bytes for each token."""
    most = speed / per_token
    return most * LEAST, most * MOST


def rate_words(found: tuple[float, float]) -> str:
    """(4.2, 8.4) -> '4-8'"""
    return "-".join(f"{number:.0f}" if number >= 1 else f"{number:.1f}" for number in found)
