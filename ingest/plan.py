"""plan(disk, catalogue) -> operations, without reading or writing anything.

Disk and catalogue are what was observed; the operations are what makes them equal. Every operation settles one file
and stands for itself: in whatever order they are carried out, and however many of them, the catalogue ends up where
it should, and planning again plans the rest. (Observations in, differences out: the idea of Dropbox's Nucleus.)

Files are compared by size and times, which costs nothing. Where those differ, or are too young to be trusted, the
bytes decide, by their sha256; undecided() names the files that need one, and only those.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ingest.discover import Found
from ingest.types import Source

Key = tuple[str, str]  # a library folder and a path in it

MANY = 10  # so many files are not deleted by and by: when most of a folder's are gone at once, a person confirms


@dataclass(frozen=True, slots=True)
class Disk:
    """What a look at the folders found.

    `files` by key; `unseen` are paths (of files and folders, by library folder) that could not be looked at;
    `unreachable` the library folders that are not there or cannot be read; `devices` the file system of each other.
    """

    files: Mapping[Key, Found]
    unseen: Mapping[str, Collection[str]] = field(default_factory=dict)
    unreachable: Collection[str] = ()
    devices: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalogue says. `devices` are those of the last run, by library folder; `folders` are wanted now."""

    sources: Sequence[Source]
    folders: Collection[str]
    devices: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rules:
    """`is_current(source)`: whether reading that file again would be done as it was then; `family(path)`: two paths
    of one family are read alike; files over `max_size` bytes are not read."""

    is_current: Callable[[Source], bool]
    family: Callable[[str], str]
    max_size: int


@dataclass(frozen=True, slots=True)
class Keep:
    """Nothing to do."""

    source: Source


@dataclass(frozen=True, slots=True)
class Touch:
    """The same bytes at another time."""

    source: Source
    file: Found


@dataclass(frozen=True, slots=True)
class Move:
    """The same bytes under another name: nothing is read, nothing embedded."""

    source: Source
    file: Found


@dataclass(frozen=True, slots=True)
class Read:
    """New or changed, or read in another way than now: to be parsed."""

    file: Found


@dataclass(frozen=True, slots=True)
class Refuse:
    """Too large to be read."""

    file: Found


@dataclass(frozen=True, slots=True)
class Remove:
    source: Source


Operation = Keep | Touch | Move | Read | Refuse | Remove


@dataclass(frozen=True, slots=True)
class Plan:
    """At most one operation for each key, in the order of the keys. `held`: by library folder, the sources that are
    gone but stay until a person confirms."""

    operations: tuple[Operation, ...]
    held: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)


def undecided(disk: Disk, known: Known, rules: Rules, *, read_data: bool = False) -> list[Found]:
    """The files of which plan() needs the sha256. `read_data`: all that size and times say are unchanged, too."""
    sources = {_key(source): source for source in known.sources}
    displaced = {source.size for source in _displaced(disk, sources, rules)}
    return [
        file
        for key, file in sorted(disk.files.items())
        if file.size <= rules.max_size
        and (
            _may_be_same(file, sources.get(key), rules)
            or (file.size in displaced and not _seems_same(file, sources.get(key), rules))
            or (read_data and _seems_same(file, sources.get(key), rules))
        )
    ]


def plan(
    disk: Disk, known: Known, rules: Rules, hashes: Mapping[Key, str], *, confirm: bool = False, read_data: bool = False
) -> Plan:
    """`hashes`: sha256 of the undecided() files; one that is missing could not be read. `confirm`: hold nothing."""
    sources = {_key(source): source for source in known.sources}
    settled: dict[Key, Operation] = {}
    for key, file in disk.files.items():
        if operation := _settle(file, sources.get(key), rules, hashes.get(key), read_data):
            settled[key] = operation
    open_files = {key: file for key, file in disk.files.items() if key not in settled}
    free = [source for key, source in sources.items() if not isinstance(settled.get(key), Keep | Touch)]
    free = [source for source in free if not _out_of_sight(source, disk)]
    moves = _moves(open_files, free, disk, rules, hashes)
    settled |= moves
    settled |= {key: Read(file) for key, file in open_files.items() if key not in moves}
    moved = {_key(move.source) for move in moves.values()}
    gone = [source for source in free if _key(source) not in disk.files and _key(source) not in moved]
    held = {} if confirm else _held(gone, disk, known)
    settled |= {_key(source): Remove(source) for source in gone if source.folder not in held}
    return Plan(tuple(operation for _, operation in sorted(settled.items())), held)


def _settle(file: Found, known: Source | None, rules: Rules, sha256: str | None, read_data: bool) -> Operation | None:
    """What can be said of a file from what is known under its own key."""
    if file.size > rules.max_size:
        same = known and known.status == "too-large" and _same_times(file, known)
        return Keep(known) if known and same else Refuse(file)
    if known is None or not _is_read_alike(known, rules):
        return None
    if known.sha256 and sha256 == known.sha256:
        return Keep(known) if _same_times(file, known) else Touch(known, file)
    if _seems_same(file, known, rules) and not (read_data and known.sha256 and sha256):
        return Keep(known)
    return None


def _seems_same(file: Found, known: Source | None, rules: Rules) -> bool:
    if known is None or not _is_read_alike(known, rules):
        return False
    if not known.sha256:  # of a kind that nobody reads: its bytes do not matter
        return (file.size, file.mtime_ns) == (known.size, known.mtime_ns)
    return _same_times(file, known) and bool(known.changed_ns)


def _may_be_same(file: Found, known: Source | None, rules: Rules) -> bool:
    return (
        known is not None
        and _is_read_alike(known, rules)
        and file.size == known.size
        and bool(known.sha256)
        and not _seems_same(file, known, rules)
    )


def _same_times(file: Found, known: Source) -> bool:
    return (file.size, file.mtime_ns, file.changed_ns) == (known.size, known.mtime_ns, known.changed_ns)


def _is_read_alike(known: Source, rules: Rules) -> bool:
    """A file that was too large is read once it no longer is, one that could not be opened at every run. Files of a
    kind that nobody reads have no sha256: nobody read them."""
    was_read = bool(known.sha256) or known.status == "unsupported"
    return known.status != "too-large" and was_read and rules.is_current(known)


def _displaced(disk: Disk, sources: Mapping[Key, Source], rules: Rules) -> list[Source]:
    """What is gone from its place, or may be."""
    return [
        source
        for key, source in sources.items()
        if source.sha256
        and not _out_of_sight(source, disk)
        and not (key in disk.files and _seems_same(disk.files[key], source, rules))
    ]


def _out_of_sight(source: Source, disk: Disk) -> bool:
    """Whether it may be there, though it was not seen."""
    if source.folder in disk.unreachable:
        return True
    unseen = disk.unseen.get(source.folder, ())
    return any(source.path == path or source.path.startswith(path + "/") for path in unseen)


def _moves(
    files: Mapping[Key, Found], free: Sequence[Source], disk: Disk, rules: Rules, hashes: Mapping[Key, str]
) -> dict[Key, Move]:
    """Each file whose bytes a source had that is no longer in its place; of several such sources one that is gone
    rather than one in whose place something else lies, one of the same name rather than another, the first."""
    by_content: dict[tuple[str, str], list[Source]] = defaultdict(list)
    for source in sorted(free, key=_key):
        if source.sha256 and _is_read_alike(source, rules):
            by_content[source.sha256, rules.family(source.path)].append(source)
    moves = {}
    for key, file in sorted(files.items()):
        donors = by_content.get((hashes.get(key, ""), rules.family(file.path)))
        if donors:
            name = PurePosixPath(file.path).name
            best = min(
                donors,
                key=lambda donor: (_key(donor) in disk.files, PurePosixPath(donor.path).name != name, _key(donor)),
            )
            donors.remove(best)
            moves[key] = Move(best, file)
    return moves


def _held(gone: Sequence[Source], disk: Disk, known: Known) -> dict[str, tuple[Source, ...]]:
    """A folder that suddenly lacks most of its files may be a disk that is not mounted, or half copied back."""
    counts: dict[str, int] = defaultdict(int)
    for source in known.sources:
        counts[source.folder] += 1
    by_folder: dict[str, list[Source]] = defaultdict(list)
    for source in gone:
        if source.folder in known.folders:
            by_folder[source.folder].append(source)
    held = {}
    for folder, lost in by_folder.items():
        before = known.devices.get(folder)
        elsewhere = before is not None and disk.devices.get(folder) != before
        if 2 * len(lost) > counts[folder] and (elsewhere or len(lost) >= MANY):
            held[folder] = tuple(lost)
    return held


def _key(source: Source) -> Key:
    return source.folder, source.path
