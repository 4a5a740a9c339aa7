"""The page Models fetches one: shows what suits, goes online on the button, shows how far it is, can be stopped."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from models.catalogue import Entry, Variant
from models.runtime import GIB, Hardware
from settings import Settings
from tests.fakes import FakeEngine
from tests.hub_server import HubServer, some_gguf
from tests.tiny_embedder import write_tiny_embedder
from tests.ui.conftest import Draw, html
from ui.engine import get_pulling
from ui.pulling import Pulling
from ui.texts import ENGLISH

CONTENT = some_gguf(200_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ENTRIES = (
    Entry(
        "tiny", "Tiny", "model", 0.1, "MIT", ("*",), "Small.", "listed",
        (Variant("Q4_K_M", "org/tiny-GGUF", "tiny.gguf", 2, bytes=len(CONTENT), sha256=SHA256),), tier=3, context=4096,
    ),
    Entry(
        "huge", "Huge", "model", 90.0, "MIT", ("en",), "Large.", "listed",
        (Variant("Q8_0", "org/huge-GGUF", "huge.gguf", 0, about=10**12),),
    ),
)  # fmt: skip


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setattr("ui.fetch.read_catalogue", lambda: ENTRIES)
    hardware = Hardware(cores=4, memory=8 * GIB, card=0, card_name="", amx=False)
    monkeypatch.setattr("ui.fetch.hardware_here", lambda: (hardware, 16 * GIB))
    with HubServer({"tiny.gguf": CONTENT}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def shown(draw: Draw) -> AppTest:
    app = draw("models")
    return app.button(key="fetch-show").click().run()


def test_nothing_goes_online_before_the_button_that_says_so(server: HubServer, draw: Draw) -> None:
    app = shown(draw)
    assert not app.exception
    assert app.selectbox(key="fetch-model").value == "tiny"
    assert "Go online and fetch 0.2 MB from 127" in app.button(key="fetch-go").label
    for words in (ENGLISH.fetch_best, "0.2 MB", "takes about", "MIT", f"{server.url}/org/tiny-GGUF"):
        assert words in html(app)
    app.selectbox(key="fetch-model").set_value("huge").run()
    assert ENGLISH.fetch_too_large in html(app)
    assert ENGLISH.fetch_no_hash in [caption.value for caption in app.caption]
    assert server.asked == []


def test_what_was_fetched_is_added(server: HubServer, engine: FakeEngine, draw: Draw, settings: Settings) -> None:
    app = shown(draw)
    app.button(key="fetch-go").click().run()
    get_pulling().wait(20)
    app.run()
    assert not app.exception
    assert (settings.models / "tiny.gguf").read_bytes() == CONTENT
    assert engine.models()[-1].path == str(settings.models / "tiny.gguf")
    assert "tiny was added" in app.success[0].value
    app.run()
    assert len([model for model in engine.models() if model.name == "tiny"]) == 1
    app.button(key="fetch-show").click().run()
    assert ENGLISH.fetch_here in [caption.value for caption in app.caption]
    assert "fetch-go" not in [button.key for button in app.button]


def test_what_a_hub_refuses_is_shown_with_what_to_do(server: HubServer, draw: Draw) -> None:
    server.token = "secret"
    app = shown(draw)
    app.button(key="fetch-go").click().run()
    get_pulling().wait(20)
    app.run()
    assert not app.exception
    (message,) = [error.value for error in app.error]
    assert "wants to know who asks" in message
    assert "HF\\_TOKEN" in message or "HF_TOKEN" in message


def test_one_that_is_stopped_is_gone_on_with(
    server: HubServer, draw: Draw, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.pull.BLOCK", 1024)
    reached, go_on = threading.Event(), threading.Event()
    see = Pulling._see

    def slowly(self: Pulling, stage: str, done: int, total: int) -> None:
        if done > 100_000 and not go_on.is_set():
            reached.set()
            assert go_on.wait(20)
        see(self, stage, done, total)  # type: ignore[arg-type]

    monkeypatch.setattr(Pulling, "_see", slowly)
    app = shown(draw)
    app.button(key="fetch-go").click().run()
    assert reached.wait(20)
    app.run()
    assert "fetch-go" not in [button.key for button in app.button]
    app.button(key="fetch-stop").click().run()
    go_on.set()
    get_pulling().wait(20)
    app.run()
    assert not app.exception
    assert "Stopped" in app.info[0].value
    assert not (settings.models / "tiny.gguf").exists()
    assert app.button(key="fetch-go").label.startswith("Go online and fetch the rest")
    app.button(key="fetch-go").click().run()
    get_pulling().wait(20)
    assert (settings.models / "tiny.gguf").read_bytes() == CONTENT
    assert server.sent < 2 * len(CONTENT)


def test_an_error_that_nobody_foresaw_is_told(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> Path:
        raise RuntimeError("odd")

    monkeypatch.setattr("ui.pulling.pull", breaks)
    pulling = Pulling()
    pulling.start(ENTRIES[0], ENTRIES[0].variants[0], tmp_path, None)  # type: ignore[arg-type]
    pulling.wait(20)
    assert pulling.error is not None
    assert "odd" in str(pulling.error)
    assert pulling.take() is None


def test_another_quantisation_can_be_chosen(
    server: HubServer, draw: Draw, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = some_gguf(90_000, seed=1)
    small = Variant(
        "Q2_K", "org/tiny-GGUF", "small.gguf", 2, bytes=len(other), sha256=hashlib.sha256(other).hexdigest()
    )
    both = replace(ENTRIES[0], variants=(*ENTRIES[0].variants, small))
    monkeypatch.setattr("ui.fetch.read_catalogue", lambda: (both, ENTRIES[1]))
    server.files["small.gguf"] = other
    app = shown(draw)
    assert not app.exception
    choice = app.selectbox(key="fetch-quantisation-tiny")
    assert choice.options == ["Q4_K_M · 0.2 MB", "Q2_K · 0.1 MB"]
    assert "Go online and fetch 0.2 MB" in app.button(key="fetch-go").label
    choice.set_value("Q2_K").run()
    app.button(key="fetch-go").click().run()
    get_pulling().wait(20)
    assert (settings.models / "small.gguf").read_bytes() == other
    assert not (settings.models / "tiny.gguf").exists()
    app.run()
    app.button(key="fetch-show").click().run()
    app.selectbox(key="fetch-model").set_value("huge").run()
    assert "fetch-quantisation-huge" not in [box.key for box in app.selectbox]  # there is but one


def test_the_recommended_model_is_told_with_its_reason(server: HubServer, draw: Draw) -> None:
    app = shown(draw)
    (why,) = [caption.value for caption in app.caption if "For this machine" in caption.value]
    assert "of the 8.6 GB of memory that are free" in why.replace("\\", "")


def test_an_embedder_is_fetched_and_then_chosen(
    server: HubServer,
    engine: FakeEngine,
    draw: Draw,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_tiny_embedder(tmp_path / "e")
    also = ("modules.json", "config.json", "sentence_bert_config.json", "tokenizer.json", "1_Pooling/config.json")
    server.files |= {path: (tmp_path / "e" / path).read_bytes() for path in ("model.safetensors", *also)}
    size = len(server.files["model.safetensors"])
    variant = Variant("F32", "org/e", "model.safetensors", 1, bytes=size, also=also)
    finder = Entry("finder", "Finder", "embedder", 0.1, "MIT", ("*",), "Finds.", "listed", (variant,))
    monkeypatch.setattr("ui.fetch.read_catalogue", lambda: (finder,))
    app = shown(draw)
    assert ENGLISH.fetch_embedder in html(app)
    app.button(key="fetch-go").click().run()
    get_pulling().wait(20)
    app.run()
    assert not app.exception
    assert "finder is here" in app.success[0].value
    assert [model.name for model in engine.models()] == ["extractive"]
    app.button(key="use-embedder-finder").click().run()
    assert 'model = "finder"' in settings.file.read_text(encoding="utf-8")
