import io
import random
import zipfile
from pathlib import Path

import msoffcrypto.format.ooxml
import pytest

from errors import EncryptedError, ParseError
from ingest.parse import docx, office_password, slides, spreadsheet
from ingest.parse.package import OLE
from tests.documents import write_docx
from tests.office_files import shape, write_slides, write_workbook


def lock(path: Path, password: str) -> Path:
    """The Office file with a password, as Office keeps it."""
    with zipfile.ZipFile(path, "a") as archive:  # the library writes no file under 4 KB rightly
        archive.writestr("padding", random.Random(1).randbytes(9000))
    locked = io.BytesIO()
    msoffcrypto.format.ooxml.OOXMLFile(io.BytesIO(path.read_bytes())).encrypt(password, locked)
    path.write_bytes(locked.getvalue())
    assert locked.getvalue().startswith(OLE)
    return path


@pytest.mark.parametrize("kind", ["docx", "pptx", "xlsx"])
def test_a_document_opens_with_its_password_only(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    match kind:
        case "docx":
            read, words = docx.parse, "House rules"
            write_docx(path)
        case "pptx":
            read, words = slides.parse, "Budget"
            write_slides(path, [shape("Budget", kind="title")])
        case _:
            read, words = spreadsheet.parse, "Rent"
            write_workbook(path, {"Rent": [["a", "b"]]})
    lock(path, "sésamo")
    assert read(path, "sésamo").blocks[0].text == words
    with pytest.raises(EncryptedError, match="does not open"):
        read(path, "wrong")
    with pytest.raises(EncryptedError, match="protected by a password"):
        read(path)


def test_a_damaged_protected_file_says_so() -> None:
    data = OLE + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(600)
    with pytest.raises(ParseError, match="damaged"):
        office_password.decrypted(data, "any")
    assert office_password.is_encrypted(OLE + bytes(600)) is False
