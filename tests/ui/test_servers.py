"""Servers on the page Models, and the badge that says over every page what leaves this machine, and where to."""

from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from models import servers
from models.types import ModelInfo
from tests.fakes import FakeEngine
from tests.model_server import ModelServer, listing
from tests.ui.conftest import ROOT, Draw, html
from ui.render import label
from ui.texts import ENGLISH, SPANISH, Texts

AWAY = "http://192.0.2.7:8000"
TITLES = {
    "ask": ENGLISH.ask_title, "library": ENGLISH.library_title, "tasks": ENGLISH.tasks_title,
    "inspect": ENGLISH.inspect_title, "evaluate": ENGLISH.evaluate_title, "models": ENGLISH.models_title,
    "settings": ENGLISH.settings_title,
}  # fmt: skip


def page(name: str) -> AppTest:
    """The page as app.py shows it, frame and all."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    app._page_hash = calc_hash(name)
    return app.run()


@pytest.mark.parametrize("name", TITLES)
def test_every_page_says_where_questions_go_while_a_model_elsewhere_answers(engine: FakeEngine, name: str) -> None:
    engine.use_model(engine.add_server(AWAY, off_machine=True)[0].name)
    app = page(name)
    assert not app.exception
    assert TITLES[name] in html(app)
    shown = "\n".join(element.proto.body for element in app.main.get("html"))
    assert ENGLISH.leaves.format(host="192.0.2.7:8000") in shown
    assert ENGLISH.leaves_to.format(host="192.0.2.7:8000") in html(app)
    assert ENGLISH.private not in html(app)


@pytest.mark.parametrize("name", ["ask", "models"])
def test_no_page_says_so_while_every_model_is_here(engine: FakeEngine, name: str) -> None:
    engine.add_server(AWAY, off_machine=True)  # known, and not the one that answers
    engine.use_model(engine.add_server("http://127.0.0.1:11434", "mine")[0].name)
    shown = html(page(name))
    assert ENGLISH.leaves.partition("{")[0] not in shown
    assert ENGLISH.leaves_if_asked.format(host="192.0.2.7:8000") in shown
    assert ENGLISH.private not in shown


def test_while_no_server_is_elsewhere_every_page_says_that_nothing_leaves(engine: FakeEngine) -> None:
    engine.use_model(engine.add_server("http://127.0.0.1:11434", "mine")[0].name)
    assert ENGLISH.private in html(page("ask"))


@pytest.mark.parametrize("texts", [ENGLISH, SPANISH], ids=["English", "Spanish"])
def test_the_badge_and_the_box_name_what_leaves(texts: Texts) -> None:
    assert "{host}" in texts.leaves
    for words in (texts.leaves, texts.servers_consent):
        said = words.lower()
        assert "questions" in said or "preguntas" in said
        assert "passages" in said or "pasajes" in said


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    with ModelServer({"/v1/models": listing("one", "two", owner="vllm", max_model_len=2048)}) as server:
        monkeypatch.setattr(servers.find_servers, "__defaults__", ((server.port,), 2.0))
        yield server


def test_servers_are_looked_for_when_asked_and_their_models_used_with_one_button(
    engine: FakeEngine, draw: Draw, running: ModelServer
) -> None:
    app = draw("models")
    assert running.asked == []
    app.button(key="servers-look").click().run()
    assert [key for key in ("one", "two") if key in html(app)] == ["one", "two"]
    app.button(key=f"use-served-{running.url}-two").click().run()
    assert not app.exception
    assert engine.used == "served-two"
    assert f"use-served-{running.url}-two" not in [button.key for button in app.button]


def test_where_none_runs_that_is_said(draw: Draw, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers.find_servers, "__defaults__", ((), 0.1))
    app = draw("models")
    app.button(key="servers-look").click().run()
    assert ENGLISH.servers_none in [caption.value for caption in app.caption]


def add(app: AppTest, url: str, agreed: bool = False, key: str = "") -> AppTest:
    app.text_input(key="server-url").input(url)
    app.text_input(key="server-key").input(key)
    app.checkbox(key="server-consent").set_value(agreed)
    (button,) = [one for one in app.button if one.key and "add-server" in one.key]
    return button.click().run()


def test_a_server_elsewhere_is_added_only_with_the_box_ticked(engine: FakeEngine, draw: Draw) -> None:
    app = add(draw("models"), AWAY)
    assert ENGLISH.servers_refused.format(host=label("192.0.2.7:8000")) in [warning.value for warning in app.warning]
    assert engine.keys == {}
    app = add(app, AWAY, agreed=True, key="sk-secret")
    assert not app.exception
    assert engine.keys == {AWAY: "sk-secret"}
    assert ENGLISH.models_elsewhere.format(host="192.0.2.7:8000") in html(app)
    assert "sk-secret" not in html(app)


def test_a_server_here_needs_no_box(engine: FakeEngine, draw: Draw) -> None:
    app = add(draw("models"), "http://127.0.0.1:8080/v1")
    assert engine.keys == {"http://127.0.0.1:8080": ""}
    assert not app.warning


def test_an_address_that_is_none_is_a_notice(engine: FakeEngine, draw: Draw) -> None:
    app = add(draw("models"), "my server")
    assert "is no address of a server" in app.error[0].value
    assert engine.keys == {}


def test_hostile_names_of_a_server_stay_text(engine: FakeEngine, draw: Draw) -> None:
    evil = "<img src=x onerror=alert(1)>"
    engine._models.append(ModelInfo("x", protocol="openai", server=f"http://{evil}", served_as=evil, program=evil,
                                    off_machine=True))  # fmt: skip
    engine.use_model("x")
    assert "<img" not in html(page("models"))
