"""The Tasks page: what is filled in is asked, progress shows, a stop stops, and what came of it can be checked."""

import time
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from errors import ModelError
from ingest.types import Filters
from rag.tasks.types import Compare, Draft, Summarise, Tabulate, Task
from rag.types import Voice
from settings import Settings
from tests.fakes import LEASE, FakeEngine
from tests.ui.conftest import Draw, html
from ui.save import save_settings
from ui.texts import SPANISH

SAID = "The notice period is thirty days."


def chosen(app: AppTest, kind: str) -> AppTest:
    return app.segmented_control(key="task-kind").set_value(kind).run()


def filled(app: AppTest, kind: str) -> AppTest:
    """The page with a task that can be started."""
    app = chosen(app, kind)
    if kind == "tabulate":
        app.text_area(key="task-columns").set_value("Rent\n\n Notice=How long is it? ")
    elif kind == "draft":
        app.text_input(key="task-topic").set_value("Ending the lease")
        app.text_area(key="task-sections").set_value("Notice")
    app.multiselect(key="task-within").set_value(["contracts"])
    return app.run()


def started(app: AppTest) -> AppTest:
    return app.button(key="task-start").click().run()


def finished(app: AppTest) -> AppTest:
    app.session_state["working"].wait(20)
    return app.run()


WITHIN = Filters(within=("contracts",))


@pytest.mark.parametrize(
    "task",
    [
        Summarise(WITHIN),
        Tabulate(("Rent", "Notice=How long is it?"), WITHIN),
        Draft("Ending the lease", ("Notice",), WITHIN),
    ],
    ids=lambda task: task.kind,
)
def test_what_is_filled_in_is_what_is_asked(task: Task, draw: Draw, engine: FakeEngine) -> None:
    app = finished(started(filled(draw("tasks"), task.kind)))
    assert not app.exception
    assert engine.tasks == [task]
    shown = html(app) + "".join(frame.value.to_csv() for frame in app.dataframe)
    assert SAID in shown
    assert "lease.pdf" in shown


def test_two_documents_are_chosen_to_be_compared(
    draw: Draw, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lease, *_) = [source for source in engine.sources() if source.passages]
    monkeypatch.setattr(engine, "sources", lambda: [lease, replace(lease, path="new.pdf")])
    app = chosen(draw("tasks"), "compare")
    assert app.button(key="task-start").disabled
    app.selectbox(key="task-first").set_value(LEASE.path)
    app = app.selectbox(key="task-second").set_value(LEASE.path).run()
    assert app.button(key="task-start").disabled, "a document is not compared with itself"
    app = finished(started(app.selectbox(key="task-second").set_value("new.pdf").run()))
    assert engine.tasks == [Compare(LEASE.path, "new.pdf")]
    assert "Different facts" in html(app)


@pytest.mark.parametrize("kind", ["summarise", "compare", "tabulate", "draft"])
def test_what_is_not_filled_in_cannot_be_started(kind: str, draw: Draw) -> None:
    assert chosen(draw("tasks"), kind).button(key="task-start").disabled


def test_a_source_can_be_opened_beside_what_cites_it(draw: Draw) -> None:
    app = finished(started(filled(draw("tasks"), "summarise")))
    app = app.button(key="task-open-0-1").click().run()
    assert not app.exception
    assert f"<mark>{SAID}</mark>" in html(app)


def test_what_is_not_confirmed_is_marked(draw: Draw) -> None:
    app = finished(started(filled(draw("tasks"), "summarise")))
    assert "cita-partly" in html(app)
    assert "not in the passage: long" in html(app)


def test_a_task_shows_its_progress_and_is_stopped_and_goes_on(draw: Draw, engine: FakeEngine) -> None:
    engine.working.clear()
    app = started(filled(draw("tasks"), "summarise"))
    time.sleep(0.2)
    app = app.run()
    assert "0 of 2 parts" in str(app.get("progress")[0].proto)
    app = finished(app.button(key="task-stop").click().run())
    assert "goes on from there" in app.info[0].value
    assert SAID not in html(app)
    assert app.button(key="task-start").label == "Go on"
    engine.working.set()
    app = finished(started(app))
    assert SAID in html(app)
    assert not app.info


def test_an_error_is_shown_with_its_next_step(draw: Draw, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(*_: object) -> None:
        raise ModelError("It does not fit.", hint="Take another.")

    monkeypatch.setattr(engine, "work", work)
    app = finished(started(filled(draw("tasks"), "summarise")))
    assert "It does not fit" in app.error[0].value
    assert "Take another" in app.error[0].value


def test_a_report_can_be_saved_and_a_table_also_as_csv(draw: Draw) -> None:
    app = finished(started(filled(draw("tasks"), "tabulate")))
    assert len(app.get("download_button")) == 2
    app = finished(started(filled(app, "summarise")))
    assert len(app.get("download_button")) == 1


def test_the_page_speaks_spanish(draw: Draw, settings: Settings) -> None:
    save_settings(settings, {"app": {"language": "es"}})
    app = finished(started(filled(draw("tasks"), "summarise")))
    assert SPANISH.tasks_title in html(app)
    assert "Resumen: " in html(app)


def test_how_it_is_said_begins_with_what_is_set_and_is_chosen_for_the_task(
    draw: Draw, engine: FakeEngine, settings: Settings
) -> None:
    save_settings(settings, {"voice": {"persona": "a librarian", "tone": "formal"}})
    app = finished(started(filled(draw("tasks"), "summarise")))
    assert engine.voice == Voice("a librarian", "formal")
    app.button_group(key="task-length").set_value("short").run()
    app.button_group(key="task-language").set_value("es").run()
    finished(started(app))
    assert engine.voice == Voice("a librarian", "formal", "short", "es")


def test_a_table_has_no_manner_to_choose(draw: Draw) -> None:
    app = filled(draw("tasks"), "tabulate")
    assert not [group for group in app.button_group if group.key == "task-tone"]
