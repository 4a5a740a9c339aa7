"""A draft on a topic from the documents: under each section asked for, what they say of it; without sections, under the
headings where most of it stands. Without a model its sentences are quotes in the order they are read.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

from errors import UsageError
from ingest.analyse import content_words, detect_language, stem, words
from rag.tasks.run import Done, Making, Numbering, Part, Parts
from rag.tasks.types import Draft, Report, Said
from rag.tasks.work import Means, Sentence, embedded, groups, sentences_of, written
from rag.types import Hit, Language, Length
from rag.voice import answer_language

READ = 12  # passages for a section
OUTLINED = 30  # passages that an outline is made from
MOST_SECTIONS = 6  # of an outline
SENTENCES: Mapping[Length, int] = {"short": 2, "middle": 6, "long": 12}  # in a section, without a model
SHORTEST, LONGEST = 5, 60  # words of a sentence that is quoted
LEAST = 0.5  # score of a passage that has anything on the topic
BESIDE_BEST = 0.45  # share of the best passage's score from which another has something on the topic, too
ABOUT = 0.6  # share of the best sentence's cosine from which another is about the topic
SHARED = 0.5  # or this share of the topic's words
LIKENESS = 0.4  # how much being like one that was chosen counts against a sentence


@dataclass(frozen=True, slots=True)
class Outlined:
    """A section, and what it is written from."""

    title: str
    hits: tuple[Hit, ...]


def draft(task: Draft, means: Means, parts: Parts) -> Done:
    """Without a section in the report where the documents have nothing on the topic. Raises UsageError if the topic has
    no words or the filters name nothing; what retrieving and a model raise."""
    topic = task.topic.strip()
    if not words(topic):
        raise UsageError("The topic has no words.", hint='Name one: cita draft "Ending the lease"')
    sections = tuple(section.strip() for section in task.sections if section.strip())
    with means.catalog.snapshot():
        outlined = _asked(task, topic, sections, means) if sections else _outline(task, topic, means)
    said_in = [hit.passage.language for one in outlined for hit in one.hits]
    topics: Language = "es" if detect_language(topic, said_in[0] if said_in else "en") == "es" else "en"
    language = answer_language(means.voice, topics)
    said = yield from parts.do([_section(one, topic, means, language) for one in outlined])
    numbering = Numbering()
    written_sections = tuple(
        numbering.section("asked", one.title, own)
        for one, own in zip(outlined, _once(said), strict=True)
        if own or sections
    )
    return Report("draft", topic, language, means.writer.info.name, written_sections, numbering.citations)


def _asked(task: Draft, topic: str, sections: Sequence[str], means: Means) -> list[Outlined]:
    return [Outlined(section, _on_topic(f"{topic}: {section}", READ, task, means)) for section in sections]


def _outline(task: Draft, topic: str, means: Means) -> list[Outlined]:
    """The headings that have most of the best passages, best first; the document's title where it has none."""
    found: dict[str, list[Hit]] = {}
    for hit in _on_topic(topic, OUTLINED, task, means):
        headings = hit.passage.headings
        found.setdefault(headings[-1] if headings else hit.title, []).append(hit)
    return [Outlined(title, tuple(hits[:READ])) for title, hits in found.items()][:MOST_SECTIONS]


def _on_topic(asked: str, most: int, task: Draft, means: Means) -> tuple[Hit, ...]:
    hits = means.retriever.retrieve(asked, most, task.filters)
    least = max(LEAST, BESIDE_BEST * hits[0].score) if hits else 0.0
    return tuple(hit for hit in hits if hit.score >= least)


def _section(one: Outlined, topic: str, means: Means, language: Language) -> Part:
    about = topic if one.title.casefold() in topic.casefold() else f"{topic}: {one.title}"

    def make() -> Making:
        if not one.hits:
            return []
        chosen = yield from _relevant(one.hits, (topic, about), means)
        if not means.has_model:
            return [sentence.said for sentence in chosen]
        if not chosen:
            return []
        hits = groups(means, "draft", language, one.hits, topic=topic, section=one.title)[0]  # the best that fit
        return (yield from written(means, "draft", language, hits, topic=topic, section=one.title))

    asked = ("draft", language, topic, one.title, means.voice.length)
    return Part(one.title, asked, [hit.passage for hit in one.hits], make)


def _relevant(hits: Sequence[Hit], asked: Sequence[str], means: Means) -> Generator[None, None, list[Sentence]]:
    """The sentences about what was asked, the best of them, each adding something, as they are read."""
    order = {hit.passage.id: (hit.passage.path, hit.passage.position) for hit in hits}
    every = sentences_of([hit.passage for hit in hits])
    fit = [one for one in every if SHORTEST <= len(one.text.split()) <= LONGEST]
    vectors = yield from embedded(means, [_in_context(one) for one in fit])
    queries = [means.embedder.embed_query(text) for text in asked]
    cosines = [max(float(vector @ query) for query in queries) for vector in vectors]
    least = ABOUT * max(cosines, default=0.0)
    about = [n for n, one in enumerate(fit) if cosines[n] >= least or _share(one, asked[0]) >= SHARED]
    chosen: list[int] = []
    while about and len(chosen) < SENTENCES[means.voice.length]:

        def worth(n: int) -> float:
            return cosines[n] - LIKENESS * max((float(vectors[n] @ vectors[m]) for m in chosen), default=0.0)

        best = max(about, key=worth)
        about.remove(best)
        chosen.append(best)
    return [fit[n] for n in sorted(chosen, key=lambda n: (*order[fit[n].passage.id], fit[n].start))]


def _in_context(sentence: Sentence) -> str:
    return " ".join([*sentence.passage.headings[-1:], sentence.shown])


def _share(sentence: Sentence, topic: str) -> float:
    language = sentence.passage.language
    wanted = {stem(word, language) for word in content_words(topic)}
    return len(wanted & {stem(word, language) for word in words(sentence.text)}) / max(len(wanted), 1)


def _once(said: Sequence[Sequence[Said]]) -> list[list[Said]]:
    """Each section without what an earlier one has said."""
    seen: set[str] = set()
    found: list[list[Said]] = []
    for section in said:
        found.append([one for one in section if one.text not in seen])
        seen |= {one.text for one in section}
    return found
