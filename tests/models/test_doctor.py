from pathlib import Path

import pytest

import ingest.isolate
from errors import StorageFullError
from ingest.confine import Isolation
from models import doctor
from settings import Settings


def problems(isolation: Isolation) -> list[doctor.Problem]:
    return doctor._isolation_problems(isolation)


def test_isolation_is_what_a_real_worker_was_refused(settings: Settings) -> None:
    assert doctor._isolation(settings) == ingest.isolate.Isolator(settings.parse).prove()


def test_a_missing_layer_is_a_problem_only_where_nothing_confines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.sys, "platform", "linux")
    for kept in ("network", "files", "processes"):
        some = dict.fromkeys(("network", "files", "processes", "memory"), False) | {kept: True}
        assert problems(Isolation(**some, detail="")) == []
    (problem,) = problems(Isolation(False, False, False, True, "limits"))
    assert "(limits)" in problem.problem
    assert "Landlock" in problem.remedy
    monkeypatch.setattr(doctor.sys, "platform", "darwin")
    assert problems(Isolation(False, False, False, True, "limits")) == []


def test_a_worker_that_cannot_start_is_no_isolation(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> Path:
        raise StorageFullError("No folder can be made.")

    monkeypatch.setattr(ingest.isolate.tempfile, "mkdtemp", full)
    with pytest.raises(StorageFullError):
        ingest.isolate.Isolator(settings.parse).prove()
    isolation = doctor._isolation(settings)
    assert (isolation.network, isolation.memory) == (False, False)
    assert "No folder can be made" in isolation.detail
