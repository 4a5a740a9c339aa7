"""A folder indexed once as tutorials show it, for benchmarks/indexing.py:

    python -m benchmarks.peers.tutorial_indexing FOLDER STORE

DirectoryLoader with TextLoader and PyPDFLoader, RecursiveCharacterTextSplitter (1,000 characters, 200 shared),
sentence-transformers on PyTorch as it comes (fp32, batches of 32, all threads), Chroma.from_documents. Prints
{"seconds", "processor_seconds", "files", "chunks"} as JSON; the model is loaded before.
"""

import json
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ingest.embed import ENGLISH, locate


def load(folder: Path) -> list[Any]:
    """Every page of every PDF and every Markdown file; what cannot be read is left out, as `silent_errors` has it."""
    from langchain_community.document_loaders import DirectoryLoader, PyPDFLoader, TextLoader

    kinds: tuple[tuple[str, Any, dict[str, Any]], ...] = (
        ("**/*.md", TextLoader, {"encoding": "utf-8"}),
        ("**/*.pdf", PyPDFLoader, {}),
    )
    return [
        page
        for glob, kind, options in kinds
        for page in DirectoryLoader(
            str(folder), glob=glob, loader_cls=kind, loader_kwargs=options, silent_errors=True
        ).load()
    ]


def embeddings() -> Any:
    from langchain_core.embeddings import Embeddings
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(locate(ENGLISH)), local_files_only=True)

    class SentenceTransformers(Embeddings):
        """What langchain's HuggingFaceEmbeddings does."""

        def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
            found: list[list[float]] = model.encode(list(texts)).tolist()
            return found

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

    made = SentenceTransformers()
    made.embed_query("warm")
    return made


def main() -> None:
    folder, store = map(Path, sys.argv[1:])
    warnings.simplefilter("ignore")
    from langchain_community.vectorstores import Chroma
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    embed = embeddings()
    wall, processors = time.monotonic(), time.process_time()
    pages = load(folder)
    chunks = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200).split_documents(pages)
    Chroma.from_documents(chunks, embed, persist_directory=str(store))
    taken = {"seconds": time.monotonic() - wall, "processor_seconds": time.process_time() - processors}
    files = len({page.metadata["source"] for page in pages})
    print(json.dumps({**taken, "files": files, "chunks": len(chunks)}))


if __name__ == "__main__":
    main()
