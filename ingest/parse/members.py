"""Names of the documents inside a file: attachments, entries of an archive. They are shown, never written to disk."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from ingest.parse.text import scrub

MAX_NAME = 300  # characters
NAMELESS = "unnamed"


def unique_names(raw: Iterable[str]) -> list[str]:
    """For each name, in order, the one by which it is known: relative, without '..', backslashes, control characters
    and repeats ('offer.pdf', 'offer (2).pdf')."""
    given: dict[str, int] = {}
    taken: set[str] = set()
    found = []
    for name in map(_clean, raw):
        unique = name
        while unique in taken:
            given[name] = given.get(name, 1) + 1
            path = PurePosixPath(name)
            unique = str(path.with_name(f"{path.stem} ({given[name]}){path.suffix}"))
        taken.add(unique)
        found.append(unique)
    return found


def _clean(name: str) -> str:
    printable = "".join(char if char.isprintable() else " " for char in scrub(name).replace("\\", "/"))
    parts = [" ".join(part.split()) for part in printable.split("/")]
    kept = "/".join(part for part in parts if part not in ("", ".", ".."))
    if len(kept) > MAX_NAME:
        suffix = PurePosixPath(kept).suffix[:20]
        kept = kept[: MAX_NAME - len(suffix)].rstrip("/") + suffix
    return kept or NAMELESS
