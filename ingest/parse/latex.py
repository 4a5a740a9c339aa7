r"""LaTeX -> Document: its text as it is printed, without preamble, comments and commands. Formulas stay as they are
written. Nothing is run, and nothing that a text includes is opened.

A block's text is not the file's: \'e is é, \emph{word} is word. Its span says where in the file it stands.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ingest.parse.lines import rows_text
from ingest.parse.text import decode
from ingest.parse.text import parser_version as text_version
from ingest.parse.text import warm as warm
from ingest.types import Block, BlockKind, Document, Span

MEDIA_TYPE = "text/x-tex"

_TOKEN = re.compile(
    r"\\(?P<address>url|path|href)[ \t]*\{(?P<url>[^{}\n]*)\}"  # in which % begins no comment
    r"|(?P<comment>%[^\n]*\n?[ \t]*)|(?P<blank>[ \t]*\n[ \t]*\n\s*)|\\(?P<command>[A-Za-z@]+\*?)|\\(?P<sign>[^A-Za-z@])"
    r"|(?P<open>\{)|(?P<close>\})|(?P<math>\$\$?)|(?P<cell>&)|(?P<text>[^\\%{}$&\n]+|\n)"
)
_OPTION = re.compile(r"[ \t]*\n?[ \t]*\[[^\[\]]*\]")
_RULE_OPTION = re.compile(r"\([^()\n]*\)")
_NAME = re.compile(r"[ \t]*\{([A-Za-z@]+\*?)\}")

_SECTIONS = {
    "part": 0,
    "chapter": 1,
    "section": 2,
    "subsection": 3,
    "subsubsection": 4,
    "paragraph": 5,
    "subparagraph": 6,
}
_CODE = ("verbatim", "Verbatim", "lstlisting", "minted", "alltt", "BVerbatim")
_FORMULAS = ("equation", "align", "gather", "multline", "displaymath", "eqnarray", "math", "flalign", "alignat")
_TABLES = {"tabular": 1, "tabular*": 2, "tabularx": 2, "tabulary": 2, "longtable": 1, "supertabular": 1}  # arguments
_LISTS = frozenset(("itemize", "enumerate", "description", "thebibliography", "compactitem", "compactenum"))
_HIDDEN = frozenset(("comment", "tikzpicture", "pgfpicture", "filecontents", "filecontents*"))

# How many arguments of a command are no text: they are left out.
_OF_ONE_ARGUMENT = """
    label pagestyle thispagestyle bibliography bibliographystyle usepackage documentclass includegraphics vspace hspace
    vskip index color pagecolor graphicspath hypersetup addbibresource cline cmidrule rowcolor cellcolor bibitem input
    include subfile pagenumbering hyphenation theoremstyle markright phantom hphantom vphantom href textcolor colorbox
    raisebox parbox rotatebox scalebox newlength def let title author date institute affiliation email
"""
_SILENT: dict[str, int] = dict.fromkeys(_OF_ONE_ARGUMENT.split(), 1) | {
    "setcounter": 2, "addtocounter": 2, "definecolor": 3, "setlength": 2, "addtolength": 2, "newcommand": 2,
    "renewcommand": 2, "providecommand": 2, "newtheorem": 2, "newenvironment": 3, "renewenvironment": 3,
    "DeclareMathOperator": 2, "markboth": 2, "addcontentsline": 3, "multicolumn": 2, "multirow": 2, "resizebox": 2,
    "fontsize": 2, "import": 2,
}  # fmt: skip
_REFERENCES = frozenset(("ref", "eqref", "autoref", "cref", "Cref", "pageref", "nameref", "vref"))
_CITATIONS = re.compile(r"[A-Za-z]*cite[a-z]*\*?")
_ACCENTS = {
    "'": "\u0301", "`": "\u0300", "^": "\u0302", '"': "\u0308", "~": "\u0303", "=": "\u0304",
    ".": "\u0307", "c": "\u0327", "v": "\u030c", "H": "\u030b",
    "k": "\u0328", "u": "\u0306", "r": "\u030a", "d": "\u0323", "b": "\u0331",
}  # fmt: skip
_SYMBOLS = {
    "ss": "ß", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "o": "ø", "O": "Ø", "aa": "å", "AA": "Å", "l": "ł", "L": "Ł",
    "i": "ı", "j": "ȷ", "S": "§", "P": "¶", "copyright": "©", "pounds": "£", "euro": "€", "texteuro": "€", "EUR": "€",
    "ldots": "…", "dots": "…", "textellipsis": "…", "textendash": "–", "textemdash": "—", "textbackslash": "\\",
    "textasciitilde": "~", "textasciicircum": "^", "textbar": "|", "textless": "<", "textgreater": ">",
    "textdegree": "°", "degree": "°", "LaTeX": "LaTeX", "TeX": "TeX", "quad": " ", "qquad": " ", "newline": " ",
    "guillemotleft": "«", "guillemotright": "»", "textquoteright": "’", "textquoteleft": "‘", "textregistered": "®",
    "texttrademark": "™", "today": "", "space": " ", "og": "« ", "fg": " »", "dag": "†", "ddag": "‡", "slash": "/",
}  # fmt: skip
_SIGNS = {"\\": " ", ",": " ", ";": " ", ":": " ", " ": " ", "\n": " ", "!": "", "-": "", "/": "", "@": ""}
_LIGATURES = (("---", "—"), ("--", "–"), ("``", "“"), ("''", "”"), ("?`", "¿"), ("!`", "¡"), ("~", " "))
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_ACCENTED = re.compile(r"\s*\{?\s*\\?([A-Za-zıȷ])(?:\s*\})?")
_ACCENT_FOLLOWS = re.compile(r"\s*\{|\s+[A-Za-z]")
_AFTER_SYMBOL = re.compile(r"\{\}|[ \t]+(?:\{\})?|")
MAX_FORMULA = 20_000  # characters


@cache
def parser_version() -> str:
    return f"latex/1 {text_version()}"


def parse(path: Path) -> Document:
    r"""Sections, paragraphs, lists, tables, captions, footnotes, code. Title, author and date are the document's own;
    \input and \include give links.

    Raises ParseError if the file holds no text but binary data.
    """
    text, encoding = decode(path.read_bytes())
    braces = _braces(text)
    reader = _Reader(text, braces)
    reader.read(_body(text), len(text))
    said = {name: _said(text, braces, name) for name in ("title", "author", "date")}
    metadata = {"encoding": encoding}
    if said["author"]:
        metadata["author"] = said["author"]
    if _DATE.fullmatch(said["date"]):
        metadata["date"] = said["date"]
    return Document(
        title=said["title"],
        media_type=MEDIA_TYPE,
        parser=parser_version(),
        blocks=tuple(reader.blocks),
        metadata=metadata,
        links=tuple(dict.fromkeys(reader.links)),
    )


def _body(text: str) -> int:
    begin = text.find("\\begin{document}")
    return begin + len("\\begin{document}") if begin >= 0 else 0


def _braces(text: str) -> dict[int, int]:
    """For each { the place of its }."""
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "open":
            opened.append(token.start())
        elif token.lastgroup == "close" and opened:
            pairs[opened.pop()] = token.start()
    return pairs


def _said(text: str, braces: dict[int, int], name: str) -> str:
    """What the command `name` is given, as text."""
    for found in re.finditer(rf"\\{name}(?![A-Za-z])", text):
        option = _OPTION.match(text, found.end())
        begins = option.end() if option else found.end()
        if begins in braces:
            return _plain(text, braces, begins + 1, braces[begins])
    return ""


def _plain(text: str, braces: dict[int, int], begins: int, ends: int) -> str:
    """A part of the text in a line, as of a title."""
    reader = _Reader(text, braces, in_line=True)
    reader.read(begins, ends)
    return reader.line()


@dataclass
class _List:
    kind: str
    number: int = 0


@dataclass
class _Reader:
    """Reads a part of the text into blocks. `in_line`: it is a title or a cell, so nothing in it begins a block."""

    text: str
    braces: dict[int, int]
    in_line: bool = False
    blocks: list[Block] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    _path: list[tuple[int, str]] = field(default_factory=list)
    _pieces: list[str] = field(default_factory=list)
    _begins: int = -1
    _ends: int = -1
    _lists: list[_List] = field(default_factory=list)
    _lines: list[str] = field(default_factory=list)
    _marker: str = ""
    _list_begins: int = -1
    _list_ends: int = -1
    _rows: list[list[str]] | None = None
    _table_begins: int = -1
    _inner_tables: int = 0
    _unclosed: set[str] = field(default_factory=set)  # environments of which no end follows
    _notes: list[tuple[str, int, int]] = field(default_factory=list)

    def read(self, at: int, end: int) -> None:
        while at < end:
            token = _TOKEN.match(self.text, at, end)
            if token is None:  # a lone backslash at the end
                break
            at = self._token(token, end)
        if not self.in_line:
            self._end_paragraph()
            self._lists.clear()
            self._end_list()

    def line(self) -> str:
        return _typeset("".join(self._pieces))

    def _token(self, token: re.Match[str], end: int) -> int:
        kind, at = token.lastgroup, token.end()
        if kind == "text":
            self._add(token[0], token.start(), at)
        elif kind == "blank":
            if self._rows is None:
                self._end_paragraph()
        elif kind == "open" and self.text[at - 2 : at - 1] == "}":  # of two arguments
            self._add(" ", token.start(), at)
        elif kind == "math":
            return self._formula(token.start(), token[0], at, end)
        elif kind == "cell":
            if self._rows is not None and not self._inner_tables:
                self._end_cell()
            else:
                self._add(" ", token.start(), at)
        elif token["address"]:
            self._add(token["url"] if token["address"] != "href" else "", token.start(), at)
        elif kind == "sign":
            return self._sign(token["sign"], token.start(), at, end)
        elif kind == "command":
            return self._command(token["command"], token.start(), at, end)
        return at

    # what stands in a line

    def _add(self, text: str, begins: int, ends: int) -> None:
        if self._begins < 0:
            if not text.strip():
                return
            self._begins = begins + len(text) - len(text.lstrip())
        self._pieces.append(text)
        self._ends = ends if not text.isspace() else self._ends

    def _formula(self, begins: int, mark: str, at: int, end: int) -> int:
        r"""$ $, $$ $$, \( \) or \[ \], as it is written."""
        close = self.text.find(mark, at, min(end, at + MAX_FORMULA))
        after = close + len(mark) if close >= 0 else at
        self._add(self.text[begins:after] if close >= 0 else "", begins, after)
        return after

    def _sign(self, sign: str, begins: int, at: int, end: int) -> int:
        if sign in "([":
            return self._formula(begins, "\\)" if sign == "(" else "\\]", at, end)
        if sign == "\\":
            if option := _OPTION.match(self.text, at, end):
                at = option.end()
            if self._rows is not None and not self._inner_tables:
                self._end_row()
                return at
        elif sign in _ACCENTS:
            return self._accent(sign, begins, at, end)
        self._add(_SIGNS.get(sign, sign), begins, at)
        return at

    def _accent(self, sign: str, begins: int, at: int, end: int) -> int:
        r"""\'e, \'{e}, \' e and \'\i."""
        found = _ACCENTED.match(self.text, at, min(end, at + 20))
        if not found:
            self._add("" if sign.isalpha() else sign if sign in "~^" else "", begins, at)
            return at
        self._add(unicodedata.normalize("NFC", found[1] + _ACCENTS[sign]), begins, found.end())
        return found.end()

    def _command(self, name: str, begins: int, at: int, end: int) -> int:
        bare = name.rstrip("*")
        block = None if self.in_line else self._block(bare, begins, at, end)
        if block is not None:
            return block
        if bare == "begin":
            return self._environment(begins, at, end)
        if bare == "end":
            return self._end_environment(at)
        if bare in ("verb", "lstinline"):
            return self._verbatim(at, end)
        if bare in _ACCENTS and _ACCENT_FOLLOWS.match(self.text, at):
            return self._accent(bare, begins, at, end)
        if bare in _SYMBOLS:
            self._add(_SYMBOLS[bare], begins, at)
            space = _AFTER_SYMBOL.match(self.text, at)  # it ends the command's name and is not printed
            return space.end() if space else at
        return self._in_line(bare, begins, at, end)

    def _block(self, name: str, begins: int, at: int, end: int) -> int | None:
        """A command that begins or ends a block; None for others."""
        if name in _SECTIONS or name == "frametitle":
            return self._section(_SECTIONS.get(name, 5), at)
        if name in ("item", "bibitem"):
            return self._item(name, begins, at, end)
        if name == "caption":
            return self._captured("caption", at)
        if name in ("footnote", "footnotetext", "thanks"):
            return self._captured("note", at)
        if name in ("input", "include", "subfile") and (found := self._argument(at)):
            self.links.append(self.text[found[0] : found[1]].strip())
        if name == "par":
            self._end_paragraph()
            return at
        return None

    def _in_line(self, name: str, begins: int, at: int, end: int) -> int:
        """A command that begins no block: what it is given is text, or is left out."""
        if name in _REFERENCES or _CITATIONS.fullmatch(name):
            at = self._options(at)
            if found := self._argument(at):
                key = self.text[found[0] : found[1]].strip()
                self._add(key if name in _REFERENCES else f"[{key}]", begins, found[1] + 1)
                return found[1] + 1
            return at
        at = self._options(at) if self.text[at : at + 1] == "[" else at
        if name in ("cmidrule", "cline") and (option := _RULE_OPTION.match(self.text, at, end)):
            at = option.end()
        for _ in range(_SILENT.get(name, 0)):
            found = self._argument(at)
            at = self._options(found[1] + 1) if found else at
        return at

    def _verbatim(self, at: int, end: int) -> int:
        mark = self.text[at : at + 1]
        mark = "}" if mark == "{" else mark
        line_end = self.text.find("\n", at, end)
        close = self.text.find(mark, at + 1, end if line_end < 0 else line_end) if mark else -1
        if close < 0:
            return at
        self._add(self.text[at + 1 : close], at, close + 1)
        return close + 1

    def _argument(self, at: int) -> tuple[int, int] | None:
        """Where what stands in the next braces begins and ends; None if no braces follow."""
        while self.text[at : at + 1] in (" ", "\t", "\n") and at < len(self.text):
            at += 1
        close = self.braces.get(at)
        return None if close is None else (at + 1, close)

    def _options(self, at: int) -> int:
        while option := _OPTION.match(self.text, at):
            at = option.end()
        return at

    # blocks

    def _section(self, level: int, at: int) -> int:
        found = self._argument(self._options(at))
        if not found:
            return at
        self._end_paragraph()
        if title := _plain(self.text, self.braces, *found):
            self._path = [entry for entry in self._path if entry[0] < level]
            self._emit("heading", title, found[0], found[1])
            self._path.append((level, title))
        return found[1] + 1

    def _captured(self, kind: BlockKind, at: int) -> int:
        """A caption, or a footnote, which stands after the paragraph it belongs to."""
        found = self._argument(self._options(at))
        if not found:
            return at
        text = _plain(self.text, self.braces, *found)
        if kind == "note" or self._rows is not None:
            self._notes.append((text, *found))
        else:
            self._end_paragraph()
            self._emit(kind, text, *found)
        return found[1] + 1

    def _item(self, name: str, begins: int, at: int, end: int) -> int:
        self._end_paragraph()
        option = _OPTION.match(self.text, at, end)
        term = option[0].strip()[1:-1] if option else ""
        at = option.end() if option else at
        if name == "bibitem" and (found := self._argument(at)):
            term, at = self.text[found[0] : found[1]], found[1] + 1
        current = self._lists[-1] if self._lists else _List("itemize")
        current.number += 1
        numbered = current.kind in ("enumerate", "compactenum") and not term
        self._marker = f"{current.number}. " if numbered else f"[{term}] " if name == "bibitem" else "- "
        if self._list_begins < 0:
            self._list_begins = begins
        if term and name == "item":
            self._add(f"{term}: " if not term.endswith(":") else f"{term} ", begins, at)
        return at

    def _environment(self, begins: int, at: int, end: int) -> int:
        found = _NAME.match(self.text, at)
        if not found:
            return at
        name, at = found[1], found.end()
        bare = name.rstrip("*")
        if name in _HIDDEN or bare in _CODE or bare in _FORMULAS:
            return self._kept(name, begins, at, end)
        if name in _TABLES:
            return self._begin_table(name, begins, at)
        if self._rows is not None or self.in_line:
            return at
        self._end_paragraph()
        at = self._options(at) if bare != "frame" else at
        if bare in _LISTS:
            self._lists.append(_List(bare))
        if bare in ("thebibliography", "minipage", "multicols", "wrapfigure", "columns", "column", "adjustwidth"):
            found_argument = self._argument(at)
            at = found_argument[1] + 1 if found_argument else at
        if bare == "frame" and (title := self._argument(self._options(at))):
            return self._section(5, self._options(at)) if title else at
        return at

    def _end_environment(self, at: int) -> int:
        found = _NAME.match(self.text, at)
        if not found:
            return at
        name = found[1]
        if name in _TABLES and self._rows is not None:
            self._end_table(found.end())
        elif name == "document":
            self._end_paragraph()
            return len(self.text)
        elif self._rows is None and not self.in_line:
            self._end_paragraph()
            if name.rstrip("*") in _LISTS and self._lists:
                self._lists.pop()
                self._end_list()
        return found.end()

    def _kept(self, name: str, begins: int, at: int, end: int) -> int:
        """An environment in which nothing is a command: code, a formula, or what is not shown."""
        mark = f"\\end{{{name}}}"
        close = self.text.find(mark, at, end) if name not in self._unclosed else -1
        if close < 0:
            self._unclosed.add(name)
            return at
        after = close + len(mark)
        if name.rstrip("*") in _FORMULAS:
            self._add(f" {self.text[begins:after]} ", begins, after)
        elif name not in _HIDDEN and self._rows is None and not self.in_line:
            self._end_paragraph()
            at = self._options(at)
            argument = self._argument(at) if name == "minted" else None
            at = argument[1] + 1 if argument else at
            code = self.text[at:close]
            at += len(code) - len(code.lstrip("\n"))
            self._end_list_lines()
            self._emit("code", self.text[at:close].rstrip(), at, close)
        return after

    # tables

    def _begin_table(self, name: str, begins: int, at: int) -> int:
        for _ in range(_TABLES[name]):
            at = self._options(at)
            found = self._argument(at)
            at = found[1] + 1 if found else at
        if self._rows is not None:
            self._inner_tables += 1
        elif not self.in_line:
            self._end_paragraph()
            self._rows = [[]]
            self._table_begins = begins
        return at

    def _end_cell(self) -> None:
        assert self._rows is not None
        self._rows[-1].append(self.line())
        self._pieces.clear()
        self._begins = -1

    def _end_row(self) -> None:
        assert self._rows is not None
        self._end_cell()
        self._rows.append([])

    def _end_table(self, at: int) -> None:
        assert self._rows is not None
        if self._inner_tables:
            self._inner_tables -= 1
            return
        self._end_cell()
        rows, self._rows = self._rows, None
        self._end_list_lines()
        self._emit("table", rows_text(rows), self._table_begins, at)
        self._end_notes()

    # what comes out

    def _end_paragraph(self) -> None:
        if self._rows is not None:
            self._end_table(self._ends)
        text = self.line()
        begins, ends = self._begins, self._ends
        self._pieces.clear()
        self._begins = -1
        if text and self._lists:
            indent = "  " * (len(self._lists) - 1)
            self._lines.append(f"{indent}{self._marker}{text}")
            self._marker = " " * len(self._marker)
            self._list_begins = begins if self._list_begins < 0 else self._list_begins
            self._list_ends = ends
        elif text:
            self._end_list_lines()
            self._emit("paragraph", text, begins, ends)
        if not self._lists:
            self._end_notes()

    def _end_list(self) -> None:
        if not self._lists:
            self._end_list_lines()
            self._end_notes()

    def _end_list_lines(self) -> None:
        if self._lines:
            self._emit("list", "\n".join(self._lines), self._list_begins, self._list_ends)
            self._lines.clear()
        self._list_begins = -1

    def _end_notes(self) -> None:
        notes, self._notes = self._notes, []
        for text, begins, ends in notes:
            self._emit("note", text, begins, ends)

    def _emit(self, kind: BlockKind, text: str, begins: int, ends: int) -> None:
        if text.strip():
            span = Span(None, begins, max(begins, ends))
            self.blocks.append(Block(kind, text, headings=tuple(title for _, title in self._path), span=span))


def _typeset(text: str) -> str:
    """A paragraph's text in a line, with the characters that it is printed with; formulas as they are."""
    parts = re.split(r"(\$[^$]*\$)", text)
    for number in range(0, len(parts), 2):
        for written, printed in _LIGATURES:
            parts[number] = parts[number].replace(written, printed)
    return " ".join("".join(parts).split())
