"""Passwords: kept in the system's keyring where it has one, else until the program ends; never by a file's name."""

from collections.abc import Iterator

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import KeyringLocked, PasswordDeleteError

from ingest.passwords import Passwords

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
