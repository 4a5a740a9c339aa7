"""What all pages share: texts, errors, the sidebar."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path

import streamlit as st

from engine import Status
from errors import CitaError, SettingsError
from models.types import EXTRACTIVE
from ui import render
from ui.engine import get_engine, get_settings
from ui.texts import TEXTS, Texts, choose_language

FOLDER = Path(__file__).parent


def get_texts() -> Texts:
    """The texts in the language that the settings or else the browser ask for."""
    try:
        setting = get_settings().app.language
    except SettingsError:  # said by the page itself; its words still need a language
        setting = "auto"
    return TEXTS[choose_language(setting, st.context.locale)]


def guarded(draw: Callable[[], None]) -> Callable[[], None]:
    """A page that shows an error of ours as a notice, with its next step."""

    @wraps(draw)
    def drawn() -> None:
        try:
            draw()
        except CitaError as error:
            notice(error)

    return drawn


def notice(error: CitaError) -> None:
    hint = f"  \n**{get_texts().next_step}** {render.label(error.hint)}" if error.hint else ""
    st.error(render.label(error.message) + hint, icon=":material/error:")


def heading(title: str, lead: str) -> None:
    st.html(render.block("heading", render.block("title", render.span("h", title)), render.span("lead", lead)))


def model_name(name: str, texts: Texts) -> str:
    return texts.extractive if name == EXTRACTIVE.name else name


def size_words(size: int) -> str:
    """Bytes, as a person reads them."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def draw_sidebar() -> None:
    """At the foot of the navigation: how much there is, what answers, and that nothing leaves. Where a model that is
    not on this machine answers, what leaves and where to is said there and over every page."""
    texts, leaves_to = get_texts(), ""
    with st.sidebar.container(key="foot"):
        try:
            status = get_engine().status()
        except CitaError as error:
            notice(error)
        else:
            st.html(
                render.block(
                    "facts",
                    render.block(
                        "fact",
                        render.span("dot", ""),
                        render.span("t", texts.documents(status.sources.get("indexed", 0))),
                    ),
                    render.block(
                        "fact",
                        render.span("dot", ""),
                        render.span("t", texts.answers_by.format(model=model_name(status.model, texts))),
                    ),
                    _privacy(status, texts),
                )
            )
            leaves_to = status.host
    if leaves_to:
        st.html(render.block("leaves", render.span("t", texts.leaves.format(host=leaves_to), texts.leaves_help)))


def _privacy(status: Status, texts: Texts) -> str:
    """That nothing leaves; or where to, now or if a profile or a comparison asks a model there."""
    host = status.host
    if not host and status.hosts:
        said = texts.leaves_if_asked.format(host=", ".join(status.hosts))
        return render.block(
            "fact", render.span("dot cita-warned", ""), render.span("t", said, texts.leaves_if_asked_help)
        )
    if host:
        return render.block(
            "fact", render.span("dot cita-warned", ""), render.span("t", texts.leaves_to.format(host=host))
        )
    return render.block("fact", render.span("dot cita-good", ""), render.span("t", texts.private, texts.private_help))
