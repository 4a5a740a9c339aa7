"""LexRank, and ROUGE, for benchmarks/summaries.py: a JSON line of standard output for each of standard input.

Run by a Python that has sumy and rouge-score; requirements-summaries.txt beside this file lists what they need.

    python benchmarks/peers/summaries.py lexrank < documents    {"sentences": [[word]], "most"} -> [sentence's number]
    python benchmarks/peers/summaries.py rouge < summaries      {"summary": [[word]], "reference": [[word]]} -> scores

Words come as they are to be compared: folded, stemmed, by Cita's own analysis, for English and Spanish alike.
"""

import json
import sys
from collections.abc import Callable
from typing import Any


def lexrank() -> Callable[[dict[str, Any]], list[int]]:
    """sumy's LexRankSummarizer on sentences that are parted already."""
    from sumy.models.dom import ObjectDocumentModel, Paragraph, Sentence
    from sumy.summarizers.lex_rank import LexRankSummarizer

    class Words:
        @staticmethod
        def to_words(text: str) -> list[str]:
            return text.split("\t")[1:]

    summarizer = LexRankSummarizer()

    def choose(given: dict[str, Any]) -> list[int]:
        texts = ["\t".join([str(n), *words]) for n, words in enumerate(given["sentences"])]
        document = ObjectDocumentModel([Paragraph([Sentence(text, Words) for text in texts])])
        return [int(str(one).split("\t")[0]) for one in summarizer(document, given["most"])]

    return choose


def rouge() -> Callable[[dict[str, Any]], dict[str, float]]:
    """F1 of ROUGE-1, ROUGE-2 and ROUGE-L (by sentences), and the recall of ROUGE-1."""
    from rouge_score.rouge_scorer import RougeScorer

    class Words:
        @staticmethod
        def tokenize(text: str) -> list[str]:
            return text.split()

    scorer = RougeScorer(["rouge1", "rouge2", "rougeLsum"], tokenizer=Words())

    def score(given: dict[str, Any]) -> dict[str, float]:
        reference, summary = ("\n".join(" ".join(one) for one in given[name]) for name in ("reference", "summary"))
        found = scorer.score(reference, summary)
        measures = {name: float(one.fmeasure) for name, one in found.items()}
        return measures | {"recall": float(found["rouge1"].recall)}

    return score


if __name__ == "__main__":
    work = {"lexrank": lexrank, "rouge": rouge}[sys.argv[1]]()
    for line in sys.stdin:
        print(json.dumps(work(json.loads(line))), flush=True)
