"""What the reader learns from: paragraphs with questions of people, lines of text in two languages, and synonyms."""

import json
import lzma
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from evaluation.adapters import english_titles
from evaluation.dataset import is_to_tune

SQUAD = {
    "squad-v2.0-en": "en",
    "squad-v1.1-en": "en",
    "squad-es-v2.0-small": "es",
    "squad-es-v1.1-small": "es",
}
# Sources of parallel text whose lines are prose, in the order in which they were written.
PROSE = {
    "openstax_fisica", "openstax_quimica", "openstax_estadistica", "europarl_sample", "casimedicos", "python_docs_es",
    "electron_docs", "vita_min", "opensource_guide", "login_gov_help", "bitcoin_org",
}  # fmt: skip
DICTIONARY = "wordnet_mcr"
LINE = range(41, 400)  # characters
PARAGRAPH_WORDS = 70
SYNONYMS = 6

Synonyms = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on a paragraph, and where in it answers stand, as (start, text); none where it does not answer."""

    question: str
    language: str
    paragraph: str
    answers: tuple[tuple[int, str], ...]
    article: str


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of text that follow each other, in English and in Spanish."""

    english: tuple[str, ...]
    spanish: tuple[str, ...]

    def of(self, language: str) -> tuple[str, ...]:
        return self.english if language == "en" else self.spanish


def asked_of_squad(data: Path, *, tune: bool, names: Collection[str] = SQUAD) -> list[Asked]:
    """The questions of sets of SQuAD, of the half of the articles that is tuned on or of the other; each question on a
    paragraph once."""
    titles = english_titles(data)
    found: dict[tuple[str, str], Asked] = {}
    for name in names:
        for article in json.loads((data / "qa/squad-family" / f"{name}.json").read_text(encoding="utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                for qa in paragraph["qas"]:
                    group, text = titles.get(qa["id"], article["title"]), paragraph["context"]
                    if is_to_tune(group) == tune:
                        answers = tuple((answer["answer_start"], answer["text"]) for answer in qa["answers"])
                        found.setdefault(
                            (qa["question"], text), Asked(qa["question"], SQUAD[name], text, answers, group)
                        )
    return list(found.values())


def asked_of_qed(data: Path) -> Iterator[Asked]:
    """Questions that people typed (QED, Lamm et al. 2021, over Natural Questions)."""
    for line in (data / "qa/qed/qed-dev.jsonlines").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        spans = list(chain.from_iterable(entry["original_nq_answers"]))
        if spans and all(span["start"] >= 0 for span in spans):
            answers = ((spans[0]["start"], spans[0]["string"]),)
            yield Asked(entry["question_text"], "en", entry["paragraph_text"], answers, entry["title_text"])


def parallel_lines(data: Path) -> Iterator[tuple[str, str, str]]:
    """Source, English, Spanish."""
    with (
        lzma.open(data / "parallel/all_train.tsv.xz", "rt", encoding="utf-8") as lines,
        lzma.open(data / "parallel/all_train.source.txt.xz", "rt", encoding="utf-8") as sources,
    ):
        for line, source in zip(lines, sources, strict=True):
            english, _, spanish = line.rstrip("\n").partition("\t")
            yield source.strip(), english, spanish


def paragraphs(lines: Iterable[tuple[str, str, str]]) -> Iterator[Lines]:
    """Neighbouring lines of a source, two or more that make a paragraph together."""
    own: list[tuple[str, str]] = []
    words, before = 0, ""
    for source, english, spanish in chain(lines, [("", "", "")]):
        more = len(english.split())
        if own and (source != before or words + more > PARAGRAPH_WORDS):
            if len(own) > 1:
                yield Lines(*zip(*own, strict=True))
            own, words = [], 0
        own.append((english, spanish))
        words, before = words + more, source


def synonyms(pairs: Sequence[tuple[str, str]]) -> tuple[Synonyms, Synonyms]:
    """English and Spanish words, of four letters or more, that share two translations or more, from a dictionary's
    pairs."""
    words = [pair for pair in pairs if all(one.islower() and " " not in one for one in pair)]
    return _sharing(words), _sharing([(spanish, english) for english, spanish in words])


def _sharing(pairs: Sequence[tuple[str, str]]) -> Synonyms:
    to, back = defaultdict(list), defaultdict(list)
    for word, translation in dict.fromkeys(pairs):
        to[word].append(translation)
        back[translation].append(word)
    found = {}
    for word, translations in to.items():
        shared = Counter(other for one in translations for other in back[one] if other != word)
        alike = [other for other, count in shared.items() if count > 1]
        if len(word) > 3 and alike:
            found[word] = alike[:SYNONYMS]
    return found


def read_prose(data: Path) -> tuple[list[Lines], dict[str, Synonyms]]:
    """Paragraphs of parallel text, and synonyms by language."""
    lines, pairs = [], []
    for source, english, spanish in parallel_lines(data):
        if source == DICTIONARY:
            pairs.append((english, spanish))
        elif source in PROSE and len(english) in LINE:
            lines.append((source, english, spanish))
    english_words, spanish_words = synonyms(pairs)
    return list(paragraphs(lines)), {"en": english_words, "es": spanish_words}
