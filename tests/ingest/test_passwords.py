"""Passwords: kept in the system's keyring where it has one, else until the program ends; never by a file's name."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import KeyringLocked, PasswordDeleteError
from pypdf import PdfWriter

from engine import open_engine
from errors import EncryptedError, UsageError
from ingest.embed import Embedder
from ingest.passwords import Passwords
from settings import Settings
from tests.documents import Item, write_pdf

SHA = "ab" * 32


class Memory(KeyringBackend):
    """A keyring that works."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise KeyringLocked("locked")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.locked:
            raise KeyringLocked("locked")
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if (service, username) not in self.kept:
            raise PasswordDeleteError("none")
        del self.kept[service, username]


@pytest.fixture
def memory() -> Iterator[Memory]:
    before, memory = keyring.get_keyring(), Memory()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


def test_a_kept_password_is_there_in_the_next_process(memory: Memory) -> None:
    assert Passwords().get(SHA) is None
    assert Passwords().keep(SHA, "open sesame")
    assert Passwords().get(SHA) == "open sesame"
    assert Passwords().get(SHA, ["inner.pdf"]) is None
    assert not any(SHA in name for _, name in memory.kept)


def test_a_forgotten_password_is_gone(memory: Memory) -> None:
    passwords = Passwords()
    passwords.keep(SHA, "open sesame")
    passwords.forget(SHA)
    assert (passwords.get(SHA), memory.kept) == (None, {})
    passwords.forget(SHA)


@pytest.mark.parametrize("why", ["none", "locked"])
def test_without_a_keyring_a_password_is_known_until_the_process_ends(memory: Memory, why: str) -> None:
    memory.locked = True
    if why == "none":
        keyring.set_keyring(NoKeyring())
    passwords = Passwords()
    assert passwords.get(SHA) is None
    assert not passwords.keep(SHA, "open sesame")
    assert (passwords.get(SHA), Passwords().get(SHA)) == ("open sesame", None)


def test_a_protected_document_is_read_once_its_password_is_known(
    memory: Memory, settings: Settings, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.library.mkdir(parents=True)
    write_locked(settings.library / "locked.pdf", "The rent of the locked flat is 900 euros.", "open sesame")
    (settings.library / "mail.zip").write_bytes(zipped({"inner.pdf": (settings.library / "locked.pdf").read_bytes()}))
    with closing(open_engine(settings)) as engine:
        engine.index()
        locked = {source.path for source in engine.sources() if source.status == "encrypted"}
        assert locked == {"locked.pdf", "mail.zip/inner.pdf"}
        with pytest.raises(EncryptedError, match="does not open"):
            engine.unlock("locked.pdf", "wrong")
        assert engine.unlock("locked.pdf", "open sesame")
        assert engine.unlock("mail.zip/inner.pdf", "open sesame")
        assert {source.status for source in engine.sources()} == {"indexed"}
        assert "900 euros" in engine.search("rent of the locked flat").hits[0].passage.text
        for path in locked:
            assert engine.page_image(path, 1, ["locked flat"]).startswith(b"\x89PNG")
        with pytest.raises(UsageError, match="waits for a password"):
            engine.unlock("locked.pdf", "open sesame")
    with closing(open_engine(settings)) as engine:  # another process would find it in the keyring, too
        engine.rebuild()
        assert {source.status for source in engine.sources()} == {"indexed"}


def write_locked(path: Path, text: str, password: str) -> None:
    write_pdf(path, [[Item("p", text)]])
    writer = PdfWriter(clone_from=path)
    writer.encrypt(password, algorithm="AES-256")
    writer.write(path)


def zipped(files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, data in files.items():
            file.writestr(name, data)
    return archive.getvalue()
