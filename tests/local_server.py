"""A server on loopback whose every answer a test decides."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self


class LocalServer:
    """Answers while it is entered; `answer` is given each request's handler, which is of `handler`'s kind."""

    handler: ClassVar[type[BaseHTTPRequestHandler]] = BaseHTTPRequestHandler

    def answer(self, to: Any) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        server = self

        class Handler(self.handler):  # type: ignore[name-defined, misc]
            def do_GET(self) -> None:
                server.answer(self)

            def do_POST(self) -> None:
                server.answer(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"
