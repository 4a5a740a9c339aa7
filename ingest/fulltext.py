"""The full text of a catalogue: passages by the words that they have (BM25, Robertson and Zaragoza 2009).

The table `terms` holds each passage's analysed words, by its row; it changes in the transactions of the catalogue.
"""

import math
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ingest.analyse import LANGUAGES, content_words, stem, terms, words
from ingest.database import Database
from ingest.types import Passage, Source

FIELD_WEIGHTS = (2.0, 1.5, 1.0)  # title, headings, body in BM25
K1 = 1.2  # FTS5's own, for the bound on its scores


@dataclass(frozen=True, slots=True)
class Term:
    """A word of a question: its stems in every language, for a passage is stemmed in its own; its inverse document
    frequency (always above 0, of the commonest stem); the number of passages that have it; `bound`, the most that
    FTS5's BM25 can give for it (its idf is floored, and 0 for what no passage has)."""

    word: str
    stems: tuple[str, ...]
    idf: float
    frequency: int
    bound: float = 0.0


def known_by(title: str, path: str) -> str:
    """The words that a source is found by besides its text: those of its title, its folders and its name."""
    named = PurePosixPath(path).with_suffix("").as_posix()
    return " ".join(dict.fromkeys(words(f"{title} {named}")))


class FullText:
    """Search in the table of a catalogue's database. Raises what the database raises."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known_languages: tuple[str, frozenset[str]] = ("", frozenset(LANGUAGES))

    def question_terms(self, question: str) -> tuple[Term, ...]:
        """The question's content words with their weights in this library, in order and without repeats."""
        total = int(self._db.read("SELECT count(*) FROM passages")[0][0])
        languages = self._languages()
        return tuple(self._term(word, total, languages) for word in content_words(question))

    def _languages(self) -> frozenset[str]:
        """Those of all passages, looked up anew when the passages may have changed."""
        rows = self._db.read("SELECT value FROM meta WHERE key = 'generation'")
        generation = str(rows[0][0]) if rows else ""
        if self._known_languages[0] != generation:
            found = {str(language) for (language,) in self._db.read("SELECT DISTINCT language FROM passages")}
            self._known_languages = (generation, frozenset(found.union(LANGUAGES)))
        return self._known_languages[1]

    def _term(self, word: str, total: int, languages: Iterable[str]) -> Term:
        stems = tuple(sorted({stem(word, language) for language in languages}))
        counts = [row[0] for row in self._db.read_many("SELECT doc FROM vocabulary WHERE term IN", stems)]
        frequency = min(max(counts, default=0), total)
        seen = min(max(frequency, 1), total)  # a word of no passage tells as much as one of a single passage
        odds = (total - seen + 0.5) / (seen + 0.5)
        bound = max(math.log(odds), 1e-6) * (K1 + 1) if frequency else 0.0
        return Term(word, stems, math.log1p(odds), frequency, bound)

    def search_terms(self, question: Sequence[Term], limit: int, rows: Iterable[int] | None = None) -> dict[int, float]:
        """Row and BM25 score of the best `limit` passages.

        With `rows`, of all of those that match any term, however many.
        """
        # FTS5 would look up each of the others, passage by passage.
        known = [term for term in question if term.frequency]
        if not known:
            return {}
        match = " OR ".join(f'"{stem}"' for term in known for stem in term.stems)
        weights = ", ".join(map(str, FIELD_WEIGHTS))
        select = f"SELECT rowid, -bm25(terms, {weights}) AS score FROM terms WHERE terms MATCH ?"
        if rows is None:
            found = self._db.read(f"{select} ORDER BY score DESC, rowid LIMIT ?", (match, limit))
        else:
            found = list(self._db.read_many(f"{select} AND rowid IN", list(rows), (match,)))
        return {int(row): float(score) for row, score in found}


def insert(write: sqlite3.Connection, row: int, source: Source, passage: Passage) -> None:
    """The words of a passage that was stored at `row`."""
    fields = (known_by(source.title, source.path), " ".join(passage.headings), passage.text)
    write.execute(
        "INSERT INTO terms (rowid, title, headings, body) VALUES (?, ?, ?, ?)",
        (row, *(" ".join(terms(field, passage.language)) for field in fields)),
    )


def rename(write: sqlite3.Connection, source: int, title: str, path: str) -> None:
    """The passages of the source of that id are known by another name."""
    named = known_by(title, path)
    titles = {language: " ".join(terms(named, language)) for language in LANGUAGES}
    for row, language in write.execute("SELECT row, language FROM passages WHERE source = ?", (source,)).fetchall():
        title = titles[language] if language in titles else " ".join(terms(named, language))
        write.execute("UPDATE terms SET title = ? WHERE rowid = ?", (title, row))


def remove(write: sqlite3.Connection, source: int) -> None:
    """Takes out the words of the passages of the source of that id, before they are removed themselves."""
    write.execute("DELETE FROM terms WHERE rowid IN (SELECT row FROM passages WHERE source = ?)", (source,))
