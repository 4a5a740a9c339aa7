"""From a draft with [n] to sentences with citations, each with its exact quote and place in the passage."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.analyse import detect_language, terms
from ingest.sentences import sentences
from rag.types import ABSTENTION, AnswerSentence, Citation, Hit
from rag.verify import supports

MARK = re.compile(r"\[(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)\]")
_EXACT_SHARE = 0.6  # of a sentence's terms that a quote must hold to be its quote


@dataclass(frozen=True, slots=True)
class Cited:
    """A draft with its citations numbered 1, 2, ... in order of appearance. `invented` counts the numbers that named
    no passage: they were dropped."""

    answer: str
    citations: tuple[Citation, ...]
    sentences: tuple[AnswerSentence, ...]
    invented: int
    abstained: bool


def cite(draft: str, hits: Sequence[Hit]) -> Cited:
    """Finds for each [n] of the draft the words of passage n (hits[n - 1]) that carry the sentence before it."""
    if is_abstention(draft):
        text = MARK.sub("", draft).strip()
        return Cited(text, (), (AnswerSentence(text, (), True),), 0, True)
    citations: dict[tuple[str, int, int], Citation] = {}
    said: list[AnswerSentence] = []
    answer = []
    invented = 0
    for gap, text, numbers in _claims(draft):
        real = [n for n in dict.fromkeys(numbers) if 1 <= n <= len(hits)]
        invented += len(set(numbers)) - len(real)
        used = [_citation(text, hits[n - 1], citations) for n in real]
        supported = any(citation.supported for citation in used)
        own = tuple(dict.fromkeys(citation.n for citation in used))
        said.append(AnswerSentence(text, own, supported))
        answer.append(gap + text + "".join(f" [{n}]" for n in own))
    return Cited("".join(answer).strip(), tuple(citations.values()), tuple(said), invented, False)


def is_abstention(draft: str) -> bool:
    """Whether a draft is one of the fixed sentences, give or take white space, quotes and citation marks."""
    plain = _plain(draft)
    return not plain or any(plain == _plain(sentence) for sentence in ABSTENTION.values())


def locate_quote(quote: str, text: str) -> tuple[int, int] | None:
    """Where `quote` stands in `text`, white space aside; None if it does not."""
    parts = quote.split()
    if not parts:
        return None
    found = re.search(r"\s+".join(map(re.escape, parts)), text)
    return found.span() if found else None


def _claims(draft: str) -> list[tuple[str, str, list[int]]]:
    """(white space before, text, cited numbers) of each sentence. Marks after a full stop belong to what is before."""
    spans: list[tuple[int, int]] = []
    for start, end in sentences(draft):
        lead = re.match(r"(?:\s*\[\d[\d\s,;–-]*\])+[.\s]*", draft[start:end])
        if lead and spans:
            spans[-1] = (spans[-1][0], start + lead.end())
            start += lead.end()
        if draft[start:end].strip():
            spans.append((start, end))
    claims: list[tuple[str, str, list[int]]] = []
    before = 0
    for start, end in spans:
        raw = draft[start:end]
        text = re.sub(r"\s+([.!?…])", r"\1", MARK.sub("", raw)).strip()
        gap = re.sub(r"[^\n]+", " ", draft[before:start]) if claims else ""
        if text.strip(".!?… "):
            claims.append((gap, text, [n for mark in MARK.findall(raw) for n in _numbers(mark)]))
        before = end
    return claims


def _numbers(mark: str) -> list[int]:
    """'1, 3-5' -> 1, 3, 4, 5."""
    numbers: list[int] = []
    for part in re.split(r"\s*[,;]\s*", mark):
        first, *last = map(int, re.split(r"\s*[–-]\s*", part))
        numbers += range(first, min(max([first, *last]), first + 50) + 1)
    return numbers


def _citation(claim: str, hit: Hit, citations: dict[tuple[str, int, int], Citation]) -> Citation:
    passage = hit.passage
    start, end = locate_quote(claim, passage.text) or _best_quote(claim, hit)
    key = (passage.id, start, end)
    if key not in citations:
        quote = passage.text[start:end]
        citations[key] = Citation(
            n=len(citations) + 1,
            id=passage.id,
            source=passage.path,
            page=passage.page,
            section=passage.section,
            quote=quote,
            start=start,
            end=end,
            supported=supports(quote, claim, passage),
        )
    return citations[key]


def _best_quote(claim: str, hit: Hit) -> tuple[int, int]:
    """The sentence of the passage that shares most with the claim; its neighbour too, if that adds what is missing."""
    text = hit.passage.text
    wanted = set(terms(claim, detect_language(claim, hit.passage.language)))
    spans = sentences(text) or [(0, len(text))]
    shared = [wanted & set(terms(text[a:b], hit.passage.language)) for a, b in spans]
    best = max(range(len(spans)), key=lambda i: len(shared[i]))
    start, end = spans[best]
    if len(shared[best]) < _EXACT_SHARE * len(wanted):
        for neighbour in (best - 1, best + 1):
            if 0 <= neighbour < len(spans) and shared[neighbour] - shared[best]:
                return min(start, spans[neighbour][0]), max(end, spans[neighbour][1])
    return start, end


def _plain(text: str) -> str:
    return " ".join(MARK.sub("", text).replace("’", "'").strip(" \t\n\"'“”«».").lower().split())
