"""Sources that give different values for the same: what a person must see side by side, not averaged.

Found by rules. Two likely pieces of different sources conflict where they are word for word the same but for one thing
that the question does not name (or but for a denial), or where each has nearly all that the question asks about, in its
own words, and these give different answers: clearly one value each of the kind asked for, or what the reader takes for
the answer. Not found: contradictions in other words that take more than a few words to say.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from ingest.analyse import fold, words
from ingest.numbers import numbers
from ingest.stopwords import STOPWORDS
from rag.abstain import Ranked
from rag.answer_signs import Ask, negates
from rag.answer_type import VALUED, Value, values
from rag.candidates import Candidate
from rag.figures import carries, figures
from rag.tables import Range
from rag.types import Hit

LIKELY = 1.5  # how far below the best, in log-odds, a twin of it may be
FURTHEST = 6.0  # and a piece in other words: a false claim need not be worded as the question is
TWIN = 0.6  # the share of the longer one's words that twins have in common, in their order
FEWEST = 4  # words in common
LONGEST = 8  # words of a value in which twins differ
ABOUT = 0.6  # the share of the question that a piece in other words has, with the one before it
NEAR = 0.55  # the cosine of such a piece and the question
# What the reader takes for the answer in one source and, less surely, in another, in log-odds, as it does that the
# sentences around it answer; the cosine of their pieces and the question.
READ, READ_ELSEWHERE, READ_ANSWERS, READ_NEAR = 3.0, 1.0, 1.0, 0.5
READ_WORDS = 6  # that the reader's answer may have, to be a value
COUNTED = ("time", "number", "money", "person", "place")  # kinds of which pieces in other words are held together
CLEAR = 1.5  # how many times as near to the question's words as the next of its kind a value stands


@dataclass(frozen=True, slots=True)
class Claim:
    """A value and the piece that gives it."""

    value: Value
    candidate: Candidate


def find_conflict(ask: Ask, ranked: Ranked, hits: Sequence[Hit], row: Candidate | None = None) -> list[Claim]:
    """What likely candidates give as different answers, each with its best piece; nothing if they agree, or but one
    source speaks. With `row`, what other tables have in the same row, but for one cell."""
    if not ranked.candidates:
        return []
    best = row or ranked.candidates[0]
    scores = dict(zip(map(id, ranked.candidates), ranked.scores, strict=True))
    others = [
        (other, scores[id(best)] - scores[id(other)])
        for other in ranked.candidates
        if hits[other.n - 1].passage.path != hits[best.n - 1].passage.path and (other.cell or not row)
    ]
    claims = _claims(best, ((other, _twins(ask, best, other, hits)) for other, below in others if below <= LIKELY))
    if claims or row:
        return claims
    found = ((other, _counterparts(ask, best, other, hits)) for other, below in others if below <= FURTHEST)
    claims = _claims(best, found)
    if len(claims) != 2:
        claims = _read_claims(ask, ranked.candidates, hits)
    return claims if len(claims) == 2 else []  # where each says something else, it is no question of a single value


def _claims(best: Candidate, found: Iterable[tuple[Candidate, tuple[Value, Value] | None]]) -> list[Claim]:
    """The best candidate's value, and the others', each once."""
    claims: list[Claim] = []
    for other, pair in found:
        if pair is not None:
            claims = claims or [Claim(pair[0], best)]
            if not any(_compatible(pair[1], claim.value) for claim in claims):
                claims.append(Claim(pair[1], other))
    return claims if len(claims) > 1 else []


# ------------------------------------------------------------------------------- the same words but for one thing


def _twins(ask: Ask, one: Candidate, other: Candidate, hits: Sequence[Hit]) -> tuple[Value, Value] | None:
    """The one thing in which two pieces differ, as either has it; None if they differ in more, or in what the question
    names: then they speak of different things."""
    a, b = _spans(one.text), _spans(other.text)
    differing = _differing(_folded(one.text, a), _folded(other.text, b))
    if differing is None:
        return None
    i, j = differing
    if i.start == i.stop or j.start == j.stop:
        return _denial(one.text, a, other.text, b, differing)
    if max(i.stop - i.start, j.stop - j.start) > LONGEST:
        return None
    language = hits[one.n - 1].passage.language
    first, second = _value(one.text, a[i]), _value(other.text, b[j])
    if any(n >= 0 for value in (first, second) for n in ask.places(value.text, language)):
        return None
    if ask.numbers & (numbers(first.text) | numbers(second.text)) or _compatible(first, second):
        return None
    whole, counterpart = _of_kind(ask, one.text, first), _of_kind(ask, other.text, second)
    return (whole, counterpart) if whole and counterpart else None


def _differing(a: Sequence[str], b: Sequence[str]) -> tuple[slice, slice] | None:
    """Which words of each differ, if there is one such place, grammar aside, and enough are the same."""
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    if sum(block.size for block in matcher.get_matching_blocks()) < max(FEWEST, TWIN * max(len(a), len(b))):
        return None
    changed = [
        (slice(i1, i2), slice(j1, j2))
        for tag, i1, i2, j1, j2 in matcher.get_opcodes()
        if tag != "equal" and not {*a[i1:i2], *b[j1:j2]} <= _BARE
    ]
    return changed[0] if len(changed) == 1 else None


def _denial(
    one: str, a: Sequence[Range], other: str, b: Sequence[Range], differing: tuple[slice, slice]
) -> tuple[Value, Value] | None:
    """Where one says no more than the other but 'not': that with the word before and behind it, as either has it."""
    i, j = differing
    more = _value(one, a[i]) if a[i] else _value(other, b[j])
    if not negates(more.text) or len(more.key) > 1:
        return None
    i, j = (slice(max(part.start - 1, 0), part.stop + 1) for part in (i, j))
    return _value(one, a[i]), _value(other, b[j])


def _of_kind(ask: Ask, text: str, part: Value) -> Value | None:
    """The value of the kind asked for that the differing words are of; of no kind, these words."""
    if ask.kind not in VALUED:
        return part if ask.kind != "reason" and part.key else None
    found = values(ask.kind, text, ask.question)
    whole = next((value for value in found if value.start < part.end and part.start < value.end), None)
    if whole is None:
        return None
    start, end = min(whole.start, part.start), max(whole.end, part.end)
    return Value(start, end, text[start:end], whole.key | part.key)


def _spans(text: str) -> list[Range]:
    return [match.span() for match in _WORD.finditer(text)]


def _folded(text: str, spans: Sequence[Range]) -> list[str]:
    return [fold(text[slice(*span)]) for span in spans]


def _value(text: str, spans: Sequence[Range]) -> Value:
    start, end = spans[0][0], spans[-1][1]
    return Value(start, end, text[start:end], frozenset(words(text[start:end])))


_WORD = re.compile(r"[^\W_]+(?:[.,’'][^\W_]+)*|[$€£%]")
_BARE = frozenset(fold(word) for word in STOPWORDS["en"] | STOPWORDS["es"]) - {"no", "not", "ni", "nor", "sin"}

# ------------------------------------------------------------------------------ in other words, of the kind asked for


def _counterparts(ask: Ask, one: Candidate, other: Candidate, hits: Sequence[Hit]) -> tuple[Value, Value] | None:
    """The values that two pieces give, each clearly and about all that is asked; None where either has the other's."""
    if ask.kind not in COUNTED:
        return None
    texts = [hits[candidate.n - 1].passage.text for candidate in (one, other)]
    if not all(_speaks_of(ask, candidate, text) for candidate, text in zip((one, other), texts, strict=True)):
        return None
    first, second = _clear(ask, one, texts[1]), _clear(ask, other, texts[0])
    if first is None or second is None or _compatible(first, second) or not _same_measure(ask, first, second):
        return None
    return first, second


def _speaks_of(ask: Ask, candidate: Candidate, text: str, near: float = NEAR) -> bool:
    """Whether a piece has nearly all that the question asks about, and its passage the names and numbers."""
    signs = candidate.signs
    return (
        signs["names in the passage"] >= 1
        and signs["words with the piece before"] >= ABOUT
        and signs["cosine"] >= near
        and ask.numbers <= numbers(text)
        and signs["extremes"] >= 1
        and not signs["denial differs"]
    )


def _clear(ask: Ask, candidate: Candidate, elsewhere: str) -> Value | None:
    """The value of the piece that answers, if it is clear which, and the passage `elsewhere` does not have it."""
    fitting = [one for one in candidate.values if _fits(ask, one.value, candidate.text)]
    said = set(words(elsewhere)) | numbers(elsewhere)
    if not fitting or fitting[0].value.key <= said:
        return None
    first, *others = [one for one in fitting if not one.value.key <= said]
    return None if others and first.nearness < CLEAR * others[0].nearness else first.value


def _fits(ask: Ask, value: Value, text: str) -> bool:
    """Whether a value may be an answer: a person by two names, none of them in the question; no word that has its
    capital from the sentence that it begins."""
    if ask.kind == "person":
        return " " in value.text and not set(words(value.text)) & set(words(ask.question))
    return ask.kind != "place" or " " in value.text or text[: value.start].strip(" \"'“‘(*_") != ""


def _same_measure(ask: Ask, one: Value, other: Value) -> bool:
    """Whether figures are of the same thing, as far as the words behind them say it, and times both name a year or
    neither does."""
    if ask.kind == "time":
        return bool(_YEAR.search(one.text)) == bool(_YEAR.search(other.text))
    if ask.kind not in ("number", "money"):
        return True
    units = [{word for word in words(value.text) if word.isalpha() and not numbers(word)} for value in (one, other)]
    return not units[0] or not units[1] or bool(units[0] & units[1])


_YEAR = re.compile(r"\b[12]\d{3}\b")


# ------------------------------------------------------------------------------------------ in what the reader sees


def _read_claims(ask: Ask, candidates: Sequence[Candidate], hits: Sequence[Hit]) -> list[Claim]:
    """What the reader takes for the answer in the source where it is surest, and in the others where that differs."""
    seen: dict[str, tuple[float, Claim]] = {}
    for candidate in candidates:
        hit = hits[candidate.n - 1]
        value = _read_value(ask, candidate, hit)
        odds = candidate.read.odds if candidate.read else 0.0
        if value and odds > seen.get(hit.passage.path, (0.0, None))[0]:
            seen[hit.passage.path] = odds, Claim(value, candidate)
    surest = sorted(seen.values(), key=lambda one: -one[0])
    if not surest or surest[0][0] < READ:
        return []
    first = surest[0][1]
    return _claims(first.candidate, ((other.candidate, _as_read(ask, first, other, hits)) for _, other in surest[1:]))


def _read_value(ask: Ask, candidate: Candidate, hit: Hit) -> Value | None:
    """What the reader takes for the answer in a sentence that speaks of all that is asked, if it may be that."""
    read, text = candidate.read, hit.passage.text
    if not read or read.odds < READ_ELSEWHERE or read.answers < READ_ANSWERS:
        return None
    if candidate.cell or candidate.piece.header or not _speaks_of(ask, candidate, text, READ_NEAR):
        return None
    begin, end = read.start - candidate.piece.start, read.end - candidate.piece.start
    own = [span for span in _spans(candidate.text) if begin <= span[0] and span[1] <= end]
    if not 0 < len(own) <= READ_WORDS:
        return None
    value = _value(candidate.text, own)
    if not value.key or value.key <= set(words(ask.question)):
        return None
    fits = ask.kind not in COUNTED or bool(values(ask.kind, value.text, ask.question))
    return value if fits and (ask.kind != "person" or _fits(ask, value, "")) else None


def _as_read(ask: Ask, one: Claim, other: Claim, hits: Sequence[Hit]) -> tuple[Value, Value] | None:
    """The values of two sources; None where either has the other's too, or they are one, or not of the same thing."""
    for claim, beside in ((one, other), (other, one)):
        text = hits[beside.candidate.n - 1].passage.text
        if claim.value.key <= set(words(text)) | numbers(text):
            return None
    if _compatible(one.value, other.value) or not _same_measure(ask, one.value, other.value):
        return None
    return one.value, other.value


# ----------------------------------------------------------------------------------------------- the same after all


def _compatible(one: Value, other: Value) -> bool:
    """Whether the values are the same, or one is a part of the other ('Smith' of 'John Smith', '2019' of a day in it),
    however written; a denial is not a part."""
    if negates(one.text) != negates(other.text):
        return False
    if one.key <= other.key or other.key <= one.key or _spelt_alike(one.text, other.text):
        return True
    a, b = figures(one.text), figures(other.text)
    return bool(a.found and b.found) and (
        all(carries(b, figure) for figure in a.found) or all(carries(a, figure) for figure in b.found)
    )


def _spelt_alike(one: str, other: str) -> bool:
    """Whether two names are the same but for a letter more in a word: 'Cristophe Gans', 'Christophe Gans'."""
    first, second = one.split(), other.split()
    return len(first) == len(second) and all(map(_is_one_name, first, second))


def _is_one_name(one: str, other: str) -> bool:
    if one == other or not (one[:1].isupper() and other[:1].isupper()):
        return one == other
    short, long = sorted((fold(one), fold(other)), key=len)
    return any(long[:n] + long[n + 1 :] == short for n in range(len(long)))
