"""The page Models: how a model runs is changed, an embedder is chosen, the computer is looked at."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from ingest.confine import Isolation
from ingest.embed import DEFAULT_MODEL
from models.advice import Advice, Recommendation
from models.builds import Build, Card
from models.doctor import Generation, LlamaCpp, Machine, Ocr, Problem, Speed
from models.runtime import Runtime
from models.types import ModelInfo
from settings import Settings
from tests.fakes import FakeEngine
from tests.tiny_embedder import write_tiny_embedder
from tests.ui.conftest import Draw, html
from ui import render
from ui.texts import ENGLISH

RUN = Runtime(4096, 8, 512, 33, flash_attention=True, cache="f16", repack=False)
MACHINE = Machine(
    system="Linux", processor="x86_64", cores=8, memory=16 * 10**9, memory_available=9 * 10**9, disk_free=50 * 10**9,
    python="3.11", sqlite="3.40", libraries={}, embedder="e", embedder_runtime="onnx",
    llama_cpp=LlamaCpp(True, False, ""),
    runtimes=(Build("llama.cpp", "0.3", ("CPU",), ("AVX2", "FMA")), Build("PyTorch", problem="No module")),
    cards=(Card("RTX 4090", "NVIDIA"),),
    generation=Generation("mini", None, None),
    speed=Speed(20e9, "mini", (3.4, 6.8)),
    recommended=Recommendation("mini", "For this machine, mini: the best."),
    faster=(Advice("A card is here, unused.", 'CMAKE_ARGS="-DGGML_CUDA=ON" pip', "Up to 9 times."),),
    ocr=Ocr(True, "5", ("eng",), ()),
    isolation=Isolation(True, True, True, True, ""),
    problems=(Problem("Only 1.0 GB are free.", "Free some space."),),
)  # fmt: skip


def held(settings: Settings) -> dict[str, Any]:
    return tomllib.loads(settings.file.read_text(encoding="utf-8")) if settings.file.exists() else {}


def submit(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


def test_how_the_model_runs_is_changed_and_only_what_was_changed_is_kept(
    engine: FakeEngine, draw: Draw, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Settings] = []
    monkeypatch.setattr("ui.runtime.how_it_runs", lambda now: asked.append(now) or Generation("mini", RUN, None))
    engine._models.append(ModelInfo("mini", "/m/mini.gguf"))
    engine.used = "mini"
    app = draw("models")
    assert not app.exception
    app.number_input(key="run-context").set_value(2048)
    app.number_input(key="run-layers").set_value(0)
    app.segmented_control(key="run-cache").set_value("q8_0")
    submit(app, ENGLISH.settings_save)
    assert not app.exception
    assert held(settings) == {"generate": {"context": 2048, "gpu_layers": 0, "cache": "q8_0"}}
    assert ENGLISH.runtime_saved in [success.value for success in app.success]
    assert [now.generate.context for now in asked] == [4096, 2048]  # shown at once as it will run


def test_an_embedder_that_is_here_is_chosen_for_the_next_start(draw: Draw, settings: Settings) -> None:
    write_tiny_embedder(settings.models / "tiny-e5")
    app = draw("models")
    assert not app.exception
    assert ENGLISH.embedders_title in html(app)
    app.button(key="use-embedder-tiny-e5").click().run()
    assert held(settings) == {"embed": {"model": "tiny-e5"}}
    assert ENGLISH.embedders_chosen in [success.value for success in app.success]
    assert "use-embedder-tiny-e5" not in [button.key for button in app.button]
    app.button(key=f"use-embedder-{DEFAULT_MODEL}").click().run()
    assert held(settings) == {"embed": {}}


def test_one_that_cannot_be_used_says_why_and_cannot_be_chosen(draw: Draw, settings: Settings) -> None:
    folder: Path = settings.models / "broken"
    folder.mkdir(parents=True)
    (folder / "modules.json").write_text("[]")
    app = draw("models")
    assert not app.exception
    assert "cannot be read" in html(app)
    assert "use-embedder-broken" not in [button.key for button in app.button]


def test_the_computer_is_looked_at_when_that_is_asked_for(draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Settings] = []
    monkeypatch.setattr("ui.doctor.examine", lambda settings: looked.append(settings) or MACHINE)
    app = draw("models")
    assert looked == []
    app.button(key="doctor-look").click().run()
    assert not app.exception
    shown = html(app)
    for words in (
        "x86_64, 8 cores", "9.0 GB of 16.0 GB are free", "RTX 4090", "0.3: CPU · AVX2, FMA",
        "does not load: No module", "memory is read at 20.0 GB/s · mini writes about 3-7 tokens a second",
    ):  # fmt: skip
        assert words in shown
    told = "\n".join(info.value for info in app.info).replace("\\", "")
    for words in ("For this machine, mini", "A card is here, unused", "GGML", "Up to 9 times"):
        assert words in told
    assert "Free some space" in app.warning[0].value
    app.run()
    assert len(looked) == 1


def test_a_model_is_removed_and_a_file_in_the_home_goes_with_it(
    engine: FakeEngine, draw: Draw, settings: Settings
) -> None:
    inside = str(settings.models / "mini.gguf")
    engine._models += [
        ModelInfo("mini", inside),
        ModelInfo("mine", "/m/mine.gguf"),
        ModelInfo("own", server="http://x"),
    ]
    app = draw("models")
    assert ENGLISH.models_remove_deleted.format(path=render.label(inside)) in [text.value for text in app.markdown]
    assert [button.key for button in app.button if str(button.key).startswith("remove-")] == [
        f"remove-{name}" for name in ("mini", "mine", "own")
    ]
    app.button(key="remove-mini").click().run()
    app.button(key="remove-mine").click().run()
    app.button(key="remove-own").click().run()
    assert not app.exception
    assert engine.removed == [("mini", True), ("mine", False), ("own", False)]
