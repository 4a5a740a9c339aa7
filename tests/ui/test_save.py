import os
import tomllib
from pathlib import Path

import pytest

from errors import SettingsError
from settings import Settings
from ui import save
from ui.save import save_settings


def test_a_saved_setting_is_in_force_and_others_are_kept(settings: Settings) -> None:
    settings.home.mkdir()
    settings.file.write_text("[chunk]\ntokens = 100\n[app]\nport = 9000\n", encoding="utf-8")
    after = save_settings(Settings.load(settings.home), {"app": {"language": "es"}, "retrieve": {"k": 5}})
    assert (after.app.language, after.app.port, after.retrieve.k, after.chunk.tokens) == ("es", 9000, 5, 100)
    assert Settings.load(settings.home) == after


def test_a_home_without_settings_gets_them(settings: Settings) -> None:
    assert save_settings(settings, {"retrieve": {"k": 3}}).retrieve.k == 3
    assert tomllib.loads(settings.file.read_text(encoding="utf-8")) == {"retrieve": {"k": 3}}


def test_a_value_that_cannot_be_is_named_and_nothing_is_written(settings: Settings) -> None:
    save_settings(settings, {"retrieve": {"k": 3}})
    before = settings.file.read_bytes()
    with pytest.raises(SettingsError, match=r"retrieve\.k.*0"):
        save_settings(settings, {"retrieve": {"k": 0}})
    assert settings.file.read_bytes() == before
    assert list(settings.home.iterdir()) == [settings.file]


def test_a_failed_write_leaves_the_old_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    save_settings(settings, {"retrieve": {"k": 3}})

    def full(_: Path, target: Path) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(save.Path, "replace", full)
    with pytest.raises(SettingsError, match="No space left"):
        save_settings(settings, {"retrieve": {"k": 4}})
    assert Settings.load(settings.home).retrieve.k == 3
    assert list(settings.home.iterdir()) == [settings.file]
