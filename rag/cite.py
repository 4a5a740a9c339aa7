"""From a draft with [n] to sentences with citations, each with its exact quote and place in the passage."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.analyse import detect_language, terms
from ingest.sentences import sentences
from rag.types import ABSTENTION, AnswerSentence, Citation, Hit
from rag.verify import supports

_MARK = re.compile(r"[ \t]*\[(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)\]")
_OPEN_MARK = re.compile(r"[ \t]*\[[\d\s,;–-]{0,40}$|[ \t]+$")
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
    """The citations of a whole draft, in which [n] stands for hits[n - 1]."""
    citer = Citer(hits)
    citer.feed(draft)
    return citer.finish()


class Citer:
    """Reads a draft as it is written, in which [n] stands for hits[n - 1], and gives what may be shown of it: the
    same text, its citations numbered 1, 2, ... in order of appearance, numbers that name no passage left out.

    Each citation carries the words of its passage that say what the sentence before the mark says.
    """

    def __init__(self, hits: Sequence[Hit]) -> None:
        self._hits = hits
        self._pending = ""  # not shown yet: it may be the beginning of a mark
        self._plain = ""  # the draft without its marks
        self._answer = ""
        self._marks: list[tuple[int, tuple[Citation, ...]]] = []  # where in _plain, and what is cited there
        self._citations: dict[tuple[str, int, int], Citation] = {}
        self._invented = 0

    def feed(self, piece: str) -> str:
        """What to show now that `piece` was written."""
        self._pending += piece
        shown = ""
        while mark := _MARK.search(self._pending):
            shown += self._say(self._pending[: mark.start()]) + self._cite(mark)
            self._pending = self._pending[mark.end() :]
        held_back = _OPEN_MARK.search(self._pending)
        cut = held_back.start() if held_back else len(self._pending)
        shown += self._say(self._pending[:cut])
        self._pending = self._pending[cut:]
        return shown

    def rest(self) -> str:
        """What is left to show when the draft has ended."""
        shown = self._say(self._pending.rstrip())
        self._pending = ""
        return shown

    def finish(self) -> Cited:
        """The draft's answer. An abstention cites nothing."""
        self.rest()
        if is_abstention(self._plain):
            text = self._plain.strip()
            return Cited(text, (), (AnswerSentence(text, (), True),), 0, True)
        said = tuple(self._sentence(start, end) for start, end in self._spans())
        return Cited(self._answer.strip(), tuple(self._citations.values()), said, self._invented, False)

    def _say(self, text: str) -> str:
        self._plain += text
        self._answer += text
        return text

    def _cite(self, mark: re.Match[str]) -> str:
        numbers = list(dict.fromkeys(_numbers(mark.group(1))))
        real = [n for n in numbers if 1 <= n <= len(self._hits)]
        self._invented += len(numbers) - len(real)
        claim = self._claim()
        cited = tuple(_citation(claim, self._hits[n - 1], self._citations) for n in real)
        if cited:
            self._marks.append((len(self._plain.rstrip()), cited))
        shown = "".join(f" [{n}]" for n in dict.fromkeys(citation.n for citation in cited))
        self._answer += shown
        return shown

    def _claim(self) -> str:
        """The last sentence so far: what a mark here is about."""
        spans = self._spans()
        return self._plain[slice(*spans[-1])] if spans else ""

    def _spans(self) -> list[tuple[int, int]]:
        """The draft's sentences. A line that ends in a mark ends its sentence."""
        found = []
        start = 0
        ends = [position for position, _ in self._marks if self._plain[position : position + 1] == "\n"]
        for end in [*ends, len(self._plain)]:
            found += [(start + a, start + b) for a, b in sentences(self._plain[start:end])]
            start = end
        return [(a, b) for a, b in found if any(c.isalnum() for c in self._plain[a:b])]

    def _sentence(self, start: int, end: int) -> AnswerSentence:
        cited = [citation for position, some in self._marks if start < position <= end for citation in some]
        numbers = tuple(dict.fromkeys(citation.n for citation in cited))
        return AnswerSentence(self._plain[start:end], numbers, any(citation.supported for citation in cited))


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
            confidence=passage.confidence,
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
    return " ".join(_MARK.sub("", text).replace("’", "'").strip(" \t\n\"'“”«».").lower().split())
