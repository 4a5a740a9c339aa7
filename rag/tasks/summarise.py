"""A summary of documents: of groups of passages, of these each document, of the documents all together.

Without a model its sentences are those of the documents that stand nearest to the middle of what is said, in the words
that most of it has, early ones before late ones, each adding something, spread over the headings, quoted. With a model
it writes from the passages, then from what it wrote: the citations go on to the passages.
"""

import math
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ingest.analyse import stem, words
from ingest.embed import Vectors
from ingest.stopwords import STOPWORDS
from ingest.types import Passage
from rag.tasks.run import Done, Making, Numbering, Part, Parts
from rag.tasks.types import Report, Said, Section, Summarise, TaskProgress
from rag.tasks.work import (
    File,
    Means,
    Sentence,
    carried,
    embedded,
    files,
    groups,
    hits_of,
    language_of,
    sentences_of,
    title_of,
    written,
)
from rag.types import Hit, Language, Length
from rag.voice import answer_language

GROUP = 40  # passages that the sentences of one part are chosen from
# Sentences on a document, if it is the only one; on each of several; on all of them together.
OF_ONE: Mapping[Length, int] = {"short": 4, "middle": 8, "long": 16}
OF_EACH: Mapping[Length, int] = {"short": 1, "middle": 3, "long": 6}
OF_ALL: Mapping[Length, int] = {"short": 4, "middle": 8, "long": 16}
SHORTEST, LONGEST = 5, 60  # words of a sentence that can stand in a summary
# What else than its place in the middle speaks for a sentence, in cosines. Fitted by ROUGE on half of the documents of
# benchmarks/summaries.py; its results have both halves.
COMMON = 0.05  # by how many deviations its words are those of more sentences than others' are
EARLY = 0.2  # it opens its document; after EARLY_PASSAGES passages a third of that
EARLY_PASSAGES = 2.0
OPENS = 0.08  # it is the first of its section: that says what it is about
LEANS = -0.08  # it leans on the one before
ENDS = 0.1  # it ends in a stop: addresses, labels and dates do not
SAME_FILE = -0.1  # each that was chosen from its document
SAME_HEADING = -0.06  # each that was chosen from under its heading
LIKENESS = 0.4  # how much being like one that was chosen counts against it
_LEANING_ON = """
    it its this that these those they he she but however also then such thus therefore here
    esto esta este eso esa ese estos estas ello ellos pero ademas tambien asi
"""
_LEANING = frozenset(_LEANING_ON.split())


def summarise(task: Summarise, means: Means, parts: Parts) -> Done:
    """Raises UsageError if no document fits; what a model raises."""
    found = files(means, task.filters)
    language = answer_language(means.voice, language_of([passage for file in found for passage in file.passages]))
    numbering = Numbering()
    alone, length = len(found) == 1, means.voice.length
    of_each = OF_ONE[length] if alone else OF_EACH[length]
    each: list[tuple[Said, ...]] = []
    for number, file in enumerate(found):
        parts.expect(len(found) - number + (not alone))
        each.append((yield from _of_file(file, means, parts, of_each, language)))
    overview: list[Section] = []
    if not alone:
        every = [said for one in each for said in one]
        main = yield from _reduced(every, "", means, parts, OF_ALL[length], language)
        overview = [numbering.section("overview", "", main)]
    sections = [numbering.section("document", file.path, said) for file, said in zip(found, each, strict=True) if said]
    title = found[0].path if alone else title_of(task.filters)
    return Report("summarise", title, language, means.writer.info.name, (*overview, *sections), numbering.citations)


def _of_file(
    file: File, means: Means, parts: Parts, most: int, language: Language
) -> Generator[TaskProgress, None, tuple[Said, ...]]:
    """Its groups of passages, then what they came to, until it is short enough."""
    hits = file.hits()
    if means.has_model:
        grouped = groups(means, "summarise", language, hits)
    else:
        grouped = [list(hits[start : start + GROUP]) for start in range(0, len(hits), GROUP)]
    of_group = most if len(grouped) == 1 else max(2, -(-2 * most // len(grouped)))
    made = yield from parts.do([_of_group(group, file, means, of_group, language) for group in grouped])
    said = [one for part in made for one in part]
    if len(made) == 1:
        return tuple(said)
    return (yield from _reduced(said, file.path, means, parts, most, language))


def _of_group(group: Sequence[Hit], file: File, means: Means, most: int, language: Language) -> Part:
    passages = [hit.passage for hit in group]

    def make() -> Making:
        if means.has_model:
            return (yield from written(means, "summarise", language, group))
        every = sentences_of(passages)
        sentences = [one for one in every if fits(one)] or every
        return [sentences[n].said for n in (yield from central(means, sentences, most))]

    return Part(file.path, ("summarise", language, str(most)), passages, make)


def _reduced(
    said: Sequence[Said], name: str, means: Means, parts: Parts, most: int, language: Language
) -> Generator[TaskProgress, None, tuple[Said, ...]]:
    """The main of what was said. With a model in rounds, as many as it takes for all to fit one prompt."""
    while True:
        made = yield from parts.do(_of_notes(said, name, means, most, language))
        fewer = [one for part in made for one in part]
        if len(made) <= 1 or len(fewer) >= len(said):  # a model that does not shorten is not asked again
            return tuple(fewer)
        said = fewer


def _of_notes(said: Sequence[Said], name: str, means: Means, most: int, language: Language) -> list[Part]:
    notes = carried(said)
    if not means.has_model:
        return [_part_of_notes(notes, name, means, most, language)] if notes else []
    as_read = [
        replace(hit, passage=replace(hit.passage, text=note.text))
        for hit, note in zip(hits_of(notes, means), notes, strict=True)
    ]
    found, start = [], 0
    for group in groups(means, "summarise", language, as_read):
        found.append(_part_of_notes(notes[start : start + len(group)], name, means, most, language))
        start += len(group)
    return found


def _part_of_notes(notes: Sequence[Said], name: str, means: Means, most: int, language: Language) -> Part:
    hits, texts = hits_of(notes, means), [note.text for note in notes]

    def make() -> Making:
        if means.has_model:
            return (yield from written(means, "summarise", language, hits, texts))
        quoted = [
            Sentence(hit.passage, note.citations[0].start, note.citations[0].end)
            for hit, note in zip(hits, notes, strict=True)
        ]
        return [notes[n] for n in (yield from central(means, quoted, most))]

    return Part(name, ("reduce", language, str(most), *texts), [hit.passage for hit in hits], make)


def central(means: Means, sentences: Sequence[Sentence], most: int) -> Generator[None, None, list[int]]:
    """Which `most` sentences say the main of it all, as they are read; of equal ones the first counts."""
    first = {one.shown: n for n, one in reversed(list(enumerate(sentences)))}
    places = sorted(first.values())
    own = [sentences[n] for n in places]
    vectors = yield from embedded(means, [one.shown for one in own])
    return sorted(places[n] for n in choose(own, vectors, most))


def fits(sentence: Sentence) -> bool:
    """Whether it can stand in a summary: no row of a table, neither a scrap nor endless."""
    return sentence.header is None and SHORTEST <= len(sentence.text.split()) <= LONGEST


def choose(sentences: Sequence[Sentence], vectors: Vectors, most: int) -> list[int]:
    """Which sentences say the main of it all, best first: near the middle, unlike each other, of many headings."""
    if not sentences:
        return []
    middle = vectors.mean(axis=0)
    scores = vectors @ (middle / max(float(np.linalg.norm(middle)), 1e-9)) + np.array(_worth(sentences), np.float32)
    chosen: list[int] = []
    from_heading: Counter[tuple[str, str]] = Counter()
    from_file: Counter[str] = Counter()
    while len(chosen) < min(most, len(sentences)):
        taken = np.array(
            [SAME_HEADING * from_heading[_heading(one)] + SAME_FILE * from_file[one.passage.path] for one in sentences],
            np.float32,
        )
        like = (vectors @ vectors[chosen].T).max(axis=1) if chosen else np.zeros(len(sentences), np.float32)
        worth = scores + taken - LIKENESS * like
        worth[chosen] = -np.inf
        best = int(worth.argmax())
        chosen.append(best)
        from_heading[_heading(sentences[best])] += 1
        from_file[sentences[best].passage.path] += 1
    return chosen


def _worth(sentences: Sequence[Sentence]) -> list[float]:
    """What speaks for each sentence beside its vector."""
    common = _common(sentences)
    seen: set[tuple[str, str]] = set()
    found = []
    for one, shared in zip(sentences, common, strict=True):
        opens = _heading(one) not in seen
        seen.add(_heading(one))
        first = words(one.text)[:1]
        leans, ends = bool(first) and first[0] in _LEANING, one.text.rstrip().endswith((".", "!", "?", "…"))
        early = math.exp(-_place(one) / EARLY_PASSAGES)
        found.append(COMMON * shared + EARLY * early + OPENS * opens + LEANS * leans + ENDS * ends)
    return found


def _common(sentences: Sequence[Sentence]) -> list[float]:
    """How many of the sentences have the words of each, on the mean of its words: 0 as is usual here, in deviations."""
    stems = [_stems(one) for one in sentences]
    have = Counter(word for own in stems for word in own)
    shares = np.array([sum(have[word] for word in own) / len(own) if own else 0.0 for own in stems])
    spread = float(shares.std())
    return [float(share) for share in (shares - shares.mean()) / spread] if spread else [0.0] * len(sentences)


def _stems(sentence: Sentence) -> set[str]:
    language = sentence.passage.language
    return {stem(word, language) for word in words(sentence.text) if word not in STOPWORDS.get(language, ())}


def _place(sentence: Sentence) -> float:
    """How far from its document's beginning a sentence stands, in passages."""
    passage = sentence.passage
    return passage.position + sentence.start / len(passage.text)


def _heading(sentence: Sentence) -> tuple[str, str]:
    passage: Passage = sentence.passage
    return passage.path, passage.section
