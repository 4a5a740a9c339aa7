"""Claims and what they cite, true and false, made from public sets: what verification (rag/verify.py) is fitted to and
measured on.

True claims are sentences of a passage, answers made into statements ("Who wrote X?", "A" -> "A wrote X."), and BEGIN's
responses labelled fully attributable. False ones are made of these: a number changed (to another of the passage, or by
some), a name changed (to another of the passage, or of another passage of its article), negated, or held against
another passage of the article, every second time the one that shares most words with the claim. Beside them, with the
labels that people gave them: BEGIN's responses (Dziri et al. 2022).
"""

import csv
import hashlib
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from evaluation import adapters
from ingest.analyse import fold, words
from ingest.sentences import sentences
from rag.names import names

TRUE = ("sentence", "statement", "response")
FALSE = ("number changed", "name changed", "negated", "another passage")
Half = Literal["tune", "report"]


@dataclass(frozen=True)
class Text:
    """A passage with what stands above it; `group` is its article."""

    text: str
    above: str
    language: str
    group: str


@dataclass(frozen=True)
class Pair:
    """A claim of a kind (TRUE, FALSE, or a set's own label) and what it cites."""

    set: str
    kind: str
    claim: str
    cited: Text
    carried: bool

    @property
    def is_labelled(self) -> bool:
        """By people, not made."""
        return self.set in BEGIN

    @property
    def half(self) -> Half:
        """Of an article all pairs are in one half, in every set (as evaluation.dataset.halves splits them)."""
        return "report" if hashlib.sha256(self.cited.group.encode()).digest()[0] % 2 else "tune"


def made_pairs(data: Path, most: int, seed: int = 1) -> list[Pair]:
    """Pairs of all sets; of each set at most so many true claims of a kind and half."""
    found: list[Pair] = []
    for true in (_squad("squad-v1.1-en", data), _squad("squad-es-v1.1-small", data), _squad("xquad-es", data),
                 _qed(data), _begin_true(data)):  # fmt: skip
        chosen = _few(true, most, seed)
        found += [pair for pair in chosen if pair.carried]
        found += [false for pair in chosen for false in _falsified(pair, _by_article(true), seed)]
    return found


def begin_pairs(data: Path) -> list[Pair]:
    """BEGIN's responses with the labels that people gave them; 'Generic' ones, which claim nothing, are left out."""
    found = []
    for name, file in BEGIN.items():
        with (data / "grounding" / "begin" / file).open(encoding="utf-8", newline="") as rows:
            for row in csv.DictReader(rows, delimiter="\t", quoting=csv.QUOTE_NONE):
                if row["begin_label"] != "Generic":
                    cited = Text(row["knowledge"], "", "en", row["knowledge"])
                    carried = row["begin_label"] == "Fully attributable"
                    found.append(Pair(name, row["begin_label"], row["response"], cited, carried))
    return found


def _few(pairs: Sequence[Pair], most: int, seed: int) -> list[Pair]:
    """At most so many of each kind and half, by lot."""
    drawn: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in random.Random(seed).sample(list(pairs), len(pairs)):
        if len(drawn[pair.kind, pair.half]) < most:
            drawn[pair.kind, pair.half].append(pair)
    return [pair for some in drawn.values() for pair in some]


# --- true claims


def _squad(name: str, data: Path) -> list[Pair]:
    """Statements, and the sentences that hold the answers."""
    dataset = adapters.load(name, data)
    language = "es" if "es" in name.split("-") else "en"
    passages = {passage.id: passage for passage in dataset.passages}
    found: dict[tuple[str, str], Pair] = {}
    for question in dataset.questions:
        for id in question.gold:
            cited = Text(passages[id].text, "", language, question.group)
            answer = question.answers[0]
            claims = {"statement": statement(question.text, answer, language), "sentence": _around(answer, cited.text)}
            found |= {(kind, claim): Pair(name, kind, claim, cited, True) for kind, claim in claims.items() if claim}
    return list(found.values())


def _around(answer: str, text: str) -> str:
    """The sentence with the answer, if it has words enough to be a claim."""
    spans = [text[start:end] for start, end in sentences(text) if answer in text[start:end]]
    return spans[0] if len(spans) == 1 and len(spans[0].split()) >= 5 else ""


def _qed(data: Path) -> list[Pair]:
    """QED (Lamm et al. 2021): the sentence that justifies an answer, and the answer as a statement."""
    found = []
    lines = (data / "qa" / "qed" / "qed-dev.jsonlines").read_text(encoding="utf-8").splitlines()
    for entry in map(json.loads, lines):
        marked = entry["annotation"]
        if marked["explanation_type"] == "single_sentence":
            cited = Text(_untokenised(entry["paragraph_text"]), entry["title_text"], "en", entry["title_text"])
            answer = _untokenised(marked["answer"][0]["paragraph_reference"]["string"]) if marked["answer"] else ""
            claims = {
                "sentence": _untokenised(marked["selected_sentence"]["string"]),
                "statement": statement(entry["question_text"], answer, "en") if answer else "",
            }
            found += [Pair("qed", kind, claim, cited, True) for kind, claim in claims.items() if claim]
    return found


BEGIN = {
    "begin-wow-dev": "wow/begin_dev_wow.tsv",
    "begin-wow-test": "wow/begin_test_wow.tsv",
    "begin-cmu-dev": "cmu-dog/begin_dev_cmu.tsv",
    "begin-tc-dev": "topicalchat/begin_dev_tc.tsv",
}


def _begin_true(data: Path) -> list[Pair]:
    return [replace(pair, set="begin", kind="response") for pair in begin_pairs(data) if pair.carried]


def _untokenised(text: str) -> str:
    text = re.sub(r" ?`` ?| ?'' ?", '"', text) if text.count("``") != text.count("''") else _quotes(text)
    text = re.sub(r" (?=[.,;:!?%)\]]|'s\b|n't\b)", "", text)
    return re.sub(r"(?<=[(\[$]) ", "", text).replace(" -- ", " – ").strip()


def _quotes(text: str) -> str:
    return re.sub(r"`` ", '"', re.sub(r" ''", '"', text))


# --- statements

_BE = "is|are|was|were"
_HELP = f"{_BE}|has|have|had|can|could|will|would|may|must|should"
_PARTICIPLE = r"\w+(?:ed|en|wn|ilt|eld|ade|ound|aught|ought|orn|eft|ost|aid|ent|ung|ut)"
_ENGLISH: tuple[tuple[str, str], ...] = (
    (rf"(?:who|what|which) (?P<be>{_BE}) (?P<x>(?:the|a|an|this|his|her|their|its|one|[A-Z]).+)", "{x} {be} {a}"),
    (rf"(?:who|what|which) (?P<be>{_BE}) (?P<x>.+)", "{a} {be} {x}"),
    (r"who (?P<x>(?!did|does|do\b).+)", "{a} {x}"),
    (r"(?:in|during) (?:what|which) (?:\w+ ){1,3}?did (?P<x>.+)", "{x} in {a}"),
    (r"(?:what|which) year did (?P<x>.+)", "{x} in {a}"),
    (rf"(?:(?:in|on|during) (?:what|which) \w+|when|where|(?:what|which) year) (?P<be>was|were|is|are) (?P<x>.+?) "
     rf"(?P<y>{_PARTICIPLE}\b.*)", "{x} {be} {y} {in_a}"),
    (r"(?:when|where) did (?P<x>.+)", "{x} {in_a}"),
    (rf"how (?:many|much) (?P<n>[\w' -]+?) (?P<h>{_HELP}) (?P<x>.+)", "{a} {n} {h} {x}"),
    (r"how (?:many|much) (?P<n>[\w' -]+?) (?:did|does|do) (?P<x>.+)", "{x} {a} {n}"),
    (rf"(?:what|which) (?P<n>(?!did|does|do\b)[\w' -]+?) (?P<h>{_HELP}) (?P<x>.+)", "{a} {h} {x}"),
    (r"(?:what|which) (?P<n>[\w' -]+?) (?:did|does|do) (?P<x>.+)", "the {n} that {x} is {a}"),
    (r"(?:what|which) (?:did|does|do) (?P<x>.+)", "{x} {a}"),
)  # fmt: skip
_SPANISH: tuple[tuple[str, str], ...] = (
    (r"(?:quien|quienes) (?P<be>es|fue|era|son|fueron) (?P<x>(?:el|la|los|las|un|una) .+)", "{x} {be} {a}"),
    (r"(?:quien|quienes) (?P<x>.+)", "{a} {x}"),
    (r"(?:cual|cuales|que) (?P<be>es|fue|era|son|fueron|eran) (?P<x>.+)", "{x} {be} {a}"),
    (r"(?:cuando|donde|en que \w+) (?P<x>.+)", "{x} {in_a}"),
    (r"(?:cuantos|cuantas|cuanto|cuanta) (?P<x>.+)", "{a} {x}"),
)
_PREPOSITION = re.compile(
    r"(?:in|on|at|by|from|during|since|after|before|between|the|en|el|la|desde|entre|durante|a|al)\b", re.I
)


def statement(question: str, answer: str, language: str) -> str:
    """A question and its answer as a sentence, by a few patterns; '' for questions that none fits. Words keep their
    form ("When did X begin?" -> "X begin in A."): their stems are those of the true sentence."""
    asked = " ".join(question.strip(" ¿?.").split())
    for pattern, form in _SPANISH if language == "es" else _ENGLISH:
        # Folding keeps the length of these texts' letters: the parts are cut from what was written.
        folded = fold(asked)
        match = re.fullmatch(pattern, folded if len(folded) == len(asked) else asked, re.IGNORECASE)
        if match:
            parts = {name: asked[slice(*match.span(name))] for name in match.groupdict()}
            if form.startswith("{x} {be}") and "[A-Z]" in pattern and not _is_subject(parts["x"]):
                continue
            in_a = answer if _PREPOSITION.match(answer) else f"{'en' if language == 'es' else 'in'} {answer}"
            said: str = form.format(a=answer, in_a=in_a, **parts).strip()
            return f"{said[0].upper()}{said[1:].rstrip('.')}."
    return ""


def _is_subject(words: str) -> bool:
    """'the capital of X', but not 'killed in X'."""
    return words[0].isupper() or bool(re.match(r"(?:the|a|an|this|his|her|their|its|one)\b", words))


# --- false claims


def _by_article(pairs: Sequence[Pair]) -> dict[str, list[Text]]:
    found: dict[str, dict[Text, None]] = defaultdict(dict)
    for pair in pairs:
        found[pair.cited.group][pair.cited] = None
    whole = list({pair.cited: None for pair in pairs})
    # A set with one passage of each article takes others of the same half: their halves stay apart.
    lonely: dict[str, list[Text]] = defaultdict(list)
    for text in whole:
        lonely[_half_of(text)].append(text)
    return {
        group: list(texts) if len(texts) > 1 else lonely[_half_of(next(iter(texts)))] for group, texts in found.items()
    }


def _half_of(text: Text) -> Half:
    return Pair("", "", "", text, True).half


def _falsified(pair: Pair, articles: dict[str, list[Text]], seed: int) -> Iterator[Pair]:
    lot = random.Random(f"{seed} {pair.claim}")
    others = [text for text in articles[pair.cited.group] if text.text != pair.cited.text]
    if not others:
        return
    other = lot.choice(others)
    if pair.set not in ("qed", "begin") and lot.random() < 0.5:  # those have one passage of an article
        own = set(words(pair.claim))
        other = max(others, key=lambda text: len(own & set(words(text.text))))
    for kind, claim in (
        ("number changed", with_other_number(pair.claim, pair.cited.text, lot)),
        ("name changed", with_other_name(pair.claim, pair.cited.text, other.text, lot)),
        ("negated", negated(pair.claim, pair.cited.language)),
    ):
        if claim:
            yield replace(pair, kind=kind, claim=claim, carried=False)
    if pair.claim not in other.text:
        yield replace(pair, kind="another passage", cited=other, carried=False)


_NUMBER = re.compile(r"(?<![\w.,-])\d+(?:[.,]\d+)*(?![\w-])")


def with_other_number(claim: str, text: str, lot: random.Random) -> str:
    """The claim with one of its numbers changed: to another of the text of as many digits, if there is one and the lot
    says so, else by up to nine tenths; '' if it has none."""
    own = list(_NUMBER.finditer(claim))
    if not own:
        return ""
    match = lot.choice(own)
    there: list[str] = sorted(
        {n for n in _NUMBER.findall(text) if abs(len(n) - len(match[0])) <= 1} - {m[0] for m in own}
    )
    if there and lot.random() < 0.5:
        other: str = lot.choice(there)
    else:
        digits = [place for place, c in enumerate(match[0]) if c.isdigit()]
        place = lot.choice(digits)
        low = 1 if place == 0 else 0
        digit = lot.choice([d for d in map(str, range(low, 10)) if d != match[0][place]])
        other = f"{match[0][:place]}{digit}{match[0][place + 1 :]}"
    return claim[: match.start()] + other + claim[match.end() :]


def _name_runs(text: str) -> list[str]:
    """Names of a text: runs of capitalised words, none that only opens a sentence."""
    found = []
    kept = {name.text for name in names(text)}
    for match in re.finditer(r"[^\W\d_][\w'’-]*(?: [^\W\d_][\w'’-]*)*", text):
        run: list[str] = []
        for word in [*match[0].split(), ""]:
            if word[:1].isupper() and word in kept:
                run.append(word)
            elif run:
                found.append(" ".join(run))
                run = []
    return list(dict.fromkeys(found))


def with_other_name(claim: str, text: str, other: str, lot: random.Random) -> str:
    """The claim with one of its names changed to another of the text, or of another text; '' if it has none."""
    own = [run for run in _name_runs(claim) if len(run) > 2]
    if not own:
        return ""
    name = lot.choice(own)
    source = text if lot.random() < 0.5 else other
    folded = set(words(name))
    there = [run for run in _name_runs(source) if len(run) > 2 and not folded & set(words(run)) and run not in claim]
    return claim.replace(name, lot.choice(there), 1) if there else ""


_TO_NEGATE = re.compile(
    r"\b(is|are|was|were|has|have|had|can|could|will|would|may|must|should|did|does|do)\b(?! not)", re.I
)
_PAST = re.compile(r"(?<=[a-z] )([a-z]{3,}?)(ied|ed)\b(?! by)")
_TO_NEGATE_ES = re.compile(
    r"(?<!no )\b(es|son|era|eran|fue|fueron|ha|han|habia|había|habían|tiene|tienen|tenía|tenían|puede|pueden|podía|"
    r"está|están|estaba|estaban|hay|hubo|se|debe|deben|incluye|incluyen|\w{3,}(?:ó|aron|ieron|aba|aban))\b", re.I
)  # fmt: skip
_NEGATED = re.compile(r"\b(is|are|was|were|has|have|had|can|could|will|would|may|must|should|did|does|do) not ", re.I)


def negated(claim: str, language: str) -> str:
    """The claim denied, or what it denies claimed; '' where no verb is found."""
    if language == "es":
        if match := re.search(r"\b[Nn]o (?=\w)", claim):
            return claim[: match.start()] + claim[match.end() :]
        match = _TO_NEGATE_ES.search(claim)
        return f"{claim[: match.start()]}no {claim[match.start() :]}" if match and match.start() else ""
    if match := _NEGATED.search(claim):
        return claim[: match.start()] + match[1] + " " + claim[match.end() :]
    if match := _TO_NEGATE.search(claim):
        return f"{claim[: match.end()]} not{claim[match.end() :]}"
    if match := _PAST.search(claim):
        return f"{claim[: match.start()]}did not {match[1]}{'y' if match[2] == 'ied' else ''}{claim[match.end() :]}"
    return ""
