"""Files that hold others: archives, mails with attachments, books."""

from email import message_from_string, policy
from email.message import EmailMessage
from xml.sax.saxutils import escape

from sample_maker.text import HEADING, ITEM, SUBHEADING, TABLE, TITLE, WRITTEN, Part, Text
from sample_maker.zipped import zipped

MESSAGE = "message"  # the name of a mail's own text among its attachments
BOUNDARY = "=_part_of_the_mail"
XHTML = '<?xml version="1.0" encoding="UTF-8"?><html xmlns="http://www.w3.org/1999/xhtml" lang="{language}">'

archive = zipped


def mail(members: dict[str, bytes]) -> bytes:
    """The message (headers, an empty line, the text) with the other members as attachments."""
    letter = message_from_string(members[MESSAGE].decode(), EmailMessage, policy=policy.default)
    letter.set_content(letter.get_payload(), cte="8bit")
    for name, data in members.items():
        if name != MESSAGE:
            letter.add_attachment(data, maintype="application", subtype=name.rpartition(".")[2], filename=name)
    letter.set_boundary(BOUNDARY)
    return letter.as_bytes()


def epub(text: Text) -> bytes:
    """An EPUB 3 book: the title, and each "##" a chapter in a file of its own."""
    chapters = text.split(HEADING)
    names = [f"chapter{number}.xhtml" for number in range(1, len(chapters) + 1)]
    pages = {
        f"book/{name}": _page(chapter[0].text, _body(chapter), text.language)
        for name, chapter in zip(names, chapters, strict=True)
    }
    entries = "".join(
        f'<li><a href="{name}">{escape(chapter[0].text)}</a></li>'
        for name, chapter in zip(names, chapters, strict=True)
    )
    contents = f'<nav xmlns:epub="http://www.idpf.org/2007/ops" epub:type="toc"><ol>{entries}</ol></nav>'
    parts = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
        '<rootfiles><rootfile full-path="book/package.opf" media-type="application/oebps-package+xml"/></rootfiles>'
        "</container>",
        "book/package.opf": _package(text, names),
        "book/contents.xhtml": _page(text.title, contents, text.language),
        **pages,
    }
    return zipped({name: part.encode() for name, part in parts.items()})


def _package(text: Text, names: list[str]) -> str:
    day = WRITTEN.strftime("%Y-%m-%dT%H:%M:%SZ")
    items = "".join(f'<item id="{name}" href="{name}" media-type="application/xhtml+xml"/>' for name in names)
    order = "".join(f'<itemref idref="{name}"/>' for name in names)
    return (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f'<dc:identifier id="id">{escape(text.fields["identifier"])}</dc:identifier>'
        f"<dc:title>{escape(text.title)}</dc:title><dc:language>{text.language}</dc:language>"
        f"<dc:creator>{escape(text.fields['author'])}</dc:creator>"
        f'<meta property="dcterms:modified">{day}</meta></metadata>'
        f'<manifest>{items}<item id="contents" href="contents.xhtml" properties="nav" '
        f'media-type="application/xhtml+xml"/></manifest><spine>{order}</spine></package>'
    )


def _page(title: str, body: str, language: str) -> str:
    return f"{XHTML.format(language=language)}<head><title>{escape(title)}</title></head><body>{body}</body></html>"


def _body(parts: list[Part]) -> str:
    return "".join(map(_element, parts)).replace("</ul><ul>", "")  # items one after the other are one list


def _element(part: Part) -> str:
    if part.kind == TABLE:
        header, *rows = (
            "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)
            for tag, row in zip(["th", *["td"] * (len(part.rows) - 1)], part.rows, strict=True)
        )
        return f"<table>{''.join(f'<tr>{row}</tr>' for row in (header, *rows))}</table>"
    tag = {TITLE: "h1", HEADING: "h1", SUBHEADING: "h2", ITEM: "li"}.get(part.kind, "p")
    element = f"<{tag}>{escape(part.text)}</{tag}>"
    return f"<ul>{element}</ul>" if part.kind == ITEM else element
