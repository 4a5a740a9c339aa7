"""A damaged index: whatever bit, block or file of it is lost, nothing crashes, nothing wrong is said, and a rebuild
ends in what a fresh index holds.

One damage at a time to any file of the index folder: a bit flipped, the end cut off, zeroes in the midst, emptied,
removed, a cell of the catalogue that holds something else. Then, in a process of its own, the home is opened, searched,
verified, indexed, and rebuilt. A damage is `detected` when opening, searching or `verify --read-data` says so; `without
effect` when every source, passage, vector and search result is as before (free pages, times, what can be had from
elsewhere). Any other is a failure. Where Chroma serves, a question may lack one passage that it has else: HNSW now and
then leaves a vector that no other leads to, in sound folders too (docs/LOG.md).

    python -m tests.reliability.damage --number 2000

writes a table in Markdown and, for each failure, what was damaged and what came of it.
"""

import argparse
import os
import random
import re
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from engine import Engine
from errors import CatalogDamagedError, CitaError
from ingest import segments, vectors
from settings import Settings
from tests.reliability.forks import Fork, Report
from tests.reliability.quick import Image, digest, image, make_engines_quick, opened

IMPORTS = (
    "chromadb", "remote", "rag.chain", "rag.retrieve", "rag.rerank", "models.registry", "ingest.pipeline",
    "ingest.vectors", "ingest.chroma", "ingest.isolate", "ingest.watch", "ingest.parse.tasks", "watchdog.observers",
)  # fmt: skip
SECONDS = 120.0
HNSW_LOSES = 1  # of a question's passages
EQUAL = 1e-5  # scores that are no further apart: sums of float32 differ by where the numbers lie in memory
QUESTIONS = ("When is the rent of house 3 due?", "Are pets allowed in house 7?", "garden gate", "what is new")


def note(number: int) -> str:
    parts = "\n\n".join(f"## Part {part}\n\nIn house {number} the door {part} is {'red' * part}." for part in range(6))
    return f"# Note {number}\n\nThe rent of house {number} is due.\n\n## Pets\n\nNo pets.\n\n{parts}\n"


# --- the damages


def flip(file: Path, chance: random.Random) -> str:
    data = bytearray(file.read_bytes())
    if not data:
        return "nothing to flip"
    bit = chance.randrange(8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    file.write_bytes(data)
    return f"bit {bit % 8} of byte {bit // 8} flipped"


def truncate(file: Path, chance: random.Random) -> str:
    size = chance.randrange(file.stat().st_size + 1)
    os.truncate(file, size)
    return f"cut to {size} bytes"


def overwrite(file: Path, chance: random.Random) -> str:
    data = bytearray(file.read_bytes())
    start = chance.randrange(len(data) + 1) // 512 * 512
    data[start : start + 512] = bytes(len(data[start : start + 512]))
    file.write_bytes(data)
    return f"512 zeroes at {start}"


def empty(file: Path, chance: random.Random) -> str:
    os.truncate(file, 0)
    return "emptied"


def remove(file: Path, chance: random.Random) -> str:
    file.unlink()
    return "removed"


def spoil_cell(file: Path, chance: random.Random) -> str:
    """What no flipped bit brings about soon: a value that is no JSON, no number, no text, of another length."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.text_factory = bytes
        tables = connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE TABLE%'").fetchall()
        table = chance.choice(tables)[0].decode()
        columns = connection.execute(f"PRAGMA table_info ({table})").fetchall()
        column = chance.choice(columns)[1].decode()
        (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        keys = ", ".join(str(name, "ascii") for _, name, _, _, _, key in columns if key) or "rowid"
        value = chance.choice(["", "x", "[", "{}", -1, 1 << 62, 0.5, b"", b"\xff\xfe", bytes(7)])
        with suppress(sqlite3.IntegrityError):
            connection.execute(
                f"UPDATE {table} SET {column} = ? WHERE ({keys}) = (SELECT {keys} FROM {table} LIMIT 1 OFFSET ?)",
                (value, chance.randrange(max(rows, 1))),
            )
        return f"{value!r} in {table}.{column}"


Damage = Callable[[Path, random.Random], str]
DAMAGES: list[Damage] = [flip] * 12 + [overwrite] * 3 + [truncate] * 3 + [empty, remove]


def damage(index: Path, chance: random.Random) -> str:
    """The catalogue is hit as often as all else together."""
    files = sorted(path for path in index.rglob("*") if path.is_file())
    catalogue = [path for path in files if path.name.startswith("catalog.db") and not path.name.endswith("-shm")]
    file = chance.choice(chance.choice([catalogue, files]))
    choice = spoil_cell if file.name == "catalog.db" and chance.random() < 0.4 else chance.choice(DAMAGES)
    what = choice(file, chance)
    return f"{file.relative_to(index)}: {what}"


# --- what is done with a home, in a process of its own


def prepare_engines(*, chroma: bool) -> None:
    make_engines_quick(chroma=chroma)
    vectors.SMALL = 0  # so that Chroma serves
    segments.WORTH_A_FILE = 1


def found(engine: Engine, settings: Settings) -> dict[str, Any]:
    """What a person would see of it."""
    scores = [[hit.score for hit in engine.search(text).hits] for text in QUESTIONS]
    return {"scores": scores, "image": digest(without_separators(image(settings.index)))}


def without_separators(image: Image) -> Image:
    """The full text counts by its words: what stands between them is nothing that anybody sees."""
    return {path: tuple(map(_without_separators, source)) for path, source in image.items()}


def _without_separators(part: Any) -> Any:
    """Of a source's value, or of a passage, whose last three are its full text."""
    if not isinstance(part, tuple):
        return part
    return *part[:-3], *(re.findall(r"\w+", str(text)) for text in part[-3:])


def examine(home: Path, chroma: bool, report: Report) -> None:
    """Opens, searches, verifies and indexes; what is detected is reported, and any other error ends the process."""
    prepare_engines(chroma=chroma)
    settings = Settings.load(home)
    try:
        with opened(settings) as engine:
            try:
                report("found", **found(engine, settings))
            except (CitaError, sqlite3.DatabaseError) as error:
                report("unreadable", message=str(error))
                report("detected" if isinstance(error, CatalogDamagedError) else "hinted", message=str(error))
            for problem in engine.verify(read_data=True).problems:
                report("detected", message=problem)
            try:
                engine.index()
            except CitaError as error:
                report("refused", message=str(error))
    except CatalogDamagedError as error:
        report("detected", message=str(error))


def rebuild(home: Path, chroma: bool, report: Report) -> None:
    prepare_engines(chroma=chroma)
    settings = Settings.load(home)
    with opened(settings, mend=True) as engine:
        engine.rebuild()
        report("problems", problems=engine.verify(read_data=True).problems)
        report("found", **found(engine, settings))


class Failure(Exception):
    pass


def told(work: Callable[[Report], None], log: Path) -> list[dict[str, Any]]:
    fork = Fork(work, log)
    reports = list(fork.reports(SECONDS))
    if not fork.ended:
        fork.kill()
        raise Failure("It hangs.")
    if code := fork.bury():
        raise Failure(f"It ended with {code}: {log.read_text(encoding='utf-8') if log.exists() else ''}")
    return reports


def make_sound(folder: Path) -> dict[str, Any]:
    """A home and what is found in it, exactly; in `closed` and `while open` its index, closed and with its log."""
    home, documents = folder / "home", folder / "documents"
    (home / "library").mkdir(parents=True)
    documents.mkdir()
    for number in range(12):
        place = home / "library" if number % 2 else documents
        (place / f"note{number}.md").write_text(note(number), encoding="utf-8")

    def make(_report: Report) -> None:
        prepare_engines(chroma=True)
        settings = Settings.load(home)
        with opened(settings) as engine:
            engine.add_folders([documents])
            engine.index()
            shutil.copytree(settings.index, folder / "while open", ignore=shutil.ignore_patterns("*.sock"))

    def compare_all(report: Report) -> None:
        prepare_engines(chroma=False)
        settings = Settings.load(home)
        with opened(settings) as engine:
            report("found", **found(engine, settings))

    told(make, folder / "log")
    shutil.copytree(home / "index", folder / "closed")
    (sound,) = told(compare_all, folder / "log")
    return sound


def survive(folder: Path, sound: dict[str, Any], seed: int) -> tuple[str, str]:
    """What was damaged, and the result. Raises Failure with all there is to say."""
    chance = random.Random(seed)
    home, log = folder / "home", folder / "log"
    shutil.rmtree(home / "index")
    shutil.copytree(folder / chance.choice(["closed", "while open"]), home / "index")
    what = damage(home / "index", chance)
    log.unlink(missing_ok=True)
    try:
        chroma = what.startswith("chroma") or seed % 10 == 0  # its folder takes most of the time
        reports = told(partial(examine, home, chroma), log)
        result = judge(reports, sound, chroma)
        checked, *rebuilt = told(partial(rebuild, home, chroma), log)
        if result == "missed":
            raise Failure(f"nothing was detected: {reports}")
        if checked["problems"] or not as_before(rebuilt, sound, chroma):
            raise Failure(f"not rebuilt: {checked}, {rebuilt}, where there was {sound}")
    except Failure as failure:
        raise Failure(f"{seed}: {what}: {failure}") from failure
    return what, result


def judge(reports: list[dict[str, Any]], sound: dict[str, Any], chroma: bool) -> str:
    if any(report["kind"] == "detected" for report in reports):
        return "detected"
    return "without effect" if as_before(reports, sound, chroma) else "missed"


def as_before(reports: list[dict[str, Any]], sound: dict[str, Any], chroma: bool) -> bool:
    if [report["kind"] for report in reports] != ["found"] or reports[0]["image"] != sound["image"]:
        return False
    lost = HNSW_LOSES if chroma else 0
    return all(not_in_both(*pair) <= lost for pair in zip(reports[0]["scores"], sound["scores"], strict=True))


def not_in_both(now: list[float], then: list[float]) -> int:
    """How many scores of the longer list are not in the other. Equal ones have no order."""
    left, right, same = sorted(now), sorted(then), 0
    while left and right:
        if abs(left[-1] - right[-1]) <= EQUAL:
            left.pop(), right.pop()
            same += 1
        else:
            max(left, right, key=lambda scores: scores[-1]).pop()
    return max(len(now), len(then)) - same


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    given = parser.parse_args()
    for name in IMPORTS:
        import_module(name)
    counts: Counter[tuple[str, str]] = Counter()
    failures = []
    with tempfile.TemporaryDirectory() as name:
        sound = make_sound(Path(name))
        for seed in range(given.first, given.first + given.number):
            try:
                what, result = survive(Path(name), sound, seed)
                counts[what.split("-")[0].split(":")[0], result] += 1
            except Failure as failure:
                failures.append(str(failure))
                print(failure, file=sys.stderr, flush=True)
    print("| file | detected | without effect |\n|---|---|---|")
    for file in sorted({file for file, _ in counts}):
        print(f"| {file} | {counts[file, 'detected']} | {counts[file, 'without effect']} |")
    print(f"\n{given.number} damages, {len(failures)} failures.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
