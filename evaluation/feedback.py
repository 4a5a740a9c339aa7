"""What a person rated good as a question set: does Cita still answer so, and cite the same places?

The answers of that time are the expected ones, without their citations; the files and pages that they cited are the
places. A good abstention is a question that the documents do not answer. What was rated bad expects nothing.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import UsageError
from evaluation.dataset import Dataset, Place, Question
from rag.types import Conversation, KeptTurn

if TYPE_CHECKING:
    from engine import Engine

NAME = "feedback"

_CITATION = re.compile(r"\s*\[\d+\]")
_HINT = 'A line is like {"question": "...", "answer": "..."}, or a chat: {"messages": [{"role", "content"}, ...]}.'


def rated_conversations(engine: "Engine") -> list[Conversation]:
    """Those with an answer that was rated, the oldest first."""
    return [engine.conversation(one.id) for one in reversed(engine.conversations()) if one.good or one.bad]


def rated_turns(conversations: Sequence[Conversation]) -> list[KeptTurn]:
    """Their answers that were rated, those asked last first."""
    turns = [turn for conversation in conversations for turn in conversation.turns if turn.rating]
    return sorted(turns, key=lambda turn: turn.at, reverse=True)


def rated_bad(engine: "Engine") -> list[KeptTurn]:
    """The answers that were rated bad, those asked last first."""
    return [turn for turn in rated_turns(rated_conversations(engine)) if turn.rating == "bad"]


def rated(engine: "Engine") -> Dataset:
    """The answers of all conversations that were rated good. Raises UsageError if there are none."""
    dataset = from_conversations(rated_conversations(engine))
    if not dataset.questions:
        raise UsageError(
            "No answer was rated good.", hint="Rate some in the app, or: cita conversations rate last 1 good"
        )
    return dataset


def from_conversations(conversations: Sequence[Conversation]) -> Dataset:
    """A question that was asked more than once is there once, as it was rated last."""
    found: dict[str, Question] = {}
    for conversation in conversations:
        for turn in conversation.turns:
            if turn.rating == "good" and turn.answer is not None:
                question = _question(f"{conversation.id}-{turn.n}", turn)
                found.pop(question.text, None)
                found[question.text] = question
    return Dataset(NAME, tuple(found.values()))


def _question(id: str, turn: KeptTurn) -> Question:
    answer, text = turn.answer, turn.understood or turn.question
    assert answer is not None
    if answer.abstained:
        return Question(id, text, unanswerable=True, group=text)
    now = {each.hit.passage.id: each.now for each in turn.evidence if each.since == "moved"}
    places = [Place(now.get(citation.id) or citation.source, citation.page) for citation in answer.citations]
    said = _CITATION.sub("", answer.answer).strip()
    group = places[0].source if places else text
    return Question(id, text, {}, tuple(dict.fromkeys(places)), (said,) if said else (), group=group)


def read_pairs(file: Path) -> list[tuple[str, str]]:
    """Questions with their answers, for examples: of a file of lines {"question", "answer"} ("answers" are as good: the
    first is taken), or of chats, of which the last question with its answer is taken.

    Raises UsageError naming the line if it cannot be read.
    """
    try:
        lines = file.read_bytes().decode("utf-8-sig").split("\n")
    except OSError as error:
        raise UsageError(f"{str(file)!r} cannot be read: {error.strerror}.", hint=_HINT) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{str(file)!r} cannot be read: it is not UTF-8 text.", hint=_HINT) from error
    pairs = list(_pairs(lines, file.name))
    if not pairs:
        raise UsageError(f"{str(file)!r} has no examples.", hint=_HINT)
    return pairs


def _pairs(lines: Sequence[str], name: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                question, answer = _pair(json.loads(line))
            except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
                raise UsageError(f"Line {number} of {name!r} is no example.", hint=_HINT) from error
            yield question, answer


def _pair(value: Any) -> tuple[str, str]:
    if "messages" in value:
        said = {message["role"]: message["content"] for message in value["messages"]}
        question, answer = said["user"], said["assistant"]
    else:
        question, answer = value["question"], value["answer"] if "answer" in value else value["answers"][0]
    if not (isinstance(question, str) and isinstance(answer, str) and question.strip() and answer.strip()):
        raise ValueError("not a question with its answer")
    return question, answer
