"""The part of the page Models with servers: those that run on this computer, looked for when asked, and one by its
address. One on another machine is spoken to only once the box that says what leaves is ticked."""

import streamlit as st

from engine import Engine
from models.servers import Running, consent_needed, find_servers, server_url
from models.types import ModelInfo
from ui import render
from ui.texts import Texts


def draw(engine: Engine, texts: Texts) -> None:
    st.html(render.block("section", render.span("h", texts.servers_title), render.span("lead", texts.servers_lead)))
    if st.button(texts.servers_look, key="servers-look", icon=":material/search:"):
        st.session_state.found_servers = find_servers()
    known = {(model.server, model.served_as) for model in engine.models()}
    for running in st.session_state.get("found_servers", ()):
        _draw_running(engine, running, known, texts)
    if st.session_state.get("found_servers") == []:
        st.caption(texts.servers_none)
    _draw_add(engine, texts)


def _draw_running(engine: Engine, running: Running, known: set[tuple[str, str]], texts: Texts) -> None:
    if running.problem:
        st.warning(render.label(running.problem), icon=":material/dns:")
    for model in running.models:
        if (running.url, model.served_as) in known:
            continue
        with st.container(
            key=f"model-served-{running.url}-{model.served_as}", horizontal=True, vertical_alignment="center"
        ):
            st.html(render.model_card(model.served_as, running.program, _describe(model, texts), running.url))
            if st.button(texts.models_found_use, key=f"use-served-{running.url}-{model.served_as}"):
                (added,) = engine.add_server(running.url, model.served_as)
                engine.use_model(added.name)
                st.rerun()


def _describe(model: ModelInfo, texts: Texts) -> str:
    context = texts.models_context.format(n=f"{model.context:,}") if model.context else ""
    return " · ".join(filter(None, (model.architecture, model.quantisation, context)))


def _draw_add(engine: Engine, texts: Texts) -> None:
    with st.form("add-server", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            url = st.text_input(texts.servers_url, placeholder="http://127.0.0.1:11434", key="server-url")
            model = st.text_input(texts.servers_model, key="server-model", help=texts.servers_model_help)
            key = st.text_input(texts.servers_key, key="server-key", type="password", help=texts.servers_key_help)
        agreed = st.checkbox(texts.servers_consent, key="server-consent")
        added = st.form_submit_button(texts.models_add_button, icon=":material/add:")
    if added and url.strip():
        kept = server_url(url)
        if consent_needed(kept) and not agreed:
            st.warning(texts.servers_refused.format(host=render.label(host_of(kept))), icon=":material/public:")
            return
        st.session_state.added_servers = [
            one.name for one in engine.add_server(kept, model.strip(), key.strip(), off_machine=agreed)
        ]
        st.rerun()
    for name in st.session_state.pop("added_servers", ()):
        st.success(texts.models_added.format(name=render.label(name)), icon=":material/check_circle:")


def host_of(url: str) -> str:
    """What the address names: the machine and its port."""
    return url.partition("://")[2].partition("/")[0]
