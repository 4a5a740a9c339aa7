"""Processes that ought to have ended."""

import time
from collections.abc import Sequence

import psutil

PATIENCE = 5.0  # seconds


def have_ended(pids: Sequence[int]) -> bool:
    """Whether all of them end in time."""
    deadline = time.monotonic() + PATIENCE
    while any(map(_lives, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it may end between any two looks
        return False
