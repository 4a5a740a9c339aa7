"""The vectors of a catalogue's passages by their rows, mapped from files, and the nearest of them to a question's.

Of many, those are compared whose numbers have the most signs in common with the question's: a bit a number, so that a
million passages are 48 MB to look through (sign random projections, Charikar 2002, "Similarity Estimation Techniques
from Rounding Algorithms", here without the projection, which brought nothing). Of as few as are compared in about the
same time, all are. A passage's vector is checked when it is first used.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from errors import VectorIndexError
from ingest import arrays
from ingest.arrays import DOCUMENTS, Arrays, ArraysDamagedError, Docs, Documents, Format, Mask, Owner
from ingest.database import Database, damaged
from ingest.embed import Vectors
from ingest.facts import fact
from ingest.filters import Rows

STEM = "vectors"  # how the files' names begin
COMPARED = 5_000  # vectors of which all are compared
SHARE = (
    125  # of more vectors so small a part, and never fewer than COMPARED: .99 of the 100 nearest (benchmarks/scale.py)
)

_BLOCK = 1 << 15  # vectors whose signs are looked at together: they stay in the processor's cache
_DENSE = 4  # a share of the documents, from which on the signs of all are looked at

Distances = NDArray[np.uint16]

_FORMAT = Format(
    b"CitaVecs",
    1,
    {
        **DOCUMENTS,
        "signs": np.uint64,  # (words, documents)
        "sums": np.uint64,  # (documents,) checksums of their vectors
        "vectors": np.float32,  # (documents, dimensions)
    },
    later=("vectors",),
)


class Matrix(Documents):
    """The arrays above."""

    def __init__(self, arrays: Arrays, file: Path | None = None) -> None:
        super().__init__(arrays, file)
        self.vectors: Vectors = arrays["vectors"]
        self._signs: NDArray[np.uint64] = arrays["signs"]
        self._checked: Mask | None = None if file is None else np.zeros(len(self), bool)

    @property
    def dimensions(self) -> int:
        return int(self.vectors.shape[1])

    def at(self, docs: Docs | slice) -> Vectors:
        """The vectors of these documents."""
        found = self.vectors[docs]
        if self._checked is not None and not self._checked[docs].all():
            if not np.array_equal(_sums(found), self.arrays["sums"][docs]):
                raise ArraysDamagedError("its vectors are not what was written")
            self._checked[docs] = True
        return found

    def check(self) -> None:
        """Raises ArraysDamagedError unless all of a file is as it was written."""
        for start in range(0, len(self) if self._checked is not None else 0, _BLOCK):
            self.at(slice(start, start + _BLOCK))

    def nearest(
        self, query: Vectors, k: int, docs: Docs | None = None, compared: int = COMPARED
    ) -> tuple[Docs, Vectors]:
        """The (at most k) nearest documents with their cosines, in no order; among `docs` (ascending) if any are given.
        About so many are `compared`, those of most signs in common.

        Raises VectorIndexError if the query is of another length than the vectors.
        """
        if not self.dimensions:
            return np.empty(0, np.int32), np.empty(0, np.float32)
        if len(query) != self.dimensions:
            raise other_length(query, self.vectors[0])
        likely = self._likely(query, max(k, compared), docs)
        # Not `@`: its threads wait for each other when the machine is busy (20,000 x 384: 15 ms, einsum 2 ms).
        cosines = np.einsum("ij,j->i", self.at(slice(None) if likely is None else likely), query)
        k = min(k, len(cosines))
        best = np.argpartition(-cosines, k - 1)[:k] if k else np.empty(0, np.int64)
        return best.astype(np.int32) if likely is None else likely[best], cosines[best]

    def _likely(self, query: Vectors, wanted: int, docs: Docs | None) -> Docs | None:
        """Those of the documents that are to be compared; None for all there are."""
        if (len(self) if docs is None else len(docs)) <= wanted:
            return docs
        distances = self._distances(query, docs)
        within = np.searchsorted(np.cumsum(np.bincount(distances)), wanted)
        likely = np.flatnonzero(distances <= within).astype(np.int32)
        return likely if docs is None else docs[likely]

    def _distances(self, query: Vectors, docs: Docs | None) -> Distances:
        """How many signs of each differ from the query's."""
        asked = _signs(query[None])[:, 0]
        if docs is not None and len(docs) < len(self) / _DENSE:
            return _differing(self._signs[:, docs], asked)
        all_of_them = _differing(self._signs, asked)
        return all_of_them if docs is None else all_of_them[docs]


def other_length(query: Vectors, vector: Vectors) -> VectorIndexError:
    return VectorIndexError(
        f"The question's vector has {len(query)} numbers, the index's {len(vector)}.",
        hint="Index again with the embedder in use.",
    )


def _differing(signs: NDArray[np.uint64], asked: NDArray[np.uint64]) -> Distances:
    found = np.zeros(signs.shape[1], np.uint16)
    for start in range(0, len(found), _BLOCK):
        own = found[start : start + _BLOCK]
        for word, wanted in zip(signs[:, start : start + _BLOCK], asked, strict=True):
            own += np.bitwise_count(word ^ wanted)
    return found


def _signs(vectors: Vectors) -> NDArray[np.uint64]:
    """(words, vectors): 64 signs in a word."""
    bits = np.packbits(vectors > 0, axis=1)
    padded = np.zeros((len(vectors), -(-bits.shape[1] // 8) * 8), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return np.ascontiguousarray(padded.view(np.uint64).T)


def _sums(vectors: Vectors) -> NDArray[np.uint64]:
    """Of each vector's bits: one that changes changes it."""
    found: NDArray[np.uint64] = np.ascontiguousarray(vectors).view(np.uint32).sum(axis=1, dtype=np.uint64)
    return found


def build(owners: Sequence[Owner], vectors: Vectors) -> Matrix:
    """Of the vectors (documents, dimensions) of all rows of the owners, in order."""
    return Matrix({**arrays.documents(owners), "signs": _signs(vectors), "sums": _sums(vectors), "vectors": vectors})


def merge(parts: Sequence[tuple[Matrix, Mask]]) -> Matrix:
    """One of several, with those of the documents that their masks keep: of each owner all or none.

    Raises ArraysDamagedError if a file among them is damaged.
    """
    owners: list[Owner] = []
    for part, alive in parts:
        part.check()
        owners += part.kept_owners(alive)
    return build(owners, np.concatenate([part.vectors[alive] for part, alive in parts]))


def write(matrix: Matrix, folder: Path) -> Matrix:
    """Writes it into a new file of the folder, whole or not at all (OSError), and opens that."""
    return open_file(arrays.write(matrix.arrays, _FORMAT, folder, STEM))


def open_file(file: Path) -> Matrix:
    """Raises ArraysDamagedError if it is not a whole file of this version, OSError if it cannot be read."""
    return Matrix(arrays.read(file, _FORMAT), file)


class Matrices:
    """Implements Kind (ingest.segments) by these. They are of one embedder, and of one catalogue."""

    stem = STEM
    at_once = 50_000  # read in some second
    largest = 200_000  # merging holds it in memory: 300 MB at 384 numbers

    def __init__(self, db: Database) -> None:
        self._db = db

    def stamp(self) -> str:
        return f"{fact(self._db, 'lineage')} {fact(self._db, 'embedder')} "

    def build(self, owners: Sequence[Owner]) -> Matrix:
        """A passage whose vector is lost has zeros. Raises VectorIndexError if they are not all of one length."""
        values = dict(self._db.read_many(_VECTORS, [owner.id for owner in owners]))
        if len(lengths := set(map(len, values.values()))) > 1:
            raise VectorIndexError(f"The index's vectors have {lengths} bytes.", hint="Run `cita rebuild`.")
        zeros = bytes(lengths.pop() if lengths else 0)
        found = b"".join(values.get(row, zeros) for owner in owners for row in owner.rows)
        try:
            count = sum(len(owner.rows) for owner in owners)
            vectors = np.frombuffer(found, np.float32).reshape(count, len(zeros) // 4)
        except (ValueError, TypeError) as error:
            raise damaged(self._db.path, f"a vector is not what was written ({error})") from error
        return build(owners, vectors)

    def merge(self, parts: Sequence[tuple[Matrix, Mask]]) -> Matrix:
        return merge(parts)

    def write(self, part: Matrix, folder: Path) -> Matrix:
        return write(part, folder)

    def open(self, file: Path) -> Matrix:
        return open_file(file)


_VECTORS = "SELECT p.row, v.value FROM passages p JOIN vectors v ON v.key = p.vector WHERE p.source IN"


def nearest(
    parts: Sequence[tuple[Matrix, Mask | None]], query: Vectors, k: int, rows: Rows | None = None
) -> dict[int, float]:
    """Row and cosine of the k nearest passages, among `rows` (ascending) if any are given, best first and by their rows
    where equal. Raises VectorIndexError if the query is of another length than the vectors."""
    among = [(part, _kept(part, alive, rows)) for part, alive in parts]
    counts = [len(part) if docs is None else len(docs) for part, docs in among]
    share = max(COMPARED, sum(counts) // SHARE) / max(sum(counts), 1)
    best: list[tuple[int, float]] = []
    for (part, docs), count in zip(among, counts, strict=True):
        found, cosines = part.nearest(query, k, docs, math.ceil(share * count))
        best += zip(part.rows[found].tolist(), cosines.tolist(), strict=True)
    return dict(sorted(best, key=lambda item: (-item[1], item[0]))[:k])


def _kept(part: Matrix, alive: Mask | None, rows: Rows | None) -> Docs | None:
    """The documents of a part that are true and among the rows; None for all."""
    if rows is None:
        return None if alive is None else np.flatnonzero(alive).astype(np.int32)
    docs = part.docs_of(rows)
    return docs if alive is None else docs[alive[docs]]


def vectors_at(parts: Sequence[tuple[Matrix, Mask | None]], rows: Rows) -> dict[int, Vectors]:
    """The vectors of the passages at those of these (ascending) rows that there are."""
    found: dict[int, Vectors] = {}
    for part, alive in parts:
        docs = _kept(part, alive, rows)
        assert docs is not None
        found.update(zip(part.rows[docs].tolist(), part.at(docs), strict=True))
    return found
