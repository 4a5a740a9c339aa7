"""Memory and speed are shown while a model runs, and nothing is asked while none does."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from models.live import LoadedModel
from models.runtime import Runtime
from rag.types import Event, Retrieved, Thought, Token
from tests.fakes import FakeEngine
from tests.ui.conftest import Draw, html
from ui.live import LiveLine
from ui.texts import ENGLISH, SPANISH

RUN = Runtime(4096, 2, 512, 0, flash_attention=False, cache="f16", repack=True)


@dataclass
class Place:
    """Where a line is drawn: what stands there now, and how often it was drawn."""

    shown: str = ""
    drawn: int = 0
    clock: float = 100.0
    asked: list[float] = field(default_factory=list)

    def html(self, text: str) -> None:
        self.shown, self.drawn = text, self.drawn + 1


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    place = Place()
    monkeypatch.setattr("ui.live.time.monotonic", lambda: place.clock)
    monkeypatch.setattr("ui.live.free_memory", lambda: 4 * 10**9)
    monkeypatch.setattr("ui.live.whole_memory", lambda: 16 * 10**9)
    return place


def follow(line: LiveLine, place: Place, event: Event | None, *, times: int, each: float) -> None:
    for _ in range(times):
        place.clock += each
        line.follow(event)


def test_a_line_under_the_answer_says_how_fast_it_comes_and_what_its_model_takes(
    engine: FakeEngine, place: Place
) -> None:
    engine.loaded = [LoadedModel("mini", 2_300_000_000, RUN, True), LoadedModel("idle", 10**9, RUN, False)]
    line = LiveLine(engine, place, ENGLISH)  # type: ignore[arg-type]
    follow(line, place, None, times=5, each=0.2)
    assert "mini takes 2.3 GB of memory · 4.0 GB of 16.0 GB are free" in place.shown
    assert "tokens a second" not in place.shown
    assert "idle" not in place.shown
    assert 'title="Runs here with 2 threads' in place.shown
    follow(line, place, Retrieved((), 0.1), times=1, each=0.1)
    follow(line, place, Thought("hm"), times=10, each=0.25)
    follow(line, place, Token("word "), times=10, each=0.25)
    assert line.tokens_per_second == pytest.approx(4)
    assert "4.0 tokens a second" in place.shown
    assert place.drawn <= 7  # once a second, whatever comes
    before = line.tokens_per_second
    follow(line, place, None, times=50, each=0.2)  # it hangs: what is told stays that of what came
    assert line.tokens_per_second == before


def test_where_no_model_runs_the_line_is_empty(engine: FakeEngine, place: Place) -> None:
    line = LiveLine(engine, place, ENGLISH)  # type: ignore[arg-type]
    follow(line, place, None, times=20, each=0.2)
    assert "<span" not in place.shown


def test_a_server_of_models_has_a_speed_and_no_memory_of_ours(engine: FakeEngine, place: Place) -> None:
    line = LiveLine(engine, place, SPANISH)  # type: ignore[arg-type]
    follow(line, place, Token("word "), times=20, each=0.1)
    assert "10.0 tokens por segundo · quedan libres 4.0 GB de 16.0 GB" in place.shown


def test_the_page_models_shows_what_is_in_memory_and_asks_no_more_where_nothing_is(
    engine: FakeEngine, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(engine, "loaded_models", lambda: asked.append(1) or engine.loaded)
    app = draw("models")
    assert ENGLISH.live_title not in html(app)
    assert len(asked) == 1
    engine.loaded = [LoadedModel("mini", 2_300_000_000, RUN, True)]
    app.run()
    assert not app.exception
    shown = html(app)
    assert ENGLISH.live_title in shown
    assert "takes 2.3 GB · writing" in shown
    engine.loaded = []
    app.run()
    assert ENGLISH.live_title not in html(app)
