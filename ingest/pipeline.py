"""index_folders(): brings the catalogue in line with the folders.

What must be read goes through three stages at once: files are parsed ahead, in processes; what they gave is embedded,
in groups so that the embedder's threads have enough to do; and sources are stored, in the order of the files, each
group in one transaction. The queues between them are bounded, by number and bytes.
"""

import errno
import hashlib
import logging
import os
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count, takewhile
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from errors import (
    CatalogError,
    CitaError,
    EmbedderError,
    EngineClosedError,
    FolderError,
    ParseError,
    StorageFullError,
    TooLargeError,
    UnsupportedError,
)
from ingest import chunk, memory
from ingest.catalog import Catalog, NewPassage, NewSource, now
from ingest.discover import Found, as_found, discover, stat_of, without_nested
from ingest.discover import sha256_of as _sha256
from ingest.embed import Embedder, Vectors
from ingest.languages import language_identifier
from ingest.names import printable, to_text
from ingest.parse import FORMATS, SUFFIXES, format_of, is_archive, parser_version
from ingest.parse.tasks import MAX_CHARACTERS
from ingest.plan import Disk, Key, Known, Move, Plan, Read, Refuse, Remove, Rules, Touch, plan, undecided
from ingest.recognise import WITHOUT_OCR, marked, recogniser_name, text_parser
from ingest.switch import facts_of
from ingest.types import Document, IndexProgress, IndexReport, PathReason, Source, SourceStatus
from settings import Settings

log = logging.getLogger("cita.ingest")

SKIPPED: tuple[SourceStatus, ...] = ("empty", "unsupported", "too-large")

UNREADABLE = "unreadable"
ENOUGH = 0.02  # of the bytes must be done before the time left is more than a guess
MAX_INSIDE = 10_000  # documents in one file
ATTEMPTS = 4  # at a file that changes while it is read
PAUSE = 0.3  # seconds between them
AHEAD, AHEAD_BYTES = 64, 4_000_000  # files that are parsed ahead, unless they are larger than that together
GROUP = 64  # passages that are embedded together, and stored together, those of a file always
FIRST_GROUP = 8  # passages that are enough for the first, each after it may have twice as many: no core waits for more
GROUPS = 2  # embedded at once: while the last texts of one are, the processors have the next
MANY = 20  # files, of which some need their language identified
LARGE = 1_000_000  # bytes of files stored together, or by a run, after which memory is given back
KEEP_UP = 500, 0.1  # passages, and a share of those stored, that are analysed for full text while others are embedded

Progress = Callable[[IndexProgress], None]


class Parse(Protocol):
    """Reads a file or, with the names that lead to it, a document inside the file (ingest.parse.opened_member())."""

    def __call__(self, path: Path, member: Sequence[str] = ()) -> Document: ...


def index_folders(
    folders: Sequence[Path],
    catalog: Catalog,
    embedder: Embedder,
    parse: Parse,
    settings: Settings,
    progress: Progress,
    *,
    confirm: bool = False,
    read_data: bool = False,
    unlocked: Callable[[Source], bool] = lambda _: False,
) -> IndexReport:
    """Looks, plans, settles what needs no reading, then parses, chunks, embeds and stores the rest, file by file.

    `parse` runs in `settings.parse.workers` threads. Each file is stored in one transaction, with others or alone, so
    stopping at any moment loses at most what was read ahead. A file that cannot be read is noted with its reason.
    `confirm`: also remove what a folder that suddenly lacks most of its files has lost; `read_data`: compare all files'
    bytes; `unlocked`: whether there is a password for a source that was found encrypted, so that it is read again.
    Raises CatalogError, EmbedderError or EngineClosedError, which no other file would escape.
    """
    run = _Run(catalog, embedder, settings, progress)
    run.start_over_if_embedder_changed()
    look = look_at_folders(folders, settings)
    sources = catalog.sources()
    known = Known(_files(sources), look.folders, catalog.devices())
    waiting = [source for source in sources if source.status == "encrypted" and unlocked(source)]
    again = {(source.folder, source.container or source.path) for source in waiting}
    made = make_plan(look, known, settings, confirm=confirm, read_data=read_data, again=again)
    run.settle(look, known, sources, made)
    run.read(parse)
    return run.finish()


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of the folders: the disk, what was left out and why, and the folders that cannot be read."""

    disk: Disk
    folders: tuple[str, ...]
    skipped: tuple[PathReason, ...]
    errors: dict[str, FolderError]


def look_at_folders(folders: Sequence[Path], settings: Settings) -> Look:
    """Names, sizes and times; folders inside others count once."""
    files: dict[Key, Found] = {}
    unseen, devices, errors = {}, {}, {}
    skipped: list[PathReason] = []
    roots = without_nested(folders)
    for folder in roots:
        name = to_text(str(folder))
        try:
            listing = discover(folder, leave_out=(settings.index, settings.models))
        except FolderError as error:
            errors[name] = error
            continue
        files |= {(name, file.path): file for file in listing.found}
        unseen[name], devices[name] = listing.unseen, listing.device
        skipped += listing.skipped
    disk = Disk(files, unseen, frozenset(errors), devices)
    return Look(disk, tuple(to_text(str(folder)) for folder in roots), tuple(skipped), errors)


def make_plan(
    look: Look,
    known: Known,
    settings: Settings,
    *,
    confirm: bool = False,
    read_data: bool = False,
    again: Collection[Key] = (),
) -> Plan:
    """What is to be done; the bytes of files are read only where size and times do not decide. `again`: files to be
    read whatever is known of them."""
    readers, recogniser = _current_readers(settings), recogniser_name(settings)

    def is_current(source: Source) -> bool:
        return text_parser(source.parser, recogniser) in readers and (source.folder, source.path) not in again

    rules = Rules(is_current, _family, settings.parse.max_file_mb * 1_000_000)
    files = undecided(look.disk, known, rules, read_data=read_data)
    with ThreadPoolExecutor(settings.parse.workers) as pool:
        hashes = dict(zip((file.key for file in files), pool.map(_sha256_or_none, files), strict=True))
    found = {key: sha256 for key, sha256 in hashes.items() if sha256}
    return plan(look.disk, known, rules, found, confirm=confirm, read_data=read_data)


def differences(folders: Sequence[Path], catalog: Catalog, settings: Settings, *, read_data: bool = False) -> list[str]:
    """How the folders differ from the catalogue, in words; empty when the index is true.

    By name, size and time, and by content where those leave a doubt; with `read_data` by content for all files.
    """
    look = look_at_folders(folders, settings)
    known = Known(_files(catalog.sources()), look.folders, catalog.devices())
    sources = {(source.folder, source.path): source for source in known.sources}
    problems = [str(error) for error in look.errors.values()]
    for operation in make_plan(look, known, settings, confirm=True, read_data=read_data).operations:
        match operation:
            case Read(file) | Refuse(file):
                source = sources.get(file.key)
                if source is None:
                    problems.append(f"{printable(file.path)} is not in the index yet.")
                elif source.sha256 or source.status != "failed":
                    problems.append(f"{printable(file.path)} has changed since it was indexed.")
            case Move(source, file):
                problems.append(f"{printable(file.path)} is in the index as {printable(source.path)}.")
            case Remove(source):
                problems.append(f"{printable(source.path)} is in the index but no longer there.")
            case Touch(source, file) if source.size != file.size:  # the same bytes
                problems.append(f"{printable(file.path)} has {file.size} bytes; the index says {source.size}.")
    return problems


def _files(sources: Sequence[Source]) -> list[Source]:
    """Without the documents inside files: these come and go with their file."""
    return [source for source in sources if not source.container]


def reader_version(path: Path, settings: Settings) -> str:
    """What reading this file depends on besides its bytes: when it changes, the file is read again."""
    try:
        format = format_of(path)
    except ParseError:  # no right to read it, or gone since it was found: reading it will say so
        return UNREADABLE
    return _reader(parser_version(format) if format else _no_parser(), settings)


def _reader(parser: str, settings: Settings) -> str:
    return f"{parser} chunk/{chunk.VERSION}/{settings.chunk.tokens}/{settings.chunk.heading_tokens}"


@cache
def _no_parser() -> str:
    """Names the formats that are known: when more are, the files that none reads are looked at again."""
    return f"none/{hashlib.sha256(repr(sorted(SUFFIXES)).encode()).hexdigest()[:8]}"


def _current_readers(settings: Settings) -> frozenset[str]:
    return frozenset(_reader(parser, settings) for parser in (*map(parser_version, FORMATS), _no_parser()))


def _family(path: str) -> str:
    suffix = PurePosixPath(path).suffix.lower()
    return SUFFIXES[suffix].media_type if suffix in SUFFIXES else suffix


@dataclass(frozen=True, slots=True)
class _Inside:
    """A document inside a file: its path in the library, and what reading it gave."""

    path: str
    result: Document | ParseError


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What reading one file gave: its document, or why there is none, and the documents inside it. `file` is as it was
    while it was read."""

    file: Found
    sha256: str
    result: Document | ParseError | OSError
    inside: Sequence[_Inside] = ()


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What one file gave, divided into passages; `sources` is None where there is nothing to put in its place."""

    outcome: _Outcome
    sources: list[NewSource] | None

    @property
    def passages(self) -> list[NewPassage]:
        return [each for one in self.sources or () for each in one.passages]


class _UnstableError(ParseError):
    """The file changed each time it was read."""


@dataclass
class _Run:
    """One index run: its counts, and the verbs of the pipeline."""

    catalog: Catalog
    embedder: Embedder
    settings: Settings
    progress: Progress
    counts: Counter[str] = field(default_factory=Counter)
    skipped: list[PathReason] = field(default_factory=list)
    failed: list[PathReason] = field(default_factory=list)
    held: list[PathReason] = field(default_factory=list)
    partly: list[PathReason] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    files: int = 0
    files_done: int = 0
    passages_done: int = 0
    bytes_left: int = 0
    bytes_done: int = 0
    known: dict[Key, Source] = field(default_factory=dict)
    inside: dict[Key, list[Source]] = field(default_factory=lambda: defaultdict(list))  # by the key of their file
    to_read: list[Found] = field(default_factory=list)
    not_analysed: int = 0  # passages
    made: dict[str, Vectors] = field(default_factory=dict)  # vectors that are not stored yet
    in_flight: set[str] = field(default_factory=set)  # the keys of these, and of those that are being made
    group: int = FIRST_GROUP  # passages that are enough for the next one

    def start_over_if_embedder_changed(self) -> None:
        """Vectors of two embedders do not compare: another embedder means that everything is embedded anew. The engine
        has this done in a catalogue of its own (ingest/switch.py)."""
        made_by = self.catalog.fact("embedder")
        if made_by and made_by != self.embedder.fingerprint:
            log.warning("The index was made by embedder %s; %s indexes anew.", made_by, self.embedder.fingerprint)
            self.catalog.forget_vectors()
        facts = {"embedder": self.embedder.fingerprint, **facts_of(self.settings.embed)}
        for key, value in facts.items():
            if self.catalog.fact(key) != value:
                self.catalog.set_fact(key, value)

    def settle(self, look: Look, known: Known, sources: Sequence[Source], made: Plan) -> None:
        """Does all that needs no reading, in one transaction; the rest is `to_read`. `sources` are all of them."""
        self.known = {(source.folder, source.path): source for source in known.sources}
        for source in sources:
            if source.container:
                self.inside[source.folder, source.container].append(source)
        self.skipped += look.skipped
        for folder, error in look.errors.items():
            kept = sum(1 for root, _ in self.known if root == folder)
            self.failed.append(PathReason(folder, f"{error} Its {kept} documents stay in the index."))
        for folder, sources in made.held.items():
            self._hold(folder, sources)
        moves: list[tuple[Source, Source, list[str]]] = []
        touches, removals = [], []
        for operation in made.operations:
            match operation:
                case Read(file):
                    self.to_read.append(file)
                case Refuse(file):
                    limit = self.settings.parse.max_file_mb
                    reason = f"Over the limit of {limit} MB (parse.max_file_mb)."
                    self._replace(file, [self._without_passages(file, "", "too-large", reason)])
                case Move(source, file):
                    moves += self._moved(source, file)
                case Touch(source, file):
                    touches.append(_touched(source, file))
                    self._unchanged(source)
                case Remove(source):
                    removals += self._with_inside(source)
                case keep:
                    self._unchanged(keep.source)
        if moves or touches or removals:
            self.catalog.settle(moves, touches, removals)
        # Until a person has confirmed, a folder's own file system is the one on which it had its files.
        held = {folder: known.devices[folder] for folder in made.held if folder in known.devices}
        self.catalog.set_devices({**look.disk.devices, **held})
        self.counts["renamed"] += len(moves)
        self.counts["removed"] += len(removals)
        self.files = len(look.disk.files)
        self.files_done = self.files - len(self.to_read)
        self.bytes_left = sum(file.size for file in self.to_read)
        if self.to_read:
            self.progress(IndexProgress(self.files, self.files_done, self.to_read[0].path, 0, 0.0, None))

    def _hold(self, folder: str, sources: Sequence[Source]) -> None:
        total = sum(1 for root, _ in self.known if root == folder)
        reason = (
            f"{len(sources)} of its {total} documents are suddenly gone, as when a disk is not connected. They stay in"
            " the index; `cita index --confirm` removes them."
        )
        self.held.append(PathReason(folder, reason))
        self.failed.append(PathReason(folder, reason))

    def _with_inside(self, source: Source) -> list[Source]:
        return [source, *self.inside.get((source.folder, source.path), ())]

    def _unchanged(self, known: Source) -> None:
        for source in self._with_inside(known):
            if source.status == "indexed":
                self.counts["unchanged"] += 1
            self._account(source)

    def _moved(self, moved: Source, file: Found) -> Iterator[tuple[Source, Source, list[str]]]:
        folder, container = file.key
        for old in self._with_inside(moved):
            path = container + old.path.removeprefix(moved.path)
            new = replace(_touched(old, file), folder=folder, path=path, container=container if old.container else "")
            yield old, new, chunk.renamed_ids(folder, path, self.catalog.passages_of(old.folder, old.path))

    def read(self, parse: Parse) -> None:
        """Parses, chunks, embeds and stores what is `to_read`. Files are embedded as they are parsed, and stored in
        their order: two runs over the same files make the same index."""
        waiting = deque(enumerate(self.to_read))
        parsed: deque[tuple[int, Future[_Outcome]]] = deque()
        groups: list[tuple[dict[int, _Prepared], Future[dict[str, Vectors]]]] = []
        ready: dict[int, _Prepared] = {}
        stored = 0
        parsers = ThreadPoolExecutor(self.settings.parse.workers, thread_name_prefix="parse")
        embedding = ThreadPoolExecutor(GROUPS, thread_name_prefix="embed-groups")
        if len(waiting) >= MANY:
            embedding.submit(language_identifier)
        try:
            while stored < len(self.to_read):
                while waiting and self._has_room(len(parsed), ready, self.to_read[stored : waiting[0][0]]):
                    number, file = waiting.popleft()
                    parsed.append((number, parsers.submit(_read_file, file, parse)))
                for done in [each for each in groups if each[1].done()]:
                    groups.remove(done)
                    self.made |= done[1].result()
                    ready |= done[0]
                if in_turn := [ready.pop(number) for number in _in_turn(stored, ready)]:
                    self._store_group(in_turn)
                    stored += len(in_turn)
                    continue
                under_way: list[Future[Any]] = [vectors for _, vectors in groups]
                if len(groups) < GROUPS:
                    under_way += [outcome for _, outcome in parsed]
                wait(under_way, return_when=FIRST_COMPLETED)
                if len(groups) < GROUPS and (group := self._next_group(parsed)):
                    groups.append((group, embedding.submit(self._embed_new, self._new_texts(group.values()))))
        except EmbedderError:
            self._store_what_is_made(groups, ready)
            raise
        finally:
            parsers.shutdown(wait=False, cancel_futures=True)  # waits for no parse that is under way
            embedding.shutdown(cancel_futures=True)

    def _store_what_is_made(
        self, groups: Sequence[tuple[dict[int, _Prepared], Future[dict[str, Vectors]]]], ready: dict[int, _Prepared]
    ) -> None:
        """After a failure: no file whose vectors are there is embedded again by the next run."""
        wait([vectors for _, vectors in groups])
        for group, vectors in groups:
            if not vectors.exception():
                self.made |= vectors.result()
                ready |= group
        with suppress(EmbedderError):  # of a text that it shares with a group that failed
            for number in sorted(ready):
                self._store_group([ready[number]])

    def _has_room(self, parsed: int, ready: Mapping[int, _Prepared], not_stored: Sequence[Found]) -> bool:
        """Whether one more file is parsed ahead. Those `ready` wait for one before them that takes long."""
        if parsed < 2 * self.settings.parse.workers:
            return sum(prepared.outcome.file.size for prepared in ready.values()) < AHEAD_BYTES
        return len(not_stored) < AHEAD and sum(file.size for file in not_stored) < AHEAD_BYTES

    def _next_group(self, parsed: deque[tuple[int, Future[_Outcome]]]) -> dict[int, _Prepared]:
        """Of the files that are parsed as many as are embedded together. One that takes long lets others go before."""
        group: dict[int, _Prepared] = {}
        passages = 0
        for _ in range(len(parsed)):
            number, outcome = parsed.popleft()
            if outcome.done() and passages < min(self.group, GROUP):
                group[number] = self._prepare(outcome.result())
                passages += len(group[number].passages)
            else:
                parsed.append((number, outcome))
        self.group = min(2 * self.group, GROUP)
        return group

    def _prepare(self, outcome: _Outcome) -> _Prepared:
        file, sha256, result = outcome.file, outcome.sha256, outcome.result
        if isinstance(result, Document):
            result = replace(result, parser=marked(result, [inside.result for inside in outcome.inside]))
            read = [(file.path, result), *((inside.path, inside.result) for inside in outcome.inside)]
            return _Prepared(outcome, [self._divide(file, sha256, path, each) for path, each in read])
        if isinstance(result, OSError) or (isinstance(result, _UnstableError) and file.key in self.known):
            return _Prepared(outcome, None)
        return _Prepared(outcome, [self._without_passages(file, sha256, result.status, str(result))])

    def _new_texts(self, group: Iterable[_Prepared]) -> dict[str, str]:
        """By the keys of their vectors, the texts that the catalogue has no vector of, and no group that is under
        way."""
        texts = {new.vector_key: new.embedded_text for prepared in group for new in prepared.passages}
        known = self.catalog.known_vectors(texts) | self.in_flight
        new = {key: text for key, text in texts.items() if key not in known}
        self.in_flight |= new.keys()
        return new

    def _embed_new(self, texts: Mapping[str, str]) -> dict[str, Vectors]:
        if not texts:
            return {}
        return dict(zip(texts, self.embedder.embed_passages(list(texts.values())), strict=True))

    def _store_group(self, group: Sequence[_Prepared]) -> None:
        """In one transaction: each would take as long as what is stored in it."""
        with self.catalog.transaction():
            for prepared in group:
                self._store(prepared)
                self.not_analysed += len(prepared.passages)
        for new in (new for prepared in group for new in prepared.passages):
            self.made.pop(new.vector_key, None)
            self.in_flight.discard(new.vector_key)
        if sum(prepared.outcome.file.size for prepared in group) >= LARGE:
            memory.give_back()
        least, share = KEEP_UP
        if self.not_analysed >= max(least, share * self.counts["passages"]):
            self.catalog.keep_up()
            self.not_analysed = 0
        for prepared in group:
            self.files_done += 1
            self.passages_done += len(prepared.passages)
            self.bytes_left -= prepared.outcome.file.size
            self.bytes_done += prepared.outcome.file.size
            self._report_progress(prepared.outcome.file)

    def _store(self, prepared: _Prepared) -> None:
        """Stores what one file gave, or notes why there is nothing."""
        file, result = prepared.outcome.file, prepared.outcome.result
        if prepared.sources is not None:
            self._replace(file, prepared.sources)
        elif isinstance(result, OSError):
            self._unreadable(file, result)
        else:
            self.failed.append(PathReason(file.path, f"{result} What was indexed of it before is kept."))

    def _replace(self, file: Found, new: Sequence[NewSource]) -> None:
        """Stores a file, and the documents inside it, in place of all that was known of them."""
        before = self.known.get(file.key)
        known = {source.path: source for source in (self._with_inside(before) if before else ())}
        if any(one.passages for one in new) or not _say_the_same(known, [one.source for one in new]):
            self.catalog.store_all(new, self._missing([each for one in new for each in one.passages]))
        self.counts["removed"] += len(known.keys() - {one.source.path for one in new})
        for one in new:
            if one.source.status == "indexed":
                self.counts["changed" if one.source.path in known else "added"] += 1
                self.counts["passages"] += len(one.passages)
            self._account(one.source)

    def _missing(self, passages: Sequence[NewPassage]) -> dict[str, Vectors]:
        """The vectors of these passages that the catalogue does not have. What it had when the group was embedded may
        have gone since, with the last passage that had it: that is embedded now."""
        texts = {new.vector_key: new.embedded_text for new in passages}
        vectors = {key: self.made[key] for key in texts if key in self.made}
        known = self.catalog.known_vectors(texts)
        gone = [key for key in texts if key not in vectors and key not in known]
        if gone:
            vectors |= zip(gone, self.embedder.embed_passages([texts[key] for key in gone]), strict=True)
        new = {key: vector for key, vector in vectors.items() if key not in known}
        self.counts["embedded"] += len(new)
        return new

    def _divide(self, file: Found, sha256: str, path: str, result: Document | ParseError) -> NewSource:
        """What becomes of a document that was read: the file's own, or one inside it."""
        if isinstance(result, ParseError):
            return NewSource(self._source(file, sha256, path, result.status, reason=to_text(str(result))))
        try:
            passages = chunk.chunk(result, file.key[0], path, self.embedder, self.settings.chunk)
        except (CatalogError, EmbedderError):
            raise
        except Exception as error:  # a document that no rule of ours foresaw must not stop the others
            log.exception("%s could not be divided into passages.", path)
            reason = f"It could not be divided into passages ({type(error).__name__})."
            return NewSource(self._source(file, sha256, path, "failed", result.parser, reason=reason))
        if not passages and not result.members:
            reason = to_text(result.reason) or "No text in it."
            return NewSource(self._source(file, sha256, path, "empty", result.parser, reason=reason))
        languages = Counter(new.passage.language for new in passages)
        source = self._source(
            file,
            sha256,
            path,
            "indexed",
            result.parser,
            reason=to_text(result.reason),
            title=result.title,
            media_type=result.media_type,
            language=languages.most_common(1)[0][0] if languages else "",
            pages=result.pages,
            passages=len(passages),
            metadata=result.metadata,
            tags=result.tags,
            links=result.links,
            hidden=result.hidden,
        )
        return NewSource(source, passages, result.recognised)

    def _unreadable(self, file: Found, error: OSError) -> None:
        """A file that may not be read is not in the index; where the disk or the network fails, what there is stays."""
        known = self.known.get(file.key)
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            self.skipped.append(PathReason(file.path, "Deleted while the folders were being indexed."))
            if known:
                gone = self._with_inside(known)
                self.catalog.settle(removals=gone)
                self.counts["removed"] += len(gone)
        elif known and known.passages and error.errno not in (errno.EACCES, errno.EPERM, errno.ELOOP):
            reason = f"Cannot be read: {error.strerror}. What was indexed of it before is kept."
            self.failed.append(PathReason(file.path, reason))
        else:
            reason = f"Cannot be read: {error.strerror or error}."
            self._replace(file, [self._without_passages(file, "", "failed", reason)])

    def _without_passages(self, file: Found, sha256: str, status: str, reason: str) -> NewSource:
        """A file without passages, and why."""
        return NewSource(self._source(file, sha256, file.path, status, reason=to_text(reason)))

    def _source(
        self, file: Found, sha256: str, path: str, status: str, parser: str = "", *, reason: str = "", **more: Any
    ) -> Source:
        """`path` is the file's own, or that of a document inside it."""
        folder, container = file.key
        if path == container:  # what reading a file depends on is known without it, too
            parser = _reader(parser, self.settings) if parser else reader_version(file.absolute, self.settings)
            parser += WITHOUT_OCR if status == "needs-ocr" else ""
        return Source(
            folder=folder,
            path=path,
            size=file.size,
            mtime_ns=file.mtime_ns,
            changed_ns=file.changed_ns,
            sha256=sha256,
            status=status,  # type: ignore[arg-type]  # the errors' statuses are SourceStatus
            reason=reason,
            parser=parser,
            indexed_at=now(),
            container="" if path == container else container,
            **more,
        )

    def _account(self, source: Source) -> None:
        """Every file that is not in the index is in exactly one place of the report; one that is in part, too."""
        where = self.skipped if source.status in SKIPPED else self.failed
        if source.status == "indexed":
            where = self.partly
        if source.reason or source.status != "indexed":
            where.append(PathReason(source.path, source.reason))

    def _report_progress(self, file: Found) -> None:
        seconds = time.monotonic() - self.started
        known = self.bytes_done >= ENOUGH * (self.bytes_done + self.bytes_left)
        left = seconds * self.bytes_left / self.bytes_done if self.bytes_done and known else None
        rate = self.passages_done / seconds if seconds else 0.0
        self.progress(IndexProgress(self.files, self.files_done, file.path, self.passages_done, rate, left))

    def finish(self) -> IndexReport:
        """Takes the text that was dropped out of the bytes on disk, and reports."""
        self.catalog.scrub()
        if self.bytes_done >= LARGE:  # before all words are sorted anew, which takes much for a moment
            memory.give_back()
        self.catalog.note_run({held.path: held.reason for held in self.held})
        return IndexReport(
            added=self.counts["added"],
            changed=self.counts["changed"],
            renamed=self.counts["renamed"],
            removed=self.counts["removed"],
            unchanged=self.counts["unchanged"],
            skipped=tuple(self.skipped),
            failed=tuple(self.failed),
            passages=self.catalog.count_passages(),
            embedded=self.counts["embedded"],
            seconds=time.monotonic() - self.started,
            held=tuple(self.held),
            partly=tuple(self.partly),
        )


def _in_turn(first: int, ready: Mapping[int, _Prepared]) -> list[int]:
    """The numbers of the files that are ready, from the first on without a gap, as many as are stored together."""
    numbers: list[int] = []
    passages = 0
    for number in takewhile(ready.__contains__, count(first)):
        if passages >= GROUP:
            break
        numbers.append(number)
        passages += len(ready[number].passages)
    return numbers


def _touched(source: Source, file: Found) -> Source:
    return replace(source, size=file.size, mtime_ns=file.mtime_ns, changed_ns=file.changed_ns)


def _say_the_same(known: Mapping[str, Source], sources: Sequence[Source]) -> bool:
    before = {path: replace(source, indexed_at="") for path, source in known.items()}
    return before == {source.path: replace(source, indexed_at="") for source in sources}


def _read_file(file: Found, parse: Parse) -> _Outcome:
    """Reads a file until it was the same before and after, a few times at most."""
    try:
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE)
            before = stat_of(file)
            found = as_found(file.folder, file.path, before)
            result = _parsed(parse, file.absolute)
            unread = isinstance(result, ParseError) and result.status == "unsupported" and not _is_known(file.path)
            sha256 = "" if unread else _sha256(file.absolute)
            inside = _read_inside(parse, file, result) if isinstance(result, Document) else ()
            if _same(before, stat_of(file)):
                return _Outcome(found, sha256, result, inside)
    except OSError as error:
        return _Outcome(file, "", error)
    changing = _UnstableError("It is still being written.", hint="The next run reads it.")
    return _Outcome(replace(found, changed_ns=0), "", changing)


def _read_inside(parse: Parse, file: Found, document: Document) -> list[_Inside]:
    """All documents inside a file, those inside these as well; beyond the limits they are named with the reason."""
    found: list[_Inside] = []
    characters = _characters(document)
    waiting: list[tuple[str, ...]] = [(name,) for name in reversed(document.members)]
    while waiting:
        names = waiting.pop()
        path = "/".join((file.path, *names))
        result: Document | ParseError
        if characters > MAX_CHARACTERS or len(found) >= MAX_INSIDE:
            result = TooLargeError("There is more inside this file than is read of one file.", hint="Unpack it.")
        elif sum(is_archive(name) for name in (file.path, *names)) > 1:
            result = UnsupportedError("An archive inside an archive is not opened.", hint="Unpack the outer one.")
        else:
            result = _parsed(parse, file.absolute, names)
        found.append(_Inside(path, result))
        if isinstance(result, Document):
            characters += _characters(result)
            waiting += [(*names, name) for name in reversed(result.members)]
    return found


def _characters(document: Document) -> int:
    return sum(len(block.text) for block in document.blocks)


def _parsed(parse: Parse, path: Path, member: Sequence[str] = ()) -> Document | ParseError:
    try:
        return parse(path, member) if member else parse(path)
    except ParseError as error:
        return error
    except (EngineClosedError, StorageFullError):  # not the document's doing
        raise
    except CitaError as error:
        return ParseError(error.message, hint=error.hint)


def _is_known(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in SUFFIXES


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    fields = ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
    return all(getattr(before, name) == getattr(after, name) for name in fields)


def _sha256_or_none(file: Found) -> str | None:
    try:
        return _sha256(file.absolute)
    except OSError:  # reading it will say why
        return None
