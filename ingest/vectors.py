"""Nearest neighbours over the catalogue's vectors, always current: every search sees what the catalogue has then.

Large libraries are searched in a sealed Chroma folder (ingest/chroma.py); what came after its seal is compared
exactly beside it, and what was deleted since is left out. Without a folder that can be trusted, and in libraries
that are compared faster than Chroma is opened, search is exact; very large ones are searched in the catalogue's own
matrix (ingest/matrix.py), and so is every library within a filter. Nothing is ever parsed or embedded for that.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from errors import VectorIndexError
from ingest.catalog import Catalog
from ingest.chroma import ChromaIndex, Draft, Seal, break_seal, is_intact, read_seal, remove_unsealed
from ingest.embed import Vectors
from ingest.filters import Rows
from ingest.matrix import other_length

log = logging.getLogger("cita.vectors")

Neighbours = list[tuple[str, float]]  # keys and cosines, best first

SMALL = 1_000  # vectors; up to here search is exact, and there is no Chroma folder
MOST = 200_000  # vectors; of more the matrix serves: Chroma takes over a millisecond to take in each
_PORTION = 10_000  # vectors read at once
_TURN = 1_000  # new vectors that are worth a turn of a draft: Chroma writes its files anew each time
_BEHIND = 256  # vectors that a derived index may lack, or have too many, however few there are


class VectorIndex(Protocol):
    @property
    def name(self) -> str:
        """What `cita status` shows."""
        ...

    def search(self, query: Vectors, k: int) -> Neighbours:
        """The k nearest vectors, fewer if there are fewer. From any thread.

        Raises VectorIndexError if the query is of another length than the vectors.
        """
        ...

    def close(self) -> None: ...


class ExactIndex:
    """The catalogue's vectors numbered above `after`, all compared, in memory (4 bytes x dimensions x vectors).

    They are read at the first search, and then only what is new, until a good part has been deleted.
    """

    name = "exact"

    def __init__(self, catalog: Catalog, after: int = 0) -> None:
        self._catalog = catalog
        self._after = after
        self._lock = threading.Lock()
        self._moment = ("", "")  # lineage and generation of the catalogue when it was last read
        self._clear()

    def search(self, query: Vectors, k: int) -> Neighbours:
        with self._lock, self._catalog.snapshot():
            self._refresh()
            return _current(self._catalog, lambda wanted: self._nearest(query, wanted), k, self._gone)

    def has(self, key: str) -> bool:
        """Whether it was there at the last search, or was before."""
        return key in self._rows

    def close(self) -> None:
        pass

    def _nearest(self, query: Vectors, k: int) -> Neighbours:
        if not self._keys:
            return []
        places, cosines = _best(self._matrix[: len(self._keys)], query, k)
        order = np.argsort(-cosines, kind="stable")
        found = zip(places[order].tolist(), cosines[order].tolist(), strict=True)
        return [(key, cosine) for row, cosine in found for key in [self._keys[row]] if self._rows[key] == row]

    def _refresh(self) -> None:
        moment = (self._catalog.lineage, self._catalog.generation)
        if moment == self._moment:
            return
        if moment[0] != self._moment[0]:
            self._clear()
        try:
            self._append()
        except VectorIndexError:  # another embedder's, after those of the last one
            self._clear()
            self._append()
        there = self._catalog.count_vectors() - self._catalog.count_vectors(self._after)
        self._gone = len(self._keys) - there
        if self._gone > _tolerated(there) or not there:  # what comes next may be another embedder's
            self._clear()
            self._append()
        self._moment = moment

    def _clear(self) -> None:
        self._number = self._after
        self._keys: list[str] = []
        self._rows: dict[str, int] = {}  # of a key that was deleted and came again, the last
        self._matrix: Vectors = np.empty((0, 0), np.float32)
        self._gone = 0  # rows that are no longer in the catalogue

    def _append(self) -> None:
        for keys, vectors, number in _portions(self._catalog, self._number):
            start, end = len(self._keys), len(self._keys) + len(keys)
            if start and vectors.shape[1] != self._matrix.shape[1]:
                raise VectorIndexError("The index's vectors are not all of one length.", hint="Run `cita rebuild`.")
            if end > len(self._matrix):
                room = max(end, 2 * len(self._matrix), 0 if start else self._catalog.count_vectors())
                grown = np.empty((room, vectors.shape[1]), np.float32)
                if start:
                    grown[:start] = self._matrix[:start]
                self._matrix = grown
            self._matrix[start:end] = vectors
            self._keys += keys
            self._rows.update(zip(keys, range(start, end), strict=True))
            self._number = number


def _best(matrix: Vectors, query: Vectors, k: int) -> tuple[Rows, Vectors]:
    """Places of the (at most k) nearest vectors of a matrix that has any, in no order, with their cosines."""
    if len(query) != matrix.shape[1]:
        raise other_length(query, matrix[0])
    # Not `@`: its threads wait for each other when the machine is busy (20,000 x 384: 15 ms, einsum 2 ms).
    cosines = np.einsum("ij,j->i", matrix, query)
    k = min(k, len(matrix))
    nearest = np.argpartition(-cosines, k - 1)[:k]
    return nearest, cosines[nearest]


class LiveIndex:
    """The nearest-neighbour index of a home, for the engine: the only one that has Chroma's folder open.

    Search is right at any time, whatever state Chroma's files are in; update() keeps them worth searching. `lazy`: the
    matrix, which is sooner opened than Chroma (0.5 s and more), answers the first question, as a command asks no other,
    and then those that come until another thread has Chroma's folder open.
    """

    def __init__(self, index: Path, catalog: Catalog, *, lazy: bool = False) -> None:
        self._index = index
        self._catalog = catalog
        self._lock = threading.Lock()  # guards what serves
        self._updating = threading.Lock()
        self._moment = ("", "")  # lineage and generation of the catalogue when it was last asked which serves
        self._chroma: ChromaIndex | None = None
        self._exact = ExactIndex(catalog)  # of all vectors, or of those after Chroma's
        self._gone = 0  # vectors in Chroma that are no longer in the catalogue
        self._many = False  # so many vectors that the matrix serves
        self._draft: _GrowingDraft | None = None  # for the next update()
        self._lazy = lazy
        self._is_new = lazy  # no second question was asked yet
        self._first: Vectors | None = None
        self._opening: tuple[Seal, Future[ChromaIndex]] | None = None

    @property
    def name(self) -> str:
        """What serves search, or would: nothing is opened for it."""
        if self._catalog.count_vectors() > MOST:
            return "matrix"
        return "chroma" if self._worth_opening() else "exact"

    def search(self, query: Vectors, k: int) -> Neighbours:
        with self._lock, self._catalog.snapshot():
            if self._is_first(query) or not self._refresh() or self._many:
                return self._in_matrix(query, k)
            nearest = self._exact.search(query, k)
            if self._chroma is None:
                return nearest
            try:
                nearest += self._in_chroma(self._chroma, query, k)
            except VectorIndexError as error:
                log.warning("%s", error)
                break_seal(self._index)
                self._serve(None)
                return self._exact.search(query, k)
            return sorted(nearest, key=lambda found: -found[1])[:k]

    def _is_first(self, query: Vectors) -> bool:
        """Whether it is the first question, as often as that is asked."""
        if self._is_new and self._first is None:
            self._first = query.copy()
        self._is_new = self._is_new and self._first is not None and np.array_equal(self._first, query)
        return self._is_new

    def _in_matrix(self, query: Vectors, k: int) -> Neighbours:
        """Several passages may have one vector: more are asked for until so many vectors are found."""
        wanted = k
        while True:
            cosines = self._catalog.nearest(query, wanted)
            keys = self._catalog.keys_of_rows(list(cosines))
            found = {keys[row]: cosine for row, cosine in cosines.items() if row in keys}
            if len(found) >= k or len(cosines) < wanted:
                return list(found.items())[:k]
            wanted *= 4

    def _in_chroma(self, chroma: ChromaIndex, query: Vectors, k: int) -> Neighbours:
        def nearest(wanted: int) -> Neighbours:
            found = chroma.search(query, min(wanted, chroma.seal.count))
            return [(key, cosine) for key, cosine in found if not self._exact.has(key)]

        return _current(self._catalog, nearest, k, self._gone)

    def _refresh(self) -> bool:
        """Whether all that answers is open."""
        moment = (self._catalog.lineage, self._catalog.generation)
        if moment == self._moment:
            return True
        self._many = self._catalog.count_vectors() > MOST
        seal = self._worth_opening()
        if seal != (self._chroma.seal if self._chroma else None):
            if seal is not None and self._lazy and not self._is_open(seal):
                return False
            self._serve(seal)
        self._gone = (
            self._chroma.seal.count - self._catalog.count_vectors(self._chroma.seal.number) if self._chroma else 0
        )
        self._moment = moment
        return True

    def _is_open(self, seal: Seal) -> bool:
        """Whether another thread has opened the folder, or failed; one begins it that has not."""
        if self._opening is None or self._opening[0] != seal:
            self._end_opening()
            thread = ThreadPoolExecutor(1, thread_name_prefix="chroma-open")
            self._opening = seal, thread.submit(ChromaIndex, self._index, seal)
            thread.shutdown(wait=False)
        return self._opening[1].done()

    def _end_opening(self) -> None:
        if self._opening is not None:
            with suppress(VectorIndexError):
                self._opening[1].result().close()
        self._opening = None

    def _worth_opening(self) -> Seal | None:
        """The seal of a folder that is of this catalogue and still mostly true, if search gains by it."""
        seal = read_seal(self._index)
        if seal is None or seal.lineage != self._catalog.lineage:
            return None
        if not SMALL < self._catalog.count_vectors() <= MOST:
            return None
        return seal if self._catalog.count_vectors(seal.number) * 2 > seal.count else None

    def _serve(self, seal: Seal | None) -> None:
        if self._chroma is not None:
            self._chroma.close()
            self._chroma = None
        if seal is not None:
            opening, self._opening = self._opening, None
            try:
                self._chroma = opening[1].result() if opening else ChromaIndex(self._index, seal)
            except VectorIndexError as error:
                log.warning("%s", error)
                break_seal(self._index)
        self._exact = ExactIndex(self._catalog, self._chroma.seal.number if self._chroma else 0)

    def prepare(self, more: int = 0) -> None:
        """Begins what update() would write by now, or goes on with it: vectors are taken in on a thread of its own
        while an index run makes others, some `more` of which are to come. These may be too many for Chroma; that they
        would be enough for it is too rough a guess to begin by. update() or unprepare() ends it."""
        with self._updating:
            if self._draft is not None:
                self._draft.follow()
                return
            seal = self._own_seal()
            count = self._catalog.count_vectors()
            if SMALL < count <= MOST - more and self._lacks(seal):
                self._draft = _GrowingDraft(self._index, self._catalog, self._base(seal))
                self._draft.follow()

    def _own_seal(self) -> Seal | None:
        seal = read_seal(self._index)
        return seal if seal is not None and seal.lineage == self._catalog.lineage else None

    def update(self) -> None:
        """Writes Chroma's folder anew where the library is large and the folder missing or too far behind.

        Raises VectorIndexError if it cannot be written; search goes on as before.
        """
        with self._updating:
            seal = self._own_seal()
            try:
                if self._is_behind(seal):
                    self._write(seal)
            finally:
                self.unprepare()
                with self._lock:
                    self._end_opening()
                    if self._chroma is not None and self._chroma.seal != read_seal(self._index):
                        self._serve(None)
                    self._moment = ("", "")
                remove_unsealed(self._index)

    def _is_behind(self, seal: Seal | None) -> bool:
        with self._catalog.snapshot():
            total = self._catalog.count_vectors()
            if seal is None or not SMALL < total <= MOST:
                break_seal(self._index)
                return SMALL < total <= MOST
            return self._lacks(seal)

    def _lacks(self, seal: Seal | None) -> bool:
        """Whether too many vectors are new since the seal, or gone."""
        if seal is None:
            return True
        total, kept = self._catalog.count_vectors(), self._catalog.count_vectors(seal.number)
        return max(total - kept, seal.count - kept) > _tolerated(total)

    def _base(self, seal: Seal | None) -> Seal | None:
        """The seal, unless any of what is sealed was deleted, which then leaves the disk too, or is damaged."""
        is_whole = seal and self._catalog.count_vectors(seal.number) == seal.count and is_intact(self._index, seal)
        return seal if is_whole else None

    def _write(self, seal: Seal | None) -> None:
        if self._draft is None or not self._draft.is_true():
            self.unprepare()
            self._draft = _GrowingDraft(self._index, self._catalog, self._base(seal))
        draft, self._draft = self._draft, None
        draft.seal()

    def unprepare(self) -> None:
        """Ends what prepare() began."""
        draft, self._draft = self._draft, None
        if draft is not None:
            draft.discard()

    def problems(self, *, read_data: bool = False) -> list[str]:
        """How Chroma's files differ from the catalogue, in words. `read_data`: also in the vectors' values.

        Where there are none worth that name, search is exact, and nothing can differ.
        """
        with self._updating:
            seal = read_seal(self._index)
            if seal is None or seal.lineage != self._catalog.lineage:
                return []
            try:
                chroma = ChromaIndex(self._index, seal)
                try:
                    found = _differences(chroma, self._catalog, read_data=read_data)
                finally:
                    chroma.close()
            except VectorIndexError as error:
                found = [str(error)]
            if found:
                break_seal(self._index)
                with self._lock:
                    self._moment = ("", "")
            return found

    def close(self) -> None:
        self.unprepare()
        with self._lock:
            self._end_opening()
            self._serve(None)
            self._moment = ("", "")


class _GrowingDraft:
    """A draft of Chroma's folder that takes in the catalogue's vectors on a thread of its own."""

    def __init__(self, index: Path, catalog: Catalog, base: Seal | None) -> None:
        self._catalog = catalog
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chroma-draft")
        self._draft = self._thread.submit(Draft, index, catalog.lineage, base)
        self._taking: Future[Any] = self._draft
        self._taken = base.count if base else 0  # vectors that were there when it last took in what had come

    def follow(self) -> None:
        """What has come since is taken in, if it is much."""
        there = self._catalog.count_vectors()
        if there - self._taken >= _TURN:
            self._taken = there
            self._taking = self._thread.submit(self._take_in)

    def is_true(self) -> bool:
        """Whether all that it has is still in the catalogue, which is the same one. Waits for what it takes in."""
        with suppress(VectorIndexError):
            self._taking.result()
            draft = self._draft.result()
            return draft.lineage == self._catalog.lineage and self._catalog.count_vectors(draft.number) == draft.count
        return False

    def seal(self) -> None:
        """With all that the catalogue has. Raises VectorIndexError; then it is discarded."""
        try:
            self._thread.submit(self._take_in).result()
            self._thread.submit(self._draft.result().seal).result()
        except BaseException:
            self.discard()
            raise
        finally:
            self._thread.shutdown()

    def discard(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        with suppress(VectorIndexError, CancelledError):
            self._draft.result().discard()
        self._thread.shutdown()

    def _take_in(self) -> None:
        draft = self._draft.result()
        for keys, vectors, number in _portions(self._catalog, draft.number):
            draft.add(keys, vectors, number)


def _differences(chroma: ChromaIndex, catalog: Catalog, *, read_data: bool) -> list[str]:
    """Those of the sealed vectors that were deleted since may be there: no search finds them."""
    there, wanted = chroma.keys(), catalog.vector_keys_up_to(chroma.seal.number)
    if wanted - there or len(there) != chroma.seal.count:
        return [f"Chroma has {len(there)} vectors, {len(wanted - there)} too few. Run `cita index`."]
    if read_data:
        other = sum(_count_others(keys, vectors, catalog, wanted) for keys, vectors in chroma.vectors())
        if other:
            return [f"Chroma has {other} vectors that are not the catalogue's. Run `cita index`."]
    return []


def _count_others(keys: list[str], vectors: Vectors, catalog: Catalog, wanted: set[str]) -> int:
    known = dict(catalog.vectors([key for key in keys if key in wanted]))
    return sum(
        not np.allclose(vector, known[key], atol=1e-4)
        for key, vector in zip(keys, vectors, strict=True)
        if key in known
    )


def _current(catalog: Catalog, nearest: Callable[[int], Neighbours], k: int, gone: int) -> Neighbours:
    """The k nearest that the catalogue still has, where at most `gone` of those that `nearest` finds it has not."""
    wanted = k
    while gone:
        found = nearest(wanted)
        known = catalog.known_vectors(key for key, _ in found)
        kept = [(key, cosine) for key, cosine in found if key in known]
        if len(kept) >= k or wanted >= k + gone:
            return kept[:k]
        wanted = min(2 * wanted, k + gone)
    return nearest(k)


def _portions(catalog: Catalog, number: int) -> Iterator[tuple[list[str], Vectors, int]]:
    """All vectors that came after that number: keys, matrix, number of the last."""
    while (portion := catalog.vectors_after(number, _PORTION))[0]:
        yield portion
        number = portion[2]


def _tolerated(total: int) -> int:
    """How many of `total` vectors may be new or gone before a derived index is made anew."""
    return max(_BEHIND, total // 20)
