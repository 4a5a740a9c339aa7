"""Candidates for an extractive answer: the pieces of the best passages, each with the signs that it answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.catalog import Catalog
from ingest.embed import Embedder
from ingest.fulltext import known_by
from rag.answer_signs import Around, Ask, Rated, Signs, kind_sign, rated_values, word_signs
from rag.pieces import Piece, pieces
from rag.types import Hit

PASSAGES = 6  # of which pieces are considered
EMBEDDED = 16  # pieces, the best by their words


@dataclass(frozen=True, slots=True)
class Candidate:
    """A piece of the passage that is number `n` (1-based) of the hits. `values` are those of the kind asked for, the
    likeliest first."""

    n: int
    piece: Piece
    text: str
    signs: Signs
    values: tuple[Rated, ...]


class Gatherer:
    """Gathers candidates. Thread-safe; nothing to load or close."""

    def __init__(self, catalog: Catalog, embedder: Embedder) -> None:
        self._catalog = catalog
        self._embedder = embedder

    def gather(self, question: str, language: str, hits: Sequence[Hit]) -> tuple[Ask, list[Candidate]]:
        """The question as it was read, and the pieces worth a thought in the order of the hits."""
        ask = Ask(question, self._catalog.question_terms(question), language)
        drafts = [draft for n, hit in enumerate(hits[:PASSAGES], start=1) for draft in _drafts(ask, n, hit)]
        drafts = sorted(drafts, key=lambda draft: -draft.promise)[:EMBEDDED]
        if not drafts:
            return ask, []
        drafts.sort(key=lambda draft: (draft.n, draft.piece.start))
        vectors = self._embedder.embed_passages([_in_context(draft, hits[draft.n - 1]) for draft in drafts])
        cosines = vectors @ self._embedder.embed_query(question)
        best_score, best_cosine = max(hit.score for hit in hits) or 1.0, float(max(cosines))
        seen = [{one.value.key for one in draft.values} for draft in drafts]
        return ask, [
            Candidate(
                draft.n,
                draft.piece,
                draft.text,
                draft.signs
                | {
                    "cosine": float(cosine),
                    "cosine below the best": best_cosine - float(cosine),
                    "passage's score": max(0.0, hits[draft.n - 1].score / best_score),
                    "passage's rank": 1 / draft.n,
                    "agreement": _agreement(number, drafts, seen),
                },
                draft.values,
            )
            for number, (draft, cosine) in enumerate(zip(drafts, cosines, strict=True))
        ]


@dataclass(frozen=True, slots=True)
class _Draft:
    n: int
    piece: Piece
    text: str
    signs: dict[str, float]
    values: tuple[Rated, ...]

    @property
    def promise(self) -> float:
        """By words alone, for what is to be embedded."""
        signs = self.signs
        return signs["words"] + 0.3 * signs["words with the piece before"] + 0.3 * signs["kind"] + 0.3 / self.n


def _drafts(ask: Ask, n: int, hit: Hit) -> list[_Draft]:
    passage = hit.passage
    language, text = passage.language, passage.text
    above = set(ask.places(" ".join([known_by(hit.title, passage.path), *passage.headings]), language)) - {-1}
    whole = set(ask.places(text, language)) - {-1}
    found: list[_Draft] = []
    before: set[int] = set()
    for number, piece in enumerate(pieces(text)):
        said = text[piece.start : piece.end]
        with_header = f"{text[slice(*piece.header)]}\n{said}" if piece.header else said
        rated = tuple(rated_values(ask, said, language))
        signs = word_signs(ask, with_header, language, Around(above, whole, before))
        signs["kind"] = kind_sign(ask, rated, said)
        signs["nearness"] = rated[0].nearness if rated else 0.0
        signs["begins"] = float(number == 0)
        signs["question"] = float(said.rstrip().endswith("?"))
        found.append(_Draft(n, piece, said, signs, rated))
        before = set(ask.places(said, language)) - {-1}
    return found


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
