"""work(): a task to its report, part by part, as events.

A part is what is made in one go: the summary of some passages, a cell of a table. Each is kept as soon as it is made
(rag/tasks/kept.py), under a digest of what was asked, of what answers, and of the text that it was made from. So a task
that was stopped goes on where it was, and a file that has changed costs its own parts only.
"""

import hashlib
import json
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ingest.types import Passage
from rag.tasks.kept import Kept
from rag.tasks.types import Report, Row, Said, Section, SectionKind, Task, TaskEvent, TaskFinished, TaskProgress
from rag.tasks.work import Means
from rag.types import AnswerSentence, Citation

METHOD = 2  # raised when parts are made in another way: those made before are then made anew

Making = Generator[None, None, Sequence[Said]]  # yields now and then, so that it can be stopped


@dataclass(frozen=True, slots=True)
class Part:
    """`asked` and `read` are what it depends on, beside what answers; `make` makes it."""

    name: str
    asked: tuple[str, ...]
    read: Sequence[Passage]
    make: Callable[[], Making]


class Parts:
    """Does parts, or finds them done, and counts them."""

    def __init__(self, kept: Kept, writer: str) -> None:
        self._kept, self._writer = kept, writer
        self.done = self.total = self.reused = 0

    def expect(self, more: int) -> None:
        """That so many parts are still to come."""
        self.total = self.done + more

    def do(self, parts: Sequence[Part]) -> Generator[TaskProgress, None, list[tuple[Said, ...]]]:
        """What each of the parts says, in their order. Raises what making them raises."""
        self.total = max(self.total, self.done + len(parts))
        said = []
        for part in parts:
            yield self._progress(part)
            key = self._key(part)
            found = self._kept.get(key)
            if found is None:
                found = yield from self._made(part)
                self._kept.put(key, found, [passage.id for passage in part.read])
            else:
                self.reused += 1
            said.append(found)
            self.done += 1
        return said

    def _made(self, part: Part) -> Generator[TaskProgress, None, tuple[Said, ...]]:
        making = part.make()
        while True:
            try:
                next(making)
            except StopIteration as end:
                return tuple(end.value)
            yield self._progress(part)

    def _progress(self, part: Part) -> TaskProgress:
        return TaskProgress(self.done, self.total, part.name, self.reused)

    def _key(self, part: Part) -> str:
        read = [(passage.id, passage.path, passage.text) for passage in part.read]
        return hashlib.sha256(json.dumps([METHOD, self._writer, part.asked, read]).encode()).hexdigest()


Done = Generator[TaskProgress, None, Report]


def work(task: Task, means: Means, kept: Kept) -> Iterator[TaskEvent]:
    """Yields progress, then the report. Closing the iterator stops the work; the parts that are finished stay.

    Raises UsageError if the task names nothing that is indexed, and what reading and writing raise.
    """
    started = time.monotonic()
    parts = Parts(kept, means.fingerprint)
    report = yield from _doing(task, means, parts)
    seconds = time.monotonic() - started
    parts.expect(0)
    yield TaskProgress(parts.done, parts.total, "", parts.reused)
    yield TaskFinished(replace(report, parts=parts.total, reused=parts.reused, seconds=seconds))


def _doing(task: Task, means: Means, parts: Parts) -> Done:
    from rag.tasks import compare, draft, summarise, table

    if task.kind == "summarise":
        return summarise.summarise(task, means, parts)
    if task.kind == "compare":
        return compare.compare(task, means, parts)
    if task.kind == "tabulate":
        return table.tabulate(task, means, parts)
    return draft.draft(task, means, parts)


class Numbering:
    """Numbers the citations of a report: each distinct quote once, in order of appearance."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[Any, ...], Citation] = {}

    @property
    def citations(self) -> tuple[Citation, ...]:
        return tuple(self._numbers.values())

    def section(self, kind: SectionKind, title: str, said: Sequence[Said]) -> Section:
        return Section(kind, title, tuple(map(self.sentence, said)))

    def row(self, source: str, cells: Sequence[Said]) -> Row:
        return Row(source, tuple(map(self.sentence, cells)))

    def sentence(self, said: Said) -> AnswerSentence:
        numbers = tuple(dict.fromkeys(self._number(citation) for citation in said.citations))
        return AnswerSentence(said.text, numbers, said.verdict == "supported", said.verdict, said.reason)

    def _number(self, citation: Citation) -> int:
        key = (citation.id, citation.start, citation.end, citation.verdict, citation.reason)
        return self._numbers.setdefault(key, replace(citation, n=len(self._numbers) + 1)).n
