"""Fits the weights of verification (rag/verify.toml) on true and false claims.

    python -m evaluation.train_verification DATA WORK [--most 200] [--penalty 1]

DATA is the folder of public sets; vectors are kept in WORK. A logistic regression on the signs of rag/signs.py over
the claims that evaluation/grounding.py makes, and over BEGIN's responses with their labels: true and false, both
sources, and each kind of false claim weigh the same. It is fitted on the tune half of the articles; what comes of it on
both halves is written above the weights. There is a second set of weights, with the cosine of claim and quote, for the
languages that the embedder knows.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.grounding import FALSE, Pair, Text, begin_pairs, made_pairs
from evaluation.library import CachedEmbedder
from ingest.embed import Embedder, open_embedder
from ingest.types import Passage
from rag.cite import find_quote
from rag.fusion import is_known
from rag.signs import Evidence, signs
from rag.verify import WEIGHTS_FILE, check, evidence_of, read_weights
from settings import Settings

Array = NDArray[np.float64]


def passage_of(text: Text) -> Passage:
    """As the index would hold it."""
    above = (text.above,) if text.above else ()
    return Passage(text.group, text.group, 0, text.text, above, "paragraph", None, None, (), 1, text.language)


def evidence(pair: Pair) -> Evidence:
    """What the pair's claim is held against when it cites the pair's passage."""
    passage = passage_of(pair.cited)
    return evidence_of(passage, *find_quote(pair.claim, passage))


@dataclass(frozen=True)
class Rates:
    """Of pairs: how many there are, the share of the carried found supported, and of the others not so found."""

    true: int
    false: int
    supported: float
    refused: float

    @property
    def balanced(self) -> float:
        return (self.supported + self.refused) / 2

    @property
    def precision(self) -> float:
        """Of those found supported how many are carried, were there as many of both."""
        return self.supported / (self.supported + 1 - self.refused) if self.supported else 0.0


def rates(pairs: Sequence[Pair], supported: Sequence[bool]) -> Rates:
    """Both kinds of pairs must be there."""
    found = [(pair.carried, said) for pair, said in zip(pairs, supported, strict=True)]
    true = [said for carried, said in found if carried]
    false = [said for carried, said in found if not carried]
    return Rates(len(true), len(false), sum(true) / len(true), 1 - sum(false) / len(false))


def weighed(pairs: Sequence[Pair]) -> Array:
    """What each pair counts: true and false, and each kind of false claim the same; made claims and people's labels
    too. The mean is 1."""
    groups: dict[tuple[bool, str], list[int]] = {}
    for number, pair in enumerate(pairs):
        made = pair.kind in FALSE
        source = pair.kind if made else "true" if pair.carried else "labelled"
        groups.setdefault((pair.is_labelled, source), []).append(number)
    weights: Array = np.zeros(len(pairs))
    for (_, source), rows in groups.items():
        weights[rows] = (0.5 / len(FALSE) if source in FALSE else 0.5) / len(rows)
    weights /= weights.mean()
    return weights


def fit(rows: Array, carried: Array, weights: Array, penalty: float) -> tuple[Array, float]:
    """Weights and bias of a logistic regression with an L2 penalty, by Newton's method."""
    design = np.c_[rows, np.ones(len(rows))]
    ridge = np.diag([penalty] * rows.shape[1] + [0.0])
    found = np.zeros(design.shape[1])
    for _ in range(50):
        likely = 1 / (1 + np.exp(-design @ found))
        gradient = design.T @ (weights * (likely - carried)) + ridge @ found
        curvature = (design * (weights * likely * (1 - likely))[:, None]).T @ design + ridge
        step = np.linalg.solve(curvature, gradient)
        found -= step
        if np.abs(step).max() < 1e-9:
            break
    return found[:-1], float(found[-1])


def written(words: Mapping[str, float], with_cosine: Mapping[str, float], lines: Sequence[str], penalty: float) -> str:
    head = [
        "# The weights of verification (rag/verify.py), made with evaluation/train_verification.py",
        f"# on {date.today()}, penalty {penalty:g}: log-odds that a passage carries a claim.",
        *lines,
    ]
    groups = [
        line
        for group, weights in (("words", words), ("with_cosine", with_cosine))
        for line in ("", f"[{group}]", *(f'"{name}" = {weight:.3f}' for name, weight in weights.items()))
    ]
    return "\n".join([*head, *groups, ""])


def table(title: str, pairs: Sequence[Pair], supported: Sequence[bool]) -> list[str]:
    lines = [
        "#", f"# {title}:", "#", "# | claims | half | true, false | supported | refused | balanced accuracy |",
        "# |---|---|---|---|---|---|",
    ]  # fmt: skip
    for is_begin in (False, True):
        for half in ("tune", "report"):
            rows = [n for n, pair in enumerate(pairs) if (pair.half, pair.is_labelled) == (half, is_begin)]
            if not rows:  # BEGIN is in English
                continue
            got = rates([pairs[n] for n in rows], [supported[n] for n in rows])
            lines.append(
                f"# | {'BEGIN' if is_begin else 'made'} | {half} | {got.true}, {got.false} | {got.supported:.3f} "
                f"| {got.refused:.3f} | {got.balanced:.3f} |"
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--most", type=int, default=200, help="true claims of a set, kind and half")
    parser.add_argument("--penalty", type=float, default=1.0)
    wanted = parser.parse_args()
    embedder = CachedEmbedder(open_embedder(Settings.load(wanted.work)), wanted.work / "vectors")
    pairs = [*made_pairs(wanted.data, wanted.most), *begin_pairs(wanted.data)]
    cited = [evidence(pair) for pair in pairs]
    features = [signs(pair.claim, one).features for pair, one in zip(pairs, cited, strict=True)]
    cosines = known_cosines(pairs, cited, embedder)
    known = list(cosines)
    with_cosine = [{**features[n], "cosine": cosine} for n, cosine in cosines.items()]
    weights = fitted(pairs, features, wanted.penalty)
    second = fitted([pairs[n] for n in known], with_cosine, wanted.penalty)
    WEIGHTS_FILE.write_text(written(weights, second, (), wanted.penalty), encoding="utf-8")
    read_weights.cache_clear()
    similarity = Cosines(pairs, cited, cosines)
    by_words = [check(pair.claim, one).support == "supported" for pair, one in zip(pairs, cited, strict=True)]
    by_both = {n: check(pairs[n].claim, cited[n], similarity).support == "supported" for n in known}
    lines = table("By words, English and Spanish", pairs, by_words)
    for name, language in (("English", "en"), ("Spanish", "es")):
        own = [n for n in known if pairs[n].cited.language == language]
        lines += table(f"By words, {name}", [pairs[n] for n in own], [by_words[n] for n in own])
        lines += table(f"With the cosine, {name}", [pairs[n] for n in own], [by_both[n] for n in own])
    WEIGHTS_FILE.write_text(written(weights, second, lines, wanted.penalty), encoding="utf-8")
    print("\n".join(lines))


def known_cosines(pairs: Sequence[Pair], cited: Sequence[Evidence], embedder: Embedder) -> dict[int, float]:
    """Of each pair in a language that the embedder knows, by its number: the cosine of claim and quote."""
    known = [n for n, pair in enumerate(pairs) if is_known(pair.cited.language, embedder.fingerprint)]
    found: list[float] = []
    for start in range(0, len(known), 512):
        some = known[start : start + 512]
        claims = embedder.embed_passages([pairs[n].claim for n in some])
        quotes = embedder.embed_passages([cited[n].quote for n in some])
        found += [float(cosine) for cosine in (claims * quotes).sum(axis=1)]
    return dict(zip(known, found, strict=True))


class Cosines:
    """Implements Similarity with what known_cosines() found."""

    def __init__(self, pairs: Sequence[Pair], cited: Sequence[Evidence], cosines: Mapping[int, float]) -> None:
        self._found = {(pairs[n].claim, cited[n].quote): cosine for n, cosine in cosines.items()}

    def __call__(self, claim: str, quote: str, language: str) -> float | None:  # noqa: ARG002
        return self._found.get((claim, quote))


def fitted(pairs: Sequence[Pair], features: Sequence[Mapping[str, float]], penalty: float) -> dict[str, float]:
    """The weights by name, `bias` among them, fitted on the tune half."""
    names = list(features[0])
    tune = [n for n, pair in enumerate(pairs) if pair.half == "tune"]
    rows = np.array([[features[n][name] for name in names] for n in tune])
    carried = np.array([pairs[n].carried for n in tune], float)
    weights, bias = fit(rows, carried, weighed([pairs[n] for n in tune]), penalty)
    return {"bias": bias, **dict(zip(names, map(float, weights), strict=True))}


if __name__ == "__main__":
    main()
