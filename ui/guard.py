"""What stands in front of the app: only this machine's own pages get through, and they load nothing from outside.

Covered: other web sites that try to talk to the app through the browser (a foreign Host, as in DNS rebinding; a
foreign Origin; a cross-site request), over HTTP and WebSocket alike; pages that try to load, send or frame anything
beyond this server. Not covered: another program that this same user runs.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Guard:
    """ASGI middleware. Refuses with 403 before the app sees the request, so that it looks up no name for it."""

    def __init__(self, app: App, port: int, inline_scripts: Iterable[str] = ()) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost", "[::1]")}
        self._headers = security_headers(port, inline_scripts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._allows(scope["headers"]):
            await self._app(scope, receive, self._sealed(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before the accept: the server answers 403
        else:
            await _refuse(self._sealed(send))

    def _allows(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        found: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            found.setdefault(name.lower(), []).append(value)
        host = found.get(b"host", [])
        if len(host) != 1 or host[0] not in self._hosts:
            return False
        if any(origin != b"http://" + host[0] for origin in found.get(b"origin", [])):
            return False
        # A link that someone follows to the app arrives cross-site too; it gets the page and nothing else.
        site, mode = found.get(b"sec-fetch-site", []), found.get(b"sec-fetch-mode", [])
        return mode == [b"navigate"] or all(value in (b"same-origin", b"none") for value in site)

    def _sealed(self, send: Send) -> Send:
        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [
                    (name, value) for name, value in message.get("headers", []) if name.lower() not in self._headers
                ]
                message = {**message, "headers": [*kept, *self._headers.items()]}
            await send(message)

        return sealed


def security_headers(port: int, inline_scripts: Iterable[str] = ()) -> dict[bytes, bytes]:
    """The headers of every response. `inline_scripts` are hashes ("sha256-...") of scripts within the served page.

    Styles may be inline: the app's components write theirs so.
    """
    sockets = f"ws://127.0.0.1:{port} ws://localhost:{port}"
    scripts = " ".join(f"'{value}'" for value in inline_scripts)
    policy = {
        "default-src": "'self'",
        "script-src": f"'self' {scripts}".strip(),
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": f"'self' {sockets}",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-src": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        b"content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()).encode(),
        b"x-content-type-options": b"nosniff",
        b"x-frame-options": b"DENY",
        b"referrer-policy": b"no-referrer",
        b"cross-origin-opener-policy": b"same-origin",
        b"cross-origin-resource-policy": b"same-origin",
    }


async def _refuse(send: Send) -> None:
    body = b"Refused: this app answers its own pages on this machine only."
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
