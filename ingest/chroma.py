"""A Chroma folder that can be trusted: written in a process of its own, sealed, and opened only as it was sealed.

Chroma does not survive being killed while it writes, nor two processes on one folder; a damaged file of it can crash
whoever opens it; and its files may hold whatever was in the memory of the process that wrote them (docs/LOG.md). So:

- A helper process, which gets keys and vectors and never a text, writes each state into a new folder. Its crash is a
  message.
- The seal names the folder, what of the catalogue is in it, and every file's size and checksum. It is written last,
  and in one step: a kill at any moment leaves the folder that was sealed before.
- A folder is opened only if all of it is as it was sealed, and only for reading.

Not covered: files that are changed while they are open.
"""

import gc
import hashlib
import json
import re
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np

from errors import CitaError, VectorIndexError
from ingest import confine
from ingest.database import sync

if TYPE_CHECKING:
    from ingest.embed import Vectors

_COLLECTION = "passages"
_SEAL = "chroma.seal"
_PAGE = 10_000  # keys that Chroma gives at once; of all at once it says that they are too many
_BATCH = 1_000  # vectors that it takes at once
_SAMPLES = 100
_PATIENCE = 300.0  # seconds for the helper to take a portion of vectors, or to end
_QUIET = {"ANONYMIZED_TELEMETRY": "False", "OTEL_SDK_DISABLED": "true"}


@dataclass(frozen=True, slots=True)
class Seal:
    """A folder as it was closed: it holds the `count` vectors that catalogue `lineage` had up to `number`.

    `files` gives size and SHA-256 of each file, by its path in the folder.
    """

    folder: str
    lineage: str
    number: int
    count: int
    files: Mapping[str, tuple[int, str]]


class ChromaIndex:
    """Approximate nearest neighbours (HNSW, Malkov and Yashunin 2016) in a sealed folder. For one thread at a time.

    Raises VectorIndexError if the folder is not as it was sealed, or Chroma fails.
    """

    def __init__(self, index: Path, seal: Seal) -> None:
        self.seal = seal
        folder = index / seal.folder
        with _translated():
            if not is_intact(index, seal):
                raise VectorIndexError(
                    f"Chroma's files in {seal.folder!r} are not as they were written.",
                    hint="Search goes on without them; `cita index` makes them anew.",
                )
            self._client = _client(folder)
            self._collection = self._client.get_collection(_COLLECTION, embedding_function=None)

    def search(self, query: "Vectors", k: int) -> list[tuple[str, float]]:
        """Keys and cosines of about the k nearest vectors, best first."""
        with _translated():
            found = self._collection.query(query_embeddings=[query], n_results=k, include=["distances"])
            return [(key, 1.0 - d) for key, d in zip(found["ids"][0], found["distances"][0], strict=True)]

    def keys(self) -> set[str]:
        return {key for keys, _ in self._pages([]) for key in keys}

    def vectors(self) -> "Iterator[tuple[list[str], Vectors]]":
        """All keys and their vectors (n, dimensions), a page at a time. Chroma gives them unit length."""
        for keys, found in self._pages(["embeddings"]):
            yield keys, np.asarray(found["embeddings"], np.float32)

    def _pages(self, include: list[str]) -> Iterator[tuple[list[str], Any]]:
        with _translated():
            for offset in range(0, self._collection.count(), _PAGE):
                found = self._collection.get(limit=_PAGE, offset=offset, include=include)
                yield found["ids"], found

    def close(self) -> None:
        with suppress(VectorIndexError), _translated():
            self._client.close()


def read_seal(index: Path) -> Seal | None:
    """The seal, if it is whole and every file of its folder has the size that it says, and there is no other file."""
    try:
        written = json.loads((index / _SEAL).read_bytes())
        seal = Seal(**written["seal"])
        if written["checksum"] != _checksum(seal) or not re.fullmatch("chroma-[0-9a-f]{16}", seal.folder):
            return None
        files = {name: (size, checksum) for name, (size, checksum) in seal.files.items()}
        sizes = {name: path.stat().st_size for name, path in _files(index / seal.folder)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if sizes != {name: size for name, (size, _) in files.items()}:
        return None
    return Seal(seal.folder, seal.lineage, seal.number, seal.count, files)


def is_intact(index: Path, seal: Seal) -> bool:
    """Whether the folder is as it was sealed, to the last bit: 0.3 s for 100,000 vectors of 384."""
    return _sealed_files(index / seal.folder) == seal.files


def break_seal(index: Path) -> None:
    """The folder is not opened again; the next update makes another."""
    with suppress(OSError):
        (index / _SEAL).unlink(missing_ok=True)


def remove_unsealed(index: Path) -> None:
    """Removes what was left by an update that was killed, and the folders of earlier seals."""
    seal = read_seal(index)
    if seal is None:
        break_seal(index)
    for path in index.glob("chroma*"):
        if seal is None or path.name not in (_SEAL, seal.folder):
            with suppress(OSError):  # the next update tries again
                shutil.rmtree(path) if path.is_dir() else path.unlink()


class Draft:
    """A new folder that is being written: first all that is in that of `base`, copied, then what is added. The old seal
    stands until this one is sealed. For one thread at a time; on Linux it ends with the thread that made it.

    Raises VectorIndexError.
    """

    def __init__(self, index: Path, lineage: str, base: Seal | None = None) -> None:
        self.lineage = lineage
        self.number, self.count = (base.number, base.count) if base else (0, 0)
        self._index = index
        self._folder = index / f"chroma-{secrets.token_hex(8)}"
        with _translated():
            self._helper = Helper(self._folder)
        try:
            with _translated():
                if base:
                    shutil.copytree(index / base.folder, self._folder)
                else:
                    self._folder.mkdir(mode=0o700)
        except BaseException:
            self.discard()
            raise

    def add(self, keys: list[str], vectors: "Vectors", number: int) -> None:
        """`number` is the catalogue's of the last."""
        with _translated():
            self._helper.send({"keys": keys, "dimensions": vectors.shape[1]}, vectors.tobytes())
        self.number, self.count = number, self.count + len(keys)

    def seal(self) -> Seal:
        """The seal that stands from now on."""
        try:
            with _translated():
                with self._helper:
                    self._helper.send({"count": self.count})
                files = _sealed_files(self._folder)
                return _seal(self._index, Seal(self._folder.name, self.lineage, self.number, self.count, files))
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """From any thread; what another is adding fails."""
        self._helper.close()
        shutil.rmtree(self._folder, ignore_errors=True)


# --- the seal


def _seal(index: Path, seal: Seal) -> Seal:
    folder = index / seal.folder
    for path in (*(path for _, path in _files(folder)), *(path for path in folder.rglob("*") if path.is_dir()), folder):
        sync(path)
    draft = index / f"{_SEAL}.new"
    draft.touch(mode=0o600)
    draft.write_text(json.dumps({"seal": asdict(seal), "checksum": _checksum(seal)}), encoding="utf-8")
    sync(draft)
    draft.replace(index / _SEAL)
    sync(index)
    return seal


def _checksum(seal: Seal) -> str:
    return hashlib.sha256(json.dumps(asdict(seal), sort_keys=True).encode()).hexdigest()


def _sealed_files(folder: Path) -> dict[str, tuple[int, str]]:
    found = {}
    for name, path in _files(folder):
        with path.open("rb") as file:
            found[name] = (path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
    return found


def _files(folder: Path) -> list[tuple[str, Path]]:
    return [(path.relative_to(folder).as_posix(), path) for path in sorted(folder.rglob("*")) if not path.is_dir()]


# --- the helper, from the outside


class Helper:
    """A process that writes what it is sent into the folder; when this is left it has, and has tried it out. Until
    then it imports Chroma and waits; on Linux it ends with the thread that started it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed when this is left
        self._process = subprocess.Popen(
            confine.command("ingest.chroma", str(folder)),
            stdin=subprocess.PIPE,
            stdout=self._words,
            stderr=self._words,
            env=confine.environment() | _QUIET,
            cwd=folder.parent,
            umask=0o077,
        )

    def send(self, head: Mapping[str, Any], body: bytes = b"") -> None:
        stuck = threading.Timer(_PATIENCE, self._process.kill)
        stuck.start()
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(head).encode() + b"\n" + body)
            self._process.stdin.flush()
        except BrokenPipeError:
            self._end()
        finally:
            stuck.cancel()

    def close(self) -> None:
        """Ends it, if it has not ended, without a word of how it was."""
        if self._words.closed:
            return
        with self._words:
            self._process.kill()
            self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._words:
            try:
                if kind is None:
                    self._end()
            finally:
                self._process.kill()
                self._process.communicate()

    def _end(self) -> None:
        """Raises VectorIndexError with the helper's last words if it fails."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE)
        code = self._process.returncode
        if code == 0:
            return
        self._words.seek(0)
        lines = self._words.read().decode(errors="replace").split("\n")
        how = "it took too long" if code is None else f"signal {-code}" if code < 0 else f"exit code {code}"
        said = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        raise VectorIndexError(
            f"Chroma's folder cannot be written ({how}: {said[:300]}).", hint="Search goes on without it."
        )


# --- the helper, from the inside


def main() -> None:
    """`python -m ingest.chroma FOLDER`: adds what comes on standard input to the folder, and tries it out."""
    confine.end_with_parent()
    folder = Path(sys.argv[1])
    gc.disable()  # a fifth of the time that the import takes
    import chromadb  # noqa: F401 - while the parent gathers the vectors, or does something else yet

    gc.enable()
    head = _received(sys.stdin.buffer)  # nothing is written where the parent is gone by now
    samples = []
    client = _client(folder)
    collection = client.get_or_create_collection(
        _COLLECTION,
        embedding_function=None,  # the default one downloads a model
        # Written to its files at once: what is left for later is written by whoever opens the folder next.
        configuration={"hnsw": {"space": "cosine", "ef_search": 200, "sync_threshold": 2, "batch_size": 2}},
    )
    while "keys" in head:
        keys = head["keys"]
        data = sys.stdin.buffer.read(len(keys) * head["dimensions"] * 4)
        matrix = np.frombuffer(data, np.float32).reshape(len(keys), -1)
        for start in range(0, len(keys), _BATCH):
            collection.add(ids=keys[start : start + _BATCH], embeddings=matrix[start : start + _BATCH])
            samples.append(matrix[start])
        head = _received(sys.stdin.buffer)
    client.close()
    _keep_as_it_is(folder)
    _try_out(folder, head["count"], samples[-_SAMPLES:])


def _received(pipe: IO[bytes]) -> dict[str, Any]:
    line = pipe.readline()
    if not line:
        raise EOFError("the process that sent the vectors ended")
    return dict(json.loads(line))


def _keep_as_it_is(folder: Path) -> None:
    """Chroma writes a row each time it opens a folder, and so would break the seal by looking: it is let do nothing."""
    with closing(sqlite3.connect(folder / "chroma.sqlite3")) as connection:
        connection.execute(
            "CREATE TRIGGER IF NOT EXISTS sealed BEFORE INSERT ON acquire_write BEGIN SELECT RAISE (IGNORE); END"
        )
        connection.commit()


def _try_out(folder: Path, count: int, samples: "list[Vectors]") -> None:
    """A folder that crashes who opens it, or has not all, fails here and is not sealed."""
    client = _client(folder)
    collection = client.get_collection(_COLLECTION, embedding_function=None)
    if collection.count() != count:
        raise ValueError(f"{collection.count()} vectors were stored of {count}")
    for sample in samples:
        wanted = min(10, count)
        found = collection.query(query_embeddings=[sample], n_results=wanted, include=[])
        if len(found["ids"][0]) != wanted:
            raise ValueError(f"{len(found['ids'][0])} neighbours were found of {wanted}")
    client.close()


# --- Chroma


def _client(folder: Path) -> Any:
    import chromadb
    from chromadb.config import Settings

    # no env file: one in the current folder, which may be anybody's, would set what it likes
    return chromadb.PersistentClient(str(folder), Settings(_env_file=None, anonymized_telemetry=False))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except CitaError:
        raise
    except Exception as error:  # chromadb's own errors, and whatever its Rust core throws
        raise VectorIndexError(
            f"Chroma cannot be used ({type(error).__name__}: {error}).", hint="Search goes on without it."
        ) from error


if __name__ == "__main__":
    main()
