"""Two documents side by side: what is the same, what differs in facts or in words only, what only one of them says.

Their pieces (sentences, items, rows) are paired: equal ones first, then the most alike by words and by embedding. Of a
pair that is not equal the words that differ are named; it differs in facts where these are figures, names or a
negation. With a model the differences are said in short above it all.
"""

import difflib
import re
from collections import defaultdict
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from errors import UsageError
from ingest.analyse import fold, words
from ingest.embed import Vectors
from ingest.types import Filters
from rag.figures import carries, figures
from rag.names import known_names, names
from rag.negation import denies, reverses
from rag.tasks.run import Done, Making, Numbering, Part, Parts
from rag.tasks.types import Compare, Report, Said, Section, SectionKind
from rag.tasks.work import File, Means, Sentence, carried, embedded, files, groups, hits_of, sentences_of, written
from rag.tasks.work import language_of as language_of_passages
from rag.types import Language
from rag.voice import answer_language

MOST = 4000  # pieces of a document that are compared
ALIKE = 0.6  # from which two pieces are taken for two forms of one
BY_WORDS = 0.5  # the share of their words in that; the rest is their cosine
SAME_HEADING = 0.1
TOLD = 40  # differences that a model is told of
NEAREST = 20  # pieces of the other document that a piece is held against
SHOWN_WORDS = 6  # of a run of words that differs
KINDS: tuple[SectionKind, ...] = ("changed", "reworded", "first", "second", "same")
_TOKEN = re.compile(r"\w+(?:[.,:/’'-]\w+)*|[%€$£]")


@dataclass(frozen=True, slots=True)
class Pair:
    """A piece of each document; one of them None where the other has nothing like it."""

    first: Sentence | None
    second: Sentence | None


def compare(task: Compare, means: Means, parts: Parts) -> Done:
    """Raises UsageError if a path is not one document with text, or both are the same; what a model raises."""
    first, second = _one_file(task.first, means), _one_file(task.second, means)
    if first.path == second.path:
        raise UsageError("A document was to be compared with itself.", hint="Name two: cita compare OLD NEW")
    read = [*first.passages, *second.passages]
    language = answer_language(means.voice, language_of_passages(read))
    title = f"{first.path} – {second.path}"

    def make() -> Making:
        pairs = yield from paired(means, _pieces(first), _pieces(second))
        return [_said(pair) for pair in pairs]

    (said,) = yield from parts.do([Part(title, ("compare",), read, make)])
    by_kind: dict[SectionKind, list[Said]] = defaultdict(list)
    for one in said:
        by_kind[_kind(one, first)].append(replace(one, reason=""))
    numbering = Numbering()
    overview: list[Section] = []
    if means.has_model:
        told = carried([one for kind in KINDS[:-1] for one in by_kind[kind]])[:TOLD]
        for part in (yield from parts.do(_in_short(told, first, second, means, language))):
            overview.append(numbering.section("overview", "", part))
    names_of: dict[SectionKind, str] = {"first": first.path, "second": second.path}
    sections = [numbering.section(kind, names_of.get(kind, ""), by_kind[kind]) for kind in KINDS if by_kind[kind]]
    return Report("compare", title, language, means.writer.info.name, (*overview, *sections), numbering.citations)


def _one_file(path: str, means: Means) -> File:
    found = files(means, Filters(within=(path,)))
    own = [file for file in found if file.path == path] or found
    if len(own) > 1:
        raise UsageError(
            f"{path!r} is {len(own)} documents.", hint="Compare two documents by their paths; `cita list` shows them."
        )
    return own[0]


def _pieces(file: File) -> list[Sentence]:
    return sentences_of(file.passages)[:MOST]


def _in_short(told: Sequence[Said], first: File, second: File, means: Means, language: Language) -> list[Part]:
    """What the model writes of the differences: as many as fit one prompt."""
    if not told:
        return []
    hits, values = hits_of(told, means), {"first": first.path, "second": second.path}
    hits = groups(means, "compare", language, hits, **values)[0]
    notes = [_note(one) for one in told[: len(hits)]]

    def make() -> Making:
        return (yield from written(means, "compare", language, hits, notes, **values))

    return [Part("", ("differences", language, *notes), [hit.passage for hit in hits], make)]


def _note(said: Said) -> str:
    return f"{', '.join(dict.fromkeys(one.source for one in said.citations))}: {said.text}"


# Pairing


def paired(means: Means, first: Sequence[Sentence], second: Sequence[Sentence]) -> Generator[None, None, list[Pair]]:
    """Each piece of both once, in the order of the first document, what only the second has last."""
    partner = _equal(first, second)
    left = [n for n in range(len(first)) if n not in partner]
    right = sorted(set(range(len(second))) - set(partner.values()))
    if left and right:
        one = yield from embedded(means, [first[n].shown for n in left])
        other = yield from embedded(means, [second[n].shown for n in right])
        likeness = _likeness([first[n] for n in left], [second[n] for n in right], one @ other.T)
        partner |= {left[a]: right[b] for a, b in _best_pairs(likeness)}
    found = [Pair(one, second[partner[n]] if n in partner else None) for n, one in enumerate(first)]
    taken = set(partner.values())
    return found + [Pair(None, one) for n, one in enumerate(second) if n not in taken]


def _equal(first: Sequence[Sentence], second: Sequence[Sentence]) -> dict[int, int]:
    """Pieces of the same words, those under the same heading first."""
    places: dict[str, list[int]] = defaultdict(list)
    for n, one in enumerate(second):
        places[_words(one)].append(n)
    partner: dict[int, int] = {}
    for n, one in enumerate(first):
        candidates = places.get(_words(one), [])
        if candidates:
            best = min(candidates, key=lambda m: second[m].passage.headings != one.passage.headings)
            candidates.remove(best)
            partner[n] = best
    return partner


def _words(sentence: Sentence) -> str:
    return " ".join(_tokens(sentence.shown)) or sentence.shown


def _tokens(text: str) -> list[str]:
    return [fold(token) for token in _TOKEN.findall(text)]


def _likeness(first: Sequence[Sentence], second: Sequence[Sentence], cosines: Vectors) -> Vectors:
    """How much each of the first is like those of the second that are nearest to it, from their words, cosine and
    headings; 0 for the others."""
    others = [set(words(other.text)) for other in second]
    found = np.zeros_like(cosines)
    for a, one in enumerate(first):
        own = set(words(one.text))
        for b in np.argsort(-cosines[a])[:NEAREST]:
            shared = 2 * len(own & others[b]) / max(len(own) + len(others[b]), 1)
            same = one.passage.headings[-1:] == second[b].passage.headings[-1:]
            found[a, b] = (1 - BY_WORDS) * cosines[a, b] + BY_WORDS * shared + SAME_HEADING * same
    return found


def _best_pairs(likeness: Vectors) -> list[tuple[int, int]]:
    """The most alike first, each in one pair."""
    found: list[tuple[int, int]] = []
    one, other = np.nonzero(likeness >= ALIKE)
    taken_one: set[int] = set()
    taken_other: set[int] = set()
    for place in np.argsort(-likeness[one, other], kind="stable"):
        a, b = int(one[place]), int(other[place])
        if a not in taken_one and b not in taken_other:
            found.append((a, b))
            taken_one.add(a)
            taken_other.add(b)
    return found


# What a pair says


def _said(pair: Pair) -> Said:
    """Alone or alike: the piece. Different: both, and how they differ; the reason is 'facts' or 'words'."""
    if pair.first is None or pair.second is None:
        alone = pair.first or pair.second
        assert alone is not None
        return alone.said
    first, second = pair.first, pair.second
    cited = (*first.said.citations, *second.said.citations)
    if _words(first) == _words(second):
        return Said(first.shown, cited)
    differences = "; ".join(f"{one or '–'} → {other or '–'}" for one, other in _differences(first.shown, second.shown))
    text = f"{differences}: “{first.shown}” → “{second.shown}”"
    return Said(text, cited, reason="facts" if differ_in_facts(first, second) else "words")


def _kind(said: Said, first: File) -> SectionKind:
    if len(said.citations) == 1:
        return "first" if said.citations[0].source == first.path else "second"
    return {"facts": "changed", "words": "reworded"}.get(said.reason, "same")  # type: ignore[return-value]


def differ_in_facts(first: Sentence, second: Sentence) -> bool:
    """Whether figures (numbers, amounts, dates) or names of one are not in the other, or it denies what that says."""
    one, other = first.shown, second.shown
    language, other_language = first.passage.language, second.passage.language
    figures_one, figures_other = figures(one, language), figures(other, other_language)
    return (
        any(not carries(figures_other, figure) for figure in figures_one.found)
        or any(not carries(figures_one, figure) for figure in figures_other.found)
        or any(not known_names(other).has(name) for name in names(one))
        or any(not known_names(one).has(name) for name in names(other))
        or denies(one, other, language, other_language) > 0.5
        or denies(other, one, other_language, language) > 0.5
        or bool(reverses(one, other))
    )


def _differences(first: str, second: str) -> list[tuple[str, str]]:
    """The runs of words that differ, as they are written, long ones cut short."""
    one, other = list(_TOKEN.finditer(first)), list(_TOKEN.finditer(second))
    matcher = difflib.SequenceMatcher(
        None, [fold(token[0]) for token in one], [fold(token[0]) for token in other], autojunk=False
    )
    return [
        (_run(first, one[a:b]), _run(second, other[c:d]))
        for kind, a, b, c, d in matcher.get_opcodes()
        if kind != "equal"
    ]


def _run(text: str, tokens: Sequence[re.Match[str]]) -> str:
    if not tokens:
        return ""
    cut = tokens[:SHOWN_WORDS]
    return text[cut[0].start() : cut[-1].end()] + ("…" if len(tokens) > SHOWN_WORDS else "")
