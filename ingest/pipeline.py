"""index_folders(): brings the catalogue in line with the folders."""

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from errors import CitaError, FolderError, ParseError
from ingest import chunk
from ingest.catalog import Catalog, NewPassage, now
from ingest.discover import Found, discover, without_nested
from ingest.embed import Embedder, Vectors
from ingest.parse import PARSER_VERSIONS, parser_for
from ingest.types import Document, IndexProgress, IndexReport, PathReason, Source, SourceStatus
from settings import Settings

log = logging.getLogger("cita.ingest")

SKIPPED: tuple[SourceStatus, ...] = ("empty", "unsupported", "too-large")

UNREADABLE = "unreadable"
ENOUGH = 0.02  # of the bytes must be done before the time left is more than a guess

Parse = Callable[[Path], Document]
Progress = Callable[[IndexProgress], None]


def index_folders(
    folders: Sequence[Path], catalog: Catalog, embedder: Embedder, parse: Parse, settings: Settings, progress: Progress
) -> IndexReport:
    """Discovers, parses, chunks, embeds and stores what changed; `parse` runs in `settings.parse.workers` threads.

    Each source is stored in one transaction, so stopping at any moment loses at most the source at hand. A file that
    cannot be read is noted with its reason. Raises CatalogError or EmbedderError, which no other file would escape.
    """
    run = _Run(catalog, embedder, settings, progress)
    run.start_over_if_embedder_changed()
    work = run.plan(without_nested(folders))
    for found, sha256, document in _parsed(work, parse, settings.parse.workers):
        run.store(found, sha256, document)
    return run.report()


def reader_version(path: Path, settings: Settings) -> str:
    """What reading this file depends on besides its bytes: when it changes, the file is read again."""
    try:
        parser = parser_for(path)
    except ParseError:  # no right to read it, or gone since it was found: reading it will say so
        return UNREADABLE
    version = PARSER_VERSIONS[parser] if parser else "none"
    return f"{version} chunk/{chunk.VERSION}/{settings.chunk.tokens}/{settings.chunk.heading_tokens}"


def differences(folders: Sequence[Path], catalog: Catalog, settings: Settings) -> list[str]:
    """How the folders differ from the catalogue by name, size and time, in words; empty when the index is true."""
    known = {(source.folder, source.path): source for source in catalog.sources()}
    found: dict[tuple[str, str], Found] = {}
    problems = []
    for folder in without_nested(folders):
        try:
            listing = discover(folder, leave_out=(settings.index, settings.models))
        except FolderError as error:
            problems.append(str(error))
            found |= {key: _as_found(source) for key, source in known.items() if key[0] == str(folder)}
            continue
        found |= {(str(file.folder), file.path): file for file in listing.found}
    problems += [f"{path} is not in the index yet." for _, path in sorted(found.keys() - known.keys())]
    problems += [f"{path} is in the index but no longer there." for _, path in sorted(known.keys() - found.keys())]
    problems += [
        f"{path} has changed since it was indexed."
        for (folder, path), file in sorted(found.items())
        if (source := known.get((folder, path))) and (source.size, source.mtime_ns) != (file.size, file.mtime_ns)
    ]
    return problems


def _as_found(source: Source) -> Found:
    return Found(Path(source.folder), source.path, source.size, source.mtime_ns)


@dataclass
class _Run:
    """One index run: its counts, and the verbs of the pipeline on one source each."""

    catalog: Catalog
    embedder: Embedder
    settings: Settings
    progress: Progress
    counts: Counter[str] = field(default_factory=Counter)
    skipped: list[PathReason] = field(default_factory=list)
    failed: list[PathReason] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    files: int = 0
    files_done: int = 0
    bytes_left: int = 0
    bytes_done: int = 0
    known: dict[tuple[str, str], Source] = field(default_factory=dict)

    def start_over_if_embedder_changed(self) -> None:
        """Vectors of two embedders do not compare: another embedder means that everything is embedded anew."""
        made_by = self.catalog.fact("embedder")
        if made_by and made_by != self.embedder.fingerprint:
            log.warning("The index was made by embedder %s; %s indexes anew.", made_by, self.embedder.fingerprint)
            self.catalog.forget_vectors()
        if made_by != self.embedder.fingerprint:
            self.catalog.set_fact("embedder", self.embedder.fingerprint)

    def plan(self, folders: list[Path]) -> list[tuple[Found, str]]:
        """Settles what needs no reading (unchanged, touched, renamed, removed); returns the rest, hashed."""
        known = self.known = {(source.folder, source.path): source for source in self.catalog.sources()}
        found = {(str(file.folder), file.path): file for file in self._discover(folders, known)}
        missing_folders = {folder for folder, _ in known} - set(map(str, folders))
        gone = {
            key: source
            for key, source in known.items()
            if key not in found and (key[0] in missing_folders or Path(key[0]).is_dir())
        }
        self.files = len(found)
        work = [(file, sha256) for key, file in found.items() if (sha256 := self._settle(file, known.get(key), gone))]
        for source in gone.values():
            self.catalog.remove(source.folder, source.path)
            self.counts["removed"] += 1
        self.bytes_left = sum(file.size for file, _ in work)
        self.files_done = self.files - len(work)
        return work

    def _discover(self, folders: list[Path], known: dict[tuple[str, str], Source]) -> Iterator[Found]:
        for folder in folders:
            try:
                listing = discover(folder, leave_out=(self.settings.index, self.settings.models))
            except FolderError as error:
                kept = sum(1 for root, _ in known if root == str(folder))
                self.failed.append(PathReason(str(folder), f"{error} Its {kept} documents stay in the index."))
                continue
            self.skipped += listing.skipped
            yield from listing.found

    def _settle(self, file: Found, known: Source | None, gone: dict[tuple[str, str], Source]) -> str:
        """The file's sha256 if it must be read, else ''."""
        version = reader_version(file.absolute, self.settings)
        same_reader = known is not None and known.parser == version
        if known and same_reader and (known.size, known.mtime_ns) == (file.size, file.mtime_ns):
            return self._unchanged(known)
        if file.size > self.settings.parse.max_file_mb * 1_000_000:
            reason = f"Over the limit of {self.settings.parse.max_file_mb} MB (parse.max_file_mb)."
            self._note(file, "", "too-large", reason)
            return ""
        try:
            sha256 = _sha256(file.absolute)
        except OSError as error:
            self._note(file, "", "failed", f"Cannot be read: {error.strerror}.")
            return ""
        if known and same_reader and known.sha256 == sha256:
            self.catalog.touch(replace(known, mtime_ns=file.mtime_ns))
            return self._unchanged(known)
        if known is None and (moved := _same_content(sha256, version, gone)):
            self._move(gone.pop(moved), file)
            return ""
        return sha256

    def _unchanged(self, known: Source) -> str:
        if known.status == "indexed":
            self.counts["unchanged"] += 1
        else:
            self._account(known)
        return ""

    def _move(self, old: Source, file: Found) -> None:
        title = Path(file.path).stem if old.title == Path(old.path).stem else old.title
        new = replace(old, folder=str(file.folder), path=file.path, mtime_ns=file.mtime_ns, title=title)
        ids = chunk.renamed_ids(file.path, self.catalog.passages_of(old.folder, old.path))
        self.catalog.move(old, new, ids)
        self.counts["renamed"] += 1

    def store(self, file: Found, sha256: str, document: Document | ParseError) -> None:
        """Chunks, embeds and stores one document, or notes why there is none."""
        self.files_done += 1
        self.bytes_left -= file.size
        self.bytes_done += file.size
        if isinstance(document, ParseError):
            self._note(file, sha256, document.status, str(document))
        else:
            named_by_file = document.title == Path(file.path).stem
            passages = chunk.chunk(document, file.path, named_by_file, self.embedder, self.settings.chunk)
            if passages:
                self._store_passages(file, sha256, document, passages)
            else:
                self._note(file, sha256, "empty", "No text in it.")
        self._report_progress(file)

    def _store_passages(self, file: Found, sha256: str, document: Document, passages: list[NewPassage]) -> None:
        languages = Counter(new.passage.language for new in passages)
        source = self._source(
            file,
            sha256,
            "indexed",
            title=document.title,
            media_type=document.media_type,
            language=languages.most_common(1)[0][0],
            pages=document.pages,
            passages=len(passages),
        )
        self.catalog.store(source, passages, self._embed_new(passages))
        self.counts["changed" if (source.folder, source.path) in self.known else "added"] += 1
        self.counts["passages"] += len(passages)

    def _embed_new(self, passages: list[NewPassage]) -> dict[str, Vectors]:
        texts = {new.vector_key: new.embedded_text for new in passages}
        known = self.catalog.known_vectors(texts)
        new = {key: text for key, text in texts.items() if key not in known}
        if not new:
            return {}
        self.counts["embedded"] += len(new)
        return dict(zip(new, self.embedder.embed_passages(list(new.values())), strict=True))

    def _note(self, file: Found, sha256: str, status: str, reason: str) -> None:
        """A source without passages, and why."""
        source = self._source(file, sha256, status, reason=reason, title=Path(file.path).stem)
        self.catalog.store(source, [], {})
        self._account(source)

    def _source(self, file: Found, sha256: str, status: str, **more: Any) -> Source:
        return Source(
            folder=str(file.folder),
            path=file.path,
            size=file.size,
            mtime_ns=file.mtime_ns,
            sha256=sha256,
            status=status,  # type: ignore[arg-type]  # the errors' statuses are SourceStatus
            parser=reader_version(file.absolute, self.settings),
            indexed_at=now(),
            **more,
        )

    def _account(self, source: Source) -> None:
        """Every file is in exactly one place of the report."""
        where = self.skipped if source.status in SKIPPED else self.failed
        where.append(PathReason(source.path, source.reason))

    def _report_progress(self, file: Found) -> None:
        seconds = time.monotonic() - self.started
        known = self.bytes_done >= ENOUGH * (self.bytes_done + self.bytes_left)
        left = seconds * self.bytes_left / self.bytes_done if self.bytes_done and known else None
        passages = self.counts["passages"]
        rate = passages / seconds if seconds else 0.0
        self.progress(IndexProgress(self.files, self.files_done, file.path, passages, rate, left))

    def report(self) -> IndexReport:
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
        )


def _parsed(
    work: list[tuple[Found, str]], parse: Parse, workers: int
) -> Iterator[tuple[Found, str, Document | ParseError]]:
    """Parses a few files ahead of the one at hand, in order. Closing it waits for no parse that is under way."""
    ahead: list[tuple[Found, str, Future[Document]]] = []
    waiting = iter(work)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="parse")
    try:
        while True:
            while len(ahead) < 2 * workers and (following := next(waiting, None)):
                ahead.append((*following, pool.submit(parse, following[0].absolute)))
            if not ahead:
                return
            file, sha256, future = ahead.pop(0)
            yield file, sha256, _outcome(future)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _outcome(future: Future[Document]) -> Document | ParseError:
    try:
        return future.result()
    except ParseError as error:
        return error
    except CitaError as error:
        return ParseError(error.message, hint=error.hint)
    except OSError as error:
        return ParseError(f"Cannot be read: {error.strerror or error}.")


def _same_content(sha256: str, version: str, gone: dict[tuple[str, str], Source]) -> tuple[str, str] | None:
    matches = (key for key, source in gone.items() if source.sha256 == sha256 and source.parser == version)
    return next(matches, None)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
