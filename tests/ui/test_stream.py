import threading
import time
from collections.abc import Iterator

import pytest

from errors import ModelDiedError
from rag.types import Event, Token
from ui.stream import follow


class Model:
    """Writes a word, then reads for ever, until `go` is set."""

    def __init__(self) -> None:
        self.go, self.closed = threading.Event(), threading.Event()

    def events(self) -> Iterator[Event]:
        try:
            yield Token("one")
            self.go.wait(20)
            while True:
                yield Token("more")
        finally:
            self.closed.set()


def test_stopping_returns_at_once_and_ends_the_generation_as_soon_as_the_model_gives_way() -> None:
    model = Model()
    following = follow(model.events(), tick=0.01)
    assert next(following) == Token("one")
    assert next(following) is None
    started = time.monotonic()
    following.close()
    assert time.monotonic() - started < 0.5
    assert not model.closed.is_set()
    model.go.set()
    assert model.closed.wait(5)


def test_events_come_in_order_and_end_with_the_engines() -> None:
    events = [Token(str(n)) for n in range(100)]
    assert [event for event in follow(iter(events)) if event] == events


def test_an_error_of_the_engine_reaches_the_page() -> None:
    def dying() -> Iterator[Event]:
        yield Token("one")
        raise ModelDiedError("The model ended.")

    following = follow(dying())
    assert next(following) == Token("one")
    with pytest.raises(ModelDiedError):
        list(following)
