"""Filters to passages: what a person named, found among the sources, as rows of the catalogue.

A document's date is its own where it says one: when it was sent or written (`date`), else changed (`modified`), else
made (`created`); else that of the file that it is inside (an attachment has its mail's), else when the file was last
changed. A year or month that a document says, or a person asks for, is all of it.
"""

import json
import posixpath
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from errors import UsageError
from ingest.analyse import fold
from ingest.database import Database
from ingest.facts import revision
from ingest.links import LinkTargets, path_key
from ingest.names import printable, to_text
from ingest.parse import FORMATS, SUFFIXES
from ingest.types import TYPE_FAMILIES, Filters, TypeFamily

Rows = NDArray[np.int64]  # of passages, ascending

KEPT = 32  # filters whose rows are kept until the sources change
DATES = ("date", "modified", "created")  # of a document's metadata, the first that is there

_OFFICE = ("docx", "opendocument", "rtf", "legacy")
_PARSERS: dict[TypeFamily, tuple[str, ...]] = {
    "pdf": ("pdf",),
    "office": (*_OFFICE, "slides"),
    "document": _OFFICE,
    "table": ("spreadsheet",),
    "slides": ("slides",),
    "mail": ("mail", "outlook"),
    "image": ("image",),
    "note": ("markdown", "org", "canvas"),
    "text": ("text", "subtitles"),
    "web": ("html", "mhtml"),
    "book": ("epub",),
    "markup": ("rst", "asciidoc", "latex", "xml"),
    "code": ("code", "notebook"),
    "data": ("data",),
    "archive": ("zip",),
}
_SLIDES = frozenset({".odp", ".otp", ".ppt", ".pps", ".pot"})  # read by parsers of documents
_DRAWINGS = frozenset({".odg"})
_TABLES = frozenset({".csv", ".tsv", ".tab"})  # tables, but of no office program
_SAME = ({".jpg", ".jpeg"}, {".tif", ".tiff"}, {".htm", ".html"}, {".md", ".markdown"}, {".yml", ".yaml"})

# Names of languages in English and Spanish, and their own; without accents.
_LANGUAGES = {
    name: code
    for code, names in {
        "ar": "arabic arabe", "bg": "bulgarian bulgaro", "ca": "catalan catala", "cs": "czech checo cestina",
        "da": "danish danes dansk", "de": "german aleman deutsch", "el": "greek griego", "en": "english ingles",
        "es": "spanish espanol castellano", "et": "estonian estonio eesti", "eu": "basque vasco euskera euskara",
        "fa": "persian persa farsi", "fi": "finnish fines suomi", "fr": "french frances francais",
        "gl": "galician gallego galego", "he": "hebrew hebreo", "hi": "hindi", "hr": "croatian croata hrvatski",
        "hu": "hungarian hungaro magyar", "id": "indonesian indonesio", "it": "italian italiano",
        "ja": "japanese japones", "ko": "korean coreano", "la": "latin", "lt": "lithuanian lituano lietuviu",
        "lv": "latvian leton latviesu", "nl": "dutch neerlandes holandes nederlands", "no": "norwegian noruego norsk",
        "pl": "polish polaco polski", "pt": "portuguese portugues", "ro": "romanian rumano romana",
        "ru": "russian ruso", "sk": "slovak eslovaco slovencina", "sl": "slovenian esloveno slovenscina",
        "sr": "serbian serbio srpski", "sv": "swedish sueco svenska", "tr": "turkish turco turkce",
        "uk": "ukrainian ucraniano", "vi": "vietnamese vietnamita", "zh": "chinese chino",
    }.items()
    for name in names.split()
}  # fmt: skip
_ISO_DATE = re.compile(r"\d{4}(?:-\d\d(?:-\d\d)?)?")
_OWN_DATE = re.compile(r"[12]\d{3}(?:-\d\d(?:-\d\d)?)?")


class Selector:
    """The rows that filters keep to in the catalogue that `database` holds. Threads may share it."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._lock = threading.Lock()
        self._moment: tuple[str, ...] = ()
        self._kept: OrderedDict[Filters, Rows] = OrderedDict()
        self._linked: _Links | None = None
        self._folders: list[str] | None = None

    def rows(self, filters: Filters) -> Rows | None:
        """The passages that fit; None if the filters are empty (all of them).

        Raises UsageError if a value is no such thing, names nothing in the catalogue, or nothing fits all of them.
        """
        if filters == Filters():
            return None
        with self._db.snapshot(), self._lock:
            self._forget_if_changed()
            known = self._kept.get(filters)
            if known is None:
                known = self._kept[filters] = self._find(filters)
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(filters)
            return known

    def _forget_if_changed(self) -> None:
        moment = revision(self._db)
        if moment != self._moment:
            self._kept.clear()
            self._linked = self._folders = None
            self._moment = moment

    def _find(self, filters: Filters) -> Rows:
        languages = [self._language(name) for name in filters.languages]
        parts = [part for part in self._parts(filters) if part is not None]
        sources = set.intersection(*parts) if parts else None
        rows = self._rows_of(sources, languages)
        if not len(rows):
            raise UsageError(f"No passage fits all of {_said(filters)}.", hint="Leave one of them out.")
        return rows

    def _parts(self, filters: Filters) -> Iterator[set[int] | None]:
        """The sources that each kind of filter keeps to; None for all of them."""
        yield self._any(filters.within, self._within)
        yield self._any(filters.types, self._of_type)
        yield self._any(filters.tags, self._tagged)
        yield self._dated(filters.since, filters.until)

    @staticmethod
    def _any(values: Sequence[str], find: Callable[[str], set[int]]) -> set[int] | None:
        return set().union(*map(find, values)) if values else None

    def _rows_of(self, sources: Collection[int] | None, languages: Sequence[str]) -> Rows:
        of_language = f"language IN ({', '.join('?' * len(languages))})" if languages else "1"
        if sources is None:
            found = self._db.read(f"SELECT row FROM passages WHERE {of_language}", languages)
        else:
            query = f"SELECT row FROM passages WHERE {of_language} AND source IN"
            found = list(self._db.read_many(query, list(sources), languages))
        return np.sort(np.fromiter((row for (row,) in found), np.int64, len(found)))

    # --- by place

    def _within(self, named: str) -> set[int]:
        """A path may begin like a tag or a note, too."""
        found = self._in(to_text(named).strip("/"))
        if named.startswith("#"):
            found |= self._with_tag(named[1:])
        if named.startswith("[[") and named.endswith("]]"):
            found |= self._around(named[2:-2])
        if not found:
            hint = _nearest(named, self._places()) or "`cita list` shows what there is."
            raise UsageError(f"Nothing is indexed under {printable(named)!r}.", hint=hint)
        return found

    def _in(self, wanted: str) -> set[int]:
        """Sources at that path or below it, as it is written; else whatever the case; else wherever it lies."""
        if found := self._exactly_in(wanted):
            return found
        paths = self._db.read("SELECT id, path FROM sources")
        part = f"/{path_key(wanted)}/"
        folded = [(id, f"/{path_key(path)}/") for id, path in paths]
        return {id for id, path in folded if path.startswith(part)} or {id for id, path in folded if part in path}

    def _exactly_in(self, wanted: str) -> set[int]:
        """By the index of folders and paths: '0' is the character after '/'."""
        if self._folders is None:
            self._folders = [str(folder) for (folder,) in self._db.read("SELECT DISTINCT folder FROM sources")]
        query = (
            "SELECT id FROM sources WHERE folder = ?1 AND path = ?2 UNION ALL"
            " SELECT id FROM sources WHERE folder = ?1 AND path > ?2 || '/' AND path < ?2 || '0'"
        )
        return {id for folder in self._folders for (id,) in self._db.read(query, (folder, wanted))}

    def _places(self) -> Iterator[str]:
        """All that `within` can name: folders, files, tags."""
        folders: set[str] = set()
        for (path,) in self._db.read("SELECT path FROM sources"):
            yield path
            yield posixpath.basename(path)
            folders.update(map(str, PurePosixPath(path).parents))
        yield from folders - {"."}
        yield from (f"#{tag}" for tag in self._tags())

    def _around(self, note: str) -> set[int]:
        if self._linked is None:
            self._linked = _Links(self._db.read("SELECT id, path, links FROM sources"))
        return self._linked.around(note)

    # --- by what they are

    def _of_type(self, named: str) -> set[int]:
        fits = _type_named(named)
        found = {id for id, path, kind in self._db.read("SELECT id, path, media_type FROM sources") if fits(path, kind)}
        if not found:
            raise UsageError(f"No document is of type {named!r}.", hint="`cita list` shows what there is.")
        return found

    def _tagged(self, named: str) -> set[int]:
        found = self._with_tag(named.removeprefix("#"))
        if not found:
            hint = _nearest(named.removeprefix("#"), self._tags()) or "Tags are those that notes have (#tag)."
            raise UsageError(f"No document has the tag {named!r}.", hint=hint)
        return found

    def _with_tag(self, tag: str) -> set[int]:
        """Or one below it. Whatever the case: SQLite would fold that of ASCII only."""
        wanted = tag.casefold()
        return {
            id
            for id, tags in self._db.read("SELECT id, tags FROM sources WHERE tags != '[]'")
            if any(own == wanted or own.startswith(f"{wanted}/") for own in map(str.casefold, json.loads(tags)))
        }

    def _tags(self) -> set[str]:
        rows = self._db.read("SELECT DISTINCT tags FROM sources WHERE tags != '[]'")
        return {tag for (tags,) in rows for tag in json.loads(tags)}

    def _language(self, named: str) -> str:
        """The code that passages have."""
        folded = fold(named)
        code = _LANGUAGES.get(folded, folded)
        there = {str(language) for (language,) in self._db.read("SELECT DISTINCT language FROM passages")}
        if code not in there:
            near = "" if code in _LANGUAGES.values() else _nearest(folded, {*_LANGUAGES, *there})
            hint = near or f"There are passages in {', '.join(sorted(there))}."
            raise UsageError(f"No passage is in the language {named!r}.", hint=hint)
        return code

    # --- by date

    def _dated(self, since: str, until: str) -> set[int] | None:
        if not since and not until:
            return None
        first, last = _date(since), _date(until)
        if first and last and not _not_before(last, first):
            raise UsageError(f"Nothing is both since {since} and until {until}.", hint="Exchange the two.")
        found = {
            id
            for id, said in self._dates()
            if (not first or _not_before(said, first)) and (not last or _not_before(last, said))
        }
        if not found:
            what = " ".join(f"{name} {value}" for name, value in (("since", since), ("until", until)) if value)
            dates = sorted(said for _, said in self._dates())
            hint = f"The documents are dated {dates[0]} to {dates[-1]}." if dates else "Index some first."
            raise UsageError(f"No document is dated {what}.", hint=hint)
        return found

    def _dates(self) -> Iterator[tuple[int, str]]:
        """Every source with its date."""
        rows = self._db.read("SELECT id, folder, path, container, mtime_ns, metadata FROM sources")
        own = {(folder, path): _own_date(metadata) for _, folder, path, _, _, metadata in rows if metadata != "{}"}
        for id, folder, path, container, mtime_ns, _ in rows:
            said = own.get((folder, path)) or own.get((folder, container))
            yield id, said or _local_day(mtime_ns)


class _Links:
    """Which sources link to which. `sources` are ids, paths and links (JSON)."""

    def __init__(self, sources: Sequence[tuple[int, str, str]]) -> None:
        self._targets = LinkTargets(path for _, path, _ in sources)
        self._ids: dict[str, list[int]] = {}
        self._linked: dict[str, set[str]] = {}  # both ways
        for id, path, links in sources:
            self._ids.setdefault(path, []).append(id)
            for link in json.loads(links):
                if target := self._targets.resolve(link, path):
                    self._linked.setdefault(path, set()).add(target)
                    self._linked.setdefault(target, set()).add(path)

    def around(self, note: str) -> set[int]:
        """The note, what it links to, and what links to it."""
        path = self._targets.resolve(note, "")
        if path is None:
            return set()
        return {id for one in {path, *self._linked.get(path, ())} for id in self._ids[one]}


def _type_named(named: str) -> Callable[[str, str], bool]:
    """Whether a source of that path and media type is of the type. Raises UsageError if there is no such type."""
    wanted = named.strip().casefold().removeprefix(".")
    family = next((family for family in TYPE_FAMILIES if wanted in (family, f"{family}s")), None)
    if family is not None:
        suffixes = _suffixes(family)
        whatever_named = "application/pdf" if family == "pdf" else ""  # it is known by its bytes
        return lambda path, kind: _suffix(path) in suffixes or kind == whatever_named != ""
    suffix = f".{wanted}"
    if suffix not in SUFFIXES:
        hint = _nearest(wanted, {*TYPE_FAMILIES, *(known[1:] for known in SUFFIXES)})
        allowed = f"Types are {', '.join(TYPE_FAMILIES)}, or a suffix such as docx."
        raise UsageError(f"There is no type {named!r}.", hint=f"{hint} {allowed}".strip())
    same = next((same for same in _SAME if suffix in same), {suffix})
    return lambda path, _: _suffix(path) in same


def _suffixes(family: TypeFamily) -> frozenset[str]:
    found = frozenset(
        suffix for format in FORMATS if format.parser in _PARSERS[family] for suffix in format.suffixes
    )  # fmt: skip
    if family == "slides":
        return found | _SLIDES
    if family == "image":
        return found | _DRAWINGS
    if family == "office":
        return (found | _suffixes("table")) - _TABLES - _DRAWINGS
    return found - _SLIDES - _DRAWINGS if family == "document" else found


def _suffix(path: str) -> str:
    return posixpath.splitext(path)[1].lower()


def _date(said: str) -> str:
    """A year, month or day. Raises UsageError if it is none."""
    if not said:
        return ""
    try:
        if _ISO_DATE.fullmatch(said):
            date.fromisoformat(f"{said}-01-01"[:10])
            return said
    except ValueError:
        pass
    raise UsageError(f"{said!r} is no date.", hint="Write a year, month or day: 2024, 2024-05 or 2024-05-17.")


def _not_before(one: str, other: str) -> bool:
    """As far as both say: 2024 is not before 2024-05, nor 2024-05 before 2024."""
    said = min(len(one), len(other))
    return one[:said] >= other[:said]


def _own_date(metadata: str) -> str:
    values = json.loads(metadata)
    found = (_OWN_DATE.match(str(values.get(name, ""))) for name in DATES)
    return next((match[0] for match in found if match), "")


def _local_day(ns: int) -> str:
    """The day that a file manager shows."""
    return datetime.fromtimestamp(ns / 1e9).astimezone().date().isoformat()


def _nearest(named: str, known: Iterable[str]) -> str:
    """A question for the person: whether the value that is spelt most like it was meant; '' where none is."""
    by_key: dict[str, str] = {}
    for one in known:
        if abs(len(one) - len(named)) <= max(2, len(named) // 2):
            by_key.setdefault(fold(one), one)
    found = get_close_matches(fold(named), by_key, 1)
    return f"Did you mean {printable(by_key[found[0]])!r}?" if found else ""


def _said(filters: Filters) -> str:
    kinds = (("in", filters.within), ("type", filters.types), ("tag", filters.tags), ("language", filters.languages))
    named = [f"{kind} {' or '.join(values)}" for kind, values in kinds if values]
    named += [f"{kind} {value}" for kind, value in (("since", filters.since), ("until", filters.until)) if value]
    return printable(", ".join(named))
