"""A setting that cannot be used is named, wherever it was written."""

from pathlib import Path

import pytest

from errors import SettingsError
from rag.types import Voice
from settings import Settings
from settings import Voice as VoiceSettings


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


def test_a_question_may_have_another_voice_than_is_set() -> None:
    voice = VoiceSettings(persona=" a librarian ", tone="formal", length="short", language="es")
    held = Settings(voice=voice, instructions={"/": "Be kind."})
    assert held.voice_of() == Voice("a librarian", "formal", "short", "es", {"/": "Be kind."})
    other = held.voice_of("friendly", "long", "question")
    assert other == Voice("a librarian", "friendly", "long", "question", {"/": "Be kind."})


def test_instructions_for_folders_are_a_table_of_their_own(home: Path) -> None:
    home.mkdir()
    (home / "cita.toml").write_text('[instructions]\n"contracts/" = "Name the clause."\n')
    assert Settings.load(home).voice_of().instructions == {"contracts/": "Name the clause."}
    (home / "cita.toml").write_text('[instructions]\n"contracts/" = 3\n')
    with pytest.raises(SettingsError, match=r"'instructions\.contracts/' cannot be 3"):
        Settings.load(home)
