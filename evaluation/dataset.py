"""A set of questions with what is known of their answers, over given passages or over documents.

The user's own sets are JSON Lines, one question a line: {"question", "answers": [...], "source", "page",
"unanswerable"}, all but the first optional (docs/evaluation.md). The public sets are read in evaluation/adapters.py.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from errors import UsageError
from ingest.names import to_text


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer stands: a source by its path in the library, '/' between folders, and a page, 1-based, where it
    is known."""

    source: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class GivenPassage:
    """A passage that a set brings along. Those of one `source` stand in it in their order; `title` is the source's,
    '' where the set has none."""

    id: str
    text: str
    title: str
    source: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """`gold` grades the given passages that answer the question by id (above 0; most sets have 1 only), `places` are
    the answer's places in documents. `group` is the article or document that the question was made from."""

    id: str
    text: str
    gold: Mapping[str, int] = field(default_factory=dict)
    places: tuple[Place, ...] = ()
    answers: tuple[str, ...] = ()
    unanswerable: bool = False
    group: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Questions over `passages`, or where `documents` is set over the files of that folder, read by Cita itself."""

    name: str
    questions: tuple[Question, ...]
    passages: tuple[GivenPassage, ...] = ()
    documents: Path | None = None


def halves(dataset: Dataset) -> tuple[Dataset, Dataset]:
    """One half to tune on, one to report, each over all passages. Questions of a group stay together; which half that
    is follows from the group's name alone: the same article is in the same half of every set."""
    return _divided(dataset, is_to_tune, ("tune", "report"))


def quarters(dataset: Dataset) -> tuple[Dataset, Dataset]:
    """What the reader did not learn from, the half to report, in two: one to fit on how far it is trusted, and one to
    report."""
    return _divided(halves(dataset)[1], lambda group: not _byte(group, 2) % 2, ("fit", "rest"))


def is_to_tune(group: str) -> bool:
    """Whether the questions of a group are in the half to tune on."""
    return not _byte(group, 0) % 2


def _byte(group: str, place: int) -> int:
    return hashlib.sha256(group.encode()).digest()[place]


def _divided(dataset: Dataset, is_first: Callable[[str], bool], names: tuple[str, str]) -> tuple[Dataset, Dataset]:
    parts: tuple[list[Question], list[Question]] = ([], [])
    for question in dataset.questions:
        parts[not is_first(question.group)].append(question)
    first, second = (
        replace(dataset, name=f"{dataset.name}, {name}", questions=tuple(part))
        for name, part in zip(names, parts, strict=True)
    )
    return first, second


def read_questions(file: Path) -> Dataset:
    """A user's own question set; the group is the source, else the question.

    Raises UsageError naming the line if it cannot be read.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"Question set {str(file)!r} cannot be read: {error.strerror}.", hint=_HINT) from error
    return parse_questions(content, to_text(file.name))


def parse_questions(content: bytes, name: str) -> Dataset:
    """The question set of a file of that name. Raises as read_questions() does."""
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"Question set {name!r} cannot be read: it is not UTF-8 text.", hint=_HINT) from error
    questions = [_question(line, n, name) for n, line in enumerate(lines, 1) if line.strip()]
    if not questions:
        raise UsageError(f"Question set {name!r} has no questions.", hint=_HINT)
    return Dataset(PurePosixPath(name).stem, tuple(questions))


_HINT = "Name a file of JSON Lines; `cita eval --make 20 FILE` drafts one."


def _written(value: Any) -> Any:
    """A JSON value with the halves of characters that \\ud800 and its like escape replaced: no file can have them."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, list):
        return [_written(each) for each in value]
    return {key: _written(each) for key, each in value.items()} if isinstance(value, dict) else value


_KEYS = ("question", "answers", "source", "page", "unanswerable")


def _question(line: str, n: int, name: str) -> Question:
    def wrong(what: str) -> UsageError:
        return UsageError(
            f"Line {n} of {name!r}: {what}.",
            hint='A line is like {"question": "...", "answers": ["..."], "source": "folder/file.pdf", "page": 2}.',
        )

    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise wrong(f"it is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise wrong("it is not an object")
    if unknown := [key for key in value if key not in _KEYS]:
        raise wrong(f"there is no key {unknown[0]!r}; there are {', '.join(_KEYS)}")
    value = _written(value)
    text, source, page = value.get("question"), value.get("source"), value.get("page")
    answers, unanswerable = value.get("answers") or [], value.get("unanswerable") or False
    if not isinstance(text, str) or not any(map(str.isalnum, text)):
        raise wrong("'question' must be a text with words")
    if not isinstance(answers, list) or not all(isinstance(each, str) and each.strip() for each in answers):
        raise wrong("'answers' must be a list of texts")
    if source is not None and not (isinstance(source, str) and source.strip()):
        raise wrong("'source' must be a path as `cita list` shows it")
    if page is not None and (type(page) is not int or page < 1):
        raise wrong("'page' must be a number from 1 up")
    if page is not None and source is None:
        raise wrong("'page' needs a 'source'")
    if not isinstance(unanswerable, bool):
        raise wrong("'unanswerable' must be true or false")
    if unanswerable and (answers or source):
        raise wrong("an unanswerable question has neither 'answers' nor 'source'")
    places = (Place(source.strip(), page),) if source else ()
    return Question(str(n), text.strip(), {}, places, tuple(answers), unanswerable, source or text)
