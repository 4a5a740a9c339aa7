"""How an answer prints: its citations, what it does not confirm, why there is none."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cli.writing import clean, indented, place_words, print_line, wrapped

if TYPE_CHECKING:
    from rag.types import Answer, AnswerSentence, Citation


def print_grounds(answer: "Answer", since: Mapping[str, str] | None = None) -> None:
    """What stands below an answer. `since` says what has become of the cited files, by passage."""
    _print_conflict(answer)
    _print_uncited(answer.sentences)
    _print_citations(answer.citations, since or {})
    _print_refusal(answer)


def _print_citations(citations: Sequence["Citation"], since: Mapping[str, str]) -> None:
    for citation in citations:
        place = place_words(citation.source, citation.page, citation.page, citation.section)
        print_line("\n" + wrapped(place, f"[{citation.n}] ", "    "), "bold")
        print_line(indented(f"“{citation.quote}”"))
        print_unsure(citation.confidence)
        print_hiding(citation.source_hides)
        if not citation.supported:
            verdict = _VERDICTS["partly" if citation.verdict == "partly" else "unsupported"]
            print_line(wrapped(clean(_with_reason(verdict, citation.reason)), "    ", "    "), "yellow")
        if said := since.get(citation.id):
            print_line(wrapped(said, "    ", "    "), "yellow")


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
            print_line("\n" + wrapped(clean(said), "", "    "), "yellow")


def _print_conflict(answer: "Answer") -> None:
    """Says that the sources contradict each other, and how."""
    if answer.conflict:
        sides = (
            f"{side.value}{f' ({side.date})' if side.date else ''} {''.join(f'[{n}]' for n in side.citations)}"
            for side in answer.conflict
        )
        print_line("\n" + wrapped(clean("; ".join(sides)), "The sources disagree: ", "    "), "yellow")


def _print_refusal(answer: "Answer") -> None:
    """What comes nearest where there is no answer, and what to add."""
    if answer.refusal is None:
        return
    for near in answer.refusal.nearest:
        place = place_words(near.source, near.page, near.page, near.section)
        print_line("\n" + wrapped(place, "Nearest: ", "    "), "bold")
        print_line(indented(f"“{near.quote}”"))
    if answer.refusal.missing:
        print_line("\n" + wrapped(clean(", ".join(answer.refusal.missing)), "Nothing found speaks of: ", "    "))
        print_line(wrapped("Add a document that does, or ask in its words."))


def print_hiding(hides: bool) -> None:
    """Warns of a file that has text which its reader does not see."""
    if hides:
        print_line("    The file has hidden text: `cita list --hidden` shows what.", "yellow")


def print_unsure(confidence: float | None) -> None:
    """Warns of text that was recognised with doubt."""
    from ingest.types import LOW_CONFIDENCE

    if confidence is not None and confidence < LOW_CONFIDENCE:
        print_line(f"    Recognised from a picture, {confidence:.0%} sure.".replace("%", " %"), "yellow")
