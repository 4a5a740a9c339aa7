"""ask(): a question to a cited answer, as a LangChain runnable that streams events.

    retrieve | fill the template chosen for the model | generate | cite

`build_chain` strings the verbs together; each step is a plain function below.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ingest.analyse import detect_language
from ingest.types import Filters
from models.types import EXTRACTIVE
from rag.cite import Cited, Citer
from rag.generate import Generator, as_runnable
from rag.prompt import Prompt, fill_prompt
from rag.retrieve import Retriever, as_langchain
from rag.types import ABSTENTION, Answer, AnswerSentence, Completed, Event, Hit, Language, Retrieved, Timings, Token
from settings import Generate

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, of which passages. `k` None takes the settings' number."""

    text: str
    k: int | None = None
    filters: Filters = Filters()

    @property
    def language(self) -> Language:
        return "es" if detect_language(self.text) == "es" else "en"


@dataclass(frozen=True, slots=True)
class Found:
    """A question and its passages on their way to the generator. `asked` is the monotonic time of the question."""

    question: Question
    hits: tuple[Hit, ...]
    asked: float
    seconds: float


def build_chain(retriever: Retriever, generator: Generator, settings: Generate) -> "Runnable[Question, Event]":
    """A runnable from Question to events: Retrieved, then Tokens, then Completed. Use `.stream`; closing the stream
    stops the generator. Raises what retrieving and generating raise."""
    from langchain_core.runnables import RunnableGenerator, RunnableLambda

    def retrieve(question: Question) -> Found:
        asked = time.monotonic()
        documents = as_langchain(retriever, question.k, question.filters).invoke(question.text)
        hits = tuple(document.metadata["hit"] for document in documents)
        return Found(question, hits, asked, time.monotonic() - asked)

    def fill(found: Found) -> Prompt:
        return _fill(found, generator, settings)

    def answer(founds: Iterator[Found]) -> Iterator[Event]:
        writer = RunnableLambda(fill) | as_runnable(generator)
        for found in founds:
            yield Retrieved(found.hits, found.seconds)
            yield from _answered(found, writer.stream if found.hits else _nothing_found, generator.info.name)

    return RunnableLambda(retrieve) | RunnableGenerator(answer)


def _fill(found: Found, generator: Generator, settings: Generate) -> Prompt:
    question = found.question
    if generator.info.name == EXTRACTIVE.name:  # reads the passages themselves
        return Prompt(question.text, question.language, found.hits, "", (), EXTRACTIVE.name)
    return fill_prompt(
        question.text,
        found.hits,
        generator.info,
        question.language,
        generator.count_tokens,
        settings.context,
        settings.max_tokens,
    )


def _nothing_found(found: Found) -> Iterator[str]:
    yield ABSTENTION[found.question.language]


def _answered(found: Found, write: Callable[[Found], Iterator[str]], model: str) -> Iterator[Event]:
    """Tokens as they are written, then the answer with its citations."""
    citer = Citer(found.hits)
    first_token: float | None = None
    for piece in write(found):
        if piece and first_token is None:
            first_token = time.monotonic() - found.asked
        yield Token(citer.feed(piece))
    if shown := citer.rest():
        yield Token(shown)
    yield Completed(_answer(citer.finish(), found, model, first_token))


def _answer(cited: Cited, found: Found, model: str, first_token: float | None) -> Answer:
    """An abstention gets the fixed sentence of the question's language."""
    timings = Timings(found.seconds, first_token, time.monotonic() - found.asked)
    answer = Answer(
        question=found.question.text,
        answer=cited.answer,
        abstained=cited.abstained,
        citations=cited.citations,
        sentences=cited.sentences,
        model=model,
        timings=timings,
        invented=cited.invented,
    )
    if cited.abstained:
        said = ABSTENTION[found.question.language]
        answer = replace(answer, answer=said, sentences=(AnswerSentence(said, (), True),))
    return answer


def ask(
    question: str,
    retriever: Retriever,
    generator: Generator,
    settings: Generate,
    k: int | None = None,
    filters: Filters = Filters(),
) -> Iterator[Event]:
    """Yields the events of one question. Closing the iterator stops generation at once."""
    chain = build_chain(retriever, generator, settings)
    yield from chain.stream(Question(question, k, filters))
