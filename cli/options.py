"""The options and arguments that several commands have, and what is made of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.opening import load_settings
from errors import UsageError
from ingest.types import TYPE_FAMILIES, Filters
from rag.types import AnswerLanguage, Length, Tone

if TYPE_CHECKING:
    from rag.types import Voice

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
Id = Annotated[str, typer.Argument(metavar="ID", help="As `cita conversations list` shows it; or `last`.")]
Export = Annotated[Path | None, typer.Argument(metavar="FILE", help="A file that is not there yet.")]


def chosen_filters(
    within: Sequence[str] | None,
    types: Sequence[str] | None,
    tags: Sequence[str] | None,
    languages: Sequence[str] | None,
    since: str,
    until: str,
) -> Filters:
    """The filters that a command's options name."""
    return Filters(tuple(within or ()), tuple(types or ()), tuple(tags or ()), tuple(languages or ()), since, until)


def chosen_voice(
    context: typer.Context,
    tone: Tone | None,
    length: Length | None,
    language: AnswerLanguage | None,
    profile: str | None = "",
) -> "Voice | None":
    """What the options choose, the rest as it is set, by a profile (None: the one that is set) or else for all; None
    where they choose nothing."""
    if not (tone or length or language):
        return None
    settings = load_settings(context)
    named = settings.answer.profile if profile is None else profile
    return settings.with_profile(named).voice_of(tone, length, language)


def asked_question(words: Sequence[str]) -> str:
    """The words as one question. Raises UsageError if there are none."""
    question = " ".join(words).strip().encode(errors="replace").decode()  # bytes of another encoding come as surrogates
    if not question:
        raise UsageError("The question is empty.", hint='Type one: cita ask "How long is the notice period?"')
    return question
