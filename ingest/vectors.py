"""Nearest neighbours over the catalogue's vectors: Chroma where its folder can be trusted, exact search where not.

Chroma does not survive being killed while it writes, nor two processes on one folder (docs/LOG.md). So its folder
carries a seal, written after it was closed cleanly: the catalogue's generation and every file's size. Without a good
seal the folder is never opened; search is exact from the catalogue, and the next index run builds a new folder beside
it and swaps it in. Nothing is ever parsed or embedded for that.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from errors import VectorIndexError
from ingest.catalog import Catalog
from ingest.embed import Vectors

_COLLECTION = "passages"
_BATCH = 1000


class VectorIndex(Protocol):
    """`name` is what `cita status` shows; `generation` the catalogue's when the index was last made equal to it."""

    name: str
    generation: int

    def search(self, query: Vectors, k: int) -> list[tuple[str, float]]:
        """Keys and cosines of the k nearest vectors, best first; fewer if there are fewer."""
        ...

    def close(self) -> None: ...


class ExactIndex:
    """Every vector compared, in memory (4 bytes x dimensions x vectors)."""

    name = "exact"

    def __init__(self, catalog: Catalog) -> None:
        self.generation = catalog.generation
        self._keys, self._matrix = catalog.all_vectors()

    def search(self, query: Vectors, k: int) -> list[tuple[str, float]]:
        if not self._keys:
            return []
        cosines = self._matrix @ query
        k = min(k, len(self._keys))
        nearest = np.argpartition(-cosines, k - 1)[:k]
        nearest = nearest[np.argsort(-cosines[nearest], kind="stable")]
        return [(self._keys[i], float(cosines[i])) for i in nearest]

    def close(self) -> None:
        pass


class ChromaIndex:
    """Approximate search (HNSW, Malkov and Yashunin 2016) in a sealed Chroma folder."""

    name = "chroma"

    def __init__(self, folder: Path, generation: int) -> None:
        self.generation = generation
        self._client, self._collection = _open_collection(folder)

    def search(self, query: Vectors, k: int) -> list[tuple[str, float]]:
        with _translated():
            found = self._collection.query(query_embeddings=[query], n_results=k, include=["distances"])
        return [(key, 1.0 - d) for key, d in zip(found["ids"][0], found["distances"][0], strict=True)]

    def keys(self) -> set[str]:
        with _translated():
            return set(_all_ids(self._collection))

    def close(self) -> None:
        with _translated():
            self._client.close()


def is_sealed(index: Path, catalog: Catalog) -> bool:
    """Whether Chroma's folder was closed cleanly and is as new as the catalogue; not to be asked while it is open."""
    return _sealed_generation(index) == catalog.generation


def open_vector_index(index: Path, catalog: Catalog) -> VectorIndex:
    """Chroma if its folder is sealed and as new as the catalogue, else the exact index."""
    generation = catalog.generation
    if _sealed_generation(index) == generation:
        try:
            return ChromaIndex(index / "chroma", generation)
        except VectorIndexError:
            _unseal(index)  # built anew by the next index run
    return ExactIndex(catalog)


def update_chroma(index: Path, catalog: Catalog) -> None:
    """Makes the Chroma folder equal to the catalogue and seals it. Nobody may have it open.

    Raises VectorIndexError; the folder is then left unsealed, and search stays exact.
    """
    generation = catalog.generation
    sealed = _sealed_generation(index)
    if sealed == generation:
        return
    folder = index / "chroma"
    _unseal(index)
    with _translated():
        if sealed is not None:
            _make_equal(folder, catalog)
        else:
            draft = index / "chroma.new"
            _discard(draft)
            _make_equal(draft, catalog)
            _discard(folder)
            draft.rename(folder)
        _seal(index, generation)


def chroma_problems(index: VectorIndex, catalog: Catalog) -> list[str]:
    """How Chroma differs from the catalogue, in words. The exact index reads the catalogue: it cannot differ."""
    if not isinstance(index, ChromaIndex):
        return []
    there, wanted = index.keys(), catalog.vector_keys()
    if there == wanted:
        return []
    return [f"Chroma lacks {len(wanted - there)} vectors and has {len(there - wanted)} too many. Run `cita index`."]


def _make_equal(folder: Path, catalog: Catalog) -> None:
    wanted = catalog.vector_keys()
    client, collection = _open_collection(folder)
    try:
        present = set(_all_ids(collection))
        for batch in _batches(sorted(present - wanted)):
            collection.delete(ids=batch)
        for batch in _batches(sorted(wanted - present)):
            keys, vectors = zip(*catalog.vectors(batch), strict=True)
            collection.add(ids=list(keys), embeddings=np.stack(vectors))
    finally:
        client.close()


def _all_ids(collection: Any) -> Iterator[str]:
    for offset in range(0, collection.count(), _BATCH):
        yield from collection.get(limit=_BATCH, offset=offset, include=[])["ids"]


def _batches(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), _BATCH):
        yield keys[start : start + _BATCH]


def _open_collection(folder: Path) -> tuple[Any, Any]:
    with _translated():
        import chromadb
        from chromadb.config import Settings

        client = chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))
        collection = client.get_or_create_collection(
            _COLLECTION,
            embedding_function=None,  # the default one downloads a model
            configuration={"hnsw": {"space": "cosine", "ef_search": 200}},
        )
        return client, collection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except VectorIndexError:
        raise
    except Exception as error:  # chromadb's own errors, and whatever its Rust core throws
        raise VectorIndexError(
            f"Chroma cannot be used ({type(error).__name__}: {error}).", hint="Search goes on without it."
        ) from error


# --- the seal


def _seal(index: Path, generation: int) -> None:
    seal = {"generation": generation, "files": _file_sizes(index / "chroma")}
    draft = index / "chroma.seal.new"
    with draft.open("w", encoding="utf-8") as file:
        json.dump(seal, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(index / "chroma.seal")


def _unseal(index: Path) -> None:
    (index / "chroma.seal").unlink(missing_ok=True)


def _sealed_generation(index: Path) -> int | None:
    """The generation of a folder that was closed cleanly and not touched since, else None."""
    try:
        seal = json.loads((index / "chroma.seal").read_text(encoding="utf-8"))
        return int(seal["generation"]) if seal["files"] == _file_sizes(index / "chroma") else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _file_sizes(folder: Path) -> dict[str, int]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _discard(folder: Path) -> None:
    """Removes a folder by name first, so that half of it is never taken for the whole."""
    if folder.exists():
        aside = folder.with_suffix(".old")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
