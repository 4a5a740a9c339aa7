"""Source code and settings in lines -> Document. Every block is a slice of the file.

A block is what stands together: a definition with the comment above it, or lines between empty ones. What a long
definition holds stands under its name, what a section of settings holds under its heading. No language is parsed:
names are found by how lines begin.
"""

import re
from functools import cache
from pathlib import Path

from ingest.parse.lines import Lines, Outline
from ingest.parse.text import decode
from ingest.parse.text import parser_version as text_version
from ingest.parse.text import warm as warm
from ingest.types import Document

MEDIA_TYPE = "text/x-source"
SETTINGS_TYPE = "text/x-settings"
SETTINGS = frozenset((".toml", ".ini", ".cfg", ".conf", ".properties", ".editorconfig"))
SMALL = 1500  # characters of a definition that stays one block without a name above it
MAX_DEPTH = 4  # definitions in definitions
MAX_LINE = 300  # characters of a line in which a name is looked for

_MODIFIERS = (
    r"(?:(?:export|default|public|private|protected|internal|static|final|abstract|async|pub(?:\([\w ]+\))?|unsafe"
    r"|extern|override|virtual|inline|const|open|data|sealed|local|partial|declare|readonly|suspend|mutating|@\w+)"
    r"[ \t]+){0,6}"
)
_KEYWORDS = (
    r"(?:def|class|function\*?|func|fun|fn|struct|enum|interface|trait|impl|module|mod|namespace|object|protocol"
    r"|extension|sub|type|record|macro|union|procedure|create[ \t]+(?:or[ \t]+replace[ \t]+)?"
    r"(?:temp(?:orary)?[ \t]+)?(?:table|view|function|procedure|index|trigger)(?:[ \t]+if[ \t]+not[ \t]+exists)?)"
)
_STATEMENT_NAMES = """
    return else elif if for foreach while switch case throw raise new delete typedef using await yield assert with
    import from print not in and or echo select insert update let var const do try match when unless until defer go
"""
_STATEMENTS = frozenset(_STATEMENT_NAMES.split())
_DEFINITIONS = (
    re.compile(
        rf"[ \t]*{_MODIFIERS}{_KEYWORDS}\b[ \t]*(?:<[^<>\n]*>[ \t]*)?(?:\([^()\n]*\)[ \t]*)?([\w$.:~\"`]+)", re.I
    ),
    re.compile(  # JavaScript
        rf"[ \t]*{_MODIFIERS}(?:const|let|var)[ \t]+([\w$]+)[ \t]*="
        r"[ \t]*(?:async\b|function\b|\([^()\n]*\)[ \t]*=>|\w+[ \t]*=>)"
    ),
    re.compile(r"[ \t]*([\w.]+)[ \t]*(?:<-|=)[ \t]*function[ \t]*\("),  # R
    re.compile(r"[ \t]*([\w-]+)[ \t]*\(\)[ \t]*\{"),  # shells
)
_C_WORD = re.compile(r"[\w:<>,*&~\[\]]+")
_C_NAME = re.compile(r"[*&]*([A-Za-z_~][\w:~]*)")
_C_ARGUMENTS = re.compile(r"[^;{}=]*(?:\{[ \t]*)?")
_ABOVE = re.compile(r"[ \t]*(?:#(?!include|define|if|endif|pragma)|//|/\*|\*|--|@|\[[A-Z]\w*|;|%|'''|\"\"\")")
_CLOSES = re.compile(r"[ \t]*(?:[)\]}]|end\b|else\b|elif\b|except\b|finally\b|catch\b|fi\b|done\b|esac\b)")
_SECTION = re.compile(r"[ \t]*\[\[?[ \t]*([^\],\n]+?)[ \t]*\]\]?[ \t]*(?:[#;].*)?$")


@cache
def parser_version() -> str:
    return f"code/1 {text_version()}"


def parse(path: Path) -> Document:
    """The file in pieces that stand together, long definitions under their names.

    Raises ParseError if the file holds no text but binary data.
    """
    text, encoding = decode(path.read_bytes())
    outline = Outline(Lines.of(text))
    is_settings = path.suffix.lower() in SETTINGS
    if is_settings:
        _settings(outline)
    else:
        _pieces(outline, 0, len(outline.lines), 0)
    return Document(
        title="",
        media_type=SETTINGS_TYPE if is_settings else MEDIA_TYPE,
        parser=parser_version(),
        blocks=tuple(outline.blocks),
        metadata={"encoding": encoding},
    )


def _settings(outline: Outline) -> None:
    """Sections begin with their name in brackets; the comment above belongs to them."""
    lines = outline.lines
    begins = 0
    for n in range(len(lines)):
        if found := _SECTION.match(lines.line(n)[:MAX_LINE]):
            first = _with_comment(lines, begins, n)
            outline.add("code", begins, first)
            outline.heading(1, found[1], n)
            begins = first
    outline.add("code", begins, len(lines))


def _pieces(outline: Outline, at: int, end: int, depth: int) -> None:
    lines = outline.lines
    starts = _starts(lines, at, end)
    for begins, ends in zip([at, *starts], [*starts, end], strict=True):
        first = _first_of_definition(lines, begins, ends)
        name = _name(lines.line(first)) if first < ends else ""
        if not name or lines.starts[ends] - lines.starts[begins] <= SMALL or depth >= MAX_DEPTH:
            outline.add("code", begins, ends)
            continue
        outline.heading(depth, name, first)
        inner = _body(lines, first, ends)
        outline.add("code", begins, inner)
        _pieces(outline, inner, ends, depth + 1)
        outline.heading(depth, "", first)


def _starts(lines: Lines, at: int, end: int) -> list[int]:
    """Where a piece begins, but the first: at a definition as far left as any, or at such a line after an empty one."""
    content = [n for n in range(at, end) if not lines.is_blank(n) and not _CLOSES.match(lines.line(n))]
    left = min((lines.indent(n) for n in content), default=0)
    starts: list[int] = []
    last = at
    for n in content:
        if lines.indent(n) != left or n < last:
            continue
        is_new = _name(lines.line(n)) or (n > at and lines.is_blank(n - 1))
        first = _with_comment(lines, last, n) if is_new else n
        if is_new and first > last:
            starts.append(first)
        last = max(last, first + 1 if is_new else n)
    return starts


def _with_comment(lines: Lines, begins: int, at: int) -> int:
    """The first line of the comment, or of what is said of a definition, right above it."""
    while at > begins and _ABOVE.match(lines.line(at - 1)):
        at -= 1
    return at


def _first_of_definition(lines: Lines, begins: int, ends: int) -> int:
    return next((n for n in range(begins, ends) if not lines.is_blank(n) and not _ABOVE.match(lines.line(n))), ends)


def _body(lines: Lines, first: int, ends: int) -> int:
    """The first line of what a definition holds: that which is further in, with another definition after it; `ends`
    if it holds none."""
    indent = lines.indent(first)
    inner = [n for n in range(first + 1, ends) if not lines.is_blank(n) and lines.indent(n) > indent]
    left = min((lines.indent(n) for n in inner), default=0)
    for n in inner:
        if lines.indent(n) == left and _name(lines.line(n)):
            return _with_comment(lines, first + 1, n)
    return ends


def _name(line: str) -> str:
    """What a line defines; "" if it defines nothing."""
    if len(line) > MAX_LINE or _CLOSES.match(line):
        return ""
    found = next(filter(None, (definition.match(line) for definition in _DEFINITIONS)), None)
    return found[1].strip(':"`') if found else _c_name(line)


def _c_name(line: str) -> str:
    """What a line of C or its kin defines: a type, a name, arguments, and no end of a statement."""
    before, bracket, after = line.partition("(")
    words = before.split()
    if not bracket or not 1 < len(words) < 8 or words[0].lower() in _STATEMENTS or not _C_ARGUMENTS.fullmatch(after):
        return ""
    name = _C_NAME.fullmatch(words[-1])
    return name[1] if name and all(map(_C_WORD.fullmatch, words)) else ""
