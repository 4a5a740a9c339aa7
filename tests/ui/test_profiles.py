"""Profiles in the app: chosen for a question, offered below an answer, made, changed and deleted under Settings."""

import tomllib

import pytest

from models.types import EXTRACTIVE, ModelInfo
from settings import Settings
from tests.fakes import FakeEngine
from tests.test_settings import written
from tests.ui.conftest import Draw, html
from ui.save import save_settings
from ui.texts import ENGLISH, SPANISH

PROFILES = """
[answer]
profile = "quick"
deeper = "deep"
[profiles.quick]
k = 3
tone = "friendly"
[profiles.deep]
model = "large"
k = 16
top_p = 0.5
"""


@pytest.fixture
def profiled(settings: Settings) -> Settings:
    return written(settings.home, PROFILES)


def kept(settings: Settings) -> dict[str, object]:
    return tomllib.loads(settings.file.read_text(encoding="utf-8"))


def test_without_profiles_nothing_of_them_is_on_the_page_ask(engine: FakeEngine, draw: Draw) -> None:
    app = draw("ask").chat_input(key="question").set_value("notice").run()
    assert not app.exception
    assert engine.profile is None
    assert not [box for box in app.selectbox if box.key == "profile"]
    assert not [button for button in app.button if button.key == "deeper"]


def test_a_question_is_asked_by_the_profile_that_is_chosen_and_begins_with_what_it_sets(
    engine: FakeEngine, draw: Draw, profiled: Settings
) -> None:
    app = draw("ask")
    assert app.selectbox(key="profile").value == "quick"
    assert app.slider(key="k").value == 3
    app.chat_input(key="question").set_value("notice").run()
    assert engine.profile == "quick"
    assert engine.voice is not None
    assert engine.voice.tone == "friendly"
    app.selectbox(key="profile").set_value("deep").run()
    assert app.slider(key="k").value == 16
    app.chat_input(key="question").set_value("notice").run()
    assert (engine.profile, engine.voice.tone) == ("deep", "neutral")
    app.selectbox(key="profile").set_value("").run()
    app.chat_input(key="question").set_value("notice").run()
    assert not app.exception
    assert engine.profile == ""


def test_a_deeper_answer_asks_the_same_once_more_by_its_profile(
    engine: FakeEngine, draw: Draw, profiled: Settings
) -> None:
    app = draw("ask").chat_input(key="question").set_value("notice").run()
    assert engine.profile == "quick"
    app.button(key="deeper").click().run()
    assert not app.exception
    assert (engine.profile, engine.voice) == ("deep", None)  # all else is that profile's
    assert html(app).count('<div class="cita-question">') == 2
    assert not [button for button in app.button if button.key == "deeper"]  # it is the deeper one


def test_a_profile_is_made_changed_and_deleted_on_the_page_settings(
    engine: FakeEngine, draw: Draw, settings: Settings
) -> None:
    engine._models = [EXTRACTIVE, ModelInfo("large")]
    app = draw("settings")
    app.text_input(key="profile-new-name").set_value("deep")
    app.selectbox(key="profile-new-model").set_value("large")
    app.number_input(key="profile-new-k").set_value(16)
    app.selectbox(key="profile-new-tone").set_value("formal")
    pressed(app, "profile-new", ENGLISH.settings_save).click().run()
    assert not app.exception
    assert kept(settings) == {"profiles": {"deep": {"model": "large", "k": 16, "tone": "formal"}}}
    assert ENGLISH.profile_saved.format(name="deep") in app.success[0].value

    app = draw("settings")
    app.selectbox(key="profile-use-deeper").set_value("deep")
    pressed(app, "profile-uses", ENGLISH.settings_save).click().run()
    assert kept(settings)["answer"] == {"deeper": "deep"}
    app = draw("settings")
    app.selectbox(key="profile-0-tone").set_value("")
    app.number_input(key="profile-0-temperature").set_value(0.5)
    pressed(app, "profile-0", ENGLISH.settings_save).click().run()
    assert kept(settings)["profiles"] == {"deep": {"model": "large", "k": 16, "temperature": 0.5}}
    app = draw("settings")
    pressed(app, "profile-0", ENGLISH.profile_delete).click().run()
    assert not app.exception
    assert kept(settings) == {"profiles": {}, "answer": {}}


def pressed(app: object, form: str, label: str) -> object:
    return next(button for button in app.button if button.proto.form_id == form and button.label == label)  # type: ignore[attr-defined]


def test_what_the_page_does_not_show_of_a_profile_stays(draw: Draw, profiled: Settings) -> None:
    app = draw("settings")
    app.number_input(key="profile-1-k").set_value(20)
    pressed(app, "profile-1", ENGLISH.settings_save).click().run()  # type: ignore[attr-defined]
    assert Settings.load(profiled.home).profiles["deep"].chosen == {"model": "large", "k": 20, "top_p": 0.5}


@pytest.mark.parametrize(("name", "said"), [("-x", "cannot be called"), ("deep", "already")])
def test_a_name_that_cannot_be_is_refused(draw: Draw, profiled: Settings, name: str, said: str) -> None:
    app = draw("settings")
    app.text_input(key="profile-new-name").set_value(name)
    pressed(app, "profile-new", ENGLISH.settings_save).click().run()  # type: ignore[attr-defined]
    assert said in app.error[0].value
    assert Settings.load(profiled.home) == profiled


def test_profiles_speak_spanish(draw: Draw, profiled: Settings) -> None:
    save_settings(profiled, {"app": {"language": "es"}})
    assert SPANISH.profiles in html(draw("settings"))
    app = draw("ask").chat_input(key="question").set_value("notice").run()
    assert app.button(key="deeper").label == SPANISH.ask_deeper.format(profile="deep")
