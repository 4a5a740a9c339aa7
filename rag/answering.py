"""What the process of a model does that llama.cpp does not run: it loads it and answers as rag/llama_worker.py does."""

import sys
from collections.abc import Callable
from typing import Any, Protocol

from rag.llama_worker import Inbox, Message, Request
from rag.process import be_the_first_to_go, own_standard_output, send


class AnsweringModel(Protocol):
    """A model in memory. It may raise whatever its library does: that is said where the model is wanted."""

    def tokens(self, text: str) -> list[int]:
        """The tokens of a whole prompt."""
        ...

    def generate(self, id: int, request: Request, tell: Callable[[Message], None]) -> Message:
        """Tells the pieces of an answer as they come; its end, with what it took, is returned."""
        ...


def serve(open_model: Callable[..., AnsweringModel], hint: str) -> None:
    """Serves until standard input ends. `open_model` is called with what is to be loaded and with `cancelled`, which
    says of the id of a request whether it was; `hint` says what to do where that fails."""
    replies = own_standard_output()
    be_the_first_to_go()
    inbox = Inbox(sys.stdin.buffer)
    try:
        model = open_model(**inbox.next(), cancelled=inbox.is_cancelled)
    except Exception as error:  # noqa: BLE001 - of any kind, in a library
        send(replies, {"event": "unloadable", "message": _first_line(error), "hint": hint})
        return
    send(replies, {"event": "loaded"})
    while True:
        request = inbox.next()
        try:
            send(replies, _answered(model, request, lambda event: send(replies, event)))
        except Exception as error:  # noqa: BLE001 - as above
            send(replies, {"id": request["id"], "event": "error", "message": _first_line(error)})
        inbox.forget(request["id"])


def piece(id: int, text: str) -> Message:
    """A piece of an answer, as it is told."""
    return {"id": id, "event": "piece", "text": text}


def _answered(model: AnsweringModel, request: dict[str, Any], tell: Callable[[Message], None]) -> Message:
    if request["do"] == "count":
        return {"id": request["id"], "event": "end", "tokens": len(model.tokens(request["text"]))}
    return model.generate(request["id"], Request.read(request), tell)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
