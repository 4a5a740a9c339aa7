from pathlib import Path

import pytest

import ingest.isolate
import ingest.parse.ocr
from errors import StorageFullError
from ingest.confine import Isolation
from models import doctor
from models.advice import Embedding
from models.builds import Build
from models.registry import Registry
from models.runtime import GIB, Hardware
from settings import Settings
from tests.shaped_gguf import Shape, shaped_gguf

LARGE = Shape(blocks=32, width=2048, heads=16, kv_heads=16, head=128, inner=8192)


@pytest.mark.parametrize(
    ("installed", "works", "missing", "problems"),
    [(["eng", "spa"], True, (), 0), (["spa"], True, ("eng",), 1), ([], False, ("eng", "spa"), 1)],
)
def test_it_tells_in_which_languages_text_is_recognised(
    installed: list[str],
    works: bool,
    missing: tuple[str, ...],
    problems: int,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for language in installed:
        (tmp_path / f"{language}.traineddata").touch()
    monkeypatch.setattr(ingest.parse.ocr, "_PLACES", (str(tmp_path),))
    monkeypatch.setattr(ingest.parse.ocr, "tesseract_version", lambda: "5.0")
    found, told = doctor._ocr(settings)
    assert (found.works, found.languages, found.missing) == (works, tuple(installed), missing)
    assert len(told) == problems


def test_text_recognition_that_is_switched_off_is_no_problem(settings: Settings) -> None:
    off = settings.model_copy(update={"ocr": settings.ocr.model_copy(update={"on": False})})
    found, told = doctor._ocr(off)
    assert (found.works, told) == (False, [])


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


def test_a_model_that_does_not_fit_is_a_problem_with_the_largest_that_does(settings: Settings, tmp_path: Path) -> None:
    registry = Registry(settings.models)
    for name, shape in (("small", Shape(blocks=1)), ("middle", Shape(blocks=4)), ("large", LARGE)):
        registry.add(shaped_gguf(tmp_path / f"{name}.gguf", shape, sparse=True))
    registry.use(registry.add(tmp_path / "large.gguf").name)
    laptop = Hardware(cores=2, memory=GIB, card=0, card_name="", amx=False)
    found, (problem,) = doctor._generation(settings, laptop)
    assert (found.runtime, found.memory) == (None, None)
    assert "needs" in problem.problem
    assert "`cita models use middle`: it is the largest of your models that fits" in problem.remedy
    assert problem.remedy in found.problem
    rich = Hardware(cores=2, memory=8 * GIB, card=0, card_name="", amx=False)
    found, problems = doctor._generation(settings, rich)
    assert (found.model, problems) == ("large", [])
    assert found.memory
    assert found.memory.weights == (tmp_path / "large.gguf").stat().st_size


BUILDS = (Build("llama.cpp", "1", ("CPU",), ("AVX2",)), Build("PyTorch", "2", ("CPU",)))


def test_what_a_model_writes_here_and_what_would_be_faster_follow_from_the_speed_of_the_memory(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "memory_speed", lambda cores: 20e9)
    monkeypatch.setattr(doctor.builds, "processor_features", lambda: frozenset({"AVX2"}))
    laptop = Hardware(cores=2, memory=16 * GIB, card=0, card_name="", amx=False)
    speed, recommended, faster = doctor._speed(settings, laptop, BUILDS, (), Embedding("onnx", exportable=True))
    assert (speed.memory, speed.model, recommended.name) == (20e9, "qwen3-4b-instruct-2507", speed.model)
    assert faster == ()
    registry = Registry(settings.models)
    registry.use(registry.add(shaped_gguf(tmp_path / "large.gguf", LARGE, sparse=True)).name)
    speed, _, (advice,) = doctor._speed(settings, laptop, BUILDS, (), Embedding("onnx", exportable=True))
    size = (tmp_path / "large.gguf").stat().st_size
    assert speed.tokens_per_second == (pytest.approx(20e9 / size * 0.35), pytest.approx(20e9 / size * 0.7))
    assert "as memory is read at 20.0 GB/s here (measured)" in advice.reason
    with_card = Hardware(cores=2, memory=16 * GIB, card=24 * GIB, card_name="RTX", amx=False)
    speed, _, faster = doctor._speed(settings, with_card, BUILDS, (), Embedding())
    assert (speed, faster) == (doctor.Speed(0.0), ())


def test_a_runtime_that_is_installed_and_does_not_load_is_a_problem() -> None:
    builds = (Build("ONNX Runtime", problem="was ended by signal 4"), Build("PyTorch", problem="No module"))
    (problem,) = doctor._runtime_problems(builds, {"onnxruntime": "1.31", "torch": ""})
    assert problem.problem == "ONNX Runtime does not load: was ended by signal 4."
    assert problem.remedy.endswith("--no-deps onnxruntime")
