"""Conversations: list, search, show, rename, rate, export, delete, forget."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from cli.answers import print_grounds
from cli.opening import opened_engine
from cli.options import Export, Id, Json
from cli.writing import (
    clean,
    clean_name,
    confirm,
    pick,
    print_json,
    print_line,
    print_table,
    print_verdict,
    say,
    sound,
    wrapped,
    write_new,
)
from errors import UsageError

if TYPE_CHECKING:
    from rag.types import ConversationSummary, KeptTurn

app = typer.Typer()


@app.callback()
def conversations() -> None:
    """What was asked and answered: list, show, search, rename, rate, export, delete, forget."""


@app.command(name="list")
def list_conversations(context: typer.Context, as_json: Json = False) -> None:
    """List the conversations, the newest first.

    JSON: {"conversations": [{"id", "title", "started_at", "changed_at", "turns", "good", "bad"}]}; `good` and `bad`
    count the answers that were rated so.
    """
    with opened_engine(context) as engine:
        _print_conversations(engine.conversations(), as_json)


@app.command(name="search")
def search_conversations(
    context: typer.Context,
    text: Annotated[list[str], typer.Argument(metavar="TEXT", help="Words, or their beginnings.")],
    as_json: Json = False,
) -> None:
    """Find the conversations with these words in their title or within one question and its answer.

    JSON: as `cita conversations list`, and "excerpt", the text around the words.
    """
    with opened_engine(context) as engine:
        _print_conversations(engine.conversations(" ".join(text)), as_json, found=True)


def _print_conversations(every: Sequence["ConversationSummary"], as_json: bool, found: bool = False) -> None:
    keys = ("id", "title", "started_at", "changed_at", "turns", "good", "bad", *(("excerpt",) if found else ()))
    if as_json:
        print_json({"conversations": [pick(one, keys) for one in every]})
        return
    if not every:
        say("Nothing was found." if found else 'None yet. `cita ask --conversation new "..."` begins one.')
        return
    rows = [
        (
            one.id,
            _local(one.changed_at),
            str(one.turns),
            clean_name(one.title),
            *((clean(one.excerpt),) if found else ()),
        )
        for one in every
    ]
    print_table(("Id", "Last asked", "Turns", "Title", *(("Found",) if found else ())), rows)


def _local(at: str) -> str:
    """'2026-11-21 18:30' by this machine's clock."""
    return f"{datetime.fromisoformat(at).astimezone():%Y-%m-%d %H:%M}"


@app.command(name="show")
def show_conversation(context: typer.Context, id: Id, as_json: Json = False) -> None:
    """Show a conversation as it was, and what has become of the files that it cites.

    JSON: {"id", "title", "started_at", "changed_at", "turns": [{"n", "at", "question", "understood", "state", "answer",
    "abstained", "citations": [as `cita ask`, and "since", "now"], "sentences", "conflict", "model", "timings", "voice",
    "usage", "error", "rating", "reason", "passages": [{"id", "source", "page", "page_to", "section", "text", "sha256",
    "since", "now"}]}]}. `state` is "answered", "stopped" or "failed"; `rating` "good", "bad" or null; `voice` how it
    was to be said, null where nothing was. `since` the answer the file is the "same", "edited" (the passage still
    stands in it), "changed" (it does not), "moved" to the path `now`, or "gone".
    """
    with opened_engine(context) as engine:
        if as_json:
            print_json(json.loads(engine.export_conversation(id, "json")))
            return
        conversation = engine.conversation(id)
    print_line(f"{clean_name(conversation.title)} ({conversation.id})", "bold")
    for turn in conversation.turns:
        _print_turn(turn)


def _print_turn(turn: "KeptTurn") -> None:
    print_line("\n" + wrapped(clean(turn.question), f"{turn.n}. ", "   "), "bold")
    if turn.answer is None:
        if turn.draft:
            print_line(clean(turn.draft))
        print_line(
            wrapped(clean(f"{turn.error} {turn.hint}".strip() or "Stopped: the answer is incomplete.")), "yellow"
        )
        return
    print_line(clean(turn.answer.answer))
    since = {evidence.hit.passage.id: _since(evidence.since, evidence.now) for evidence in turn.evidence}
    print_grounds(turn.answer, since)
    print_line("\n" + wrapped(f"Answered by {clean_name(turn.answer.model)}, {_local(turn.at)}"), "dim")
    if turn.rating:
        print_line(wrapped(clean(f"Rated {turn.rating}{f': {turn.reason}' if turn.reason else ''}")), "dim")


def _since(since: str, now: str) -> str:
    """What has become of a cited file; '' where it is the same."""
    said = {
        "edited": "This file has changed since; the passage still stands in it.",
        "changed": "This file has changed since, and the passage no longer stands in it.",
        "moved": f"This file is {clean_name(now)} now.",
        "gone": "This file is no longer there.",
    }
    return said.get(since, "")


@app.command(name="rename")
def rename_conversation(
    context: typer.Context,
    id: Id,
    title: Annotated[list[str], typer.Argument(metavar="TITLE", help="Its new title.")],
    as_json: Json = False,
) -> None:
    """Give a conversation another title.

    JSON: as `cita conversations list`.
    """
    with opened_engine(context) as engine:
        engine.rename_conversation(id, " ".join(title))
        _print_conversations(engine.conversations(), as_json)


@app.command(name="rate")
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
    with opened_engine(context) as engine:
        engine.rate(id, turn, None if rating == "none" else cast("Any", rating), reason)
        _print_conversations(engine.conversations(), as_json)


@app.command(name="export")
def export_conversation(
    context: typer.Context,
    id: Id,
    file: Export = None,
    form: Annotated[str, typer.Option("--as", metavar="FORM", help="md, json or docx; by FILE's name, else md.")] = "",
    language: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help="Of its own words: en or es.")] = "en",
    as_json: Json = False,
) -> None:
    """Write a conversation as Markdown or Word with footnotes, or as JSON; without FILE to standard output.

    JSON: {"id", "form", "file", "text"}; `text` is null where a FILE was written.
    """
    form = form or (file.suffix[1:].lower() if file and file.suffix[1:].lower() in ("md", "json", "docx") else "md")
    if form not in ("md", "json", "docx"):
        raise UsageError(f"There is no form {form!r} to export.", hint="There are md, json and docx.")
    if language not in ("en", "es"):
        raise UsageError(f"There is no language {language!r} to export in.", hint="There are en and es.")
    if form == "docx" and file is None:
        raise UsageError("A Word document needs a file.", hint=f"cita conversations export {id} answers.docx")
    with opened_engine(context) as engine:
        content = engine.export_conversation(id, cast("Any", form), cast("Any", language))
        id = engine.conversation(id).id
    if file:
        write_new(file, content)
        say(f"The conversation is in {clean_name(str(file))}.")
    if as_json:
        text = None if file else content.decode()
        print_json({"id": id, "form": form, "file": str(file) if file else None, "text": text})
    elif not file:
        print_line(clean(content.decode().rstrip("\n")))


@app.command(name="delete")
def delete_conversations(
    context: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="As `cita conversations list` shows them.")],
    as_json: Json = False,
) -> None:
    """Delete conversations for good, also from the file's bytes.

    JSON: as `cita conversations list`, those that are left.
    """
    with opened_engine(context) as engine:
        engine.delete_conversations(ids)
        _print_conversations(engine.conversations(), as_json)


@app.command(name="forget")
def forget_conversations(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    as_json: Json = False,
) -> None:
    """Delete all conversations for good, with their ratings; examples stay.

    JSON: {"ok", "problems": [...]}.
    """
    confirm("Delete all conversations for good?", yes)
    with opened_engine(context) as engine:
        engine.forget_conversations()
    print_verdict(sound(), as_json, "All conversations are deleted.")
