"""Examples for the reader: a question with a window of a passage, and where in it the answer stands, if it does."""

import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path

from ingest.sentences import sentences
from rag.windows import windows
from training.reader.changes import a_span, changed, cloze, names
from training.reader.texts import Asked, Lines, Synonyms, asked_of_qed, asked_of_squad, read_prose

SQUAD_PARAGRAPHS = 0.45  # of the questions made by rule
ACROSS = 0.25  # of those of parallel text, in the other language than what answers
LOWER = 0.08  # of people's questions, as they are typed


@dataclass(frozen=True, slots=True)
class Example:
    """`answer`: characters of the window; None where it does not answer."""

    question: str
    window: str
    answer: tuple[int, int] | None = None


@dataclass(frozen=True)
class Texts:
    """All that examples are made of."""

    asked: Sequence[Asked]
    prose: Sequence[Lines]
    synonyms: Mapping[str, Synonyms]

    @classmethod
    def read(cls, data: Path) -> "Texts":
        return cls([*asked_of_squad(data, tune=True), *asked_of_qed(data)], *read_prose(data))

    @cached_property
    def paragraphs(self) -> Mapping[tuple[str, str], Sequence[str]]:
        """Of each article in a language."""
        found: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        for one in self.asked:
            found[one.article, one.language][one.paragraph] = None
        return {article: list(own) for article, own in found.items()}

    @cached_property
    def all_paragraphs(self) -> Sequence[tuple[str, str]]:
        """With their language."""
        return [(text, language) for (_, language), own in self.paragraphs.items() for text in own]


def of_people(texts: Texts, chance: random.Random) -> Example | None:
    """A question of a person: with a window that answers, with another, or changed so that its window does not."""
    asked = chance.choice(texts.asked)
    question = asked.question.lower() if chance.random() < LOWER else asked.question
    if not asked.answers:
        near = sorted(_windows(asked.paragraph), key=lambda window: -_shared(question, window))
        return Example(question, near[0] if chance.random() < 0.8 else chance.choice(near))
    kind = chance.random()
    if 0.62 <= kind < 0.82:
        window = _other_window(texts, asked, chance)
        return Example(question, window) if window else None
    start, answer = chance.choice(asked.answers)
    end = start + len(answer)
    holding = [place for place in windows(asked.paragraph) if place[0] <= start and end <= place[1]]
    if not holding:
        return None
    first, last = chance.choice(holding)
    window = asked.paragraph[first:last]
    if kind < 0.62:
        return Example(question, window, (start - first, end - first))
    other = changed(chance, question, asked.language, names(asked.paragraph, asked.language))
    return Example(other, window) if other else None


def _windows(text: str) -> list[str]:
    return [text[start:end] for start, end in windows(text)]


def _other_window(texts: Texts, asked: Asked, chance: random.Random) -> str | None:
    """A window without the answer: of the paragraph, or of those of the article that share most words."""
    own = [window for window in _windows(asked.paragraph) if not _holds(window, asked)]
    others = texts.paragraphs[asked.article, asked.language]
    if not own or chance.random() < 0.5:
        some = chance.sample(others, min(12, len(others)))
        more = chain.from_iterable(_windows(text) for text in some if text != asked.paragraph)
        near = sorted(more, key=lambda window: -_shared(asked.question, window))
        own = own[:1] + [window for window in near if not _holds(window, asked)][:3]
    return chance.choice(own) if own else None


def _holds(window: str, asked: Asked) -> bool:
    return any(text.lower() in window.lower() for _, text in asked.answers)


def _shared(question: str, window: str) -> float:
    asked, said = (set(re.findall(r"\w+", text.lower())) for text in (question, window))
    return len(asked & said) / max(1, len(asked))


@dataclass(frozen=True, slots=True)
class _Place:
    """A window of which a question is made: its lines, and for parallel text the same lines in the other language."""

    window: str
    lines: Sequence[str]
    others: Sequence[str]
    language: str


def by_rule(texts: Texts, chance: random.Random) -> Example | None:
    """A question made of a sentence: with a window that has the sentence, with one that lacks it, or changed."""
    place = _place(texts, chance)
    number = chance.randrange(len(place.lines))
    span = a_span(chance, place.lines[number], place.language)
    if not span:
        return None
    said, language, asked_for = place.lines[number], place.language, span
    answer = said[span.start : span.end]
    if place.others and chance.random() < ACROSS and answer in place.others[number]:
        said, language = place.others[number], _other(language)
        start = said.index(answer)
        asked_for = replace(span, start=start, end=start + len(answer))
    question = cloze(chance, said, asked_for, language, texts.synonyms[language])
    if not question:
        return None
    kind = chance.random()
    if kind < 0.5:
        start = place.window.index(place.lines[number]) + span.start
        return Example(question, place.window, (start, start + len(answer)))
    if kind < 0.7:
        left = " ".join(line for line in place.lines if line != place.lines[number])
        return Example(question, left) if len(left) > 40 and answer not in left else None
    known = [name for name in names(place.window, place.language) if name != answer]
    other = changed(chance, question, language, known)
    return Example(other, place.window) if other and answer not in other else None


def _place(texts: Texts, chance: random.Random) -> _Place:
    if chance.random() < SQUAD_PARAGRAPHS:
        text, language = chance.choice(texts.all_paragraphs)
        window = chance.choice(_windows(text))
        return _Place(window, [window[start:end] for start, end in sentences(window)], (), language)
    prose, language = chance.choice(texts.prose), chance.choice(("en", "es"))
    lines = prose.of(language)
    return _Place(" ".join(lines), lines, prose.of(_other(language)), language)


def _other(language: str) -> str:
    return "es" if language == "en" else "en"
