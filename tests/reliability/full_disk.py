"""`unshare -Urm python -m tests.reliability.full_disk TEMPLATE DISK KILOBYTES...`: an index run on such small disks.

For each size prints a line of JSON: what the run said, what a search in the same engine found, what was found once the
engine was closed and, with space on the disk again, opened anew, and what the next run came to.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from engine import Engine
from errors import CitaError
from settings import Settings
from tests.reliability.quick import digest, image, make_engines_quick, opened

QUESTION = "When is the rent due?"


def main(template: Path, disk: Path, sizes: list[int]) -> None:
    make_engines_quick()
    for size in sizes:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", disk], check=True)
        print(json.dumps(_fill(template, disk)), flush=True)
        subprocess.run(["umount", "-l", disk], check=True)


def _fill(template: Path, disk: Path) -> dict[str, Any]:
    settings = Settings.load(shutil.copytree(template, disk / "home"))
    said: dict[str, Any] = {"opening": "", "indexing": "", "found": []}
    try:
        with opened(settings) as engine:
            try:
                engine.index()
            except CitaError as error:
                said["indexing"] = f"{type(error).__name__}: {error}"
            said["found"] = _found(engine)
    except CitaError as error:
        said["opening"] = f"{type(error).__name__}: {error}"
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
    with opened(settings) as engine:
        said["kept"] = _found(engine)
        said["problems"] = engine.verify(read_data=True).problems
        engine.index()
    said["image"] = digest(image(settings.index))
    return said


def _found(engine: Engine) -> list[str]:
    return sorted({hit.passage.path for hit in engine.search(QUESTION).hits})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [int(size) for size in sys.argv[3:]])
