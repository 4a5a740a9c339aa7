"""The reader beside the chat: the cited passage and, for a PDF, its page with the quote highlighted."""

from dataclasses import dataclass

import streamlit as st

from engine import Engine
from errors import CitaError
from rag.types import Citation
from ui import render
from ui.frame import notice
from ui.texts import Texts


@dataclass(frozen=True, slots=True)
class Opened:
    """The passage being read; characters `start` to `end` of it are the quote."""

    id: str
    page: int | None
    start: int = 0
    end: int = 0
    n: int = 0


def open_citation(citation: Citation) -> None:
    st.session_state.opened = Opened(citation.id, citation.page, citation.start, citation.end, citation.n)


def open_passage(id: str, page: int | None) -> None:
    st.session_state.opened = Opened(id, page)


def close() -> None:
    st.session_state.opened = None


def opened() -> Opened | None:
    value: Opened | None = st.session_state.get("opened")
    return value


def is_open(citation: Citation) -> bool:
    now = opened()
    return now is not None and (now.id, now.start, now.end) == (citation.id, citation.start, citation.end)


def place(page: int | None, page_to: int | None, texts: Texts) -> str:
    """'page 3' or 'pages 3–4'; nothing where the format has no pages."""
    if page is None:
        return ""
    if page_to is not None and page_to != page:
        return texts.reader_pages.format(page=page, page_to=page_to)
    return texts.reader_page.format(page=page)


def draw(engine: Engine, reading: Opened, texts: Texts) -> None:
    with st.container(key="reader", gap="small"):
        try:
            _draw(engine, reading, texts)
        except CitaError as error:
            st.button(texts.reader_close, key="close", icon=":material/close:", on_click=close)
            notice(error)


def _draw(engine: Engine, reading: Opened, texts: Texts) -> None:
    passage = engine.passage(reading.id)
    quote = passage.text[reading.start : reading.end]
    page = reading.page or passage.page
    with st.container(key="reader-head", horizontal=True, vertical_alignment="center"):
        st.html(
            render.source_card(str(reading.n or ""), passage.path, place(page, None, texts), passage.section, "", "")
        )
        st.button(texts.reader_close, key="close", icon=":material/close:", type="tertiary", on_click=close)
    if page is not None and passage.path.lower().endswith(".pdf"):
        image = engine.page_image(passage.path, page, (quote,) if quote else ())
        st.image(image, width="stretch", alt=texts.reader_image.format(page=page, file=passage.path))
    st.html(render.block("label", render.span("t", texts.reader_passage)))
    st.html(render.marked(passage.text, reading.start, reading.end))
