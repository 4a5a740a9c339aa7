"""RTF -> Document: headings by outline level or style, paragraphs, lists, tables; footnotes and comments as notes.

Left out: running heads and feet, pictures, hidden and deleted text, formulas' objects. Text in any code page that RTF
knows, and in Unicode.
"""

import codecs
import re
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from errors import ParseError
from ingest.parse.hidden import TINY, Hidden, is_white
from ingest.parse.outline import Outline, filled_spans, noted
from ingest.types import BlockKind, Document, HiddenKind

MEDIA_TYPE = "application/rtf"
TITLE = 0  # the level of the document's title
_RESAVE = "Open it with a word processor and save it anew."
MAX_DEPTH = 2000  # groups inside each other

# A control word with its number, a byte in hex, another control symbol, a bracket, or text.
_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|([^\\{}\r\n]+)|[\r\n]+|\\"
)
_CHARSETS = {0: "cp1252", 2: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gbk",
             136: "cp950", 161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257",
             204: "cp1251", 222: "cp874", 238: "cp1250", 254: "cp437", 255: "cp850"}  # fmt: skip
_SYMBOLS = {"tab": "\t", "line": "\n", "emdash": "—", "endash": "–", "bullet": "•", "lquote": "‘", "rquote": "’",
            "ldblquote": "“", "rdblquote": "”", "emspace": " ", "enspace": " ", "qmspace": " ", "zwj": "\u200d",
            "zwnj": "\u200c", "ltrmark": "\u200e", "rtlmark": "\u200f", "page": " ", "column": " "}  # fmt: skip
_ESCAPED = {b"~": "\xa0", b"_": "\u2011", b"-": "", b"\\": "\\", b"{": "{", b"}": "}", b"\n": "\n", b"\r": "\n"}
# Groups whose text is no part of the document's.
_SKIPPED = frozenset((
    "colortbl", "pict", "object", "header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf",
    "fldinst", "generator", "listtable", "listoverridetable", "rsidtbl", "themedata", "colorschememapping", "datastore",
    "latentstyles", "xmlnstbl", "pgptbl", "revtbl", "filetbl", "ftnsep", "ftnsepc", "aftnsep", "aftnsepc", "template",
    "bkmkstart", "bkmkend", "nonshppict", "datafield", "do", "mmathPr", "pntxta", "pntxtb", "atnid", "atnref",
    "atrfstart", "shprslt",
    "atrfend", "atndate", "atntime", "txe", "xe", "tc", "sp", "private", "background", "nonesttables", "userprops",
))  # fmt: skip
_SHOWN_THOUGH_NEW = frozenset(("shpinst", "annotation", "atnauthor", "fldrslt", "nesttableprops", "listtext", "pntext"))
_APART = ("fonttbl", "stylesheet", "info", "footnote", "annotation", "atnauthor", "shptxt", "listtext", "pntext")
_INFO = {"title": "title", "author": "author", "subject": "subject", "keywords": "keywords", "doccomm": "description"}
_HEADING = re.compile(r"(?:heading|überschrift|título|titre) (\d)$")


_SEEN = frozenset(("text", "footnote", "annotation", "shptxt"))  # targets of text that a reader sees
_COLOURS = re.compile(rb"\\colortbl\b([^{}]{0,100000})\}")
_PART = re.compile(rb"\\(?:red|green|blue)(\d{1,3})")
_SHADED = re.compile(rb"\\(?:cl|ch)?cbpat\d|\\highlight[1-9]|\\cb[1-9]|\\shp\b|\\background\b")


@cache
def parser_version() -> str:
    return "rtf/2"


def warm() -> None:
    """Nothing to import: a process forked afterwards starts at once."""


def parse(path: Path) -> Document:
    """Raises ParseError if it is no RTF or nested beyond measure."""
    return read(path.read_bytes())


def read(data: bytes, hidden: Hidden | None = None) -> Document:
    """As parse(), of an RTF's bytes. `hidden` is told of hidden text, too."""
    if not data.lstrip().startswith(b"{\\rtf"):
        raise ParseError(
            "The file is no readable RTF document.", hint="Open it with a word processor and save it anew."
        )
    reader = _Reader(data, hidden or Hidden())
    reader.read()
    metadata = {key: " ".join(text.split()) for key, text in reader.info.items()}
    metadata = {key: text for key, text in metadata.items() if text}
    return Document(
        title=metadata.get("title") or reader.title,
        media_type=MEDIA_TYPE,
        parser=parser_version(),
        blocks=reader.outline.finish(),
        metadata=metadata,
        hidden=reader.hidden.found(),
    )


@dataclass(slots=True)
class _State:
    """What a group inherits from the one around it. `target` is where its text goes."""

    target: str = "text"
    font: int = 0
    hidden: bool = False  # what no program shows
    unseen: HiddenKind | None = None  # how what the program shows is kept from the eye
    skip_unicode: int = 1  # characters after \\u that stand for it in older programs


class _Paragraph(NamedTuple):
    """A paragraph's settings, which hold until \\pard."""

    style: int = 0
    outline: int | None = None
    in_table: bool = False
    level: int = 0
    listed: bool = False


@dataclass
class _Reader:
    data: bytes
    hidden: Hidden
    outline: Outline = field(default_factory=Outline)
    info: dict[str, str] = field(default_factory=dict)
    title: str = ""
    codepage: str = "cp1252"
    fonts: dict[int, str] = field(default_factory=dict)
    styles: dict[int, tuple[str, int | None]] = field(default_factory=dict)  # name, outline level
    state: _State = field(default_factory=_State)
    paragraph: _Paragraph = field(default_factory=lambda: _Paragraph())
    texts: dict[str, list[str]] = field(default_factory=lambda: {"text": []})
    pending: bytearray = field(default_factory=bytearray)  # bytes not yet decoded: a character may have two
    cells: list[tuple[str, int, int]] = field(default_factory=list)
    rows: list[list[tuple[str, int, int]]] = field(default_factory=list)
    cell: list[str] = field(default_factory=list)
    apart: list[tuple[BlockKind, str]] = field(default_factory=list)  # notes and text boxes of the paragraph
    label: str = ""
    style: int = -1  # of which the style sheet speaks
    white: frozenset[int] | None = None
    to_skip: int = 0

    def read(self) -> None:
        stack: list[_State] = []
        begins = False
        position = 0
        while match := _TOKEN.match(self.data, position):
            position = match.end()
            word, number, code, symbol, bracket, text = match.groups()
            if bracket == b"{":
                self._flush()
                stack.append(replace(self.state))
                if len(stack) > MAX_DEPTH:
                    raise ParseError("The document is nested too deeply.", hint=_RESAVE)
                begins = True
                continue
            if bracket == b"}":
                self._flush()
                if not stack:
                    break
                ended = self.state
                self.state = stack.pop()
                if ended.target != self.state.target:
                    self._end(ended.target)
            elif word == b"bin":
                position += max(int(number or 0), 0)
            elif word is not None:
                self._word(word.decode(), int(number) if number else None, begins)
            elif code is not None:
                self._bytes(bytes((int(code, 16),)))
            elif symbol == b"*":
                begins = True  # what follows is a group that older programs pass over
                self.state.target = "?" + self.state.target
                continue
            elif symbol is not None:
                self._text(_ESCAPED.get(symbol, ""))
            elif text is not None:
                self._bytes(text)
            begins = False
        self._flush()
        self._end_paragraph()
        self._end_table()

    def _word(self, word: str, number: int | None, begins: bool) -> None:
        self._flush() if word not in ("u", "uc") else None
        is_new = self.state.target.startswith("?")
        if is_new:
            self.state.target = self.state.target[1:]
        if word in _SKIPPED or (is_new and word not in _SHOWN_THOUGH_NEW):
            self.state.target = "skipped"
        elif begins and self.state.target != "skipped":
            self._begin(word)
        if self.state.target == "skipped":
            return
        if word == "u" and number is not None:
            self._flush()
            self._text(_character(number))
            self.to_skip = self.state.skip_unicode
        elif word == "uc":
            self.state.skip_unicode = min(max(number or 0, 0), 100)
        elif word in _SYMBOLS:
            self._text(_SYMBOLS[word])
        elif self.state.target == "fonttbl":
            self._font(word, number)
        elif self.state.target == "stylesheet":
            self._style_setting(word, number)
        else:
            self._setting(word, number)

    def _begin(self, word: str) -> None:
        """A group that begins with this word has its text for itself."""
        if word in (
            "fonttbl",
            "stylesheet",
            "info",
            "footnote",
            "annotation",
            "atnauthor",
            "shptxt",
            "listtext",
            "pntext",
        ):
            self.state.target = {"pntext": "listtext"}.get(word, word)
            self.texts[self.state.target] = []
        elif self.state.target == "info":
            self.state.target = f"info:{word}"
            self.texts[self.state.target] = []

    def _setting(self, word: str, number: int | None) -> None:
        match word:
            case "ansicpg" if number:
                self.codepage = _known(f"cp{number}") or self.codepage
            case "mac":
                self.codepage = "mac_roman"
            case "pc":
                self.codepage = "cp437"
            case "f":
                self.state.font = number or 0
            case "plain":
                self.state.hidden, self.state.unseen = False, None
            case "deleted" | "htmlrtf":
                self.state.hidden = number != 0
            case "v":
                self.state.unseen = "invisible" if number != 0 else None
            case "fs" if self.state.unseen in (None, "tiny"):
                self.state.unseen = "tiny" if number and number < 2 * TINY else None
            case "cf" if self.state.unseen in (None, "colour"):
                self.state.unseen = "colour" if number in self._white() else None
            case "pard":
                self.paragraph = _Paragraph()
            case "s":
                self.paragraph = self.paragraph._replace(style=number or 0)
            case "outlinelevel":
                self.paragraph = self.paragraph._replace(outline=number)
            case "intbl":
                self.paragraph = self.paragraph._replace(in_table=True)
            case "ls":
                self.paragraph = self.paragraph._replace(listed=True)
            case "ilvl":
                self.paragraph = self.paragraph._replace(level=min(max(number or 0, 0), 8))
            case "par" | "sect":
                self._end_paragraph() if self.state.target == "text" else self._text("\n")
            case "cell" | "nestcell":
                self._end_cell() if word == "cell" else self._text(" ")
            case "row":
                self.rows.append(self.cells)
                self.cells = []

    def _white(self) -> frozenset[int]:
        """The numbers of the colours that are white, where no text stands on another colour."""
        if self.white is None:
            table = _COLOURS.search(self.data)
            entries = table[1].split(b";") if table and not _SHADED.search(self.data) else []
            parts = ([int(part) for part in _PART.findall(entry)] for entry in entries)
            self.white = frozenset(
                number
                for number, colour in enumerate(parts)
                if len(colour) == 3 and is_white("".join(f"{min(part, 255):02x}" for part in colour))
            )
        return self.white

    def _font(self, word: str, number: int | None) -> None:
        if word == "f":
            self.state.font = number or 0
        elif word == "fcharset" and number is not None:
            self.fonts[self.state.font] = _CHARSETS.get(number, "")
        elif word == "cpg" and number:
            self.fonts[self.state.font] = _known(f"cp{number}")

    def _style_setting(self, word: str, number: int | None) -> None:
        if word in ("s", "cs", "ds", "ts"):
            self.style = number or 0 if word == "s" else -1
            self.texts["stylesheet"] = []
        elif word == "outlinelevel" and self.style >= 0:
            self.styles[self.style] = ("", number)

    def _bytes(self, text: bytes) -> None:
        if self.to_skip:
            taken = min(self.to_skip, len(text))
            self.to_skip -= taken
            text = text[taken:]
        if self.state.target != "skipped" and not self.state.hidden:
            self.pending += text

    def _flush(self) -> None:
        if self.pending:
            encoding = self.fonts.get(self.state.font) or self.codepage
            text = self.pending.decode(encoding, "replace")
            self.pending.clear()
            self._text(text)

    def _text(self, text: str) -> None:
        if self.pending:
            self._flush()
        target = self.state.target.lstrip("?")
        if target == "skipped" or self.state.hidden:
            return
        if target == "stylesheet":
            self._style_name(text)
        elif self.state.unseen and target in _SEEN:
            self.hidden.add(self.state.unseen, text)
        else:
            self.texts.setdefault(target, []).append(text)

    def _style_name(self, text: str) -> None:
        """A style's name ends with a semicolon."""
        self.texts["stylesheet"].append(text)
        if ";" in text and self.style >= 0:
            name = "".join(self.texts["stylesheet"]).partition(";")[0].strip().lower()
            self.styles[self.style] = (name, self.styles.get(self.style, ("", None))[1])
            self.style = -1

    def _end(self, target: str) -> None:
        """What a group for itself has said."""
        text = _joined(self.texts.pop(target, []))
        if target in ("footnote", "annotation"):
            author = "".join(self.texts.pop("author", [])) if target == "annotation" else ""
            self.apart.append(("note", noted(author, "", text.strip())))
        elif target == "shptxt":
            self.apart.append(("paragraph", text))
        elif target == "atnauthor":
            self.texts["author"] = [text.strip()]
        elif target == "listtext":
            self.label = text.strip()
        elif target.startswith("info:") and (key := _INFO.get(target[5:])):
            self.info[key] = text

    def _take(self) -> str:
        text = _joined(self.texts.get("text", []))
        self.texts["text"] = []
        return text

    def _end_paragraph(self) -> None:
        text, label, settings = self._take(), self.label, self.paragraph
        self.label = ""
        if settings.in_table:
            self.cell.append(f"{label} {text}" if label else text)
            return
        if text.strip():
            self._end_table()
            self._add(text, _marked(label), settings)
        if not self.rows:
            self._end_apart()

    def _add(self, text: str, label: str, settings: _Paragraph) -> None:
        name, outline = self.styles.get(settings.style, ("", None))
        outline = settings.outline if settings.outline is not None else outline
        named = _HEADING.match(name)
        words = "\n".join(" ".join(line.split()) for line in text.split("\n"))
        if name == "title":
            self.outline.heading(TITLE, words)
            self.title = self.title or " ".join(words.split())
        elif named or (outline is not None and 0 <= outline < 9):
            level = int(named[1]) if named else (outline or 0) + 1
            self.outline.heading(level, f"{label} {words}" if label.strip("- ") else words)
        elif "code" in name or "preformatted" in name:
            self.outline.add("code", text)
        elif label or settings.listed:
            indent = "  " * settings.level
            self.outline.add("list", f"{indent}{label or '-'} " + words.replace("\n", f"\n{indent}  "))
        else:
            self.outline.add("caption" if name == "caption" else "paragraph", words)

    def _end_cell(self) -> None:
        self.cell.append(self._take())
        self.label = ""
        self.cells.append((" ".join(" ".join(self.cell).split()), 1, 1))
        self.cell = []

    def _end_table(self) -> None:
        if self.cells:
            self.rows.append(self.cells)
            self.cells = []
        if self.rows:
            self.outline.table(filled_spans(self.rows))
            self.rows = []
            self._end_apart()

    def _end_apart(self) -> None:
        for kind, text in self.apart:
            self.outline.add(kind, text)
        self.apart = []


def _marked(label: str) -> str:
    """A list's mark; a bullet of whatever font is one."""
    return label if not label or (any(char.isalnum() and char.isascii() for char in label) and len(label) > 1) else "-"


def _character(number: int) -> str:
    """Of a signed 16-bit number; a symbol font's own characters are left out."""
    number %= 0x10000
    return "" if 0xF000 <= number <= 0xF0FF else chr(number)


def _joined(parts: list[str]) -> str:
    """The text; characters that RTF writes in two halves are whole."""
    text = "".join(parts)
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        return {"cp10000": "mac_roman", "cp65001": "utf-8"}.get(encoding, "")
