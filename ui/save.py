"""Writing cita.toml: checked before, whole or not at all."""

import os
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from errors import SettingsError
from settings import Settings

Changes = dict[str, dict[str, Any]]


def save_settings(settings: Settings, changes: Changes) -> Settings:
    """Puts `changes` (group -> name -> value) into cita.toml beside what it holds; comments in it are not kept.

    Returns the settings then in force. Raises SettingsError, and leaves the file as it was, if a value cannot be.
    """
    text = merged(settings.file, changes)
    Settings.load(settings.home, **text)
    try:
        _replace(settings.file, tomli_w.dumps(text).encode())
    except OSError as error:
        raise SettingsError(
            f"{str(settings.file)!r} cannot be written: {error.strerror}.", hint="Check its permissions."
        ) from error
    return Settings.load(settings.home)


def merged(file: Path, changes: Changes) -> dict[str, Any]:
    """What cita.toml holds, with the changes; a value of None takes its name out."""
    held: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    changed = {group: held.get(group, {}) | values for group, values in changes.items()}
    return held | {group: _without_none(values) for group, values in changed.items()}


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _replace(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=".", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        Path(partial).replace(file)
    finally:
        Path(partial).unlink(missing_ok=True)
