"""The full text of a catalogue: passages by the words that they have (BM25, Robertson and Zaragoza 2009).

The table `terms` holds each passage's stems, by its row; it changes in the transactions of the catalogue. What is
searched is the inverted index that is made of the same passages (ingest.segments), which knows more: the words as they
are written, identifiers, dates. Where that is not made yet the table answers.
"""

import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ingest import segments
from ingest.analyse import (
    LANGUAGES,
    compounds,
    content_words,
    detect_language,
    fold,
    forms,
    phrase_pattern,
    phrases,
    stem,
    terms,
    words,
)  # fmt: skip
from ingest.arrays import Docs, Mask
from ingest.database import Database
from ingest.facts import fact
from ingest.postings import Postings, Scores
from ingest.segments import FORM, Segments, Sources, Words, frequency
from ingest.spelling import nearest
from ingest.stopwords import STOPWORDS
from ingest.types import Passage, Source

FIELD_WEIGHTS = (2.0, 1.5, 1.0)  # title, headings, body, where the table is searched
FORM_WEIGHT = 0.3  # of the very form beside the stem: 1 point of R@1 on SQuAD in both languages (docs/LOG.md)
PART_WEIGHT = 0.5  # of a part of an identifier, beside the whole
NEAR_WEIGHT = 0.5  # of a word that is spelt nearly so
WHOLE_WEIGHT = 0.5  # of an identifier or a date, beside its words
SHORTEST_PART = 4  # letters of a word that is run together with another
PHRASE_WEIGHT = 2.0  # of a phrase in quotes, beside its words: as much as these give at most

_TABLE_K1 = 1.2  # FTS5's own, for the bound on its scores
_READ = 200  # passages read at once in search of a phrase
_FEW = 20  # a share of a part's documents, below which each is looked up
_BLOCK = 64  # scores of which the greatest is looked at first

Rows = NDArray[np.int64]
View = segments.View[Postings]


@dataclass(frozen=True, slots=True)
class Term:
    """A word of a question: its stems in every language, for a passage is stemmed in its own; its inverse document
    frequency (above 0, of the commonest stem); the number of passages that have it; `bound`, the most that it adds to
    a score (0 for what no passage has).

    Some terms are other readings of the question's words: whole identifiers, their parts, dates, words spelt nearly so,
    phrases. They count in the search only: their idf is 0. A `phrase` adds its bound to the passages that have it; one
    of bound 0 is demanded of all.
    """

    word: str
    stems: tuple[str, ...]
    idf: float
    frequency: int
    bound: float = 0.0
    weights: tuple[tuple[str, float], ...] = ()  # of the keys of the inverted index
    phrase: str = ""


def known_by(title: str, path: str) -> str:
    """The words that a source is found by besides its text: those of its title, its folders and its name."""
    named = PurePosixPath(path).with_suffix("").as_posix()
    return " ".join(dict.fromkeys(words(f"{title} {named}")))


class FullText:
    """Search in a catalogue's database. Raises what the database raises.

    The inverted index has its files in `folder`, if one is given.
    """

    def __init__(self, db: Database, folder: Path | None = None) -> None:
        self._db = db
        self.sources = Sources(db)
        self.segments = Segments(db, folder, Words(db), self.sources)
        self._known_languages: tuple[str, frozenset[str]] = ("", frozenset(LANGUAGES))

    def question_terms(self, question: str) -> tuple[Term, ...]:
        """The question's content words with their weights in this library, in order and without repeats; after them
        other readings of these."""
        return self.segments.ask(
            lambda view: (*self._words(view, question), *self._readings(view, question)),
            lambda: self._table_terms(question),
        )

    def taken_apart(self, word: str) -> str:
        """A folded word that no passage has as the two that stand side by side in some passage and are this run
        together ('cashflow': 'cash flow'); itself where there are none."""
        return self.segments.ask(lambda view: self._apart(view, word), lambda: word)

    def search_terms(self, question: Sequence[Term], limit: int, rows: Iterable[int] | None = None) -> dict[int, float]:
        """Row and BM25 score of the best `limit` passages, best first and by their rows where equal; of those at `rows`
        if any are given. A limit of 0: of all that match any term, however many.

        Where the question is nothing but phrases a passage must have them.
        """
        asked = None if rows is None else _sorted_rows(rows)
        if not any(term.frequency for term in question):
            return {}
        return self.segments.ask(
            lambda view: self._search(view, question, limit, asked),
            lambda: self._search_table(question, limit, asked),
        )

    def save(self) -> None:
        """Writes the inverted index to its files. Raises OSError where that cannot be done."""
        self.segments.save()

    def keep_up(self) -> None:
        """Does some of the work of save() while an index run goes on."""
        self.segments.keep_up()

    def scrub(self, limit: int) -> None:
        """Takes what was deleted out of those of its files that have up to `limit` bytes. OSError as save()."""
        self.segments.scrub(limit)

    def close(self) -> None:
        self.segments.close()

    # --- the terms of a question

    def _languages(self) -> frozenset[str]:
        """Those of all passages, looked up anew when the passages may have changed."""
        generation = fact(self._db, "generation")
        if self._known_languages[0] != generation:
            found = {str(language) for (language,) in self._db.read("SELECT DISTINCT language FROM passages")}
            self._known_languages = (generation, frozenset(found.union(LANGUAGES)))
        return self._known_languages[1]

    def _stems(self, word: str) -> tuple[str, ...]:
        return tuple(sorted({stem(word, language) for language in self._languages()}))

    def _seen(self, view: View, word: str) -> int:
        return max(frequency(view, stem) for stem in self._stems(word))

    def _apart(self, view: View, word: str) -> str:
        if not self._seen(view, word):
            for at in range(SHORTEST_PART, len(word) - SHORTEST_PART + 1):
                one, other = word[:at], word[at:]
                if self._seen(view, one) and self._seen(view, other) and self._has_phrase(view, f"{one} {other}"):
                    return f"{one} {other}"
        return word

    def _words(self, view: View, question: str) -> Iterator[Term]:
        written = {fold(form): form for form in forms(question, detect_language(question))}
        for word in content_words(question):
            stems = self._stems(word)
            having = max(frequency(view, stem) for stem in stems)
            idf = segments.weight(having, view.total)
            weights = dict.fromkeys(stems, idf) if having else {}
            form = FORM + written.get(word, word)
            if seen := frequency(view, form):
                weights[form] = FORM_WEIGHT * segments.weight(seen, view.total)
            yield _term(word, stems, idf, having, weights, idf if having else 0.0)

    def _readings(self, view: View, question: str) -> Iterator[Term]:
        """Identifiers whole and in parts, dates, words spelt nearly so, phrases."""
        asked = content_words(question)
        spelt: set[str] = set()
        for compound in compounds(question, detect_language(question)):
            spelt.update(compound.words)
            factor = PART_WEIGHT if compound.parts else WHOLE_WEIGHT
            for key in dict.fromkeys(compound.parts or (compound.whole,)):  # terms are compared by their order
                if key not in asked and (having := frequency(view, key)):
                    yield _reading(key, key, having, factor * segments.weight(having, view.total))
        for word in asked:
            if word not in spelt and not any(frequency(view, stem) for stem in self._stems(word)):
                for near, having in nearest(word, [part for part, _ in view.parts], FORM):
                    yield _reading(near, FORM + near, having, NEAR_WEIGHT * segments.weight(having, view.total))
        quoted = [phrase for phrase in phrases(question) if self._has_phrase(view, phrase)]
        demanded = set(asked) <= {word for phrase in quoted for word in words(phrase)}
        for phrase in quoted:
            seen = (max(frequency(view, stem) for stem in self._stems(word)) for word in words(phrase))
            idfs = (segments.weight(having, view.total) for having in seen)
            yield Term(phrase, (), 0.0, 0, 0.0 if demanded else PHRASE_WEIGHT * sum(idfs), phrase=phrase)

    # --- in the inverted index

    def _search(self, view: View, question: Sequence[Term], limit: int, rows: Rows | None) -> dict[int, float]:
        demanded = [term.phrase for term in question if term.phrase and not term.bound]
        for phrase in demanded:
            having = self._candidates(view, phrase)
            rows = having if rows is None else np.intersect1d(rows, having)
        found, scores = _scored(view, question, rows)
        self._prefer(
            view, {term.phrase: term.bound for term in question if term.phrase and term.bound}, found, scores, limit
        )
        if not demanded:
            return _best(found, scores, limit)
        best = list(_best(found, scores, 0).items())
        kept: dict[int, float] = {}
        for start in range(0, len(best), _READ):
            portion = dict(best[start : start + _READ])
            fitting = self._having(list(portion), demanded)
            kept |= {row: score for row, score in portion.items() if row in fitting}
            if limit and len(kept) >= limit:
                break
        return dict(list(kept.items())[: limit or None])

    def _prefer(self, view: View, preferred: Mapping[str, float], rows: Rows, scores: Scores, limit: int) -> None:
        """Adds what the phrases give to the scores of the passages at `rows` that have them."""
        least = np.partition(scores, -limit)[-limit] if preferred and 0 < limit < len(scores) else np.float32(0.0)
        within_reach = scores + np.float32(sum(preferred.values())) >= least
        for phrase, bonus in preferred.items():
            likely = rows[within_reach & np.isin(rows, self._candidates(view, phrase))]
            having = self._having(likely.tolist(), [phrase])
            scores[np.isin(rows, np.fromiter(having, np.int64))] += np.float32(bonus)

    def _has_phrase(self, view: View, phrase: str) -> bool:
        """False for one of stop words only, which are not looked for."""
        rows = self._candidates(view, phrase).tolist()
        return any(self._having(rows[start : start + _READ], [phrase]) for start in range(0, len(rows), _READ))

    def _candidates(self, view: View, phrase: str) -> Rows:
        """Rows of the passages that have all the content words of a phrase, wherever, ascending."""
        groups = [self._stems(word) for word in words(phrase) if not any(word in stop for stop in STOPWORDS.values())]
        if not groups:
            return np.empty(0, np.int64)
        found = []
        for part, alive in view.parts:
            has = np.ones(len(part), bool) if alive is None else alive.copy()
            for stems in groups:
                one = np.zeros(len(part), bool)
                for key in stems:
                    one[part.find(key)[0]] = True
                has &= one
            found.append(part.rows[has])
        return np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)

    def _having(self, rows: Sequence[int], demanded: Sequence[str]) -> set[int]:
        """Those of the passages in which, or in whose headings or title, the phrases stand."""
        patterns = list(filter(None, map(phrase_pattern, demanded)))
        query = (
            "SELECT p.row, p.text, p.headings, s.title FROM passages p JOIN sources s ON s.id = p.source WHERE p.row IN"
        )
        found = ((row, fold("\n".join(map(str, fields)))) for row, *fields in self._db.read_many(query, rows))
        return {row for row, text in found if all(pattern.search(text) for pattern in patterns)}

    # --- in the table, where the inverted index is not made yet

    def _table_terms(self, question: str) -> tuple[Term, ...]:
        total = int(self._db.read("SELECT count(*) FROM passages")[0][0])
        found = []
        for word in content_words(question):
            stems = self._stems(word)
            counts = [row[0] for row in self._db.read_many("SELECT doc FROM vocabulary WHERE term IN", stems)]
            frequency = min(max(counts, default=0), total)
            odds = (total - frequency + 0.5) / (frequency + 0.5)
            bound = max(math.log(odds), 1e-6) * (_TABLE_K1 + 1) if frequency else 0.0
            weights = dict.fromkeys(stems, bound) if frequency else {}
            found.append(Term(word, stems, segments.weight(frequency, total), frequency, bound, tuple(weights.items())))
        return tuple(found)

    def _search_table(self, question: Sequence[Term], limit: int, rows: Rows | None) -> dict[int, float]:
        # FTS5 would look up each of the others, passage by passage.
        match = " OR ".join(f'"{stem}"' for term in question if term.frequency for stem in term.stems)
        if not match:
            return {}
        weights = ", ".join(map(str, FIELD_WEIGHTS))
        select = f"SELECT rowid, -bm25(terms, {weights}) AS score FROM terms WHERE terms MATCH ?"
        if rows is None:
            found = self._db.read(f"{select} ORDER BY score DESC, rowid LIMIT ?", (match, limit or -1))
        else:
            found = list(self._db.read_many(f"{select} AND rowid IN", rows.tolist(), (match,)))
            found = sorted(found, key=lambda item: (-item[1], item[0]))[: limit or None]
        return {int(row): float(score) for row, score in found}


def _term(
    word: str, stems: tuple[str, ...], idf: float, frequency: int, weights: Mapping[str, float], most: float
) -> Term:
    bound = (segments.K1 + 1) * (most + sum(value for key, value in weights.items() if key.startswith(FORM)))
    return Term(word, stems, idf, frequency, bound, tuple(weights.items()))


def _reading(word: str, key: str, frequency: int, weight: float) -> Term:
    """One that later stages need not look for in a passage."""
    return Term(word, (key,), 0.0, frequency, (segments.K1 + 1) * weight, ((key, weight),))


def _sorted_rows(rows: Iterable[int]) -> Rows:
    """An array ascends: that of a filter stays the very object (Documents.docs_of)."""
    return rows if isinstance(rows, np.ndarray) else np.sort(np.fromiter(rows, np.int64))


def _scored(view: View, question: Sequence[Term], rows: Rows | None) -> tuple[Rows, Scores]:
    """Rows of passages and their scores: of all, or of those at `rows`. Those without any term have 0."""
    weights = [weight for term in question for weight in term.weights]
    found = [_scored_part(part, alive, weights, rows) for part, alive in view.parts]
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    return np.concatenate([rows for rows, _ in found]), np.concatenate([scores for _, scores in found])


def _scored_part(
    part: Postings, alive: Mask | None, weights: Sequence[tuple[str, float]], rows: Rows | None
) -> tuple[Rows, Scores]:
    docs = None if rows is None else part.docs_of(rows)
    if docs is not None and alive is not None:
        docs = docs[alive[docs]]
    if docs is not None and len(docs) < len(part) / _FEW:
        return part.rows[docs], _scored_few(part, weights, docs)
    scores = np.zeros(len(part), np.float32)
    for key, weight in weights:
        having, impacts = part.find(key)
        scores[having] += np.float32(weight) * impacts.astype(np.float32)
    if docs is not None:
        return part.rows[docs], scores[docs]
    if alive is not None:
        scores[~alive] = 0.0
    return part.rows, scores


def _scored_few(part: Postings, weights: Sequence[tuple[str, float]], docs: Docs) -> Scores:
    """Each of a few documents is looked up."""
    scores = np.zeros(len(docs), np.float32)
    for key, weight in weights:
        having, impacts = part.find(key)
        if len(having):
            places = np.minimum(np.searchsorted(having, docs), len(having) - 1)
            hit = having[places] == docs
            scores[hit] += np.float32(weight) * impacts[places[hit]].astype(np.float32)
    return scores


def _best(rows: Rows, scores: Scores, limit: int) -> dict[int, float]:
    """The best `limit` (0: all) of those above 0, best first, by their rows where equal."""
    least = np.float32(0.0)
    if limit and limit * _BLOCK < len(scores):
        # The limit-th of the blocks' greatest is no more than the limit-th of all: what is below it is passed over.
        whole = scores[: len(scores) // _BLOCK * _BLOCK].reshape(-1, _BLOCK).max(axis=1)
        least = np.partition(whole, len(whole) - limit)[len(whole) - limit]
    kept = np.flatnonzero(scores >= least if least > 0 else scores > 0)
    order = kept[np.lexsort((rows[kept], -scores[kept]))][: limit or None]
    return dict(zip(rows[order].tolist(), scores[order].tolist(), strict=True))


# --- the table


def insert(write: sqlite3.Connection, row: int, source: Source, passage: Passage) -> None:
    """The words of a passage that was stored at `row`."""
    named = known_by(source.title, source.path)
    _insert(write, row, (named, " ".join(passage.headings), passage.text), passage.language)


def insert_all(write: sqlite3.Connection) -> None:
    """The words of all passages, into an empty table. A passage that is not what was written has none."""
    sources = write.execute("SELECT id, title, path FROM sources").fetchall()
    for id, title, path in sources:
        query = "SELECT row, headings, text, language FROM passages WHERE source = ?"
        for row, headings, text, language in write.execute(query, (id,)).fetchall():
            fields = ("", "", "")
            with suppress(ValueError, TypeError, AttributeError):
                fields = (known_by(title, path), " ".join(json.loads(headings)), str(text))
            _insert(write, row, fields, str(language))


def _insert(write: sqlite3.Connection, row: int, fields: Sequence[str], language: str) -> None:
    write.execute(
        "INSERT INTO terms (rowid, title, headings, body) VALUES (?, ?, ?, ?)",
        (row, *(" ".join(terms(field, language)) for field in fields)),
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
