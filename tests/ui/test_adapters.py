"""A LoRA adapter on the page Models."""

from pathlib import Path

from tests.fakes import FakeEngine
from tests.ui.conftest import Draw, html
from ui.texts import ENGLISH


def test_an_adapter_is_added_to_the_model_that_is_chosen(tmp_path: Path, engine: FakeEngine, draw: Draw) -> None:
    for name in ("tiny", "curt"):
        (tmp_path / f"{name}.gguf").write_bytes(b"GGUF")
    assert draw("models").selectbox(key="base").disabled  # there is no model to add one to
    engine.add_model(tmp_path / "tiny.gguf")
    app = draw("models")
    assert app.selectbox(key="base").options == [ENGLISH.models_no_adapter, "tiny"]
    app.text_input(key="gguf").set_value(str(tmp_path / "curt.gguf"))
    app.selectbox(key="base").set_value("tiny")
    next(button for button in app.button if button.label == ENGLISH.models_add_button).click()
    app.run()
    assert not app.exception
    assert engine.models()[-1].adapter == str(tmp_path / "curt.gguf")
    assert "with curt.gguf, weight 1" in html(app)
    assert app.selectbox(key="base").options == [ENGLISH.models_no_adapter, "tiny"]
