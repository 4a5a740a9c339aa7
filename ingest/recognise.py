"""Documents read whole: a page that is a picture of text is recognised (OCR), and goes through the same layout as text.

A document is parsed; each page that it names as unread is rendered and recognised in a worker process of its own; then
it is parsed again with what was recognised. What cannot be recognised costs that page only, and is named.
"""

import re
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from errors import EncryptedError, EngineClosedError, NeedsOcrError, ParseError, StorageFullError
from ingest import convert
from ingest.discover import sha256_of
from ingest.isolate import Isolator
from ingest.parse import SUFFIXES, ocr, parser_version
from ingest.passwords import Passwords
from ingest.types import Document
from settings import Settings

MAX_FAILURES = 5  # pages of a document that took too long or crashed; after these the rest is left unread

WITHOUT_OCR = " without ocr"
_RECOGNISED = re.compile(rf"{WITHOUT_OCR}| ocr/\d+ tesseract \S+ \S+ \d+")

OnPage = Callable[[Path, int, int], None]
Known = Callable[[str], Mapping[int, bytes]]  # what a recogniser, by its name, gave before for pages of a document


def nothing_known(_: str) -> Mapping[int, bytes]:
    return {}


class Reader:
    """Reads documents through `isolator`; its read() is what index_folders() takes. Threads may share it.

    `on_page` is told of each page that is done: the file, how many of the pages to recognise are, and how many there
    are. `passwords` open what is protected. close() waits for no page.
    """

    def __init__(
        self,
        isolator: Isolator,
        settings: Settings,
        on_page: OnPage = lambda *_: None,
        passwords: Passwords | None = None,
    ) -> None:
        self._isolator = isolator
        self._passwords = passwords or Passwords()
        self._settings = settings.ocr
        self._on_page = on_page
        self._pool = ThreadPoolExecutor(settings.parse.workers, thread_name_prefix="recognise")

    def read(
        self,
        path: Path,
        member: Sequence[str] = (),
        *,
        password: str | None = None,
        known: Known = nothing_known,
    ) -> Document:
        """`member`: the names that lead to a document inside the file. Its parser says what recognised it, or that
        nothing could; its reason names the pages that stay unread. `known` pages are not recognised again.

        Raises what Isolator.parse() does, and NeedsOcrError where all its text is in pictures and there is no
        text recognition.
        """
        try:
            return self._read(path, member, password, known)
        except EncryptedError:
            kept = None if password is not None else self._passwords.get(hash_of(path), member)
            if kept is None:
                raise
        return self._read(path, member, kept, known)

    def _read(self, path: Path, member: Sequence[str], password: str | None, known: Known) -> Document:
        name = member[-1] if member else path.name
        if PurePosixPath(name).suffix.lower() in convert.SUCCESSORS:
            return self._read_old(path, member, password, known)
        return self._read_pages(path, member, password, known)

    def _read_old(self, path: Path, member: Sequence[str], password: str | None, known: Known) -> Document:
        """A document of an old binary kind, which LibreOffice converts first."""
        name = PurePosixPath(member[-1] if member else path.name)
        with ExitStack() as stack:
            if member:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cita-")))
                inner = folder / f"member{name.suffix.lower()}"
                inner.write_bytes(self._isolator.extract(path, member))
                path = inner
            document = self._read_pages(stack.enter_context(convert.readable(path)), (), password, known)
        format = SUFFIXES[name.suffix.lower()]
        return replace(document, parser=parser_version(format), media_type=format.media_type)

    def _read_pages(self, path: Path, member: Sequence[str], password: str | None, known: Known) -> Document:
        document = self._isolator.parse(path, member, password=password)
        if not document.unread:
            return document
        try:
            recogniser = ocr.find_recogniser(self._settings)
        except NeedsOcrError as error:
            return _unrecognised(document, error)
        before = known(recogniser.name)
        pages: dict[int, bytes | ParseError] = {n: before[n] for n in document.unread if n in before}
        rest = [number for number in document.unread if number not in pages]
        pages |= self._recognise(path, member, rest, recogniser, password)
        recognised = [page for page in pages.values() if isinstance(page, bytes)]
        document = self._isolator.parse(path, member, recognised, password=password)
        readings = {number: page.decode() for number, page in pages.items() if isinstance(page, bytes)}
        document = replace(
            document,
            parser=f"{document.parser} {recogniser.name}",
            recognised=tuple(replace(page, reading=readings[page.number]) for page in document.recognised),
        )
        failures = {number: page for number, page in pages.items() if isinstance(page, ParseError)}
        if not failures:
            return document
        if not document.blocks and not recognised:
            raise next(iter(failures.values()))
        first = next(iter(failures.values()))
        return replace(document, reason=f"{_named(document.unread)} could not be recognised: {first}")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _recognise(
        self,
        path: Path,
        member: Sequence[str],
        numbers: Sequence[int],
        recogniser: ocr.Recogniser,
        password: str | None,
    ) -> dict[int, bytes | ParseError]:
        """What each page gives, or why it gives nothing."""
        done = _Done(path, len(numbers), self._on_page)

        def recognise(number: int) -> bytes | ParseError:
            if done.failures >= MAX_FAILURES:
                return ParseError("Too many of its pages before failed.")
            try:
                return self._isolator.recognise(path, number, recogniser, member, password=password)
            except (EngineClosedError, StorageFullError):  # not the document's doing
                raise
            except ParseError as error:
                done.failures += 1
                return error
            finally:
                done.count()

        futures: list[Future[bytes | ParseError]] = []
        try:
            futures += (self._pool.submit(recognise, number) for number in numbers)
            return dict(zip(numbers, [future.result() for future in futures], strict=True))
        except (RuntimeError, CancelledError) as error:  # close() came first
            raise EngineClosedError("Reading was stopped.", hint="The next index run reads the file.") from error
        finally:
            for future in futures:
                future.cancel()


@dataclass
class _Done:
    """How far a document's pages are."""

    path: Path
    pages: int
    on_page: OnPage
    done: int = 0
    failures: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self) -> None:
        with self.lock:
            self.done += 1
            self.on_page(self.path, self.done, self.pages)


def hash_of(path: Path) -> str:
    """The SHA-256 of a file's bytes. Raises ParseError if it cannot be read."""
    try:
        return sha256_of(path)
    except OSError as error:
        raise ParseError(f"The file cannot be read: {error.strerror}.", hint="Check that it is still there.") from error


def _unrecognised(document: Document, why: NeedsOcrError) -> Document:
    """The document as far as it could be read; NeedsOcrError where that is not at all."""
    pages = _named(document.unread)
    if not document.blocks:
        raise NeedsOcrError(f"Its text is in pictures ({pages.lower()}). {why.message}", hint=why.hint)
    reason = f"{pages} could not be read, as the text is in pictures. {why}"
    return replace(document, parser=f"{document.parser}{WITHOUT_OCR}", reason=reason)


def _named(numbers: Sequence[int]) -> str:
    """'Page 3', 'Pages 3 and 7', 'Pages 2-5, 8 and 14 more'."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    shown = [f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs[:10]]
    more = sum(map(len, runs[10:]))
    *most, last = [*shown, *([f"{more} more"] if more else [])]
    listed = f"{', '.join(most)} and {last}" if most else last
    return f"Page{'s' if len(numbers) > 1 else ''} {listed}"


def recogniser_name(settings: Settings) -> str:
    """What recognises text here, as it stands in a document's parser; '' where nothing does."""
    try:
        return ocr.find_recogniser(settings.ocr).name
    except NeedsOcrError:
        return ""


def marked(document: Document, inside: Sequence[Document | ParseError]) -> str:
    """The document's parser with a mark of text recognition where that of the documents `inside` it has one: they are
    read again with it. That one awaits text recognition goes before that another was recognised."""
    if _RECOGNISED.search(document.parser):
        return document.parser
    parsers = [one.parser for one in inside if isinstance(one, Document)]
    marks = {mark[0] for parser in parsers if (mark := _RECOGNISED.search(parser))}
    if any(isinstance(one, NeedsOcrError) for one in inside):
        marks.add(WITHOUT_OCR)
    return document.parser + (WITHOUT_OCR if WITHOUT_OCR in marks else next(iter(marks), ""))


def text_parser(parser: str, recogniser: str) -> str:
    """The parser without its mark of text recognition where that still holds: what was recognised by what is here now,
    or by whatever it was when nothing is here; what was left unread while nothing is here. Else as it is."""
    mark = _RECOGNISED.search(parser)
    if mark is None:
        return parser
    holds = mark[0] == f" {recogniser}" if recogniser else True
    return parser.replace(mark[0], "") if holds else parser
