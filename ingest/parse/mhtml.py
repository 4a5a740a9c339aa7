"""A web page saved in one file (MHTML: RFC 2557) -> Document. Its pictures and styles stay in it."""

from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path

from errors import ParseError
from ingest.parse import html
from ingest.parse.html import warm as warm
from ingest.types import Document

MEDIA_TYPE = "multipart/related"
MAX_PARTS = 2000


@cache
def parser_version() -> str:
    return f"mhtml/1 {html.parser_version()}"


def parse(path: Path) -> Document:
    """The page that the file begins with, as html reads it.

    Raises ParseError if there is none, or if it cannot be read.
    """
    try:
        message = message_from_bytes(path.read_bytes(), policy=policy.default)
        page = _page(message)
        data = page.get_payload(decode=True)
        charset = page.get_content_charset("") or ""
        subject, sent = str(message.get("subject", "")), str(message.get("date", ""))
    except (MessageError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ParseError("The saved page is damaged.", hint="Open it in a browser and save it anew.") from error
    document = html.document_of_html(data if isinstance(data, bytes) else b"", MEDIA_TYPE, charset)
    metadata = document.metadata | ({"date": date} if (date := _date(sent)) else {})
    return Document(
        title=document.title or " ".join(subject.split()),
        media_type=MEDIA_TYPE,
        parser=parser_version(),
        blocks=document.blocks,
        metadata=metadata,
        tags=document.tags,
        hidden=document.hidden,
    )


def _page(message: EmailMessage) -> EmailMessage:
    """The part that `start` names, else the first that is a page."""
    wanted = str(message.get_param("start", "")).strip()
    pages = []
    for number, part in enumerate(message.walk()):
        if number > MAX_PARTS:
            break
        if part.get_content_type() in ("text/html", "application/xhtml+xml"):
            if wanted and str(part.get("content-id", "")).strip() == wanted:
                return part
            pages.append(part)
    if not pages:
        raise ParseError("There is no web page in the file.", hint="Save it anew as a web page in a single file.")
    return pages[0]


def _date(text: str) -> str:
    """ISO 8601, "" if it is none."""
    try:
        return parsedate_to_datetime(text).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""
