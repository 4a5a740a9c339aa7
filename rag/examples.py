"""Examples: questions with the answers wanted for them, found again by similarity.

Each has the vector of its question, made when it is first needed by the embedder in use; another embedder makes them
anew. An example is known by its question and answer: the same one is kept once.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from errors import UsageError
from rag.history_file import EXAMPLE_COLUMNS, HistoryFile, checksum, now
from rag.types import Example, Hit

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from ingest.embed import Embedder

LONGEST = 20_000  # characters of a question or an answer

_COLUMNS = ", ".join((*EXAMPLE_COLUMNS, "checksum"))


class Examples:
    """Raises what HistoryFile raises."""

    def __init__(self, file: HistoryFile) -> None:
        self._file = file

    def all(self) -> list[Example]:
        """All, the newest first."""
        return [_example(row) for row in self._rows("ORDER BY at DESC, row DESC")]

    def keep(self, question: str, answer: str, hits: Sequence[Hit] = ()) -> None:
        """One that a good answer gives, with the passages that it cites as [1], [2], ..."""
        self._add([(question, answer, tuple(hits))], "kept")

    def add(self, pairs: Iterable[tuple[str, str]], origin: Literal["written", "imported"] = "written") -> int:
        """How many of them are new. Raises UsageError, and adds none, if a question or answer is empty or too long."""
        return self._add([(question, answer, ()) for question, answer in pairs], origin)

    def _add(self, examples: Sequence[tuple[str, str, tuple[Hit, ...]]], origin: str) -> int:
        rows = [_row(question, answer, hits, origin) for question, answer, hits in examples]
        added = 0
        with self._file.transaction() as write:
            for row in rows:
                added += write.execute(
                    f"INSERT OR IGNORE INTO examples ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, checksum(row))
                ).rowcount
        return added

    def delete(self, ids: Sequence[str]) -> None:
        """Also from the file's bytes. Raises UsageError, and deletes none, if one does not exist."""
        known = {example.id for example in self.all()}
        if missing := [id for id in ids if id not in known]:
            raise UsageError(f"There is no example {missing[0]!r}.", hint="`cita examples list` shows those there are.")
        with self._file.transaction() as write:
            write.executemany("DELETE FROM examples WHERE id = ?", [(id,) for id in ids])
        self._file.scrub()

    def like(self, question: str, k: int, embedder: "Embedder") -> list[Example]:
        """The `k` examples whose questions are most like this one, best first; `similarity` is the vectors' cosine."""
        import numpy as np

        examples = self.all()
        if not examples or not question.strip():
            return []
        asked = embedder.embed_query(question)
        vectors = self._vectors(examples, embedder, len(asked))
        matrix = np.stack([vectors[example.id] for example in examples])
        similar = matrix @ asked
        best = np.argsort(-similar, kind="stable")[:k]
        return [replace(examples[place], similarity=float(similar[place])) for place in best]

    def _vectors(self, examples: Sequence[Example], embedder: "Embedder", dimensions: int) -> dict[str, Any]:
        import numpy as np

        rows = self._file.read(
            "SELECT id, vector FROM examples WHERE embedder = ? AND vector IS NOT NULL", (embedder.fingerprint,)
        )
        sound = [(id, vector) for id, vector in rows if len(vector) == 4 * dimensions]
        known = {id: np.frombuffer(vector, np.float32) for id, vector in sound}
        made = {example.id: embedder.embed_query(example.question) for example in examples if example.id not in known}
        if made:
            values = [(embedder.fingerprint, np.asarray(v, np.float32).tobytes(), id) for id, v in made.items()]
            with self._file.transaction() as write:
                write.executemany("UPDATE examples SET embedder = ?, vector = ? WHERE id = ?", values)
        return known | made

    def _rows(self, order: str) -> list[dict[str, Any]]:
        return self._file.check(EXAMPLE_COLUMNS, self._file.read(f"SELECT {_COLUMNS} FROM examples {order}"))


def _row(question: str, answer: str, hits: tuple[Hit, ...], origin: str) -> tuple[str, ...]:
    question, answer = (text.encode(errors="replace").decode().strip() for text in (question, answer))
    for name, text in (("question", question), ("answer", answer)):
        if not re.search(r"\w", text):
            raise UsageError(f"An example's {name} is empty.", hint="Give a question and the answer wanted for it.")
        if len(text) > LONGEST:
            raise UsageError(f"An example's {name} is over {LONGEST} characters long.", hint="Shorten it.")
    id = hashlib.blake2b(json.dumps([question, answer]).encode(), digest_size=4).hexdigest()
    return id, now(), origin, question, answer, json.dumps(_adapter().dump_python(hits, mode="json"))


def _example(row: dict[str, Any]) -> Example:
    hits = _adapter().validate_python(json.loads(row["hits"]))
    return Example(**{**row, "hits": hits})


@cache
def _adapter() -> "TypeAdapter[tuple[Hit, ...]]":
    from pydantic import TypeAdapter

    return TypeAdapter(tuple[Hit, ...])
