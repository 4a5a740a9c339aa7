"""Following an answer so that stopping is at once, even while the model is still reading."""

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

from rag.types import Contended, Token

T = TypeVar("T")


class _End:
    pass


def follow(events: Iterator[T], tick: float = 0.2) -> Generator[T | None]:
    """Yields the events as they come, and None whenever `tick` seconds pass without one.

    The engine's iterator runs in a thread of its own. Closing this iterator returns at once; the engine's is closed
    as soon as it gives control back, which ends its generation. Raises what the engine raises.
    """
    inbox: queue.Queue[T | Exception | _End] = queue.Queue()
    closed = threading.Event()
    threading.Thread(target=_pump, args=(events, inbox, closed), name="cita-answer", daemon=True).start()
    try:
        yield from _receive(inbox, tick)
    finally:
        closed.set()


def _receive(inbox: queue.Queue[T | Exception | _End], tick: float) -> Iterator[T | None]:
    while True:
        try:
            item = inbox.get(timeout=tick)
        except queue.Empty:
            yield None
            continue
        if isinstance(item, _End):
            return
        if isinstance(item, Exception):
            raise item
        yield item


def _pump(events: Iterator[T], inbox: queue.Queue[T | Exception | _End], closed: threading.Event) -> None:
    try:
        for event in events:
            if closed.is_set():
                break
            said = event.of if isinstance(event, Contended) else event
            if not (isinstance(said, Token) and not said.text):  # a sign of life: the chance to stop, no more
                inbox.put(event)
    except Exception as error:  # noqa: BLE001 - crosses to the page's thread, which raises it
        inbox.put(error)
    finally:
        close = getattr(events, "close", None)
        if close:
            close()
        inbox.put(_End())
