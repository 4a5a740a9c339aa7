"""What verification finds: of true and false claims, and of BEGIN's responses, on the half that nothing was fitted on.

    python -m benchmarks.verification [--data ../shared/data] [--work FOLDER] [--most 200]

How the claims are made, and which are false, is said in evaluation/grounding.py. Supported is what the verdict
'supported' says; partly and unsupported count as not. Precision and recall are of 'supported', precision as if there
were as many true claims as false ones. Vectors are kept in WORK.

Writes benchmarks/results/verification.md.
"""

import argparse
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median, quantiles

from evaluation.grounding import FALSE, TRUE, Pair, begin_pairs, made_pairs
from evaluation.library import CachedEmbedder
from evaluation.train_verification import Cosines, evidence, known_cosines, passage_of, rates
from ingest.embed import Embedder, open_embedder
from rag.cite import find_quote
from rag.signs import Evidence
from rag.types import Support
from rag.verify import EmbedderSimilarity, check, evidence_of
from settings import Settings

RESULTS = Path(__file__).parent / "results" / "verification.md"
TIMED = 500  # claims
TIMED_EMBEDDED = 100


@dataclass(frozen=True)
class Checked:
    """A pair with what words say of it, and words with the cosine (the same where the language is unknown to it)."""

    pair: Pair
    words: Support
    both: Support


def checked(pairs: Sequence[Pair], embedder: Embedder) -> list[Checked]:
    cited = [evidence(pair) for pair in pairs]
    similarity = Cosines(pairs, cited, known_cosines(pairs, cited, embedder))
    return [
        Checked(pair, check(pair.claim, one).support, check(pair.claim, one, similarity).support)
        for pair, one in zip(pairs, cited, strict=True)
    ]


def row(name: str, found: Sequence[Checked], by: str) -> str:
    got = rates([one.pair for one in found], [getattr(one, by) == "supported" for one in found])
    return (
        f"| {name} | {got.true}, {got.false} | {got.supported:.3f} | {got.refused:.3f} | **{got.balanced:.3f}** "
        f"| {got.precision:.3f} |"
    )


HEAD = (
    "| claims | true, false | true ones supported (recall) | false ones not | balanced accuracy | precision |",
    "|---|---|---|---|---|---|",
)


def overall(made: Sequence[Checked], begin: Sequence[Checked]) -> Iterator[str]:
    yield from HEAD
    spanish = [one for one in made if one.pair.cited.language == "es"]
    english = [one for one in made if one.pair.cited.language == "en"]
    qed = [one for one in made if one.pair.set == "qed"]
    reworded = [one for one in made if one.pair.kind != "sentence"]
    for name, some in (
        ("made, all", made),
        ("made, English", english),
        ("made, Spanish", spanish),
        ("made, without sentences quoted word for word", reworded),
        ("QED", qed),
        ("BEGIN, its own labels", begin),
    ):
        yield row(name, some, "both")
        if name in ("made, all", "BEGIN, its own labels"):
            yield row(f"{name}, by words alone", some, "words")


def by_kind(made: Sequence[Checked]) -> Iterator[str]:
    """The share rightly judged of each kind and set."""
    sets = list(dict.fromkeys(one.pair.set for one in made))
    yield f"| claim | {' | '.join(sets)} | all |"
    yield "|---" * (len(sets) + 2) + "|"
    for kind in (*TRUE, *FALSE):
        cells = []
        for name in (*sets, ""):
            some = [one for one in made if one.pair.kind == kind and name in ("", one.pair.set)]
            right = sum((one.both == "supported") == one.pair.carried for one in some)
            cells.append(f"{right / len(some):.3f} ({len(some)})" if some else "")
        yield f"| {kind} ({'true' if kind in TRUE else 'false'}) | {' | '.join(cells)} |"


def by_set(begin: Sequence[Checked]) -> Iterator[str]:
    yield from HEAD
    for name in dict.fromkeys(one.pair.set for one in begin):
        yield row(name, [one for one in begin if one.pair.set == name], "both")


def verdicts(made: Sequence[Checked], begin: Sequence[Checked]) -> Iterator[str]:
    yield "| claims | supported | partly | unsupported |"
    yield "|---|---|---|---|"
    for name, found in (("made", made), ("BEGIN", begin)):
        for carried in (True, False):
            some = [one.both for one in found if one.pair.carried == carried]
            shares = [f"{some.count(verdict) / len(some):.3f}" for verdict in ("supported", "partly", "unsupported")]
            yield f"| {name}, {'true' if carried else 'false'} | {' | '.join(shares)} |"


def costs(pairs: Sequence[Pair], embedder: Embedder) -> Iterator[str]:
    """Processor time of finding the quote and checking it, each claim for the first time."""
    yield "| | median ms | 95th percentile |"
    yield "|---|---|---|"
    similarity = EmbedderSimilarity(embedder)
    step = max(1, len(pairs) // TIMED)
    english = [pair for pair in pairs if pair.cited.language == "en" and pair.kind not in ("sentence",)]
    yield _cost("a sentence, by words", [_timed(pair, None) for pair in pairs[::step][:TIMED]])
    some = english[:: max(1, len(english) // TIMED_EMBEDDED)][:TIMED_EMBEDDED]
    yield _cost("a sentence, with the embedder", [_timed(pair, similarity) for pair in some])


def _cost(name: str, seconds: Sequence[float]) -> str:
    return f"| {name} | {1000 * median(seconds):.1f} | {1000 * quantiles(seconds, n=20)[-1]:.1f} |"


def _timed(pair: Pair, similarity: EmbedderSimilarity | None) -> float:
    passage = passage_of(pair.cited)
    start = time.process_time()
    cited: Evidence = evidence_of(passage, *find_quote(pair.claim, passage))
    check(pair.claim, cited, similarity)
    return time.process_time() - start


def report(made: Sequence[Checked], begin: Sequence[Checked], timed: Sequence[str]) -> str:
    return "\n".join(
        [
            "# What verification finds",
            "",
            f"{date.today()}, {platform.machine()}, Python {platform.python_version()}. Made by",
            "`python -m benchmarks.verification`; what is measured is said there and in evaluation/grounding.py. The",
            "articles are those that nothing was fitted on; rag/verify.toml has both halves.",
            "",
            *overall(made, begin),
            "",
            "Share rightly judged, of each kind of claim (how many):",
            "",
            *by_kind(made),
            "",
            "BEGIN by where its responses come from:",
            "",
            *by_set(begin),
            "",
            "Verdicts:",
            "",
            *verdicts(made, begin),
            "",
            "Processor time:",
            "",
            *timed,
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path)
    parser.add_argument("--most", type=int, default=200, help="true claims of a set, kind and half")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = wanted.work or Path(scratch)
        embedder = open_embedder(Settings.load(work))
        made = [pair for pair in made_pairs(wanted.data, wanted.most) if pair.half == "report"]
        begin = [pair for pair in begin_pairs(wanted.data) if pair.half == "report"]
        timed = list(costs(made, embedder))
        cached = CachedEmbedder(embedder, work / "vectors")
        RESULTS.write_text(report(checked(made, cached), checked(begin, cached), timed), encoding="utf-8")
        cached.close()
    print(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
