"""Library: drop files, add folders, index with progress, and see what became of every file."""

from datetime import datetime
from pathlib import Path
from typing import Any

import streamlit as st

from engine import Engine
from errors import CitaError
from ingest.names import printable
from ingest.types import IndexProgress, IndexReport, Source
from settings import Settings
from ui import render
from ui.drop import Stored, store
from ui.engine import get_engine, get_indexing, get_settings, get_watching
from ui.frame import get_texts, heading, notice
from ui.indexing import Indexing, Watching, changed
from ui.texts import Texts

COLOURS = {
    "indexed": "green", "empty": "gray", "needs-ocr": "orange", "encrypted": "orange", "unsupported": "gray",
    "too-large": "orange", "failed": "red",
}  # fmt: skip


def draw() -> None:
    engine, settings, texts = get_engine(), get_settings(), get_texts()
    heading(texts.library_title, texts.library_lead)
    _draw_drop(engine, settings, texts)
    _draw_indexing(engine, texts)
    sources = engine.sources()
    _draw_counts(sources, texts)
    _draw_sources(sources, texts)
    _draw_hidden([source for source in sources if source.hidden], texts)
    _draw_locked(engine, [source for source in sources if source.status == "encrypted"], texts)
    _draw_folders(engine, settings, texts)


def _draw_drop(engine: Engine, settings: Settings, texts: Texts) -> None:
    limit = settings.parse.max_file_mb
    round_ = st.session_state.setdefault("drop_round", 0)  # a new key empties the box once its files are kept
    words = texts.library_drop_choose, texts.library_drop_help.format(mb=limit)
    st.html(f'<style>.st-key-drop {{ --cita-choose: "{words[0]}"; --cita-limit: "{words[1]}"; }}</style>')
    with st.container(key="drop"):
        dropped = st.file_uploader(
            texts.library_drop,
            accept_multiple_files=True,
            key=f"drop-{round_}",
            max_upload_size=limit,
        )
    if dropped:
        st.session_state.kept = [_keep(settings, file.name, file.getvalue()) for file in dropped]
        st.session_state.drop_round = round_ + 1
        get_indexing().start(engine)
        st.rerun()
    _draw_kept(st.session_state.get("kept", []), texts)


def _keep(settings: Settings, name: str, content: bytes) -> Stored | CitaError:
    try:
        return store(settings.library, name, content, settings.parse.max_file_mb)
    except CitaError as error:
        return error


def _draw_kept(kept: list[Stored | CitaError], texts: Texts) -> None:
    stored = [one for one in kept if isinstance(one, Stored)]
    new, known = [one for one in stored if not one.known], [one for one in stored if one.known]
    if new:
        st.success(texts.library_stored.format(n=texts.documents(len(new))), icon=":material/check_circle:")
    for one in new:
        if one.path.name != one.name:
            renamed = texts.library_renamed.format(name=render.label(one.name), stored=render.label(one.path.name))
            st.info(renamed, icon=":material/drive_file_rename_outline:")
    if known:
        names = render.label(", ".join(one.name for one in known))
        st.info(texts.library_known.format(names=names), icon=":material/info:")
    for error in kept:
        if isinstance(error, CitaError):
            notice(error)


def _draw_indexing(engine: Engine, texts: Texts) -> None:
    run = get_indexing()
    if run.running:
        _follow_indexing()
        return
    if st.button(texts.library_index, key="index", type="primary", icon=":material/sync:"):
        st.session_state.kept = []
        run.start(engine)
        st.rerun()
    if run.error:
        notice(run.error)
    else:
        _draw_latest(engine, texts)
    _follow_watching(get_watching().news)


def _draw_latest(engine: Engine, texts: Texts) -> None:
    """What the last run reported: one that was asked for, or the watching's own if that had anything to say."""
    run, watching = get_indexing(), get_watching()
    latest: Indexing | Watching = run if run.at >= watching.at else watching
    report = latest.report
    if report and (latest is run or changed(report) or report.failed):
        _draw_report(report, texts)
    for held in report.held if report else ():
        st.warning(texts.library_held.format(folder=render.label(held.path)), icon=":material/folder_off:")
    if report and report.held and st.button(texts.library_held_remove, key="confirm", icon=":material/delete:"):
        get_indexing().start(engine, confirm=True)
        st.rerun()


@st.fragment(run_every=2)
def _follow_watching(seen: int) -> None:
    """That the app watches, and what changed last. When there is news, the whole page is drawn anew."""
    watching, texts = get_watching(), get_texts()
    if watching.news != seen:
        st.rerun()
    if watching.problem:
        st.warning(texts.library_watch_problem.format(problem=render.label(watching.problem)), icon=":material/error:")
    if not watching.running:
        return
    parts = [texts.library_watching]
    if watching.polled:
        parts.append(texts.library_polled.format(folders=render.label(", ".join(watching.polled))))
    if watching.change and (report := watching.change.report):
        parts.append(
            texts.library_last_change.format(
                time=datetime.fromisoformat(watching.change.at).astimezone().strftime("%H:%M:%S"),
                added=report.added, changed=report.changed, renamed=report.renamed, removed=report.removed,
            )
        )  # fmt: skip
    st.caption(":material/visibility: " + " · ".join(parts))


@st.fragment(run_every=0.4)
def _follow_indexing() -> None:
    """The live bar. When the run has ended, the whole page is drawn anew."""
    run, texts = get_indexing(), get_texts()
    if not run.running:
        st.rerun()
    progress = run.progress
    if progress is None or not progress.files:
        st.progress(0.0, text=texts.library_scanning)
    else:
        st.progress(min(1.0, progress.files_done / progress.files), text=_progress_text(progress, texts))


def _progress_text(progress: IndexProgress, texts: Texts) -> str:
    parts = [texts.library_files_of.format(done=f"{progress.files_done:,}", files=f"{progress.files:,}")]
    if progress.pages:
        parts.append(texts.library_recognising.format(page=progress.page, pages=progress.pages))
    elif progress.passages:
        parts.append(texts.library_rate.format(rate=f"{progress.passages_per_second:.0f}"))
    if progress.seconds_left is not None:
        parts.append(texts.library_left.format(time=_duration(progress.seconds_left)))
    return f"**{texts.library_indexing}** · {' · '.join(parts)}  \n{render.label(progress.path)}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _draw_report(report: IndexReport, texts: Texts) -> None:
    line = texts.library_done.format(
        added=report.added, changed=report.changed, removed=report.removed, seconds=f"{report.seconds:.1f}"
    )
    if not changed(report):
        line = texts.library_unchanged
    if report.skipped:
        line += " " + texts.library_skipped.format(n=len(report.skipped)) + "."
    if report.partly:
        line += " " + texts.library_partly.format(n=len(report.partly)) + "."
    if report.failed:
        line += " " + texts.library_failed.format(n=len(report.failed)) + "."
    draw_line = st.warning if report.failed else st.success
    draw_line(line, icon=":material/report:" if report.failed else ":material/check_circle:")


def _draw_counts(sources: list[Source], texts: Texts) -> None:
    indexed = [source for source in sources if source.status == "indexed"]
    st.html(
        render.counts(
            [
                (texts.library_files, f"{len(sources):,}"),
                (texts.library_passages, f"{sum(source.passages for source in indexed):,}"),
                (texts.library_attention, f"{len(sources) - len(indexed):,}"),
            ]
        )
    )


def _draw_sources(sources: list[Source], texts: Texts) -> None:
    if not sources:
        st.html(render.block("nothing", render.span("t", texts.library_empty)))
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="filter"):
        names = {"all": texts.library_filter_all, "good": texts.library_filter_good, "bad": texts.library_filter_bad}
        kind = st.segmented_control(
            texts.library_filter, list(names), format_func=lambda key: names[key], default="all", required=True,
            label_visibility="collapsed", key="kind",
        )  # fmt: skip
        wanted = st.text_input(
            texts.library_find, placeholder=texts.library_find, label_visibility="collapsed", key="find",
            icon=":material/search:",
        )  # fmt: skip
    shown = [source for source in sources if _matches(source, kind or "all", wanted)]
    if not shown:
        st.html(render.block("nothing", render.span("t", texts.library_none_match)))
        return
    st.dataframe(
        [_row(source, texts) for source in sorted(shown, key=_failed_first)],
        hide_index=True,
        height=min(38 + 35 * len(shown), 560),
        column_config={
            texts.library_column_status: st.column_config.MultiselectColumn(
                options=[texts.status(status) for status in COLOURS], color=list(COLOURS.values()), width=110
            ),
            texts.library_column_file: st.column_config.TextColumn(width=300),
            texts.library_column_reason: st.column_config.TextColumn(width=290),
        },
    )


def _draw_hidden(sources: list[Source], texts: Texts) -> None:
    """Where there are documents with hidden text: which, and what of it can be said."""
    if not sources:
        return
    with st.expander(texts.library_hidden.format(n=len(sources)), icon=":material/visibility_off:"):
        st.caption(texts.library_hidden_lead)
        st.dataframe(
            [
                {
                    texts.library_column_file: printable(source.path),
                    texts.library_hidden_how: texts.hidden(one.kind),
                    texts.library_column_pages: ", ".join(map(str, one.pages)),
                    texts.library_characters: one.characters,
                    texts.library_hidden_begins: one.excerpt,
                }
                for source in sorted(sources, key=lambda source: source.path.casefold())
                for one in source.hidden
            ],
            hide_index=True,
            column_config={texts.library_hidden_begins: st.column_config.TextColumn(width=330)},
        )


def _draw_locked(engine: Engine, locked: list[Source], texts: Texts) -> None:
    """Where there are documents with a password: which, and a box for it."""
    if not locked:
        return
    paths = sorted({source.path for source in locked}, key=str.casefold)
    with st.expander(texts.library_locked.format(n=len(paths)), icon=":material/lock:"):
        with st.form("unlock", border=False, clear_on_submit=True):
            path = st.selectbox(texts.library_locked_which, paths, format_func=printable, key="locked")
            password = st.text_input(texts.library_locked_password, type="password", key="password")
            given = st.form_submit_button(texts.library_locked_open, icon=":material/lock_open:")
        if given and password and path:
            try:
                kept = engine.unlock(path, password)
            except CitaError as error:
                notice(error)
                return
            st.session_state.unlocked = "" if kept else texts.library_locked_not_kept
            st.rerun()
    if said := st.session_state.pop("unlocked", ""):
        st.info(said, icon=":material/key_off:")


def _matches(source: Source, kind: str, wanted: str) -> bool:
    right_kind = kind == "all" or (source.status == "indexed") == (kind == "good")
    words = wanted.strip().casefold()
    tagged = words.startswith("#") and any(f"#{tag}".casefold().startswith(words) for tag in source.tags)
    return right_kind and (tagged or words in f"{source.path} {source.title}".casefold())


def _failed_first(source: Source) -> tuple[bool, bool, str]:
    return source.status == "indexed", source.status != "failed", source.path.casefold()


def _row(source: Source, texts: Texts) -> dict[str, Any]:
    return {
        texts.library_column_status: [texts.status(source.status)],
        texts.library_column_file: printable(source.path),
        texts.library_column_reason: " · ".join(
            filter(None, (source.reason, texts.library_hides if source.hidden else ""))
        ),
        texts.library_column_pages: source.pages,
        texts.library_column_passages: source.passages or None,
        texts.library_column_indexed: source.indexed_at[:16].replace("T", " "),
    }


def _draw_folders(engine: Engine, settings: Settings, texts: Texts) -> None:
    st.html(
        render.block(
            "section", render.span("h", texts.library_folders), render.span("lead", texts.library_folders_lead)
        )
    )
    folders = [folder for folder in engine.folders() if folder != settings.library]
    _draw_folder(engine, settings.library, texts, own=True)
    for folder in folders:
        _draw_folder(engine, folder, texts, own=False)
    with st.form("add-folder", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        path = st.text_input(texts.library_folder_path, placeholder=str(Path.home() / "Documents"), key="folder")
        added = st.form_submit_button(texts.library_folder_add, icon=":material/create_new_folder:")
    if added and path.strip():
        engine.add_folders([Path(path.strip()).expanduser()])
        get_indexing().start(engine)
        st.rerun()


def _draw_folder(engine: Engine, folder: Path, texts: Texts, own: bool) -> None:
    with st.container(key=f"row-folder-{folder}", horizontal=True, vertical_alignment="center"):
        st.html(render.folder_row(str(folder), texts.library_own_folder if own else ""))
        if not own and st.button(
            texts.library_folder_remove, key=f"remove-{folder}", type="tertiary", icon=":material/close:"
        ):
            engine.remove_folders([folder])
            get_indexing().start(engine)
            st.rerun()
