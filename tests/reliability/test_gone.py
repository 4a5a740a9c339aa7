"""Delete means gone: what was taken out of the library is in no search, no answer, no list, and in no byte of the home.

Marker words stand in files of every kind that is read, in their text, title and name. They are looked for in all files
of the home but the library itself: in any case, as UTF-8 and UTF-16, stemmed, and without their first two letters, for
the full text stores what a word has in common with the one before it only once. CITA_LONG=1: 100 words for each way.
"""

import os
import random
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import docx
import pytest

from engine import Engine, LocalEngine, open_engine
from ingest.analyse import LANGUAGES, stem
from ingest.isolate import Isolator
from rag.types import ABSTENTION, Completed
from settings import Answer, Settings
from tests.documents import Item, write_pdf
from tests.fakes import WordEmbedder
from tests.reliability.quick import parse_here

EACH = 20 if os.environ.get("CITA_LONG") else 1  # words for each kind of file
LETTERS = "bcdfghjklmnpqrtvwxz"


def write_text(path: Path, title: str, text: str) -> None:
    path.write_text(f"{title}\n\n{text}\n", encoding="utf-8")


def write_markdown(path: Path, title: str, text: str) -> None:
    path.write_text(f"---\ntitle: {title}\n---\n\n# {title}\n\n{text}\n", encoding="utf-8")


def write_html(path: Path, title: str, text: str) -> None:
    path.write_text(
        f"<html><head><title>{title}</title></head><body><h1>{title}</h1><p>{text}</p></body></html>", encoding="utf-8"
    )


def write_docx(path: Path, title: str, text: str) -> None:
    document = docx.Document()
    document.core_properties.title = title
    document.add_heading(title, 1)
    document.add_paragraph(text)
    document.save(str(path))


def write_pdf_file(path: Path, title: str, text: str) -> None:
    write_pdf(path, [[Item("h1", title), Item("p", text)]], title=title)


KINDS: dict[str, Callable[[Path, str, str], None]] = {
    ".txt": write_text, ".md": write_markdown, ".html": write_html, ".docx": write_docx, ".pdf": write_pdf_file
}  # fmt: skip


@dataclass
class Home:
    """A home whose library, and a folder beside it, hold a file of each kind for each of some marker words."""

    settings: Settings
    folder: Path
    engine: Engine
    words: dict[str, Path] = field(default_factory=dict)

    def fill(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        letters = random.Random(7)
        for suffix, write in KINDS.items():
            for _ in range(EACH):
                word = "".join(letters.choice(LETTERS) for _ in range(6)) + "olingas"  # an ending that is stemmed off
                path = self.folder / f"secret {word}{suffix}"
                write(path, f"About {word}", f"The {word.upper()} agreement says that {word} pays 900 euros.")
                self.words[word] = path
        write_markdown(self.settings.library / "kept.md", "Kept", "The deposit is 1,200 euros.")

    def assert_found(self) -> None:
        """The test can fail: each word is in search, answers, lists and bytes."""
        listed = " ".join(source.path for source in self.engine.sources())
        bytes_ = self.bytes()
        for word, path in self.words.items():
            assert any(hit.passage.path == path.name for hit in self.engine.search(word).hits)
            assert word in self.answer(f"What does {word} pay?").lower()
            assert word in listed
            assert any(found in content for content in bytes_.values() for found in forms(word))

    def assert_gone(self) -> None:
        assert [source.path for source in self.engine.sources() if source.path.startswith("secret")] == []
        for word in self.words:
            assert not any(word in str(hit.passage).lower() for hit in self.engine.search(word).hits)
            assert self.answer(f"What does {word} pay?") == ABSTENTION["en"]
        self.assert_no_byte()

    def assert_no_byte(self) -> None:
        for file, content in self.bytes().items():
            left = [word for word in self.words if any(form in content for form in forms(word))]
            assert left == [], file

    def answer(self, question: str) -> str:
        *_, last = self.engine.ask(question, model="extractive")
        assert isinstance(last, Completed)
        return last.answer.answer

    def bytes(self) -> dict[str, bytes]:
        """In lower case, the content and name of every file of the home but the library's."""
        files = [file for file in self.settings.home.rglob("*") if file.is_file()]
        return {
            str(file): str(file.relative_to(self.settings.home)).encode().lower() + file.read_bytes().lower()
            for file in files
            if not file.is_relative_to(self.settings.library)
        }


def forms(word: str) -> list[bytes]:
    """What of a word would still tell it, as bytes."""
    stems = {word, *(stem(word, language) for language in LANGUAGES)}
    shortest = min(stems, key=len)
    assert all(shortest in one for one in stems)
    return [shortest[2:].encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be")]


@pytest.fixture
def home(settings: Settings, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """Quick but for the tests that say `whole`: those have Chroma, and processes that parse."""
    monkeypatch.setattr("ingest.embed.open_embedder", lambda settings: WordEmbedder())
    monkeypatch.setattr("ingest.segments.WORTH_A_FILE", 1)
    if not getattr(request, "param", ""):
        monkeypatch.setattr(LocalEngine, "_update_chroma", lambda self: None)
        monkeypatch.setattr(Isolator, "parse", parse_here)
    # These vectors know the lengths of words, so many texts are alike: only what has the words is to be an answer.
    settings = settings.model_copy(update={"answer": Answer(abstain="strict")})
    found = Home(settings, settings.library, open_engine(settings))
    yield found
    found.engine.close()


def delete(home: Home) -> None:
    for path in home.words.values():
        path.unlink()
    home.engine.index(confirm=True)


def edit(home: Home) -> None:
    for path in home.words.values():
        plain = path.with_name(f"plain {list(home.words.values()).index(path)}{path.suffix}")
        path.rename(plain)
        KINDS[path.suffix](plain, "About the house", "The house has two doors.")
    home.engine.index(confirm=True)


def ignore(home: Home) -> None:
    (home.folder / ".citaignore").write_text("secret*\n")
    home.engine.index(confirm=True)


def delete_while_closed(home: Home) -> None:
    home.engine.close()
    for path in home.words.values():
        path.unlink()
    home.engine = open_engine(home.settings)
    home.engine.index(confirm=True)


def delete_and_stop_the_run(home: Home) -> None:
    """The run ends when the files are out of the catalogue and before it has said so."""

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    for path in home.words.values():
        path.unlink()
    write_text(home.folder / "new.txt", "New", "The garden has a gate.")
    with pytest.raises(KeyboardInterrupt):
        home.engine.index(stop, confirm=True)
    home.engine.index()


def delete_while_others_read(home: Home) -> None:
    """Somebody reads at one moment for longer than the run waits for it; then the next run is the one that scrubs."""
    assert isinstance(home.engine, LocalEngine)
    catalog = home.engine._catalog
    catalog._db._writer.execute("PRAGMA busy_timeout = 50")
    with catalog.snapshot():
        before = len(catalog.sources())
        delete(home)
        assert len(catalog.sources()) == before
    home.engine.index()


@pytest.mark.parametrize(
    "home", [pytest.param("", id="quick"), pytest.param("whole", marks=pytest.mark.slow)], indirect=True
)
@pytest.mark.parametrize(
    "way", [delete, edit, ignore, delete_while_closed, delete_and_stop_the_run, delete_while_others_read]
)
def test_what_is_taken_out_of_the_library_is_gone_from_everything(home: Home, way: Callable[[Home], None]) -> None:
    home.fill()
    home.engine.index()
    home.assert_found()
    way(home)
    home.assert_gone()
    assert home.engine.verify(read_data=True).problems == ()
    home.engine.close()
    home.assert_no_byte()
    home.engine = open_engine(home.settings)
    home.assert_gone()


def test_a_folder_taken_out_of_the_library_is_gone_from_everything_at_once(home: Home, tmp_path: Path) -> None:
    home.folder = tmp_path / "elsewhere"
    home.fill()
    home.engine.add_folders([home.folder])
    home.engine.index()
    home.assert_found()
    home.engine.remove_folders([home.folder])
    home.assert_gone()


def test_the_old_name_of_a_renamed_file_is_gone_from_everything(home: Home) -> None:
    home.fill()
    home.words = {"vrqtxwolingas": home.folder / "secret vrqtxwolingas.txt"}
    (path,) = home.words.values()
    path.write_text("The rent is due.")
    home.engine.index()
    assert home.engine.search("vrqtxwolingas").hits[0].passage.path == path.name
    path.rename(home.folder / "plain.txt")
    for other in home.folder.glob("secret*"):
        other.unlink()
    assert home.engine.index(confirm=True).renamed == 1
    home.assert_no_byte()


def test_rebuilding_and_keeping_a_backup_leave_no_draft_of_what_is_deleted_later(home: Home, tmp_path: Path) -> None:
    home.fill()
    home.engine.index()
    home.engine.rebuild()
    home.engine.backup(tmp_path / "kept.cita")
    home.engine.restore(tmp_path / "kept.cita")
    home.assert_found()
    delete(home)
    home.assert_gone()
    home.engine.rebuild()
    home.assert_gone()


def test_a_restore_takes_what_the_backup_does_not_have_out_of_the_bytes(home: Home, tmp_path: Path) -> None:
    home.engine.index()
    home.engine.backup(tmp_path / "kept.cita")
    home.fill()
    home.engine.index()
    home.engine.restore(tmp_path / "kept.cita")
    for path in home.words.values():
        path.unlink()
    home.assert_gone()


def test_the_index_can_be_read_by_its_owner_only(home: Home) -> None:
    home.fill()
    home.engine.index()
    home.engine.search("rent")
    while_open = modes(home.settings.index)
    home.engine.close()
    after = modes(home.settings.index)
    home.engine = open_engine(home.settings)
    for found in (while_open, after):
        assert {name: oct(mode) for name, (mode, folder) in found.items() if mode != (0o700 if folder else 0o600)} == {}
    assert {"catalog.db", "folders.json", "engine.lock", "engine.json"} <= while_open.keys()


def modes(folder: Path) -> dict[str, tuple[int, bool]]:
    """Mode of every file and folder, and whether it is a folder; sockets are guarded by their folder's."""
    found = {str(path.relative_to(folder)): path.stat().st_mode for path in (folder, *folder.rglob("*"))}
    return {
        name: (stat.S_IMODE(mode), stat.S_ISDIR(mode))
        for name, mode in found.items()
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode)
    }
