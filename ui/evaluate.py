"""Evaluate: put questions with known answers to the library, and see how well it does, where it fails, and whether a
reranker helps."""

import json
from dataclasses import replace
from typing import Any

import streamlit as st

from engine import Engine
from errors import CitaError, UsageError
from evaluation import feedback, report
from evaluation.dataset import Dataset, Question, parse_questions, read_questions
from evaluation.make import as_line, draft_questions
from evaluation.metrics import Comparison
from evaluation.rerankers import is_measurable
from evaluation.run import Record, Run, failures, ranks, recall_curve, to_json
from ingest.names import printable
from rag.types import KeptTurn, Language
from settings import CODE
from ui import render
from ui.engine import get_engine, get_settings
from ui.evaluating import Evaluating
from ui.frame import get_texts, heading, model_name, notice
from ui.rerankers import draw_rerankers
from ui.texts import TEXTS, Texts

SAMPLES = CODE / "evaluation" / "samples.jsonl"
MOST_MB = 20
COLOUR = "#0f766e"
FIGURES = ("recall@1", "recall@5", "mrr@10", "answer_contains", "abstained")


def draw() -> None:
    engine, texts = get_engine(), get_texts()
    heading(texts.evaluate_title, texts.evaluate_lead)
    if not any(source.passages for source in engine.sources()):
        st.html(render.block("nothing", render.span("t", texts.ask_empty_library)))
        return
    work: Evaluating = st.session_state.setdefault("evaluating", Evaluating())
    dataset = _choose(engine, texts)
    _draw_start(work, engine, dataset, texts)
    if work.error:
        notice(work.error)
    if not work.running:
        _draw_rerankers(work, engine, dataset, texts)
    if work.run:
        _draw_run(work.run, work.before, texts)


# Which questions


def _choose(engine: Engine, texts: Texts) -> Dataset | None:
    """The questions that were chosen; None while there are none."""
    ways = {"own": texts.evaluate_own, "drafts": texts.evaluate_drafts, "rated": texts.evaluate_rated}
    if _samples_are_indexed(engine):
        ways["samples"] = texts.evaluate_samples
    way = st.segmented_control(
        texts.evaluate_questions, list(ways), format_func=lambda key: ways[key], default="own", required=True, key="way"
    )
    if way == "samples":
        st.caption(texts.evaluate_samples_lead)
        return read_questions(SAMPLES)
    if way == "rated":
        return _rated(engine, texts)
    return _drafts(engine, texts) if way == "drafts" else _own(texts)


def _samples_are_indexed(engine: Engine) -> bool:
    if not SAMPLES.is_file():
        return False
    named = {place.source for question in read_questions(SAMPLES).questions for place in question.places}
    return any(source.path in named for source in engine.sources())


def _own(texts: Texts) -> Dataset | None:
    st.caption(texts.evaluate_own_lead)
    st.code('{"question": "…", "answers": ["…"], "source": "folder/file.pdf", "page": 2}', language=None)
    file = st.file_uploader(
        texts.evaluate_file, type=["jsonl", "json", "txt"], max_upload_size=MOST_MB, key="questions"
    )
    if file is None:
        return None
    try:
        return parse_questions(file.getvalue(), file.name)
    except CitaError as error:
        notice(error)
        return None


def _drafts(engine: Engine, texts: Texts) -> Dataset | None:
    st.caption(texts.evaluate_drafts_lead)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        n = st.number_input(texts.evaluate_how_many, 1, 1000, 20, key="how-many")
        if st.button(texts.evaluate_draft, key="draft", icon=":material/edit_note:"):
            with st.spinner(texts.evaluate_drafting):
                st.session_state.drafts = draft_questions(engine, n)
    drafts: list[Question] | None = st.session_state.get("drafts")
    if drafts is None:
        return None
    if not drafts:
        st.info(texts.evaluate_no_drafts, icon=":material/info:")
        return None
    lines = [as_line(question) for question in drafts]
    st.dataframe(
        [_draft_row(question, texts) for question in drafts], hide_index=True, height=min(38 + 35 * len(drafts), 320)
    )
    st.download_button(
        texts.evaluate_save_drafts, "\n".join(lines) + "\n", "questions.jsonl", "application/jsonl", key="save-drafts",
        on_click="ignore", icon=":material/download:",
    )  # fmt: skip
    return parse_questions("\n".join(lines).encode(), f"{texts.evaluate_drafts}.jsonl")


def _draft_row(question: Question, texts: Texts) -> dict[str, Any]:
    words = report.WORDS[_language(texts)]
    place = report.place_name(question.places[0], _language(texts))
    return {words.question: question.text, words.expected: ", ".join(question.answers), words.found: place}


def _rated(engine: Engine, texts: Texts) -> Dataset | None:
    """The good ones; what was bad is shown with the reason, since nobody knows a better answer."""
    st.caption(texts.evaluate_rated_lead)
    conversations = feedback.rated_conversations(engine)
    turns = feedback.rated_turns(conversations)
    if not turns:
        st.info(texts.evaluate_no_ratings, icon=":material/thumbs_up_down:")
        return None
    rows = [_rated_row(turn, texts) for turn in turns]
    st.dataframe(
        rows, hide_index=True, height=min(38 + 35 * len(rows), 320),
        column_config={texts.evaluate_rating: st.column_config.TextColumn(width=80)},
    )  # fmt: skip
    dataset = feedback.from_conversations(conversations)
    return replace(dataset, name=texts.evaluate_rated) if dataset.questions else None


def _rated_row(turn: KeptTurn, texts: Texts) -> dict[str, Any]:
    words, answer = report.WORDS[_language(texts)], turn.answer
    return {
        texts.evaluate_rating: texts.evaluate_good if turn.rating == "good" else texts.evaluate_bad,
        words.question: turn.question,
        texts.evaluate_reason: turn.reason,
        words.answer: answer.answer if answer else "",
        texts.evaluate_model: model_name(answer.model, texts) if answer else "",
        texts.evaluate_asked: turn.at[:10],
    }


# The run


def _draw_start(work: Evaluating, engine: Engine, dataset: Dataset | None, texts: Texts) -> None:
    if work.running:
        _follow()
        if st.button(texts.ask_stop, key="stop", icon=":material/stop:"):
            work.stop()
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        k = st.number_input(texts.evaluate_k, 1, 200, 10, key="k")
        rated = st.session_state.way == "rated"  # those are answers, and held against the new ones
        answers = rated or st.toggle(texts.evaluate_answers, key="answers", help=texts.evaluate_answers_help)
    model = None
    if answers:
        models = [one for one in engine.models() if not one.ranks]
        active = next((n for n, one in enumerate(models) if one.active), 0)
        named = {one.name: model_name(one.name, texts) for one in models}
        model = st.selectbox(texts.evaluate_model, list(named), active, format_func=named.__getitem__, key="model")
    n = len(dataset.questions) if dataset else 0
    if st.button(
        texts.evaluate_start.format(n=n) if n else texts.evaluate_start_none, key="start", type="primary",
        disabled=dataset is None, icon=":material/play_arrow:",
    ) and dataset:  # fmt: skip
        work.start(engine, dataset, k, answers, model)
        st.rerun()


@st.fragment(run_every=0.4)
def _follow() -> None:
    """The live bar. When the run has ended, the whole page is drawn anew."""
    work: Evaluating = st.session_state.evaluating
    if not work.running:
        st.rerun()
    texts = get_texts()
    share = work.done / work.total if work.total else 0.0
    asked = texts.evaluate_progress.format(done=f"{work.done:,}", total=f"{work.total:,}")
    st.progress(share, text=f"{render.label(work.measured)}: {asked}" if work.measured else asked)


# Rerankers


def _draw_rerankers(work: Evaluating, engine: Engine, dataset: Dataset | None, texts: Texts) -> None:
    """What is known of them, and a way to know more."""
    rerankers = engine.status().rerankers
    if not rerankers:
        return
    draw_rerankers(rerankers, texts)
    measurable = dataset is not None and is_measurable(dataset)
    if st.button(
        texts.evaluate_measure, key="measure", disabled=not measurable, icon=":material/speed:",
        help=texts.evaluate_measure_help,
    ) and dataset:  # fmt: skip
        work.measure(engine, dataset, rerankers, get_settings().rerank.seconds)
        st.rerun()


# What came of it


def _draw_run(run: Run, before: Run | None, texts: Texts) -> None:
    language = _language(texts)
    words = report.WORDS[language]
    st.html(render.block("section", render.span("h", printable(run.name))))
    st.caption(render.label(report.facts(run, language)))
    if run.unknown:
        st.warning(f"{words.unknown} {render.label(', '.join(run.unknown))}", icon=":material/folder_off:")
    _draw_metrics(run, language)
    compared = _compared(before, run)
    if before and compared:
        _draw_comparison(before, compared, language)
    _draw_plots(run, language)
    _draw_failures(run, language, texts)
    _draw_downloads(run, before if compared else None, language, texts)


def _draw_metrics(run: Run, language: Language) -> None:
    words = report.WORDS[language]
    measured = report.shown_metrics(run)
    figures = {name: measured[name] for name in FIGURES if name in measured}
    st.html(
        render.counts(
            (f"{report.metric_name(name, language)} ({one.low:.2f} – {one.high:.2f})", f"{one.value:.2f}")
            for name, one in figures.items()
        )
    )
    rows = [
        {
            words.metric: report.metric_name(name, language),
            words.value: round(one.value, 3),
            words.interval: f"{one.low:.3f} – {one.high:.3f}",
            words.questions: one.n,
        }
        for name, one in measured.items()
    ]
    with st.expander(words.results, icon=":material/table:"):
        st.dataframe(rows, hide_index=True, height=38 + 35 * len(rows))
        st.caption(words.how_sure)


def _compared(before: Run | None, run: Run) -> dict[str, Comparison]:
    """Empty where there is nothing to compare with."""
    try:
        return report.shown_comparison(before, run) if before else {}
    except UsageError:  # another question set
        return {}


def _draw_comparison(before: Run, compared: dict[str, Comparison], language: Language) -> None:
    words = report.WORDS[language]
    at = f"{before.at[:16].replace('T', ' ')} UTC"
    rows = [
        {
            words.metric: report.metric_name(name, language),
            words.before: round(one.before, 3),
            words.now: round(one.after, 3),
            words.p: round(one.p, 3),
            words.changed: f"{one.better} / {one.worse}",
        }
        for name, one in compared.items()
    ]
    title = render.label(words.compared.format(name=before.name, at=at))
    with st.expander(title, expanded=True, icon=":material/compare_arrows:"):
        st.dataframe(rows, hide_index=True, height=38 + 35 * len(rows))
        st.caption(words.how_likely)


def _draw_plots(run: Run, language: Language) -> None:
    words = report.WORDS[language]
    counts = ranks(run)
    if not sum(counts.values()):
        return
    bars = [
        {words.rank: words.not_found if rank is None else str(rank), words.questions: count}
        for rank, count in counts.items()
    ]
    line = [{words.rank: rank, words.share: share} for rank, share in recall_curve(run).items()]
    left, right = st.columns(2)
    left.bar_chart(bars, x=words.rank, y=words.questions, sort=False, height=260, alt=words.ranks, color=COLOUR)
    right.line_chart(line, x=words.rank, y=words.share, height=260, alt=words.share, color=COLOUR)


def _draw_failures(run: Run, language: Language, texts: Texts) -> None:
    words = report.WORDS[language]
    st.html(render.block("section", render.span("h", words.failures)))
    wrong = failures(run)
    if not wrong:
        st.success(words.no_failures, icon=":material/check_circle:")
        return
    rows = [
        {
            words.question: record.question,
            words.problem: "; ".join(report.fault_names(record, language)),
            words.expected: report.expectation(record, language),
            words.found: report.found_in_line(record, language),
            **({words.answer: record.answer} if run.model else {}),
        }
        for record in wrong
    ]
    st.dataframe(
        rows, hide_index=True, height=min(38 + 35 * len(rows), 420),
        column_config={words.question: st.column_config.TextColumn(width=260),
                       words.problem: st.column_config.TextColumn(width=130),
                       words.expected: st.column_config.TextColumn(width=150)},
    )  # fmt: skip
    chosen = st.selectbox(
        texts.evaluate_look, range(len(wrong)), None, format_func=lambda n: printable(wrong[n].question),
        placeholder=texts.evaluate_look_choose, key="look",
    )  # fmt: skip
    if chosen is not None:
        _draw_failure(wrong[chosen], language)


def _draw_failure(record: Record, language: Language) -> None:
    words = report.WORDS[language]
    said = [(words.problem, "; ".join(report.fault_names(record, language)))]
    said.append((words.expected, report.expectation(record, language)))
    if record.answer is not None:
        said.append((words.answer, record.answer))
    st.html(render.facts(said))
    for found in record.found:
        page = words.page.format(page=found.page) if found.page else ""
        st.html(render.source_card(str(found.rank), found.source, page, found.section, report.excerpt(found)))


def _draw_downloads(run: Run, before: Run | None, language: Language, texts: Texts) -> None:
    name = report.report_name(run)
    with st.container(horizontal=True):
        st.download_button(
            texts.evaluate_save_report, report.markdown(run, before, language=language), name, "text/markdown",
            key="save-report", on_click="ignore", icon=":material/download:",
        )  # fmt: skip
        st.download_button(
            texts.evaluate_save_json, json.dumps(to_json(run, before)), name.replace(".md", ".json"),
            "application/json", key="save-json", on_click="ignore", icon=":material/download:",
        )  # fmt: skip


def _language(texts: Texts) -> Language:
    return next(language for language, own in TEXTS.items() if own is texts)
