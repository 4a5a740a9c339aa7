"""How other programs rank given passages with given vectors, for benchmarks/peers_retrieval.py. Run by a Python that
has them; requirements-retrieval.txt beside this file lists what they need.

    python benchmarks/peers/retrieval.py langchain|llama-index|txtai FOLDER

FOLDER holds `set.json` ({"language", "passages": [text], "questions": [text]}) and `vectors.npz` (`passages` and
`questions`, rows in their order). Each is put together as its own documentation shows it, with its defaults, but for
the number of passages asked for (10) and the stemmer's language. Prints one JSON object: "rankings" (rows of passages,
best first, for each question), "build" and "search" (seconds for all, by the wall) and "search_processor".
"""

import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

K = 10
Search = Callable[[str], list[int]]


class Given:
    """A set of passages and questions whose vectors are looked up by their text."""

    def __init__(self, folder: Path) -> None:
        held = json.loads((folder / "set.json").read_text(encoding="utf-8"))
        vectors = np.load(folder / "vectors.npz")
        self.language: str = held["language"]
        self.passages: list[str] = held["passages"]
        self.questions: list[str] = held["questions"]
        self._vectors = dict(zip(self.questions, vectors["questions"], strict=True))
        self._vectors |= dict(zip(self.passages, vectors["passages"], strict=True))

    def vectors(self, texts: list[str]) -> Any:
        return np.stack([self._vectors[text] for text in texts])


def with_langchain(given: Given) -> Search:
    """EnsembleRetriever of BM25Retriever and Chroma, half and half."""
    from langchain_classic.retrievers import EnsembleRetriever
    from langchain_community.retrievers import BM25Retriever
    from langchain_community.vectorstores import Chroma
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings

    class Looked(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return given.vectors(texts).tolist()  # type: ignore[no-any-return]

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

    documents = [Document(text, metadata={"row": row}) for row, text in enumerate(given.passages)]
    lexical = BM25Retriever.from_documents(documents)
    lexical.k = K
    store = Chroma.from_documents(documents, Looked(), persist_directory=tempfile.mkdtemp(dir=os.environ["TMPDIR"]))
    dense = store.as_retriever(search_kwargs={"k": K})
    ensemble = EnsembleRetriever(retrievers=[lexical, dense], weights=[0.5, 0.5])
    return lambda question: [document.metadata["row"] for document in ensemble.invoke(question)][:K]


def with_llama_index(given: Given) -> Search:
    """QueryFusionRetriever (reciprocal rank, no rewriting of questions) of a VectorStoreIndex and BM25Retriever."""
    import Stemmer
    from llama_index.core import VectorStoreIndex
    from llama_index.core.embeddings import BaseEmbedding
    from llama_index.core.llms import MockLLM
    from llama_index.core.retrievers import QueryFusionRetriever
    from llama_index.core.schema import TextNode
    from llama_index.retrievers.bm25 import BM25Retriever

    class Looked(BaseEmbedding):
        def _get_text_embedding(self, text: str) -> list[float]:
            return given.vectors([text])[0].tolist()  # type: ignore[no-any-return]

        def _get_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

    nodes = [TextNode(id_=str(row), text=text) for row, text in enumerate(given.passages)]
    index = VectorStoreIndex(nodes, embed_model=Looked())
    language = {"en": "english", "es": "spanish"}[given.language]
    lexical = BM25Retriever.from_defaults(
        nodes=nodes, similarity_top_k=K, stemmer=Stemmer.Stemmer(language), language=given.language
    )
    fused = QueryFusionRetriever(
        [index.as_retriever(similarity_top_k=K), lexical],
        llm=MockLLM(),
        similarity_top_k=K,
        num_queries=1,
        mode="reciprocal_rerank",
        use_async=False,
    )
    return lambda question: [int(found.node.node_id) for found in fused.retrieve(question)]


def with_txtai(given: Given) -> Search:
    """Embeddings(hybrid=True), with faiss and txtai's own BM25."""
    from txtai import Embeddings

    embeddings = Embeddings(method="external", transform=lambda texts: given.vectors(list(texts)), hybrid=True)
    embeddings.index((row, text, None) for row, text in enumerate(given.passages))
    return lambda question: [int(row) for row, _ in embeddings.search(question, K)]


WAYS: dict[str, Callable[[Given], Search]] = {
    "langchain": with_langchain,
    "llama-index": with_llama_index,
    "txtai": with_txtai,
}


def main() -> None:
    os.environ |= {"HF_HUB_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "False", "DO_NOT_TRACK": "1"}
    way, folder = sys.argv[1], Path(sys.argv[2])
    warnings.simplefilter("ignore")
    given = Given(folder)
    with tempfile.TemporaryDirectory() as work:
        os.environ["TMPDIR"] = work
        started = time.perf_counter()
        search = WAYS[way](given)
        build = time.perf_counter() - started
        search(given.questions[0])
        started, processor = time.perf_counter(), time.process_time()
        rankings = [search(question) for question in given.questions]
        took, processor = time.perf_counter() - started, time.process_time() - processor
    print(json.dumps({"rankings": rankings, "build": build, "search": took, "search_processor": processor}))


if __name__ == "__main__":
    main()
