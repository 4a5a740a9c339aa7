"""Packages: ZIP archives of XML parts, as Office (OOXML), OpenDocument and EPUB files are."""

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from errors import EncryptedError, ParseError
from ingest.parse import archive
from ingest.parse.text import scrub

OLE = bytes.fromhex("d0cf11e0a1b11ae1")  # how Office wraps a document of the old kind, or one with a password
RESAVE = "Open it with the program that made it and save it anew."
_MANIFEST = "META-INF/manifest.xml"
_PROTECTED = "The file is protected by a password."
_UNPROTECT = "Save a copy without the password and add that."
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_RELATION = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
# ISO 29500 Strict has namespaces of its own for the same elements.
_STRICT = tuple(
    (b"http://purl.oclc.org/ooxml/" + strict, b"http://schemas.openxmlformats.org/" + usual)
    for strict, usual in (
        (b"wordprocessingml/main", b"wordprocessingml/2006/main"),
        (b"spreadsheetml/main", b"spreadsheetml/2006/main"),
        (b"presentationml/main", b"presentationml/2006/main"),
        (b"drawingml/main", b"drawingml/2006/main"),
        (b"drawingml/chart", b"drawingml/2006/chart"),
        (b"drawingml/diagram", b"drawingml/2006/diagram"),
        (b"drawingml/wordprocessingDrawing", b"drawingml/2006/wordprocessingDrawing"),
        (b"officeDocument/math", b"officeDocument/2006/math"),
        (b"officeDocument/relationships", b"officeDocument/2006/relationships"),
    )
)
_ENTITY = tuple("<!ENTITY".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be"))
_PROPERTIES = {
    "title": "title", "creator": "author", "subject": "subject", "keywords": "keywords", "description": "description",
    "language": "language", "created": "created", "modified": "modified",
}  # fmt: skip
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?)?Z?")


class Relation(NamedTuple):
    """What a part refers to: `target` is another part's name, or where `external` what it says."""

    kind: str
    target: str
    external: bool


@dataclass(frozen=True, slots=True)
class Package:
    data: bytes
    file: zipfile.ZipFile
    names: frozenset[str]

    def read(self, name: str) -> bytes:
        """A part's bytes. Raises ParseError if there is none of that name."""
        try:
            return self.file.read(name)
        except KeyError as error:
            raise ParseError(f"The file lacks its part {name[:100]!r}.", hint=RESAVE) from error

    def xml(self, name: str) -> Element:
        """A part as a tree. Raises ParseError if it is missing or no XML."""
        return parse_xml(self.read(name), name)

    def related(self, name: str) -> dict[str, Relation]:
        """What the part `name` ("" for the package itself) refers to, by the references' ids."""
        folder, base = posixpath.split(name)
        relations = posixpath.join(folder, "_rels", f"{base}.rels")
        if relations not in self.names:
            return {}
        return dict(_relations(self.xml(relations), folder))

    def parts(self, name: str, kind: str) -> list[str]:
        """The parts of a kind (the last word of the relation's type) that the part `name` refers to."""
        found = (relation.target for relation in self.related(name).values() if relation.kind == kind)
        return [target for target in found if target in self.names]

    def main(self, what: str) -> str:
        """The name of the document's main part. Raises ParseError, calling the document a `what`, without one."""
        found = self.parts("", "officeDocument")
        if not found:
            raise ParseError(f"The file is no readable {what}: it has no main part.", hint=RESAVE)
        return found[0]

    def properties(self) -> dict[str, str]:
        """What the document says of itself: title, author, created and so on, in the names of Document.metadata."""
        found: dict[str, str] = {}
        for part in self.parts("", "core-properties"):
            for element in self.xml(part):
                name = _PROPERTIES.get(local_name(element), "")
                text = " ".join(scrub(element.text or "").split())
                if name in ("created", "modified"):
                    text = text if _DATE.match(text) else ""
                if name and text:
                    found[name] = text
        return found


@contextmanager
def opened(path: Path, what: str, password: str | None = None, *, doctypes: bool = False) -> Iterator[Package]:
    """The package in a file; `what` names the kind of document in messages ("Word document"). `doctypes`: its
    parts may declare document types, as pages do.

    Raises EncryptedError if it has a password and this is not the one, TooLargeError if it inflates beyond measure,
    ParseError if it is damaged or of the old kind.
    """
    data = path.read_bytes()
    if data.startswith(OLE):
        data = _unwrapped(data, what, password)
    archive.check(data, doctypes=doctypes)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            opened = Package(data, file, frozenset(file.namelist()))
            if _MANIFEST in opened.names and b"encryption-data" in opened.read(_MANIFEST):  # OpenDocument
                raise EncryptedError(_PROTECTED, hint=_UNPROTECT)
            yield opened
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ParseError(f"The archive is damaged: {str(error).rstrip('.')}.", hint=RESAVE) from error
    except RecursionError as error:
        raise ParseError("The document is nested too deeply.", hint=RESAVE) from error


def is_wrapped(data: bytes) -> bool:
    """Whether it is a package with a password."""
    return data.startswith(OLE) and "EncryptedPackage".encode("utf-16-le") in data


def _unwrapped(data: bytes, what: str, password: str | None) -> bytes:
    if not is_wrapped(data):
        raise ParseError(f"The file is no readable {what} but one of the old binary kind.", hint=RESAVE)
    if password is None:
        raise EncryptedError(_PROTECTED, hint=_UNPROTECT)
    from ingest.parse.office_password import decrypted

    return decrypted(data, password)


def parse_xml(data: bytes, name: str) -> Element:
    """XML as a tree, without entities of its own. Raises ParseError if it has any or is no XML."""
    if any(mark in data for mark in _ENTITY):
        raise ParseError(f"{name[:100]!r} in the file declares entities, as no such document does.", hint=RESAVE)
    if b"purl.oclc.org/ooxml" in data:
        for strict, usual in _STRICT:
            data = data.replace(strict, usual)
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ParseError(f"{name[:100]!r} in the file is damaged: {error}.", hint=RESAVE) from error


def local_name(element: Element) -> str:
    """The tag without its namespace."""
    return element.tag.rpartition("}")[2]


def _relations(root: Element, folder: str) -> Iterator[tuple[str, Relation]]:
    for element in root.iter(_RELATION):
        kind = element.get("Type", "").rpartition("/")[2]
        target = element.get("Target", "")
        external = element.get("TargetMode") == "External"
        if not external:
            target = posixpath.normpath(posixpath.join("/" + folder, unquote(target))).lstrip("/")
        yield element.get("Id", ""), Relation(kind, target, external)
