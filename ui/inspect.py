"""Inspect: what a search finds, why each passage stands where it does, and what was dropped."""

from collections.abc import Sequence

import streamlit as st

from rag.types import CandidateScores, Dropped, Explanation, Hit, RerankerInfo, SearchExplanation, SearchResult
from ui import filters, reader, render
from ui.engine import get_engine, get_settings
from ui.frame import get_texts, heading
from ui.rerankers import draw_rerankers
from ui.texts import Texts

BINS = 24
COLOURS = ("#0f766e", "#a8a29e")  # of hits, of the others
REASONS = ("filtered", "duplicate", "beyond")


def draw() -> None:
    engine, texts = get_engine(), get_texts()
    heading(texts.inspect_title, texts.inspect_lead)
    sources = engine.sources()
    question = st.text_input(texts.inspect_question, key="inspected", max_chars=4000, placeholder=texts.ask_placeholder)
    k = st.session_state.get("k") or get_settings().retrieve.k
    label = f"{filters.summary(texts)} · {texts.ask_passages.format(k=k)}"
    with st.popover(label, icon=":material/tune:", type="tertiary"):
        filters.draw(sources, texts)
        st.slider(texts.ask_k, 1, max(30, k), k, key="k", help=texts.ask_k_help)
    if question.strip():
        result = engine.search(question, k, filters.chosen(), explain=True)
        _draw_result(result, engine.status().rerankers, texts)


def _draw_result(result: SearchResult, rerankers: Sequence[RerankerInfo], texts: Texts) -> None:
    explanation = result.explanation
    if explanation is None:  # an engine that cannot explain
        return
    _draw_words(explanation, texts)
    _draw_queries(explanation.queries, texts)
    _draw_plots(explanation.candidates, texts)
    _section(texts.inspect_hits.format(n=len(result.hits), of=len(explanation.candidates)))
    for hit in result.hits:
        _draw_hit(hit, texts)
    _section(texts.inspect_dropped)
    for reason in REASONS:
        _draw_dropped([one for one in explanation.dropped if one.reason == reason], reason, result.hits, texts)
    _draw_steps(result, explanation, texts)
    draw_rerankers(rerankers, texts)


def _section(name: str) -> None:
    st.html(render.block("section", render.span("h", name)))


def _draw_words(explanation: SearchExplanation, texts: Texts) -> None:
    """The question's words: how many passages have each, and what it weighs."""
    if explanation.terms:
        weights = [
            (term.word, texts.inspect_word.format(n=term.passages, weight=f"{term.weight:.2f}"))
            for term in explanation.terms
        ]
        st.html(render.block("label", render.span("t", texts.inspect_words)) + render.facts(weights))


def _draw_queries(queries: Sequence[str], texts: Texts) -> None:
    """What was searched for beside the question."""
    if queries:
        st.html(render.block("timing", render.span("t", texts.inspect_queries.format(queries=" · ".join(queries)))))


def _draw_plots(candidates: Sequence[CandidateScores], texts: Texts) -> None:
    """How the scores are distributed, and what each side gave."""
    if not candidates:
        return
    left, right = st.columns(2)
    left.bar_chart(
        _bins(candidates, texts), x=texts.inspect_score, y=[texts.inspect_hit, texts.inspect_other], height=260,
        color=[*COLOURS], alt=texts.inspect_distribution,
    )  # fmt: skip
    kinds = {True: texts.inspect_hit, False: texts.inspect_other}
    places: list[dict[str, float | None]] = [
        {
            texts.inspect_lexical: round(one.lexical, 4),
            kinds[one.is_hit]: round(one.cosine, 4),
            kinds[not one.is_hit]: None,
        }
        for one in candidates
    ]
    right.scatter_chart(
        places, x=texts.inspect_lexical, y=list(kinds.values()), y_label=texts.inspect_dense, color=[*COLOURS],
        height=260, alt=texts.inspect_sides,
    )  # fmt: skip


def _bins(candidates: Sequence[CandidateScores], texts: Texts) -> list[dict[str, float]]:
    """How many hits and others have a score, in equal steps from the least to the most."""
    scores = [one.score for one in candidates]
    least, step = min(scores), (max(scores) - min(scores)) / BINS or 1.0
    counts = [[0, 0] for _ in range(BINS)]
    for one in candidates:
        counts[min(int((one.score - least) / step), BINS - 1)][not one.is_hit] += 1
    return [
        {texts.inspect_score: round(least + (n + 0.5) * step, 3), texts.inspect_hit: hits, texts.inspect_other: others}
        for n, (hits, others) in enumerate(counts)
    ]


def _draw_hit(hit: Hit, texts: Texts) -> None:
    passage, why = hit.passage, hit.explanation
    place = reader.place(passage.page, passage.page_to, texts)
    st.html(
        render.block(
            "inspected",
            render.source_card(str(hit.rank), passage.path, place, passage.section, ""),
            render.matched(passage.text, [(match.start, match.end) for match in why.matches] if why else ()),
            render.facts(_reasons(why, texts)) if why else "",
        )
    )


def _reasons(why: Explanation, texts: Texts) -> list[tuple[str, str]]:
    """The parts of a score, each with its name."""
    return [
        (texts.inspect_lexical, f"{why.lexical:.3f} · {_rank(why.lexical_rank, texts)}"),
        (texts.inspect_dense, f"{why.cosine:.3f} · {_rank(why.dense_rank, texts)}"),
        (texts.inspect_fused, f"{why.fused:.3f} · {_rank(why.fused_rank, texts)}"),
        *((texts.feature(name), f"{value:+.3f}") for name, value in why.features.items()),
        (texts.inspect_score, f"{why.score:.3f}"),
    ]


def _rank(rank: int | None, texts: Texts) -> str:
    return texts.inspect_not_found if rank is None else texts.inspect_rank.format(rank=rank)


def _draw_dropped(dropped: Sequence[Dropped], reason: str, hits: Sequence[Hit], texts: Texts) -> None:
    if not dropped:
        return
    ranks = {hit.passage.id: hit.rank for hit in hits}
    with st.expander(f"{texts.reason(reason)} ({len(dropped)})", type="compact"):
        for one in dropped:
            passage, why = one.passage, one.explanation
            same = texts.inspect_same.format(n=ranks[one.of]) if one.of in ranks else ""
            scores = " · ".join(f"{name} {value}" for name, value in _reasons(why, texts))
            st.html(
                render.block(
                    "inspected",
                    render.source_card(
                        "", passage.path, reader.place(passage.page, passage.page_to, texts), passage.section, "", same
                    ),
                    render.matched(passage.text, [(match.start, match.end) for match in why.matches]),
                    render.block("timing", render.span("t", scores)),
                )
            )


def _draw_steps(result: SearchResult, explanation: SearchExplanation, texts: Texts) -> None:
    steps = " · ".join(f"{texts.step(name)} {1000 * seconds:.1f} ms" for name, seconds in explanation.seconds.items())
    line = texts.inspect_steps.format(seconds=f"{result.seconds:.2f}", steps=steps)
    st.html(render.block("timing", render.span("t", line)))
