"""ask(): a question to a cited answer, as a LangChain runnable that streams events.

    understand | retrieve | fill the template chosen for the model | generate | cite | verify

`build_chain` strings the verbs together; each step is a plain function below.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ingest.analyse import content_words, detect_language
from ingest.types import Filters
from models.types import EXTRACTIVE
from rag.abstain import MOST_MISSING
from rag.cite import Cited, Citer
from rag.context import arrange, assemble
from rag.extract import Extract, ExtractiveGenerator, Judged
from rag.generate import Generator, as_runnable
from rag.prompt import Prompt, fill_prompt
from rag.retrieve import Retriever, as_langchain
from rag.rewrite import DEEPER, Rewritten, retrieve_all, rewrite
from rag.thoughts import ThoughtSplitter
from rag.types import (
    ABSTENTION,
    Answer,
    AnswerSentence,
    Completed,
    Event,
    Hit,
    Language,
    Refusal,
    Retrieved,
    Thought,
    Timings,
    Token,
    Turn,
    Usage,
)
from rag.verify import EntailmentModel, Similarity, verify
from rag.voice import Manner, answer_language
from settings import Context, Generate, Rewrite, Verify

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, of which passages, after which conversation, and how it is to be answered. `k` None takes the
    settings' number."""

    text: str
    k: int | None = None
    filters: Filters = Filters()
    history: tuple[Turn, ...] = ()
    manner: Manner = Manner()

    @property
    def language(self) -> Language:
        return "es" if detect_language(self.text) == "es" else "en"

    @property
    def answer_language(self) -> Language:
        """What it is answered in, the fixed sentence of an abstention included; passages are quoted as they are."""
        return answer_language(self.manner.voice, self.language)


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
    judge: ExtractiveGenerator | None = None,
    verifying: Verify = Verify(),
    similarity: Similarity | None = None,
    entailment: EntailmentModel | None = None,
) -> "Runnable[Question, Event]":
    """A runnable from Question to events: Retrieved, then Tokens, then Completed. Use `.stream`; closing the stream
    stops the generator. `judge` says whether a model need be asked at all, what comes nearest where there is no answer,
    and where the sources contradict each other; `similarity` and `entailment` have a word in what is verified. Raises
    what retrieving, generating and these raise."""
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
        filled, told = RunnableLambda(fill), list[Usage]()
        writer = as_runnable(generator, told.append)
        for found in founds:
            understood = found.alone if found.alone != found.question.text else ""
            yield Retrieved(found.hits, found.seconds, understood)
            if not found.hits:
                missing = tuple(content_words(found.alone)[:MOST_MISSING])
                yield from _refused(found, Refusal("nothing", missing=missing), generator.info.name)
                continue
            if isinstance(generator, ExtractiveGenerator):
                yield from _extracted(found, _extract(found, generator), generator.info.name)
                continue
            judged = judge.judge(_to_quote(found)) if judge else None
            if judge and judged and (refusal := judge.refusal(judged)):
                yield from _refused(found, refusal, generator.info.name)
                continue
            told.clear()
            prompt = filled.invoke(found)
            for event in _answered(found, prompt.hits, writer.stream(prompt), generator.info.name, verified):
                yield _with_usage(_as_judged(event, judge, judged), told)

    return RunnableLambda(understand) | RunnableLambda(retrieve) | RunnableGenerator(answer)


def _search(retriever: Retriever, filters: Filters, text: str, k: int) -> tuple[Hit, ...]:
    documents = as_langchain(retriever, k, filters).invoke(text)
    return tuple(document.metadata["hit"] for document in documents)


def _is_extractive(generator: Generator) -> bool:
    return generator.info.name == EXTRACTIVE.name


def _fill(found: Found, retriever: Retriever, generator: Generator, settings: Generate, context: Context) -> Prompt:
    return fill_prompt(
        found.alone,
        assemble(found.more, len(found.hits), retriever.neighbours, context),
        generator.info,
        found.question.answer_language,
        generator.count_tokens,
        settings.context,
        settings.max_tokens,
        partial(arrange, read=_read(found.question, generator)),
        found.question.manner,
    )


def _read(question: Question, generator: Generator) -> Sequence[str]:
    """The passages that the generator has read for the question before this one, if this one follows it up; a model of
    ours knows them."""
    return getattr(generator, "passages_read", ()) if question.history else ()


def _to_quote(found: Found) -> Prompt:
    """For the extractive generator, which reads the passages themselves."""
    return Prompt(found.alone, found.question.language, found.hits, "", (), EXTRACTIVE.name)


def _extract(found: Found, generator: ExtractiveGenerator) -> Extract:
    return generator.extract(_to_quote(found), found.question.manner.voice.length)


def _extracted(found: Found, extract: Extract, model: str) -> Iterator[Event]:
    """Tokens, then the answer, whose quotes are exact; or the refusal."""
    if extract.refusal:
        yield from _refused(found, extract.refusal, model)
        return
    first_token = time.monotonic() - found.asked
    pieces = list(extract.pieces())
    yield from map(Token, pieces)
    answer = Answer(
        question=found.question.text,
        answer="".join(pieces),
        abstained=False,
        citations=extract.citations,
        sentences=extract.sentences,
        model=model,
        timings=Timings(found.seconds, first_token, time.monotonic() - found.asked),
        conflict=extract.conflict,
        voice=found.question.manner.voice,
    )
    yield Completed(answer)


def _refused(found: Found, refusal: Refusal, model: str) -> Iterator[Event]:
    said = ABSTENTION[found.question.answer_language]
    yield Token(said)
    seconds = time.monotonic() - found.asked
    timings = Timings(found.seconds, seconds, seconds)
    sentence = AnswerSentence(said, (), True)
    yield Completed(
        Answer(
            found.question.text, said, True, (), (sentence,), model, timings, refusal=refusal,
            voice=found.question.manner.voice,
        )
    )  # fmt: skip


def _as_judged(event: Event, judge: ExtractiveGenerator | None, judged: Judged | None) -> Event:
    """The event; where it is a model's abstention, with what comes nearest; where it is its answer, with what the
    sources give as different ones."""
    if not judge or not judged or not isinstance(event, Completed):
        return event
    if event.answer.abstained:
        return replace(event, answer=replace(event.answer, refusal=judged.refusal("model")))
    conflicting = judge.conflict(judged)
    return replace(event, answer=_with_sides(event.answer, conflicting)) if conflicting else event


def _with_sides(answer: Answer, conflicting: Extract) -> Answer:
    """Each side cites what the answer cites, where that is the same sentence, else a citation behind the answer's."""
    citations, numbers = list(answer.citations), dict[int, int]()
    for quoted in conflicting.citations:
        same = (one for one in citations if one.id == quoted.id and one.start < quoted.end and quoted.start < one.end)
        cited = next(same, None)
        if cited is None:
            cited = replace(quoted, n=max((one.n for one in citations), default=0) + 1)
            citations.append(cited)
        numbers[quoted.n] = cited.n
    sides = tuple(replace(side, citations=tuple(numbers[n] for n in side.citations)) for side in conflicting.conflict)
    return replace(answer, citations=tuple(citations), conflict=sides)


def _with_usage(event: Event, told: Sequence[Usage]) -> Event:
    """The event; with what the generator told of the answer's cost, where it did."""
    if told and isinstance(event, Completed):
        return replace(event, answer=replace(event.answer, usage=told[-1]))
    return event


def _answered(
    found: Found,
    given: Sequence[Hit],
    pieces: Iterator[str],
    model: str,
    verified: Callable[[Cited, Sequence[Hit], Language], Cited],
) -> Iterator[Event]:
    """Thoughts, then tokens as they are written, then the answer with its citations, verified: [n] in a draft is the
    nth of the hits given."""
    citer, splitter = Citer(given), ThoughtSplitter()
    first_token: float | None = None
    for piece in pieces:
        if not piece:
            yield Token("")
        elif first_token is None:
            first_token = time.monotonic() - found.asked
        for text, is_thought in splitter.feed(piece):
            yield Thought(text) if is_thought else Token(citer.feed(text))
    for text, is_thought in splitter.rest():
        yield Thought(text) if is_thought else Token(citer.feed(text))
    if shown := citer.rest():
        yield Token(shown)
    cited = verified(citer.finish(), given, found.question.answer_language)
    yield Completed(_answer(cited, found, model, first_token))


def _answer(cited: Cited, found: Found, model: str, first_token: float | None) -> Answer:
    """An abstention gets the fixed sentence of the answer's language."""
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
        voice=found.question.manner.voice,
    )
    if cited.abstained:
        said = ABSTENTION[found.question.answer_language]
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
    judge: ExtractiveGenerator | None = None,
    verifying: Verify = Verify(),
    similarity: Similarity | None = None,
    entailment: EntailmentModel | None = None,
    manner: Manner = Manner(),
) -> Iterator[Event]:
    """Yields the events of one question; `history` is its conversation so far, oldest turn first, `manner` how it is to
    be answered. Closing the iterator stops generation at once."""
    chain = build_chain(retriever, generator, settings, rewriting, context, judge, verifying, similarity, entailment)
    yield from chain.stream(Question(question, k, filters, tuple(history), manner))
