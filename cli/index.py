"""The index and what is in it: index, watch, list, status."""

import sys
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from cli.opening import NOTHING_INDEXED, opened_engine
from cli.options import Json
from cli.writing import (
    clean,
    clean_name,
    duration_words,
    pick,
    print_json,
    print_line,
    print_pairs,
    print_table,
    progress,
    say,
    wrapped,
)

if TYPE_CHECKING:
    from engine import Status
    from ingest.links import LinkTargets
    from ingest.types import HiddenText, IndexProgress, IndexReport, PathReason, Source, WatchEvent

app = typer.Typer()

COUNTS = ("added", "changed", "renamed", "removed")
SHOWN = 5  # files for one reason after an index run


@app.command()
def index(
    context: typer.Context,
    confirm: Annotated[
        bool,
        typer.Option("--confirm", help="Also remove what a folder has lost that suddenly lacks most of its files."),
    ] = False,
    read_data: Annotated[
        bool, typer.Option("--read-data", help="Read every file, trusting neither its size nor its time.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring the index in line with the folders.

    JSON: {"added", "changed", "renamed", "removed", "unchanged", "skipped": [{"path", "reason"}],
    "failed": [{"path", "reason"}], "passages", "embedded", "seconds", "held": [{"path", "reason"}], "partly":
    [{"path", "reason"}]}; `held` are folders whose lost files stay in the index until a run with --confirm, `partly`
    files that are in the index but for the pages that the reason names.
    """
    with opened_engine(context) as engine:
        report = with_progress(lambda show: engine.index(show, confirm, read_data))
    if as_json:
        print_json(asdict(report))
    else:
        print_report(report)


def with_progress(run: Callable[[Callable[["IndexProgress"], None]], "IndexReport"]) -> "IndexReport":
    """Runs it and shows how far it has come."""
    with progress("Indexing", "files", "looking for changes") as show:
        return run(lambda now: show(now.files_done, now.files, _rate(now), now.path))


def _rate(now: "IndexProgress") -> str:
    if now.pages:
        return f"text recognition, page {now.page} of {now.pages}"
    left = f", {duration_words(now.seconds_left)} left" if now.seconds_left is not None else ""
    return f"{now.passages_per_second:.0f} passages/s{left}"


def print_report(report: "IndexReport") -> None:
    """What an index run did, and the files that it left out."""
    found = [f"{getattr(report, name)} {name}" for name in (*COUNTS, "unchanged") if getattr(report, name)]
    print_line(f"{', '.join(found)}." if found else "No documents. `cita add FOLDER` names a folder that has some.")
    passages = "1 passage" if report.passages == 1 else f"{report.passages} passages"
    print_line(f"{passages}, {report.embedded} embedded, in {duration_words(report.seconds)}.")
    _print_left_out("In part", report.partly)
    _print_left_out("Skipped", report.skipped)
    _print_left_out("Failed", report.failed)


def _print_left_out(title: str, entries: Sequence["PathReason"]) -> None:
    """The files under their reasons; of many with the same reason, some."""
    by_reason: dict[str, list[str]] = {}
    for entry in entries:
        by_reason.setdefault(entry.reason, []).append(entry.path)
    for reason, paths in by_reason.items():
        print_line("\n" + wrapped(f"{title}: {clean(reason)}"))
        for path in paths[:SHOWN]:
            print_line(f"    {clean_name(path)}")
        if len(paths) > SHOWN:
            print_line(f"    and {len(paths) - SHOWN} more; `cita index --json` names them all")


@app.command()
def watch(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line and nothing else.")] = False,
) -> None:
    """Index whenever the folders change, until Ctrl-C; also beside the app.

    JSON: {"kind": "watching", "at", "folders", "polled"}, {"kind": "indexed", "at", "report": what `cita index` has} or
    {"kind": "problem", "at", "problem"}; `polled` are folders without events, looked at now and then.
    """
    with opened_engine(context) as engine, suppress(KeyboardInterrupt), closing(cast("Any", engine.watch())) as events:
        for event in events:
            if as_json:
                print_json(_watch_json(event))
            else:
                print_line(_watch_line(event))
            sys.stdout.flush()


def _watch_json(event: "WatchEvent") -> dict[str, Any]:
    keys = {"watching": ("folders", "polled"), "indexed": ("report",), "problem": ("problem",)}
    return pick(event, ("kind", "at", *keys[event.kind]))


def _watch_line(event: "WatchEvent") -> str:
    """'12:03:11 added 2, removed 1 (0.4 s)'."""
    if event.report:
        what = _report_line(event.report)
    elif event.kind == "problem":
        what = f"problem: {clean(event.problem)}"
    else:
        what = f"watching {', '.join(map(clean_name, event.folders))}"
        if event.polled:
            what += f"; without events, looked at now and then: {', '.join(map(clean_name, event.polled))}"
    return f"{datetime.fromisoformat(event.at).astimezone():%H:%M:%S} {what}"


def _report_line(report: "IndexReport") -> str:
    counts = [f"{name} {getattr(report, name)}" for name in COUNTS if getattr(report, name)]
    left_out = [f"{name} {len(getattr(report, name))}" for name in ("skipped", "failed") if getattr(report, name)]
    held = "".join(f"\n    {clean(entry.reason)}" for entry in report.held)
    return f"{', '.join(counts + left_out) or 'nothing to do'} ({duration_words(report.seconds)}){held}"


@app.command(name="list")
def list_sources(
    context: typer.Context,
    failed: Annotated[bool, typer.Option("--failed", help="Only files that are not in the index.")] = False,
    hidden: Annotated[bool, typer.Option("--hidden", help="Only files with text that is not seen, and which.")] = False,
    as_json: Json = False,
) -> None:
    """List the files with their status.

    JSON: {"sources": [{"path", "status", "reason", "pages", "passages", "indexed_at", "title", "language", "metadata",
    "tags", "links": [{"link", "path"}], "hidden": [{"kind", "characters", "pages", "excerpt"}]}]}. A link's `path` is
    null where no document of that name is there. `hidden` is text that a reader does not see, by kind: "invisible",
    "colour" (that of what is behind it), "tiny", "outside" (the page), "characters" (invisible ones), "comment": these
    are not in the index; "part" (a hidden sheet, row, column or slide) is.
    """
    with opened_engine(context) as engine:
        every = engine.sources()
    sources = [
        source for source in every if (not failed or source.status != "indexed") and (not hidden or source.hidden)
    ]
    if as_json:
        from ingest.links import LinkTargets

        targets = LinkTargets(source.path for source in every)
        print_json({"sources": [_source_json(source, targets) for source in sources]})
    else:
        _print_hidden(sources) if hidden else _print_sources(sources, failed)


def _source_json(source: "Source", targets: "LinkTargets") -> dict[str, Any]:
    keys = ("path", "status", "reason", "pages", "passages", "indexed_at", "title", "language", "metadata", "tags")
    links = [{"link": link, "path": targets.resolve(link, source.path)} for link in source.links]
    return {**pick(source, keys), "links": links, "hidden": [asdict(hidden) for hidden in source.hidden]}


def _print_hidden(sources: Sequence["Source"]) -> None:
    if not sources:
        say("No file has hidden text.")
        return
    print_table(
        ("File", "Hidden", "Pages", "Characters", "Begins"),
        [(clean_name(source.path), *_hidden_row(one)) for source in sources for one in source.hidden],
    )


def _hidden_row(hidden: "HiddenText") -> tuple[str, ...]:
    pages = ", ".join(map(str, hidden.pages))
    return HIDDEN[hidden.kind], pages, str(hidden.characters), clean(hidden.excerpt)


HIDDEN: dict[str, str] = {
    "invisible": "by its style",
    "colour": "in the colour behind it",
    "tiny": "too small to read",
    "outside": "outside the page",
    "characters": "in invisible characters",
    "part": "hidden sheet, row, column or slide",
    "comment": "comment",
}


def _remark(source: "Source") -> str:
    """Why a source is as it is, and that it has hidden text."""
    return " ".join(filter(None, (source.reason, "Hidden text." if source.hidden else "")))


def _print_sources(sources: Sequence["Source"], failed: bool) -> None:
    if not sources:
        say("Every file is in the index." if failed else NOTHING_INDEXED)
        return
    if failed:
        left_out = [(clean_name(source.path), source.status, clean(source.reason)) for source in sources]
        print_table(("File", "Status", "Reason"), left_out)
        return
    rows = [
        (clean_name(source.path), source.status, str(source.pages or ""), str(source.passages), clean(_remark(source)))
        for source in sources
    ]
    print_table(("File", "Status", "Pages", "Passages", "Reason"), rows)


@app.command()
def status(context: typer.Context, as_json: Json = False) -> None:
    """Show totals, versions, folders and health.

    JSON: {"home", "folders", "sources": {status: count}, "passages", "embedder", "vector_index", "model", "version",
    "healthy", "problems", "indexed_at", "rerankers": [{"name", "path", "active", "reason": "set", "helps",
    "unmeasured", "no-gain", "slow" or "not-set", "verdict": {"path", "fingerprint", "embedder", "questions", "n",
    "before", "after", "p", "seconds", "at"} or null, "fingerprint"}], "hidden": files with hidden text,
    "host": the machine, not this one, that questions and passages are sent to for the model that answers, or "",
    "hosts": all such machines that models are on}.
    """
    with opened_engine(context) as engine:
        status = engine.status()
    if as_json:
        print_json(asdict(status))
    else:
        print_pairs(status_pairs(status))


def _reranking(status: "Status") -> list[str]:
    """What reranks, and why; then why the other rerankers do not."""
    from evaluation.rerankers import described

    there = sorted(status.rerankers, key=lambda one: not one.active)
    alone = [] if any(one.active for one in there) else ["by the built-in signs alone"]
    return [*alone, *map(described, there)]


def status_pairs(status: "Status") -> list[tuple[str, str]]:
    """What `cita status` prints; `cita doctor` prints it too."""
    files = ", ".join(f"{count} {name}" for name, count in status.sources.items()) or "none yet"
    files += f"; {status.hidden} with hidden text" if status.hidden else ""
    return [
        ("Home", clean_name(status.home)),
        ("Folders", "\n".join(map(clean_name, status.folders))),
        ("Files", files),
        ("Passages", str(status.passages)),
        ("Embedder", clean(status.embedder)),
        ("Vector index", clean(status.vector_index)),
        ("Model", clean(status.model)),
        *((("Leaves", f"questions and passages, to {clean(status.host)}"),) if status.host else ()),
        ("Reranking", "\n".join(map(clean, _reranking(status)))),
        ("Version", status.version),
        ("Health", "good" if status.healthy else "see the problems"),
        *((("Problems", "\n".join(map(clean, status.problems))),) if status.problems else ()),
    ]
