"""What a worker process can be asked to do (see ingest/isolate.py). Each task takes its arguments and gives bytes."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import ParseError, TooLargeError
from ingest import confine
from ingest import parse as parsers
from ingest.parse import ocr
from ingest.types import Document, RecognisedPage, Span

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MAX_CHARACTERS = 50_000_000
MAX_BLOCKS = 1_000_000
_SPLIT = "Split it into smaller files."


def warm(arguments: dict[str, Any]) -> None:
    """Imports what the task will need. Runs before the fork, once for all documents of a kind."""
    parsers.warm(Path(arguments["path"]))
    for name in arguments.get("member", ()):
        parsers.warm(Path(name))
    if "recogniser" in arguments:
        ocr.warm(ocr.Recogniser(*arguments["recogniser"]))
    document_adapter()
    recognition_adapter()


@cache
def document_adapter() -> "TypeAdapter[Document]":
    """A Document's way to JSON and back."""
    from pydantic import TypeAdapter

    return TypeAdapter(Document)


@cache
def recognition_adapter() -> "TypeAdapter[ocr.Recognition]":
    from pydantic import TypeAdapter

    return TypeAdapter(ocr.Recognition)


@cache
def recognised_page_adapter() -> "TypeAdapter[RecognisedPage]":
    from pydantic import TypeAdapter

    return TypeAdapter(RecognisedPage)


def parse(arguments: dict[str, Any]) -> bytes:
    """The Document as JSON. `path` and `max_mb` are needed; `member` names a document inside it, `password` opens it;
    `attachment` is a file with what was recognised, a Recognition a line. Raises TooLargeError over the limits on
    text."""
    lines = Path(arguments["attachment"]).read_bytes().splitlines() if "attachment" in arguments else ()
    recognised = [recognition_adapter().validate_json(line) for line in lines]
    with _document(arguments) as path:
        document = parsers.parse(path, recognised=recognised, password=arguments.get("password"))
    characters = sum(len(block.text) for block in document.blocks)
    if characters > MAX_CHARACTERS:
        raise TooLargeError(f"The document has {characters:,} characters; {MAX_CHARACTERS:,} are allowed.", hint=_SPLIT)
    if len(document.blocks) > MAX_BLOCKS:
        raise TooLargeError(
            f"The document has {len(document.blocks):,} paragraphs; {MAX_BLOCKS:,} are allowed.", hint=_SPLIT
        )
    return document_adapter().dump_json(document)


def extract(arguments: dict[str, Any]) -> bytes:
    """The bytes of a document inside a file. `path`, `max_mb` and `member` are needed."""
    with _document(arguments) as path:
        return path.read_bytes()


def recognise(arguments: dict[str, Any]) -> bytes:
    """The Recognition of a page as JSON, in one line. `path`, `max_mb`, `page` and `recogniser` are needed;
    `member` and `password` as in parse()."""
    with _document(arguments) as path:
        recogniser = ocr.Recogniser(*arguments["recogniser"])
        recognition = parsers.recognise(path, arguments["page"], recogniser, arguments.get("password"))
    return recognition_adapter().dump_json(recognition)


def render_page(arguments: dict[str, Any]) -> bytes:
    """The PNG of a page. `path`, `max_mb`, `page`, `quotes`, `spans` and `scale` are needed; `attachment` is a file
    with the RecognisedPage, where it was recognised; `member` and `password` as in parse()."""
    spans = [Span(*span) for span in arguments["spans"]]
    recognised = None
    if "attachment" in arguments:
        recognised = recognised_page_adapter().validate_json(Path(arguments["attachment"]).read_bytes())
    with _document(arguments) as path:
        page, quotes, scale = (arguments[name] for name in ("page", "quotes", "scale"))
        return parsers.render_page(path, page, quotes, spans, scale, recognised, arguments.get("password"))


def prove(arguments: dict[str, Any]) -> bytes:
    """The Isolation of this worker as JSON. `path`, `memory_mb` and the `layers` put on are needed."""
    proof = confine.prove(Path(arguments["path"]), arguments["memory_mb"], arguments["layers"])
    return json.dumps(asdict(proof)).encode()


@contextmanager
def _document(arguments: dict[str, Any]) -> Iterator[Path]:
    """The file, or the document inside it, when its size is allowed."""
    max_mb = arguments["max_mb"]
    path = Path(arguments["path"])
    _check_size(path, max_mb)
    with parsers.opened_member(path, arguments.get("member", ())) as member:
        _check_size(member, max_mb)
        yield member


def _check_size(path: Path, max_mb: int) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ParseError(f"The file cannot be read: {error.strerror}.", hint="Check that it is still there.") from error
    if size > max_mb * 1_000_000:
        raise TooLargeError(
            f"The file has {size / 1_000_000:,.0f} MB; {max_mb} MB are allowed.", hint="Raise parse.max_file_mb."
        )


TASKS: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "parse": parse,
    "extract": extract,
    "recognise": recognise,
    "render_page": render_page,
    "prove": prove,
}
