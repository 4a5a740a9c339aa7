"""The pages over an engine that can be computed by hand."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from settings import Settings
from tests.fakes import FakeEngine
from ui.engine import use_engine

ROOT = Path(__file__).resolve().parent.parent.parent
CITA = Path(sys.executable).with_name("cita")
Draw = Callable[[str], AppTest]


@contextmanager
def running_app(home: Path, port: int) -> Iterator[str]:
    """The address of the app of that home, in a process of its own."""
    process = subprocess.Popen(
        [CITA, "--home", home, "app", "--port", str(port)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    with process:
        assert f":{port}" in process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
        process.terminate()


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
