"""Conversations: what was asked and answered, kept as it was shown, found again, rated.

`record` passes an answer's events on and keeps its turn: at once as one that was stopped, so that a process that is
killed leaves the question; at its end with all that was shown. What documents become later changes nothing in it:
`since` tells the difference when it is read (rag/evidence.py).
"""

import json
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from errors import CitaError, HistoryDamagedError, UsageError
from ingest.analyse import LANGUAGES, fold, stem
from ingest.types import Filters
from rag.comparisons import Comparisons
from rag.examples import Examples
from rag.history_file import (
    FILE,
    TURN_COLUMNS,
    HistoryFile,
    checksum,
    insert_turn,
    now,
    said_text,
)
from rag.types import (
    REMEMBERED,
    Answer,
    Completed,
    Conversation,
    ConversationSummary,
    Event,
    Evidence,
    Hit,
    KeptTurn,
    Rating,
    Recorded,
    Retrieved,
    Since,
    Token,
    Turn,
)

if TYPE_CHECKING:
    from pydantic import TypeAdapter

NEW, LAST = "new", "last"  # words for a conversation beside its id
NEAREST = 3  # passages that are kept of an abstention
MOST_COPIES = 10
TITLE = 70  # characters
SHORTEST_STEM = 4

Sha256 = Callable[[Hit], str]
Look = Callable[[Evidence], tuple[Since, str]]


# What of a turn has columns of its own; the rest is one value, as JSON. A key that an earlier Cita did not write has
# its default.
_COLUMNS = {"n", "at", "question", "rating", "reason"}


class History:
    """The conversations of the home whose folder is given, and its examples. Raises what HistoryFile raises."""

    def __init__(self, home: Path) -> None:
        self._file = HistoryFile(home / FILE)
        self.examples = Examples(self._file)
        self.comparisons = Comparisons(self._file)

    # --- keeping

    def check(self, conversation: str) -> str:
        """The id that is meant; NEW stays. Raises UsageError if there is no such conversation."""
        if conversation == NEW:
            return NEW
        if conversation == LAST:
            rows = self._file.read("SELECT conversation FROM turns ORDER BY at DESC, row DESC LIMIT 1")
        else:
            rows = self._file.read("SELECT id FROM conversations WHERE id = ?", (conversation,))
        if not rows:
            what = "is no conversation yet" if conversation == LAST else f"is no conversation {conversation!r}"
            raise UsageError(f"There {what}.", hint="`cita conversations list` shows those there are.")
        return str(rows[0][0])

    def turns(self, conversation: str) -> list[Turn]:
        """What a follow-up may lean on: the last turns that were answered, oldest first."""
        kept = self.conversation(conversation).turns if conversation != NEW else ()
        answered = [turn for turn in kept if turn.answer is not None and not turn.answer.stopped]
        return [Turn(turn.question, turn.answer.answer) for turn in answered[-REMEMBERED:] if turn.answer]

    def record(
        self,
        conversation: str,
        question: str,
        filters: Filters,
        k: int | None,
        events: Iterator[Event],
        sha256: Sha256,
    ) -> Iterator[Event]:
        """The events, after a Recorded. A turn that cannot be kept is said in Completed.problem; it costs no answer."""
        asked = question.encode(errors="replace").decode()
        turn, problem = KeptTurn(0, "", asked, filters=filters, k=k), ""  # its number and time are given below
        hits: tuple[Hit, ...] = ()
        with closing(cast("Any", events)):
            try:
                begun = self._begun(conversation, turn)
            except CitaError as error:
                begun, problem = None, str(error)
            if begun:
                yield begun
            try:
                for event in events:
                    if isinstance(event, Retrieved):
                        hits, turn = event.hits, replace(turn, understood=event.understood)
                    elif isinstance(event, Token):
                        turn = replace(turn, draft=turn.draft + event.text)
                    elif isinstance(event, Completed):
                        turn = _answered(turn, event.answer, hits, sha256)
                        problem = problem or self._kept(begun, turn)
                        begun, event = None, replace(event, problem=problem)
                    yield event
            except CitaError as error:
                self._kept(begun, replace(turn, state="failed", error=error.message, hint=error.hint))
                raise
            except BaseException:  # stopped: by whoever asked, or with the process
                self._kept(begun, turn)
                raise

    def _begun(self, conversation: str, turn: KeptTurn) -> Recorded:
        try:
            return self._begin(conversation, turn)
        except HistoryDamagedError:  # said in the log and in problems(); what could be read goes on in a new file
            return self._begin(conversation, turn)

    def _begin(self, conversation: str, turn: KeptTurn) -> Recorded:
        at = now()
        with self._file.transaction() as write:
            known = write.execute("UPDATE conversations SET changed_at = ? WHERE id = ?", (at, conversation)).rowcount
            if not known:  # a new one, or one that was deleted meanwhile
                conversation = secrets.token_hex(4)
                row = (conversation, _title(turn.question), at, at)
                write.execute("INSERT INTO conversations (id, title, started_at, changed_at) VALUES (?, ?, ?, ?)", row)
            (last,) = write.execute(
                "SELECT coalesce(max(n), 0) FROM turns WHERE conversation = ?", (conversation,)
            ).fetchone()
            insert_turn(write, conversation, last + 1, at, turn.question, _written(turn), "", "")
        return Recorded(conversation, last + 1)

    def _kept(self, begun: Recorded | None, turn: KeptTurn) -> str:
        """Why it could not be kept; '' if it is, or was not to be."""
        if begun is None:
            return ""
        try:
            with self._file.transaction() as write:
                _change(write, begun.conversation, begun.turn, value=_written(turn))
        except CitaError as error:
            return str(error)
        return ""

    # --- reading

    def conversations(self, matching: str = "") -> list[ConversationSummary]:
        """The conversations, newest first; `matching`: those with these words in their title or within one turn."""
        query = (
            "SELECT c.id, c.title, c.started_at, c.changed_at, count(t.row), sum(t.rating = 'good'),"
            " sum(t.rating = 'bad') FROM conversations c JOIN turns t ON t.conversation = c.id GROUP BY c.row"
            " ORDER BY max(t.at) DESC, max(t.row) DESC"
        )
        every = [ConversationSummary(*row) for row in self._file.read(query)]
        if not matching.strip():
            return every
        wanted = _words(matching)
        excerpts = self._excerpts(wanted)
        return [
            replace(one, excerpt=excerpts.get(one.id, ""))
            for one in every
            if one.id in excerpts or (wanted and _begins(wanted, _words(one.title)))
        ]

    def _excerpts(self, wanted: Sequence[str]) -> dict[str, str]:
        """The text of the best turn that has all words, by conversation."""
        alternatives = [" OR ".join(f'"{part}" *' for part in dict.fromkeys([word, *_stems(word)])) for word in wanted]
        if not alternatives:
            return {}
        rows = self._file.read(
            "SELECT t.conversation, snippet(said, -1, '', '', '…', 16) FROM said JOIN turns t ON t.row = said.rowid"
            " WHERE said MATCH ? ORDER BY said.rank DESC",
            (" AND ".join(f"({each})" for each in alternatives),),
        )
        return dict(rows)  # the last, which is the best, stays

    def conversation(self, id: str, look: Look | None = None) -> Conversation:
        """One with its turns; `look` says what has become of the evidence. Raises UsageError if there is none."""
        id = self.check(id)
        (row,) = self._file.read("SELECT id, title, started_at, changed_at FROM conversations WHERE id = ?", (id,))
        columns = f"{', '.join(TURN_COLUMNS)}, checksum"
        rows = self._file.read(f"SELECT {columns} FROM turns WHERE conversation = ? ORDER BY n", (id,))
        turns = [_turn(values) for values in self._file.check(TURN_COLUMNS, rows)]
        _, title, started_at, changed_at = row
        seen = tuple(_looked_at(turn, look) if look else turn for turn in turns)
        return Conversation(id, title, started_at, changed_at, seen)

    # --- changing

    def rename(self, id: str, title: str) -> None:
        """Raises UsageError if there is no such conversation, or the title is empty."""
        title = " ".join(title.encode(errors="replace").decode().split())
        if not title:
            raise UsageError("The title is empty.", hint="Give the conversation a name.")
        id = self.check(id)
        with self._file.transaction() as write:
            write.execute("UPDATE conversations SET title = ? WHERE id = ?", (title, id))

    def delete(self, ids: Sequence[str]) -> None:
        """Also from the file's bytes. Raises UsageError, and deletes none, if one does not exist."""
        known = [self.check(id) for id in ids]
        with self._file.transaction() as write:
            for id in known:
                write.execute("DELETE FROM said WHERE rowid IN (SELECT row FROM turns WHERE conversation = ?)", (id,))
                write.execute("DELETE FROM turns WHERE conversation = ?", (id,))
                write.execute("DELETE FROM conversations WHERE id = ?", (id,))
        if known:
            self._file.scrub()

    def forget(self) -> None:
        """All conversations and comparisons, and damaged files that were set aside."""
        self._file.forget_set_aside()
        if self._file.read("SELECT 1 FROM turns UNION ALL SELECT 1 FROM comparisons LIMIT 1"):
            with self._file.transaction() as write:
                for table in ("said", "turns", "conversations", "comparisons"):
                    write.execute(f"DELETE FROM {table}")
            self._file.scrub()

    def rate(self, id: str, n: int, rating: Rating | None, reason: str = "") -> None:
        """None takes a rating back. Raises UsageError if there is no such turn, or it has no answer."""
        id = self.check(id)
        turn = self._one(id, n)
        if rating is not None and turn.answer is None:
            raise UsageError(f"Turn {n} of conversation {id!r} has no answer.", hint="Rate one that has.")
        said = " ".join(reason.encode(errors="replace").decode().split()) if rating else ""
        with self._file.transaction() as write:
            _change(write, id, n, rating=rating or "", reason=said)

    def _one(self, id: str, n: int) -> KeptTurn:
        turns = self.conversation(id).turns
        found = next((turn for turn in turns if turn.n == n), None)
        if found is None:
            raise UsageError(f"Conversation {id!r} has no turn {n}; it has {len(turns)}.")
        return found

    def keep_example(self, id: str, n: int) -> None:
        """Keeps a turn's answer as an example. Raises UsageError if it has none that says something."""
        turn = self._one(id, n)
        if turn.answer is None or turn.answer.stopped or turn.answer.abstained:
            raise UsageError(f"Turn {n} of conversation {id!r} has no answer to keep.", hint="Choose one that has.")
        cited = {evidence.hit.passage.id: evidence.hit for evidence in turn.evidence}
        numbered = {citation.n: cited[citation.id] for citation in turn.answer.citations if citation.id in cited}
        hits = tuple(numbered[number] for number in sorted(numbered))
        self.examples.keep(turn.understood or turn.question, turn.answer.answer, hits)

    # --- the file

    def problems(self) -> list[str]:
        """The damaged files that were set aside, for as long as they are there."""
        return [
            f"{FILE} was damaged and is set aside as {file.name!r}; what could be read of it is kept. Move it away or"
            " delete it when you no longer need it."
            for file in self._file.set_aside()
        ]

    def lines(self) -> Iterator[str]:
        """All conversations and examples, for a backup."""
        return self._file.lines()

    def check_lines(self, lines: Iterable[str]) -> None:
        """Raises UsageError if merge() would."""
        self._file.check_lines(lines)

    def merge(self, lines: Iterable[str]) -> None:
        """Adds the conversations and examples of a backup that are not there; those that are stay as they are."""
        self._file.merge(lines)

    def close(self) -> None:
        self._file.close()


def _change(write: sqlite3.Connection, conversation: str, n: int, **changes: str) -> None:
    """Nothing where the turn was deleted meanwhile."""
    found = write.execute(
        f"SELECT row, {', '.join(TURN_COLUMNS)} FROM turns WHERE conversation = ? AND n = ?", (conversation, n)
    ).fetchone()
    if found is None:
        return
    row, *values = found
    changed = dict(zip(TURN_COLUMNS, values, strict=True)) | changes
    write.execute(
        "UPDATE turns SET value = ?, rating = ?, reason = ?, checksum = ? WHERE row = ?",
        (changed["value"], changed["rating"], changed["reason"], checksum(list(changed.values())), row),
    )
    write.execute("UPDATE said SET answer = ? WHERE rowid = ?", (said_text(changed["value"]), row))


def _answered(turn: KeptTurn, answer: Answer, hits: Sequence[Hit], sha256: Sha256) -> KeptTurn:
    """With the passages that are shown for it, as they are now."""
    nearest = answer.refusal.nearest if answer.refusal else ()
    quoted = {citation.id for citation in (*answer.citations, *nearest)}
    quoted |= {hit.passage.id for hit in hits[:NEAREST]} if answer.abstained else set()
    shown = [hit for hit in hits if hit.passage.id in quoted]
    evidence = tuple(Evidence(_plain(hit), sha256(hit)) for hit in shown)
    return replace(turn, state="answered", draft="", answer=answer, evidence=evidence)


def _plain(hit: Hit) -> Hit:
    """Without what only a search needs; copies are named, not quoted."""
    copies = tuple(replace(copy, text="", spans=()) for copy in hit.copies[:MOST_COPIES])
    return replace(hit, passage=replace(hit.passage, spans=()), copies=copies, explanation=None)


@cache
def _adapter() -> "TypeAdapter[KeptTurn]":
    from pydantic import TypeAdapter

    return TypeAdapter(KeptTurn)


def _written(turn: KeptTurn) -> str:
    return json.dumps(_adapter().dump_python(turn, mode="json", exclude=_COLUMNS))


def _turn(row: dict[str, Any]) -> KeptTurn:
    rating = row["rating"] if row["rating"] in get_args(Rating) else None
    columns = {name: row[name] for name in _COLUMNS} | {"rating": rating}
    return _adapter().validate_python(json.loads(row["value"]) | columns)


def _looked_at(turn: KeptTurn, look: Look) -> KeptTurn:
    found = [(evidence, *look(evidence)) for evidence in turn.evidence]
    return replace(turn, evidence=tuple(replace(one, since=since, now=path) for one, since, path in found))


def _title(question: str) -> str:
    line = " ".join(question.split())
    if len(line) <= TITLE:
        return line
    short = line[:TITLE].rpartition(" ")[0] or line[:TITLE]
    return f"{short}…"


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", fold(text))


def _stems(word: str) -> list[str]:
    """What other forms of the word begin with: 'contracts' -> 'contract'."""
    found = (stem(word, language) for language in LANGUAGES)
    return [stemmed for stemmed in found if len(stemmed) >= SHORTEST_STEM and word.startswith(stemmed)]


def _begins(wanted: Sequence[str], title: Sequence[str]) -> bool:
    """Whether each wanted word is the beginning of one of the title's, or shares its stem."""
    return all(any(word.startswith((part, *_stems(part))) for word in title) for part in wanted)
