"""A table of facts: a row for each document, and in each cell what the document says when it is asked for the column.

A cell that the document does not answer is empty, and says so. Of the voice only the instructions for folders count:
a cell is a value of its source, in the source's language, whoever reads it.
"""

import re
from contextlib import closing
from typing import Any, cast

from errors import CitaError, UsageError
from ingest.analyse import fold
from ingest.types import Filters
from rag.tasks.run import Done, Making, Numbering, Part, Parts
from rag.tasks.types import Report, Said, Tabulate
from rag.tasks.work import File, Means, files, language_of, title_of
from rag.types import Answer, AnswerSentence, Citation, Language, Support, Voice
from rag.voice import answer_language

MOST_COLUMNS = 50
_CITED = re.compile(r"\s?\[\d+\]")
_WORST: tuple[Support, ...] = ("supported", "partly", "unsupported")
# What is asked for a column that is a name alone.
_ASKED: dict[Language, str] = {"en": "What is the {name}?", "es": "¿Cuál es {name}?"}


def tabulate(task: Tabulate, means: Means, parts: Parts) -> Done:
    """Raises UsageError if no document fits or a column is empty or named twice; what answering raises."""
    columns = [read_column(column) for column in task.columns]
    names = [name for name, _ in columns]
    if not names or len(names) > MOST_COLUMNS or len(set(names)) < len(names) or not all(names):
        raise UsageError(
            f"A table has 1 to {MOST_COLUMNS} columns, each with a name of its own.",
            hint="Name each once: cita extract --column Rent --column 'Notice=How long is the notice period?'",
        )
    found = files(means, task.filters)
    language = answer_language(means.voice, language_of([passage for file in found for passage in file.passages]))
    made = yield from parts.do([_cell(file, name, asked, means) for file in found for name, asked in columns])
    said = [cell for part in made for cell in part]
    numbering = Numbering()
    width = len(columns)
    rows = tuple(numbering.row(file.path, said[n * width : (n + 1) * width]) for n, file in enumerate(found))
    title = title_of(task.filters)
    return Report(
        "tabulate", title, language, means.writer.info.name, (), numbering.citations, columns=tuple(names), rows=rows
    )


def read_column(column: str) -> tuple[str, str]:
    """'Rent=What is the rent?' as name and question; a name alone has the question ''."""
    name, _, asked = column.partition("=")
    return name.strip(), asked.strip()


def _cell(file: File, name: str, asked: str, means: Means) -> Part:
    question = asked or _ASKED[language_of(file.passages)].format(name=name)
    voice = Voice(instructions=means.voice.instructions)

    def make() -> Making:
        with closing(cast("Any", means.answers(question, Filters(within=(file.path,)), voice))) as events:
            for event in events:
                if event.event == "completed":
                    return [_said(event.answer, name)]
                yield
        raise CitaError("The answer broke off.", hint="Start it again.")

    return Part(f"{file.path}: {name}", ("cell", name, question), file.passages, make)


def _said(answer: Answer, name: str) -> Said:
    """An answer as a cell: of quotes the first, and of it the value that was asked for where it is known."""
    if answer.abstained:
        return Said("", reason=answer.answer)
    by_number = {citation.n: citation for citation in answer.citations}
    first = answer.sentences[0]
    cited = tuple(by_number[n] for n in first.citations)
    if cited and (value := _value(first, cited[0], name)):
        return Said(value, cited[:1], first.verdict or "unsupported", first.reason)
    if cited and cited[0].quote in first.text:  # a quote: the others add to it, but a cell is short
        return Said(_plain(first.text), cited, first.verdict or "unsupported", first.reason)
    worst = max(answer.sentences, key=lambda one: _WORST.index(one.verdict or "unsupported"))
    return Said(_plain(_CITED.sub("", answer.answer)), answer.citations, worst.verdict or "unsupported", worst.reason)


def _value(sentence: AnswerSentence, citation: Citation, name: str) -> str:
    """The value that stands before its quote, or beside the column's name in a line 'name: value' of it; else ''."""
    for line in citation.quote.splitlines():
        label, colon, value = line.partition(":")
        if colon and value.strip() and fold(label).strip(" -*•") == fold(name):
            return value.strip()
    before, dash, quoted = sentence.text.partition(" – ")
    return before if dash and quoted.endswith(citation.quote) else ""


def _plain(text: str) -> str:
    return " ".join(text.split())
