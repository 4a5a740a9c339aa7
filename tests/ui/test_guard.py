import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from ui.guard import Guard, security_headers

PORT = 8501
GOOD = [(b"host", b"127.0.0.1:8501")]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers everything, with a header that the guard has to replace."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"X-Frame-Options", b"ALLOWALL")]})
    await send({"type": "http.response.body", "body": b"hello"})


def ask(kind: str, headers: list[tuple[bytes, bytes]]) -> list[MutableMapping[str, Any]]:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": f"{kind}.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(Guard(app, PORT, ["sha256-abc"])({"type": kind, "headers": headers}, receive, send))
    return sent


def passes(kind: str, headers: list[tuple[bytes, bytes]]) -> bool:
    first = ask(kind, headers)[0]
    return first.get("status") == 200 if kind == "http" else first["type"] == "websocket.accept"


REFUSED = {
    "no host": [],
    "foreign host": [(b"host", b"evil.example:8501")],
    "foreign host without port": [(b"host", b"evil.example")],
    "other port": [(b"host", b"127.0.0.1:80")],
    "no port": [(b"host", b"127.0.0.1")],
    "host with a dot": [(b"host", b"localhost.:8501")],
    "host as a prefix": [(b"host", b"127.0.0.1.evil.example:8501")],
    "host as a user": [(b"host", b"127.0.0.1:8501@evil.example")],
    "two hosts": [(b"host", b"127.0.0.1:8501"), (b"host", b"evil.example")],
    "this network": [(b"host", b"0.0.0.0:8501")],
    "foreign origin": [*GOOD, (b"origin", b"http://evil.example")],
    "null origin": [*GOOD, (b"origin", b"null")],
    "secure origin": [*GOOD, (b"origin", b"https://127.0.0.1:8501")],
    "origin of another port": [*GOOD, (b"origin", b"http://127.0.0.1:3000")],
    "origin of another name": [*GOOD, (b"origin", b"http://localhost:8501")],
    "two origins": [*GOOD, (b"origin", b"http://127.0.0.1:8501"), (b"origin", b"http://evil.example")],
    "rebound name": [(b"host", b"evil.example:8501"), (b"origin", b"http://evil.example:8501")],
    "picture on another site": [*GOOD, (b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"no-cors")],
    "page on another port": [*GOOD, (b"sec-fetch-site", b"same-site"), (b"sec-fetch-mode", b"cors")],
}
ALLOWED = {
    "no browser": GOOD,
    "localhost": [(b"host", b"localhost:8501"), (b"origin", b"http://localhost:8501")],
    "ipv6": [(b"host", b"[::1]:8501"), (b"origin", b"http://[::1]:8501")],
    "own page": [*GOOD, (b"Origin", b"http://127.0.0.1:8501"), (b"Sec-Fetch-Site", b"same-origin")],
    "typed address": [*GOOD, (b"sec-fetch-site", b"none"), (b"sec-fetch-mode", b"navigate")],
    "followed link": [*GOOD, (b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"navigate")],
}


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("headers", REFUSED.values(), ids=REFUSED)
def test_a_request_that_is_not_the_apps_own_is_refused(kind: str, headers: list[tuple[bytes, bytes]]) -> None:
    sent = ask(kind, headers)
    if kind == "http":
        assert sent[0]["status"] == 403
    else:
        assert [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("headers", ALLOWED.values(), ids=ALLOWED)
def test_the_apps_own_pages_get_through(kind: str, headers: list[tuple[bytes, bytes]]) -> None:
    assert passes(kind, headers)


@pytest.mark.parametrize("headers", [GOOD, []], ids=["answered", "refused"])
def test_every_response_forbids_anything_from_outside(headers: list[tuple[bytes, bytes]]) -> None:
    sent = ask("http", headers)[0]["headers"]
    found = {name.lower(): value.decode() for name, value in sent}
    assert len(found) == len(sent)
    assert found[b"x-frame-options"] == "DENY"
    assert found[b"x-content-type-options"] == "nosniff"
    policy = dict(part.split(" ", 1) for part in found[b"content-security-policy"].split("; "))
    assert policy["default-src"] == "'self'"
    assert policy["script-src"] == "'self' 'sha256-abc'"
    assert policy["frame-ancestors"] == policy["object-src"] == policy["frame-src"] == "'none'"
    sources = {source for value in policy.values() for source in value.split()}
    outside = {source for source in sources if source[0] != "'" and source not in {"data:", "blob:"}}
    assert outside == {"ws://127.0.0.1:8501", "ws://localhost:8501"}


def test_the_guard_starts_and_stops_the_app_behind_it() -> None:
    seen: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> MutableMapping[str, Any]:
        return {}

    asyncio.run(Guard(inner, PORT)({"type": "lifespan"}, nothing, nothing))
    assert seen == ["lifespan"]


def test_no_script_runs_that_was_not_served() -> None:
    policy = security_headers(PORT)[b"content-security-policy"].decode()
    assert "script-src 'self';" in policy
    assert "unsafe-eval" not in policy
