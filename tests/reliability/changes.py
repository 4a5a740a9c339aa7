"""A folder of real documents and notes, and what people do to it, drawn from a seed."""

import hashlib
import os
import random
from collections.abc import Callable
from pathlib import Path

from settings import CODE
from tests.conftest import SHARED

DOCUMENTS = SHARED / "data" / "documents"
COLLECTIONS = SHARED / "data" / "collections"
NOTES = ("kepano-obsidian-vault", "rust-book", "tldr-en-es")  # as many as are needed, in this order
LARGEST = 300_000  # bytes of a document: a kill is to meet all steps, not one long parse
TEXTS = (".md", ".txt")
KINDS = (".pdf", ".md", ".txt", ".html", ".docx", ".png", ".bin")
LETTERS = "bcdfghjkmpqrtvwxz0123456789"


class Changed:
    """Folders `documents` and `notes`, `count` files in each, and more to add: real ones, or small ones that are made.

    `touched` collects the paths (absolute) that a change made another file of. Every note has a word of its own.
    """

    def __init__(self, base: Path, count: int, seed: int, *, real: bool) -> None:
        self.random = random.Random(seed)
        self.documents, self.notes = base / "documents", base / "notes"
        self.touched: set[Path] = set()
        self._marks: dict[Path, str] = {}  # the words in the notes that are there
        self._made: list[str] = []
        self._numbers = 0
        documents, notes = (_documents(self.random), _notes()) if real else (_samples(), _made(base / "made"))
        self._spare = {self.documents: documents, self.notes: notes}
        for root in self.roots:
            root.mkdir(parents=True)
            for _ in range(count):
                self._add(root)

    @property
    def roots(self) -> tuple[Path, Path]:
        return self.documents, self.notes

    def files(self) -> list[Path]:
        return sorted(path for root in self.roots for path in root.rglob("*") if path.is_file())

    def hashes(self) -> dict[str, str]:
        """By path, the SHA-256 of every file."""
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in self.files()}

    def dropped(self) -> list[str]:
        """Words that stood in text which is nowhere any more."""
        there = set(self._marks.values())
        return [word for word in self._made if word not in there]

    def forget_dropped(self) -> None:
        self._made = list(self._marks.values())

    def change(self, times: int) -> None:
        """Some edits, additions, deletions, renames of files and folders, copies and touches."""
        others = (self.add, self.delete, self.rename, self.rename_folder, self.copy, self.touch)
        kinds: list[Callable[[], None]] = [*others, self.edit, self.edit, self.edit]
        for _ in range(times):
            self.random.choice(kinds)()

    def edit(self) -> None:
        path = self._any_note()
        self._write_word(path)
        self.touched.add(path)

    def add(self) -> None:
        self._add(self.random.choice(self.roots))

    def delete(self) -> None:
        path = self.random.choice(self.files())
        path.unlink()
        self._marks.pop(path, None)
        self.touched.add(path)

    def rename(self) -> None:
        path = self.random.choice(self.files())
        self._move(path, self._free(path.with_stem(f"renamed-{path.stem[:40]}")))

    def rename_folder(self) -> None:
        folders = sorted(path for root in self.roots for path in root.rglob("*") if path.is_dir())
        if not folders:
            return
        old = self.random.choice(folders)
        new = self._free(old.with_name(f"moved-{old.name[-40:]}"))
        below = [path for path in old.rglob("*") if path.is_file()]
        old.rename(new)
        for path in below:
            self._moved(path, new / path.relative_to(old))

    def copy(self) -> None:
        path = self.random.choice(self.files())
        copied = self._free(path.with_stem(f"copy-{path.stem[:40]}"))
        put(copied, path.read_bytes())
        if path in self._marks:
            self._marks[copied] = self._marks[path]
        self.touched.add(copied)

    def touch(self) -> None:
        path = self.random.choice(self.files())
        os.utime(path)

    def delete_some(self, share: float) -> None:
        for _ in range(int(len(self.files()) * share)):
            self.delete()

    def _add(self, root: Path) -> None:
        spare = self._spare[root]
        source = spare.pop(0)
        spare.append(source)  # when all are there, they come again
        folder = root / self.random.choice(("", "deep", "deep/er", "other"))
        folder.mkdir(parents=True, exist_ok=True)
        path = self._free(folder / source.name)
        put(path, source.read_bytes())
        if path.suffix in TEXTS:
            self._write_word(path)
        self.touched.add(path)

    def _any_note(self) -> Path:
        return self.random.choice([path for path in self.files() if path.suffix in TEXTS])

    def _move(self, old: Path, new: Path) -> None:
        old.rename(new)
        self._moved(old, new)

    def _moved(self, old: Path, new: Path) -> None:
        self.touched |= {old, new}
        if old in self._marks:
            self._marks[new] = self._marks.pop(old)

    def _free(self, path: Path) -> Path:
        if not path.exists():
            return path
        self._numbers += 1
        return path.with_stem(f"{path.stem[:60]}-{self._numbers}")

    def _write_word(self, path: Path) -> None:
        """A new word, in place of the one that the text has."""
        word = "".join(self.random.choices(LETTERS, k=17))
        text = path.read_text(encoding="utf-8", errors="replace")
        old = self._marks.get(path)
        text = text.replace(old, word) if old else f"{text}\n\nThis was written later and says {word}.\n"
        put(path, text.encode())
        self._marks[path] = word
        self._made.append(word)


def put(path: Path, data: bytes) -> None:
    """Writes a file at once, so that nobody sees it half."""
    draft = path.with_name(f".{path.name[:100]}.new")
    draft.write_bytes(data)
    draft.replace(path)


def _documents(chance: random.Random) -> list[Path]:
    found = [
        path
        for path in sorted(DOCUMENTS.rglob("*"))
        if path.is_file() and path.suffix.lower() in KINDS and path.stat().st_size <= LARGEST
    ]
    chance.shuffle(found)
    return found


def _samples() -> list[Path]:
    return sorted(path for path in (CODE / "data" / "samples").rglob("*") if path.suffix.lower() in KINDS)


def _made(folder: Path) -> list[Path]:
    folder.mkdir(parents=True)
    for number in range(100):
        text = f"# Note {number}\n\nThe number of this note is {number}.\n\n## More\n\n{'It goes on. ' * number}\n"
        (folder / f"note-{number:02}.md").write_text(text, encoding="utf-8")
    return sorted(folder.iterdir())


def _notes() -> list[Path]:
    return [path for name in NOTES for path in sorted((COLLECTIONS / name).rglob("*.md"))]
