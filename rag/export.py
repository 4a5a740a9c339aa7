"""A conversation as a file: Markdown with footnotes, JSON, a Word document; and examples as a set to fine-tune on.

What documents and models say goes in as text: in Markdown every mark of it is escaped, so that no picture, link or
heading comes of it. A citation carries what it carried when it was shown, and what has become of its file since.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from errors import UsageError
from ingest.analyse import detect_language
from ingest.names import printable
from rag.types import Answer, Citation, Conversation, Evidence, Example, ExportForm, KeptTurn, Language, Side, Since

CITED = re.compile(r"\s?\[(\d{1,6})\]")
_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~!])")
_LIST_MARK = re.compile(r"^(\s*)([-+=]|\d+[.)])", re.MULTILINE)
# What XML cannot hold, and what would turn text around where it is shown.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class Words:
    page: str
    rated: dict[str, str]
    stopped: str
    unsupported: str
    unsupported_sentence: str
    conflict: str
    since: dict[Since, str]


WORDS: dict[Language, Words] = {
    "en": Words(
        page="page {page}",
        rated={"good": "rated good", "bad": "rated bad"},
        stopped="Stopped: the answer is incomplete, and its citations were not checked.",
        unsupported="The quote does not carry the claim.",
        unsupported_sentence="Not confirmed by a passage: “{text}”",
        conflict="The sources disagree: {sides}",
        since={
            "edited": "The file has changed since; the passage still stands in it.",
            "changed": "The file has changed since, and the passage no longer stands in it.",
            "moved": "The file is at “{now}” now.",
            "gone": "The file is no longer there.",
        },
    ),
    "es": Words(
        page="página {page}",
        rated={"good": "valorada como buena", "bad": "valorada como mala"},
        stopped="Detenida: la respuesta está incompleta y sus citas no se comprobaron.",
        unsupported="La cita no respalda lo que se afirma.",
        unsupported_sentence="Ningún pasaje lo confirma: «{text}»",
        conflict="Las fuentes no coinciden: {sides}",
        since={
            "edited": "El archivo ha cambiado desde entonces; el pasaje sigue en él.",
            "changed": "El archivo ha cambiado desde entonces y el pasaje ya no está en él.",
            "moved": "El archivo está ahora en «{now}».",
            "gone": "El archivo ya no está.",
        },
    ),
}


def export(conversation: Conversation, form: ExportForm, language: Language = "en") -> bytes:
    """The whole file. Raises UsageError for another form."""
    if form == "json":
        return (json.dumps(as_json(conversation), indent=2) + "\n").encode()
    if form == "md":
        return markdown(conversation, WORDS[language]).encode(errors="replace")
    if form == "docx":
        from rag.word import word_document

        return word_document(conversation, WORDS[language])
    raise UsageError(f"There is no form {form!r} to export.", hint="There are md, json and docx.")


# JSON


def as_json(conversation: Conversation) -> dict[str, Any]:
    """What `cita conversations show --json` prints."""
    kept = {key: value for key, value in asdict(conversation).items() if key != "turns"}
    return kept | {"turns": [_turn_json(turn) for turn in conversation.turns]}


def _turn_json(turn: KeptTurn) -> dict[str, Any]:
    answer = asdict(turn.answer) if turn.answer else {}
    since = {evidence.hit.passage.id: {"since": evidence.since, "now": evidence.now} for evidence in turn.evidence}
    citations = [citation | since.get(citation["id"], _UNKNOWN) for citation in answer.get("citations", ())]
    return {
        "n": turn.n,
        "at": turn.at,
        "question": turn.question,
        "understood": turn.understood,
        "state": turn.state,
        "answer": answer.get("answer", turn.draft),
        "abstained": answer.get("abstained", False),
        "citations": citations,
        "sentences": answer.get("sentences", []),
        "conflict": answer.get("conflict", []),
        "model": answer.get("model", ""),
        "timings": answer.get("timings"),
        "voice": answer.get("voice"),
        "usage": turn.answer.usage.json if turn.answer and turn.answer.usage else None,
        "error": turn.error,
        "rating": turn.rating,
        "reason": turn.reason,
        "passages": [_passage_json(evidence) for evidence in turn.evidence],
    }


_UNKNOWN: dict[str, str] = {"since": "gone", "now": ""}


def _passage_json(evidence: Evidence) -> dict[str, Any]:
    passage = evidence.hit.passage
    return {
        "id": passage.id, "source": passage.path, "page": passage.page, "page_to": passage.page_to,
        "section": passage.section, "text": passage.text, "sha256": evidence.sha256, "since": evidence.since,
        "now": evidence.now,
    }  # fmt: skip


# What all forms say


def place_of(citation: Citation, words: Words) -> str:
    """'lease.pdf, page 2, Lease > Deposit'."""
    page = words.page.format(page=citation.page) if citation.page else ""
    return ", ".join(filter(None, (printable(citation.source), page, citation.section)))


def remarks(turn: KeptTurn, citation: Citation, words: Words) -> list[str]:
    """What is to be known of a citation: that it does not carry its claim, what became of its file."""
    found = [evidence for evidence in turn.evidence if evidence.hit.passage.id == citation.id]
    since = [words.since[each.since].format(now=printable(each.now)) for each in found if each.since != "same"]
    return [*([] if citation.supported else [words.unsupported]), *since]


def printable_text(text: str) -> str:
    """Text that XML can hold and that turns nothing around."""
    return _UNPRINTABLE.sub("\ufffd", text)


def footer(turn: KeptTurn, words: Words) -> str:
    """'small · deep · 12.4 tokens/s · 2026-11-21 18:30 UTC · rated good: clear'."""
    rating = words.rated[turn.rating] + (f": {turn.reason}" if turn.reason else "") if turn.rating else ""
    model, usage = (turn.answer.model, turn.answer.usage) if turn.answer else ("", None)
    speed = f"{usage.tokens_per_second:.1f} tokens/s" if usage and usage.tokens_per_second else ""
    return " · ".join(filter(None, (model, usage.profile if usage else "", speed, _time(turn.at), rating)))


def _time(at: str) -> str:
    return f"{at[:16].replace('T', ' ')} UTC"


def doubtful(answer: Answer, words: Words) -> list[str]:
    """The sentences that no passage confirms, each said so, and what the sources give as different answers."""
    doubts = [words.unsupported_sentence.format(text=each.text) for each in answer.sentences if not each.supported]
    sides = "; ".join(_side(answer, side) for side in answer.conflict)
    return [*doubts, words.conflict.format(sides=sides)] if sides else doubts


def _side(answer: Answer, side: Side) -> str:
    """'Tampa (minutes.md, 2021-02-07)'."""
    files = dict.fromkeys(printable(one.source) for one in answer.citations if one.n in side.citations)
    return f"{side.value} ({', '.join(filter(None, (*files, side.date)))})"


# Markdown


def markdown(conversation: Conversation, words: Words) -> str:
    parts = [f"# {inert(conversation.title)}"]
    for turn in conversation.turns:
        parts += _turn_markdown(turn, words)
    return "\n\n".join(filter(None, parts)) + "\n"


def _turn_markdown(turn: KeptTurn, words: Words) -> Iterator[str]:
    yield f"## {turn.n}. {inert(' '.join(turn.question.split()))}"
    if turn.answer is None:
        yield _escaped(turn.draft)
        yield f"*{inert(turn.error or words.stopped)}*"
        yield f"*{inert(footer(turn, words))}*"
        return
    text, known = turn.answer.answer, {citation.n for citation in turn.answer.citations}
    pieces = CITED.split(text)
    yield "".join(
        (f"[^{turn.n}-{piece}]" if int(piece) in known else rf"\[{piece}\]") if place % 2 else _escaped(piece)
        for place, piece in enumerate(pieces)
    )
    for doubt in doubtful(turn.answer, words):
        yield f"*{inert(doubt)}*"
    yield f"*{inert(footer(turn, words))}*"
    for citation in turn.answer.citations:
        said = "".join(f" *({inert(remark)})*" for remark in remarks(turn, citation, words))
        yield f"[^{turn.n}-{citation.n}]: {inert(place_of(citation, words))}: “{inert(citation.quote)}”{said}"


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is, over several lines."""
    marked = _MARKS.sub(r"\\\1", printable_text(text).replace("&", "&amp;"))
    return _LIST_MARK.sub(lambda found: rf"{found[1]}{found[2][:-1]}\{found[2][-1]}", marked)


def inert(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _escaped(" ".join(text.split()))


# Fine-tuning


def fine_tuning_set(examples: Sequence[Example]) -> bytes:
    """A chat a line, oldest example first: {"messages": [{"role", "content"}, ...]}. One that cites passages has the
    instruction and the passages that a model is given for it; another has the question alone."""
    return "".join(json.dumps({"messages": _messages(example)}) + "\n" for example in reversed(examples)).encode()


def _messages(example: Example) -> list[dict[str, str]]:
    from rag.prompt import task_of

    said = {"role": "assistant", "content": example.answer}
    if not example.hits:
        return [{"role": "user", "content": example.question}, said]
    language: Language = "es" if detect_language(example.question) == "es" else "en"
    system, user = task_of(example.question, example.hits, language)
    return [{"role": "system", "content": system}, {"role": "user", "content": user}, said]
