"""ZIP archives without the time at which they were made."""

import zipfile
from io import BytesIO

from sample_maker.text import WRITTEN


def zipped(entries: dict[str, bytes]) -> bytes:
    """An archive of the entries in their order. "mimetype" is not compressed, as EPUB and OpenDocument ask."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries.items():
            entry = zipfile.ZipInfo(name, WRITTEN.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return file.getvalue()


def undated(archive: bytes) -> bytes:
    """The same archive with one fixed date on every entry."""
    with zipfile.ZipFile(BytesIO(archive)) as old:
        return zipped({name: old.read(name) for name in old.namelist()})
