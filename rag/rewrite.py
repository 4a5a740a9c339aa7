"""A question and its conversation -> the question standing alone, and all that is searched for to answer it.

    stand alone | sides of a comparison | what is not excluded | more phrasings | a translation

Rules do what rules can (rag/follow_up.py, rag/split.py). What the model writes is checked before it is used; where it
fails, is late or makes things up, the question goes on without, and the log says so. `retrieve_all` searches for all of
it and makes one list.
"""

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeVar

from errors import CitaError
from ingest.analyse import detect_language, words
from ingest.types import Passage
from models.types import EXTRACTIVE
from rag.duplicates import collapse
from rag.follow_up import conversation, leans, stand_alone
from rag.prompt import Prompt, fill_task
from rag.split import sides, without_excluded
from rag.thoughts import ThoughtSplitter
from rag.types import Hit, Language, Turn
from settings import Rewrite

if TYPE_CHECKING:
    from langchain_core.output_parsers import NumberedListOutputParser

    from rag.generate import Generator

LONGEST = 500  # characters; a longer question is searched for as it is
MOST_CHARACTERS = 1500  # of what the model writes for one task
MOST_IN_A_QUESTION = 300
DEEPER = 2  # a query beside others is searched for so many times as deep

Item = TypeVar("Item")
Kind = Literal["question", "side", "positive", "phrasing", "translation"]

# How much a query's passages weigh beside those of the question itself (docs/LOG.md).
WEIGHTS: dict[Kind, float] = {"question": 1.0, "side": 0.95, "positive": 0.8, "phrasing": 0.8, "translation": 0.95}

WRITTEN: tuple[Kind, ...] = ("phrasing", "translation")  # by a model
KEPT = 3  # of what the question itself finds

_log = logging.getLogger(__name__)
_LABEL = re.compile(r"^\W*[\w ]{0,30}(?:question|query|translation|pregunta|consulta|traducción)[\w ]{0,20}:\s*", re.I)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True, slots=True)
class Query:
    """Something to search for."""

    text: str
    kind: Kind = "question"


@dataclass(frozen=True, slots=True)
class Rewritten:
    """`question` is to be understood without its conversation; the first of `queries` is that question."""

    question: str
    queries: tuple[Query, ...]


def rewrite(
    question: str, settings: Rewrite, history: Sequence[Turn] = (), generator: "Generator | None" = None
) -> Rewritten:
    """What to search for. `history` is the conversation so far, oldest turn first; `generator` writes where it is a
    model. Raises nothing: what the model cannot do is done without."""
    writer = None if generator is None or generator.info.name == EXTRACTIVE.name else _Writer(generator, settings)
    if len(question) > LONGEST:
        return Rewritten(question, (Query(question),))
    alone = _alone(question, history, settings, writer)
    queries = [Query(alone)]
    if settings.split:
        queries += [Query(side, "side") for side in sides(alone)]
        queries += [Query(positive, "positive") for positive in [without_excluded(alone)] if positive]
    if writer and settings.phrasings:
        queries += [Query(phrasing, "phrasing") for phrasing in writer.phrasings(alone, settings.phrasings)]
    if writer and settings.translation:
        queries += [Query(translation, "translation") for translation in writer.translation(alone)]
    return Rewritten(alone, tuple(_distinct(queries, lambda query: query.text)))


def _distinct(items: Iterable[Item], text: Callable[[Item], str]) -> list[Item]:
    """The first of each that say the same in the same words."""
    found: dict[tuple[str, ...], Item] = {}
    for item in items:
        found.setdefault(tuple(words(text(item))), item)
    return list(found.values())


def _alone(question: str, history: Sequence[Turn], settings: Rewrite, writer: "_Writer | None") -> str:
    if settings.follow_ups == "off" or not history or not leans(question):
        return question
    by_rules = stand_alone(question, [turn for turn in history if len(turn.question) <= LONGEST])
    if settings.follow_ups == "rules" or writer is None:
        return by_rules
    return writer.alone(question, history) or by_rules


# ----------------------------------------------------------------------------------- what the model writes


class _Writer:
    """Lets the model write, for `seconds` in all. Whatever goes wrong is logged and gives nothing."""

    def __init__(self, generator: "Generator", settings: Rewrite) -> None:
        self._generator = generator
        self._deadline = time.monotonic() + settings.seconds

    def alone(self, question: str, history: Sequence[Turn]) -> str:
        """The question as the model makes it stand alone; '' if it does not."""
        turns = conversation(history)
        said = "\n".join(f"- {asked}\n- {answer}" for asked, answer in turns)
        written = _one_line(self._write("alone", question, conversation=said))
        known = " ".join([question, *(text for turn in turns for text in turn)])
        if not written or _stands_for(written, question, known):
            return written
        _log.warning("The model's version of a follow-up was not used: it is no version of it.")
        return ""

    def phrasings(self, question: str, count: int) -> list[str]:
        """At most `count` other ways to ask the question."""
        listed = _list_parser().parse(self._write("phrasings", question, first_line=False, count=str(count)))
        cleaned = [line for line in map(_one_line, listed) if line and _asks_nothing_new(line, question)]
        return _distinct(cleaned, str)[:count]

    def translation(self, question: str) -> list[str]:
        """The question in the other of our languages, in a list; nothing if the model does not translate it."""
        language = _language(question)
        written = _one_line(self._write("translation", question))
        translated = bool(written) and detect_language(written, language) != language
        return [written] if translated and _numbers(written) == _numbers(question) else []

    def _write(self, task: str, question: str, first_line: bool = True, **values: str) -> str:
        try:
            prompt = fill_task(task, _language(question), self._generator.info, question=question, **values)
            return self._written(prompt, first_line)
        except CitaError as error:
            _log.warning("The model could not do the task %r: %s", task, error)
            return ""

    def _written(self, prompt: Prompt, first_line: bool) -> str:
        text, splitter = "", ThoughtSplitter()
        with contextlib.closing(self._generator.generate(prompt)) as pieces:  # type: ignore[type-var]
            for piece in pieces:
                text += "".join(said for said, is_thought in splitter.feed(piece) if not is_thought)
                if time.monotonic() > self._deadline:
                    _log.warning("The model took too long over a question; it is searched for as it is.")
                    return ""
                if len(text) > MOST_CHARACTERS or (first_line and "\n" in text.lstrip()):
                    break
        return text + "".join(said for said, is_thought in splitter.rest() if not is_thought)


@cache
def _list_parser() -> "NumberedListOutputParser":
    from langchain_core.output_parsers import NumberedListOutputParser

    return NumberedListOutputParser(pattern=r"(?m)^\s*\d+[.)]\s+([^\n]+)")


def _language(question: str) -> Language:
    return "es" if detect_language(question) == "es" else "en"


def _one_line(written: str) -> str:
    """The first line of what was written, without label and quotes; '' if it is longer than a question."""
    first = written.strip().partition("\n")[0]
    line = _LABEL.sub("", first).strip(' \t*"“”«»`')
    return line if words(line) and len(line) <= MOST_IN_A_QUESTION else ""


def _stands_for(written: str, question: str, known: str) -> bool:
    """Whether it asks what the question asks, in its language, with numbers and names from the conversation alone."""
    if written.endswith("?") != question.rstrip().endswith("?") or not _same_language(written, question):
        return False
    said, own = set(words(known)), _names(question)
    return (
        _numbers(question) <= _numbers(written) <= _numbers(known)
        and own <= set(words(written))
        and _names(written) <= said
        and 2 * len(said & set(words(written))) >= len(set(words(written)))
    )


def _asks_nothing_new(written: str, question: str) -> bool:
    """Whether a phrasing is in the question's language and brings in no number."""
    return _same_language(written, question) and _numbers(written) <= _numbers(question)


def _same_language(written: str, question: str) -> bool:
    language = _language(question)
    return detect_language(written, language) == language


def _numbers(text: str) -> set[str]:
    return set(_NUMBER.findall(text))


def _names(text: str) -> set[str]:
    """The words with a capital, but for the first."""
    capitals = re.findall(r"(?<=[\w,;:)»”] )[A-ZÁÉÍÓÚÑ][\w’']*", text)
    return {word for capital in capitals for word in words(capital)}


# --------------------------------------------------------------------------------- one list of many searches

Search = Callable[[str, int], Sequence[Hit]]


def retrieve_all(rewritten: Rewritten, search: Search, k: int) -> tuple[Hit, ...]:
    """The best `k` passages for all queries, best first. `search` gives the best so many for a text.

    A passage's score is the best that any query gives it, as a share of that query's best score and by the query's
    weight: so the best passage of each side is near the top. Scores are on the scale of the question's own. Beside what
    a model wrote the question's own first, second and third passage are at least the second, fourth and sixth.
    """
    if len(rewritten.queries) == 1:
        return tuple(search(rewritten.question, k))
    found = [(query, search(query.text, DEEPER * k)) for query in rewritten.queries]
    return _merged(found, k)


def _merged(found: Sequence[tuple[Query, Sequence[Hit]]], k: int) -> tuple[Hit, ...]:
    scale = max((hit.score for hit in found[0][1]), default=1.0)
    best: dict[str, Hit] = {}
    for query, hits in found:
        for hit, share in zip(hits, _shares(hits), strict=True):
            score = abs(scale) * WEIGHTS[query.kind] * share
            known = best.setdefault(hit.passage.id, replace(hit, score=score))
            if score > known.score:
                best[hit.passage.id] = replace(known, score=score, explanation=hit.explanation)
    ranked = sorted(best.values(), key=lambda hit: -hit.score)  # stable: the question's own before others
    if any(query.kind in WRITTEN for query, _ in found):
        ranked = _keeping(found[0][1][:KEPT], ranked)
    groups = collapse(((number, hit.score, hit.passage) for number, hit in enumerate(ranked)), k)
    return tuple(
        replace(ranked[group.row], rank=rank, copies=_copies(ranked[group.row], group.copies))
        for rank, group in enumerate(groups, start=1)
    )


def _keeping(own: Sequence[Hit], ranked: Sequence[Hit]) -> list[Hit]:
    """The ranking with each of the question's own hits at least at every second place: nobody has checked what a model
    wrote."""
    kept = list(ranked)
    for place, hit in enumerate(own):
        now = next(n for n, one in enumerate(kept) if one.passage.id == hit.passage.id)
        wanted = 2 * place + 1
        if now > wanted:
            kept.insert(wanted, replace(kept.pop(now), score=kept[wanted].score))
    return kept


def _shares(hits: Sequence[Hit]) -> list[float]:
    """Scores as shares of the best one, from 0 to 1; where some are negative, over the least."""
    scores = [hit.score for hit in hits]
    least = min([0.0, *scores])
    most = max([0.0, *scores]) - least
    return [(score - least) / most if most else 1.0 for score in scores]


def _copies(hit: Hit, more: Sequence[Passage]) -> tuple[Passage, ...]:
    return tuple({copy.id: copy for copy in (*hit.copies, *more) if copy.id != hit.passage.id}.values())
