"""The part of the page Models that chooses what finds passages: the embedders that are here."""

import streamlit as st

from models.embedders import EmbedderInfo, choosing, embedders
from ui import render
from ui.engine import get_settings
from ui.frame import size_words
from ui.save import save_settings
from ui.texts import Texts


def draw(texts: Texts) -> None:
    st.html(render.block("section", render.span("h", texts.embedders_title), render.span("lead", texts.embedders_lead)))
    for number, embedder in enumerate(embedders(get_settings())):
        _draw_embedder(number, embedder, texts)
    if st.session_state.pop("embedder_chosen", False):
        st.success(texts.embedders_chosen, icon=":material/check_circle:")


def _draw_embedder(number: int, embedder: EmbedderInfo, texts: Texts) -> None:
    state = "active" if embedder.active else "idle"
    with st.container(key=f"model-embedder-{number}-{state}", horizontal=True, vertical_alignment="center"):
        remark = texts.embedders_set if embedder.active else ""
        st.html(render.model_card(embedder.name, remark, describe(embedder, texts), embedder.path))
        usable = not embedder.active and not embedder.problem
        if usable and st.button(texts.models_use, key=f"use-embedder-{embedder.name}"):
            choose(embedder)
            st.rerun()


def choose(embedder: EmbedderInfo) -> None:
    """Writes it to cita.toml; it is told at the next drawing."""
    settings = get_settings()
    save_settings(settings, choosing(embedder))
    st.session_state.embedder_chosen = True


def describe(embedder: EmbedderInfo, texts: Texts) -> str:
    if embedder.problem:
        return embedder.problem
    parts = [size_words(embedder.size), texts.models_context.format(n=f"{embedder.window:,}")]
    return " · ".join(parts)
