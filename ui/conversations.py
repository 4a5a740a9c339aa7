"""The conversations in the sidebar: found, opened, renamed, exported, deleted."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from engine import Engine
from errors import CitaError, UsageError
from rag.types import ConversationSummary, ExportForm, Language
from ui import render, turns
from ui.engine import get_engine
from ui.frame import get_texts, notice
from ui.texts import TEXTS, Texts

SHOWN = 30  # as many more with each click
FEW = 5  # so many need no search
FORMS: dict[ExportForm, tuple[str, str]] = {
    "md": ("Markdown", "text/markdown"),
    "docx": ("Word", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    "json": ("JSON", "application/json"),
}


def draw_list(asking: Any) -> None:
    """In the sidebar of every page; a click opens a conversation on the page `asking`. Nothing while there are none."""
    texts = get_texts()
    with st.sidebar.container(key="conversations", gap="small"):
        try:
            engine = get_engine()
            _draw(engine, asking, texts)
        except CitaError as error:
            notice(error)


def _draw(engine: Engine, asking: Any, texts: Texts) -> None:
    turns.resume(engine)
    every = engine.conversations()
    if not every:
        return
    st.html(render.block("label", render.span("t", texts.talks)))
    if len(every) > FEW:
        wanted = st.text_input(
            texts.talks_find, placeholder=texts.talks_find, label_visibility="collapsed", key="talks-find",
            icon=":material/search:",
        )  # fmt: skip
        if wanted.strip():
            every = engine.conversations(wanted)
            if not every:
                st.html(render.block("nothing", render.span("t", texts.talks_none)))
    shown: int = st.session_state.setdefault("talks-shown", SHOWN)
    with st.container(key="talks", gap=None):
        for one in every[:shown]:
            _draw_one(engine, one, asking, texts)
    if len(every) > shown:
        st.button(texts.talks_more, key="talks-more", type="tertiary", on_click=_show_more)


def _show_more() -> None:
    st.session_state["talks-shown"] += SHOWN


def _draw_one(engine: Engine, one: ConversationSummary, asking: Any, texts: Texts) -> None:
    is_open = one.id == turns.opened()
    key = f"talk-{one.id}-{'open' if is_open else 'shut'}"
    with st.container(key=key, horizontal=True, vertical_alignment="center", gap=None, wrap=False):
        if st.button(
            render.label(one.title), key=f"talk-open-{one.id}", type="tertiary", width="stretch",
            help=render.label(one.excerpt or texts.talks_when.format(n=one.turns, day=one.changed_at[:10])),
        ):  # fmt: skip
            turns.open_conversation(engine, one.id)
            st.switch_page(asking)
        if is_open:
            with st.popover("", icon=":material/more_horiz:", type="tertiary", help=texts.talks_options):
                _draw_options(engine, one, texts)


def _draw_options(engine: Engine, one: ConversationSummary, texts: Texts) -> None:
    st.text_input(
        texts.talks_title, one.title, max_chars=200, key=f"talk-title-{one.id}", on_change=_rename, args=(one.id,)
    )
    st.caption(texts.talks_export)
    with st.container(horizontal=True, key="talk-export"):
        for form, (name, media_type) in FORMS.items():
            st.download_button(
                name, _exported(engine, one.id, form, texts), f"{_file_name(one.title)}.{form}", media_type,
                key=f"talk-export-{form}", on_click="ignore", icon=":material/download:",
            )  # fmt: skip
    st.button(
        texts.talks_delete, key=f"talk-delete-{one.id}", icon=":material/delete:", on_click=_delete, args=(one.id,),
        help=texts.talks_delete_help,
    )  # fmt: skip


def _exported(engine: Engine, id: str, form: ExportForm, texts: Texts) -> Callable[[], bytes]:
    """Makes the file when it is asked for."""
    language: Language = "es" if texts is TEXTS["es"] else "en"
    return lambda: engine.export_conversation(id, form, language)


def _file_name(title: str) -> str:
    """A name that any system takes."""
    words = "".join(letter if letter.isalnum() else " " for letter in title).split()
    return "-".join(words)[:60] or "cita"


def _rename(id: str) -> None:
    title: str = st.session_state[f"talk-title-{id}"]
    if title.strip():
        _done(lambda: get_engine().rename_conversation(id, title))


def _delete(id: str) -> None:
    _done(lambda: get_engine().delete_conversations([id]))
    if turns.opened() == id:
        turns.open_new()


def _done(act: Callable[[], None]) -> None:
    try:
        act()
    except UsageError:  # it was deleted elsewhere: the list shows that
        turns.open_new()
    except CitaError as error:
        notice(error)
