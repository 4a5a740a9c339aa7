"""Documents with a summary that a person wrote, for what summaries without a model are worth.

No set here was made for summaries: articles whose first paragraph says in short what the others say, chapters with a
section `Summary` at their end, abstracts with a title, passages with a long answer from them.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from errors import FolderError
from evaluation import adapters
from evaluation.dataset import Dataset
from rag.types import Length


@dataclass(frozen=True, slots=True)
class Summarised:
    """A document as Markdown, and its `summary`, which is no part of it. `group` is what it was made from: all of one
    are in the same half."""

    name: str
    text: str
    summary: str
    group: str

    @property
    def is_tuned_on(self) -> bool:
        """As evaluation.dataset.halves() parts questions."""
        return hashlib.sha256(self.group.encode()).digest()[0] % 2 == 0


@dataclass(frozen=True, slots=True)
class Summaries:
    """Documents, and how long a summary each is to have: `alone` as the only one of a task, else as one of many."""

    name: str
    documents: tuple[Summarised, ...]
    length: Length
    alone: bool


def load(name: str, data: Path) -> Summaries:
    """The set of that name (a key of SETS) from the folder `data`. Raises FolderError if its files are not there,
    KeyError if there is no such set."""
    read, length, alone = SETS[name]
    try:
        return Summaries(name, tuple(read(data)), length, alone)
    except OSError as error:
        raise FolderError(
            f"The set {name!r} cannot be read: {error.filename}: {error.strerror}.",
            hint="Name the folder that holds qa/ and collections/.",
        ) from error


def _articles(name: str) -> Callable[[Path], list[Summarised]]:
    """Encyclopaedia articles of a SQuAD set: the first paragraph sums up the others."""

    def read(data: Path) -> list[Summarised]:
        dataset = adapters.load(name, data)
        groups = _groups(dataset)
        found = []
        for source, passages in groupby(dataset.passages, key=lambda passage: passage.source):
            first, *others = [passage.text for passage in passages]
            text = "\n\n".join(_plain(other) for other in others)
            found.append(Summarised(source, text, first, groups[source]))
        return found

    return read


def _groups(dataset: Dataset) -> dict[str, str]:
    """The article of each source, by the questions on it."""
    sources = {passage.id: passage.source for passage in dataset.passages}
    return {sources[id]: question.group for question in dataset.questions for id in question.gold}


def _chapters(data: Path) -> list[Summarised]:
    """The Rust book: the files of a chapter, of which the last ends in a section `Summary`."""
    folder = data / "collections" / "rust-book" / "src"
    files = sorted(file for file in folder.iterdir() if re.match(r"ch\d\d-\d\d-.*\.md$", file.name))
    found = []
    for chapter, own in groupby(files, key=lambda file: file.name[:4]):
        text = "\n\n".join(_INCLUDED.sub("", file.read_text(encoding="utf-8")) for file in own)
        said, *summary = re.split(r"(?m)^## Summary$", text)
        if summary:
            found.append(Summarised(chapter, said, _LINK.sub(r"\1", summary[-1]).strip(), chapter))
    return found


def _abstracts(data: Path) -> list[Summarised]:
    """SciFact: the title of an abstract says in a sentence what it comes to. The first 400 that judge claims."""
    dataset = adapters.load("scifact", data)
    judged = sorted({id for question in dataset.questions for id in question.gold}, key=int)
    passages = {passage.id: passage for passage in dataset.passages}
    chosen = [passages[id] for id in judged[:400] if id in passages]
    return [Summarised(one.id, _plain(one.text), one.title, one.id) for one in chosen]


def _answers(data: Path) -> list[Summarised]:
    """CLAP NQ: a passage, and the long answer from it to a question. What nobody asked for is no part of the answer, so
    this is the least like a summary."""
    dataset = adapters.load("clapnq", data)
    passages = {passage.id: passage for passage in dataset.passages}
    found = {}
    for question in dataset.questions:
        for id in question.gold:
            found[id] = Summarised(id, _plain(passages[id].text), question.answers[0], question.group)
    return list(found.values())


_INCLUDED = re.compile(r"(?m)^\{\{#.*\}\}$|<!--.*?-->", re.DOTALL)
_LINK = re.compile(r"\[([^]]+)\](?:\[[^]]*\]|\([^)]*\))?")


def _plain(text: str) -> str:
    """A paragraph that Markdown takes for nothing else."""
    return re.sub(r"^([#>+*-]|\d+[.)])", r"\\\1", " ".join(text.split()))


SETS: dict[str, tuple[Callable[[Path], Sequence[Summarised]], Length, bool]] = {
    "articles, English": (_articles("squad-v1.1-en"), "middle", True),
    "articles, Spanish": (_articles("squad-es-v1.1-small"), "middle", True),
    "chapters": (_chapters, "middle", True),
    "abstracts": (_abstracts, "short", False),
    "answers": (_answers, "middle", False),
}
