"""The `cita` command: a door without logic. What each command prints with --json is a contract others script against.

Exit codes: 0 done; 1 could not do it, and the message says what to do next; 2 wrong usage. Standard output carries
the result only; progress and messages go to standard error. Everything that takes time to import is imported within
the command that needs it.
"""

import errno
import io
import json
import os
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar, cast

import typer
from typer.core import TyperGroup

from errors import CitaError, StorageFullError, UsageError
from ingest.types import TYPE_FAMILIES, Filters
from rag.types import Abstain

if TYPE_CHECKING:
    from engine import Engine, Status
    from evaluation.dataset import Dataset
    from evaluation.run import Progress, Record, Run
    from ingest.links import LinkTargets
    from ingest.types import IndexProgress, IndexReport, Passage, PathReason, Source, VerifyReport, WatchEvent
    from models.types import ModelInfo
    from rag.tasks.types import Report, Task, TaskEvent
    from rag.types import (
        Answer,
        AnswerSentence,
        Citation,
        ConversationSummary,
        Event,
        Example,
        Explanation,
        Hit,
        KeptTurn,
        Recorded,
        RerankerInfo,
        SearchExplanation,
        SearchResult,
        Verdict,
    )
    from settings import Settings

T = TypeVar("T")


class _Commands(TyperGroup):
    """All commands, with every error on its way out turned into a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            super().invoke(ctx)
            sys.stdout.flush()
        except (typer.Exit, typer.Abort, typer.TyperException):
            raise
        except KeyboardInterrupt as error:
            _fail(CitaError("Stopped."), error)
        except BrokenPipeError as error:  # the reader has enough: `cita list | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from error
        except Exception as error:  # noqa: BLE001 - the last stop: nobody above could say more
            _fail(_explained(error), error)


def _explained(error: Exception) -> CitaError:
    if isinstance(error, CitaError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFullError(
            f"There is no space left{f' for {error.filename!r}' if error.filename else ''}.",
            hint="Free some and run the command again; what was indexed is kept.",
        )
    if isinstance(error, OSError) and error.filename:
        return CitaError(f"{error.filename!r}: {error.strerror}.", hint="Check the path and its permissions.")
    return CitaError(
        f"Unexpected {type(error).__name__}: {error}.", hint="With CITA_DEBUG=1 set, Cita shows where it happened."
    )


def _fail(error: CitaError, cause: BaseException) -> NoReturn:
    if os.environ.get("CITA_DEBUG"):
        import traceback

        traceback.print_exception(cause)
    _say(f"cita: {error}" if type(cause) is not KeyboardInterrupt else str(error))
    raise typer.Exit(error.exit_code) from cause


app = typer.Typer(cls=_Commands, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
models_app = typer.Typer(rich_markup_mode=None)
app.add_typer(models_app, name="models")
conversations_app = typer.Typer(rich_markup_mode=None)
app.add_typer(conversations_app, name="conversations")
examples_app = typer.Typer(rich_markup_mode=None)
app.add_typer(examples_app, name="examples")

NOTHING_INDEXED = "Nothing is indexed yet: `cita add FOLDER`, then `cita index`."
COUNTS = ("added", "changed", "renamed", "removed")
SHOWN = 5  # files for one reason after an index run
NAMED_COPIES = 3  # places where the same text stands

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Question = Annotated[
    list[str], typer.Argument(metavar="QUESTION", help="What you want to know; quotes are not needed.")
]
K = Annotated[int | None, typer.Option("-k", metavar="N", min=1, max=200, help="How many passages (8).")]
Within = Annotated[
    list[str] | None,
    typer.Option(
        "--in",
        metavar="PATH",
        help="Only this file, folder, '#tag' or '[[note]]' with what it is linked with; can be repeated.",
    ),
]
Types = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="TYPE", help=f"Only this kind: {', '.join(TYPE_FAMILIES)}, or a suffix."),
]
Tags = Annotated[
    list[str] | None, typer.Option("--tag", metavar="TAG", help="Only notes with this tag or one below it.")
]
Languages = Annotated[
    list[str] | None, typer.Option("--lang", metavar="LANGUAGE", help="Only passages in it: es, Spanish, español.")
]
Since = Annotated[
    str, typer.Option("--since", metavar="DATE", help="Only documents of that year, month or day, or later: 2024-05.")
]
Until = Annotated[str, typer.Option("--until", metavar="DATE", help="Only documents of that date or earlier.")]


def main() -> None:
    # What was closed (`cita list >&-`) is written to nowhere.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123 - open as long as the process
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter shows its number
    try:
        app(prog_name="cita")
    except OSError as error:  # --help is written before any command is there to catch it
        _say(f"cita: {_explained(error)}")
        sys.exit(1)


@app.callback(invoke_without_command=True)
def cita(
    context: typer.Context,
    home: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Where library/, index/, models/ and cita.toml lie (or CITA_HOME)."),
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Answers from your own documents, on your own machine, with the passage behind every claim.

    Exit codes: 0 done; 1 could not do it, and the message says what to do next; 2 wrong usage.
    """
    context.obj = home
    if version:
        print(f"cita {_version()}")
    elif context.invoked_subcommand is None:
        print(context.get_help())
    else:
        return
    raise typer.Exit


# Folders


@app.command()
def add(
    context: typer.Context,
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER", help="Folders of documents.")],
    as_json: Json = False,
) -> None:
    """Add folders to the library; the next `cita index` reads them.

    JSON: {"folders": [...]}, all that are indexed now.
    """
    with _engine(context) as engine:
        _print_folders(engine.add_folders([folder.absolute() for folder in folders]), as_json)


@app.command()
def remove(
    context: typer.Context,
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER", help="Folders that were added.")],
    as_json: Json = False,
) -> None:
    """Take folders out of the library; their files stay where they are.

    JSON: {"folders": [...]}, all that are indexed now.
    """
    with _engine(context) as engine:
        _print_folders(engine.remove_folders([folder.absolute() for folder in folders]), as_json)


@app.command()
def folders(context: typer.Context, as_json: Json = False) -> None:
    """List the folders that are indexed.

    JSON: {"folders": [...]}.
    """
    with _engine(context) as engine:
        _print_folders(engine.folders(), as_json)


def _print_folders(folders: Sequence[Path], as_json: bool) -> None:
    if as_json:
        _print_json({"folders": [str(folder) for folder in folders]})
    for folder in () if as_json else folders:
        _print(_name(str(folder)))


# Index


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
    with _engine(context) as engine:
        report = _with_progress(lambda progress: engine.index(progress, confirm, read_data))
    if as_json:
        _print_json(asdict(report))
    else:
        _print_report(report)


def _with_progress(run: Callable[[Callable[["IndexProgress"], None]], "IndexReport"]) -> "IndexReport":
    if not sys.stderr.isatty():
        return run(_PlainProgress())
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.table import Column

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TextColumn(
            "{task.fields[path]}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
        ),
    )
    with Progress(*columns, console=_console(stderr=True), expand=True, transient=True) as bar:
        task = bar.add_task("Looking for changes", total=None, rate="", path="")

        def show(now: "IndexProgress") -> None:
            bar.update(
                task,
                description="Indexing",
                total=now.files,
                completed=now.files_done,
                rate=_rate(now),
                path=_name(now.path),
            )

        return run(show)


class _PlainProgress:
    """A line now and then, for logs and pipes."""

    SECONDS = 5.0

    def __init__(self) -> None:
        self._next = time.monotonic() + self.SECONDS

    def __call__(self, now: "IndexProgress") -> None:
        self.say(f"{now.files_done} of {now.files} files, {_rate(now)}")

    def say(self, line: str) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self.SECONDS
            _say(line)


def _rate(now: "IndexProgress") -> str:
    if now.pages:
        return f"text recognition, page {now.page} of {now.pages}"
    left = f", {_duration(now.seconds_left)} left" if now.seconds_left is not None else ""
    return f"{now.passages_per_second:.0f} passages/s{left}"


def _print_report(report: "IndexReport") -> None:
    found = [f"{getattr(report, name)} {name}" for name in (*COUNTS, "unchanged") if getattr(report, name)]
    _print(f"{', '.join(found)}." if found else "No documents. `cita add FOLDER` names a folder that has some.")
    passages = "1 passage" if report.passages == 1 else f"{report.passages} passages"
    _print(f"{passages}, {report.embedded} embedded, in {_duration(report.seconds)}.")
    _print_left_out("In part", report.partly)
    _print_left_out("Skipped", report.skipped)
    _print_left_out("Failed", report.failed)


def _print_left_out(title: str, entries: Sequence["PathReason"]) -> None:
    """The files under their reasons; of many with the same reason, some."""
    by_reason: dict[str, list[str]] = {}
    for entry in entries:
        by_reason.setdefault(entry.reason, []).append(entry.path)
    for reason, paths in by_reason.items():
        _print("\n" + _wrapped(f"{title}: {_text(reason)}"))
        for path in paths[:SHOWN]:
            _print(f"    {_name(path)}")
        if len(paths) > SHOWN:
            _print(f"    and {len(paths) - SHOWN} more; `cita index --json` names them all")


@app.command()
def watch(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line and nothing else.")] = False,
) -> None:
    """Index whenever the folders change, until Ctrl-C; also beside the app.

    JSON: {"kind": "watching", "at", "folders", "polled"}, {"kind": "indexed", "at", "report": what `cita index` has} or
    {"kind": "problem", "at", "problem"}; `polled` are folders without events, looked at now and then.
    """
    with _engine(context) as engine, suppress(KeyboardInterrupt), closing(cast("Any", engine.watch())) as events:
        for event in events:
            if as_json:
                _print_json(_watch_json(event))
            else:
                _print(_watch_line(event))
            sys.stdout.flush()


def _watch_json(event: "WatchEvent") -> dict[str, Any]:
    keys = {"watching": ("folders", "polled"), "indexed": ("report",), "problem": ("problem",)}
    return _pick(event, ("kind", "at", *keys[event.kind]))


def _watch_line(event: "WatchEvent") -> str:
    """'12:03:11 added 2, removed 1 (0.4 s)'."""
    if event.report:
        what = _report_line(event.report)
    elif event.kind == "problem":
        what = f"problem: {_text(event.problem)}"
    else:
        what = f"watching {', '.join(map(_name, event.folders))}"
        if event.polled:
            what += f"; without events, looked at now and then: {', '.join(map(_name, event.polled))}"
    return f"{datetime.fromisoformat(event.at).astimezone():%H:%M:%S} {what}"


def _report_line(report: "IndexReport") -> str:
    counts = [f"{name} {getattr(report, name)}" for name in COUNTS if getattr(report, name)]
    left_out = [f"{name} {len(getattr(report, name))}" for name in ("skipped", "failed") if getattr(report, name)]
    held = "".join(f"\n    {_text(entry.reason)}" for entry in report.held)
    return f"{', '.join(counts + left_out) or 'nothing to do'} ({_duration(report.seconds)}){held}"


@app.command(name="list")
def list_sources(
    context: typer.Context,
    failed: Annotated[bool, typer.Option("--failed", help="Only files that are not in the index.")] = False,
    as_json: Json = False,
) -> None:
    """List the files with their status.

    JSON: {"sources": [{"path", "status", "reason", "pages", "passages", "indexed_at", "title", "language", "metadata",
    "tags", "links": [{"link", "path"}]}]}. A link's `path` is null where no document of that name is there.
    """
    with _engine(context) as engine:
        every = engine.sources()
    sources = [source for source in every if not failed or source.status != "indexed"]
    if as_json:
        from ingest.links import LinkTargets

        targets = LinkTargets(source.path for source in every)
        _print_json({"sources": [_source_json(source, targets) for source in sources]})
    else:
        _print_sources(sources, failed)


def _source_json(source: "Source", targets: "LinkTargets") -> dict[str, Any]:
    keys = ("path", "status", "reason", "pages", "passages", "indexed_at", "title", "language", "metadata", "tags")
    links = [{"link": link, "path": targets.resolve(link, source.path)} for link in source.links]
    return {**_pick(source, keys), "links": links}


def _print_sources(sources: Sequence["Source"], failed: bool) -> None:
    if not sources:
        _say("Every file is in the index." if failed else NOTHING_INDEXED)
        return
    if failed:
        left_out = [(_name(source.path), source.status, _text(source.reason)) for source in sources]
        _print_table(("File", "Status", "Reason"), left_out)
        return
    rows = [
        (_name(source.path), source.status, str(source.pages or ""), str(source.passages), _text(source.reason))
        for source in sources
    ]
    _print_table(("File", "Status", "Pages", "Passages", "Reason"), rows)


@app.command()
def status(context: typer.Context, as_json: Json = False) -> None:
    """Show totals, versions, folders and health.

    JSON: {"home", "folders", "sources": {status: count}, "passages", "embedder", "vector_index", "model", "version",
    "healthy", "problems", "indexed_at", "rerankers": [{"name", "path", "active", "reason": "set", "helps",
    "unmeasured", "no-gain", "slow" or "not-set", "verdict": {"path", "fingerprint", "embedder", "questions", "n",
    "before", "after", "p", "seconds", "at"} or null, "fingerprint"}]}.
    """
    with _engine(context) as engine:
        status = engine.status()
    if as_json:
        _print_json(asdict(status))
    else:
        _print_pairs(_status_pairs(status))


def _reranking(status: "Status") -> list[str]:
    """What reranks, and why; then why the other rerankers do not."""
    from evaluation.rerankers import described

    there = sorted(status.rerankers, key=lambda one: not one.active)
    alone = [] if any(one.active for one in there) else ["by the built-in signs alone"]
    return [*alone, *map(described, there)]


def _status_pairs(status: "Status") -> list[tuple[str, str]]:
    files = ", ".join(f"{count} {name}" for name, count in status.sources.items()) or "none yet"
    return [
        ("Home", _name(status.home)),
        ("Folders", "\n".join(map(_name, status.folders))),
        ("Files", files),
        ("Passages", str(status.passages)),
        ("Embedder", _text(status.embedder)),
        ("Vector index", _text(status.vector_index)),
        ("Model", _text(status.model)),
        ("Reranking", "\n".join(map(_text, _reranking(status)))),
        ("Version", status.version),
        ("Health", "good" if status.healthy else "see the problems"),
        *((("Problems", "\n".join(map(_text, status.problems))),) if status.problems else ()),
    ]


@app.command()
def verify(
    context: typer.Context,
    read_data: Annotated[
        bool,
        typer.Option("--read-data", help="Read every file and everything stored, trusting neither times nor disk."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Prove that the index is true; exit code 1 if it is not. Changes nothing.

    JSON: {"ok", "problems": [...]}.
    """
    with _engine(context) as engine:
        report = engine.verify(read_data)
    _print_verdict(report, as_json, "The index is true.")
    if not report.ok:
        _say(
            "cita: The index is not true. `cita index` puts right what differs from the folders (with --read-data, also"
            " where a file's time hides it), `cita rebuild` what is wrong in the index."
        )
        raise typer.Exit(1)


@app.command()
def rebuild(context: typer.Context, as_json: Json = False) -> None:
    """Make the index anew from the files, also where it is damaged; questions are answered meanwhile.

    What is sound of the old one is used again, so that little has to be embedded.

    JSON: {"ok", "problems": [...]}.
    """
    with _engine(context, mend=True) as engine:
        report = _with_progress(engine.rebuild)
        verdict = engine.verify()
    if not as_json:
        _print_report(report)
    _print_verdict(verdict, as_json, "The index is true.")
    if not verdict.ok:
        raise typer.Exit(1)


File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]


@app.command()
def unlock(
    context: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="The document, as `cita list` names it.")],
    as_json: Json = False,
) -> None:
    """Give the password of a protected document, and index it.

    The password is asked for, or read from a pipe; the system's keyring keeps it. JSON: {"ok", "problems": [...]}.
    """
    password = _password(path)
    with _engine(context) as engine:
        kept = engine.unlock(path, password)
    where = "" if kept else " No keyring keeps the password: after a change of the file it is asked for again."
    _print_verdict(_sound(), as_json, f"{_name(path)} is open.{where}")


def _password(path: str) -> str:
    if sys.stdin.isatty():
        given: str = typer.prompt(f"Password of {_name(path)}", hide_input=True, err=True)
        return given
    return sys.stdin.readline().rstrip("\r\n")


@app.command()
def backup(context: typer.Context, file: File, as_json: Json = False) -> None:
    """Keep the index in one file, which anyone who can read it can read your documents from.

    JSON: {"ok", "problems": [...]}.
    """
    with _engine(context) as engine:
        engine.backup(file.absolute())
    _print_verdict(_sound(), as_json, f"The index is kept in {_name(str(file))}.")


@app.command()
def restore(context: typer.Context, file: File, as_json: Json = False) -> None:
    """Put a backup in place of the index; `cita index` then brings it in line with the folders.

    JSON: {"ok", "problems": [...]}.
    """
    with _engine(context, mend=True) as engine:
        engine.restore(file.absolute())
    _print_verdict(_sound(), as_json, "The index is restored. `cita index` brings it in line with the folders.")


def _sound() -> "VerifyReport":
    from ingest.types import VerifyReport

    return VerifyReport(ok=True, problems=())


def _print_verdict(report: "VerifyReport", as_json: bool, good: str) -> None:
    if as_json:
        _print_json(asdict(report))
        return
    for problem in report.problems:
        _print(_text(problem))
    if report.ok:
        _print(good)


# Questions


@app.command()
def search(
    context: typer.Context,
    question: Question,
    k: K = None,
    within: Within = None,
    types: Types = None,
    tags: Tags = None,
    languages: Languages = None,
    since: Since = "",
    until: Until = "",
    explain: Annotated[
        bool, typer.Option("--explain", help="Show why each passage stands where it does, and what was dropped.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Find passages, best first.

    Filters can also stand in the question: in:contracts type:pdf tag:work lang:es since:2024 until:2024-06. Of one kind
    any may fit, of several kinds all must. A document's date is its own where it has one, else its file's.

    JSON: {"question", "passages": [{"rank", "score", "id", "source", "page", "page_to", "section", "text",
    "confidence", "copies": [{"id", "source", "page"}]}], "seconds"}. `confidence` (0 to 1) is text recognition's, null
    where the text was not recognised from a picture; `copies` are passages elsewhere that say the same.

    With --explain each passage also has "explain": {"lexical_rank", "dense_rank", "fused_rank", "lexical", "cosine",
    "fused", "features": {name: value}, "matches": [{"word", "start", "end"}]}, and the whole has "explain": {"terms":
    [{"word", "passages", "weight"}], "dropped": [{"reason", "of", "id", "source", "page", "page_to", "section", "text",
    "explain"}], "candidates": [{"lexical", "cosine", "score", "is_hit"}], "seconds": {step: seconds}, "queries": [what
    was searched for beside the question]}. A rank is null where that side did not find the passage; `score` is `fused`
    and the features together; `reason` is "duplicate" (of the passage `of`), "beyond" (others are better) or
    "filtered".
    """
    asked, filters = _asked(question), _filters(within, types, tags, languages, since, until)
    with _engine(context) as engine:
        result = engine.search(asked, k, filters, explain)
        if not result.hits:
            _say(NOTHING_INDEXED if _is_empty(engine) else "Nothing was found.")
    if as_json:
        _print_json(_search_json(result))
        return
    for hit in result.hits:
        passage = hit.passage
        _print(_wrapped(_place(*_stands(passage)), f"{hit.rank}. ", "    "), "bold")
        _print(_indented(passage.text) + "\n")
        _print_unsure(passage.confidence)
        if hit.copies:
            _print(_wrapped(_copies(hit.copies), "    ", "    ") + "\n")
        if hit.explanation:
            _print_explanation(hit.explanation)
    if result.explanation:
        _print_search(result.explanation)


def _filters(
    within: Sequence[str] | None,
    types: Sequence[str] | None,
    tags: Sequence[str] | None,
    languages: Sequence[str] | None,
    since: str,
    until: str,
) -> Filters:
    return Filters(tuple(within or ()), tuple(types or ()), tuple(tags or ()), tuple(languages or ()), since, until)


def _print_explanation(why: "Explanation") -> None:
    """'score 1.52 = fused 1.02 (2nd) + best sentence 0.25 + ...', both sides' ranks, the words that were found."""
    parts = [f"{name} {value:.3f}" for name, value in why.features.items()]
    lines = [
        f"score {why.score:.3f} = {' + '.join([f'fused {why.fused:.3f} (place {why.fused_rank})', *parts])}",
        f"full text: {_rank(why.lexical_rank)}, {why.lexical:.3f}; embedder: {_rank(why.dense_rank)}, {why.cosine:.3f}",
        f"words: {', '.join(dict.fromkeys(match.word for match in why.matches)) or 'none'}",
    ]
    _print("\n".join(_wrapped(_text(line), "    ", "        ") for line in lines) + "\n", "dim")


def _rank(rank: int | None) -> str:
    return f"rank {rank}" if rank else "not found"


def _print_search(explanation: "SearchExplanation") -> None:
    for query in explanation.queries:
        _print(_wrapped(_text(query), "Searched for too: ", "    "))
    if explanation.dropped:
        _print("Dropped", "bold")
        rows = [
            (f"{one.explanation.score:.3f}", one.reason, _place(*_stands(one.passage)), one.of)
            for one in explanation.dropped
        ]
        _print_table(("Score", "Why", "Passage", "Of"), rows)
        _print("")
    words = [f"{_text(term.word)} ({term.passages} passages, {term.weight:.2f})" for term in explanation.terms]
    _print(_wrapped(", ".join(words), "Words: ", "    "))
    steps = [f"{name} {1000 * seconds:.1f} ms" for name, seconds in explanation.seconds.items()]
    _print(_wrapped(", ".join(steps), "Steps: ", "    "))


def _stands(passage: "Passage") -> tuple[str, int | None, int | None, str]:
    return passage.path, passage.page, passage.page_to, passage.section


def _search_json(result: "SearchResult") -> dict[str, Any]:
    found = {
        "question": result.question,
        "passages": [_hit_json(hit) for hit in result.hits],
        "seconds": result.seconds,
    }
    if result.explanation is None:
        return found
    dropped = [
        {"reason": one.reason, "of": one.of or None, **_passage_json(one.passage), "explain": asdict(one.explanation)}
        for one in result.explanation.dropped
    ]
    return found | {"explain": asdict(result.explanation) | {"dropped": dropped}}


def _copies(copies: Sequence["Passage"]) -> str:
    """Where else the same stands: each document once, the first few by name."""
    places = list(dict.fromkeys(_place(copy.path, copy.page, None, "") for copy in copies))
    more = f" and {len(places) - NAMED_COPIES} more" if len(places) > NAMED_COPIES else ""
    return f"The same in {'; '.join(places[:NAMED_COPIES])}{more}."


def _hit_json(hit: "Hit") -> dict[str, Any]:
    found = {
        "rank": hit.rank,
        "score": hit.score,
        **_passage_json(hit.passage),
        "confidence": hit.passage.confidence,
        "copies": [{"id": copy.id, "source": copy.path, "page": copy.page} for copy in hit.copies],
    }
    return found | ({"explain": asdict(hit.explanation)} if hit.explanation else {})


def _passage_json(passage: "Passage") -> dict[str, Any]:
    return {
        "id": passage.id,
        "source": passage.path,
        "page": passage.page,
        "page_to": passage.page_to,
        "section": passage.section,
        "text": passage.text,
    }


@app.command()
def ask(
    context: typer.Context,
    question: Question,
    k: K = None,
    within: Within = None,
    types: Types = None,
    tags: Tags = None,
    languages: Languages = None,
    since: Since = "",
    until: Until = "",
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model that answers; `extractive` always works.")
    ] = None,
    conversation: Annotated[
        str,
        typer.Option(
            metavar="ID", help="Keep it in this conversation, which it may lean on; `new`, or the `last` one."
        ),
    ] = "",
    abstain: Annotated[
        Abstain | None,
        typer.Option(metavar="HOW", help="How sure an answer must be: strict, balanced (unless set) or helpful."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Answer a question, citing the passages; Ctrl-C stops at once.

    Filters can also stand in the question, as for `cita search`. Without --conversation nothing is kept.

    JSON: {"question", "answer", "abstained", "citations": [{"n", "id", "source", "page", "section", "quote", "start",
    "end", "supported", "confidence", "verdict", "reason"}], "sentences": [{"text", "citations", "supported", "verdict",
    "reason"}], "model", "timings": {"retrieve", "first_token", "total"}, "conflict": [{"value", "citations", "date"}],
    "refusal": {"reason": "nothing", "unsure" or "model", "nearest": [a citation], "missing": [word]} or null,
    "conversation", "turn"}; `start` and `end` are character offsets of the quote in the passage's text, `confidence` is
    that of `cita search`, `conversation` and `turn` (from 1) are null where nothing was kept. "conflict" has the values
    where sources contradict each other. "verdict" is "supported", "partly" or "unsupported", "reason" why not, in the
    question's language; "supported" whether it is the first.
    """
    asked, filters = _asked(question), _filters(within, types, tags, languages, since, until)
    with _engine(context) as engine:
        events = cast("Generator[Event]", engine.ask(asked, k, filters, model, (), conversation, abstain))
        keeping = _Keeping(events)
        with closing(events):
            answer = _completed(keeping) if as_json else _streamed(keeping)
        if answer.abstained and _is_empty(engine):
            _say(NOTHING_INDEXED)
    if as_json:
        keys = (
            "question", "answer", "abstained", "citations", "sentences", "model", "timings", "conflict", "refusal",
        )  # fmt: skip
        _print_json({**_pick(answer, keys), **keeping.json})
    else:
        _print_conflict(answer)
        _print_uncited(answer.sentences)
        _print_citations(answer.citations)
        _print_refusal(answer)
    if conversation:
        _say(keeping.words)
    if answer.invented:
        _say(f"{answer.invented} citation number(s) that the model made up were dropped.")


class _Keeping:
    """Passes an answer's events on and notes where it is kept, or why it is not."""

    def __init__(self, events: Iterable["Event"]) -> None:
        self._events = events
        self._recorded: Recorded | None = None
        self._problem = ""

    def __iter__(self) -> Iterator["Event"]:
        for event in self._events:
            if event.event == "recorded":
                self._recorded = event
            elif event.event == "completed":
                self._problem = event.problem
            yield event

    @property
    def json(self) -> dict[str, Any]:
        kept = self._recorded if not self._problem else None
        return {"conversation": kept and kept.conversation, "turn": kept and kept.turn}

    @property
    def words(self) -> str:
        if self._problem:
            return f"The answer could not be kept: {self._problem}"
        if self._recorded is None:
            return "Nothing was kept: history is off (history.on)."
        return f"Kept in conversation {self._recorded.conversation}."


def _completed(events: Iterable["Event"]) -> "Answer":
    """Runs an answer to its end."""
    for event in events:
        if event.event == "completed":
            return event.answer
    raise CitaError("The answer broke off.", hint="Ask again.")


def _streamed(events: Iterable["Event"]) -> "Answer":
    """Writes an answer as it comes. Where checking changed the draft, the checked answer follows it."""
    draft: list[str] = []
    thought = False
    with ExitStack() as waiting:
        if sys.stderr.isatty():
            waiting.enter_context(_console(stderr=True).status("Reading your documents"))

        def shown() -> Iterator["Event"]:
            nonlocal thought
            for event in events:
                if event.event == "thought":  # no part of the answer
                    waiting.close()
                    thought = True
                    print(_text(event.text), end="", flush=True, file=sys.stderr)
                elif event.event == "token" and event.text:
                    waiting.close()
                    if thought and not draft:
                        print("\n", file=sys.stderr)
                    draft.append(event.text)
                    print(_text(event.text), end="", flush=True)
                yield event

        answer = _completed(shown())
    written = "".join(draft)
    if written and not written.endswith("\n"):
        print()
    if written.split() != answer.answer.split():
        if written:
            _print("\nChecked against the passages:", "bold")
        _print(_text(answer.answer))
    return answer


def _print_citations(citations: Sequence["Citation"], since: Mapping[str, str] | None = None) -> None:
    """`since` says what has become of the files, by passage."""
    for citation in citations:
        place = _place(citation.source, citation.page, citation.page, citation.section)
        _print("\n" + _wrapped(place, f"[{citation.n}] ", "    "), "bold")
        _print(_indented(f"“{citation.quote}”"))
        _print_unsure(citation.confidence)
        if not citation.supported:
            verdict = _VERDICTS["partly" if citation.verdict == "partly" else "unsupported"]
            _print(_wrapped(_text(_with_reason(verdict, citation.reason)), "    ", "    "), "yellow")
        if since and (said := since.get(citation.id)):
            _print(_wrapped(said, "    ", "    "), "yellow")


_VERDICTS = {
    "partly": "The passage carries only a part of this claim",
    "unsupported": "The passage does not carry this claim",
}


def _with_reason(said: str, reason: str) -> str:
    return f"{said}: {reason}." if reason else f"{said}."


def _print_uncited(sentences: Sequence["AnswerSentence"]) -> None:
    """What the answer says without a passage."""
    for sentence in sentences:
        if not sentence.supported and not sentence.citations:
            said = _with_reason(f"Not confirmed: “{' '.join(sentence.text.split())}”", sentence.reason)
            _print("\n" + _wrapped(_text(said), "", "    "), "yellow")


def _print_conflict(answer: "Answer") -> None:
    """Says that the sources contradict each other, and how."""
    if answer.conflict:
        sides = (
            f"{side.value}{f' ({side.date})' if side.date else ''} {''.join(f'[{n}]' for n in side.citations)}"
            for side in answer.conflict
        )
        _print("\n" + _wrapped(_text("; ".join(sides)), "The sources disagree: ", "    "), "yellow")


def _print_refusal(answer: "Answer") -> None:
    """What comes nearest where there is no answer, and what to add."""
    if answer.refusal is None:
        return
    for near in answer.refusal.nearest:
        place = _place(near.source, near.page, near.page, near.section)
        _print("\n" + _wrapped(place, "Nearest: ", "    "), "bold")
        _print(_indented(f"“{near.quote}”"))
    if answer.refusal.missing:
        _print("\n" + _wrapped(_text(", ".join(answer.refusal.missing)), "Nothing found speaks of: ", "    "))
        _print(_wrapped("Add a document that does, or ask in its words."))


def _print_unsure(confidence: float | None) -> None:
    """Warns of text that was recognised with doubt."""
    from ingest.types import LOW_CONFIDENCE

    if confidence is not None and confidence < LOW_CONFIDENCE:
        _print(f"    Recognised from a picture, {confidence:.0%} sure.".replace("%", " %"), "yellow")


def _is_empty(engine: "Engine") -> bool:
    return not any(source.passages for source in engine.sources())


def _asked(words: Sequence[str]) -> str:
    question = " ".join(words).strip().encode(errors="replace").decode()  # bytes of another encoding come as surrogates
    if not question:
        raise UsageError("The question is empty.", hint='Type one: cita ask "How long is the notice period?"')
    return question


# Tasks


Writer = Annotated[str | None, typer.Option("--model", metavar="NAME", help="The model that writes, or `extractive`.")]


@app.command()
def summarise(
    context: typer.Context,
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Files or folders of the library, or '#tag'.")],
    model: Writer = None,
    as_json: Json = False,
) -> None:
    """Summarise files or folders as Markdown, each sentence with a footnote.

    Of several files there is a summary of all and one of each. Ctrl-C stops; the same command goes on from there.

    JSON: {"kind", "title", "language", "model", "sections": [{"kind": "overview" or "document", "title", "sentences":
    [as `cita ask` has them]}], "citations": [as `cita ask` has them], "columns", "rows", "parts", "reused", "seconds"};
    of `parts` steps `reused` were done before.
    """
    from rag.tasks.types import Summarise

    _print_task(context, Summarise(Filters(within=tuple(paths))), model, as_json)


@app.command()
def compare(
    context: typer.Context,
    first: Annotated[str, typer.Argument(metavar="A", help="A file of the library, as `cita list` shows it.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The other.")],
    model: Writer = None,
    as_json: Json = False,
) -> None:
    """Compare two files as Markdown: what changed, what only one says, what is the same.

    A change is of facts (figures, dates, names, a negation) or of words only. Each piece has a footnote.

    JSON: as for `cita summarise`; the kinds of sections are "overview" (with a model), "changed", "reworded", "first",
    "second", "same". What is not alone cites both files.
    """
    from rag.tasks.types import Compare

    _print_task(context, Compare(first, second), model, as_json)


@app.command()
def extract(
    context: typer.Context,
    columns: Annotated[
        list[str],
        typer.Option("--column", metavar="NAME", help="What to look for in each file, or NAME=QUESTION; repeat it."),
    ],
    within: Within = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the table to a file that is not there yet.")
    ] = None,
    model: Writer = None,
    as_json: Json = False,
) -> None:
    """Make a table of facts: a row for each file, a cited cell for each column.

    A cell that its file does not answer stays empty. In CSV each column is followed by where its cells stand, and a
    cell that begins like a formula has an apostrophe before it. Ctrl-C stops; the same command goes on from there.

    JSON: as for `cita summarise`, with "columns": [name] and "rows": [{"source", "cells": [{"text", "citations",
    "supported", "verdict", "reason"}]}].
    """
    from rag.tasks.report import as_csv
    from rag.tasks.types import Tabulate

    if csv is not None and csv.exists():
        raise UsageError(f"{str(csv)!r} is there already.", hint="Name another file, or move it away.")
    report = _print_task(
        context, Tabulate(tuple(columns), Filters(within=tuple(within or ()))), model, as_json, printed=csv is None
    )
    if csv is not None:
        _write_new(csv, as_csv(report).encode("utf-8-sig"))  # without the mark Excel takes it for another encoding
        _say(f"{len(report.rows)} rows written to {csv}.")


@app.command()
def draft(
    context: typer.Context,
    topic: Annotated[list[str], typer.Argument(metavar="TOPIC", help="What to write about; quotes are not needed.")],
    sections: Annotated[
        list[str] | None,
        typer.Option("--section", metavar="NAME", help="A section of the draft; can be repeated."),
    ] = None,
    within: Within = None,
    model: Writer = None,
    as_json: Json = False,
) -> None:
    """Draft a text on a topic as Markdown from what the documents say, each sentence with a footnote.

    Without --section it has the headings under which the documents say most of it; without a model it is an outline of
    quotes. Ctrl-C stops; the same command goes on from there.

    JSON: as for `cita summarise`, the kind of its sections is "asked". Without sections the documents have nothing.
    """
    from rag.tasks.types import Draft

    task = Draft(_asked(topic), tuple(sections or ()), Filters(within=tuple(within or ())))
    _print_task(context, task, model, as_json)


def _print_task(
    context: typer.Context, task: "Task", model: str | None, as_json: bool, printed: bool = True
) -> "Report":
    from rag.tasks.report import markdown

    with _engine(context) as engine:
        if _is_empty(engine):
            raise UsageError(NOTHING_INDEXED)
        try:
            report = _worked(cast("Generator[TaskEvent]", engine.work(task, model)))
        except KeyboardInterrupt as error:
            raise CitaError("Stopped.", hint="What is done is kept: the same command goes on from there.") from error
    if as_json:
        _print_json(asdict(report))
    elif printed:
        _print(_text(markdown(report)).rstrip("\n"))
    return report


def _worked(events: "Generator[TaskEvent]") -> "Report":
    """Runs a task to its end, with a bar on a terminal, with a line now and then elsewhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    plain = None if sys.stderr.isatty() else _PlainProgress()
    columns = (
        TextColumn("Working"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.fields[doing]}", markup=False),
    )
    bar = Progress(*columns, console=_console(stderr=True), transient=True, disable=plain is not None)
    with closing(events), bar:
        task = bar.add_task("", total=None, doing="")
        for event in events:
            if event.event == "finished":
                return event.report
            if plain:
                plain.say(f"{event.done} of {event.total} parts, {_name(event.doing)}")
            bar.update(task, total=event.total, completed=event.done, doing=_name(event.doing))
    raise CitaError("The task broke off.", hint="Start it again: what is done is kept.")


# Conversations


Id = Annotated[str, typer.Argument(metavar="ID", help="As `cita conversations list` shows it; or `last`.")]
Export = Annotated[Path | None, typer.Argument(metavar="FILE", help="A file that is not there yet.")]


@conversations_app.callback()
def conversations() -> None:
    """What was asked and answered: list, show, search, rename, rate, export, delete, forget."""


@conversations_app.command(name="list")
def list_conversations(context: typer.Context, as_json: Json = False) -> None:
    """List the conversations, the newest first.

    JSON: {"conversations": [{"id", "title", "started_at", "changed_at", "turns", "good", "bad"}]}; `good` and `bad`
    count the answers that were rated so.
    """
    with _engine(context) as engine:
        _print_conversations(engine.conversations(), as_json)


@conversations_app.command(name="search")
def search_conversations(
    context: typer.Context,
    text: Annotated[list[str], typer.Argument(metavar="TEXT", help="Words, or their beginnings.")],
    as_json: Json = False,
) -> None:
    """Find the conversations with these words in their title or within one question and its answer.

    JSON: as `cita conversations list`, and "excerpt", the text around the words.
    """
    with _engine(context) as engine:
        _print_conversations(engine.conversations(" ".join(text)), as_json, found=True)


def _print_conversations(every: Sequence["ConversationSummary"], as_json: bool, found: bool = False) -> None:
    keys = ("id", "title", "started_at", "changed_at", "turns", "good", "bad", *(("excerpt",) if found else ()))
    if as_json:
        _print_json({"conversations": [_pick(one, keys) for one in every]})
        return
    if not every:
        _say("Nothing was found." if found else 'None yet. `cita ask --conversation new "..."` begins one.')
        return
    rows = [
        (one.id, _local(one.changed_at), str(one.turns), _name(one.title), *((_text(one.excerpt),) if found else ()))
        for one in every
    ]
    _print_table(("Id", "Last asked", "Turns", "Title", *(("Found",) if found else ())), rows)


def _local(at: str) -> str:
    """'2026-11-21 18:30' by this machine's clock."""
    return f"{datetime.fromisoformat(at).astimezone():%Y-%m-%d %H:%M}"


@conversations_app.command(name="show")
def show_conversation(context: typer.Context, id: Id, as_json: Json = False) -> None:
    """Show a conversation as it was, and what has become of the files that it cites.

    JSON: {"id", "title", "started_at", "changed_at", "turns": [{"n", "at", "question", "understood", "state", "answer",
    "abstained", "citations": [as `cita ask`, and "since", "now"], "sentences", "model", "timings", "error", "rating",
    "reason", "passages": [{"id", "source", "page", "page_to", "section", "text", "sha256", "since", "now"}]}]}. `state`
    is "answered", "stopped" or "failed"; `rating` "good", "bad" or null. `since` the answer the file is the "same",
    "edited" (the passage still stands in it), "changed" (it does not), "moved" to the path `now`, or "gone".
    """
    with _engine(context) as engine:
        if as_json:
            _print_json(json.loads(engine.export_conversation(id, "json")))
            return
        conversation = engine.conversation(id)
    _print(f"{_name(conversation.title)} ({conversation.id})", "bold")
    for turn in conversation.turns:
        _print_turn(turn)


def _print_turn(turn: "KeptTurn") -> None:
    _print("\n" + _wrapped(_text(turn.question), f"{turn.n}. ", "   "), "bold")
    if turn.answer is None:
        if turn.draft:
            _print(_text(turn.draft))
        _print(_wrapped(_text(f"{turn.error} {turn.hint}".strip() or "Stopped: the answer is incomplete.")), "yellow")
        return
    _print(_text(turn.answer.answer))
    since = {evidence.hit.passage.id: _since(evidence.since, evidence.now) for evidence in turn.evidence}
    _print_citations(turn.answer.citations, since)
    if turn.rating:
        _print("\n" + _wrapped(_text(f"Rated {turn.rating}{f': {turn.reason}' if turn.reason else '.'}")))


def _since(since: str, now: str) -> str:
    """What has become of a cited file; '' where it is the same."""
    said = {
        "edited": "This file has changed since; the passage still stands in it.",
        "changed": "This file has changed since, and the passage no longer stands in it.",
        "moved": f"This file is {_name(now)} now.",
        "gone": "This file is no longer there.",
    }
    return said.get(since, "")


@conversations_app.command(name="rename")
def rename_conversation(
    context: typer.Context,
    id: Id,
    title: Annotated[list[str], typer.Argument(metavar="TITLE", help="Its new title.")],
    as_json: Json = False,
) -> None:
    """Give a conversation another title.

    JSON: as `cita conversations list`.
    """
    with _engine(context) as engine:
        engine.rename_conversation(id, " ".join(title))
        _print_conversations(engine.conversations(), as_json)


@conversations_app.command(name="rate")
def rate_answer(
    context: typer.Context,
    id: Id,
    turn: Annotated[int, typer.Argument(metavar="N", min=1, help="The number of the question in it.")],
    rating: Annotated[str, typer.Argument(metavar="RATING", help="good, bad, or none to take it back.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")] = "",
    as_json: Json = False,
) -> None:
    """Say whether an answer was good; `cita eval --feedback` measures with what was.

    JSON: as `cita conversations list`.
    """
    if rating not in ("good", "bad", "none"):
        raise UsageError(f"An answer cannot be rated {rating!r}.", hint="There are good, bad and none.")
    with _engine(context) as engine:
        engine.rate(id, turn, None if rating == "none" else cast("Any", rating), reason)
        _print_conversations(engine.conversations(), as_json)


@conversations_app.command(name="export")
def export_conversation(
    context: typer.Context,
    id: Id,
    file: Export = None,
    form: Annotated[str, typer.Option("--as", metavar="FORM", help="md, json or docx; by FILE's name, else md.")] = "",
    language: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help="Of its own words: en or es.")] = "en",
    as_json: Json = False,
) -> None:
    """Write a conversation as Markdown with footnotes, JSON or a Word document; without FILE to standard output.

    JSON: {"id", "form", "file", "text"}; `text` is null where a FILE was written.
    """
    form = form or (file.suffix[1:].lower() if file and file.suffix[1:].lower() in ("md", "json", "docx") else "md")
    if form not in ("md", "json", "docx"):
        raise UsageError(f"There is no form {form!r} to export.", hint="There are md, json and docx.")
    if language not in ("en", "es"):
        raise UsageError(f"There is no language {language!r} to export in.", hint="There are en and es.")
    if form == "docx" and file is None:
        raise UsageError("A Word document needs a file.", hint=f"cita conversations export {id} answers.docx")
    with _engine(context) as engine:
        content = engine.export_conversation(id, cast("Any", form), cast("Any", language))
        id = engine.conversation(id).id
    if file:
        _write_new(file, content)
        _say(f"The conversation is in {_name(str(file))}.")
    if as_json:
        text = None if file else content.decode()
        _print_json({"id": id, "form": form, "file": str(file) if file else None, "text": text})
    elif not file:
        _print(_text(content.decode().rstrip("\n")))


def _write_new(file: Path, content: bytes) -> None:
    """Readable by its owner only. Raises UsageError if there is such a file."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    except FileExistsError as error:
        raise UsageError(f"{str(file)!r} is there already.", hint="Name another file, or move it away.") from error
    with os.fdopen(handle, "wb") as opened:
        opened.write(content)


@conversations_app.command(name="delete")
def delete_conversations(
    context: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="As `cita conversations list` shows them.")],
    as_json: Json = False,
) -> None:
    """Delete conversations for good, also from the file's bytes.

    JSON: as `cita conversations list`, those that are left.
    """
    with _engine(context) as engine:
        engine.delete_conversations(ids)
        _print_conversations(engine.conversations(), as_json)


@conversations_app.command(name="forget")
def forget_conversations(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    as_json: Json = False,
) -> None:
    """Delete all conversations for good, with their ratings; examples stay.

    JSON: {"ok", "problems": [...]}.
    """
    _confirm("Delete all conversations for good?", yes)
    with _engine(context) as engine:
        engine.forget_conversations()
    _print_verdict(_sound(), as_json, "All conversations are deleted.")


def _confirm(question: str, yes: bool) -> None:
    """Raises UsageError where nobody can be asked, CitaError where the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("Nothing was deleted: this asks first.", hint="Add --yes.")
    if not typer.confirm(question, err=True):
        raise CitaError("Nothing was deleted.")


# Examples


@examples_app.callback()
def examples() -> None:
    """Questions with the answers that you want for them: list, add, import, keep, export, delete."""


@examples_app.command(name="list")
def list_examples(context: typer.Context, as_json: Json = False) -> None:
    """List the examples, the newest first.

    JSON: {"examples": [{"id", "question", "answer", "origin", "at"}]}; `origin` is "kept", "written" or "imported".
    """
    with _engine(context) as engine:
        _print_examples(engine.examples(), as_json)


@examples_app.command(name="add")
def add_example(
    context: typer.Context,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What is asked.")],
    answer: Annotated[str, typer.Argument(metavar="ANSWER", help="The answer that you want for it.")],
    as_json: Json = False,
) -> None:
    """Write an example.

    JSON: as `cita examples list`.
    """
    with _engine(context) as engine:
        if not engine.add_examples([(question, answer)]):
            _say("This example is there already.")
        _print_examples(engine.examples(), as_json)


IMPORTED_AT_ONCE = 10  # examples of at most 20,000 characters each, so that a portion crosses to another process


@examples_app.command(name="import")
def import_examples(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON Lines.")],
    as_json: Json = False,
) -> None:
    """Add the examples of a file of lines like {"question": "...", "answer": "..."}, or of chats with "messages".

    JSON: as `cita examples list`.
    """
    from evaluation.feedback import read_pairs

    pairs = read_pairs(file)
    with _engine(context) as engine:
        added = sum(
            engine.add_examples(pairs[start : start + IMPORTED_AT_ONCE], imported=True)
            for start in range(0, len(pairs), IMPORTED_AT_ONCE)
        )
        _say(f"{added} of {len(pairs)} examples are new.")
        _print_examples(engine.examples(), as_json)


@examples_app.command(name="keep")
def keep_example(
    context: typer.Context,
    id: Id,
    turn: Annotated[int, typer.Argument(metavar="N", min=1, help="The number of the question in it.")],
    as_json: Json = False,
) -> None:
    """Keep an answer of a conversation as an example, with the passages that it cites.

    JSON: as `cita examples list`.
    """
    with _engine(context) as engine:
        engine.keep_example(id, turn)
        _print_examples(engine.examples(), as_json)


@examples_app.command(name="export")
def export_examples(context: typer.Context, file: Export = None, as_json: Json = False) -> None:
    """Write the examples as a set to fine-tune a model on: JSON Lines of chats; without FILE to standard output.

    JSON: {"file", "examples": [a line of it]}.
    """
    with _engine(context) as engine:
        content = engine.export_examples()
    lines = content.decode().splitlines()
    if file:
        _write_new(file, content)
        _say(f"{len(lines)} examples are in {_name(str(file))}.")
    if as_json:
        _print_json({"file": str(file) if file else None, "examples": [json.loads(line) for line in lines]})
    elif not file:
        for line in lines:
            _print(line)


@examples_app.command(name="delete")
def delete_examples(
    context: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="As `cita examples list` shows them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --all: do not ask first.")] = False,
    as_json: Json = False,
) -> None:
    """Delete examples for good.

    JSON: as `cita examples list`, those that are left.
    """
    if bool(ids) is every:
        raise UsageError("Name the examples to delete, or --all.", hint="`cita examples list` shows them.")
    if every:
        _confirm("Delete all examples for good?", yes)
    with _engine(context) as engine:
        if wanted := [example.id for example in engine.examples()] if every else ids:
            engine.delete_examples(wanted)
        _print_examples(engine.examples(), as_json)


def _print_examples(examples: Sequence["Example"], as_json: bool) -> None:
    if as_json:
        _print_json({"examples": [_pick(one, ("id", "question", "answer", "origin", "at")) for one in examples]})
        return
    if not examples:
        _say("None yet. `cita examples add QUESTION ANSWER` writes one.")
        return
    rows = [(one.id, one.origin, _text(one.question), _text(one.answer)) for one in examples]
    _print_table(("Id", "Origin", "Question", "Answer"), rows)


# Evaluation


@app.command(name="eval")
def evaluate(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Questions, JSON Lines; with --make, where to write the drafts."),
    ] = None,
    k: Annotated[int, typer.Option("-k", "--k", metavar="N", min=1, max=200, help="Passages for each question.")] = 10,
    answers: Annotated[bool, typer.Option("--answers", help="Have each question answered too.")] = False,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="The model that answers.")] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Compare with an earlier run (a file that --json wrote) or another home."),
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a report as Markdown.")] = None,
    failures: Annotated[int, typer.Option(metavar="N", min=0, help="How many questions to show that went wrong.")] = 10,
    make: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=10_000, help="Draft N questions from the documents, to be corrected."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another number drafts other questions.")] = 0,
    feedback: Annotated[
        bool,
        typer.Option("--feedback", help="Measure on the answers that were rated good, or write them to FILE."),
    ] = False,
    rerankers: Annotated[
        bool | None,
        typer.Option(
            "--rerankers/--no-rerankers",
            help="Measure whether the rerankers that there are help: all or none; by itself those not measured yet."
            " Without FILE on drafted questions.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure on questions of your own how well passages are found, and questions answered.

    A reranker (a GGUF or a cross-encoder folder in the home's models) that helps by more than chance and is fast enough
    works from then on, unless rerank.model says otherwise.

    A line of FILE: {"question", "answers": [...], "source", "page", "unanswerable"}, all but the first optional
    (docs/evaluation.md). JSON: {"name", "k", "at", "version", "embedder", "model", "passages", "unknown": [path],
    "seconds": {"p50", "p95"}, "metrics": {name: {"value", "low", "high", "n"}}, "comparison": {"name", "at", "metrics":
    {name: {"before", "after", "p", "n", "better", "worse"}}}, "questions": [{"id", "question", "expected", "places",
    "unanswerable", "judged", "rank", "scores": {name: value}, "found": [{"rank", "source", "page", "section", "text"}],
    "seconds", "answer", "faults": [...]}], "rerankers": [as `cita status` has it]}; "comparison" with --against,
    "rerankers" where some were measured. With --make, and with --feedback FILE: {"questions": [a line of a FILE]}.
    """
    if make:
        _draft(context, make, seed, file, as_json)
        return
    if feedback and file:
        _write_feedback(context, file, as_json)
        return
    if file is None and not feedback and not rerankers:
        raise UsageError("No question set was named.", hint="`cita eval --make 20 questions.jsonl` drafts one.")
    from evaluation.dataset import read_questions
    from evaluation.report import markdown
    from evaluation.run import check_comparable, evaluate, to_json

    if feedback:
        dataset, answers = _rated(context), True
    else:
        dataset = read_questions(file) if file else _drafted(context, seed)

    def run_on(engine: "Engine", progress: "Progress") -> "Run":
        return evaluate(engine, dataset, k, answers=answers, model=model, progress=progress)

    before = _earlier(against, run_on) if against else None
    if before:
        check_comparable(before, [question.text for question in dataset.questions])
    with _engine(context) as engine:
        run = _with_questions(lambda progress: run_on(engine, progress))
        measured = _measured_rerankers(engine, dataset, _settings(context).rerank.seconds, rerankers)
    if run.unknown:
        _say(f"Not in the index, though questions name them: {', '.join(map(_name, run.unknown))}.")
    if as_json:
        rerankers_json = {"rerankers": [asdict(one) for one in measured]} if measured else {}
        _print_json({**to_json(run, before), **rerankers_json})
    else:
        _print_run(run, before, failures)
        _print_rerankers(measured)
    if report:
        report.write_text(markdown(run, before, failures), encoding="utf-8")


def _rated(context: typer.Context) -> "Dataset":
    from evaluation.feedback import rated

    with _engine(context) as engine:
        return rated(engine)


def _write_feedback(context: typer.Context, file: Path, as_json: bool) -> None:
    from evaluation.make import as_line

    lines = [as_line(question) for question in _rated(context).questions]
    _write_new(file, "".join(f"{line}\n" for line in lines).encode())
    _say(f"{len(lines)} questions in {_name(str(file))}.")
    if as_json:
        _print_json({"questions": [json.loads(line) for line in lines]})


def _drafted(context: typer.Context, seed: int) -> "Dataset":
    """As many questions as the documents suggest, at most what a measurement asks for."""
    from evaluation.dataset import Dataset
    from evaluation.make import draft_questions
    from evaluation.rerankers import DRAFTED

    with _engine(context) as engine:
        questions = tuple(draft_questions(engine, DRAFTED, seed))
    if not questions:
        raise CitaError("The documents suggest no question.", hint="Write some: docs/evaluation.md says how.")
    return Dataset("drafted questions", questions)


def _measured_rerankers(
    engine: "Engine", dataset: "Dataset", seconds: float, wanted: bool | None
) -> list["RerankerInfo"]:
    """Measures all rerankers if `wanted`, those that were not yet if it is None; what is known of these then."""
    from evaluation.rerankers import is_measurable, measure, unmeasured

    there = engine.status().rerankers
    chosen = [*there] if wanted else unmeasured(there) if wanted is None else []
    if not is_measurable(dataset):
        return []
    for reranker in chosen:
        _say(f"Measuring reranker {_name(reranker.name)}")

        def run(progress: "Progress", reranker: "RerankerInfo" = reranker) -> "Verdict":
            return measure(engine, dataset, reranker, seconds, progress)

        engine.keep_verdict(_with_questions(run))
    paths = {reranker.path for reranker in chosen}
    return [one for one in engine.status().rerankers if one.path in paths] if paths else []


def _print_rerankers(measured: Sequence["RerankerInfo"]) -> None:
    from evaluation.rerankers import described

    for one in measured:
        _print("\n" + _wrapped(_text(described(one)), "Reranker ", "    "))


def _earlier(against: Path, run_on: Callable[["Engine", "Progress"], "Run"]) -> "Run":
    """An earlier run, read from its file, or made now in another home."""
    from engine import open_engine
    from evaluation.run import read_run
    from settings import Settings

    if not against.is_dir():
        return read_run(against)
    settings = Settings.load(against)
    if not (settings.index / "catalog.db").is_file():
        raise UsageError(f"{str(against)!r} is not a home of Cita's.", hint="Name one that has index/catalog.db.")
    with closing(open_engine(settings)) as engine:
        run = _with_questions(lambda progress: run_on(engine, progress))
    return replace(run, name=str(against))


def _with_questions(run: Callable[["Progress"], T]) -> T:
    """With a bar on a terminal, with a line now and then elsewhere."""
    if not sys.stderr.isatty():
        pause = _PlainProgress()
        return run(lambda done, of: pause.say(f"{done} of {of} questions"))
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("Asking"), BarColumn(bar_width=16), MofNCompleteColumn())
    with Progress(*columns, console=_console(stderr=True), transient=True) as bar:
        task = bar.add_task("")
        return run(lambda done, of: bar.update(task, completed=done, total=of))


def _print_run(run: "Run", before: "Run | None", failures: int) -> None:
    from evaluation import report

    _print(_text(report.facts(run)) + "\n")
    words = report.WORDS["en"]
    measured = [
        (report.metric_name(name), f"{one.value:.3f}", f"{one.low:.3f} - {one.high:.3f}", str(one.n))
        for name, one in report.shown_metrics(run).items()
    ]
    _print_table((words.metric, words.value, words.interval, words.questions), measured)
    if before:
        at = f"{before.at[:16].replace('T', ' ')} UTC"
        _print("\n" + _wrapped(_text(words.compared.format(name=before.name, at=at))))
        compared = [
            (report.metric_name(name), f"{one.before:.3f}", f"{one.after:.3f}", f"{one.p:.3f}",
             f"{one.better} / {one.worse}")
            for name, one in report.shown_comparison(before, run).items()
        ]  # fmt: skip
        _print_table((words.metric, words.before, words.now, words.p, words.changed), compared)
    _print_failures(run, failures)


def _print_failures(run: "Run", shown: int) -> None:
    from evaluation import report
    from evaluation.run import failures

    wrong: list[Record] = failures(run)
    if wrong and shown:
        _print(f"\n{report.WORDS['en'].failures} ({min(shown, len(wrong))} of {len(wrong)}):")
    for record in wrong[:shown]:
        _print("\n" + _wrapped(_text(record.question)), "bold")
        _print(_wrapped("; ".join(report.fault_names(record)), "    ", "    "))
        _print(_wrapped(_text(report.expectation(record)), "    expected: ", "        "))
        for found in record.found:
            place = _place(found.source, found.page, None, found.section)
            _print(_wrapped(f"{place}: {_text(report.excerpt(found))}", f"    {found.rank}. ", "        "))
        if record.answer is not None:
            _print(_wrapped(_text(" ".join(record.answer.split())), "    answer: ", "        "))


def _draft(context: typer.Context, n: int, seed: int, file: Path | None, as_json: bool) -> None:
    from evaluation.make import as_line, draft_questions

    if file and file.exists():
        raise UsageError(f"{str(file)!r} is there already.", hint="Name another file, or move it away.")
    with _engine(context) as engine:
        if _is_empty(engine):
            raise CitaError("Nothing is indexed yet.", hint="`cita add FOLDER`, then `cita index`.")
        lines = [as_line(question) for question in draft_questions(engine, n, seed)]
    if not lines:
        raise CitaError("The documents suggest no question.", hint="Write some: docs/evaluation.md says how.")
    if file:
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        _say(f"{len(lines)} questions in {_name(str(file))}. Correct them, then: cita eval {_name(str(file))}")
    elif len(lines) < n:
        _say(f"The documents suggest no more than {len(lines)}.")
    if as_json:
        _print_json({"questions": [json.loads(line) for line in lines]})
    elif not file:
        for line in lines:
            _print(_text(line))


# The app


@app.command(name="app")
def run_app(
    context: typer.Context,
    port: Annotated[
        int | None, typer.Option(metavar="PORT", min=1, max=65535, help="Where the app listens (8501).")
    ] = None,
) -> None:
    """Open the app for the browser, on this machine only, until Ctrl-C."""
    from ui.launch import run_app

    settings = _settings(context)
    run_app(settings, port or settings.app.port)


# Models


@models_app.callback()
def models() -> None:
    """The models that write the answers: list, add, use."""


@models_app.command(name="list")
def list_models(context: typer.Context, as_json: Json = False) -> None:
    """List the models; a star marks the one that answers.

    JSON: {"models": [{"name", "title", "path", "size", "architecture", "quantisation", "parameters", "context",
    "active", "ranks"}]}; `size` is bytes, `context` tokens; one that `ranks` is a reranker and answers nothing.
    """
    with _engine(context) as engine:
        _print_models(engine.models(), as_json)


@models_app.command(name="add")
def add_model(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A GGUF file; it stays where it is.")],
    as_json: Json = False,
) -> None:
    """Make a GGUF file known; `cita models use NAME` makes it answer.

    JSON: {"models": [...]} as `cita models list` has it.
    """
    with _engine(context) as engine:
        added = engine.add_model(path.absolute())
        if added.ranks:
            _say(f"Added reranker {_name(added.name)}. Measure whether it helps: cita eval FILE")
        else:
            _say(f"Added {_name(added.name)}. Let it answer: cita models use {_name(added.name)}")
        _print_models(engine.models(), as_json)


@models_app.command(name="use")
def use_model(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name that `cita models list` shows.")],
    as_json: Json = False,
) -> None:
    """Choose the model that answers from now on.

    JSON: {"models": [...]} as `cita models list` has it.
    """
    with _engine(context) as engine:
        engine.use_model(name)
        _print_models(engine.models(), as_json)


def _print_models(models: Sequence["ModelInfo"], as_json: bool) -> None:
    if as_json:
        keys = ("name", "title", "path", "size", "architecture", "quantisation", "parameters", "context", "active")
        _print_json({"models": [_pick(model, (*keys, "ranks")) for model in models]})
        return
    rows = [
        (
            "*" if model.active else "",
            _name(model.name),
            _size(model.size) if model.size else "",
            _text(" ".join(filter(None, (model.architecture, model.quantisation, "reranker" if model.ranks else "")))),
            str(model.context or ""),
        )
        for model in models
    ]
    _print_table(("", "Name", "Size", "Kind", "Context"), rows)


# The machine


@app.command()
def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Show what this machine can run, what is wrong and what to do.

    JSON: {"version", "machine": {"system", "processor", "cores", "memory", "memory_available", "disk_free", "python",
    "sqlite", "libraries", "embedder", "embedder_runtime", "llama_cpp": {"loads", "gpu", "detail", "card"},
    "generation": {"model", "runtime": {"context", "threads", "batch", "gpu_layers", "flash_attention", "cache",
    "repack"} or null}, "ocr": {"works", "version", "languages", "missing"}, "isolation": {"network", "files",
    "processes", "memory", "detail"}}, "home": what `cita status` has, or null, "ok", "problems": [{"problem",
    "remedy"}]}; sizes are bytes; "generation": the model that answers and how a GGUF is run here; "ocr": text
    recognition; "isolation": what the readers of documents are kept from.
    """
    from models.doctor import examine

    machine = asdict(examine(_settings(context)))
    problems = list(machine.pop("problems"))
    home = None
    try:
        with _engine(context) as engine:
            home = engine.status()
    except (CitaError, OSError) as error:
        reason = _explained(error)
        problems.append({"problem": reason.message, "remedy": reason.hint})
    else:
        remedy = "`cita verify` shows more; `cita index` puts right what it can."
        problems += [{"problem": problem, "remedy": remedy} for problem in home.problems]
    if as_json:
        of_home = asdict(home) if home else None
        _print_json(
            {"version": _version(), "machine": machine, "home": of_home, "ok": not problems, "problems": problems}
        )
        return
    _print_pairs([("Cita", _version()), *_machine_pairs(machine), *(_status_pairs(home) if home else ())])
    for problem in problems:
        _print("\n" + _wrapped(_text(problem["problem"]), "! ", "  "), "bold yellow")
        _print(_wrapped(_text(problem["remedy"]), "  ", "  "))
    if not problems:
        _print("\nNothing is wrong.")


def _machine_pairs(machine: dict[str, Any]) -> list[tuple[str, str]]:
    llama_cpp = machine["llama_cpp"]
    gpu = llama_cpp["card"] or ("with a GPU" if llama_cpp["gpu"] else "on the processor")
    return [
        ("System", machine["system"]),
        ("Processor", f"{machine['processor']}, {machine['cores']} cores"),
        ("Memory", f"{_size(machine['memory'])}, {_size(machine['memory_available'])} free"),
        ("Disk", f"{_size(machine['disk_free'])} free"),
        ("Python", f"{machine['python']}, SQLite {machine['sqlite']}"),
        ("Embedding", f"{machine['embedder']} on {machine['embedder_runtime'] or 'nothing'}"),
        ("llama.cpp", f"loads, {gpu}" if llama_cpp["loads"] else f"does not load: {_text(llama_cpp['detail'])}"),
        ("Model", _generation_words(machine["generation"])),
        ("OCR", _ocr_words(machine["ocr"])),
        ("Isolation", _isolation_words(machine["isolation"])),
        ("Libraries", "\n".join(f"{name} {version or 'missing'}" for name, version in machine["libraries"].items())),
    ]


def _generation_words(generation: dict[str, Any]) -> str:
    """The model that answers, and what was chosen for it, in the settings' own names."""
    runtime = generation["runtime"]
    if not runtime:
        return _text(generation["model"])
    values = {name: ("on" if value else "off") if isinstance(value, bool) else value for name, value in runtime.items()}
    chosen = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
    return f"{_text(generation['model'])}\n{chosen}"


def _ocr_words(ocr: dict[str, Any]) -> str:
    if not ocr["works"]:
        return "off"
    missing = f"; no data for {', '.join(ocr['missing'])}" if ocr["missing"] else ""
    return f"Tesseract {ocr['version']}, {', '.join(ocr['languages'])}{missing}"


def _isolation_words(isolation: dict[str, Any]) -> str:
    """What the readers of documents are kept from, what they are not, and by which layers."""
    names = [name for name in isolation if name != "detail"]
    on, off = [name for name in names if isolation[name]], [name for name in names if not isolation[name]]
    kept = "; ".join(f"{word}: {', '.join(group)}" for word, group in (("on", on), ("off", off)) if group)
    return f"{kept}\nby {_text(isolation['detail'])}"


# Opening


def _settings(context: typer.Context) -> "Settings":
    from settings import Settings

    return Settings.load(context.find_root().obj)


@contextmanager
def _engine(context: typer.Context, *, mend: bool = False) -> Iterator["Engine"]:
    settings = _settings(context)
    from engine import open_engine

    with closing(open_engine(settings, mend=mend)) as engine:
        yield engine


def _version() -> str:
    from importlib.metadata import version

    return version("cita")


# Writing

# What could move the cursor, forge a line or turn text around: control characters but tab and newline, line
# separators, marks of direction, invisible tags, lone surrogates.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def _text(text: str) -> str:
    """Text of a document or a model, made harmless on a terminal."""
    return _HARMFUL.sub(lambda match: ascii(match[0])[1:-1], text.replace("\r\n", "\n"))


def _name(name: str) -> str:
    """A file's name or another that has its place on one line."""
    from ingest.names import printable

    return _text(printable(name)).replace("\n", "\\n").replace("\t", "\\t")


def _print_json(value: dict[str, Any]) -> None:
    """ASCII only: harmless on a terminal and the same in any encoding."""
    print(json.dumps(value, allow_nan=False))


def _pick(value: Any, keys: Sequence[str]) -> dict[str, Any]:
    fields = asdict(value)
    return {key: fields[key] for key in keys}


def _say(message: str) -> None:
    """A message for the person, beside the result."""
    print(_wrapped(_text(message), stream=sys.stderr), file=sys.stderr, flush=True)


def _print(text: str, style: str = "") -> None:
    """A line of the result; styled on a terminal only."""
    if sys.stdout.isatty() and style:
        _console().print(text, style=style)
    else:
        print(text)


def _console(stderr: bool = False) -> Any:
    from rich.console import Console

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)


def _print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    for label, value in pairs:
        before = f"{label:<14}"
        for line in value.split("\n"):
            _print(_wrapped(line, before, " " * 14))
            before = " " * 14


def _print_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns on a terminal, tabs elsewhere."""
    if not sys.stdout.isatty():
        for row in (headers, *rows):
            print("\t".join(" ".join(cell.split()) for cell in row))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(*headers, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    _console().print(table, soft_wrap=False)


def _place(path: str, page: int | None, page_to: int | None, section: str) -> str:
    """Where a passage stands: 'contracts/lease.pdf, page 2, Lease > Deposit'."""
    pages = f"pages {page}-{page_to}" if page and page_to and page_to > page else f"page {page}" if page else ""
    return ", ".join(filter(None, (_name(path), pages, _name(section))))


def _indented(text: str) -> str:
    """Text under its heading line; wrapped to fit a terminal."""
    return "\n".join(_wrapped(line, "    ", "    ") if line.strip() else "" for line in _text(text).splitlines())


def _wrapped(text: str, before: str = "", indent: str = "", stream: Any = None) -> str:
    """A line of text behind `before`; where a terminal ends it goes on below, behind `indent`, between two words."""
    if not (stream or sys.stdout).isatty():
        return before + text
    width = shutil.get_terminal_size().columns
    filled = textwrap.fill(text, width, initial_indent=before, subsequent_indent=indent, break_on_hyphens=False)
    return filled or before


def _size(count: float) -> str:
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


if __name__ == "__main__":
    main()
