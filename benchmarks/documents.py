"""What becomes of every file of a folder: its status, and why it is not in the index where it is not.

    python -m benchmarks.documents [FOLDER]

Each file is read as an index run reads it (a worker process with limits, text recognition, LibreOffice for old formats,
documents inside files), two at a time; nothing is embedded. Writes benchmarks/results/documents.md: the counts by
family, and the reasons, each with its number of files.
"""

import argparse
import platform
import re
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path, PurePosixPath

from errors import ParseError
from ingest.isolate import Isolator
from ingest.parse import SUFFIXES
from ingest.recognise import Reader
from ingest.types import SOURCE_STATUSES, Document
from settings import CODE, Settings

DOCUMENTS = CODE.parent / "shared" / "data" / "documents"
RESULTS = CODE / "benchmarks" / "results" / "documents.md"
_PARTICULAR = re.compile(r"'[^']*'|\b\d[\d,.]*\b")


class Account:
    """Statuses by family and reasons by status."""

    def __init__(self) -> None:
        self.statuses: dict[str, Counter[str]] = defaultdict(Counter)
        self.reasons: Counter[tuple[str, str]] = Counter()
        self.inside = 0
        self.recognised = 0

    def add(self, name: str, result: Document | ParseError) -> None:
        status = result.status if isinstance(result, ParseError) else "indexed" if _has_text(result) else "empty"
        self.statuses[_family(name)][status] += 1
        if isinstance(result, ParseError):
            self.reasons[status, _PARTICULAR.sub("…", result.message)] += 1
        else:
            self.recognised += len(result.recognised)


def _has_text(document: Document) -> bool:
    return bool(document.members) or any(block.text.strip() for block in document.blocks)


def _family(name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    return SUFFIXES[suffix].parser if suffix in SUFFIXES else "other kinds"


def read_all(files: list[Path]) -> Account:
    account, settings = Account(), Settings()
    with Isolator(settings.parse) as isolator, Reader(isolator, settings) as reader:

        def read(file: Path, member: tuple[str, ...] = ()) -> list[tuple[str, Document | ParseError]]:
            name = member[-1] if member else file.name
            try:
                document = reader.read(file, member)
            except ParseError as error:
                return [(name, error)]
            inside = (read(file, (*member, name)) for name in document.members)
            return [(name, document), *(one for part in inside for one in part)]

        with ThreadPoolExecutor(settings.parse.workers) as pool:
            for results in pool.map(read, files):
                account.inside += len(results) - 1
                for name, result in results:
                    account.add(name, result)
    return account


def report(account: Account, files: int, seconds: float) -> list[str]:
    shown = [status for status in SOURCE_STATUSES if any(counts[status] for counts in account.statuses.values())]
    lines = [
        "# What becomes of every file",
        "",
        f"{date.today()}, {platform.machine()}, Python {platform.python_version()}. Made by",
        f"`python -m benchmarks.documents` in {seconds:.0f} s: {files} files, {account.inside} documents inside them,",
        f"{account.recognised} pages recognised from pictures. Broken, encrypted, empty and oddly encoded files are",
        "among them on purpose.",
        "",
        f"| read by | {' | '.join(shown)} |",
        "|---|" + "---:|" * len(shown),
    ]
    for family, counts in sorted(account.statuses.items()):
        lines.append(f"| {family} | {' | '.join(str(counts[status] or '') for status in shown)} |")
    total: Counter[str] = sum(account.statuses.values(), Counter())
    lines.append(f"| all | {' | '.join(str(total[status]) for status in shown)} |")
    lines += ["", "| status | reason | files |", "|---|---|---:|"]
    for (status, reason), number in sorted(account.reasons.items(), key=lambda item: (item[0][0], -item[1])):
        lines.append(f"| {status} | {reason.replace('|', chr(92) + '|')} | {number} |")
    return [*lines, ""]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DOCUMENTS)
    folder = parser.parse_args().folder
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    started = time.monotonic()
    account = read_all(files)
    lines = report(account, len(files), time.monotonic() - started)
    print("\n".join(lines))
    if folder == DOCUMENTS:
        RESULTS.write_text("\n".join(lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
