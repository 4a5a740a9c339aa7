"""Public question sets, read from files as their makers publish them.

`load(name, data)` reads one of SETS from a folder of such files; what each is measured on is said at its reader.
Every set keeps to its own passages but FinanceBench and the vault, which are documents that Cita reads itself.
"""

import ast
import csv
import gzip
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from errors import FolderError
from evaluation.dataset import Dataset, GivenPassage, Place, Question

SQUAD = Path("qa", "squad-family")


def load(name: str, data: Path) -> Dataset:
    """The set of that name (a key of SETS) from the folder `data`.

    Raises FolderError if its files are not there, KeyError if there is no such set.
    """
    try:
        return SETS[name](name, data)
    except OSError as error:
        raise FolderError(
            f"The set {name!r} cannot be read: {error.filename}: {error.strerror}.",
            hint="Name the folder that holds qa/ and retrieval/.",
        ) from error


def squad(name: str, data: Path, asked: str, written: str, titles: bool = False) -> Dataset:
    """A set of the SQuAD family (Rajpurkar et al. 2016, 2018; Artetxe et al. 2020; Carrino et al. 2020): the questions
    of one file over the distinct paragraphs of another. Gold is the paragraph that the question's id has there. An
    article is a source; its name is no part of the paragraphs unless with `titles`."""
    passages: dict[str, GivenPassage] = {}
    gold: dict[str, str] = {}
    for number, article in enumerate(_articles(data, written)):
        for paragraph in article["paragraphs"]:
            text = paragraph["context"]
            title = article["title"].replace("_", " ") if titles else ""
            passage = passages.setdefault(text, GivenPassage(f"p{len(passages)}", text, title, f"article{number}"))
            gold |= {qa["id"]: passage.id for qa in paragraph["qas"]}
    groups = _english_titles(data)
    questions = [
        Question(
            id=qa["id"],
            text=qa["question"],
            gold={} if qa.get("is_impossible") else {gold[qa["id"]]: 1},
            answers=tuple(dict.fromkeys(answer["text"] for answer in qa["answers"])),
            unanswerable=bool(qa.get("is_impossible")),
            group=groups.get(qa["id"], article["title"]),
        )
        for article in _articles(data, asked)
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
        if qa["id"] in gold
    ]
    return Dataset(name, tuple(questions), tuple(passages.values()))


def _articles(data: Path, file: str) -> list[dict[str, Any]]:
    articles: list[dict[str, Any]] = _json(data / SQUAD / f"{file}.json")["data"]
    return articles


def _english_titles(data: Path) -> dict[str, str]:
    """The article of each question by its English name: a translation is split as its original is."""
    return {
        qa["id"]: article["title"]
        for file in ("squad-v1.1-en", "squad-v2.0-en")
        for article in _articles(data, file)
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    }


def _squad(asked: str, written: str = "", titles: bool = False) -> Callable[[str, Path], Dataset]:
    return lambda name, data: squad(name, data, asked, written or asked, titles)


def scifact(name: str, data: Path) -> Dataset:
    """SciFact as in BEIR (Wadden et al. 2020; Thakur et al. 2021): 300 claims over 5,183 abstracts with titles."""
    folder = data / "retrieval" / "scifact"
    csv.field_size_limit(sys.maxsize)
    with (folder / "corpus_train.csv").open(encoding="utf-8", newline="") as file:
        passages = tuple(
            GivenPassage(row["doc_id"], " ".join(_sentences(row["abstract"])), row["title"], f"doc{row['doc_id']}")
            for row in csv.DictReader(file)
        )
    grades: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels" / "qrels.beir-v1.0.0-scifact.test.txt").read_text(encoding="utf-8").splitlines():
        query, _, document, grade = line.split()
        grades.setdefault(query, {})[document] = int(grade)
    with gzip.open(folder / "topics" / "topics.beir-v1.0.0-scifact.test.tsv.gz", "rt", encoding="utf-8") as topics:
        asked = [line.rstrip("\n").split("\t") for line in topics]
    questions = [Question(id, text, grades[id], group=min(grades[id])) for id, text in asked]
    return Dataset(name, tuple(questions), passages)


_LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)


def _sentences(array: str) -> Iterator[str]:
    """The sentences of an abstract, written as numpy prints an array of texts."""
    for literal in _LITERAL.findall(array):
        yield str(ast.literal_eval(literal)).strip()


def clapnq(name: str, data: Path) -> Dataset:
    """CLAP NQ (Rosenthal et al. 2024), development set: 300 questions with a long answer in their passage and 300 that
    their passage does not answer, over the passages of all 600. Another passage may hold what one lacks."""
    folder = data / "qa" / "clapnq" / "annotated_data" / "dev"
    passages: dict[tuple[str, str], GivenPassage] = {}
    questions = []
    for part in ("answerable", "unanswerable"):
        for line in (folder / f"clapnq_dev_{part}.jsonl").read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            (given,) = entry["passages"]
            number = len(passages)
            new = GivenPassage(f"p{number}", given["text"], given["title"], f"passage{number}")
            passage = passages.setdefault((given["title"], given["text"]), new)
            answers = tuple(output["answer"] for output in entry["output"] if output["answer"])
            gold = {passage.id: 1} if part == "answerable" else {}
            questions.append(
                Question(entry["id"], entry["input"], gold, (), answers, part == "unanswerable", passage.title)
            )
    return Dataset(name, tuple(questions), tuple(passages.values()))


def hotpotqa(name: str, data: Path) -> Dataset:
    """HotpotQA (Yang et al. 2018), a part of the distractor development set: 100 questions that need two paragraphs,
    over the paragraphs of all of them. Gold are both."""
    passages: dict[tuple[str, str], GivenPassage] = {}
    questions = []
    for number, entry in enumerate(_json(data / "qa" / "hotpotqa-subset" / "data" / "hotpot_dev_distractor_v1.json")):
        gold: dict[str, int] = {}
        for title, sentences in zip(entry["context"]["title"], entry["context"]["sentences"], strict=True):
            text = "".join(sentences).strip()
            new = GivenPassage(f"p{len(passages)}", text, title, f"passage{len(passages)}")
            passage = passages.setdefault((title, text), new)
            if title in entry["supporting_facts"]["title"]:
                gold[passage.id] = 1
        group = min(entry["supporting_facts"]["title"])
        questions.append(Question(f"q{number}", entry["question"], gold, (), (entry["answer"],), False, group))
    return Dataset(name, tuple(questions), tuple(passages.values()))


def financebench(name: str, data: Path) -> Dataset:
    """FinanceBench (Islam et al. 2023), 23 questions over 16 filings in PDF. Gold are the pages of the evidence."""
    folder = data / "qa" / "financebench"
    questions = []
    for line in (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        pages = {(f"{e['doc_name']}.pdf", e["evidence_page_num"] + 1): None for e in entry["evidence"]}  # 0-based there
        places = tuple(Place(source, page) for source, page in pages)
        id, question, answer = entry["financebench_id"], entry["question"], entry["answer"]
        questions.append(Question(id, question, {}, places, (answer,), False, entry["company"]))
    return Dataset(name, tuple(questions), documents=folder / "pdfs")


_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$", re.MULTILINE)
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_WORDS = re.compile(r"\w+")


def kepano(name: str, data: Path) -> Dataset:
    """A personal vault of Markdown notes, which has no questions: each heading is one (with the note's name where it
    is a single word), and each note's name if text follows it. Gold is the note. Templates, and what has fewer than
    eight words below it, are left out. To find a known item by its name is easy; this set shows what breaks."""
    folder = data / "collections" / "kepano-obsidian-vault"
    questions: list[Question] = []
    for file in sorted(folder.rglob("*.md")):
        path = file.relative_to(folder).as_posix()
        if path.startswith("Templates/"):
            continue
        text = _FRONT_MATTER.sub("", file.read_text(encoding="utf-8"))
        for heading, body in _parts(text):
            if len(_WORDS.findall(body)) < 8:
                continue
            asked = heading if len(heading.split()) > 1 else f"{file.stem} {heading}".strip()
            questions.append(Question(f"q{len(questions)}", asked, {}, (Place(path),), (), False, path))
    return Dataset(name, tuple(questions), documents=folder)


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Headings and what stands below each; the text before the first has ''."""
    starts = [(0, 0, ""), *((match.start(), match.end(), match[2]) for match in _HEADING.finditer(text))]
    for (_, start, heading), (end, _, _) in zip(starts, [*starts[1:], (len(text), 0, "")], strict=True):
        yield heading, text[start:end]


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


SETS: dict[str, Callable[[str, Path], Dataset]] = {
    "squad-v1.1-en": _squad("squad-v1.1-en"),
    "squad-v1.1-en with titles": _squad("squad-v1.1-en", titles=True),
    "squad-v2.0-en": _squad("squad-v2.0-en"),
    "squad-es-v1.1-small": _squad("squad-es-v1.1-small"),
    "squad-es-v2.0-small": _squad("squad-es-v2.0-small"),
    "xquad-en": _squad("xquad-en"),
    "xquad-es": _squad("xquad-es"),
    "Spanish question, English passages": _squad("xquad-es", "xquad-en"),
    "English question, Spanish passages": _squad("xquad-en", "xquad-es"),
    "scifact": scifact,
    "clapnq": clapnq,
    "hotpotqa-subset": hotpotqa,
    "financebench": financebench,
    "kepano-obsidian-vault": kepano,
}
