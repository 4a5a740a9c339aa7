"""A task's report as a file: Markdown with footnotes, or a table as CSV.

What documents and models say goes in as text: in Markdown every mark of it is escaped, and no cell of a CSV begins like
a formula, which a spreadsheet would calculate.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.names import printable
from rag.export import WORDS as EXPORT_WORDS
from rag.export import inert, place_of
from rag.tasks.types import Report, Section, SectionKind, TaskKind
from rag.types import AnswerSentence, Citation, Language, Support

# How a cell begins that spreadsheets take for a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True, slots=True)
class Words:
    titles: dict[TaskKind, str]
    sections: dict[SectionKind, str]
    file: str
    source: str
    nothing: str
    equal: str
    verdicts: dict[Support, str]


WORDS: dict[Language, Words] = {
    "en": Words(
        titles={"summarise": "Summary", "compare": "Comparison", "tabulate": "Table", "draft": "Draft"},
        sections={
            "overview": "In all", "document": "{title}", "changed": "Different facts", "reworded": "Other words",
            "same": "The same", "first": "Only in {title}", "second": "Only in {title}", "asked": "{title}",
        },
        file="file",
        source="{column}: source",
        nothing="Your documents say nothing on this.",
        equal="Nothing differs.",
        verdicts={"supported": "", "partly": "only partly confirmed", "unsupported": "not confirmed"},
    ),
    "es": Words(
        titles={"summarise": "Resumen", "compare": "Comparación", "tabulate": "Tabla", "draft": "Borrador"},
        sections={
            "overview": "En conjunto", "document": "{title}", "changed": "Datos distintos",
            "reworded": "Otras palabras", "same": "Lo mismo", "first": "Solo en {title}", "second": "Solo en {title}",
            "asked": "{title}",
        },
        file="archivo",
        source="{column}: fuente",
        nothing="Tus documentos no dicen nada sobre esto.",
        equal="No hay diferencias.",
        verdicts={"supported": "", "partly": "confirmado solo en parte", "unsupported": "sin confirmar"},
    ),
}  # fmt: skip


def title_of(report: Report, language: Language) -> str:
    """'Summary: contracts'."""
    return ": ".join(filter(None, (WORDS[language].titles[report.kind], printable(report.title))))


def heading_of(section: Section, language: Language) -> str:
    return WORDS[language].sections[section.kind].format(title=printable(section.title))


def remark_on(sentence: AnswerSentence, language: Language) -> str:
    """Why a sentence is not to be trusted, '' if it is."""
    if sentence.supported:
        return ""
    return ": ".join(filter(None, (WORDS[language].verdicts[sentence.verdict or "unsupported"], sentence.reason)))


def markdown(report: Report, language: Language | None = None) -> str:
    """The whole report; headings in `language`, by itself the report's own."""
    language = language or report.language
    parts = [f"# {inert(title_of(report, language))}"]
    if report.columns:
        parts.append("\n".join(_table(report, language)))
    elif not any(section.sentences for section in report.sections):
        parts.append(inert(WORDS[language].nothing))
    for section in report.sections:
        heading = heading_of(section, language)
        parts.append(f"## {inert(heading)}")
        form = "\n\n" if section.kind == "asked" and report.model != "extractive" else "\n"
        lines = [_line(sentence, language) for sentence in section.sentences]
        parts.append(form.join(lines) if form == "\n\n" else "\n".join(f"- {line}" for line in lines))
    parts += _footnotes(report.citations, language)
    return "\n\n".join(filter(None, parts)) + "\n"


def _line(sentence: AnswerSentence, language: Language) -> str:
    remark = remark_on(sentence, language)
    return f"{inert(sentence.text)}{_marks(sentence)}" + (f" *({inert(remark)})*" if remark else "")


def _marks(sentence: AnswerSentence) -> str:
    return "".join(f"[^{n}]" for n in sentence.citations)


def _table(report: Report, language: Language) -> Iterator[str]:
    columns = [WORDS[language].file, *report.columns]
    yield f"| {' | '.join(map(inert, columns))} |"
    yield f"|{' --- |' * len(columns)}"
    for row in report.rows:
        cells = [inert(printable(row.source)), *(_line(cell, language) if cell.text else "" for cell in row.cells)]
        yield f"| {' | '.join(cells)} |"


def _footnotes(citations: Sequence[Citation], language: Language) -> Iterator[str]:
    for citation in citations:
        place = place_of(citation, EXPORT_WORDS[language])
        yield f"[^{citation.n}]: {inert(place)}: “{inert(citation.quote)}”"


def as_csv(report: Report, language: Language | None = None) -> str:
    """A table: the file, then for each column the cell and where it stands, with the quote. A cell that begins like a
    formula has an apostrophe before it, which spreadsheets take for text."""
    language = language or report.language
    words, by_number = WORDS[language], {citation.n: citation for citation in report.citations}
    out = io.StringIO()
    writer = csv.writer(out)
    columns = [name for column in report.columns for name in (column, words.source.format(column=column))]
    writer.writerow(map(_safe, [words.file, *columns]))
    for row in report.rows:
        cells = [text for cell in row.cells for text in (cell.text, _stands(cell, by_number, language))]
        writer.writerow(map(_safe, [printable(row.source), *cells]))
    return out.getvalue()


def _stands(cell: AnswerSentence, by_number: dict[int, Citation], language: Language) -> str:
    """'lease.pdf, page 2: “The rent is 900 euros.”', and what is to be known of it; why there is nothing."""
    if not cell.text:
        return cell.reason
    cited = [by_number[n] for n in cell.citations]
    places = [f"{place_of(one, EXPORT_WORDS[language])}: “{' '.join(one.quote.split())}”" for one in cited]
    return " · ".join(filter(None, (*places, remark_on(cell, language))))


def _safe(text: str) -> str:
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
