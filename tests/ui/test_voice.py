"""How answers are said, on the pages Settings and Ask."""

import tomllib

from streamlit.testing.v1 import AppTest

from rag.types import Voice
from settings import Settings
from tests.fakes import FakeEngine
from tests.ui.conftest import Draw
from ui.save import save_settings
from ui.texts import ENGLISH, SPANISH


def save(app: AppTest, label: str = ENGLISH.settings_save) -> AppTest:
    app = next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def written(settings: Settings) -> dict[str, object]:
    return tomllib.loads(settings.file.read_text(encoding="utf-8"))


def test_a_voice_is_set_and_saved_and_nothing_else(settings: Settings, draw: Draw) -> None:
    app = draw("settings")
    app.text_input(key="persona").set_value(" a librarian ")
    app.button_group(key="tone").set_value("formal")
    app.button_group(key="length").set_value("short")
    app.button_group(key="speech").set_value("es")
    app = save(app)
    assert written(settings) == {
        "voice": {"persona": "a librarian", "tone": "formal", "length": "short", "language": "es"}
    }


def test_instructions_for_folders_are_added_changed_and_taken_away(settings: Settings, draw: Draw) -> None:
    app = draw("settings")
    app.text_input(key="folder-0").set_value("contracts/")
    app.text_input(key="instruction-0").set_value("Name the clause.")
    app = save(app)
    assert written(settings) == {"instructions": {"contracts/": "Name the clause."}}
    app.text_input(key="folder-1").set_value("/")
    app.text_input(key="instruction-1").set_value("Amounts in euros.")
    app.text_input(key="instruction-0").set_value("Name clause and date.")
    app = save(app)
    assert written(settings) == {"instructions": {"contracts/": "Name clause and date.", "/": "Amounts in euros."}}
    app.text_input(key="instruction-0").set_value("")
    save(app)
    assert written(settings) == {"instructions": {"/": "Amounts in euros."}}


def test_a_folder_without_an_instruction_is_none(settings: Settings, draw: Draw) -> None:
    app = draw("settings")
    app.text_input(key="folder-0").set_value("contracts/")
    save(app)
    assert not written(settings).get("instructions")


def test_the_page_speaks_of_the_voice_in_spanish(settings: Settings, draw: Draw) -> None:
    save_settings(settings, {"app": {"language": "es"}})
    app = draw("settings")
    assert app.text_input(key="persona").label == SPANISH.settings_persona
    assert list(app.button_group(key="tone").options) == [
        SPANISH.tone_neutral, SPANISH.tone_formal, SPANISH.tone_plain, SPANISH.tone_technical, SPANISH.tone_friendly,
    ]  # fmt: skip


def test_a_question_is_asked_in_the_voice_that_is_set_or_chosen_for_it(
    settings: Settings, engine: FakeEngine, draw: Draw
) -> None:
    save_settings(settings, {"voice": {"persona": "a librarian", "tone": "formal"}, "instructions": {"/": "Be kind."}})
    app = draw("ask")
    app.chat_input(key="question").set_value("What is the notice period?").run()
    assert engine.voice == Voice("a librarian", "formal", instructions={"/": "Be kind."})
    app.button_group(key="voice-length").set_value("short").run()
    app.button_group(key="voice-language").set_value("es").run()
    app.chat_input(key="question").set_value("And the notice?").run()
    assert not app.exception
    assert engine.voice == Voice("a librarian", "formal", "short", "es", {"/": "Be kind."})


def test_what_is_set_shows_as_chosen_however_late_the_options_are_opened(settings: Settings, draw: Draw) -> None:
    """The page asks for what a control holds when the options are first opened, after any number of drawings."""
    save_settings(settings, {"voice": {"tone": "technical"}, "answer": {"abstain": "strict"}})
    app = draw("ask").run().run()
    chosen = {key: [app.button_group(key=key).options[n] for n in app.button_group(key=key).proto.default]
              for key in ("abstain", "voice-tone", "voice-length")}  # fmt: skip
    assert chosen == {
        "abstain": [ENGLISH.ask_strict],
        "voice-tone": [ENGLISH.tone_technical],
        "voice-length": [ENGLISH.length_middle],
    }
