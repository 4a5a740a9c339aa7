"""A setting that cannot be used is named, wherever it was written."""

from pathlib import Path

import pytest

from errors import SettingsError
from settings import Settings


def test_an_empty_home_is_refused_and_not_taken_for_the_current_folder() -> None:
    with pytest.raises(SettingsError, match="home is empty"):
        Settings.load("")


def test_a_home_of_an_unknown_user_is_named() -> None:
    with pytest.raises(SettingsError, match="'~nobody-of-that-name/cita'"):
        Settings.load("~nobody-of-that-name/cita")


def test_a_variable_that_cannot_be_read_is_not_blamed_on_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITA_RETRIEVE", "{bad")
    with pytest.raises(SettingsError, match="CITA_ variable"):
        Settings.load(home)


@pytest.mark.parametrize(
    ("written", "named", "known"),
    [("speed = 3", "'speed'", "retrieve"), ("[retrieve]\nlimit = 3", "'retrieve.limit'", "candidates")],
)
def test_an_unknown_setting_is_named_with_those_there_are(home: Path, written: str, named: str, known: str) -> None:
    home.mkdir()
    (home / "cita.toml").write_text(written)
    with pytest.raises(SettingsError) as raised:
        Settings.load(home)
    assert named in raised.value.message
    assert known in raised.value.hint
