"""What ingestion passes from step to step. Plain values; nothing heavy is imported here."""

from dataclasses import dataclass, field
from typing import Literal, get_args

SourceStatus = Literal["indexed", "empty", "needs-ocr", "encrypted", "unsupported", "too-large", "failed"]
BlockKind = Literal["title", "heading", "paragraph", "list", "table", "code", "caption", "note"]
HiddenKind = Literal["invisible", "colour", "tiny", "outside", "characters", "part", "comment"]

LOW_CONFIDENCE = 0.8  # recognised text that is less sure is shown with a warning; a clean scan has 0.9 or more

SOURCE_STATUSES: tuple[str, ...] = get_args(SourceStatus)
HIDDEN_KINDS: tuple[HiddenKind, ...] = get_args(HiddenKind)


@dataclass(frozen=True, slots=True)
class Span:
    """Where text stands in its source: characters `start` to `end` (0-based, end excluded).

    On a PDF page the offsets count that page's characters as PDFium numbers them; in other files they count
    the decoded text's characters and `page` is None.
    """

    page: int | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a document in reading order. `headings` is the path of headings above it, outermost first.

    `confidence`, 0 to 1, says how sure text recognition (OCR) is of the text; None where it was not recognised.
    """

    kind: BlockKind
    text: str
    page: int | None = None
    headings: tuple[str, ...] = ()
    span: Span | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class RecognisedPage:
    """A page whose text was recognised from its picture, so that a quote can be shown on it.

    `words` are (start, end, left, bottom, right, top): a word's characters in `text`, which the spans of the page's
    blocks count, and its box in the units of `width` and `height` (points; pixels for a picture), from the lower left
    corner of the page as it is shown. `reading` is all that text recognition gave, as Isolator.recognise() gives it.
    """

    number: int
    width: float
    height: float
    text: str
    words: tuple[tuple[int, int, float, float, float, float], ...]
    reading: str = ""


@dataclass(frozen=True, slots=True)
class HiddenText:
    """Text of a document that a person who reads it does not see, all of one kind.

    It is `invisible` by its style, in the `colour` of what is behind it, too `tiny` to read, `outside` the page, a
    `comment` in a page's source, or written in invisible `characters`: nothing of it is in a block. A hidden `part`
    (a sheet, row, column or slide) its program shows on demand: that is in the blocks like any other.
    `characters` counts all of it, white space aside; `pages` (1-based) are the first where it stands, none where the
    format has no pages; `excerpt` is how it begins, in one line of printable characters.
    """

    kind: HiddenKind
    characters: int
    pages: tuple[int, ...] = ()
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """What parsing one file gives. `title` is '' where the document has none: then it is called by its file's name.
    `pages` is None where the format has no pages; page numbers are 1-based (a slide, a sheet counts as one).

    `metadata` has what the document says of itself: author, subject, keywords, description, language, created,
    modified (ISO 8601), from, to, cc, date (ISO 8601), encoding. `tags` are without '#', `links` the names of the
    documents it refers to, as written. `members` names the documents inside it (attachments, files of an archive), each
    once, with '/' between folders: parse.read_member() gives their bytes.

    `unread` are the pages whose text is a picture that was not recognised, and `reason` says in words why, or what
    else of the document could not be read. `hidden` is what of its text a person does not see.
    """

    title: str
    media_type: str
    parser: str
    blocks: tuple[Block, ...]
    pages: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    recognised: tuple[RecognisedPage, ...] = ()
    unread: tuple[int, ...] = ()
    reason: str = ""
    hidden: tuple[HiddenText, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """What is embedded, found and cited.

    `text` is exactly the source's own; `headings` are embedded with it but never quoted. `position` counts the
    passages of one source from 0, so the neighbours are position - 1 and + 1. `tokens` counts the embedder's
    tokens of the embedded text, special tokens included (a word too long to be a token counts as several), and never
    exceeds its window. `path` is relative to the library folder, with '/'. `confidence` (0 to 1) is the least of its
    recognised blocks'; None where nothing of it was recognised. `source_hides`: its source has hidden
    text other than comments, in which programs write, too.
    """

    id: str
    path: str
    position: int
    text: str
    headings: tuple[str, ...]
    kind: BlockKind
    page: int | None
    page_to: int | None
    spans: tuple[Span, ...]
    tokens: int
    language: str
    confidence: float | None = None
    source_hides: bool = False

    @property
    def section(self) -> str:
        """The heading path as shown to a person: 'Lease > Deposit'."""
        return " > ".join(self.headings)


@dataclass(frozen=True, slots=True)
class Source:
    """One file in a library folder, or a document inside one, as the catalogue knows it. Times are ISO 8601 in UTC.

    A document inside a file (an attachment, an entry of an archive) has that file's path as its `container`, and its
    size, times and sha256; its own path goes on from there: 'mail.eml/offer.pdf'.

    `changed_ns` is the inode's change time (POSIX ctime), which no program can set back; 0 says that the file was so
    young when it was read that its times could not tell a later change: the next run compares its bytes. `title` is ''
    where the document has none.
    """

    folder: str
    path: str
    size: int
    mtime_ns: int
    sha256: str
    status: SourceStatus
    reason: str = ""
    media_type: str = ""
    title: str = ""
    language: str = ""
    pages: int | None = None
    passages: int = 0
    parser: str = ""
    indexed_at: str = ""
    changed_ns: int = 0
    container: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    hidden: tuple[HiddenText, ...] = ()


TypeFamily = Literal[
    "pdf", "office", "document", "table", "slides", "mail", "image", "note", "text", "web", "book", "markup", "code",
    "data", "archive",
]  # fmt: skip
TYPE_FAMILIES: tuple[TypeFamily, ...] = get_args(TypeFamily)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which passages a search keeps to. Values of one kind widen it, each further kind narrows it; none: all of them.

    `within`: files, folders, '#tag' or '[[note]]' (the note and what it is linked with). `types`: families of
    TYPE_FAMILIES, or suffixes ('docx'). `tags`: with or without '#', with those below them. `languages`: of the
    passages, as ISO 639-1 codes or names. `since` and `until` (both included): a year, month or day as ISO 8601 has
    them ('2024', '2024-05', '2024-05-17'), of the document's own date, else the file's (ingest/filters.py).

    ingest.filters says what is wrong with a value; here they are as they were given.
    """

    within: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class PathReason:
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class IndexProgress:
    """Where an index run stands. `files_done` of `files` are settled; rates are over the run so far. `page` of `pages`
    are recognised of a scan; 0 while none is at hand."""

    files: int
    files_done: int
    path: str
    passages: int
    passages_per_second: float
    seconds_left: float | None
    page: int = 0
    pages: int = 0


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What an index run did. Counts, and for every file left out its reason.

    `held`: the folders (absolute) that suddenly lack most of their files. Their documents stay in the index until a
    run with `confirm`. `partly`: files that are in the index but for the pages that the reason names.
    """

    added: int
    changed: int
    renamed: int
    removed: int
    unchanged: int
    skipped: tuple[PathReason, ...]
    failed: tuple[PathReason, ...]
    passages: int
    embedded: int
    seconds: float
    held: tuple[PathReason, ...] = ()
    partly: tuple[PathReason, ...] = ()


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """What the watcher did: `watching` these folders (`polled` are those without events, looked at now and then),
    `indexed` something, or met a `problem` and goes on. Times are ISO 8601 in UTC."""

    kind: Literal["watching", "indexed", "problem"]
    at: str
    folders: tuple[str, ...] = ()
    polled: tuple[str, ...] = ()
    report: IndexReport | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    ok: bool
    problems: tuple[str, ...]
