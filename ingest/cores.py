"""How many processors this process may use: fewer than the machine has in a container or under `taskset`."""

import math
import os
from pathlib import Path

_GROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


def usable_cores(groups: Path = _GROUPS, mount: Path = _MOUNT) -> int:
    """At least 1. Counts what the system lets this process run on, and the share of it that its control groups
    allow (version 1 or 2; a quota of 1.5 processors counts as 2)."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, _quota(groups, mount))))


def _quota(groups: Path, mount: Path) -> float:
    """The least of the quotas of this process's group and those above it, in processors; infinite without any."""
    least = math.inf
    for line in _read(groups).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = mount / controllers if controllers else mount
        inner = top / path.lstrip("/")
        for folder in (inner, *inner.parents):
            least = min(least, _quota_of(folder))
            if folder == top:
                break
    return least


def _quota_of(folder: Path) -> float:
    quota, period = (_read(folder / "cpu.max").split() or ["max", "1"])[:2]
    if quota == "max":  # of version 1, if anything
        quota, period = _read(folder / "cpu.cfs_quota_us") or "-1", _read(folder / "cpu.cfs_period_us") or "1"
    return int(quota) / int(period) if int(quota) > 0 else math.inf


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except OSError:
        return ""
