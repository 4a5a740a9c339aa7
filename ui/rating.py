"""Below an answer that is kept: was it good, why, and keep it as an example."""

import streamlit as st

from engine import Engine
from errors import CitaError
from rag.types import Rating
from ui import turns
from ui.engine import get_engine
from ui.frame import notice
from ui.texts import Texts
from ui.turns import Turn

_RATINGS: tuple[Rating, ...] = ("bad", "good")  # as the thumbs are numbered


def draw(number: int, turn: Turn, texts: Texts) -> None:
    """Nothing where the answer is not kept."""
    if not turn.n or turn.answer is None or not turns.opened():
        return
    with st.container(key=f"rating-{number}", horizontal=True, vertical_alignment="center", gap="small"):
        st.feedback(
            "thumbs",
            key=f"thumbs-{number}-{turns.opened()}",
            default=_RATINGS.index(turn.rating) if turn.rating else None,
            on_change=_rated,
            args=(number, turn),
        )
        if turn.rating:
            st.text_input(
                texts.rate_why, turn.reason, placeholder=texts.rate_why, label_visibility="collapsed", max_chars=500,
                key=f"reason-{number}-{turns.opened()}", on_change=_reasoned, args=(number, turn),
            )  # fmt: skip
        if turn.rating == "good" and not turn.answer.abstained:
            st.button(
                texts.rate_kept_example if turn.is_example else texts.rate_keep_example, key=f"example-{number}",
                type="tertiary", icon=":material/bookmark_added:" if turn.is_example else ":material/bookmark_add:",
                disabled=turn.is_example, on_click=_keep_example, args=(turn,),
            )  # fmt: skip


def _rated(number: int, turn: Turn) -> None:
    chosen: int | None = st.session_state[f"thumbs-{number}-{turns.opened()}"]
    rating = None if chosen is None else _RATINGS[chosen]
    _rate(get_engine(), turn, rating, turn.reason if rating == turn.rating else "")


def _reasoned(number: int, turn: Turn) -> None:
    _rate(get_engine(), turn, turn.rating, st.session_state[f"reason-{number}-{turns.opened()}"])


def _rate(engine: Engine, turn: Turn, rating: Rating | None, reason: str) -> None:
    try:
        engine.rate(turns.opened(), turn.n, rating, reason)
    except CitaError as error:
        notice(error)
        return
    turn.rating, turn.reason = rating, reason


def _keep_example(turn: Turn) -> None:
    try:
        get_engine().keep_example(turns.opened(), turn.n)
    except CitaError as error:
        notice(error)
        return
    turn.is_example = True
