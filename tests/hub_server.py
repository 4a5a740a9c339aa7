"""A hub on loopback that speaks huggingface.co's protocol: /REPO/resolve/REVISION/FILE redirects to another host
(`localhost` instead of 127.0.0.1), which sends the file, whole or from a byte on. What goes wrong is told it before."""

import hashlib
import random
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.local_server import LocalServer

COMMIT = "c" * 40


@dataclass
class Asked:
    """A request: where it went, with which headers."""

    host: str
    path: str
    headers: dict[str, str]


class _Handler(BaseHTTPRequestHandler):
    def reply(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@dataclass
class HubServer(LocalServer):
    """`files`: what lies where; those that end in .json are small ones, sent by the hub itself.

    `refusals` are answered first, one a request to the hub: status and headers. `cut` says after how many bytes the
    next body is cut (None: not), `reset` whether the connection is then reset instead of closed. `sends` is what is
    sent instead of the file. `token`: who does not show it is refused.
    """

    handler = _Handler

    files: dict[str, bytes]
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    cut: Callable[[], int | None] = lambda: None
    reset: bool = False
    sends: bytes | None = None
    token: str = ""
    ranges: bool = True
    says: bool = True  # X-Linked-Etag and its like
    redirect: str = ""  # to where instead
    etag: str = '"one"'
    pause: float = 0.0  # seconds between tenths of a large file
    asked: list[Asked] = field(default_factory=list)
    sent: int = 0  # bytes of large files

    @property
    def asked_of_hub(self) -> list[Asked]:
        return [asked for asked in self.asked if "/resolve/" in asked.path]

    @property
    def asked_elsewhere(self) -> list[Asked]:
        return [asked for asked in self.asked if "/resolve/" not in asked.path]

    def answer(self, to: "_Handler") -> None:
        asked = Asked(to.headers.get("Host", ""), to.path, dict(to.headers))
        self.asked.append(asked)
        if "/resolve/" in to.path:
            self._resolve(to, asked)
        else:
            self._send(to, self.files[to.path.removeprefix("/cdn/")])

    def _resolve(self, to: "_Handler", asked: Asked) -> None:
        if self.refusals:
            status, headers = self.refusals.pop(0)
            to.reply(status, {**headers, "Content-Length": "0"})
            return
        if self.token and asked.headers.get("Authorization") != f"Bearer {self.token}":
            to.reply(401, {"Content-Length": "0"})
            return
        path = to.path.split("://")[-1].split("/resolve/")[1].split("/", 1)[1]
        if path not in self.files:
            to.reply(404, {"Content-Length": "0"})
            return
        content = self.files[path]
        if path.endswith(".json"):
            git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            content = content if self.sends is None else self.sends
            to.reply(200, {"ETag": f'"{git}"', "X-Repo-Commit": COMMIT, "Content-Length": str(len(content))})
            to.wfile.write(content)
            return
        said = {
            "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Linked-Size": str(len(content)),
            "X-Repo-Commit": COMMIT,
        }
        location = self.redirect or f"http://localhost:{self.port}/cdn/{path}"
        to.reply(302, {**(said if self.says else {}), "Location": location, "Content-Length": "0"})

    def _send(self, to: "_Handler", content: bytes) -> None:
        content = content if self.sends is None else self.sends
        start, status, headers = 0, 200, {"ETag": self.etag}
        wanted = to.headers.get("Range", "")
        if self.ranges and wanted and to.headers.get("If-Range", self.etag) == self.etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                to.reply(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
                return
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        to.reply(status, {**headers, "Content-Length": str(len(content) - start)})
        limit = self.cut()
        body = content[start:] if limit is None else content[start : start + limit]
        step = max(1, len(content) // 10) if self.pause else len(body) or 1
        for at in range(0, len(body), step):
            to.wfile.write(body[at : at + step])
            self.sent += len(body[at : at + step])
            time.sleep(self.pause)
        if limit is not None and self.reset:
            to.wfile.flush()
            to.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def some_gguf(size: int, seed: int = 0) -> bytes:
    """Bytes that begin as a GGUF does."""
    return b"GGUF" + random.Random(seed).randbytes(size - 4)
