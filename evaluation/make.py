"""Questions drafted from the user's own documents, without a model, for the user to correct.

Three things in a document suggest a question: a sentence that says what something is ("The deposit is 1,880 euros."),
a line with a label ("Chassis number: WB-88213-K"), and a section with a heading. The first two give an expected answer,
a heading gives only the place. Drafts are in the passage's language, English or Spanish; what is written in another is
left out. What a person would ask is often another thing in other words: a draft tells less than a corrected question.
"""

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from evaluation.dataset import Place, Question
from ingest.analyse import content_words, fold
from ingest.sentences import sentences
from ingest.types import Filters, Passage, Source
from rag.types import Language

if TYPE_CHECKING:
    from engine import Engine

READ = 200  # passages of one source that are looked at
_ALIKE = 0.6  # share of their words that two drafts may have in common
_MOST_WORDS = 12  # of an answer
_LEAST_WORDS = 8  # of a section that a heading asks for


@dataclass(frozen=True, slots=True)
class _Words:
    """How a language says what something is, and how it asks. A subject that has a word of `unfit` is not what a
    sentence is about, or cannot be asked for."""

    definition: re.Pattern[str]
    unfit: frozenset[str]
    ask_labelled: str
    ask_heading: str
    plain_headings: frozenset[str]


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_NUMBERS = (
    "one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty hundred",
    "uno dos tres cuatro cinco seis siete ocho nueve diez once doce quince veinte treinta cuarenta cincuenta cien",
)
_THING = r"(?=\d|[A-ZÁÉÍÓÚÑÜ]|(?:{})\s)"  # a number, a name, or something with an article

_LANGUAGES: dict[Language, _Words] = {
    "en": _Words(
        definition=re.compile(
            r"^(?P<subject>(?:(?:The|A|An)\s)?[^\W\d_][^,;:()]{1,60}?)\s(?P<verb>is|are)\s(?P<answer>"
            + _THING.format("an?|the|" + "|".join(_NUMBERS[0].split()))
            + r".+)$",
            re.DOTALL,
        ),
        unfit=_set(
            "it this that these those there here he she they we you i what which who whose when where why how if and or"
            " but because so as not one each every all some any both either most more such is are was were"
        ),
        ask_labelled="What does “{title}” give for “{subject}”?",
        ask_heading="What does “{title}” say about “{subject}”?",
        plain_headings=_set(
            "introduction contents conclusion summary overview notes references appendix index abstract preface annex"
            " background signatures"
        ),
    ),
    "es": _Words(
        definition=re.compile(
            r"^(?P<subject>(?:(?:El|La|Los|Las|Un|Una)\s)?[^\W\d_][^,;:()]{1,60}?)\s(?P<verb>es|son)\s(?:de\s(?=\d))?"
            r"(?P<answer>" + _THING.format("una?|el|la|los|las|unos|unas|" + "|".join(_NUMBERS[1].split())) + r".+)$",
            re.DOTALL,
        ),
        unfit=_set(
            "esto esta este estos estas eso esa ese esos esas aquello él ella ellos ellas yo tú nosotros ustedes quien"
            " que qué cual cuando donde como si y o pero porque no se lo le les cada todo todos toda todas algunos"
            " es son era eran uno"
        ),
        ask_labelled="¿Qué da «{title}» para «{subject}»?",
        ask_heading="¿Qué dice «{title}» sobre «{subject}»?",
        plain_headings=_set(
            "introducción introduccion contenido contenidos índice indice conclusión conclusion conclusiones resumen"
            " notas referencias apéndice anexo prólogo firmas bibliografía"
        ),
    ),
}
_ARTICLE = {"en": re.compile(r"^(?:the|an?)\s", re.IGNORECASE), "es": re.compile(r"^(?:el|la|los|las|una?)\s", re.I)}
_INDEFINITE = re.compile(r"^(?:an?|una?|unos|unas)\s", re.IGNORECASE)
_CLAUSE_END = re.compile(
    r"[,;:](?=\s)|\s[(—–]|\n|\s(?:(?:in|on|of|to|for|with|by|at|from|en|de|a|con|por|para)\s)?(?:el\s|la\s|los\s|las\s)?"
    r"(?:which|whom|whose|that|who|when|where|if|que|quien|cual|cuales|cuando|donde|si)\s"
)
_LABELLED = re.compile(
    r"^[-*•]?[ \t]*\**(?P<subject>[^\W\d_][^:,\n|]{2,40}?)\**:\**[ \t]+(?P<answer>\S[^\n|]*)$", re.MULTILINE
)
_BARE = re.compile(r"(?:the|an?|el|la|los|las|una?|unos|unas)\s[a-záéíóúñü]+$")
_NUMBERING = re.compile(r"^(?:[\divxlcIVXLC]{1,4}[.)]|(?:\d+\.)+\d*|[A-Z][.)]|(?:Annex|Anexo|Appendix) \w+\.?)\s+")


def draft_questions(engine: "Engine", n: int, seed: int = 0) -> list[Question]:
    """Up to `n` questions, spread over the documents, no two alike; the same for the same index and `seed`.

    Raises what searching raises.
    """
    sources = [source for source in engine.sources() if source.passages]
    random.Random(seed).shuffle(sources)
    drafted: list[Question] = []
    turns = [_Turn(engine, source, seed) for source in sources]
    while turns and len(drafted) < n:
        for turn in list(turns):
            question = next((one for one in turn.drafts if not _is_known(one, drafted)), None)
            if question is None:
                turns.remove(turn)
            else:
                drafted.append(question)
            if len(drafted) == n:
                break
    return drafted


class _Turn:
    """A document's drafts, read only once it is its turn; those with an answer first, else in an order of chance."""

    def __init__(self, engine: "Engine", source: Source, seed: int) -> None:
        self.drafts = self._drafts(engine, source, random.Random(f"{seed}\0{source.path}"))

    @staticmethod
    def _drafts(engine: "Engine", source: Source, chance: random.Random) -> Iterator[Question]:
        title = source.title or PurePosixPath(source.path).stem
        found = [draft for passage in _passages(engine, source, title) for draft in _of_passage(passage, title)]
        chance.shuffle(found)
        yield from sorted(found, key=lambda draft: not draft.answers)


def _passages(engine: "Engine", source: Source, title: str) -> list[Passage]:
    """Through a search for its title: the one way to passages that every engine has."""
    if source.path.startswith(("#", "[[")):  # would be taken for a tag or a note
        return []
    asked = title if any(map(str.isalnum, title)) else "text"
    hits = engine.search(asked, READ, Filters(within=(source.path,))).hits
    return sorted((hit.passage for hit in hits if hit.passage.path == source.path), key=lambda one: one.position)


def _of_passage(passage: Passage, title: str) -> Iterator[Question]:
    if passage.language not in ("en", "es") or passage.kind in ("code", "note"):
        return
    language: Language = "es" if passage.language == "es" else "en"
    if passage.kind != "table":
        yield from _definitions(passage, language)
        yield from _labelled(passage, title, language)
    yield from _heading(passage, title, language)


def _definitions(passage: Passage, language: Language) -> Iterator[Question]:
    words = _LANGUAGES[language]
    for start, end in sentences(passage.text):
        match = words.definition.match(passage.text[start:end].lstrip("-*• "))
        if not match:
            continue
        subject, answer = " ".join(match["subject"].split()), _answer(match["answer"])
        named = _ARTICLE[language].sub("", subject)
        if answer and _fits(named, words):
            yield _question(passage, _what(subject, match["verb"], answer, language), answer)


def _what(subject: str, verb: str, answer: str, language: Language) -> str:
    """'What is the deposit?', '¿Cuál es la prima?', '¿Qué es Pimienta?'. A name keeps its capital letter."""
    has_article = _ARTICLE[language].match(subject)
    if has_article or (" " in subject and subject[1:].islower()):
        subject = subject[0].lower() + subject[1:]
    if language == "en":
        return f"What {verb} {subject}?"
    which = "Qué" if _INDEFINITE.match(answer) or not has_article else "Cuáles" if verb == "son" else "Cuál"
    return f"¿{which} {verb} {subject}?"


def _labelled(passage: Passage, title: str, language: Language) -> Iterator[Question]:
    words = _LANGUAGES[language]
    for match in _LABELLED.finditer(passage.text):
        subject, answer = match["subject"].strip(), _first_sentence(match["answer"])
        if answer and subject[0].isupper() and not subject.isupper() and _fits(subject, words, 5):
            yield _question(passage, words.ask_labelled.format(title=title, subject=subject), answer)


def _heading(passage: Passage, title: str, language: Language) -> Iterator[Question]:
    if not passage.headings or len(passage.text.split()) < _LEAST_WORDS:
        return
    words = _LANGUAGES[language]
    heading = _NUMBERING.sub("", passage.headings[-1]).strip(" .:")
    if heading.endswith("?") and len(heading.split()) > 2:
        yield _question(passage, heading)
    elif (
        fold(heading) != fold(title)
        and len(heading) <= 80
        and any(map(str.isalpha, heading))
        and heading.casefold() not in words.plain_headings
    ):
        yield _question(passage, words.ask_heading.format(title=title, subject=heading))


def _fits(subject: str, words: _Words, longest: int = 7) -> bool:
    parts = subject.casefold().split()
    return 1 <= len(parts) <= longest and len(subject) > 2 and not words.unfit & set(parts)


def _answer(predicate: str) -> str:
    """The predicate as far as its clause goes; '' if that is long, or says no more than 'the day'."""
    clause = _CLAUSE_END.split(predicate, maxsplit=1)[0].strip().rstrip(".!?;: ")
    empty = _BARE.match(clause) is not None or len(clause.split()) > _MOST_WORDS
    return "" if empty else clause


def _first_sentence(text: str) -> str:
    spans = sentences(text)
    first = text[slice(*spans[0])].strip().rstrip(".!?;:* ") if spans else ""
    return first if len(first.split()) <= _MOST_WORDS and any(map(str.isalnum, first)) else ""


def _question(passage: Passage, text: str, answer: str = "") -> Question:
    place = Place(passage.path, passage.page)
    return Question("", text, {}, (place,), (answer,) if answer else (), False, passage.path)


def _is_known(draft: Question, drafted: Sequence[Question]) -> bool:
    """Whether another draft has most of its words."""
    words = set(content_words(draft.text))
    return any(_overlap(words, set(content_words(other.text))) > _ALIKE for other in drafted)


def _overlap(a: set[str], b: set[str]) -> float:
    return len(a & b) / len(a | b) if a | b else 1.0


def as_line(question: Question) -> str:
    """A question as a line of a question set, which read_questions() reads."""
    value: dict[str, Any] = {"question": question.text}
    if question.answers:
        value["answers"] = list(question.answers)
    for place in question.places[:1]:
        value["source"] = place.source
        if place.page:
            value["page"] = place.page
    if question.unanswerable:
        value["unanswerable"] = True
    return json.dumps(value, ensure_ascii=False)
