"""Text of documents, models and file names as inert HTML.

Whatever comes in is escaped; the only markup in the output is the fixed handful of tags written here, without links,
pictures or scripts. `tests/ui/test_render.py` proves both for arbitrary text.
"""

import re
from collections.abc import Iterable
from html import escape

from ingest.names import printable
from rag.types import Answer, AnswerSentence

CITATION = re.compile(r"\[(\d+)\]")
# What Streamlit's Markdown interprets even after a backslash: links, :emoji: and :material/icons:, @-addresses.
_LATE_MARKDOWN = re.compile(r"[:@]|(?<=www)(?=\.)", re.IGNORECASE)
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_WORD_JOINER = "\u2060"


def span(kind: str, text: str, hint: str = "") -> str:
    """Text in a <span> of one of our classes; `hint` is shown when the pointer rests on it."""
    title = f' title="{escape(hint)}"' if hint else ""
    return f'<span class="cita-{kind}"{title}>{escape(text)}</span>'


def block(kind: str, *parts: str) -> str:
    """HTML made by this module, in a <div> of one of our classes."""
    return f'<div class="cita-{kind}">{"".join(parts)}</div>'


def draft(text: str, waiting: str = "") -> str:
    """An answer while it is being written. Citation numbers that are complete are already shown as such."""
    tail = span("waiting", waiting) if waiting else '<span class="cita-cursor"></span>'
    return block("answer", _with_citations(text), tail)


def stopped(text: str) -> str:
    return block("answer", _with_citations(text))


VERDICT_MARKS = {"partly": "◑", "unsupported": "⚠"}
_EXCERPT = 60  # characters of a sentence that a verdict is on


def answer(value: Answer, unsupported_hint: str, partly_hint: str) -> str:
    """A finished answer: [n] as a mark, and sentences that no passage carries, or not wholly, marked, never hidden; the
    reasons stand at the marks and below."""
    hints = {"partly": partly_hint, "unsupported": unsupported_hint}
    text, done, parts, verdicts = value.answer, 0, [], []
    for start, end, sentence in _not_supported(value):
        parts.append(_with_citations(text[done:start]))
        verdict = "partly" if sentence.verdict == "partly" else "unsupported"
        why = ": ".join(filter(None, (hints[verdict], sentence.reason)))
        marked = _with_citations(text[start:end])
        parts.append(f'<span class="cita-{verdict}" title="{escape(why)}">{marked}</span>')
        parts.append(span("verdict", VERDICT_MARKS[verdict], why))
        verdicts.append(block("why", span("t", f"{VERDICT_MARKS[verdict]} {why} – “{_excerpt(sentence.text)}”")))
        done = end
    below = block("verdicts", *verdicts) if verdicts else ""
    return block("answer", *parts, _with_citations(text[done:])) + below


def _excerpt(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _EXCERPT else f"{plain[:_EXCERPT].rstrip()}…"


def marked(text: str, start: int, end: int) -> str:
    """A passage with its characters `start` to `end` marked."""
    quote = f"<mark>{escape(text[start:end])}</mark>" if start < end else ""
    return block("passage", escape(text[:start]), quote, escape(text[max(start, end) :]))


def matched(text: str, ranges: Iterable[tuple[int, int]]) -> str:
    """A passage with several runs of its characters marked; they are in order and do not overlap."""
    parts, done = [], 0
    for start, end in ranges:
        parts += [escape(text[done:start]), f"<mark>{escape(text[start:end])}</mark>"]
        done = end
    return block("passage", *parts, escape(text[done:]))


def label(text: str) -> str:
    """Text for a widget that reads Markdown (a button, a notice), so that it shows as written and loads nothing."""
    inert = _PUNCTUATION.sub(r"\\\1", _LATE_MARKDOWN.sub(lambda found: found[0] + _WORD_JOINER, printable(text)))
    return " ".join(inert.split())


def _with_citations(text: str) -> str:
    pieces = CITATION.split(text)
    return "".join(
        f'<span class="cita-n">{piece}</span>' if place % 2 else escape(piece) for place, piece in enumerate(pieces)
    )


def _not_supported(value: Answer) -> Iterable[tuple[int, int, AnswerSentence]]:
    """Where the sentences that no passage wholly carries stand in the answer, in order and without overlap. Citations
    may stand in them, also before their stop: letters are compared, without citations and white space."""
    places = _letters(value.answer)
    letters = "".join(value.answer[place] for place in places)
    done = 0
    for sentence in value.sentences:
        own = "".join(sentence.text[place] for place in _letters(sentence.text))
        start = letters.find(own, done) if own else -1
        if start < 0:
            continue
        done = start + len(own)
        if not sentence.supported:
            yield places[start], places[done - 1] + 1, sentence


def _letters(text: str) -> list[int]:
    """The places of a text's characters but for citations and white space."""
    cited = {place for mark in CITATION.finditer(text) for place in range(*mark.span())}
    return [place for place, character in enumerate(text) if place not in cited and not character.isspace()]


def source_card(
    number: str, path: str, page: str, section: str, quote: str, warning: str = "", copies: str = ""
) -> str:
    """Where a claim comes from: number, file, page, section, quote, a warning where the quote does not carry it, and
    where else the same stands."""
    path = printable(path)
    folder, _, name = path.rpartition("/")
    head = [f'<span class="cita-n">{escape(number)}</span>' if number else "", span("file", name, path)]
    where = " · ".join(part for part in (page, section, folder) if part)
    return block(
        "source",
        block("source-head", *head, span("where", where) if where else ""),
        block("quote", span("t", quote)) if quote else "",
        block("warning", span("t", warning)) if warning else "",
        block("copies", span("t", copies)) if copies else "",
    )


def counts(values: Iterable[tuple[str, str]]) -> str:
    """A row of figures, each over its name."""
    return block("counts", *(block("count", span("figure", figure), span("lead", name)) for name, figure in values))


def folder_row(path: str, remark: str) -> str:
    return block("source", block("source-head", span("file", path), span("where", remark) if remark else ""))


def facts(values: Iterable[tuple[str, str]]) -> str:
    """Names and values, a line each."""
    return block("table", *(block("row", span("name", name), span("value", value)) for name, value in values))


def model_card(name: str, remark: str, description: str, path: str) -> str:
    return block(
        "source",
        block("source-head", span("file", name), span("badge", remark) if remark else ""),
        block("quote-plain", span("t", description)) if description else "",
        block("path", span("t", path)) if path else "",
    )
