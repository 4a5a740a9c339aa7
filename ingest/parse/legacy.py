"""DOC and PPT. What is really of a newer kind under such a name is read as that; the rest is read after LibreOffice
has converted it (ingest/convert.py): a file of the old binary kind that comes here says why it cannot be read."""

from pathlib import Path

from errors import EncryptedError, ParseError, UnsupportedError
from ingest import convert
from ingest.parse import docx, office_password, rtf, slides
from ingest.parse.package import is_wrapped
from ingest.types import Document

MEDIA_TYPE = "application/msword"


def parser_version() -> str:
    """Not remembered: LibreOffice may be installed while the engine runs."""
    parts = f"{docx.parser_version()} {slides.parser_version()} {rtf.parser_version()}"
    return f"legacy/1 {parts} {'with' if convert.libreoffice() else 'without'} libreoffice"


def warm() -> None:
    """Nothing to import."""


def parse(path: Path, password: str | None = None) -> Document:
    """A newer kind of document under an old name.

    Raises EncryptedError if it has a password, UnsupportedError if it needs LibreOffice, which is not there, ParseError
    if LibreOffice could not convert it.
    """
    data = path.read_bytes()
    is_slides = convert.SUCCESSORS.get(path.suffix.lower()) == "pptx"
    if data.startswith(b"{\\rtf"):
        return rtf.parse(path)
    if data.startswith(b"PK") or is_wrapped(data):
        return slides.parse(path, password) if is_slides else docx.parse(path, password)
    if office_password.is_encrypted(data):
        raise EncryptedError(
            "The file is protected by a password.", hint="Save a copy without the password and add that."
        )
    if not convert.libreoffice():
        raise UnsupportedError("It needs LibreOffice.", hint=f"Install it ({convert.HOW_TO_INSTALL}) and index again.")
    raise ParseError("LibreOffice cannot read the file.", hint="Open it with its program and save it anew.")
