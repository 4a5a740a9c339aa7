"""What a task is asked, and what comes of it. Plain values; nothing heavy is imported here."""

from dataclasses import dataclass
from typing import Literal

from ingest.types import Filters
from rag.types import AnswerSentence, Citation, Language, Support


@dataclass(frozen=True, slots=True)
class Summarise:
    """What the documents that fit the filters say in the main."""

    filters: Filters
    kind: Literal["summarise"] = "summarise"


@dataclass(frozen=True, slots=True)
class Compare:
    """What two documents (their paths) say alike, differently, or alone."""

    first: str
    second: str
    kind: Literal["compare"] = "compare"


@dataclass(frozen=True, slots=True)
class Tabulate:
    """A row per document, a cell per column. A column is a name, or 'name=question' where a name asks too little."""

    columns: tuple[str, ...]
    filters: Filters = Filters()
    kind: Literal["tabulate"] = "tabulate"


@dataclass(frozen=True, slots=True)
class Draft:
    """What the documents have on a topic, under the sections asked for; without any, under their own headings."""

    topic: str
    sections: tuple[str, ...] = ()
    filters: Filters = Filters()
    kind: Literal["draft"] = "draft"


Task = Summarise | Compare | Tabulate | Draft
TaskKind = Literal["summarise", "compare", "tabulate", "draft"]

# What a section is of: the whole; one document; what differs in facts, or in words only; what is the same; what only
# the first or the second document says; one that was asked for.
SectionKind = Literal["overview", "document", "changed", "reworded", "same", "first", "second", "asked"]


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence with its own citations, before all of a report are numbered. Empty where nothing was found: then
    `reason` says so."""

    text: str
    citations: tuple[Citation, ...] = ()
    verdict: Support = "supported"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """`title` is a document's path, or what was asked for; '' where the kind says it all."""

    kind: SectionKind
    title: str
    sentences: tuple[AnswerSentence, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A document's cells, one for each column; the text of one that is not answered is ''."""

    source: str
    cells: tuple[AnswerSentence, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a task: sections, or columns and rows. The numbers of sentences and cells are those of `citations`,
    from 1. Of `parts` steps, `reused` were done before."""

    kind: TaskKind
    title: str
    language: Language
    model: str
    sections: tuple[Section, ...]
    citations: tuple[Citation, ...]
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    parts: int = 0
    reused: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """`done` of `total` parts; `doing` names the next. More parts may come up on the way."""

    done: int
    total: int
    doing: str = ""
    reused: int = 0
    event: Literal["progress"] = "progress"


@dataclass(frozen=True, slots=True)
class TaskFinished:
    report: Report
    event: Literal["finished"] = "finished"


TaskEvent = TaskProgress | TaskFinished
