"""File names as text that can be stored, sent and shown, whatever bytes they have.

A name is bytes on Linux, and they need not be UTF-8. Each byte that is not becomes one private-use character, U+EF80
to U+EFFF (as in MirBSD's OPTU-8); so does each byte of a character that already lies there. So every name has a text,
no two names share one, and the name can be had back from it. All other names are their own text.
"""

import re
from pathlib import Path

_FIRST = 0xEF00
_NO_TEXT = re.compile("[\udc80-\udcff\uef80-\uefff]")
_BYTES = re.compile("[\uef80-\uefff]+")


def to_text(name: str) -> str:
    """The text of a name as Python has it (its undecodable bytes as lone surrogates)."""
    return _NO_TEXT.sub(_hidden, name) if _NO_TEXT.search(name) else name


def to_name(text: str) -> str:
    """The name whose text this is."""
    return _BYTES.sub(_shown, text) if _BYTES.search(text) else text


def absolute(folder: str | Path, path: str) -> Path:
    """Where the file is that the texts of a library folder and of a path in it name."""
    return Path(to_name(str(folder)), to_name(path))


def printable(text: str) -> str:
    """For a person to read: the bytes that are no characters written as \\xNN."""
    return _BYTES.sub(lambda match: "".join(f"\\x{ord(c) - _FIRST:02x}" for c in match[0]), text)


def _hidden(match: re.Match[str]) -> str:
    return "".join(chr(_FIRST + byte) for byte in match[0].encode("utf-8", "surrogateescape"))


def _shown(match: re.Match[str]) -> str:
    return bytes(ord(character) - _FIRST for character in match[0]).decode("utf-8", "surrogateescape")
