"""ask(): a question to a cited answer, as a LangChain runnable that streams events.

    understand | retrieve | fill the template chosen for the model | generate | cite | verify

`build_chain` strings the verbs together; each step is a plain function below.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ingest.analyse import detect_language
from ingest.types import Filters
from models.types import EXTRACTIVE
from rag.cite import Cited, Citer
from rag.context import arrange, assemble
from rag.generate import Generator, as_runnable
from rag.prompt import Prompt, fill_prompt
from rag.retrieve import Retriever, as_langchain
from rag.rewrite import DEEPER, Rewritten, retrieve_all, rewrite
from rag.types import (
    ABSTENTION,
    Answer,
    AnswerSentence,
    Completed,
    Event,
    Hit,
    Language,
    Retrieved,
    Timings,
    Token,
    Turn,
)
from rag.verify import EntailmentModel, Similarity, verify
from settings import Context, Generate, Rewrite, Verify

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, of which passages, after which conversation. `k` None takes the settings' number."""

    text: str
    k: int | None = None
    filters: Filters = Filters()
    history: tuple[Turn, ...] = ()

    @property
    def language(self) -> Language:
        return "es" if detect_language(self.text) == "es" else "en"


@dataclass(frozen=True, slots=True)
class Understood:
    """A question and all that is searched for to answer it. `asked` is the monotonic time of the question."""

    question: Question
    rewritten: Rewritten
    asked: float


@dataclass(frozen=True, slots=True)
class Found:
    """A question, as it stands alone, and its passages on their way to the generator. `hits` are shown; `more` are
    these and those behind them, which may take the place of some in a prompt."""

    question: Question
    alone: str
    hits: tuple[Hit, ...]
    more: tuple[Hit, ...]
    asked: float
    seconds: float


def build_chain(
    retriever: Retriever,
    generator: Generator,
    settings: Generate,
    rewriting: Rewrite = Rewrite(),
    context: Context = Context(),
    verifying: Verify = Verify(),
    similarity: Similarity | None = None,
    entailment: EntailmentModel | None = None,
) -> "Runnable[Question, Event]":
    """A runnable from Question to events: Retrieved, then Tokens, then Completed. Use `.stream`; closing the stream
    stops the generator. `similarity` and `entailment` have a word in what is verified. Raises what retrieving,
    generating and these raise."""
    from langchain_core.runnables import RunnableGenerator, RunnableLambda

    def understand(question: Question) -> Understood:
        asked = time.monotonic()
        return Understood(question, rewrite(question.text, rewriting, question.history, generator), asked)

    def retrieve(understood: Understood) -> Found:
        question, started = understood.question, time.monotonic()
        k = retriever.wanted(question.k)
        deep = k if _is_extractive(generator) else DEEPER * k
        more = retrieve_all(understood.rewritten, partial(_search, retriever, question.filters), deep)
        seconds = time.monotonic() - started
        return Found(question, understood.rewritten.question, more[:k], more, understood.asked, seconds)

    def fill(found: Found) -> Prompt:
        return _fill(found, retriever, generator, settings, context)

    def verified(cited: Cited, hits: Sequence[Hit], language: Language) -> Cited:
        return verify(cited, hits, language, verifying.unsupported, similarity, entailment)

    def answer(founds: Iterator[Found]) -> Iterator[Event]:
        filled, writer = RunnableLambda(fill), as_runnable(generator)
        for found in founds:
            understood = found.alone if found.alone != found.question.text else ""
            yield Retrieved(found.hits, found.seconds, understood)
            if found.hits:
                prompt = filled.invoke(found)
                yield from _answered(found, prompt.hits, writer.stream(prompt), generator.info.name, verified)
            else:
                yield from _answered(found, (), _nothing_found(found), generator.info.name, verified)

    return RunnableLambda(understand) | RunnableLambda(retrieve) | RunnableGenerator(answer)


def _search(retriever: Retriever, filters: Filters, text: str, k: int) -> tuple[Hit, ...]:
    documents = as_langchain(retriever, k, filters).invoke(text)
    return tuple(document.metadata["hit"] for document in documents)


def _is_extractive(generator: Generator) -> bool:
    return generator.info.name == EXTRACTIVE.name


def _fill(found: Found, retriever: Retriever, generator: Generator, settings: Generate, context: Context) -> Prompt:
    language = found.question.language
    if _is_extractive(generator):  # reads the passages themselves
        return Prompt(found.alone, language, found.hits, "", (), EXTRACTIVE.name)
    return fill_prompt(
        found.alone,
        assemble(found.more, len(found.hits), retriever.neighbours, context),
        generator.info,
        language,
        generator.count_tokens,
        settings.context,
        settings.max_tokens,
        arrange,
    )


def _nothing_found(found: Found) -> Iterator[str]:
    yield ABSTENTION[found.question.language]


def _answered(
    found: Found,
    given: Sequence[Hit],
    pieces: Iterator[str],
    model: str,
    verified: Callable[[Cited, Sequence[Hit], Language], Cited],
) -> Iterator[Event]:
    """Tokens as they are written, then the answer with its citations, verified: [n] in a draft is the nth of the hits
    given."""
    citer = Citer(given)
    first_token: float | None = None
    for piece in pieces:
        if piece and first_token is None:
            first_token = time.monotonic() - found.asked
        yield Token(citer.feed(piece))
    if shown := citer.rest():
        yield Token(shown)
    cited = verified(citer.finish(), given, found.question.language)
    yield Completed(_answer(cited, found, model, first_token))


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
    history: Sequence[Turn] = (),
    rewriting: Rewrite = Rewrite(),
    context: Context = Context(),
    verifying: Verify = Verify(),
    similarity: Similarity | None = None,
    entailment: EntailmentModel | None = None,
) -> Iterator[Event]:
    """Yields the events of one question; `history` is its conversation so far, oldest turn first. Closing the iterator
    stops generation at once."""
    chain = build_chain(retriever, generator, settings, rewriting, context, verifying, similarity, entailment)
    yield from chain.stream(Question(question, k, filters, tuple(history)))
