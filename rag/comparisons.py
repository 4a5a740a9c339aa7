"""The same question answered by several models or profiles, one after the other, and what is kept of it.

One after the other, as two that write at once share the cores and the memory's speed: neither would be as fast as it
is. Kept is what each said, with what it cost (Usage), and which one the person found better.
"""

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from errors import CitaError, HistoryDamagedError, UsageError
from ingest.types import Filters
from rag.history_file import COMPARISON_COLUMNS, HistoryFile, checksum, now
from rag.types import (
    ALIKE,
    Comparison,
    ComparisonEvent,
    ComparisonFinished,
    Completed,
    Contended,
    Contender,
    ContenderFailed,
    Event,
)

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_COLUMNS = ", ".join((*COMPARISON_COLUMNS, "checksum"))
_OWN_COLUMNS = {"id", "at", "question", "better"}


def compare(
    question: str,
    contenders: Sequence[Contender],
    k: int | None,
    filters: Filters,
    answer: Callable[[Contender], Iterator[Event]],
    keep: Callable[[Comparison], Comparison] | None,
) -> Iterator[ComparisonEvent]:
    """The events of each contender's `answer`, then the whole, kept where it is to be. One that fails is told of, and
    the next is asked. Raises UsageError if there are not two, or one names neither a model nor a profile."""
    if len(contenders) < 2 or not all(one.model or one.profile for one in contenders):
        raise UsageError("A comparison needs two that answer.", hint="Name a model or a profile for each.")

    def events() -> Iterator[ComparisonEvent]:
        said: list[Contender] = []
        for n, one in enumerate(contenders):
            found = replace(one, answer=None, error="", hint="")
            try:
                with closing(cast("Any", answer(one))) as said_by_one:
                    for event in said_by_one:
                        if isinstance(event, Completed):
                            found = replace(found, model=event.answer.model, answer=event.answer)
                        yield Contended(n, event)
            except CitaError as error:
                found = replace(found, error=error.message, hint=error.hint)
                yield ContenderFailed(n, error.message, error.hint)
            said.append(found)
        comparison, problem = Comparison("", now(), question, tuple(said), k, filters), ""
        if keep:
            try:
                comparison = keep(comparison)
            except CitaError as error:
                problem = str(error)
        yield ComparisonFinished(comparison, problem)

    return events()


class Comparisons:
    """Those that are kept. Raises what HistoryFile raises."""

    def __init__(self, file: HistoryFile) -> None:
        self._file = file

    def all(self) -> list[Comparison]:
        """All, the newest first."""
        rows = self._file.read(f"SELECT {_COLUMNS} FROM comparisons ORDER BY at DESC, row DESC")
        return [_comparison(row) for row in self._file.check(COMPARISON_COLUMNS, rows)]

    def keep(self, comparison: Comparison) -> Comparison:
        """With its new id."""
        kept = replace(
            comparison, id=secrets.token_hex(4), question=comparison.question.encode(errors="replace").decode()
        )
        try:
            self._insert(kept)
        except HistoryDamagedError:  # what could be read of it goes on in a new file
            self._insert(kept)
        return kept

    def _insert(self, comparison: Comparison) -> None:
        row = _row(comparison)
        with self._file.transaction() as write:
            write.execute(f"INSERT INTO comparisons ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", (*row, checksum(row)))

    def prefer(self, id: str, better: int | None) -> None:
        """Raises UsageError if there is none of that id, or no contender at that place."""
        (known,) = self._known([id])
        if better is not None and better not in (ALIKE, *range(len(known.contenders))):
            raise UsageError(f"Comparison {id!r} has no answer {better + 1}; it has {len(known.contenders)}.")
        said = "" if better is None else str(better)
        with self._file.transaction() as write:
            columns = ", ".join(COMPARISON_COLUMNS)
            for row in write.execute(f"SELECT {columns} FROM comparisons WHERE id = ?", (id,)).fetchall():
                sum = checksum([*row[:-1], said])  # `better` is the last of the columns
                write.execute("UPDATE comparisons SET better = ?, checksum = ? WHERE id = ?", (said, sum, id))

    def delete(self, ids: Sequence[str]) -> None:
        """Also from the file's bytes. Raises UsageError, and deletes none, if one does not exist."""
        self._known(ids)
        with self._file.transaction() as write:
            write.executemany("DELETE FROM comparisons WHERE id = ?", [(id,) for id in ids])
        self._file.scrub()

    def _known(self, ids: Sequence[str]) -> list[Comparison]:
        known = {one.id: one for one in self.all()}
        if missing := [id for id in ids if id not in known]:
            raise UsageError(f"There is no comparison {missing[0]!r}.", hint="`cita models compare` lists them.")
        return [known[id] for id in ids]


@cache
def _adapter() -> "TypeAdapter[Comparison]":
    from pydantic import TypeAdapter

    return TypeAdapter(Comparison)


def _row(one: Comparison) -> list[str]:
    """The values of COMPARISON_COLUMNS."""
    value = json.dumps(_adapter().dump_python(one, mode="json", exclude=_OWN_COLUMNS))
    return [one.id, one.at, one.question, value, "" if one.better is None else str(one.better)]


def _comparison(row: dict[str, Any]) -> Comparison:
    own = {name: row[name] for name in ("id", "at", "question")}
    better = {"better": int(row["better"]) if row["better"] else None}
    return _adapter().validate_python(json.loads(row["value"]) | own | better)
