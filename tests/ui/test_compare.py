"""Side by side: both answers with what they took, which was better, and the record, over the fake engine."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from models.types import EXTRACTIVE, ModelInfo
from rag.types import ALIKE, Contender
from settings import Settings
from tests.fakes import FakeEngine
from tests.test_settings import written
from tests.ui.conftest import Draw, html
from tests.ui.test_pages import HOSTILE, INERT
from ui.texts import ENGLISH, SPANISH


@pytest.fixture
def models(engine: FakeEngine, settings: Settings) -> list[ModelInfo]:
    written(settings.home, '[profiles.deep]\nmodel = "one"\n')
    engine._models = [EXTRACTIVE, ModelInfo("one"), ModelInfo("broken"), ModelInfo("ranker", ranks=True)]
    return engine._models


def asked(draw: Draw, first: str, second: str, question: str = "What is the notice period?") -> AppTest:
    app = draw("compare")
    app.selectbox(key="compare-left").set_value(first)
    app.selectbox(key="compare-right").set_value(second)
    app.text_input(key="compare-question").set_value(question)
    return app.button[0].click().run()


def test_profiles_and_models_that_answer_can_be_chosen(draw: Draw, models: list[ModelInfo]) -> None:
    app = draw("compare")
    assert not app.exception
    names = app.selectbox(key="compare-left").options
    assert len(names) == 4  # all but the reranker
    assert names[0] == ENGLISH.extractive
    assert app.selectbox(key="compare-right").value != app.selectbox(key="compare-left").value


def test_two_answers_stand_side_by_side_with_what_each_took(
    engine: FakeEngine, draw: Draw, models: list[ModelInfo]
) -> None:
    app = asked(draw, "one", "deep (profile)")
    assert not app.exception
    shown = html(app)
    assert shown.count('The notice period is thirty days. <span class="cita-n">1</span>') == 2
    for part in ("24.0 tokens a second", "100 read (20 known from before), 12 written", "✓ 1 confirmed", "k 8"):
        assert shown.count(part) == 2
    (kept,) = engine.comparisons()
    assert [(one.profile, one.model) for one in kept.contenders] == [("", "one"), ("deep", "extractive")]


def test_the_better_one_is_marked_kept_and_taken_back(engine: FakeEngine, draw: Draw, models: list[ModelInfo]) -> None:
    app = asked(draw, "one", ENGLISH.extractive)
    app.button(key="better-1").click().run()
    assert engine.comparisons()[0].better == 1
    app.button(key=f"better-{ALIKE}").click().run()
    assert engine.comparisons()[0].better == ALIKE
    app.button(key=f"better-{ALIKE}").click().run()
    assert engine.comparisons()[0].better is None
    assert not app.exception


def test_one_that_cannot_answer_says_why_and_the_other_is_shown(
    engine: FakeEngine, draw: Draw, models: list[ModelInfo]
) -> None:
    app = asked(draw, "broken", "one")
    assert "The file of model 'broken' is gone" in app.error[0].value.replace("\\", "")
    assert "The notice period is thirty days." in html(app)
    assert not [button for button in app.button if button.key in ("better-0", f"better-{ALIKE}")]


def test_an_abstention_is_shown_as_such(draw: Draw, models: list[ModelInfo]) -> None:
    assert html(asked(draw, "one", ENGLISH.extractive, "Who won the cup?")).count("cita-abstained-answer") == 2


def test_the_record_is_a_table_and_an_earlier_one_is_shown_again_and_deleted(
    engine: FakeEngine, draw: Draw, models: list[ModelInfo]
) -> None:
    list(engine.compare("The notice?", [Contender("one"), Contender("x", "deep")]))
    engine.prefer("v1", 1)
    app = draw("compare")
    (table,) = app.dataframe
    assert list(table.value[ENGLISH.compare_name]) == ["deep (x)", "one"]
    assert list(table.value[ENGLISH.compare_preferred]) == ["1 / 1", "0 / 1"]
    app.selectbox(key="compare-look").set_value("v1").run()
    app.button(key="compare-show").click().run()
    assert "The notice?" in html(app)
    app.selectbox(key="compare-look").set_value("v1").run()
    app.button(key="compare-delete").click().run()
    assert not app.exception
    assert engine.comparisons() == []
    assert not app.dataframe


def test_where_nothing_is_kept_both_are_shown_all_the_same(
    engine: FakeEngine, draw: Draw, models: list[ModelInfo]
) -> None:
    engine.keeping = False
    app = asked(draw, "one", ENGLISH.extractive)
    assert "24.0 tokens a second" in html(app)
    assert not [button for button in app.button if (button.key or "").startswith("better-")]


def test_what_models_and_documents_say_stays_text(engine: FakeEngine, draw: Draw, models: list[ModelInfo]) -> None:
    engine._models.append(ModelInfo(HOSTILE))
    app = asked(draw, "one", ENGLISH.extractive, HOSTILE)
    assert not app.exception
    assert INERT in html(app)
    assert HOSTILE not in html(app)


def test_it_speaks_spanish(draw: Draw, settings: Settings, models: list[ModelInfo]) -> None:
    written(settings.home, '[app]\nlanguage = "es"\n')
    app = asked(draw, "one", SPANISH.extractive)
    assert SPANISH.compare_title in html(app)
    assert SPANISH.verdict_supported in html(app)


def test_forgetting_conversations_forgets_what_was_compared(
    engine: FakeEngine, draw: Draw, models: list[ModelInfo], tmp_path: Path
) -> None:
    list(engine.compare("The notice?", [Contender("one"), Contender("x")]))
    draw("settings").button(key="forget").click().run()
    assert engine.comparisons() == []
