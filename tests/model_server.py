"""A server of models on loopback whose every answer a test decides: those of real programs as they publish them, and
lies."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.local_server import LocalServer


@dataclass
class Asked:
    path: str
    headers: dict[str, str]
    body: Any = None


class Answering(BaseHTTPRequestHandler):
    server_of_models: "ModelServer"
    body: Any

    def say(self, value: Any, status: int = 200, **headers: str) -> None:
        text = json.dumps(value).encode()
        self.reply(status, {"Content-Type": "application/json", "Content-Length": str(len(text)), **headers})
        self.wfile.write(text)

    def reply(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def stream(self, lines: Iterator[str] | list[str]) -> None:
        """Server-sent events, sent as they are until the client hangs up."""
        self.reply(200, {"Content-Type": "text/event-stream"})
        try:
            for line in lines:
                self.wfile.write(line.encode() + b"\n\n")
                self.wfile.flush()
        except OSError:
            self.server_of_models.gone.set()
            raise

    def cut(self) -> None:
        """As a killed program does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, *_: Any) -> None:
        pass


@dataclass
class ModelServer(LocalServer):
    """`answers`: what is answered at which path: a value as JSON, or a function of the handler that answers itself."""

    handler = Answering

    answers: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    asked: list[Asked] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)  # a client hung up on a stream

    def answer(self, to: "Answering") -> None:
        length = int(to.headers.get("Content-Length", 0))
        body = json.loads(to.rfile.read(length)) if length else None
        self.asked.append(Asked(to.path, dict(to.headers), body))
        to.server_of_models, to.body = self, body
        if self.key and to.headers.get("Authorization") != f"Bearer {self.key}":
            to.say({"error": {"message": f"Invalid API key {to.headers.get('Authorization')}"}}, 401)
        elif to.path not in self.answers:
            to.say({"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}}, 404)
        elif callable(answer := self.answers[to.path]):
            with suppress(OSError):
                answer(to)
        else:
            to.say(answer)


def chunk(text: str = "", thought: str = "", ends: str | None = None) -> str:
    """A line of a streamed chat completion, as llama-server writes it."""
    delta = {key: value for key, value in (("content", text), ("reasoning_content", thought)) if value}
    choice = {"index": 0, "delta": delta, "finish_reason": ends}
    return "data: " + json.dumps({"object": "chat.completion.chunk", "choices": [choice]})


def saying(*pieces: str, done: bool = True) -> Callable[[Answering], None]:
    """Answers with these pieces of text."""
    lines = [chunk(piece) for piece in pieces] + ([chunk(ends="stop"), "data: [DONE]"] if done else [])
    return lambda to: to.stream(lines)


def listing(*names: str, owner: str = "somebody", **more: Any) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": name, "object": "model", "owned_by": owner, **more} for name in names]}
