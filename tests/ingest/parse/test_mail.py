import contextlib
import random
from email.message import EmailMessage
from pathlib import Path

import pytest

from errors import EncryptedError, ParseError
from ingest.parse import mail as parser
from ingest.types import Document


def letter(**headers: str) -> EmailMessage:
    message = EmailMessage()
    given = {"From": "Ada <ada@example.org>", "To": "bob@example.org", "Subject": "The rent"} | headers
    for name, value in given.items():
        message[name] = value
    return message


def parse(tmp_path: Path, message: EmailMessage | bytes, name: str = "a.eml") -> Document:
    (tmp_path / name).write_bytes(message if isinstance(message, bytes) else message.as_bytes())
    return parser.parse(tmp_path / name)


def body(document: Document) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in document.blocks[1:]]


def test_the_headers_are_metadata_and_a_note_before_the_text(tmp_path: Path) -> None:
    message = letter(Cc="Eve <eve@example.org>", Date="Wed, 01 May 2024 10:30:00 +0200", Subject="Señal de alquiler")
    message.set_content("Hello Bob,\n\nit is due.\n> When?\n> Soon.\n")
    document = parse(tmp_path, message)
    assert document.title == "Señal de alquiler"
    assert document.metadata == {
        "from": "Ada <ada@example.org>", "to": "bob@example.org", "cc": "Eve <eve@example.org>",
        "date": "2024-05-01T10:30:00+02:00", "subject": "Señal de alquiler",
    }  # fmt: skip
    assert document.blocks[0].kind == "note"
    assert document.blocks[0].text.splitlines() == [
        "From: Ada <ada@example.org>", "To: bob@example.org", "Cc: Eve <eve@example.org>",
        "Date: Wed, 01 May 2024 10:30:00 +0200", "Subject: Señal de alquiler",
    ]  # fmt: skip
    assert body(document) == [("paragraph", "Hello Bob,"), ("paragraph", "it is due.\n> When?\n> Soon.")]


def test_the_plain_text_is_read_unless_the_page_says_much_more(tmp_path: Path) -> None:
    message = letter()
    message.set_content("Due in May.")
    message.add_alternative("<h1>Rent</h1><p>Due in May.</p>", subtype="html")
    assert body(parse(tmp_path, message)) == [("paragraph", "Due in May.")]
    message = letter()
    message.set_content("See the page.")
    message.add_alternative(f"<h1>Rent</h1><p>{'Due in May. ' * 9}</p>", subtype="html")
    assert body(parse(tmp_path, message))[0] == ("heading", "Rent")
    message = letter()
    message.set_content("<p>Only a page.</p>", subtype="html")
    assert body(parse(tmp_path, message)) == [("paragraph", "Only a page.")]


def test_attachments_and_enclosed_messages_are_members(tmp_path: Path) -> None:
    message, enclosed = letter(), letter(Subject="Re: offer/price")
    enclosed.set_content("Forwarded text.")
    message.set_content("See below.")
    for data in (b"first", b"second"):
        message.add_attachment(data, maintype="application", subtype="pdf", filename="../ofértà.pdf")
    message.add_attachment(enclosed)
    document = parse(tmp_path, message)
    assert document.members == ("ofértà.pdf", "ofértà (2).pdf", "Re: offer price.eml")
    assert [parser.read_member(tmp_path / "a.eml", name) for name in document.members[:2]] == [b"first", b"second"]
    inner = parse(tmp_path, parser.read_member(tmp_path / "a.eml", document.members[2]), "b.eml")
    assert (inner.title, body(inner)) == ("Re: offer/price", [("paragraph", "Forwarded text.")])
    with pytest.raises(ParseError, match=r"There is no 'other\.pdf'"):
        parser.read_member(tmp_path / "a.eml", "other.pdf")


def test_pictures_of_the_page_and_signatures_are_no_members(tmp_path: Path) -> None:
    message = letter()
    message.set_content("<p>Logo: <img src='cid:1'></p>", subtype="html")
    message.add_related(b"PNG", maintype="image", subtype="png", cid="<1>", filename="logo.png", disposition="inline")
    message.make_mixed()
    message.add_attachment(b"sig", maintype="application", subtype="pgp-signature", filename="a.asc")
    assert parse(tmp_path, message).members == ()


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "windows-1252", "utf-7", "koi8-r", "iso-2022-jp", "big5"])
def test_text_in_any_charset_is_read(tmp_path: Path, charset: str) -> None:
    texts = {"koi8-r": "Привет, мир", "iso-2022-jp": "家賃は五月", "big5": "租金五月到期"}
    message = letter()
    message.set_content(texts.get(charset, "El alquiler de mañana"), charset=charset, cte="base64")
    assert body(parse(tmp_path, message)) == [("paragraph", texts.get(charset, "El alquiler de mañana"))]


def test_bytes_that_no_header_should_have_are_read_by_a_guess(tmp_path: Path) -> None:
    data = "From: José <j@example.org>\r\nSubject: Año =?utf-8?q?ma=C3=B1ana?=\r\n\r\nHola.\r\n".encode()
    assert parse(tmp_path, data).metadata == {"from": "José <j@example.org>", "subject": "Año mañana"}


def test_an_encrypted_message_says_so_and_what_is_no_mail(tmp_path: Path) -> None:
    data = b'Subject: x\r\nContent-Type: multipart/encrypted; boundary="b"\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n'
    with pytest.raises(EncryptedError, match="encrypted"):
        parse(tmp_path, data)
    deep = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(3000))
    with pytest.raises(ParseError, match="nested too deeply"):
        parse(tmp_path, deep.encode())
    assert parse(tmp_path, b"\r\n").blocks == ()


MBOX = (
    b"From ada@example.org Wed May  1 10:30:00 2024\nFrom: ada@example.org\nSubject: One\n\nFirst.\n>From here on.\n"
    b"From there too.\n\nFrom bob@example.org Thu May  2 10:30:00 2024\nSubject: Two\n"
    b'Content-Type: multipart/mixed; boundary="b"\n\n--b\n\nSecond.\n--b\nContent-Type: text/csv\n'
    b'Content-Disposition: attachment; filename="sums.csv"\n\na,b\n--b--\n\n'
)


def test_a_mailbox_without_the_line_that_begins_a_message_is_one_message(tmp_path: Path) -> None:
    document = parse(tmp_path, b"Subject: Rent\n\nThe rent is due.\n", "a.mbox")
    assert "The rent is due." in [block.text for block in document.blocks]
    assert parse(tmp_path, b"From a", "a.mbox").members == ()


def test_a_mailbox_is_its_messages_as_sections_with_their_attachments(tmp_path: Path) -> None:
    document = parse(tmp_path, MBOX, "a.mbox")
    assert [(block.kind, block.text, block.headings) for block in document.blocks] == [
        ("heading", "One", ()),
        ("note", "From: ada@example.org\nSubject: One", ("One",)),
        ("paragraph", "First.\nFrom here on.\nFrom there too.", ("One",)),
        ("heading", "Two", ()),
        ("note", "Subject: Two", ("Two",)),
        ("paragraph", "Second.", ("Two",)),
    ]
    assert document.members == ("0002 Two/sums.csv",)
    assert parser.read_member(tmp_path / "a.mbox", "0002 Two/sums.csv").strip() == b"a,b"
    for wrong in ("0001 One/sums.csv", "0003 Two/sums.csv", "sums.csv", "0002 Other/sums.csv"):
        with pytest.raises(ParseError, match="There is no"):
            parser.read_member(tmp_path / "a.mbox", wrong)


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_message_ends_in_a_document_or_a_reason(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    message = letter(Subject="=?utf-8?b?U2XDsWFs?=", Date="Wed, 01 May 2024 10:30:00 +0200")
    message.set_content("Hello.")
    message.add_alternative("<p>Hello.</p>", subtype="html")
    message.add_attachment(b"data", maintype="application", subtype="pdf", filename="a.pdf")
    data = bytearray(message.as_bytes())
    for _ in range(12):
        data[chance.randrange(len(data))] = chance.randrange(256)
    with contextlib.suppress(ParseError):
        for name in parse(tmp_path, bytes(data[: chance.randrange(1, 2 * len(data))])).members:
            parser.read_member(tmp_path / "a.eml", name)
