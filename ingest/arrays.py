"""What is derived of a catalogue's passages, in arrays: in memory, or mapped from a file that never changes.

A file is mapped, not read: opening one of 100,000 documents takes milliseconds. Its head and its arrays have checksums;
those arrays that are looked at bit by bit have theirs elsewhere (`later`). A file that is not as it was written raises
ArraysDamagedError.
"""

import json
import os
import secrets
import weakref
import zlib
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.database import sync

_ALIGNED = 64
_KEPT = 16  # sets of rows whose documents are kept
_FEW = 1_000  # rows that are looked up faster than kept
_LEAD = 20  # bytes: what it is, the length of the head, its checksum

Arrays = Mapping[str, NDArray[Any]]
Docs = NDArray[np.int32]
Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]


class ArraysDamagedError(Exception):
    """A file is not as it was written."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Documents (one at least) that come and go together: what they are known by, and their rows, in order."""

    id: int
    checksum: str
    rows: Sequence[int]


DOCUMENTS: dict[str, Any] = {  # the arrays that every file has, and what they hold
    "rows": np.int64,  # (documents,)
    "owners": np.int64,  # (owners,) their ids
    "checksums": "S16",  # (owners,)
    "owner_ends": np.int64,  # (owners,) in documents
}


def documents(owners: Sequence[Owner]) -> dict[str, NDArray[Any]]:
    """Those arrays."""
    return {
        "rows": np.array([row for owner in owners for row in owner.rows], np.int64),
        "owners": np.array([owner.id for owner in owners], np.int64),
        "checksums": np.array([owner.checksum.encode()[:16] for owner in owners], "S16"),
        "owner_ends": np.cumsum(np.array([len(owner.rows) for owner in owners], np.int64)),
    }


class Documents:
    """Documents of a catalogue, by number, and whose they are. `file` is where the arrays are mapped from, None where
    they are in memory."""

    def __init__(self, arrays: Arrays, file: Path | None = None) -> None:
        self.file = file
        self.arrays = arrays
        self.rows: Rows = arrays["rows"]
        order = np.argsort(self.rows, kind="stable")
        self._docs_by_row, self._rows_in_order = order.astype(np.int32), self.rows[order]
        self._kept: list[tuple[weakref.ref[Rows], Docs]] = []

    def __len__(self) -> int:
        return len(self.rows)

    def docs_of(self, rows: Rows) -> Docs:
        """The documents at these (ascending) rows, ascending; rows of others are passed over. Those of the very same
        many rows are looked up once: a filter's are asked for again and again."""
        known = next((docs for known, docs in self._kept if known() is rows), None)
        if known is not None:
            return known
        places = np.searchsorted(self._rows_in_order, rows)
        places[places == len(self)] = 0
        hit = self._rows_in_order[places] == rows if len(self) else np.zeros(len(rows), bool)
        docs = np.sort(self._docs_by_row[places[hit]])
        if len(rows) > _FEW:
            self._kept = [*self._kept[1 - _KEPT :], (weakref.ref(rows), docs)]
        return docs

    def owners(self) -> list[tuple[int, str, int, int]]:
        """Id, checksum, and the first and the last (exclusive) of its documents, of each owner."""
        ends = self.arrays["owner_ends"].tolist()
        checksums = [checksum.decode() for checksum in self.arrays["checksums"].tolist()]
        return list(zip(self.arrays["owners"].tolist(), checksums, [0, *ends], ends, strict=False))

    def kept_owners(self, alive: Mask) -> list[Owner]:
        """Those whose documents a mask keeps: of each owner all or none."""
        rows = self.rows.tolist()
        return [Owner(id, checksum, rows[start:end]) for id, checksum, start, end in self.owners() if alive[start]]


# --- files


@dataclass(frozen=True, slots=True)
class Format:
    """What a file begins with, its version, and its arrays with what they hold; those that are checked `later`. Arrays
    of several dimensions are written with their last ones in `shapes`."""

    magic: bytes
    version: int
    arrays: Mapping[str, Any]
    later: Collection[str] = ()


def write(arrays: Arrays, form: Format, folder: Path, stem: str) -> Path:
    """Writes them into a new file of the folder, whole or not at all (OSError)."""
    file = folder / f"{stem}-{secrets.token_hex(8)}"
    draft = file.with_suffix(".new")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with draft.open("wb") as out:
            head = _head(arrays, form)
            out.write(form.magic + len(head).to_bytes(8, "little") + zlib.crc32(head).to_bytes(4, "little") + head)
            for name in form.arrays:
                out.write(bytes(-out.tell() % _ALIGNED))
                out.write(_bytes(arrays[name]))
        sync(draft)
        draft.replace(file)
        sync(folder)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return file


def _bytes(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _head(arrays: Arrays, form: Format) -> bytes:
    shapes = {name: arrays[name].shape for name in form.arrays}
    sums = {name: zlib.crc32(_bytes(arrays[name])) for name in form.arrays if name not in form.later}
    return json.dumps({"version": form.version, "shapes": shapes, "sums": sums}).encode()


def read(file: Path, form: Format) -> dict[str, NDArray[Any]]:
    """Raises ArraysDamagedError if it is not a whole file of this version, OSError if it cannot be read."""
    with file.open("rb") as stream:
        lead = stream.read(_LEAD)
        size = int.from_bytes(lead[8:16], "little")
        head = stream.read(size) if size < 1 << 20 else b""
    if not lead.startswith(form.magic) or len(head) != size or zlib.crc32(head).to_bytes(4, "little") != lead[16:]:
        raise ArraysDamagedError("its head is not what was written")
    known = json.loads(head)
    if known.get("version") != form.version:
        raise ArraysDamagedError(f"it is of version {known.get('version')}")
    place = len(lead) + size
    arrays: dict[str, NDArray[Any]] = {}
    mapped = np.memmap(file, np.uint8, "r")
    for name, kind in form.arrays.items():
        place += -place % _ALIGNED
        shape = known["shapes"][name]
        length = int(np.prod(shape)) * np.dtype(kind).itemsize
        if place + length > len(mapped):
            raise ArraysDamagedError("it is cut off")
        arrays[name] = np.frombuffer(mapped[place : place + length], kind).reshape(shape)
        if name not in form.later and zlib.crc32(_bytes(arrays[name])) != known["sums"][name]:
            raise ArraysDamagedError(f"its {name} are not what was written")
        place += length
    return arrays
