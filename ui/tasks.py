"""Tasks: summarise documents, compare two, gather facts in a table, draft a text; stopped at will, and gone on with."""

from collections.abc import Sequence

import streamlit as st

from engine import Engine
from ingest.names import printable
from ingest.types import Filters, Source
from rag.tasks import report as reports
from rag.tasks.types import Compare, Draft, Report, Section, Summarise, Tabulate, Task, TaskKind
from rag.types import Answer, AnswerSentence, Citation, Language, Timings
from ui import filters, reader, render, voice
from ui.engine import get_engine, get_settings
from ui.frame import get_texts, heading, model_name, notice
from ui.texts import TEXTS, Texts
from ui.working import Working

SHOWN = 100  # sentences of a section; the file has all
FOLDED = ("same", "reworded")  # kinds of sections that are opened on a click


def draw() -> None:
    engine, texts = get_engine(), get_texts()
    heading(texts.tasks_title, texts.tasks_lead)
    sources = [source for source in engine.sources() if source.passages]
    if not sources:
        st.html(render.block("nothing", render.span("t", texts.ask_empty_library)))
        return
    work: Working = st.session_state.setdefault("working", Working())
    task = _choose(sources, texts)
    _draw_start(work, engine, task, texts)
    if work.error:
        notice(work.error)
    if work.report:
        _draw_report(engine, work.report, texts)


# What is to be done


def _choose(sources: Sequence[Source], texts: Texts) -> Task | None:
    """The task as it is filled in; None while something is missing."""
    kinds: dict[TaskKind, str] = {
        "summarise": texts.tasks_summarise,
        "compare": texts.tasks_compare,
        "tabulate": texts.tasks_tabulate,
        "draft": texts.tasks_draft,
    }
    kind = st.segmented_control(
        texts.tasks_kind, list(kinds), format_func=kinds.__getitem__, default="summarise", required=True,
        key="task-kind", label_visibility="collapsed",
    )  # fmt: skip
    st.caption({
        "summarise": texts.tasks_summarise_lead,
        "compare": texts.tasks_compare_lead,
        "tabulate": texts.tasks_tabulate_lead,
        "draft": texts.tasks_draft_lead,
    }[kind])  # fmt: skip
    if kind == "summarise":
        within = _within(sources, texts)
        return Summarise(within) if within.within else None
    if kind == "compare":
        return _pair(sources, texts)
    if kind == "tabulate":
        columns = _lines(st.text_area(texts.tasks_columns, key="task-columns", help=texts.tasks_columns_help))
        within = _within(sources, texts)
        return Tabulate(columns, within) if columns else None
    topic = st.text_input(texts.tasks_topic, key="task-topic").strip()
    sections = _lines(st.text_area(texts.tasks_sections, key="task-sections", help=texts.tasks_sections_help))
    within = _within(sources, texts)
    return Draft(topic, sections, within) if topic else None


def _within(sources: Sequence[Source], texts: Texts) -> Filters:
    chosen = st.multiselect(
        texts.ask_within, filters.places(sources), format_func=printable, key="task-within",
        placeholder=texts.tasks_within, help=texts.ask_within_help,
    )  # fmt: skip
    return Filters(within=tuple(chosen))


def _pair(sources: Sequence[Source], texts: Texts) -> Compare | None:
    paths = sorted({source.path for source in sources}, key=str.casefold)
    left, right = st.columns(2)
    first = left.selectbox(
        texts.tasks_first, paths, None, format_func=printable, key="task-first", placeholder=texts.tasks_file
    )
    second = right.selectbox(
        texts.tasks_second, paths, None, format_func=printable, key="task-second", placeholder=texts.tasks_file
    )
    return Compare(first, second) if first and second and first != second else None


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


# Doing it


def _draw_start(work: Working, engine: Engine, task: Task | None, texts: Texts) -> None:
    if work.running:
        _follow()
        if st.button(texts.ask_stop, key="task-stop", icon=":material/stop:", disabled=work.stopping):
            work.stop()
            st.rerun()
        return
    models = [one for one in engine.models() if not one.ranks]
    named = {one.name: model_name(one.name, texts) for one in models}
    active = next((n for n, one in enumerate(models) if one.active), 0)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = st.selectbox(texts.tasks_model, list(named), active, format_func=named.__getitem__, key="task-model")
        if st.session_state.get("task-kind") != "tabulate":  # cells stay as their files say them
            with st.popover(texts.tasks_voice, icon=":material/tune:"):
                st.caption(texts.tasks_voice_help)
                voice.draw_choice(get_settings(), texts, voice.TASK_KEYS)
        goes_on = task is not None and work.interrupted == task
        if st.button(
            texts.tasks_go_on if goes_on else texts.tasks_start, key="task-start", type="primary",
            disabled=task is None, icon=":material/play_arrow:",
        ) and task:  # fmt: skip
            reader.close()
            work.start(engine, task, model, voice.chosen(get_settings(), voice.TASK_KEYS))
            st.rerun()
    if work.stopped:
        st.info(texts.tasks_stopped, icon=":material/pause_circle:")


@st.fragment(run_every=0.4)
def _follow() -> None:
    """The live bar. When the task has ended, the whole page is drawn anew."""
    work: Working = st.session_state.working
    if not work.running:
        st.rerun()
    texts, now = get_texts(), work.progress
    said = texts.tasks_stopping if work.stopping else texts.tasks_progress.format(done=now.done, total=now.total)
    doing = f" · {render.label(now.doing)}" if now.doing and not work.stopping else ""
    st.progress(now.done / now.total if now.total else 0.0, text=said + doing)


# What came of it


def _draw_report(engine: Engine, report: Report, texts: Texts) -> None:
    language = _language(texts)
    st.html(render.block("section", render.span("h", reports.title_of(report, language))))
    by_number = {citation.n: citation for citation in report.citations}
    if report.columns:
        _draw_table(engine, report, by_number, language, texts)
    elif not any(section.sentences for section in report.sections):
        st.html(render.block("nothing", render.span("t", reports.WORDS[language].nothing)))
    for number, section in enumerate(report.sections):
        _draw_section(engine, number, section, by_number, language, texts)
    said = texts.tasks_done.format(
        model=model_name(report.model, texts), parts=report.parts, reused=report.reused, seconds=f"{report.seconds:.1f}"
    )
    st.html(render.block("timing", render.span("t", said)))
    _draw_downloads(report, language, texts)


def _draw_section(
    engine: Engine, number: int, section: Section, by_number: dict[int, Citation], language: Language, texts: Texts
) -> None:
    shown = section.sentences[:SHOWN]
    title = reports.heading_of(section, language)
    if section.kind in FOLDED:
        with st.expander(f"{render.label(title)} ({len(section.sentences)})"):
            _draw_sentences(shown, by_number, texts)
            _draw_sources(engine, str(number), shown, by_number, texts)
    else:
        st.html(render.block("label", render.span("t", title)))
        _draw_sentences(shown, by_number, texts)
        with st.expander(texts.ask_sources):
            _draw_sources(engine, str(number), shown, by_number, texts)
    if len(shown) < len(section.sentences):
        st.caption(texts.tasks_more.format(n=len(section.sentences) - len(shown)))


def _draw_sentences(sentences: Sequence[AnswerSentence], by_number: dict[int, Citation], texts: Texts) -> None:
    """As an answer, a sentence a line."""
    text = "\n".join(f"{one.text}{''.join(f' [{n}]' for n in one.citations)}" for one in sentences)
    cited = tuple(by_number[n] for n in _numbers(sentences))
    answer = Answer("", text, False, cited, tuple(sentences), "", Timings(0.0, None, 0.0))
    st.html(render.answer(answer, texts.ask_unsupported_sentence, texts.ask_partly))


def _numbers(sentences: Sequence[AnswerSentence]) -> list[int]:
    return list(dict.fromkeys(n for one in sentences for n in one.citations))


def _draw_sources(
    engine: Engine, where: str, sentences: Sequence[AnswerSentence], by_number: dict[int, Citation], texts: Texts
) -> None:
    for n in _numbers(sentences):
        citation, now = by_number[n], reader.opened()
        is_open = now is not None and reader.is_open(citation) and now.n == n
        with st.container(
            key=f"cite-task-{where}-{n}-{'open' if is_open else 'shut'}", horizontal=True, vertical_alignment="center"
        ):
            page = reader.place(citation.page, None, texts)
            st.html(render.source_card(str(n), citation.source, page, citation.section, citation.quote))
            st.button(
                texts.ask_open, key=f"task-open-{where}-{n}", icon=":material/open_in_full:", type="tertiary",
                on_click=reader.open_citation, args=(citation,),
            )  # fmt: skip
        if is_open and now:
            reader.draw(engine, now, texts)


def _draw_table(
    engine: Engine, report: Report, by_number: dict[int, Citation], language: Language, texts: Texts
) -> None:
    rows = [
        {reports.WORDS[language].file: printable(row.source)}
        | {
            column: cell.text + "".join(f" [{n}]" for n in cell.citations) + ("" if cell.supported else " ⚠")
            for column, cell in zip(report.columns, row.cells, strict=True)
        }
        for row in report.rows
    ]
    st.dataframe(rows, hide_index=True, height=min(38 + 35 * len(rows), 420))
    cells = [cell for row in report.rows for cell in row.cells if cell.text]
    for cell in [cell for cell in cells if not cell.supported][:SHOWN]:
        st.caption(render.label(f"⚠ {cell.text}: {reports.remark_on(cell, language)}"))
    with st.expander(texts.ask_sources):
        _draw_sources(engine, "table", cells[:SHOWN], by_number, texts)


def _draw_downloads(report: Report, language: Language, texts: Texts) -> None:
    name = f"cita-{reports.WORDS[language].titles[report.kind].lower()}"
    with st.container(horizontal=True):
        st.download_button(
            texts.tasks_save, reports.markdown(report, language), f"{name}.md", "text/markdown", key="task-save",
            on_click="ignore", icon=":material/download:",
        )  # fmt: skip
        if report.columns:
            st.download_button(
                texts.tasks_save_csv, reports.as_csv(report, language).encode("utf-8-sig"), f"{name}.csv", "text/csv",
                key="task-save-csv", on_click="ignore", icon=":material/download:",
            )  # fmt: skip


def _language(texts: Texts) -> Language:
    return next(language for language, own in TEXTS.items() if own is texts)
