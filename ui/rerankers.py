"""The rerankers that there are: which works, and why, as two pages show it."""

from collections.abc import Sequence

import streamlit as st

from rag.types import RerankerInfo
from ui import render
from ui.texts import Texts


def draw_rerankers(rerankers: Sequence[RerankerInfo], texts: Texts) -> None:
    """Nothing where there are none."""
    if rerankers:
        st.html(render.block("section", render.span("h", texts.inspect_rerankers)))
        st.html(render.facts([(one.name, _why(one, texts)) for one in rerankers]))


def _why(reranker: RerankerInfo, texts: Texts) -> str:
    reason, verdict = texts.reranker(reranker.reason), reranker.verdict
    if verdict is None:
        return reason
    return texts.inspect_measured.format(
        reason=reason,
        before=f"{verdict.before:.3f}",
        after=f"{verdict.after:.3f}",
        p=f"{verdict.p:.3f}",
        n=verdict.n,
        ms=f"{1000 * verdict.seconds:+.0f}",
    )
