"""Candidates for an extractive answer: the pieces of the best passages, each with the signs that it answers."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ingest.catalog import Catalog
from ingest.embed import Embedder
from ingest.fulltext import known_by
from ingest.types import Passage
from rag.answer_signs import Around, Ask, Rated, Signs, kind_sign, rated_values, word_signs
from rag.answer_type import asks_yes_or_no
from rag.cell import Cell, is_named, named_cell, names_known
from rag.fusion import language_match
from rag.pieces import Piece, pieces
from rag.reader import Read, read_pieces, read_signs, shipped_reader
from rag.tables import Table, read_tables, unit_in, with_columns
from rag.types import Hit

PASSAGES = 6  # of which pieces are considered
EMBEDDED = 16  # pieces, the best by their words
EMBEDDED_ACROSS = 32  # where words say little, for the best passage is in another language
OF_KIND = 0.3  # what a value of the kind asked for is worth in a piece that adds to another, in shares of the question
_FISCAL = re.compile(r"\b(FY|fy)(?=\d\d)")  # 'FY2019' is a year too
PAGES_BACK = 4  # passages before one that goes on with a table, in which its header is looked for


@dataclass(frozen=True, slots=True)
class Candidate:
    """A piece of the passage that is number `n` (1-based) of the hits. `values` are those of the kind asked for, the
    likeliest first; `cell` is the one of a table's row that the question names, `read` what the reader saw in the
    piece, if it looked."""

    n: int
    piece: Piece
    text: str
    signs: Signs
    values: tuple[Rated, ...]
    cell: Cell | None = None
    read: Read | None = None


class Gatherer:
    """Gathers candidates. Thread-safe; nothing to load or close."""

    def __init__(self, catalog: Catalog, embedder: Embedder) -> None:
        self._catalog = catalog
        self._embedder = embedder
        self._reader = shipped_reader()

    def gather(self, question: str, language: str, hits: Sequence[Hit]) -> tuple[Ask, list[Candidate]]:
        """The question as it was read, and the pieces worth a thought in the order of the hits."""
        question = _FISCAL.sub(r"\1 ", question)
        ask = Ask(question, self._catalog.question_terms(question), language)
        drafts = [draft for n, hit in enumerate(hits, start=1) for draft in self._drafts(ask, n, hit)]
        if not drafts:
            return ask, []
        known = self._embedder.fingerprint
        across = [language_match(language, hit.passage.language, known) == "to_known" for hit in hits]
        most = EMBEDDED_ACROSS if across[0] else EMBEDDED
        drafts = sorted(drafts, key=lambda draft: -draft.promise)[:most]
        drafts.sort(key=lambda draft: (draft.n, draft.piece.start))
        vectors = self._embedder.embed_passages([_in_context(draft, hits[draft.n - 1]) for draft in drafts])
        cosines = vectors @ self._embedder.embed_query(question)
        best_score, best_cosine = max(hit.score for hit in hits) or 1.0, float(max(cosines))
        seen = [{one.value.key for one in draft.values} for draft in drafts]
        places = [(draft.n, draft.piece.start, draft.piece.end) for draft in drafts]
        # The reader looks for a few words that answer, which no text has for such a question.
        is_read = not asks_yes_or_no(question, language)
        texts = [hit.passage.text for hit in hits]
        read = read_pieces(self._reader, question, texts, places) if is_read else [None] * len(places)
        return ask, [
            Candidate(
                draft.n,
                draft.piece,
                draft.text,
                draft.signs
                | {
                    "cosine": float(cosine),
                    "another language": float(across[draft.n - 1]),
                    "cosine in another language": float(cosine) * across[draft.n - 1],
                    "cosine below the best": best_cosine - float(cosine),
                    "passage's score": max(0.0, hits[draft.n - 1].score / best_score),
                    "passage's rank": 1 / draft.n,
                    "agreement": _agreement(number, drafts, seen),
                    **read_signs(read[number], is_read=is_read),
                },
                draft.values,
                draft.cell,
                read[number],
            )
            for number, (draft, cosine) in enumerate(zip(drafts, cosines, strict=True))
        ]

    def adding(self, ask: Ask, n: int, hit: Hit, said: str) -> Candidate | None:
        """The piece of the hit number `n` that has most of what is asked and `said` has not: the question's other
        words, a value of the kind asked for. None if no piece has any of it."""
        language = hit.passage.language
        there = set(ask.places(said, language))
        best, most = None, 0.0
        for draft in self._drafts(ask, n, hit, every=True):
            adds = ask.share(set(ask.places(draft.text, language)) - there) + OF_KIND * bool(draft.values)
            if adds > most:
                best, most = draft, adds
        return Candidate(n, best.piece, best.text, best.signs, best.values) if best else None

    def _drafts(self, ask: Ask, n: int, hit: Hit, *, every: bool = False) -> list["_Draft"]:
        """The pieces of a passage; of one that is far down only rows with a cell that the question names, unless
        `every` is wanted."""
        passage = hit.passage
        language, text = passage.language, passage.text
        named = dict(self._cells(ask, hit))
        every = every or n <= PASSAGES
        if not every and not named:
            return []
        above = set(ask.places(" ".join([known_by(hit.title, passage.path), *passage.headings]), language)) - {-1}
        whole = set(ask.places(text, language)) - {-1}
        found: list[_Draft] = []
        before: set[int] = set()
        for number, piece in enumerate(pieces(text)):
            said = text[piece.start : piece.end]
            cell = named.get(piece.start)
            if cell and not names_known(ask, above | whole):
                cell = replace(cell, exact=False)
            if every or cell:
                with_header = f"{text[slice(*piece.header)]}\n{said}" if piece.header else said
                rated = tuple(rated_values(ask, said, language))
                signs = word_signs(ask, with_header, language, Around(above, whole, before))
                signs["kind"] = kind_sign(ask, rated, said)
                signs["nearness"] = rated[0].nearness if rated else 0.0
                signs["begins"] = float(number == 0)
                signs["question"] = float(said.rstrip().endswith("?"))
                found.append(_Draft(n, piece, said, signs, rated, cell))
            before = set(ask.places(said, language)) - {-1}
        return found

    def _cells(self, ask: Ask, hit: Hit) -> Iterator[tuple[int, Cell]]:
        """The cells of the passage's tables that the question names, by where their rows begin."""
        language, title = hit.passage.language, known_by(hit.title, hit.passage.path)
        for table in read_tables(hit.passage.text):
            rows = [row for row in table.rows if is_named(row.label, ask.question, title, language)]
            if not table.unit:
                table = replace(table, unit=unit_in(" ".join(hit.passage.headings)))
            if rows and not (table.columns and table.unit):
                table = self._continued(table, hit.passage)
            for row in rows:
                if cell := named_cell(ask, table, row, language):
                    yield row.start, cell

    def _continued(self, table: Table, passage: Passage) -> Table:
        """The table with the columns, and what it is counted in, that stand before it on its page."""
        before = passage
        for _ in range(PAGES_BACK):
            beside = self._catalog.neighbours([before.id]).get(before.id, [])
            if not beside or beside[0].position >= before.position or not _same_page(beside[0], passage):
                break
            before = beside[0]
            for other in reversed(read_tables(before.text)):
                table = with_columns(table, other)
            if table.columns and table.unit:
                break
        return table


def _same_page(one: Passage, other: Passage) -> bool:
    return one.page is None or other.page is None or (one.page_to or one.page) >= other.page


@dataclass(frozen=True, slots=True)
class _Draft:
    n: int
    piece: Piece
    text: str
    signs: dict[str, float]
    values: tuple[Rated, ...]
    cell: Cell | None

    @property
    def promise(self) -> float:
        """By words alone, for what is to be embedded."""
        signs = self.signs
        named = 1.0 if self.cell else 0.0
        return signs["words"] + 0.3 * signs["words with the piece before"] + 0.3 * signs["kind"] + 0.3 / self.n + named


def _in_context(draft: _Draft, hit: Hit) -> str:
    header = hit.passage.text[slice(*draft.piece.header)] if draft.piece.header else ""
    above = hit.passage.headings[-1] if hit.passage.headings else hit.title
    return "\n".join(filter(None, (above, header, draft.text)))


def _agreement(number: int, drafts: Sequence[_Draft], seen: Sequence[set[frozenset[str]]]) -> float:
    """How many other passages have the piece's likeliest value: none 0, one .5, more towards 1."""
    if not drafts[number].values:
        return 0.0
    key = drafts[number].values[0].value.key
    others = {draft.n for draft, keys in zip(drafts, seen, strict=True) if draft.n != drafts[number].n and key in keys}
    return 1 - 1 / (1 + len(others))
