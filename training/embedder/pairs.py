"""The text that is trained on: English and Spanish that say the same, as sentences and as passages.

`all_train.tsv.xz` holds a pair a line, English, a tab, Spanish; `all_train.source.txt.xz` names each line's source.
Lines of a document follow each other in the file, so that passages can be made of them.
"""

import lzma
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

SHARE_ALIKE = ("wiktionary", "privacy_guides", "mdn_web_docs", "owasp_top10", "ud_pud", "gbif_docs")
EVALUATED = ("tldr_pages", "rust_book")  # their pages are among the collections that retrieval is measured on
TERMS = ("wordnet_mcr", "cldr_names", "osm_presets", "tico_terms")
UNORDERED = (*TERMS, "tatoeba", "europarl_sample", "truthfulqa_multi", "mintaka_dev", "qald", "vita_min")
SHARES = {"php_manual": 0.4, "python_docs_es": 0.6, "tensorflow_docs": 0.6, "bible_bsb_rv1865": 0.5, "wordnet_mcr": 0.5}
PASSAGE_WORDS = 30, 170  # of the English; 170 are about 250 tokens in Spanish
RUN = 40  # lines of a source that are kept or left out together, so that passages stay passages


@dataclass(frozen=True, slots=True)
class Pair:
    """The same in two languages. `kind`: term, sentence or passage."""

    english: str
    spanish: str
    source: str
    kind: str


def read_pairs(data: Path) -> list[Pair]:
    """All lines whose source may be trained on and shipped without conditions but attribution."""
    with (
        lzma.open(data / "all_train.tsv.xz", "rt", encoding="utf-8", newline="\n") as lines,
        lzma.open(data / "all_train.source.txt.xz", "rt", encoding="utf-8") as sources,
    ):
        named = zip((line.rstrip("\n") for line in lines), (name.strip() for name in sources), strict=True)
        return [_pair(line, source) for line, source in named if line and source not in (*SHARE_ALIKE, *EVALUATED)]


def _pair(line: str, source: str) -> Pair:
    english, spanish = line.split("\t")
    return Pair(english, spanish, source, "term" if source in TERMS else "sentence")


def evaluation_texts(data: Path) -> list[str]:
    """Both sides of the pairs that are for evaluation only."""
    lines = [line for path in sorted(data.glob("eval_*.tsv")) for line in path.read_text("utf-8").splitlines()]
    return [side for line in lines for side in line.split("\t")]


def without(pairs: Iterable[Pair], texts: Iterable[str]) -> list[Pair]:
    """The pairs of which neither side is among the texts, compared by their letters and digits."""
    left_out = {letters(text) for text in texts}
    return [pair for pair in pairs if letters(pair.english) not in left_out and letters(pair.spanish) not in left_out]


def letters(text: str) -> str:
    return re.sub(r"\W+", "", text.casefold())


def sampled(pairs: Sequence[Pair], seed: int) -> list[Pair]:
    """Of the sources with much text of one kind a share (SHARES), in runs of lines."""
    chance = random.Random(seed)
    kept: list[Pair] = []
    for source, group in groupby(pairs, key=lambda pair: pair.source):
        lines, share = list(group), SHARES.get(source, 1.0)
        for start in range(0, len(lines), RUN):
            if chance.random() < share:
                kept += lines[start : start + RUN]
    return kept


def passages(pairs: Sequence[Pair], seed: int) -> Iterator[Pair]:
    """Lines that follow each other in a document, joined to passages of lengths like those that are searched."""
    chance = random.Random(seed)
    for source, group in groupby(pairs, key=lambda pair: pair.source):
        if source in UNORDERED:
            continue
        part: list[Pair] = []
        words, wanted = 0, chance.randint(*PASSAGE_WORDS)
        for pair in group:
            length = len(pair.english.split())
            if part and words + length > wanted:
                yield _joined(part)
                part, words, wanted = [], 0, chance.randint(*PASSAGE_WORDS)
            part.append(pair)
            words += length
        if part:
            yield _joined(part)


def by_source(pairs: Iterable[Pair]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The English and the Spanish texts."""
    english: dict[str, list[str]] = defaultdict(list)
    spanish: dict[str, list[str]] = defaultdict(list)
    for pair in pairs:
        english[pair.source].append(pair.english)
        spanish[pair.source].append(pair.spanish)
    return english, spanish


def _joined(part: Sequence[Pair]) -> Pair:
    english, spanish = (" ".join(texts) for texts in zip(*((pair.english, pair.spanish) for pair in part), strict=True))
    return Pair(english, spanish, part[0].source, "passage")
