import contextlib
import random
from pathlib import Path

import pytest

from errors import EncryptedError, ParseError
from ingest.parse import outlook as parser
from ingest.parse.package import OLE
from tests.conftest import shared_data


@pytest.fixture(scope="module")
def messages() -> Path:
    return shared_data("documents", "unstructured-example-docs")


@pytest.mark.needs_shared
def test_a_message_has_its_headers_text_and_attachments(messages: Path) -> None:
    path = messages / "fake-email-attachment.msg"
    document = parser.parse(path)
    assert document.title == "Fake email with attachment"
    assert document.metadata["from"] == '"Mallori Harrell" <mallori@unstructured.io>'
    assert document.metadata["date"] == "2022-12-23T12:08:48-06:00"
    assert document.blocks[0].kind == "note"
    assert [(block.kind, block.text) for block in document.blocks[1:5]] == [
        ("paragraph", "Hello!"),
        ("paragraph", "Here's the attachments!"),
        ("paragraph", "It includes:"),
        ("list", "- Lots of whitespace\n- Little to no content\n- and is a quick read"),
    ]
    assert document.members == ("fake-attachment.txt",)
    assert parser.read_member(path, "fake-attachment.txt") == b"Hey this is a fake attachment!"
    with pytest.raises(ParseError, match="There is no"):
        parser.read_member(path, "other.txt")


@pytest.mark.needs_shared
def test_copies_are_told_from_recipients_and_encoded_names_are_decoded(messages: Path) -> None:
    metadata = parser.parse(messages / "fake-email-with-cc-and-bcc.msg").metadata
    assert metadata["to"] == "John Jennings <john-ctr@unstructured.io>"
    assert metadata["cc"] == "steve@unstructured.io"


@pytest.mark.needs_shared
def test_an_encrypted_message_says_so(messages: Path) -> None:
    with pytest.raises(EncryptedError, match="encrypted"):
        parser.parse(messages / "fake-encrypted.msg")


@pytest.mark.needs_shared
@pytest.mark.parametrize("seed", range(15))
def test_a_damaged_message_ends_in_a_document_or_a_reason(messages: Path, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray((messages / "fake-email-attachment.msg").read_bytes())
    for _ in range(20):
        data[chance.randrange(len(data))] = chance.randrange(256)
    (tmp_path / "a.msg").write_bytes(data[: chance.randrange(1, 2 * len(data))])
    with contextlib.suppress(ParseError):
        parser.parse(tmp_path / "a.msg")


def test_what_is_no_message_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.msg").write_bytes(OLE + bytes(2000))
    with pytest.raises(ParseError, match="no readable message"):
        parser.parse(tmp_path / "a.msg")


def test_a_body_as_outlook_packs_it_is_unpacked() -> None:
    """The example of [MS-OXRTFCP] 3.1: "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}"."""
    packed = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )
    assert parser.unpacked_rtf(packed) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    plain = b"{\\rtf1 hello}"
    assert parser.unpacked_rtf(bytes(4) + len(plain).to_bytes(4, "little") + b"MELA" + bytes(4) + plain) == plain
    with pytest.raises(ParseError, match="damaged"):
        parser.unpacked_rtf(b"LZFv")
