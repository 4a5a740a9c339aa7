"""A conversation as a Word document, each citation a footnote of it.

python-docx writes no footnotes: their part is put together here (ECMA-376 part 1, 17.11). A citation that is named
again refers to the footnote of its first mention, as Word's own cross-references do.
"""

import io
from typing import Any

from rag.export import CITED, Words, doubtful, footer, place_of, printable_text, remarks
from rag.types import Citation, Conversation, KeptTurn

_CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
_TEXT_STYLE, _REFERENCE_STYLE = "footnote text", "footnote reference"
_SEPARATORS = {0: "separator", 1: "continuationSeparator"}  # the lines above the notes of a page; 2 is the first note


def word_document(conversation: Conversation, words: Words) -> bytes:
    """The whole file."""
    from docx import Document

    document = Document()
    document.core_properties.title = printable_text(conversation.title)[:255]
    document.core_properties.author = document.core_properties.comments = ""  # the template's
    document.add_heading(printable_text(conversation.title), 0)
    footnotes = _Footnotes(document)
    for turn in conversation.turns:
        document.add_heading(printable_text(" ".join(turn.question.split())), 1)
        _add_answer(document, footnotes, turn, words)
        document.add_paragraph().add_run(printable_text(footer(turn, words))).italic = True
    footnotes.save()
    content = io.BytesIO()
    document.save(content)
    return content.getvalue()


def _add_answer(document: Any, footnotes: "_Footnotes", turn: KeptTurn, words: Words) -> None:
    if turn.answer is None:
        if turn.draft:
            document.add_paragraph(printable_text(turn.draft))
        document.add_paragraph().add_run(printable_text(turn.error or words.stopped)).italic = True
        return
    paragraph = document.add_paragraph()
    left = {citation.n: citation for citation in turn.answer.citations}
    noted: dict[int, int] = {}
    for place, piece in enumerate(CITED.split(turn.answer.answer)):
        n = int(piece) if place % 2 else 0
        if citation := left.pop(n, None):
            noted[n] = footnotes.add(paragraph, turn, citation, words)
        elif n in noted:
            footnotes.refer(paragraph, noted[n])
        elif piece:
            paragraph.add_run(f" [{n}]" if place % 2 else printable_text(piece))
    for citation in left.values():  # named by no sentence
        footnotes.add(paragraph, turn, citation, words)
    for doubt in doubtful(turn.answer, words):
        document.add_paragraph().add_run(printable_text(doubt)).italic = True


class _Footnotes:
    """The footnotes of a document, numbered through it from 1."""

    def __init__(self, document: Any) -> None:
        from docx.enum.style import WD_STYLE_TYPE
        from docx.shared import Pt

        self._document = document
        self._root = _element("footnotes")
        for id, kind in _SEPARATORS.items():
            note = _added(self._root, "footnote", type=kind, id=id)
            _added(_added(_added(note, "p"), "r"), kind)
        self._text = document.styles.add_style(_TEXT_STYLE, WD_STYLE_TYPE.PARAGRAPH, builtin=True)
        self._text.base_style = document.styles["Normal"]
        self._text.font.size = Pt(10)
        self._text.paragraph_format.space_after = Pt(2)
        self._reference = document.styles.add_style(_REFERENCE_STYLE, WD_STYLE_TYPE.CHARACTER, builtin=True)
        self._reference.font.superscript = True
        self._count = 0

    def add(self, paragraph: Any, turn: KeptTurn, citation: Citation, words: Words) -> int:
        """A footnote at the end of the paragraph so far; its number."""
        self._count += 1
        id = self._count + len(_SEPARATORS) - 1
        _added(paragraph._p, "bookmarkStart", id=self._count, name=_bookmark(self._count))
        _added(self._marked(paragraph)._r, "footnoteReference", id=id)
        _added(paragraph._p, "bookmarkEnd", id=self._count)
        self._write(id, turn, citation, words)
        return self._count

    def refer(self, paragraph: Any, number: int) -> None:
        """The number of a footnote that is there."""
        field = _added(paragraph._p, "fldSimple", instr=f" NOTEREF {_bookmark(number)} \\f \\h ")
        field.append(self._marked(paragraph, str(number))._r)

    def save(self) -> None:
        """Puts the footnotes into the document, if there are any."""
        if not self._count:
            return
        from docx.opc.packuri import PackURI
        from docx.opc.part import XmlPart
        from docx.oxml.ns import qn

        main = self._document.part
        main.relate_to(XmlPart(PackURI("/word/footnotes.xml"), _CONTENT_TYPE, self._root, main.package), _RELATION)
        separators = _element("footnotePr")
        for id in _SEPARATORS:
            _added(separators, "footnote", id=id)
        self._document.settings.element.find(qn("w:compat")).addprevious(separators)

    def _write(self, id: int, turn: KeptTurn, citation: Citation, words: Words) -> None:
        from docx.text.paragraph import Paragraph

        note = Paragraph(_added(_added(self._root, "footnote", id=id), "p"), self._document)
        note.style = self._text
        _added(self._marked(note)._r, "footnoteRef")
        note.add_run(" ")
        note.add_run(printable_text(place_of(citation, words))).bold = True
        note.add_run(printable_text(f": “{' '.join(citation.quote.split())}”"))
        for remark in remarks(turn, citation, words):
            note.add_run(printable_text(f" ({remark})")).italic = True

    def _marked(self, paragraph: Any, text: str = "") -> Any:
        return paragraph.add_run(text, self._reference)


def _bookmark(number: int) -> str:
    return f"_Ref{number:08}"


def _element(tag: str, /, **attributes: str | int) -> Any:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    return OxmlElement(f"w:{tag}", {qn(f"w:{key}"): str(value) for key, value in attributes.items()})


def _added(parent: Any, tag: str, /, **attributes: str | int) -> Any:
    element = _element(tag, **attributes)
    parent.append(element)
    return element
