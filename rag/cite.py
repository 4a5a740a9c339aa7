"""From a draft with [n] to sentences with citations, each with its exact quote and place in the passage. Whether the
quotes carry what is said, rag/verify.py finds out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ingest.analyse import detect_language, terms
from ingest.sentences import sentences
from ingest.types import Passage
from rag.types import ABSTENTION, AnswerSentence, Citation, Hit

_MARK = re.compile(r"[ \t]*\[(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)\]")
_OPEN_MARK = re.compile(r"[ \t]*\[[\d\s,;–-]{0,40}$|[ \t]+$")
_EXACT_SHARE = 0.6  # of a sentence's terms that a quote must hold to be its quote


@dataclass(frozen=True, slots=True)
class Mark:
    """What is cited at a place of a draft."""

    place: int
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Cited:
    """A draft with its citations numbered 1, 2, ... in order of appearance. `invented` counts the numbers that named
    no passage: they were dropped. `text` is the answer without its citations, `spans` are its sentences there."""

    answer: str
    citations: tuple[Citation, ...]
    sentences: tuple[AnswerSentence, ...]
    invented: int
    abstained: bool
    text: str = ""
    marks: tuple[Mark, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()


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
        self._marks: list[Mark] = []
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
        return written(self._plain, self._marks, self._invented)

    def _say(self, text: str) -> str:
        self._plain += text
        return text

    def _cite(self, mark: re.Match[str]) -> str:
        numbers = list(dict.fromkeys(_numbers(mark.group(1))))
        real = [n for n in numbers if 1 <= n <= len(self._hits)]
        self._invented += len(numbers) - len(real)
        claim = self._claim()
        cited = tuple(self._citation(claim, self._hits[n - 1].passage) for n in real)
        if cited:
            self._marks.append(Mark(len(self._plain), cited))
        return _numbered(cited)

    def _citation(self, claim: str, passage: Passage) -> Citation:
        start, end = find_quote(claim, passage)
        known = self._citations
        return known.setdefault((passage.id, start, end), citation(passage, start, end, len(known) + 1))

    def _claim(self) -> str:
        """The last sentence so far: what a mark here is about."""
        spans = sentence_spans(self._plain, self._marks)
        return self._plain[slice(*spans[-1])] if spans else ""


def written(text: str, marks: Sequence[Mark], invented: int) -> Cited:
    """The answer that a text with these marks (in their order) makes. Each distinct quote has a number of its own."""
    numbers: dict[tuple[str, int, int], Citation] = {}
    answer, done, placed = "", 0, []
    for mark in marks:
        cited = []
        for found in mark.citations:
            key = (found.id, found.start, found.end)
            cited.append(numbers.setdefault(key, replace(found, n=len(numbers) + 1)))
        placed.append(Mark(mark.place, tuple(cited)))
        answer += text[done : mark.place] + _numbered(cited)
        done = mark.place
    spans = sentence_spans(text, placed)
    said = tuple(
        AnswerSentence(text[start:end], tuple(dict.fromkeys(c.n for c in cited_in(text, placed, start, end))), False)
        for start, end in spans
    )
    answer = (answer + text[done:]).strip()
    return Cited(answer, tuple(numbers.values()), said, invented, False, text, tuple(placed), tuple(spans))


def cited_in(text: str, marks: Sequence[Mark], start: int, end: int) -> list[Citation]:
    """What is cited by the sentence from `start` to `end`: the marks in it and right behind it."""
    return [found for mark in marks if start < _end_before(text, mark) <= end for found in mark.citations]


def sentence_spans(text: str, marks: Sequence[Mark]) -> list[tuple[int, int]]:
    """The sentences of a draft without its marks. A line that ends in a mark ends its sentence."""
    found = []
    start = 0
    places = [_end_before(text, mark) for mark in marks]
    ends = [place for place in places if text[place : place + 1] == "\n"]
    for end in [*ends, len(text)]:
        found += [(start + a, start + b) for a, b in sentences(text[start:end])]
        start = end
    return [(a, b) for a, b in found if any(c.isalnum() for c in text[a:b])]


def _end_before(text: str, mark: Mark) -> int:
    """Where the words end that a mark stands behind."""
    return len(text[: mark.place].rstrip())


def _numbered(cited: Sequence[Citation]) -> str:
    return "".join(f" [{n}]" for n in dict.fromkeys(one.n for one in cited))


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


def citation(passage: Passage, start: int, end: int, n: int) -> Citation:
    """Characters `start` to `end` of a passage as a citation that nobody has verified yet."""
    return Citation(
        n=n,
        id=passage.id,
        source=passage.path,
        page=passage.page,
        section=passage.section,
        quote=passage.text[start:end],
        start=start,
        end=end,
        supported=False,
        confidence=passage.confidence,
        source_hides=passage.source_hides,
    )


def find_quote(claim: str, passage: Passage) -> tuple[int, int]:
    """The words of a passage that say what the claim says: the claim itself, where it stands there; else the sentence
    that shares most with it, and its neighbour too, if that adds what is missing."""
    return locate_quote(claim, passage.text) or _best_quote(claim, passage)


def _best_quote(claim: str, passage: Passage) -> tuple[int, int]:
    text = passage.text
    wanted = set(terms(claim, detect_language(claim, passage.language)))
    spans = sentences(text) or [(0, len(text))]
    shared = [wanted & set(terms(text[a:b], passage.language)) for a, b in spans]
    best = max(range(len(spans)), key=lambda i: len(shared[i]))
    start, end = spans[best]
    if len(shared[best]) < _EXACT_SHARE * len(wanted):
        for neighbour in (best - 1, best + 1):
            if 0 <= neighbour < len(spans) and shared[neighbour] - shared[best]:
                return min(start, spans[neighbour][0]), max(end, spans[neighbour][1])
    return start, end


def _plain(text: str) -> str:
    return " ".join(_MARK.sub("", text).replace("’", "'").strip(" \t\n\"'“”«».").lower().split())
