"""Plain text in any encoding -> Document. decode() serves Markdown and HTML too."""

import codecs
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from errors import ParseError
from ingest.types import Block, Document, Span

MEDIA_TYPE = "text/plain"

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Codecs of Python's that are no encodings of a page's text, or (UTF-7) one that hides what the page says.
_NO_CHARSETS = frozenset(("idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "utf-7"))
_SAMPLE = 200_000  # bytes looked at to guess an encoding
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")  # \x1b begins the colours of a terminal's log
_UNWANTED = re.compile(r"[\x00\ud800-\udfff\ufffe\uffff]")
# Only a line's start is tried: a megabyte of spaces would be looked through from every one of them.
_PARAGRAPH = re.compile(r"^[^\n]*\S[^\n]*(?:\n[^\n]*\S[^\n]*)*", re.M)
# The underline must be at least as long as its line: https://docutils.sourceforge.io/docs/ref/rst/restructuredtext.html
_UNDERLINED = re.compile(
    r"(?=[^\n]*[^\W_])(?P<title>\S[^\n]{0,119})\n(?P<line>(?P<mark>[=\-~^#*+])(?P=mark){2,})[ \t]*(?:\n|\Z)"
)


@cache
def parser_version() -> str:
    return f"text/3 charset-normalizer {version('charset-normalizer')}"


def warm() -> None:
    """Imports the library, so that a process forked afterwards starts at once."""
    import charset_normalizer  # noqa: F401


def parse(path: Path) -> Document:
    """Paragraphs are what blank lines part; a block's text is exactly the decoded file's.

    Raises ParseError if the file holds no text but binary data.
    """
    text, encoding = decode(path.read_bytes())
    return Document(
        title="",
        media_type=MEDIA_TYPE,
        parser=parser_version(),
        blocks=tuple(_blocks(text)),
        metadata={"encoding": encoding},
    )


def decode(data: bytes, declared: str = "") -> tuple[str, str]:
    """The text and its encoding, with "\\n" line ends and without NULs and lone surrogates.

    A byte order mark decides, else UTF-16 if its zero bytes show it, else UTF-8 if it is valid, else the encoding
    that the file itself declares, else the best guess of charset-normalizer. Raises ParseError for binary data.
    """
    text, encoding = _decode(data, declared)
    if text.count("\ufffd") > 0.1 * len(text) or len(_CONTROLS.findall(text)) > 0.02 * len(text) + 8:
        raise ParseError("The file is not text but binary data.", hint="Open it with the program that made it.")
    return scrub(text.replace("\r\n", "\n").replace("\r", "\n")), encoding


def scrub(text: str) -> str:
    """Without NULs, lone surrogates and non-characters, which no catalogue can keep."""
    return _UNWANTED.sub("", text)


def _decode(data: bytes, declared: str) -> tuple[str, str]:
    for mark, name in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace"), name
    if wide := _wide(data):
        return data.decode(wide, "replace"), wide
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        if b"\x00" in data[:_SAMPLE]:
            raise ParseError(
                "The file is not text but binary data.", hint="Open it with the program that made it."
            ) from error
    encoding = _known(declared) or _guess(data)
    return data.decode(encoding, "replace"), encoding


def _known(encoding: str) -> str:
    """The encoding's name if it is one that the declaration itself can stand in; "" otherwise."""
    try:
        name = codecs.lookup(encoding).name
        fits = name not in _NO_CHARSETS and b"<meta>".decode(name) == "<meta>"
    except (LookupError, ValueError):  # of a codec that is not for text, too
        return ""
    return name if fits else ""


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark: in Latin text, every other byte is zero."""
    sample = data[: _SAMPLE & ~1]
    half = len(sample) // 2
    if half < 2:
        return None
    even, odd = sample[::2].count(0) / half, sample[1::2].count(0) / half
    if odd > 0.4 and even < 0.05:
        return "utf-16-le"
    if even > 0.4 and odd < 0.05:
        return "utf-16-be"
    return None


def _guess(data: bytes) -> str:
    if _nearly_utf8(data):
        return "utf-8"
    import charset_normalizer

    matches = charset_normalizer.from_bytes(data[:_SAMPLE])
    best = matches.best()
    if best is None:
        return "cp1252"  # reads nearly any byte
    # Guesses that are as good are sorted by name: a short Spanish letter would be taken for Central European (cp1250).
    good = {match.encoding for match in matches if match.chaos <= best.chaos and match.coherence >= best.coherence}
    return "cp1252" if "cp1252" in good else best.encoding


def _nearly_utf8(data: bytes) -> bool:
    """Whether it is UTF-8 with a few broken bytes (cut in half, joined from parts), not another encoding."""
    text = data[:_SAMPLE].decode("utf-8", "replace")
    foreign = sum(char > "\x7f" for char in text)
    return text.count("\ufffd") * 10 <= foreign


def _blocks(text: str) -> Iterator[Block]:
    path: list[tuple[str, str]] = []  # (underline, title); as in RST, a new underline is a deeper level
    for match in _PARAGRAPH.finditer(text):
        start, end = match.span()
        heading = _UNDERLINED.match(match[0])
        if heading and len(heading["line"]) >= len(heading["title"].rstrip()):
            marks = [mark for mark, _ in path]
            if heading["mark"] in marks:
                del path[marks.index(heading["mark"]) :]
            title = heading["title"].rstrip()
            yield _block("heading", text, start, start + len(title), path)
            path.append((heading["mark"], title))
            start += heading.end()
        if start < end:
            yield _block("paragraph", text, start, end, path)


def _block(
    kind: Literal["heading", "paragraph"], text: str, start: int, end: int, path: list[tuple[str, str]]
) -> Block:
    return Block(kind, text[start:end], None, tuple(title for _, title in path), Span(None, start, end))
