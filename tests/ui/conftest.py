"""The pages over an engine that can be computed by hand."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from settings import Settings
from tests.fakes import FakeEngine
from ui.engine import use_engine

ROOT = Path(__file__).resolve().parent.parent.parent
Draw = Callable[[str], AppTest]


@pytest.fixture(autouse=True)
def own_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest leaves the page as the main module, which processes that other tests start would run."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture
def engine(settings: Settings) -> Iterator[FakeEngine]:
    engine = FakeEngine([settings.library])
    use_engine(engine, settings.home)
    yield engine
    use_engine(None, None)


def _page(name: str) -> None:
    import importlib

    from ui.frame import guarded

    guarded(importlib.import_module(f"ui.{name}").draw)()


@pytest.fixture
def draw(engine: FakeEngine) -> Draw:
    """Draws one page, as app.py does."""
    return lambda name: AppTest.from_function(_page, kwargs={"name": name}, default_timeout=20).run()


def html(app: AppTest) -> str:
    """All HTML that a page shows."""
    return "\n".join(element.proto.body for element in app.get("html"))
