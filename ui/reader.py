"""The reader beside the chat: the cited passage and, for a PDF, its page with the quote highlighted."""

from dataclasses import dataclass

import streamlit as st

from engine import Engine
from errors import CitaError, UsageError
from ingest.types import Passage
from rag.types import Citation, Since
from ui import render
from ui.frame import notice
from ui.texts import Texts


@dataclass(frozen=True, slots=True)
class Opened:
    """The passage being read; characters `start` to `end` of it are the quote. `kept` is the passage as it was when it
    was shown, `since` what has become of its file."""

    id: str
    page: int | None
    start: int = 0
    end: int = 0
    n: int = 0
    kept: Passage | None = None
    since: Since = "same"


def open_citation(citation: Citation, kept: Passage | None = None, since: Since = "same") -> None:
    st.session_state.opened = Opened(citation.id, citation.page, citation.start, citation.end, citation.n, kept, since)


def open_passage(id: str, page: int | None, kept: Passage | None = None, since: Since = "same") -> None:
    st.session_state.opened = Opened(id, page, kept=kept, since=since)


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
    passage, is_then = _passage(engine, reading)
    quote = passage.text[reading.start : reading.end]
    page = reading.page or passage.page
    with st.container(key="reader-head", horizontal=True, vertical_alignment="center"):
        st.html(
            render.source_card(str(reading.n or ""), passage.path, place(page, None, texts), passage.section, "", "")
        )
        st.button(texts.reader_close, key="close", icon=":material/close:", type="tertiary", on_click=close)
    if is_then:
        st.html(render.block("warning", render.span("t", texts.reader_then)))
    elif page is not None and passage.path.lower().endswith(".pdf"):
        image = engine.page_image(passage.path, page, (quote,) if quote else ())
        st.image(image, width="stretch", alt=texts.reader_image.format(page=page, file=passage.path))
    st.html(render.block("label", render.span("t", texts.reader_passage)))
    st.html(render.marked(passage.text, reading.start, reading.end))


def _passage(engine: Engine, reading: Opened) -> tuple[Passage, bool]:
    """The passage, and whether it is the one of then: where the file no longer has it."""
    if reading.kept and reading.since in ("changed", "moved", "gone"):
        return reading.kept, True
    try:
        return engine.passage(reading.id), False
    except UsageError:
        if reading.kept is None:
            raise
        return reading.kept, True
