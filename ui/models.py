"""Models: what answers now, which there are, which other programs keep, fetching one, adding a GGUF by its path; what
finds passages; what this computer can run."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from engine import Engine
from models.discover import Found, discover
from models.types import EXTRACTIVE, ModelInfo
from ui import compare, doctor, embedders, fetch, render, runtime, servers
from ui.engine import get_engine, get_settings
from ui.frame import get_texts, guarded, heading, model_name, size_words
from ui.live import draw_loaded
from ui.texts import Texts


def draw() -> None:
    engine, texts = get_engine(), get_texts()
    heading(texts.models_title, texts.models_lead)
    active = engine.status().model
    models = engine.models()
    for number, model in enumerate(sorted(models, key=lambda model: model.name != active)):
        _draw_model(engine, number, model, model.name == active, texts)
    draw_loaded(engine)
    if sum(not model.ranks for model in models) > 1 and st.button(
        texts.compare_open, key="compare", icon=":material/compare:"
    ):
        st.switch_page(st.Page(guarded(compare.draw), url_path="compare"))
    _draw_found(engine, models, texts)
    fetch.draw(engine, texts)
    _draw_add(engine, texts)
    servers.draw(engine, texts)
    embedders.draw(texts)
    doctor.draw(texts)


def _draw_model(engine: Engine, number: int, model: ModelInfo, active: bool, texts: Texts) -> None:
    with st.container(
        key=f"model-{number}-{'active' if active else 'idle'}", horizontal=True, vertical_alignment="center"
    ):
        remark = texts.models_now if active else ""
        st.html(render.model_card(_title(model, texts), remark, describe(model, texts), model.path or model.server))
        if not active and not model.ranks and st.button(texts.models_use, key=f"use-{model.name}"):
            engine.use_model(model.name)
            st.rerun()
        if model.name != EXTRACTIVE.name:
            _draw_remove(engine, model, texts)
    if active and model.is_ours:
        runtime.draw(model, texts)


def _draw_remove(engine: Engine, model: ModelInfo, texts: Texts) -> None:
    is_in_home = not model.adapter and Path(model.path).parent == get_settings().models
    with st.popover("", icon=":material/delete:", type="tertiary", help=texts.models_remove):
        path = render.label(model.path)
        st.write(texts.models_remove_deleted.format(path=path) if is_in_home else texts.models_remove_kept)
        if st.button(texts.models_remove_sure, key=f"remove-{model.name}", type="primary"):
            engine.remove_model(model.name, is_in_home)
            st.rerun()


def _draw_found(engine: Engine, models: Sequence[ModelInfo], texts: Texts) -> None:
    """What other programs keep and is not among `models` yet; their folders are looked through once a session."""
    if "found_models" not in st.session_state:
        st.session_state.found_models = [one for one in discover() if not one.problem and not one.info.ranks]
    known = {model.path for model in models}
    found: list[Found] = [
        one for one in st.session_state.found_models if known.isdisjoint(str(place.path) for place in one.places)
    ]
    if not found:
        return
    st.html(render.block("section", render.span("h", texts.models_found), render.span("lead", texts.models_found_lead)))
    for number, one in enumerate(found):
        with st.container(key=f"model-found-{number}", horizontal=True, vertical_alignment="center"):
            programs = ", ".join(dict.fromkeys(place.program for place in one.places))
            st.html(render.model_card(one.info.name, programs, describe(one.info, texts), one.info.path))
            if st.button(texts.models_found_use, key=f"use-found-{one.info.path}"):
                engine.use_model(engine.add_model(Path(one.info.path)).name)
                st.rerun()


def _title(model: ModelInfo, texts: Texts) -> str:
    name = model_name(model.name, texts)
    return name[:1].upper() + name[1:] if model.name == EXTRACTIVE.name else name


def describe(model: ModelInfo, texts: Texts) -> str:
    """What a person wants to know of a model before choosing it, on one line."""
    if model.name == EXTRACTIVE.name:
        return texts.models_extractive
    parts = [texts.models_reranker] if model.ranks else []
    parts += [model.title if model.title != model.name else "", model.architecture]
    if model.parameters:
        parts.append(texts.models_parameters.format(n=_parameters(model.parameters)))
    parts.append(model.quantisation)
    if model.size:
        parts.append(size_words(model.size))
    if model.adapter:
        parts.append(texts.models_adapter.format(name=Path(model.adapter).name, scale=f"{model.scale:g}"))
    if model.context:
        parts.append(texts.models_context.format(n=f"{model.context:,}"))
    if model.server:
        parts.append(texts.models_served.format(program=model.program or texts.models_a_server))
    if model.host:
        parts.append(texts.models_elsewhere.format(host=model.host))
    return " · ".join(part for part in parts if part)


def _parameters(number: int) -> str:
    """1_234_567_890 -> '1.2B', as model names say it."""
    return f"{number / 1e9:.1f}B" if number >= 1e9 else f"{number / 1e6:.1f}M"


def _draw_add(engine: Engine, texts: Texts) -> None:
    st.html(render.block("section", render.span("h", texts.models_add), render.span("lead", texts.models_add_lead)))
    with st.form("add-model", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        path = st.text_input(texts.models_path, placeholder=str(Path.home() / "model.gguf"), key="gguf")
        bases = [model.name for model in engine.models() if model.is_ours and not model.ranks and not model.adapter]
        base = st.selectbox(
            texts.models_adapter_for,
            ["", *bases],
            format_func=lambda name: render.label(name) or texts.models_no_adapter,
            key="base",
            help=texts.models_adapter_help,
            disabled=not bases,
        )
        added = st.form_submit_button(texts.models_add_button, icon=":material/add:")
    if added and path.strip():
        model = engine.add_model(Path(path.strip()).expanduser(), base)
        st.session_state.added_model = model.name
        st.rerun()
    name = st.session_state.pop("added_model", None)
    if name:
        st.success(texts.models_added.format(name=render.label(name)), icon=":material/check_circle:")
