"""Filters that are written into a question: `in:contracts type:pdf since:2024 "notice period"`.

A filter is one of the words below, a colon and a value right behind it; a value with spaces stands in quotes. All else
is the question: "note: ...", "3:1", "http://...", and whatever stands in quotes by itself.
"""

import re
from dataclasses import dataclass, replace

from ingest.types import Filters

# The words, English and Spanish, and the part of Filters that each is for.
WORDS = {
    "in": "within", "en": "within", "type": "types", "tipo": "types", "tag": "tags", "etiqueta": "tags",
    "lang": "languages", "idioma": "languages", "since": "since", "desde": "since", "until": "until", "hasta": "until",
}  # fmt: skip
_QUOTED = r'"[^"]*"|“[^”]*”|«[^»]*»'
_PART = re.compile(
    rf"(?P<phrase>{_QUOTED})"
    rf"|(?<!\S)(?P<word>{'|'.join(WORDS)}):(?:(?P<quoted>{_QUOTED})|(?P<plain>\[\[[^\[\]]+\]\]|[^\s\"“”«»]+))"
)
_END = ".,;:!?)"  # of a sentence rather than of a value


@dataclass(frozen=True, slots=True)
class Query:
    """A question without the filters that were written into it, and these. `written` is the first as it stood."""

    text: str
    filters: Filters
    written: str = ""


def parse(question: str) -> Query:
    """Takes the filters out of a question. Whether they name anything is for the catalogue to say."""
    found: dict[str, list[str]] = {}
    written: list[str] = []

    def taken(part: re.Match[str]) -> str:
        value = part["quoted"][1:-1].strip() if part["quoted"] else (part["plain"] or "").rstrip(_END)
        if not value:
            return part[0]
        name = WORDS[part["word"]]
        several = name in ("types", "tags", "languages") and not part["quoted"]
        found.setdefault(name, []).extend(filter(None, value.split(",")) if several else [value])
        written.append(f"{part['word']}:{part['quoted'] or value}")
        return " "

    text = " ".join(_PART.sub(taken, question).split())
    if not found:
        return Query(question, Filters())
    within, types, tags, languages = (tuple(found.get(name, ())) for name in ("within", "types", "tags", "languages"))
    since, until = (found.get(name, [""])[-1] for name in ("since", "until"))
    return Query(text, Filters(within, types, tags, languages, since, until), written[0])


def merge(given: Filters, written: Filters) -> Filters:
    """Those beside a question and those in it: values of one kind add up, of two dates the narrower counts."""
    return replace(
        given,
        within=(*given.within, *written.within),
        types=(*given.types, *written.types),
        tags=(*given.tags, *written.tags),
        languages=(*given.languages, *written.languages),
        since=max(given.since, written.since),
        until=min(given.until or written.until, written.until or given.until, key=lambda said: f"{said}-99"),
    )
