"""Compare: one question to two models or profiles, their answers side by side, and which did better so far."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine import Engine
from errors import CitaError
from evaluation.compare import Standing, standings
from ingest.names import printable
from rag.types import ALIKE, Answer, Comparison, ComparisonFinished, Contended, Contender, ContenderFailed, Token
from ui import reader, render
from ui.engine import get_engine, get_settings
from ui.frame import get_texts, heading, model_name, notice
from ui.stream import follow
from ui.texts import Texts

REDRAW_SECONDS = 0.06
SIDES = ("left", "right")
MARKS = {"supported": "✓", **render.VERDICT_MARKS}


@dataclass
class Contest:
    """A question that is asked now; what it came to is a Comparison."""

    question: str
    contenders: tuple[Contender, ...]
    drafts: list[str] = field(default_factory=lambda: ["", ""])
    begun: bool = False


def draw() -> None:
    engine, texts = get_engine(), get_texts()
    heading(texts.compare_title, texts.compare_lead)
    if not any(source.passages for source in engine.sources()):
        st.html(render.block("nothing", render.span("t", texts.ask_empty_library)))
        return
    _draw_form(engine, texts)
    contest: Contest | None = st.session_state.get("contest")
    if contest and not contest.begun:
        _stream(engine, contest, texts)
    elif contest:
        st.html(render.block("stopped", render.span("t", texts.ask_stopped)))
    kept = engine.comparisons()
    if shown := _shown(kept):
        _draw_comparison(engine, shown, texts)
    _draw_record(engine, kept, texts)


def _draw_form(engine: Engine, texts: Texts) -> None:
    named = _contenders(engine, texts)
    names = list(named)
    if len(names) < 2:
        st.info(texts.compare_alone, icon=":material/info:")
    with st.form("compare", border=False):
        for place, side, label in zip(st.columns(2), SIDES, (texts.compare_first, texts.compare_second), strict=True):
            first = min(SIDES.index(side), len(names) - 1)
            place.selectbox(label, names, first, format_func=printable, key=f"compare-{side}")
        question = st.text_input(texts.compare_question, key="compare-question", max_chars=4000)
        asked = st.form_submit_button(texts.compare_ask, type="primary", icon=":material/compare:")
    if asked and question.strip():
        both = tuple(named[st.session_state[f"compare-{side}"]] for side in SIDES)
        st.session_state.contest = Contest(question.strip(), both)
        st.session_state.compared = None


def _contenders(engine: Engine, texts: Texts) -> dict[str, Contender]:
    """By the name that is shown: the profiles, then the models, the one that answers now first."""
    active = engine.status().model
    models = sorted((one.name for one in engine.models() if not one.ranks), key=lambda name: name != active)
    profiles = {texts.compare_profile.format(name=name): Contender(profile=name) for name in get_settings().profiles}
    return {model_name(name, texts): Contender(name) for name in models} | profiles


def _stream(engine: Engine, contest: Contest, texts: Texts) -> None:
    """Writes one answer, then the other. A click on Stop, or anywhere, interrupts this function at its next drawing."""
    contest.begun = True
    st.html(render.block("question", render.span("t", contest.question)))
    places: list[DeltaGenerator] = []
    for column, one in zip(st.columns(2), contest.contenders, strict=True):
        column.html(render.block("label", render.span("t", _name(one, texts))))
        places.append(column.empty())
    waiting = [texts.ask_reading, texts.compare_waits]
    for place, words in zip(places, waiting, strict=True):
        place.html(render.draft("", words))
    st.button(texts.ask_stop, key="stop", icon=":material/stop_circle:")
    drawn = 0.0
    try:
        with closing(follow(engine.compare(contest.question, contest.contenders))) as events:
            for event in events:
                if isinstance(event, ComparisonFinished):
                    st.session_state.compared, st.session_state.contest = event.comparison, None
                    st.session_state.unkept = event.problem
                elif isinstance(event, ContenderFailed):
                    places[event.n].html(render.stopped(event.error))
                elif isinstance(event, Contended) and isinstance(event.of, Token):
                    contest.drafts[event.n] += event.of.text
                    if time.monotonic() - drawn > REDRAW_SECONDS:
                        places[event.n].html(render.draft(contest.drafts[event.n]))
                        drawn = time.monotonic()
                elif isinstance(event, Contended):
                    words = "" if contest.drafts[event.n] else texts.ask_reading
                    places[event.n].html(render.draft(contest.drafts[event.n], words))
    except CitaError as error:
        st.session_state.contest = None
        notice(error)
        return
    st.rerun()


def _shown(kept: Sequence[Comparison]) -> Comparison | None:
    """The one that was just made, or that was picked from the list; as it is kept now."""
    shown: Comparison | None = st.session_state.get("compared")
    return next((one for one in kept if shown and one.id == shown.id), shown if shown and not shown.id else None)


def _draw_comparison(engine: Engine, comparison: Comparison, texts: Texts) -> None:
    if problem := st.session_state.get("unkept"):
        st.warning(render.label(texts.compare_unkept.format(problem=problem)), icon=":material/warning:")
    st.html(render.block("question", render.span("t", comparison.question)))
    for n, (column, one) in enumerate(zip(st.columns(2), comparison.contenders, strict=False)):
        with column, st.container(key=f"side-{n}-{'better' if comparison.better == n else 'other'}", gap="small"):
            st.html(render.block("label", render.span("t", _name(one, texts))))
            if one.answer is None:
                notice(CitaError(one.error, hint=one.hint))
            else:
                _draw_answer(one.answer, texts)
                st.html(render.facts(_facts(one, one.answer, texts)))
            if comparison.id and one.answer:
                _draw_choice(engine, comparison, n, texts.compare_better, texts)
    if comparison.id and all(one.answer for one in comparison.contenders):
        _draw_choice(engine, comparison, ALIKE, texts.compare_alike, texts)


def _draw_choice(engine: Engine, comparison: Comparison, place: int, label: str, texts: Texts) -> None:
    """A second click takes it back."""
    chosen = comparison.better == place
    if st.button(
        label, key=f"better-{place}", type="primary" if chosen else "secondary", width="stretch",
        icon=":material/check_circle:" if chosen else ":material/thumb_up:" if place != ALIKE else ":material/balance:",
        help=texts.compare_back if chosen else None,
    ):  # fmt: skip
        engine.prefer(comparison.id, None if chosen else place)
        st.rerun()


def _draw_answer(answer: Answer, texts: Texts) -> None:
    if answer.abstained:
        lead = render.span("lead", texts.ask_abstained)
        said = render.block("abstained-answer", render.span("t", answer.answer))
        st.html(render.block("abstained", said, lead))
        return
    st.html(render.answer(answer, texts.ask_unsupported_sentence, texts.ask_partly))
    if answer.citations:
        with st.expander(f"{texts.ask_sources} ({len(answer.citations)})", icon=":material/format_quote:"):
            for citation in answer.citations:
                warning = "" if citation.supported else texts.ask_unsupported
                page = reader.place(citation.page, None, texts)
                card = (str(citation.n), citation.source, page, citation.section, citation.quote, warning)
                st.html(render.source_card(*card))


def _facts(one: Contender, answer: Answer, texts: Texts) -> list[tuple[str, str]]:
    """What it was answered with, how fast, and how well it holds."""
    usage = answer.usage
    facts = [(texts.compare_model, model_name(answer.model, texts))]
    facts += [(texts.profile, one.profile)] if one.profile else []
    if usage and usage.tokens_per_second:
        facts.append((texts.compare_speed, texts.live_speed.format(n=f"{usage.tokens_per_second:.1f}")))
    facts.append((texts.compare_seconds, f"{answer.timings.total:.1f} s"))
    if usage and usage.prompt is not None:
        read = texts.compare_tokens.format(prompt=usage.prompt, reused=usage.reused or 0, written=usage.written or 0)
        facts.append((texts.compare_read, read))
    if not answer.abstained:
        facts.append((texts.compare_sentences, _verdicts(answer, texts)))
    if usage and usage.parameters:
        said = ", ".join(f"{name} {_value(value)}" for name, value in usage.parameters.items())
        facts.append((texts.compare_parameters, said))
    return facts


def _verdicts(answer: Answer, texts: Texts) -> str:
    """'✓ 3 supported · ◑ 1 partly · ⚠ 0 not'."""
    names = {
        "supported": texts.verdict_supported, "partly": texts.verdict_partly, "unsupported": texts.verdict_unsupported,
    }  # fmt: skip
    counts = {kind: sum(each.verdict == kind for each in answer.sentences) for kind in names}
    return " · ".join(f"{MARKS[kind]} {count} {names[kind]}" for kind, count in counts.items())


def _value(value: str | bool | int | float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


# The record


def _draw_record(engine: Engine, kept: Sequence[Comparison], texts: Texts) -> None:
    if not kept:
        return
    lead = render.span("lead", texts.compare_record_lead)
    st.html(render.block("section", render.span("h", texts.compare_record), lead))
    rows = [_row(one, texts) for one in standings(kept)]
    st.dataframe(rows, hide_index=True, height=38 + 35 * min(len(rows), 10))
    by_id = {one.id: one for one in kept}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        picked = st.selectbox(
            texts.compare_look, list(by_id), None, format_func=lambda one: _line(by_id[one]), key="compare-look",
            placeholder=texts.compare_choose,
        )  # fmt: skip
        if st.button(texts.compare_show, key="compare-show", disabled=picked is None) and picked:
            st.session_state.compared, st.session_state.contest = by_id[picked], None
            st.rerun()
        if st.button(
            texts.talks_delete, key="compare-delete", disabled=picked is None, icon=":material/delete:"
        ) and picked:  # fmt: skip
            engine.delete_comparisons([picked])
            st.rerun()


def _row(one: Standing, texts: Texts) -> dict[str, object]:
    return {
        texts.compare_name: f"{one.profile} ({one.model})" if one.profile else model_name(one.model, texts),
        texts.compare_preferred: f"{one.preferred} / {one.preferred + one.alike + one.beaten}",
        texts.compare_questions: one.questions,
        texts.compare_abstained: one.abstained,
        texts.compare_supported: "" if one.supported is None else f"{100 * one.supported:.0f} %",
        texts.compare_per_second: "" if one.tokens_per_second is None else f"{one.tokens_per_second:.1f}",
        texts.compare_seconds: "" if one.seconds is None else f"{one.seconds:.1f} s",
    }


def _line(one: Comparison) -> str:
    return printable(f"{one.at[:10]} · {one.question}")


def _name(one: Contender, texts: Texts) -> str:
    return one.profile or model_name(one.model, texts)
