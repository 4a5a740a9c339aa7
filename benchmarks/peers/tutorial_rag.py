"""A folder of notes as tutorials on retrieval-augmented generation index it, for benchmarks/reindex.py.

    python -m benchmarks.peers.tutorial_rag tutorial|indexing-api NOTES HOME

DirectoryLoader, RecursiveCharacterTextSplitter and Chroma, as LangChain's own pages put them together. Only the
embedder is Cita's (the same weights, ONNX Runtime in place of PyTorch), so that what is compared is the indexing.
"""

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.embed import open_embedder
from settings import Settings

if TYPE_CHECKING:
    from langchain_core.documents import Document


class Tutorial:
    """Loads, splits, embeds and adds everything, each time that it is asked."""

    def __init__(self, notes: Path, home: Path) -> None:
        self._notes = notes
        self._store = home / "index"
        self._embeddings = _embeddings(home)

    def index(self) -> int:
        """Brings the folder into the collection; how many chunks were embedded for it."""
        before = self._embeddings.embedded
        self._add(_chunks(self._notes))
        return int(self._embeddings.embedded - before)

    def passages(self) -> int:
        return len(self._chroma())

    def documents(self) -> set[str]:
        """Paths, relative to the folder, of the files that the collection has chunks of."""
        found = self._chroma().get(include=["metadatas"])["metadatas"]
        return {Path(metadata["source"]).relative_to(self._notes).as_posix() for metadata in found}

    def close(self) -> None:
        """Chroma is left as every tutorial leaves it: open until the process ends."""

    def _add(self, chunks: "list[Document]") -> None:
        _chroma_class().from_documents(chunks, self._embeddings, persist_directory=str(self._store))

    def _chroma(self) -> Any:
        return _chroma_class()(persist_directory=str(self._store), embedding_function=self._embeddings)


class IndexingApi(Tutorial):
    """The better way, that few tutorials show: LangChain's indexing API, which keeps a record of what it added."""

    def __init__(self, notes: Path, home: Path) -> None:
        super().__init__(notes, home)
        from langchain_classic.indexes import SQLRecordManager

        self._store.mkdir(parents=True, exist_ok=True)
        self._records = SQLRecordManager("chroma/notes", db_url=f"sqlite:///{self._store / 'records.db'}")
        self._records.create_schema()

    def _add(self, chunks: "list[Document]") -> None:
        from langchain_core.indexing import index

        store = self._chroma()
        index(chunks, self._records, store, cleanup="full", source_id_key="source", key_encoder="sha256")


def _chroma_class() -> Any:
    from langchain_community.vectorstores import Chroma

    warnings.simplefilter("ignore")  # that it is being sunset; langchain's own filter comes with its import
    return Chroma


def _chunks(notes: Path) -> "list[Document]":
    from langchain_community.document_loaders import DirectoryLoader, TextLoader
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    loader = DirectoryLoader(str(notes), glob="**/*.md", loader_cls=TextLoader, loader_kwargs={"encoding": "utf-8"})
    return RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200).split_documents(loader.load())


def _embeddings(home: Path) -> Any:
    from langchain_core.embeddings import Embeddings

    embedder = open_embedder(Settings.load(home))

    class Counted(Embeddings):
        embedded = 0

        def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
            self.embedded += len(texts)
            return [vector.tolist() for vector in embedder.embed_passages(texts)]

        def embed_query(self, text: str) -> list[float]:
            return list(embedder.embed_query(text).tolist())

    return Counted()


WAYS: dict[str, type[Tutorial]] = {"tutorial": Tutorial, "indexing-api": IndexingApi}

if __name__ == "__main__":
    way, notes, home = sys.argv[1:]
    WAYS[way](Path(notes), Path(home)).index()
