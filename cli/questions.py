"""Questions: search, ask."""

import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from cli.answers import print_grounds, print_hiding, print_unsure
from cli.opening import NOTHING_INDEXED, is_empty, opened_engine
from cli.options import (
    Json,
    K,
    Languages,
    Question,
    Since,
    Tags,
    Types,
    Until,
    Within,
    asked_question,
    chosen_filters,
    chosen_voice,
)
from cli.writing import clean, console, indented, pick, place_words, print_json, print_line, print_table, say, wrapped
from errors import CitaError
from rag.types import Abstain, AnswerLanguage, Length, Tone

if TYPE_CHECKING:
    from ingest.types import Passage
    from rag.types import Answer, Event, Explanation, Hit, Recorded, SearchExplanation, SearchResult

app = typer.Typer()

NAMED_COPIES = 3  # places where the same text stands


@app.command()
def search(
    context: typer.Context,
    question: Question,
    k: K = None,
    within: Within = None,
    types: Types = None,
    tags: Tags = None,
    languages: Languages = None,
    since: Since = "",
    until: Until = "",
    explain: Annotated[
        bool, typer.Option("--explain", help="Show why each passage stands where it does, and what was dropped.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Find passages, best first.

    Filters can also stand in the question: in:contracts type:pdf tag:work lang:es since:2024 until:2024-06. Of one kind
    any may fit, of several kinds all must. A document's date is its own where it has one, else its file's.

    JSON: {"question", "passages": [{"rank", "score", "id", "source", "page", "page_to", "section", "text",
    "confidence", "source_hides", "copies": [{"id", "source", "page"}]}], "seconds"}. `source_hides` says whether the
    file has hidden text (`cita list --hidden`). `confidence` (0 to 1) is text recognition's, null
    where the text was not recognised from a picture; `copies` are passages elsewhere that say the same.

    With --explain each passage also has "explain": {"lexical_rank", "dense_rank", "fused_rank", "lexical", "cosine",
    "fused", "features": {name: value}, "matches": [{"word", "start", "end"}]}, and the whole has "explain": {"terms":
    [{"word", "passages", "weight"}], "dropped": [{"reason", "of", "id", "source", "page", "page_to", "section", "text",
    "explain"}], "candidates": [{"lexical", "cosine", "score", "is_hit"}], "seconds": {step: seconds}, "queries": [what
    was searched for beside the question]}. A rank is null where that side did not find the passage; `score` is `fused`
    and the features together; `reason` is "duplicate" (of the passage `of`), "beyond" (others are better) or
    "filtered".
    """
    asked, filters = asked_question(question), chosen_filters(within, types, tags, languages, since, until)
    with opened_engine(context) as engine:
        result = engine.search(asked, k, filters, explain)
        if not result.hits:
            say(NOTHING_INDEXED if is_empty(engine) else "Nothing was found.")
    if as_json:
        print_json(_search_json(result))
        return
    for hit in result.hits:
        passage = hit.passage
        print_line(wrapped(place_words(*_stands(passage)), f"{hit.rank}. ", "    "), "bold")
        print_line(indented(passage.text) + "\n")
        print_unsure(passage.confidence)
        print_hiding(passage.source_hides)
        if hit.copies:
            print_line(wrapped(_copies(hit.copies), "    ", "    ") + "\n")
        if hit.explanation:
            _print_explanation(hit.explanation)
    if result.explanation:
        _print_search(result.explanation)


def _print_explanation(why: "Explanation") -> None:
    """'score 1.52 = fused 1.02 (2nd) + best sentence 0.25 + ...', both sides' ranks, the words that were found."""
    parts = [f"{name} {value:.3f}" for name, value in why.features.items()]
    lines = [
        f"score {why.score:.3f} = {' + '.join([f'fused {why.fused:.3f} (place {why.fused_rank})', *parts])}",
        f"full text: {_rank(why.lexical_rank)}, {why.lexical:.3f}; embedder: {_rank(why.dense_rank)}, {why.cosine:.3f}",
        f"words: {', '.join(dict.fromkeys(match.word for match in why.matches)) or 'none'}",
    ]
    print_line("\n".join(wrapped(clean(line), "    ", "        ") for line in lines) + "\n", "dim")


def _rank(rank: int | None) -> str:
    return f"rank {rank}" if rank else "not found"


def _print_search(explanation: "SearchExplanation") -> None:
    for query in explanation.queries:
        print_line(wrapped(clean(query), "Searched for too: ", "    "))
    if explanation.dropped:
        print_line("Dropped", "bold")
        rows = [
            (f"{one.explanation.score:.3f}", one.reason, place_words(*_stands(one.passage)), one.of)
            for one in explanation.dropped
        ]
        print_table(("Score", "Why", "Passage", "Of"), rows)
        print_line("")
    words = [f"{clean(term.word)} ({term.passages} passages, {term.weight:.2f})" for term in explanation.terms]
    print_line(wrapped(", ".join(words), "Words: ", "    "))
    steps = [f"{name} {1000 * seconds:.1f} ms" for name, seconds in explanation.seconds.items()]
    print_line(wrapped(", ".join(steps), "Steps: ", "    "))


def _stands(passage: "Passage") -> tuple[str, int | None, int | None, str]:
    return passage.path, passage.page, passage.page_to, passage.section


def _search_json(result: "SearchResult") -> dict[str, Any]:
    found = {
        "question": result.question,
        "passages": [_hit_json(hit) for hit in result.hits],
        "seconds": result.seconds,
    }
    if result.explanation is None:
        return found
    dropped = [
        {"reason": one.reason, "of": one.of or None, **_passage_json(one.passage), "explain": asdict(one.explanation)}
        for one in result.explanation.dropped
    ]
    return found | {"explain": asdict(result.explanation) | {"dropped": dropped}}


def _copies(copies: Sequence["Passage"]) -> str:
    """Where else the same stands: each document once, the first few by name."""
    places = list(dict.fromkeys(place_words(copy.path, copy.page, None, "") for copy in copies))
    more = f" and {len(places) - NAMED_COPIES} more" if len(places) > NAMED_COPIES else ""
    return f"The same in {'; '.join(places[:NAMED_COPIES])}{more}."


def _hit_json(hit: "Hit") -> dict[str, Any]:
    found = {
        "rank": hit.rank,
        "score": hit.score,
        **_passage_json(hit.passage),
        "confidence": hit.passage.confidence,
        "source_hides": hit.passage.source_hides,
        "copies": [{"id": copy.id, "source": copy.path, "page": copy.page} for copy in hit.copies],
    }
    return found | ({"explain": asdict(hit.explanation)} if hit.explanation else {})


def _passage_json(passage: "Passage") -> dict[str, Any]:
    return {
        "id": passage.id,
        "source": passage.path,
        "page": passage.page,
        "page_to": passage.page_to,
        "section": passage.section,
        "text": passage.text,
    }


@app.command()
def ask(
    context: typer.Context,
    question: Question,
    k: K = None,
    within: Within = None,
    types: Types = None,
    tags: Tags = None,
    languages: Languages = None,
    since: Since = "",
    until: Until = "",
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model that answers; `extractive` always works.")
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The profile that answers (`cita models profiles`), '' for none; as set with `answer`."
        ),
    ] = None,
    conversation: Annotated[
        str,
        typer.Option(
            metavar="ID", help="Keep it in this conversation, which it may lean on; `new`, or the `last` one."
        ),
    ] = "",
    abstain: Annotated[
        Abstain | None,
        typer.Option(metavar="HOW", help="How sure an answer must be: strict, balanced (unless set) or helpful."),
    ] = None,
    tone: Annotated[
        Tone | None,
        typer.Option(metavar="TONE", help="How a model says it: neutral, formal, plain, technical, friendly."),
    ] = None,
    length: Annotated[
        Length | None, typer.Option(metavar="LENGTH", help="How long the answer is: short, middle or long.")
    ] = None,
    language: Annotated[
        AnswerLanguage | None,
        typer.Option(metavar="LANGUAGE", help="What it is answered in: en, es, or that of the question."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Answer a question, citing the passages; Ctrl-C stops at once.

    Filters can also stand in the question, as for `cita search`. Without --conversation nothing is kept. --tone,
    --length and --language stand for this question in the place of the settings' own (`[voice]`); passages are quoted
    as they are, in their own language. What --profile does not set is as it is set elsewhere, and other options stand
    before it.

    JSON: {"question", "answer", "abstained", "citations": [{"n", "id", "source", "page", "section", "quote", "start",
    "end", "supported", "confidence", "verdict", "reason", "source_hides"}], "sentences": [{"text", "citations",
    "supported", "verdict", "reason"}], "model", "timings": {"retrieve", "first_token", "total"}, "conflict":
    [{"value", "citations", "date"}], "refusal": {"reason": "nothing", "unsure" or "model", "nearest": [a citation],
    "missing": [word]} or null, "usage": {"prompt", "reused", "written": tokens, "reading", "writing": seconds,
    "tokens_per_second", "profile", "parameters": {name: value}}, "conversation", "turn"}; `start` and `end` are
    character offsets of the quote in the passage's text, `confidence` and `source_hides` are those of `cita search`,
    `conversation` and `turn` (from 1) are null where nothing was kept. "conflict" has the values where sources
    contradict each other. "verdict" is "supported", "partly" or "unsupported", "reason" why not, in the question's
    language; "supported" whether it is the first. What a model does not tell of its "usage" is null.
    """
    asked, filters = asked_question(question), chosen_filters(within, types, tags, languages, since, until)
    with opened_engine(context) as engine:
        voice = chosen_voice(context, tone, length, language, profile)
        answering = engine.ask(asked, k, filters, model, (), conversation, abstain, voice, profile)
        events = cast("Generator[Event]", answering)
        keeping = _Keeping(events)
        with closing(events):
            answer = _completed(keeping) if as_json else _streamed(keeping)
        if answer.abstained and is_empty(engine):
            say(NOTHING_INDEXED)
    if as_json:
        keys = (
            "question", "answer", "abstained", "citations", "sentences", "model", "timings", "conflict", "refusal",
        )  # fmt: skip
        usage = {"usage": answer.usage.json if answer.usage else None}
        print_json({**pick(answer, keys), **usage, **keeping.json})
    else:
        print_grounds(answer)
    if conversation:
        say(keeping.words)
    if answer.invented:
        say(f"{answer.invented} citation number(s) that the model made up were dropped.")


class _Keeping:
    """Passes an answer's events on and notes where it is kept, or why it is not."""

    def __init__(self, events: Iterable["Event"]) -> None:
        self._events = events
        self._recorded: Recorded | None = None
        self._problem = ""

    def __iter__(self) -> Iterator["Event"]:
        for event in self._events:
            if event.event == "recorded":
                self._recorded = event
            elif event.event == "completed":
                self._problem = event.problem
            yield event

    @property
    def json(self) -> dict[str, Any]:
        kept = self._recorded if not self._problem else None
        return {"conversation": kept and kept.conversation, "turn": kept and kept.turn}

    @property
    def words(self) -> str:
        if self._problem:
            return f"The answer could not be kept: {self._problem}"
        if self._recorded is None:
            return "Nothing was kept: history is off (history.on)."
        return f"Kept in conversation {self._recorded.conversation}."


def _completed(events: Iterable["Event"]) -> "Answer":
    """Runs an answer to its end."""
    for event in events:
        if event.event == "completed":
            return event.answer
    raise CitaError("The answer broke off.", hint="Ask again.")


def _streamed(events: Iterable["Event"]) -> "Answer":
    """Writes an answer as it comes. Where checking changed the draft, the checked answer follows it."""
    draft: list[str] = []
    thought = False
    with ExitStack() as waiting:
        if sys.stderr.isatty():
            waiting.enter_context(console(stderr=True).status("Reading your documents"))

        def shown() -> Iterator["Event"]:
            nonlocal thought
            for event in events:
                if event.event == "thought":  # no part of the answer
                    waiting.close()
                    thought = True
                    print(clean(event.text), end="", flush=True, file=sys.stderr)
                elif event.event == "token" and event.text:
                    waiting.close()
                    if thought and not draft:
                        print("\n", file=sys.stderr)
                    draft.append(event.text)
                    print(clean(event.text), end="", flush=True)
                yield event

        answer = _completed(shown())
    written = "".join(draft)
    if written and not written.endswith("\n"):
        print()
    if written.split() != answer.answer.split():
        if written:
            print_line("\nChecked against the passages:", "bold")
        print_line(clean(answer.answer))
    return answer
