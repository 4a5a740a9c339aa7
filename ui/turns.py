"""The conversation that is open: its turns, and how one that was kept comes back."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import streamlit as st

from engine import Engine
from errors import CitaError, UsageError
from ingest.types import Filters
from rag.types import REMEMBERED, Abstain, Answer, Evidence, Hit, KeptTurn, Rating, Voice
from rag.types import Turn as EarlierTurn
from ui import reader


@dataclass
class Turn:
    """A question and what became of it. Until it is answered or failed it counts as stopped, whatever ended it.

    `n` is its number in the conversation that keeps it, 0 where nothing does (`unkept` may say why); `evidence` says
    what has become of what it cites, by passage, where it was kept before.
    """

    question: str
    filters: Filters = Filters()
    k: int | None = None
    abstain: Abstain | None = None
    voice: Voice | None = None
    profile: str | None = None
    state: Literal["asked", "answered", "stopped", "failed"] = "asked"
    hits: tuple[Hit, ...] = ()
    understood: str = ""
    draft: str = ""
    thought: str = ""
    answer: Answer | None = None
    error: CitaError | None = field(default=None)
    n: int = 0
    unkept: str = ""
    evidence: dict[str, Evidence] = field(default_factory=dict)
    rating: Rating | None = None
    reason: str = ""
    is_example: bool = False


def turns() -> list[Turn]:
    """Those of the open conversation."""
    found: list[Turn] = st.session_state.setdefault("turns", [])
    return found


def opened() -> str:
    """The id of the conversation that is open; '' for one that is not kept, or not yet."""
    id: str = st.session_state.get("conversation", "")
    return id


def open_new() -> None:
    st.session_state.turns = []
    st.session_state.conversation = ""
    reader.close()


def open_conversation(engine: Engine, id: str) -> None:
    """Shows it as it was. Raises UsageError if there is none of that id."""
    kept = engine.conversation(id)
    st.session_state.turns = [_shown(turn) for turn in kept.turns]
    st.session_state.conversation = kept.id
    reader.close()


def resume(engine: Engine) -> None:
    """Opens the conversation that the page's address names, where the page is loaded anew."""
    if "turns" not in st.session_state and (id := st.query_params.get("chat")):
        with suppress(UsageError):  # it was deleted
            open_conversation(engine, id)


def _shown(kept: KeptTurn) -> Turn:
    return Turn(
        question=kept.question,
        filters=kept.filters,
        k=kept.k,
        state=kept.state,
        hits=tuple(evidence.hit for evidence in kept.evidence),
        understood=kept.understood,
        draft=kept.draft,
        answer=kept.answer,
        error=CitaError(kept.error, hint=kept.hint) if kept.state == "failed" else None,
        n=kept.n,
        evidence={evidence.hit.passage.id: evidence for evidence in kept.evidence},
        rating=kept.rating,
        reason=kept.reason,
    )


def earlier(turns: Sequence[Turn]) -> list[EarlierTurn]:
    """What a follow-up may lean on: the last questions that were answered."""
    answered = [turn for turn in turns if turn.answer is not None and not turn.answer.stopped]
    return [EarlierTurn(turn.question, turn.answer.answer) for turn in answered[-REMEMBERED:] if turn.answer]
