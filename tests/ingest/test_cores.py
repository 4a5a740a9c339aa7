"""No more threads than the process may run."""

import os
from pathlib import Path

import pytest

from ingest.cores import usable_cores


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def _groups(folder: Path, line: str, files: dict[str, str]) -> int:
    (folder / "cgroup").write_text(line + "\n")
    for name, text in files.items():
        file = folder / "mount" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return usable_cores(folder / "cgroup", folder / "mount")


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize(
    ("line", "files", "expected"),
    [
        ("0::/app", {"app/cpu.max": "200000 100000\n"}, 2),
        ("0::/app", {"app/cpu.max": "max 100000\n"}, 8),
        ("0::/app", {"app/cpu.max": "50000 100000\n"}, 1),
        ("0::/app", {"app/cpu.max": "150000 100000\n"}, 2),
        ("0::/pod/app", {"pod/cpu.max": "300000 100000\n", "pod/app/cpu.max": "max 100000\n"}, 3),
        ("0::/", {"cpu.max": "400000 100000\n"}, 4),
        ("4:cpu,cpuacct:/app", {"cpu,cpuacct/app/cpu.cfs_quota_us": "300000\n",
                                "cpu,cpuacct/app/cpu.cfs_period_us": "100000\n"}, 3),
        ("4:cpu,cpuacct:/app", {"cpu,cpuacct/app/cpu.cfs_quota_us": "-1\n"}, 8),
        ("7:memory:/app", {"cpu.max": "100000 100000\n"}, 8),
        ("0::/elsewhere", {}, 8),
    ],
)  # fmt: skip
def test_a_quota_of_the_control_groups_counts(tmp_path: Path, line: str, files: dict[str, str], expected: int) -> None:
    assert _groups(tmp_path, line, files) == expected


def test_the_processors_that_the_process_is_bound_to_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    assert usable_cores(tmp_path / "absent", tmp_path) == 2


def test_without_either_all_processors_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert usable_cores(tmp_path / "absent", tmp_path) == 6
