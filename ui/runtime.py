"""How the model that answers is run: shown, and changed. What is not set suits this machine (models/runtime.py)."""

from typing import Any, get_args

import streamlit as st

from models.doctor import Generation, how_it_runs
from models.types import ModelInfo
from settings import Generate, Settings
from ui import render
from ui.engine import get_settings
from ui.frame import size_words
from ui.live import runtime_words
from ui.save import save_settings
from ui.settings import changed
from ui.texts import Texts


def draw(model: ModelInfo, texts: Texts) -> None:
    """llama.cpp is asked for the graphics card, so once for a model and its settings, and not at each drawing."""
    settings = get_settings()
    asked = (model.name, model.size, settings.generate)
    if st.session_state.get("runtime_asked") != asked:
        st.session_state.runtime_asked, st.session_state.generation = asked, how_it_runs(settings)
    generation: Generation = st.session_state.generation
    if generation.problem:
        st.warning(render.label(generation.problem), icon=":material/memory:")
    if generation.runtime and generation.memory:
        takes = texts.models_memory.format(size=size_words(generation.memory.total))
        st.caption(f"{runtime_words(generation.runtime, texts)} {takes}")
    with st.popover(texts.runtime_change, icon=":material/tune:", type="tertiary"):
        _draw_form(settings, texts)
    if st.session_state.pop("runtime_saved", False):
        st.success(texts.runtime_saved, icon=":material/check_circle:")


def _draw_form(settings: Settings, texts: Texts) -> None:
    held = settings.generate
    with st.form("runtime", border=False):
        st.caption(texts.runtime_lead)
        left, right = st.columns(2)
        wanted: dict[str, Any] = {
            "context": left.number_input(texts.settings_context, 256, 1_048_576, held.context, key="run-context"),
            "threads": right.number_input(texts.runtime_threads, 0, 1024, held.threads, key="run-threads"),
            "gpu_layers": left.number_input(texts.runtime_layers, -1, 10_000, held.gpu_layers, key="run-layers"),
            "batch": right.number_input(texts.runtime_batch, 0, 65_536, held.batch, key="run-batch"),
            "cache": _choice(texts.runtime_cache, "cache", held, texts),
            "flash_attention": _choice(texts.runtime_flash, "flash_attention", held, texts),
        }
        if st.form_submit_button(texts.settings_save, type="primary", icon=":material/check:"):
            save_settings(settings, changed(settings, {"generate": wanted}))
            st.session_state.runtime_saved = True
            st.rerun()


def _choice(label: str, name: str, held: Generate, texts: Texts) -> str | None:
    """One of the values that the setting may have."""
    options: tuple[str, ...] = get_args(Generate.model_fields[name].annotation)
    named = {"auto": texts.runtime_auto, "on": texts.on, "off": texts.off}
    chosen: str | None = st.segmented_control(
        label, options, default=getattr(held, name), required=True, key=f"run-{name}",
        format_func=lambda value: named.get(value, value),
    )  # fmt: skip
    return chosen
