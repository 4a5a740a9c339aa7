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
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
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
            hint="Name the folder that holds qa/, retrieval/, parallel/ and collections/.",
        ) from error


def squad(name: str, data: Path, asked: str, written: str, titles: bool = False) -> Dataset:
    """A set of the SQuAD family (Rajpurkar et al. 2016, 2018; Artetxe et al. 2020; Carrino et al. 2020): the questions
    of one file over the distinct paragraphs of another. Gold and answers are those that the question's id has there.
    An article is a source; its name is no part of the paragraphs unless with `titles`."""
    passages: dict[str, GivenPassage] = {}
    gold: dict[str, str] = {}
    answers: dict[str, tuple[str, ...]] = {}
    for number, article in enumerate(_articles(data, written)):
        for paragraph in article["paragraphs"]:
            text = paragraph["context"]
            title = article["title"].replace("_", " ") if titles else ""
            passage = passages.setdefault(text, GivenPassage(f"p{len(passages)}", text, title, f"article{number}"))
            for qa in paragraph["qas"]:
                gold[qa["id"]] = passage.id
                answers[qa["id"]] = tuple(dict.fromkeys(answer["text"] for answer in qa["answers"]))
    groups = english_titles(data)
    questions = [
        Question(
            id=qa["id"],
            text=qa["question"],
            gold={} if qa.get("is_impossible") else {gold[qa["id"]]: 1},
            answers=answers[qa["id"]],
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


def english_titles(data: Path) -> dict[str, str]:
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


def translations(name: str, data: Path, file: str, asked: str, written: str) -> Dataset:
    """Parallel sentences, one of each language a line: FLORES-200 devtest (NLLB Team 2022), NTREX-128 (Federmann et al.
    2022) or TICO-19 (Anastasopoulos et al. 2020). Each sentence `asked` in one language finds its translation among all
    that are `written` in the other. Sentences of the same words, whatever their case and punctuation, are one, and
    what translates one of them translates it. Which article a sentence is from is not known: a group is 20 lines."""
    passages: dict[str, GivenPassage] = {}
    questions = []
    with (data / "parallel" / f"eval_{file}.tsv").open(encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines):
            texts = dict(zip(("en", "es"), line.rstrip("\n").split("\t"), strict=True))
            new = GivenPassage(f"p{number}", texts[written], "", f"sentence{number}")
            passage = passages.setdefault(_wording(new.text), new)
            group = f"{file} {number // 20}"
            questions.append(Question(f"q{number}", texts[asked], {passage.id: 1}, group=group))
    return Dataset(name, _merged(questions), tuple(passages.values()))


def _translations(file: str, asked: str, written: str) -> Callable[[str, Path], Dataset]:
    return lambda name, data: translations(name, data, file, asked, written)


def _merged(questions: Iterable[Question]) -> tuple[Question, ...]:
    """Questions of the same words as one: what answers one of them answers it."""
    found: dict[str, Question] = {}
    for question in questions:
        known = found.setdefault(_wording(question.text), question)
        found[_wording(question.text)] = replace(known, gold={**known.gold, **question.gold})
    return tuple(found.values())


def _wording(text: str) -> str:
    return " ".join(_WORDS.findall(text.casefold())) or text


TLDR = Path("collections", "tldr-en-es", "tldr-en-es.tar.gz")
_TLDR_FOLDERS = {"pages": "en", "pages.es": "es"}
_TLDR_PAGE = re.compile(r"# (?P<command>[^\n]+)\n+> (?P<summary>[^\n]+)\n(?P<rest>.*)", re.DOTALL)
_NAME_PARTS = re.compile(r"[^\W_]+")


def tldr(name: str, data: Path, asked: str, written: str) -> Dataset:
    """Pages of tldr-pages, each on a command, of those that are there in both languages. A page's summary, its first
    line, is the question; gold is the page of that command in the language `written`. The summary is taken out of every
    page, also across languages: what is measured is whether what a command is for finds how it is used, neither copying
    nor translation, and what it costs to ask in the other language, as the pages and commands are the same both ways.

    A command's name would give its page away, and is the same in both languages. So a summary is not asked where in
    either language it has a word that begins as a word of the name does, or code, which mostly names a command (the
    pages of aliases say no more), or fewer than four words. Names of products stay, and BM25 finds pages across
    languages by them. Not asked either is for a command with pages for several systems, which say much the same. Some
    commands do what others do: not every miss is wrong.

    Pairs of these pages are part of parallel/all_train.tsv.xz, as the source tldr_pages: these figures hold for an
    embedder that was trained without it."""
    pages = _tldr_pages(data)
    shared = sorted(pages["en"].keys() & pages["es"].keys())
    systems = Counter(path.name for path in shared)
    passages: list[GivenPassage] = []
    questions: list[Question] = []
    for path in shared:
        id, page, summary = str(path), pages[written][path], pages[asked][path]["summary"]
        passages.append(GivenPassage(id, page["rest"].strip(), page["command"], id))
        if systems[path.name] == 1 and all(_is_askable(each[path]["summary"], path.stem) for each in pages.values()):
            questions.append(Question(id, summary, {id: 1}, group=path.stem.split("-")[0]))
    return Dataset(name, _merged(questions), tuple(passages))


def _tldr_pages(data: Path) -> dict[str, dict[PurePosixPath, re.Match[str]]]:
    """By language and path (common/tar.md)."""
    pages: dict[str, dict[PurePosixPath, re.Match[str]]] = {"en": {}, "es": {}}
    with tarfile.open(data / TLDR) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            file = archive.extractfile(member) if path.suffix == ".md" and len(path.parts) == 4 else None
            if file and (page := _TLDR_PAGE.match(file.read().decode("utf-8"))):
                pages[_TLDR_FOLDERS[path.parts[1]]][PurePosixPath(*path.parts[2:])] = page
    return pages


def _is_askable(summary: str, command: str) -> bool:
    words = _NAME_PARTS.findall(summary.casefold())
    named = _NAME_PARTS.findall(command.casefold())
    is_named = any(word == part or (len(part) > 2 and word.startswith(part)) for word in words for part in named)
    return len(words) >= 4 and not is_named and "`" not in summary


def _tldr(asked: str, written: str) -> Callable[[str, Path], Dataset]:
    return lambda name, data: tldr(name, data, asked, written)


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
    "Spanish question (2.0), English passages": _squad("squad-es-v2.0-small", "squad-v2.0-en"),
    "English question (2.0), Spanish passages": _squad("squad-v2.0-en", "squad-es-v2.0-small"),
    "scifact": scifact,
    "clapnq": clapnq,
    "hotpotqa-subset": hotpotqa,
    "financebench": financebench,
    "kepano-obsidian-vault": kepano,
    "flores-es-en": _translations("flores_devtest", "es", "en"),  # asked in Spanish, found in English
    "flores-en-es": _translations("flores_devtest", "en", "es"),
    "ntrex-es-en": _translations("ntrex", "es", "en"),
    "ntrex-en-es": _translations("ntrex", "en", "es"),
    "tico19-es-en": _translations("tico19", "es", "en"),
    "tico19-en-es": _translations("tico19", "en", "es"),
    "tldr-en": _tldr("en", "en"),
    "tldr-es": _tldr("es", "es"),
    "tldr-es-en": _tldr("es", "en"),
    "tldr-en-es": _tldr("en", "es"),
}
