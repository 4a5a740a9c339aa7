"""A setting that cannot be used is named, wherever it was written."""

from pathlib import Path

import pytest

from errors import SettingsError, UsageError
from rag.types import Voice
from settings import Answer, Generate, Group, Profile, Retrieve, Settings
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


# Profiles


DEEP = """
[generate]
max_tokens = 300
[profiles.deep]
model = "qwen"
k = 16
temperature = 0.3
tone = "technical"
abstain = "helpful"
[profiles."quick one"]
max_tokens = 60
"""


def written(home: Path, text: str) -> Settings:
    home.mkdir(exist_ok=True)
    (home / "cita.toml").write_text(text)
    return Settings.load(home)


def test_a_profile_changes_what_it_sets_and_nothing_else(home: Path) -> None:
    settings = written(home, DEEP)
    deep, quick = settings.with_profile("deep"), settings.with_profile("quick one")
    assert deep.generate == settings.generate.model_copy(update={"model": "qwen", "temperature": 0.3})
    assert (deep.retrieve.k, deep.answer.abstain, deep.voice.tone) == (16, "helpful", "technical")
    assert deep.generate.max_tokens == 300
    assert (deep.embed, deep.retrieve.candidates, deep.voice.length) == (settings.embed, 100, "middle")
    assert quick == settings.model_copy(update={"generate": settings.generate.model_copy(update={"max_tokens": 60})})
    assert settings.with_profile("") == settings


def test_a_profile_that_there_is_not_is_named_with_those_there_are(home: Path) -> None:
    with pytest.raises(UsageError, match="no profile 'fast'") as raised:
        written(home, DEEP).with_profile("fast")
    assert "There are: deep, quick one." in raised.value.hint
    with pytest.raises(SettingsError, match=r"'answer\.deeper' names a profile that there is not: 'fast'"):
        written(home, DEEP + '[answer]\ndeeper = "fast"\n')


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("[profiles.deep]\ntemperature = 3.0", r"'profiles\.deep\.temperature' cannot be 3\.0"),
        ("[profiles.deep]\nspeed = 3", r"no setting 'profiles\.deep\.speed'"),
        ('[profiles."-x"]\nk = 3', "cannot be called '-x'"),
        ("[profiles]\ndeep = 3", r"'profiles\.deep' cannot be 3"),
    ],
)
def test_a_mistake_in_a_profile_is_named(home: Path, wrong: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        written(home, wrong)


def test_a_profile_takes_what_the_groups_take_within_the_same_bounds() -> None:
    """All of how a model writes, and of the others what an answer is asked by."""
    others = {"persona": VoiceSettings, "tone": VoiceSettings, "length": VoiceSettings, "language": VoiceSettings}
    homes: dict[str, type[Group]] = {**others, "k": Retrieve, "abstain": Answer}
    homes |= {name: Generate for name in Generate.model_fields if name != "loaded"}
    assert homes.keys() == Profile.model_fields.keys()
    for name, group in homes.items():
        known, schema = group.model_json_schema(), Profile.model_json_schema()
        bounds, *_ = schema["properties"][name]["anyOf"]
        given = {key: value for key, value in known["properties"][name].items() if key not in ("default", "title")}
        assert bounds == given, name
