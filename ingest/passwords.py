"""Passwords of protected documents: in the system's keyring where it has one, else for as long as this process runs.
The one file that imports keyring.

A password is kept under the hash of the file's bytes, so that a renamed or copied file opens too and the keyring does
not say which file it is for.
"""

import contextlib
import hashlib
import logging
import threading
from collections.abc import Sequence

SERVICE = "Cita"

log = logging.getLogger("cita.ingest")


class Passwords:
    """Threads may share it. `sha256` is a file's; `member` the names that lead to a document inside it."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._lock = threading.Lock()

    def get(self, sha256: str, member: Sequence[str] = ()) -> str | None:
        """The password that was kept, None where there is none. The keyring is asked once for each document."""
        key = _key(sha256, member)
        with self._lock:
            if key not in self._given:
                self._given[key] = _from_keyring(key)
            return self._given[key] or None

    def keep(self, sha256: str, password: str, member: Sequence[str] = ()) -> bool:
        """Whether the keyring keeps it: otherwise it is known until this process ends."""
        import keyring
        from keyring.errors import KeyringError

        key = _key(sha256, member)
        with self._lock:
            self._given[key] = password
        try:
            keyring.set_password(SERVICE, key, password)
        except (KeyringError, OSError) as error:  # NoKeyringError where the system has none
            log.info("The keyring does not keep the password: %s", error)
            return False
        return True

    def forget(self, sha256: str, member: Sequence[str] = ()) -> None:
        """As if none had been given."""
        import keyring
        from keyring.errors import KeyringError

        key = _key(sha256, member)
        with self._lock:
            self._given.pop(key, None)
        with contextlib.suppress(KeyringError, OSError):  # PasswordDeleteError where there is none
            keyring.delete_password(SERVICE, key)


def _from_keyring(key: str) -> str:
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(SERVICE, key) or ""
    except (KeyringError, OSError):
        return ""


def _key(sha256: str, member: Sequence[str]) -> str:
    return hashlib.sha256("\0".join((sha256, *member)).encode()).hexdigest()
