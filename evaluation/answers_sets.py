"""Two more public sets, which ask for answers rather than passages: tables with text, and sources that are at odds."""

import json
from pathlib import Path
from typing import Any

from errors import FolderError
from evaluation import adapters
from evaluation.dataset import Dataset, GivenPassage, Question
from evaluation.metrics import contains


def load(name: str, data: Path) -> Dataset:
    """A set of SETS or of evaluation.adapters from the folder `data`. Raises as adapters.load() does."""
    if name not in SETS:
        return adapters.load(name, data)
    try:
        return SETS[name](name, data)
    except OSError as error:
        raise FolderError(
            f"The set {name!r} cannot be read: {error.filename}: {error.strerror}.",
            hint="Name the folder that holds qa/ and retrieval/.",
        ) from error


def tatqa(name: str, data: Path) -> Dataset:
    """TAT-QA (Zhu et al. 2021), development set: those of its questions whose answer is one span of a table or of the
    text with it, over the tables and paragraphs of all 278 reports. Gold are those of the report that hold the answer;
    what is to be counted or worked out is left out."""
    contexts = json.loads((data / "qa" / "tatqa" / "tatqa_dataset_dev.json").read_text(encoding="utf-8"))
    passages: list[GivenPassage] = []
    questions = []
    for number, context in enumerate(contexts):
        rows = [[cell.strip() for cell in row] for row in context["table"]["table"]]
        table = "\n".join("  ".join(cell or "-" for cell in row) for row in rows)
        texts = [table, *(one["text"] for one in sorted(context["paragraphs"], key=lambda one: int(one["order"])))]
        own = [GivenPassage(f"p{number}-{n}", text, "", f"report{number}") for n, text in enumerate(texts)]
        passages += own
        for asked in context["questions"]:
            if asked["answer_type"] == "span" and len(asked["answer"]) == 1:
                (answer,) = asked["answer"]
                gold = {passage.id: 1 for passage in own if contains(passage.text, (answer,))}
                group = context["table"]["uid"]
                if gold:
                    questions.append(Question(asked["uid"], asked["question"], gold, (), (answer,), False, group))
    return Dataset(name, tuple(questions), tuple(passages))


def _rgb(data: Path) -> list[dict[str, Any]]:
    lines = (data / "qa" / "rgb" / "data" / "en_fact.json").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def rgb(name: str, data: Path) -> Dataset:
    """RGB (Chen et al. 2024), 100 questions over what a web search gave for them, what answers and what does not; each
    is a source. Evaluation only."""
    return _rgb_set(name, data, ("positive", "negative"), unanswerable=False)


def rgb_negatives(name: str, data: Path) -> Dataset:
    """The same over what does not answer alone."""
    return _rgb_set(name, data, ("negative",), unanswerable=True)


def rgb_counterfactual(name: str, data: Path) -> Dataset:
    """The same over two sources for each question: one that answers, and one that says the same of another value."""
    return _rgb_set(name, data, ("positive", "positive_wrong"), unanswerable=False, most=1)


def false_answers(data: Path) -> dict[str, tuple[str, ...]]:
    """What the false sources of RGB say, by question."""
    return {entry["query"]: _listed(entry["fakeanswer"]) for entry in _rgb(data)}


def _rgb_set(name: str, data: Path, kinds: tuple[str, ...], *, unanswerable: bool, most: int = 100) -> Dataset:
    passages: dict[str, GivenPassage] = {}
    questions = []
    for entry in _rgb(data):
        gold = {}
        for kind in kinds:
            for text in entry[kind][:most]:
                new = GivenPassage(f"p{len(passages)}", text, "", f"page{len(passages)}")
                passage = passages.setdefault(text, new)
                if kind == "positive":
                    gold[passage.id] = 1
        answers = _listed(entry["answer"])
        questions.append(Question(str(entry["id"]), entry["query"], gold, (), answers, unanswerable, entry["query"]))
    return Dataset(name, tuple(questions), tuple(passages.values()))


def _listed(value: Any) -> tuple[str, ...]:
    """The answer's spellings, however the set nests them."""
    return tuple(one for some in value for one in _listed(some)) if isinstance(value, list) else (str(value),)


SETS = {
    "tatqa": tatqa,
    "rgb": rgb,
    "rgb, negatives": rgb_negatives,
    "rgb, counterfactual": rgb_counterfactual,
}
